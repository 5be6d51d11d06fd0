// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Part, Verdict, Word};
use crate::boot::accel::Accel;
use crate::boot::classify::Classifier;
use crate::boot::outcome::{BootReport, GuestResult, Met, Outcome};
use crate::recipe::Recipe;

fn verdict(expect: &str) -> Verdict {
    let text = format!(
        "name = \"test\"\nsummary = \"a test\"\nexpect = {expect}\n[board]\n[[board.smmu]]\nname = \"a\"\n"
    );
    let recipe = Recipe::parse(&text, "test").unwrap_or_else(|error| panic!("{error}"));
    let part = |version: &str, source: &str| Part {
        version: version.into(),
        source: source.into(),
    };
    let kernel = part("7.3.4+deb13-arm64", "debian:7.3.4+deb13-arm64");
    Verdict::new(
        &recipe,
        Accel::Tcg,
        kernel,
        part("11.1.3", "lock file"),
        42,
        5,
        "/results".into(),
    )
}

fn report(outcome: Outcome, console: &str) -> BootReport {
    let mut classifier = Classifier::default();
    classifier.feed(console.as_bytes());
    classifier.finish();
    let outcome_met = outcome.clone();
    BootReport {
        outcome,
        warnings: classifier.hit_count(),
        hits: classifier.hits().to_vec(),
        findings: classifier.findings().iter().cloned().collect(),
        expectations: vec![Met {
            met: match outcome_met {
                Outcome::AsExpected => Some(true),
                Outcome::NotAsExpected(_) => Some(false),
                _ => None,
            },
            count: classifier.hit_count(),
            lines: Vec::new(),
        }],
        total_ms: 12_345,
        boot_ms: Some(8_000),
        results: vec![GuestResult {
            name: "disk".into(),
            text: "ok".into(),
        }],
        tail: classifier.tail().map(str::to_owned).collect(),
        server_messages: Vec::new(),
        stderr_tail: Vec::new(),
        console: None,
        trace: None,
    }
}

fn console(cpu: u32) -> String {
    format!(
        "[    8.0] ------------[ cut here ]------------
[    8.1] virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something fishy here!
[    8.1] WARNING: drivers/iommu/iommu.c:654 at __iommu_probe_device+0x1f8/0x550, CPU#{cpu}: insmod/12{cpu}
[    8.1] Call trace:
[    8.1]  __iommu_probe_device+0x1f8/0x550 (P)
[    8.1]  of_iommu_configure+0x2a4/0x2d8
[    8.1]  really_probe+0x7c/0x3f8
[    8.1] ---[ end trace 0000000000000000 ]---
[    8.2] ------------[ cut here ]------------
[    8.2] WARNING: drivers/base/core.c:1509 at __device_links_no_driver+0xe0/0xf8, CPU#1: init/1
[    8.2] ---[ end trace 0000000000000000 ]---
"
    )
}

fn not() -> Outcome {
    Outcome::NotAsExpected("late-probe warning was not seen".into())
}

fn full() -> Verdict {
    let mut verdict = verdict("\"hit\"");
    verdict.add(1, report(Outcome::AsExpected, &console(0)));
    verdict.add(2, report(not(), ""));
    verdict.add(3, report(Outcome::AsExpected, &console(3)));
    verdict.add(
        4,
        report(
            Outcome::Inconclusive("step 2: mark x after 5 s".into()),
            "last words\nof a console\n",
        ),
    );
    verdict.elapsed_ms = 50_123;
    verdict.first_as_expected_ms = Some(12_345);
    verdict.ended_early = Some("interrupted".into());
    verdict.files = vec!["/results/boot-001.log".into()];
    verdict
}

#[test]
fn text() {
    insta::assert_snapshot!(full().to_string());
}

#[test]
fn json() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&full()).unwrap());
}

#[test]
fn the_one_word() {
    let word = |expect: &str, outcomes: &[Outcome]| {
        let mut verdict = verdict(expect);
        for (boot, outcome) in (1..).zip(outcomes) {
            verdict.add(boot, report(outcome.clone(), ""));
        }
        (verdict.verdict, verdict.is_decided())
    };
    let spoiled = || Outcome::Inconclusive("x".into());
    let dead = Outcome::NotBooted("x".into());
    for expect in ["\"hit\"", "\"no-hit\""] {
        assert_eq!(word(expect, &[]), (Word::Inconclusive, false));
        assert_eq!(
            word(expect, std::slice::from_ref(&dead)),
            (Word::Inconclusive, false)
        );
    }
    // One boot is enough.
    let word_of_some = |outcomes: &[Outcome]| word("\"hit\"", outcomes);
    assert_eq!(word_of_some(&[not(), not()]), (Word::NotAsExpected, false));
    assert_eq!(word_of_some(&[not(), spoiled()]), (Word::Inconclusive, false));
    assert_eq!(
        word_of_some(&[spoiled(), Outcome::AsExpected, dead]),
        (Word::AsExpected, true)
    );
    // Every one has to be.
    let word_of_every = |outcomes: &[Outcome]| word("\"no-hit\"", outcomes);
    assert_eq!(word_of_every(&[Outcome::AsExpected]), (Word::AsExpected, false));
    assert_eq!(
        word_of_every(&[Outcome::AsExpected, spoiled()]),
        (Word::Inconclusive, false)
    );
    assert_eq!(
        word_of_every(&[Outcome::AsExpected, not(), spoiled()]),
        (Word::NotAsExpected, true)
    );
}
