// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::line::Line;
use super::{Classifier, Event, Sentinel};
use crate::boot::findings::{Finding, Kind, LateProbe};
use crate::recipe::{FindingKind, Pattern};

fn read(text: &str) -> Classifier {
    let mut classifier = Classifier::default();
    classifier.feed(text.as_bytes());
    classifier.finish();
    classifier
}

/// Findings other than late probes, each in a line.
fn trouble(text: &str) -> Vec<String> {
    let told = |finding: &Finding| {
        let device = finding
            .device
            .as_ref()
            .map(|device| format!(" of {device}"))
            .unwrap_or_default();
        format!("{} {} [{}]{device}", finding.count, finding.kind, finding.title)
    };
    let classifier = read(text);
    let others = classifier
        .findings()
        .iter()
        .filter(|one| one.kind != FindingKind::LateProbe);
    others.map(told).collect()
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
    assert_eq!(trouble(&text), [""; 0]);
    // The same with nothing seen live: twice the same line is twice the warning.
    assert_eq!(
        read(&format!("@@boot-stress dmesg begin\n{live}{live}")).hit_count(),
        2
    );
}

#[test]
fn other_trouble_is_told_apart_and_counted() {
    let console = "[ 1.0] ------------[ cut here ]------------
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
[ 5.0] pc : amba_dma_configure+0x74/0xc0
[ 5.0] lr : amba_dma_configure+0x70/0xc0
[ 5.0] Call trace:
[ 5.0]  amba_dma_configure+0x74/0xc0 (P)
[ 5.0] ---[ end trace 0000000000000000 ]---
[ 5.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
";
    assert_eq!(read(console).hit_count(), 0);
    assert_eq!(
        trouble(console),
        [
            "2 warning [drivers/base/core.c __device_links_no_driver]",
            "1 oops [amba_dma_configure]",
            "1 panic [Attempted to kill init! exitcode=N]",
            "1 rcu-stall []",
            "1 hung-task [insmod]",
            "1 tlb-sync-timeout [] of 30000000.iommu",
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
    assert!(classifier.findings().iter().count() <= 2 * 33);
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
            (
                classifier.hit_count(),
                classifier.hits(),
                classifier.findings().iter().collect::<Vec<_>>()
            )
        );
        assert!(classifier.hit_count() > 0 && classifier.hits().iter().all(|hit| hit.kind != Kind::Unknown));
    }
}

proptest! {
    #[test]
    fn never_panics_and_chunks_do_not_matter(
        parts in proptest::collection::vec(prop_oneof![
            Just("[    1.0] "), Just("[ T1] "), Just("<4>"), Just("\n"), Just("\r\n"), Just("@@boot-stress "),
            Just("dmesg begin"), Just("dmesg end"), Just("done"), Just("step 1 x"),
            Just("late IOMMU probe at driver bind"), Just("WARNING: "), Just("CPU: "), Just(" PID: 7 "),
            Just(", CPU#1: a/b/3"), Just(" at "), Just("Call trace:"),
            Just("f+0x1/0x2"), Just("------------[ cut here ]------------"), Just("---[ end trace 0 ]---"),
            Just("BUG: "), Just("drv dev: "), Just("Unhandled context fault: fsr=0x402, cb=1"), Just("pc : f+0x1/0x2"),
            Just("Unexpected global fault"), Just("GFSR 0x1, GFSYNR0 0x2"), Just("Booting Linux on physical CPU"),
            Just("probe with driver "), Just(": probe of "), Just(" failed with error -"),
            Just("Blocked unknown Stream ID 0x"), Just("\u{e9}\u{1f600}"), Just("["), Just("]"), Just("<"), Just(">"),
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
            let findings: Vec<_> = classifier.findings().iter().cloned().collect();
            (events, classifier.hit_count(), classifier.hits().to_vec(), findings)
        };
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1).min(bytes.len()));
        prop_assert_eq!(run(&[&bytes]), run(&[head, tail]));
        let text = String::from_utf8_lossy(&bytes);
        let shown = text.matches("late IOMMU probe at driver bind").count();
        prop_assert!(run(&[&bytes]).1 as usize <= shown);
    }
}

#[test]
fn an_oops_is_titled_by_the_function_of_its_program_counter() {
    let report = |address: &str, offset: &str| {
        format!(
            "[ 5.0] Unable to handle kernel NULL pointer dereference at virtual address {address}
[ 5.0] Mem abort info:
[ 5.0] Internal error: Oops: 0000000096000004 [#1]  SMP
[ 5.0] CPU: 1 UID: 0 PID: 71 Comm: kworker/u16:2 Not tainted 7.3.4 #1
[ 5.0] pc : amba_dma_configure+{offset} [amba]
[ 5.0] lr : amba_dma_configure+0x70/0xc0
[ 5.0] Call trace:
[ 5.0]  amba_dma_configure+{offset} (P)
[ 5.0]  __iommu_probe_device+0x1f8/0x560
[ 5.0] ---[ end trace 0000000000000000 ]---
"
        )
    };
    let kernels = report("00000000000000b8", "0x74/0xc0") + &report("00000000000000b0", "0x6c/0xb8");
    assert_eq!(trouble(&kernels), ["2 oops [amba_dma_configure]"]);
    // A headline that another line has cut short.
    let cut =
        report("00000", "0x74/0xc0").replace("[ 5.0] Internal error: Oops: 0000000096000004 [#1]  SMP\n", "");
    assert_eq!(trouble(&cut), ["1 oops [amba_dma_configure]"]);
    let bare =
        "[ 5.0] Unable to handle kernel NULL pointer dereference at virtual address 00000000000000b8\n";
    assert_eq!(
        trouble(bare),
        ["1 oops [Unable to handle kernel NULL pointer dereference]"]
    );
    let jump = report("0", "0x1/0x2").replace("pc : amba_dma_configure+0x1/0x2 [amba]", "pc : 0x0");
    assert_eq!(trouble(&jump), ["1 oops [0x0]"]);
}

/// Lines as kernels of the lock file print them.
#[test]
fn messages_of_the_smmu_and_of_the_driver_core() {
    let console = "\
[ 4.1] arm-smmu 30000000.iommu: Unhandled context fault: fsr=0x402, iova=0x5c0ec600, fsynr=0x320021, \
    cbfrsynra=0x420, cb=5
[ 4.2] arm-smmu 30000000.iommu: Unhandled context fault: fsr=0x402, iova=0x5c0ed000, fsynr=0x320021, \
    cbfrsynra=0x420, cb=5
[ 4.3] arm-smmu 30000000.iommu: Blocked unknown Stream ID 0x5; boot with \"arm-smmu.disable_bypass=0\" to \
    allow, but this may have security implications
[ 4.3] arm-smmu 30000000.iommu: \tGFSR 0x00000002, GFSYNR0 0x00000006, GFSYNR1 0x00000005, GFSYNR2 0x00000000
[ 4.4] arm-smmu 31000000.iommu: Unexpected global fault, this could be serious
[ 4.4] arm-smmu 31000000.iommu: \tGFSR 0x80000000, GFSYNR0 0x00000000, GFSYNR1 0x00000000, GFSYNR2 0x00000000
[ 4.5] arm-smmu 31000000.iommu: Unexpected global fault, this could be serious
[ 4.6] arm-smmu 30000000.iommu: probe with driver arm-smmu failed with error -22
[ 4.7] arm-smmu: probe of 31000000.iommu failed with error -110
[ 4.8] arm-smmu 30000000.iommu: deferred probe timeout, ignoring dependency
[ 4.9] platform 30000000.iommu: deferred probe pending: platform: wait for supplier /clock
[ 5.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:91]
[ 5.1] BUG: KASAN: slab-use-after-free in arm_smmu_attach_dev+0x12/0x340
";
    assert_eq!(
        trouble(console),
        [
            "1 bug [KASAN: slab-use-after-free in arm_smmu_attach_dev]",
            "1 soft-lockup [insmod]",
            "2 context-fault [fsr=0x402 cbfrsynra=0x420] of 30000000.iommu",
            "1 global-fault [] of 31000000.iommu",
            "1 global-fault [gfsr=0x80000000] of 31000000.iommu",
            "1 unknown-stream [stream 0x5] of 30000000.iommu",
            "1 probe-failed [arm-smmu: error -22] of 30000000.iommu",
            "1 probe-failed [arm-smmu: error -110] of 31000000.iommu",
            "1 deferred-timeout [] of 30000000.iommu",
            "1 deferred-pending [] of 30000000.iommu",
        ]
    );
    let classifier = read(console);
    let fields = |kind| {
        let one = classifier.findings().iter().find(|one| one.kind == kind).unwrap();
        one.fields
            .iter()
            .map(|(name, value)| format!("{name}={value:#x}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        fields(FindingKind::ContextFault),
        "cb=0x5 cbfrsynra=0x420 fsr=0x402 fsynr=0x320021 iova=0x5c0ec600"
    );
    assert_eq!(
        fields(FindingKind::UnknownStream),
        "gfsr=0x2 gfsynr0=0x6 gfsynr1=0x5 gfsynr2=0x0 stream=0x5"
    );
    assert_eq!(fields(FindingKind::ProbeFailed), "error=0x16");
}

#[test]
fn events_of_a_kernels_life() {
    let boot = "[ 0.0] Booting Linux on physical CPU 0x0000000000 [0x411fd070]\n";
    let life = |rest: &str| trouble(&format!("{boot}{rest}"));
    assert_eq!(life("[ 9.0] reboot: Power down\n"), ["1 power-off []"]);
    let restart = format!("[ 9.0] reboot: Restarting system\n{boot}");
    assert_eq!(life(&restart), ["1 reset []"], "announced, and so told once");
    assert_eq!(life(boot), ["1 reset []"], "by a watchdog");
    let kexec = format!("[ 9.0] kexec_core: Starting new kernel\n{boot}");
    assert_eq!(life(&kexec), ["1 kexec []"]);
    let crash = format!("[ 9.0] Kernel panic - not syncing: x\n[ 9.1] Starting crashdump kernel...\n{boot}");
    assert_eq!(life(&crash), ["1 panic [x]", "1 crash-kernel []"]);
    let end = "[ 9.0] Kernel panic - not syncing: x\n[ 9.1] ---[ end Kernel panic - not syncing: x ]---\n";
    assert_eq!(life(end), ["1 panic [x]"]);
}

#[test]
fn a_program_may_begin_a_line_with_the_word_warning() {
    assert_eq!(trouble("WARNING: your disk is full\n"), [""; 0]);
}

#[test]
fn lines_that_are_looked_for() {
    let patterns = vec![
        Pattern::Contains("Reached target".into()),
        Pattern::Regex(regex::Regex::new(r"^drv (\w+): late").unwrap()),
    ];
    let mut classifier = Classifier::looking_for(patterns);
    let events = classifier.feed(
        b"[  OK  ] Reached target multi-user.target\n[ 2.0] drv dev: late IOMMU probe at driver bind\n\
          @@boot-stress dmesg begin\n[ 2.0] drv dev: late IOMMU probe at driver bind\n[ 3.0] Reached target x\n",
    );
    let lines: Vec<(usize, &str)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Line { pattern, text } => Some((*pattern, text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        lines,
        [
            (0, "[  OK  ] Reached target multi-user.target"),
            (1, "drv dev: late IOMMU probe at driver bind"),
            (0, "Reached target x"),
        ]
    );
}

/// Lines of a fault storm, no two alike.
fn storm(lines: u32) {
    let mut classifier = Classifier::looking_for(vec![Pattern::Contains("Unhandled context fault".into())]);
    let mut seen = 0;
    for n in 0..lines {
        let line = format!(
            "[ {n}.0] arm-smmu 30000000.iommu: Unhandled context fault: fsr=0x402, iova={n:#x}, \
             cbfrsynra={:#x}, cb=0\n",
            n % 100
        );
        seen += u32::try_from(classifier.feed(line.as_bytes()).len()).unwrap();
    }
    assert_eq!(seen, 2 * lines, "each told once as a line and once as a finding");
    let findings: Vec<&Finding> = classifier.findings().iter().collect();
    assert_eq!(findings.iter().map(|one| one.count).sum::<u32>(), lines);
    assert!(findings.len() <= 33, "{}", findings.len());
    assert!(classifier.state.seen.len() <= super::SEEN_MAX);
}

#[test]
fn a_fault_storm_is_counted_in_bounded_memory() {
    storm(50_000);
}

#[test]
#[ignore = "long: a million lines, 30 s of CPU time without optimisation"]
fn a_fault_storm_of_a_million_lines() {
    storm(1_000_000);
}
