// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::time::{Duration, Instant};

use guest_images::packages::digest;

use super::{End, Watch, tells_of_lost_device};
use crate::boot::outcome::{BootReport, Console, Outcome, ServerMessage};
use crate::boot::run::Limits;
use crate::recipe::Recipe;

const LIMITS: Limits = Limits {
    first_output: Duration::from_secs(20),
    boot: Duration::from_secs(90),
    total: Duration::from_secs(120),
    ends_when_seen: true,
};

fn watch_for(expect: &str, limits: Limits, console: &str) -> Watch {
    let (word, tables) = if expect.starts_with('"') {
        (format!("expect = {expect}"), "")
    } else {
        (String::new(), expect)
    };
    let text =
        format!("name = \"t\"\nsummary = \"\"\n{word}\n[board]\n[[board.smmu]]\nname = \"a\"\n{tables}");
    let recipe = Recipe::parse(&text, "test").unwrap_or_else(|error| panic!("{error}"));
    let mut watch = Watch::new(limits, &recipe.expect, None, false).unwrap();
    watch.console(console.as_bytes(), &mut |_| {}).unwrap();
    watch
}

fn watch(limits: Limits, console: &str) -> Watch {
    watch_for("\"hit\"", limits, console)
}

fn outcome(console: &str, end: End) -> Outcome {
    outcome_for("\"hit\"", console, end)
}

fn outcome_for(expect: &str, console: &str, end: End) -> Outcome {
    let mut watch = watch_for(expect, LIMITS, console);
    watch.finish().unwrap();
    let BootReport { outcome, .. } = watch.report(end, Duration::from_secs(1));
    outcome
}

const BEGIN: &str = "[ 1.0] @@boot-stress begin\n[ 1.1] @@boot-stress step 1 load fixed\n";
const DONE: &str = "[ 9.0] @@boot-stress done\n";
const HIT: &str = "[ 2.0] drv dev: late IOMMU probe at driver bind, something fishy here!\n";

fn not_seen() -> Outcome {
    Outcome::NotAsExpected("late-probe warning was not seen".to_owned())
}

fn inconclusive(reason: &str) -> Outcome {
    Outcome::Inconclusive(reason.to_owned())
}

#[test]
fn only_a_boot_that_got_to_its_end_says_that_nothing_was_seen() {
    let after_begin = |more: &str| outcome(&format!("{BEGIN}{more}"), End::Powered);
    assert_eq!(after_begin(DONE), not_seen());
    assert_eq!(
        after_begin(""),
        inconclusive(
            "the guest ended early without a word of its kernel: a reset by firmware or a watchdog; the \
             guest was at step 1: load fixed"
        )
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
        inconclusive("the kernel had an oops: Internal error: Oops: N [#N]")
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
                Outcome::AsExpected,
                "{more} {end:?}"
            );
        }
    }
    // Before the first step too.
    assert_eq!(outcome(HIT, End::Powered), Outcome::AsExpected);
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
        ends_when_seen: true,
    };
    let end = |mut watch: Watch| {
        watch.tick(watch.clock.last + Duration::from_millis(1));
        watch.end()
    };
    assert_eq!(end(watch_for("\"hit\"", none, "")), Some(End::Mute));
    assert_eq!(end(watch(none, "x")), Some(End::NoBegin));
    assert_eq!(end(watch(none, BEGIN)), Some(End::Timeout));
    assert_eq!(end(watch(LIMITS, BEGIN)), None);
}

/// A boot whose trace is wanted goes on until its script has sent it.
#[test]
fn a_boot_may_go_on_after_all_was_seen() {
    let limits = Limits {
        ends_when_seen: false,
        ..LIMITS
    };
    let end_of = |limits, console: &str| {
        let mut watch = watch(limits, console);
        for _ in 0..8 {
            watch.tick(watch.clock.last + Duration::from_secs(1));
        }
        watch.end()
    };
    let seen = format!("{BEGIN}{HIT}");
    assert_eq!(end_of(LIMITS, &seen), Some(End::Seen));
    assert_eq!(end_of(limits, &seen), None);
    let done = format!("{seen}[ 9.0] @@boot-stress done\n");
    assert_eq!(end_of(limits, &done), Some(End::Seen));
    let panic = format!("{seen}[ 9.0] Kernel panic - not syncing: x\n");
    assert_eq!(end_of(limits, &panic), Some(End::Seen));
}

#[test]
fn a_hit_ends_the_boot_only_after_its_trace_and_never_within_the_dumped_log() {
    let seen = watch(LIMITS, &format!("{BEGIN}{HIT}"));
    assert!(seen.trace.is_some_and(|at| at > Duration::from_secs(1)));
    assert_eq!(seen.end(), None);
    let traced = watch(LIMITS, &format!("{BEGIN}{HIT}[ 2.1] ---[ end trace 0 ]---\n"));
    assert!(traced.trace.is_none() && traced.enough < seen.trace.map(|at| at + Duration::from_secs(1)));
    let mut dumped = watch(LIMITS, &format!("{BEGIN}@@boot-stress dmesg begin\n{HIT}"));
    dumped.enough = Some(Duration::ZERO);
    dumped.clock.elapsed = Duration::from_secs(1);
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

const PANIC: &str = "[ 3.0] Kernel panic - not syncing: sysrq triggered crash\n";
const SECOND: &str = "[ 3.1] Starting crashdump kernel...\n[ 0.0] Booting Linux on physical CPU 0x0\n";

#[test]
fn a_panic_that_is_expected_does_not_end_the_boot() {
    let expect = "[[expect]]\nfinding = \"panic\"\ntitle = \"sysrq triggered crash\"\n[[expect]]\nlog = \"in \
                  the second kernel\"";
    let watch = watch_for(expect, LIMITS, &format!("{BEGIN}{PANIC}"));
    assert_eq!(watch.enough, None);
    let boot = |more: &str, end| outcome_for(expect, &format!("{BEGIN}{PANIC}{more}"), end);
    let second = format!("{SECOND}[ 5.0] in the second kernel\n");
    assert_eq!(
        boot(&format!("{second}{BEGIN}{DONE}"), End::Powered),
        Outcome::AsExpected
    );
    // Without a crash kernel the panic is the end, and a good one.
    assert_eq!(
        boot("", End::Powered),
        Outcome::NotAsExpected("line with \"in the second kernel\" was not seen".into())
    );
    // Anyone else's boot is over.
    assert!(Watch::end(&watch_for("\"hit\"", LIMITS, &format!("{BEGIN}{PANIC}"))).is_none());
    assert_eq!(
        outcome(&format!("{BEGIN}{PANIC}"), End::Seen),
        inconclusive("the kernel panicked")
    );
}

#[test]
fn a_guest_that_switches_itself_off_may_be_what_is_expected() {
    let off = "[ 9.0] reboot: Power down\n";
    let expect = "[[expect]]\nfinding = \"power-off\"\n[[expect]]\nresult = \"ssh\"\nvalue = \"active\"";
    let boot = |more: &str| outcome_for(expect, &format!("{BEGIN}{more}{off}"), End::Powered);
    assert_eq!(
        boot("[ 8.0] @@boot-stress result ssh active\n"),
        Outcome::AsExpected
    );
    assert_eq!(
        boot("[ 8.0] @@boot-stress result ssh failed\n"),
        Outcome::NotAsExpected("result ssh = active was not seen".into())
    );
    let early = outcome(&format!("{BEGIN}{off}"), End::Powered);
    assert_eq!(
        early,
        inconclusive("the guest switched itself off early; the guest was at step 1: load fixed")
    );
    let reset = outcome(
        &format!("{BEGIN}[ 9.0] reboot: Restarting system\n"),
        End::Powered,
    );
    assert!(
        matches!(&reset, Outcome::Inconclusive(reason) if reason.starts_with("the guest was reset early")),
        "{reset:?}"
    );
}

#[test]
fn an_smmu_without_a_driver_makes_the_boot_inconclusive_and_is_named() {
    let failed = "[ 2.0] arm-smmu 30000000.iommu: probe with driver arm-smmu failed with error -22\n";
    let unbound = "[ 8.0] @@boot-stress unbound a 30000000.iommu\n";
    let silent = "SMMU a (30000000.iommu) had no driver: the kernel did not say why";
    let why = "SMMU a (30000000.iommu) had no driver: its probe failed (arm-smmu: error -22)";
    let result = "[[expect]]\nresult = \"disk\"";
    let found = "[ 7.0] @@boot-stress result disk ok\n";
    for expect in ["\"hit\"", "\"no-hit\"", result] {
        let boot = |more: &str| {
            outcome_for(
                expect,
                &format!("{BEGIN}{found}{more}{unbound}{DONE}"),
                End::Powered,
            )
        };
        assert_eq!(boot(""), inconclusive(silent), "{expect}");
        assert_eq!(boot(failed), inconclusive(why), "{expect}");
    }
    // Kernel trouble that was looked for is a fact all the same.
    assert_eq!(
        outcome(&format!("{BEGIN}{HIT}{unbound}{DONE}"), End::Powered),
        Outcome::AsExpected
    );
    let probe = "[[expect]]\nfinding = \"probe-failed\"\nfields = { error = 22 }";
    assert_eq!(
        outcome_for(probe, &format!("{BEGIN}{failed}{unbound}{DONE}"), End::Powered),
        Outcome::AsExpected
    );
}

/// Ctrl-Z, and `fg` after an hour: the guest has been at work meanwhile.
#[test]
fn time_for_which_the_launcher_was_stopped_does_not_count() {
    let mut watch = watch(LIMITS, BEGIN);
    let begin = watch.clock.last;
    let after = |ms| begin + Duration::from_millis(ms);
    watch.tick(after(20));
    watch.tick(after(3_600_000));
    assert_eq!(watch.end(), None);
    watch.console(DONE.as_bytes(), &mut |_| {}).unwrap();
    let mut now = 3_600_000;
    while watch.end().is_none() {
        now += 20;
        watch.tick(after(now));
    }
    assert_eq!(watch.end(), Some(End::Seen));
    assert!((3_603_000..3_603_100).contains(&now), "{now}");
}

#[test]
fn messages_of_the_server_stand_on_the_clock_of_the_console() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console");
    let recipe = Recipe::parse(
        "name = \"t\"\nsummary = \"\"\nexpect = \"hit\"\n[board]\n[[board.smmu]]\nname = \"a\"\n",
        "test",
    )
    .unwrap();
    let mut watch = Watch::new(LIMITS, &recipe.expect, Some(&path), false).unwrap();
    watch.server(Instant::now(), "WARN early").unwrap();
    let console = |watch: &mut Watch, text: &str| watch.console(text.as_bytes(), &mut |_| {}).unwrap();
    console(&mut watch, "[   12.500000] first\n[   13.0");
    let (read, _) = watch.guest_clock.unwrap();
    watch
        .server(read + Duration::from_millis(250), "WARN a = 1")
        .unwrap();
    watch
        .server(read + Duration::from_millis(500), "INFO not kept")
        .unwrap();
    console(&mut watch, "00000] second\n");
    watch.finish().unwrap();
    let copy = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        copy,
        "[           ?] vfio-server: WARN early\n\
         [   12.500000] first\n\
         [   13.000000] second\n\
         [   12.750000] vfio-server: WARN a = 1\n\
         [   13.000000] vfio-server: INFO not kept\n"
    );
    let BootReport { server_messages, .. } = watch.report(End::Powered, Duration::from_secs(1));
    let message = |time: Option<&str>, text: &str| ServerMessage {
        time: time.map(str::to_owned),
        text: text.to_owned(),
    };
    assert_eq!(
        server_messages,
        [
            message(None, "WARN early"),
            message(Some("12.750000"), "WARN a = 1")
        ]
    );
}

#[test]
fn accesses_without_a_clock_are_a_finding_with_their_number() {
    let expect = "[[expect]]\nfinding = \"unclocked-access\"\ntitle = \"a\"\ncount = { min = 35 }\n";
    for (accesses, met) in [(34, Some(false)), (35, Some(true))] {
        let mut watch = watch_for(expect, LIMITS, &format!("{BEGIN}{DONE}"));
        watch.unclocked("b".to_owned(), 100);
        watch.unclocked("a".to_owned(), accesses);
        watch.finish().unwrap();
        let report = watch.report(End::Powered, Duration::from_secs(1));
        assert_eq!(report.expectations[0].met, met, "{accesses}");
    }
}

/// A deterministic boot's console in pieces of `size` bytes.
fn console_of(text: &str, size: usize, end: End) -> Option<Console> {
    let recipe = Recipe::parse(
        "name = \"t\"\nsummary = \"\"\nexpect = \"hit\"\n[board]\n[[board.smmu]]\nname = \"a\"\n",
        "test",
    )
    .unwrap();
    let mut watch = Watch::new(LIMITS, &recipe.expect, None, true).unwrap();
    for piece in text.as_bytes().chunks(size) {
        watch.console(piece, &mut |_| {}).unwrap();
    }
    watch.report(end, Duration::from_secs(1)).console
}

/// The host chooses the pieces in which a console comes, and how much of it is seen after the line that decides.
#[test]
fn a_deterministic_console_ends_with_the_line_that_decides() {
    let decided = format!("{BEGIN}{DONE}");
    let whole = console_of(&decided, 4096, End::Seen).unwrap();
    assert_eq!(whole.lines, 3);
    assert_eq!(whole.sha256, digest::of_bytes(decided.as_bytes()));
    let more = format!("{decided}[ 9.1] reboot: Power down\n");
    for size in [1, 7, 4096] {
        assert_eq!(console_of(&more, size, End::Powered).as_ref(), Some(&whole));
    }
    // One that nothing decides goes to the guest's end, and has none if that was not seen.
    assert_eq!(console_of(BEGIN, 4096, End::Powered).unwrap().lines, 2);
    assert_eq!(console_of(BEGIN, 4096, End::Timeout), None);
}

#[test]
fn boots_at_the_hosts_pace_have_no_hash() {
    let report = watch(LIMITS, &format!("{BEGIN}{DONE}")).report(End::Powered, Duration::ZERO);
    assert_eq!(report.console, None);
}
