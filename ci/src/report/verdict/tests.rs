// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Part, Verdict, Word};
use crate::boot::classify::Classifier;
use crate::boot::run::{BootReport, Outcome};
use crate::recipe::shipped;

fn verdict() -> Verdict {
    let recipe = shipped("boot").unwrap().recipe().unwrap();
    let part = |version: &str, source: &str| Part {
        version: version.into(),
        source: source.into(),
    };
    let kernel = part("7.3.4+deb13-arm64", "debian:7.3.4+deb13-arm64");
    Verdict::new(
        &recipe,
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
    BootReport {
        outcome,
        warnings: classifier.hit_count(),
        hits: classifier.hits().to_vec(),
        others: classifier.others(),
        total_ms: 12_345,
        boot_ms: Some(8_000),
        results: Vec::new(),
        tail: classifier.tail().map(str::to_owned).collect(),
        said: Vec::new(),
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

fn full() -> Verdict {
    let mut verdict = verdict();
    verdict.add(1, report(Outcome::Hit, &console(0)));
    verdict.add(2, report(Outcome::NoHit, ""));
    verdict.add(3, report(Outcome::Hit, &console(3)));
    verdict.add(
        4,
        report(
            Outcome::Inconclusive("step 2: mark x after 5 s".into()),
            "last words\nof a console\n",
        ),
    );
    verdict.elapsed_ms = 50_123;
    verdict.first_hit_ms = Some(12_345);
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
    let word = |outcomes: &[Outcome]| {
        let mut verdict = verdict();
        for (boot, outcome) in (1..).zip(outcomes) {
            verdict.add(boot, report(outcome.clone(), ""));
        }
        verdict.verdict
    };
    let spoiled = Outcome::Inconclusive("x".into());
    let dead = Outcome::NotBooted("x".into());
    assert_eq!(word(&[]), Word::Inconclusive);
    assert_eq!(word(&[Outcome::NoHit, Outcome::NoHit]), Word::NotReproduced);
    assert_eq!(word(&[Outcome::NoHit, spoiled.clone()]), Word::Inconclusive);
    assert_eq!(word(std::slice::from_ref(&dead)), Word::Inconclusive);
    assert_eq!(word(&[spoiled, Outcome::Hit, dead]), Word::Reproduced);
}
