// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::time::Duration;

use super::{End, Watch, tells_of_lost_device};
use crate::boot::run::{BootReport, Limits, Outcome};

const LIMITS: Limits = Limits {
    first_output: Duration::from_secs(20),
    boot: Duration::from_secs(90),
    total: Duration::from_secs(120),
};

fn watch(limits: Limits, console: &str) -> Watch {
    let mut watch = Watch::new(limits, None).unwrap();
    watch.console(console.as_bytes(), &mut |_| {}).unwrap();
    watch
}

fn outcome(console: &str, end: End) -> Outcome {
    let mut watch = watch(LIMITS, console);
    watch.finish();
    let BootReport { outcome, .. } = watch.report(end, Duration::from_secs(1));
    outcome
}

const BEGIN: &str = "[ 1.0] @@boot-stress begin\n[ 1.1] @@boot-stress step 1 load fixed\n";
const DONE: &str = "[ 9.0] @@boot-stress done\n";
const HIT: &str = "[ 2.0] drv dev: late IOMMU probe at driver bind, something fishy here!\n";

fn inconclusive(reason: &str) -> Outcome {
    Outcome::Inconclusive(reason.to_owned())
}

#[test]
fn only_a_boot_that_got_to_its_end_says_that_nothing_was_seen() {
    let after_begin = |more: &str| outcome(&format!("{BEGIN}{more}"), End::Powered);
    assert_eq!(after_begin(DONE), Outcome::NoHit);
    assert_eq!(
        after_begin(""),
        inconclusive("the guest ended early; the guest was at step 1: load fixed")
    );
    let spoiled = format!("@@boot-stress timeout step 2: mark x after 5 s\n{DONE}");
    assert_eq!(after_begin(&spoiled), inconclusive("step 2: mark x after 5 s"));
    let failed = format!("@@boot-stress failed step 1: loading fixed\n@@boot-stress failed step 1\n{DONE}");
    assert_eq!(after_begin(&failed), inconclusive("step 1: loading fixed"));
    let panic = "[ 3.0] Kernel panic - not syncing: x\n";
    assert_eq!(after_begin(panic), inconclusive("the kernel panicked"));
    let oops = format!("[ 3.0] Internal error: Oops: 0 [#1]\n[ 3.1] ---[ end trace 0 ]---\n{DONE}");
    assert_eq!(
        after_begin(&oops),
        inconclusive("the kernel had an oops: Internal error: Oops: 0 [#1]")
    );
    assert!(matches!(outcome(BEGIN, End::Timeout), Outcome::Inconclusive(_)));
}

#[test]
fn a_hit_counts_whatever_else_happens() {
    for more in [
        "",
        DONE,
        "@@boot-stress timeout step 2: x\n",
        "[ 3.0] Kernel panic - not syncing: x\n",
    ] {
        for end in [End::Powered, End::Seen, End::Timeout] {
            assert_eq!(
                outcome(&format!("{BEGIN}{HIT}{more}"), end),
                Outcome::Hit,
                "{more} {end:?}"
            );
        }
    }
    // Before the first step too.
    assert_eq!(outcome(HIT, End::Powered), Outcome::Hit);
}

#[test]
fn a_guest_that_does_not_get_to_its_first_step_will_not_the_next_time() {
    let not_booted = |console, end| matches!(outcome(console, end), Outcome::NotBooted(_));
    assert!(not_booted("", End::Mute));
    assert!(not_booted("[ 0.0] Booting Linux\n", End::NoBegin));
    assert!(not_booted(
        "[ 1.0] Kernel panic - not syncing: VFS\n",
        End::Powered
    ));
}

#[test]
fn time_limits() {
    let none = Limits {
        first_output: Duration::ZERO,
        boot: Duration::ZERO,
        total: Duration::ZERO,
    };
    assert_eq!(Watch::new(none, None).unwrap().end(), Some(End::Mute));
    assert_eq!(watch(none, "x").end(), Some(End::NoBegin));
    assert_eq!(watch(none, BEGIN).end(), Some(End::Timeout));
    assert_eq!(watch(LIMITS, BEGIN).end(), None);
}

#[test]
fn a_hit_ends_the_boot_only_after_its_trace_and_never_within_the_dumped_log() {
    let seen = watch(LIMITS, &format!("{BEGIN}{HIT}"));
    assert!(
        seen.enough
            .is_some_and(|at| at > std::time::Instant::now() + Duration::from_secs(1))
    );
    assert_eq!(seen.end(), None);
    let traced = watch(LIMITS, &format!("{BEGIN}{HIT}[ 2.1] ---[ end trace 0 ]---\n"));
    assert!(traced.enough < seen.enough.map(|at| at + Duration::from_secs(1)));
    let mut dumped = watch(LIMITS, &format!("{BEGIN}@@boot-stress dmesg begin\n{HIT}"));
    dumped.enough = Some(std::time::Instant::now() - Duration::from_secs(1));
    assert_eq!(dumped.end(), None);
    dumped.console(b"@@boot-stress dmesg end\n", &mut |_| {}).unwrap();
    assert_eq!(dumped.end(), Some(End::Seen));
}

#[test]
fn what_qemu_says_about_a_server_that_does_not_answer() {
    for line in [
        "qemu-system-aarch64: vfio_user_device_io_region_read: timed out waiting for reply: Connection timed out",
        "qemu-system-aarch64: vfio-user: bad header size",
    ] {
        assert!(tells_of_lost_device(line), "{line}");
    }
    assert!(!tells_of_lost_device(
        "qemu-system-aarch64: warning: something else"
    ));
}
