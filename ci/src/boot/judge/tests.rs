// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::Judge;
use crate::boot::findings::Finding;
use crate::boot::outcome::Outcome;
use crate::recipe::{FindingKind, Recipe};

fn judge(tables: &str) -> Judge {
    let text = format!("name = \"t\"\nsummary = \"\"\n[board]\n[[board.smmu]]\nname = \"a\"\n{tables}");
    let recipe = Recipe::parse(&text, "test").unwrap_or_else(|error| panic!("{error}"));
    Judge::new(&recipe.expect)
}

fn found(kind: FindingKind, title: &str) -> Finding {
    Finding::new(kind, Some("30000000.iommu".into()), title.into(), String::new())
}

/// Outcome of a boot with `count` oopses in `amba_dma_configure`, whole or not.
fn oopses(keys: &str, count: u32, whole: bool) -> Outcome {
    let mut judge = judge(&format!(
        "[[expect]]\nfinding = \"oops\"\ntitle = \"amba_dma_configure\"\n{keys}"
    ));
    for _ in 0..count {
        judge.finding(&found(FindingKind::Oops, "amba_dma_configure"));
    }
    judge.conclude((!whole).then(|| "cut short".into()), true).0
}

#[test]
fn counts_decide_as_soon_as_they_can_and_not_before() {
    let cut = || Outcome::Inconclusive("cut short".into());
    assert_eq!(oopses("", 1, false), Outcome::AsExpected);
    assert_eq!(oopses("count = { min = 2 }", 1, false), cut());
    assert_eq!(oopses("count = { min = 2 }", 2, false), Outcome::AsExpected);
    assert_eq!(oopses("count = 2", 2, false), cut());
    assert_eq!(oopses("count = 2", 2, true), Outcome::AsExpected);
    assert!(matches!(oopses("count = 2", 3, false), Outcome::NotAsExpected(_)));
    assert_eq!(
        oopses("count = 2", 1, true),
        Outcome::NotAsExpected(
            "oops (amba_dma_configure) was seen 1 times, expected: oops (amba_dma_configure) exactly 2 times"
                .into()
        )
    );
    assert_eq!(oopses("never = true", 0, true), Outcome::AsExpected);
    assert_eq!(oopses("never = true", 0, false), cut());
    assert_eq!(
        oopses("never = true", 1, false),
        Outcome::NotAsExpected("oops (amba_dma_configure) was seen".into())
    );
}

#[test]
fn title_device_and_fields_have_to_fit() {
    let seen = |keys: &str| {
        let mut judge = judge(&format!("[[expect]]\nfinding = \"context-fault\"\n{keys}"));
        let mut fault = found(FindingKind::ContextFault, "fsr=0xffffffff");
        fault.fields.insert("fsr".into(), 0xffff_ffff);
        judge.finding(&fault);
        judge.conclude(None, true).0 == Outcome::AsExpected
    };
    assert!(seen(""));
    assert!(seen("fields = { fsr = 0xffffffff }"));
    assert!(!seen("fields = { fsr = 0x402 }") && !seen("fields = { fsynr = 0 }"));
    assert!(seen("device = \"${a}\"") && !seen("device = \"31000000.iommu\""));
    assert!(seen("title_regex = '^fsr=0xf+$'") && !seen("title = \"fsr\""));
}

#[test]
fn an_oops_that_nothing_wants_makes_what_was_not_seen_say_nothing() {
    let mut judge = judge("[[expect]]\nfinding = \"late-probe\"");
    judge.finding(&found(FindingKind::Oops, "f"));
    assert_eq!(
        judge.conclude(None, true).0,
        Outcome::Inconclusive("the kernel had an oops: f".into())
    );
}

#[test]
fn a_recipe_says_what_makes_its_boots_inconclusive() {
    let tables = "[[expect]]\nresult = \"disk\"\n[[inconclusive]]\nlog = \"group 0\"\nnever = true\nnote = \
                  \"no group\"";
    let mut one = judge(tables);
    one.result("disk", "ok");
    let group = |judge: &mut Judge| judge.line(0, "Adding to iommu group 0".into());
    assert_eq!(
        one.conclude(None, true).0,
        Outcome::Inconclusive("line with \"group 0\" was not seen: no group".into())
    );
    let mut one = judge(tables);
    one.result("disk", "ok");
    group(&mut one);
    assert_eq!(one.conclude(None, true).0, Outcome::AsExpected);
}

#[test]
fn lines_are_kept_and_counted_by_their_expectation() {
    let mut judge = judge("[[expect]]\nresult = \"r\"\n[[expect]]\nlog = \"x\"\n[[expect]]\nlog = \"y\"");
    for n in 0..100 {
        judge.line(1, format!("y {n}"));
    }
    let (_, met) = judge.conclude(None, true);
    assert_eq!((met[1].count, met[2].count), (0, 100));
    assert_eq!((met[0].met, met[2].met), (Some(false), Some(true)));
    assert_eq!(met[2].lines.len(), super::LINES_MAX);
}

#[test]
fn only_kernel_trouble_settles_a_boot_before_its_end() {
    let mut one = judge("[[expect]]\nfinding = \"oops\"");
    assert!(!one.is_settled());
    one.finding(&found(FindingKind::Oops, "f"));
    assert!(one.is_settled());
    let mut one = judge("[[expect]]\nfinding = \"oops\"\n[[expect]]\nlog = \"x\"");
    one.finding(&found(FindingKind::Oops, "f"));
    one.line(0, "x".into());
    assert!(!one.is_settled());
}
