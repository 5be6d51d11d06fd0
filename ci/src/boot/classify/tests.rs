// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::line::Line;
use super::{Classifier, Event, Kind, LateProbe, Other, Sentinel};

fn read(text: &str) -> Classifier {
    let mut classifier = Classifier::default();
    classifier.feed(text.as_bytes());
    classifier.finish();
    classifier
}

fn only_hit(text: &str) -> LateProbe {
    let classifier = read(text);
    assert_eq!(classifier.hit_count(), 1, "{text}");
    classifier.hits()[0].clone()
}

const OLD: &str = "\
[    4.349] ------------[ cut here ]------------
[    4.350107] adreno 13d00000.gpu: late IOMMU probe at driver bind, something fishy here!
[    4.350200] WARNING: CPU: 1 PID: 13 at drivers/iommu/iommu.c:571 __iommu_probe_device+0x208/0x38c
[    4.350300] Modules linked in: msm(+)
[    4.350400] CPU: 1 UID: 0 PID: 13 Comm: kworker/u16:1 Not tainted 6.14.0 #1 NONE
[    4.350500] Workqueue: events_unbound deferred_probe_work_func
[    4.350600] pc : __iommu_probe_device+0x208/0x38c
[    4.350700] Call trace:
[    4.350800]  __iommu_probe_device+0x208/0x38c (P)
[    4.350900]  iommu_probe_device+0x38/0x90
[    4.351000]  of_iommu_configure+0x164/0x250
[    4.351100]  really_probe+0xb8/0x2d0
[    4.351200]  adreno_register+0x20/0x40 [msm]
[    4.351300] ---[ end trace 0000000000000000 ]---
";

#[test]
fn the_form_up_to_6_18() {
    let hit = only_hit(OLD);
    assert_eq!(
        (hit.driver.as_str(), hit.device.as_str()),
        ("adreno", "13d00000.gpu")
    );
    assert_eq!(
        (hit.cpu, hit.pid, hit.comm.as_deref()),
        (Some(1), Some(13), Some("kworker/u16:1"))
    );
    assert_eq!(hit.source.as_deref(), Some("drivers/iommu/iommu.c:571"));
    assert_eq!(hit.time.as_deref(), Some("4.350107"));
    assert_eq!(hit.kind, Kind::Replay);
    let functions: Vec<&str> = hit.trace.iter().map(|frame| frame.function()).collect();
    assert_eq!(
        functions,
        [
            "__iommu_probe_device",
            "iommu_probe_device",
            "of_iommu_configure",
            "really_probe",
            "adreno_register"
        ]
    );
    assert_eq!(hit.trace[0].as_str(), "__iommu_probe_device+0x208/0x38c (P)");
}

#[test]
fn the_form_since_6_19_where_names_of_tasks_hold_slashes() {
    let hit = only_hit(
        "------------[ cut here ]------------
         virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something fishy here!
         WARNING: drivers/iommu/iommu.c:650 at __iommu_probe_device+0x3a0/0x608, CPU#7: kworker/u16:2/71
         Call trace:
          __iommu_probe_device+0x3a0/0x608 (P)
          probe_iommu_group+0x40/0x80
          bus_for_each_dev+0x84/0x100
          really_probe+0xb8/0x2d0
         ---[ end trace 0000000000000000 ]---",
    );
    assert_eq!(
        (hit.cpu, hit.pid, hit.comm.as_deref()),
        (Some(7), Some(71), Some("kworker/u16:2"))
    );
    assert_eq!(hit.source.as_deref(), Some("drivers/iommu/iommu.c:650"));
    assert_eq!(hit.kind, Kind::Walk);
}

#[test]
fn the_stripped_form_and_the_text_after_the_warning_line() {
    let hit = only_hit(
        "[ 2.0] WARNING: at drivers/iommu/iommu.c:559 __iommu_probe_device\n\
         [ 2.0] sata_rcar ee300000.sata: late IOMMU probe at driver bind, something fishy here!\n",
    );
    assert_eq!(hit.source.as_deref(), Some("drivers/iommu/iommu.c:559"));
    assert_eq!((hit.device.as_str(), hit.kind), ("ee300000.sata", Kind::Unknown));
}

#[test]
fn prefixes_of_levels_and_callers() {
    let parse = |raw| {
        let Line { time, caller, text } = Line::parse(raw);
        (time, caller, text)
    };
    assert_eq!(parse("<4>[    6.246790] a"), (Some("6.246790"), None, "a"));
    assert_eq!(
        parse("[    2.360729][    T1] a"),
        (Some("2.360729"), Some("T1"), "a")
    );
    assert_eq!(
        parse("[    2.360729] [    C3]  a"),
        (Some("2.360729"), Some("C3"), " a")
    );
    assert_eq!(parse("[    2.360729  T1] a"), (Some("2.360729"), Some("T1"), "a"));
    assert_eq!(parse("[  OK  ] Started"), (None, None, "[  OK  ] Started"));
    assert_eq!(parse("<not a level> a"), (None, None, "<not a level> a"));
}

#[test]
fn reports_of_two_callers_do_not_mix() {
    let classifier = read(
        "[ 1.0][   T5] ------------[ cut here ]------------
[ 1.0][   T9] ------------[ cut here ]------------
[ 1.0][   T5] drv a.dev: late IOMMU probe at driver bind, something fishy here!
[ 1.0][   T9] drv b.dev: late IOMMU probe at driver bind, something fishy here!
[ 1.0][   T9] Call trace:
[ 1.0][   T5] Call trace:
[ 1.0][   T9]  probe_iommu_group+0x1/0x2
[ 1.0][   T5]  of_iommu_configure+0x1/0x2
[ 1.0][   T9] ---[ end trace 0000000000000000 ]---
[ 1.0][   T5] ---[ end trace 0000000000000000 ]---
",
    );
    let told: Vec<(&str, Kind)> = classifier
        .hits()
        .iter()
        .map(|hit| (hit.device.as_str(), hit.kind))
        .collect();
    assert_eq!(told, [("b.dev", Kind::Walk), ("a.dev", Kind::Replay)]);
}

#[test]
fn lines_of_others_within_a_report_are_no_frames() {
    let text = OLD.replace(
        "[    4.350900]",
        "[    4.350850] arm-smmu 30000000.iommu: probing hardware configuration...\n\
         [    4.350851] platform b: Adding to iommu group 0\n[    4.350900]",
    );
    assert_eq!(only_hit(&text).trace.len(), 5);
}

#[test]
fn without_markers_every_warning_still_counts() {
    let line =
        |n: u32| format!("[ {n}.0] drv dev{n}: late IOMMU probe at driver bind, something fishy here!\n");
    let classifier = read(&(line(1) + &line(2) + &line(3)));
    assert_eq!((classifier.hit_count(), classifier.hits().len()), (3, 3));
}

#[test]
fn a_kernel_line_behind_a_user_programs_output_counts() {
    let hit = only_hit(
        "some prompt$ [    9.000001] drv dev: late IOMMU probe at driver bind, something fishy here!\n",
    );
    assert_eq!((hit.driver.as_str(), hit.device.as_str()), ("drv", "dev"));
}

#[test]
fn the_dumped_log_repeats_nothing() {
    let live = OLD;
    let other = live.replace("4.35", "7.35").replace("13d00000", "13e00000");
    let text = format!("{live}@@boot-stress dmesg begin\n{live}{other}@@boot-stress dmesg end\n");
    let classifier = read(&text);
    assert_eq!(classifier.hit_count(), 2);
    assert_eq!(classifier.others(), []);
    // The same with nothing seen live: twice the same line is twice the warning.
    assert_eq!(
        read(&format!("@@boot-stress dmesg begin\n{live}{live}")).hit_count(),
        2
    );
}

#[test]
fn other_trouble_is_told_apart_and_counted() {
    let classifier = read(
        "[ 1.0] ------------[ cut here ]------------
[ 1.0] WARNING: CPU: 0 PID: 1 at drivers/base/core.c:1439 __device_links_no_driver+0xe0/0xf8
[ 1.0] Call trace:
[ 1.0]  __device_links_no_driver+0xe0/0xf8
[ 1.0] ---[ end trace 0000000000000000 ]---
[ 2.0] ------------[ cut here ]------------
[ 2.0] WARNING: drivers/base/core.c:1509 at __device_links_no_driver+0xe0/0xf8, CPU#1: init/1
[ 2.0] ---[ end trace 0000000000000000 ]---
[ 3.0] arm-smmu 30000000.iommu: TLB sync timed out -- SMMU may be deadlocked
[ 3.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
[ 4.0] INFO: task insmod:91 blocked for more than 120 seconds.
[ 5.0] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
[ 5.0] Internal error: Oops: 0000000096000004 [#1]  SMP
[ 5.0] ---[ end trace 0000000000000000 ]---
[ 5.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
",
    );
    assert_eq!(classifier.hit_count(), 0);
    let told: Vec<String> = classifier
        .others()
        .iter()
        .map(|Other { kind, title, count }| format!("{count} {kind:?}: {title}"))
        .collect();
    assert_eq!(
        told,
        [
            "2 Warning: drivers/base/core.c __device_links_no_driver",
            "1 Oops: Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
            "1 Panic: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
            "1 RcuStall: RCU stall",
            "1 HungTask: INFO: task insmod:91 blocked for more than 120 seconds.",
            "1 TlbSync: arm-smmu 30000000.iommu: TLB sync timed out -- SMMU may be deadlocked",
        ]
    );
}

#[test]
fn sentinels_wherever_they_stand_in_a_line() {
    let mut classifier = Classifier::default();
    let events = classifier.feed(
        b"[    3.1] @@boot-stress begin\r\n[ 3.2] @@boot-stress step 12 load fixed\r\nxyz@@boot-stress done\r\n\
          @@boot-stress step none\r\n@@boot-stress timeout step 3: mark x after 5 s\r\n",
    );
    let expected = [
        Sentinel::Begin,
        Sentinel::Step {
            index: 12,
            text: "load fixed".to_owned(),
        },
        Sentinel::Done,
        Sentinel::Timeout {
            text: "step 3: mark x after 5 s".to_owned(),
        },
    ];
    assert_eq!(events, expected.map(Event::Sentinel));
}

#[test]
fn a_storm_is_counted_and_not_kept() {
    let text: String = (0..10_000)
        .map(|n| {
            format!(
                "[ {n}.0] drv d{n}: late IOMMU probe at driver bind\n[ {n}.1] WARNING: at f{n}.c:1 g{n}\n"
            )
        })
        .collect();
    let classifier = read(&text);
    assert_eq!(classifier.hit_count(), 10_000);
    assert_eq!(classifier.hits().len(), super::HITS_MAX);
    assert!(classifier.others().len() <= super::OTHERS_MAX);
}

/// Consoles of real boots, cut where nothing happens.
#[test]
fn real_consoles() {
    macro_rules! console {
        ($name:literal) => {
            ($name, include_bytes!(concat!("testdata/", $name, ".log")))
        };
    }
    const CONSOLES: &[(&str, &[u8])] = &[
        console!("6.16.3-replay"),
        console!("7.2.12-replay"),
        console!("7.3.4-replay"),
        console!("7.3.4-walk-and-replay"),
    ];
    for (name, bytes) in CONSOLES {
        let mut classifier = Classifier::default();
        classifier.feed(bytes);
        classifier.finish();
        insta::assert_debug_snapshot!(
            *name,
            (classifier.hit_count(), classifier.hits(), classifier.others())
        );
        assert!(classifier.hit_count() > 0 && classifier.hits().iter().all(|hit| hit.kind != Kind::Unknown));
    }
}

proptest! {
    #[test]
    fn never_panics_and_chunks_do_not_matter(
        parts in proptest::collection::vec(prop_oneof![
            Just("[    1.0] "), Just("[ T1] "), Just("<4>"), Just("\n"), Just("\r\n"), Just("@@boot-stress "),
            Just("dmesg begin"), Just("dmesg end"), Just("done"), Just("step 1 x"), Just("late IOMMU probe at driver bind"),
            Just("WARNING: "), Just("CPU: "), Just(" PID: 7 "), Just(", CPU#1: a/b/3"), Just(" at "), Just("Call trace:"),
            Just("f+0x1/0x2"), Just("------------[ cut here ]------------"), Just("---[ end trace 0 ]---"),
            Just("BUG: "), Just("drv dev: "), Just("\u{e9}\u{1f600}"), Just("["), Just("]"), Just("<"), Just(">"),
        ], 0..80),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = parts.concat().into_bytes();
        bytes.extend(&noise);
        let run = |chunks: &[&[u8]]| {
            let mut classifier = Classifier::default();
            let mut events = Vec::new();
            for chunk in chunks {
                events.extend(classifier.feed(chunk));
            }
            events.extend(classifier.finish());
            (events, classifier.hit_count(), classifier.hits().to_vec(), classifier.others())
        };
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1).min(bytes.len()));
        prop_assert_eq!(run(&[&bytes]), run(&[head, tail]));
        let text = String::from_utf8_lossy(&bytes);
        let shown = text.matches("late IOMMU probe at driver bind").count();
        prop_assert!(run(&[&bytes]).1 as usize <= shown);
    }
}
