// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use crate::boot::findings::Finding;
use crate::recipe::{ExpectBoots, FindingKind, Recipe};

fn parse(keys: &str, tables: &str) -> Result<Recipe, String> {
    let text =
        format!("name = \"t\"\nsummary = \"\"\n{keys}\n[board]\n[[board.smmu]]\nname = \"a\"\n{tables}\n");
    Recipe::parse(&text, "r.toml").map_err(|error| error.to_string())
}

fn told(keys: &str, tables: &str) -> String {
    let recipe = parse(keys, tables).unwrap_or_else(|error| panic!("{error}"));
    let boots = match recipe.expect.boots {
        ExpectBoots::Some => "some",
        ExpectBoots::Every => "every",
    };
    format!("{boots}: {}", recipe.expect)
}

#[test]
fn expectations_in_words() {
    assert_eq!(told("expect = \"hit\"", ""), "some: late-probe warning");
    assert_eq!(told("expect = \"no-hit\"", ""), "every: no late-probe warning");
    let tables = r#"
[[expect]]
finding = "late-probe"
title = "walk"
[[expect]]
finding = "oops"
never = true
[[expect]]
finding = "context-fault"
device = "${a}"
fields = { fsr = 0xffffffff }
count = { max = 3 }
[[expect]]
log_regex = 'group \d+ of ${a}'
count = 2
[[expect]]
result = "disk"
value = "ok"
count = { min = 2, max = 4 }
"#;
    assert_eq!(
        told("", tables),
        "some: late-probe warning (walk); no oops; \
         unhandled context fault of 30000000.iommu fsr=0xffffffff at most 3 times; \
         line with /group \\d+ of 30000000\\.iommu/ exactly 2 times; result disk = ok 2 to 4 times"
    );
    assert_eq!(
        told("expect_boots = \"every\"", "[[expect]]\nlog = \"x\""),
        "every: line with \"x\""
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    let mistakes = [
        ("", ""),
        ("expect = \"maybe\"", ""),
        ("expect = []", ""),
        ("expect = \"hit\"\nallow_unbound = [\"b\"]", ""),
        ("", "[[expect]]\nfinding = \"ooops\""),
        ("", "[[expect]]\nfinding = \"oops\"\nlog = \"x\""),
        ("", "[[expect]]\nlog = \"x\"\nvalue = \"y\""),
        ("", "[[expect]]\nnote = \"x\""),
        ("", "[[expect]]\nlog = \"x\"\nlog_regex = \"y\""),
        ("", "[[expect]]\nlog_regex = \"(\""),
        ("", "[[expect]]\nlog_regex = '(\\w{1000}){1000}'"),
        ("", "[[expect]]\nlog = \"${b}\""),
        ("", "[[expect]]\nlog = \"x\"\nnever = true\ncount = 1"),
        ("", "[[expect]]\nlog = \"x\"\ncount = { min = 3, max = 2 }"),
        ("", "[[expect]]\nlog = \"x\"\ncount = {}"),
        ("", "[[expect]]\nlog = \"x\"\ncount = -1"),
        ("", "[[expect]]\nlog = \"x\"\ncolour = 1"),
        ("", &"[[expect]]\nlog = \"x\"\n".repeat(65)),
    ];
    let told = mistakes.map(|(keys, tables)| parse(keys, tables).expect_err(tables));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn an_smmu_that_may_stay_without_a_driver_is_nothing_else() {
    let recipe = parse("allow_unbound = [\"a\"]", "[[expect]]\nlog = \"x\"").unwrap();
    let unbound = |smmu: &str| {
        Finding::new(
            FindingKind::Unbound,
            Some("30000000.iommu".to_owned()),
            smmu.to_owned(),
            String::new(),
        )
    };
    assert!(recipe.expect.has_finding(unbound("a").as_ref()));
    assert!(!recipe.expect.has_finding(unbound("b").as_ref()));
}
