// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Delays: what software sees of them, and how a plan is checked.

use smmu_emu::testing::fields::{cba2r, cbar};
use smmu_emu::testing::{At, Bench, Cb, Gr0};
use smmu_emu::{AccessKind, Config, MarkRule, Marks, Plan, Smmu};

const CONFIG: &str = "preset = \"mmu-500-ats\"";
const GLOBAL: (At, At) = (Gr0(0x70), Gr0(0x74));

fn context(bank: u64) -> (At, At) {
    (Cb(bank, 0x7f0), Cb(bank, 0x7f4))
}

/// Starts an operation and counts the status reads until it is idle, at most 50.
fn polls(bench: &mut Bench, (trigger, status): (At, At)) -> usize {
    bench.w(trigger, u32::MAX);
    (0..50).take_while(|_| bench.r(status) & 1 == 1).count()
}

fn plan(rules: &str) -> Bench {
    Bench::with_plan(CONFIG, rules)
}

#[test]
fn busy_for_a_number_of_polls() {
    let mut bench = plan("[[delay]]\nsite = \"global-sync\"\npolls = 3");
    assert_eq!(bench.r("sTLBGSTATUS"), 0, "nothing is under way yet");
    assert_eq!(polls(&mut bench, GLOBAL), 3);
    assert_eq!(polls(&mut bench, GLOBAL), 3, "every time");
    assert_eq!(polls(&mut bench, context(0)), 0, "another site");
}

#[test]
fn busy_for_a_time() {
    let mut bench = plan("[[delay]]\nsite = \"context-sync\"\nbank = 2\ntime_us = 20");
    bench.host.time.set(5_000);
    assert_eq!(polls(&mut bench, context(2)), 50, "polling does not end it");
    bench.host.time.set(24_999);
    assert_eq!(bench.r(("CBn_TLBSTATUS", 2)), 1);
    bench.host.time.set(25_000);
    assert_eq!(bench.r(("CBn_TLBSTATUS", 2)), 0);
    bench.host.time.set(0);
    assert_eq!(bench.r(("CBn_TLBSTATUS", 2)), 0, "once idle it stays idle");
    assert_eq!(polls(&mut bench, context(3)), 0, "another bank");
}

#[test]
fn busy_for_a_random_time_within_bounds() {
    let mut bench = plan("[[delay]]\nsite = \"context-sync\"\ntime_us = { min = 10, max = 12 }");
    let mut seen = [0; 3];
    for _ in 0..60 {
        bench.host.time.set(0);
        bench.w(("CBn_TLBSYNC", 0), 0);
        bench.host.time.set(9_999);
        assert_eq!(bench.r(("CBn_TLBSTATUS", 0)), 1, "the shortest");
        let end = (10..=12).find(|end| {
            bench.host.time.set(end * 1000);
            bench.r(("CBn_TLBSTATUS", 0)) == 0
        });
        seen[usize::try_from(end.expect("the longest") - 10).expect("small")] += 1;
    }
    assert!(seen.iter().all(|&count| count > 5), "all of them: {seen:?}");
}

#[test]
fn global_operations_have_no_delay() {
    let mut bench = plan("[[delay]]\nsite = \"ats\"\npolls = 9");
    assert_eq!(polls(&mut bench, (Cb(0, 0x800), Cb(0, 0x8f0))), 9, "a bank's own");
    for operation in (0x100..0x140).step_by(8) {
        bench.w64("GPAR", 0);
        bench.w64(Gr0(operation), 0x1000);
        assert_eq!(bench.r("GATSR"), 0, "{operation:#x}");
        assert_ne!(bench.r64("GPAR"), 0, "{operation:#x} is done");
    }
}

#[test]
fn busy_until_a_mark_but_not_for_ever() {
    let mut bench = plan("[[delay]]\nsite = \"global-sync\"\nuntil = \"go\"\nat_most_us = 1000");
    assert_eq!(polls(&mut bench, GLOBAL), 50);
    bench.host.marks.insert("go".into());
    assert_eq!(bench.r("sTLBGSTATUS"), 0);
    bench.host.marks.clear();
    bench.w("sTLBGSYNC", 0);
    bench.host.time.set(999_999);
    assert_eq!(bench.r("sTLBGSTATUS"), 1);
    bench.host.time.set(1_000_000);
    assert_eq!(bench.r("sTLBGSTATUS"), 0, "the bound");
}

#[test]
fn after_and_before_marks() {
    let mut bench = plan("[[delay]]\nsite = \"global-sync\"\npolls = 1\nafter = \"a\"\nbefore = \"b\"");
    assert_eq!(polls(&mut bench, GLOBAL), 0);
    bench.host.marks.insert("a".into());
    assert_eq!(polls(&mut bench, GLOBAL), 1);
    bench.host.marks.insert("b".into());
    assert_eq!(polls(&mut bench, GLOBAL), 0);
}

#[test]
fn fault_injection_attributes() {
    let hits = |rule: &str| -> String {
        let mut bench = plan(&format!("[[delay]]\nsite = \"global-sync\"\npolls = 1\n{rule}"));
        (0..10)
            .map(|_| if polls(&mut bench, GLOBAL) == 1 { 'x' } else { '.' })
            .collect()
    };
    assert_eq!(hits(""), "xxxxxxxxxx");
    assert_eq!(hits("times = 3"), "xxx.......");
    assert_eq!(hits("times = 0"), "..........");
    assert_eq!(hits("interval = 3"), "..x..x..x.");
    assert_eq!(hits("space = 4"), "....xxxxxx");
    assert_eq!(hits("space = 4\ninterval = 2\ntimes = 2"), ".....x.x..");
    assert_eq!(hits("probability = 0"), "..........");
    assert_eq!(hits("nth = 4"), "...x......");
    // Kernel: with probability 0 nothing else counts; what passes by `space` does not count for `interval`.
    assert_eq!(hits("space = 1\ninterval = 3"), "...x..x..x");
}

#[test]
fn the_first_rule_that_hits_decides() {
    let mut bench = plan(
        "[[delay]]\nsite = \"context-sync\"\nbank = 1\npolls = 7\ntimes = 1\n[[delay]]\nsite = \"context-sync\"\n\
         polls = 2",
    );
    assert_eq!(polls(&mut bench, context(1)), 7);
    assert_eq!(polls(&mut bench, context(1)), 2);
    assert_eq!(polls(&mut bench, context(0)), 2);
}

#[test]
fn banks_are_busy_on_their_own() {
    let mut bench = plan("[[delay]]\nsite = \"context-sync\"\npolls = 2");
    bench.w(("CBn_TLBSYNC", 0), 0);
    bench.w(("CBn_TLBSYNC", 1), 0);
    assert_eq!(
        (
            bench.r(("CBn_TLBSTATUS", 0)),
            bench.r(("CBn_TLBSTATUS", 0)),
            bench.r(("CBn_TLBSTATUS", 0))
        ),
        (1, 1, 0)
    );
    assert_eq!(bench.r(("CBn_TLBSTATUS", 1)), 1);
}

#[test]
fn par_shows_the_result_when_the_operation_ends() {
    let mut bench = plan("[[delay]]\nsite = \"ats\"\nbank = 4\npolls = 2");
    bench.w(("CBARn", 4), cbar::KIND(1));
    bench.w(("CBA2Rn", 4), cba2r::VA64);
    bench.w64(("CBn_PAR", 4), 0xabc);
    bench.w64(("CBn_ATS1PR", 4), 0x1234_5000);
    assert_eq!(bench.r64(("CBn_PAR", 4)), 0xabc, "not yet");
    assert_eq!((bench.r(("CBn_ATSR", 4)), bench.r(("CBn_ATSR", 4))), (1, 1));
    assert_eq!(bench.r(("CBn_ATSR", 4)), 0);
    assert_eq!(bench.r64(("CBn_PAR", 4)) & 0xffff_ffff_f001, 0x1234_5000);
    // The next one replaces it, even while it is under way.
    bench.w64(("CBn_ATS1PR", 4), 0x1000);
    bench.w64(("CBn_ATS1PR", 4), 0x2000);
    while bench.r(("CBn_ATSR", 4)) == 1 {}
    assert_eq!(bench.r(("CBn_PAR", 4)) & 0xffff_f001, 0x2000);
    // And so does a write of the register, with and without a delay.
    for bank in [4, 5] {
        bench.w64(("CBn_ATS1PR", bank), 0x3000);
        bench.w64(("CBn_PAR", bank), 0xabc);
        while bench.r(("CBn_ATSR", bank)) == 1 {}
        assert_eq!(bench.r64(("CBn_PAR", bank)), 0xabc);
    }
}

#[test]
fn reset_ends_delays_and_starts_the_plan_again() {
    let mut bench = plan("[[delay]]\nsite = \"global-sync\"\npolls = 9\ntimes = 1\nspace = 1");
    assert_eq!((polls(&mut bench, GLOBAL), polls(&mut bench, GLOBAL)), (0, 9));
    bench.smmu.reset(&mut bench.host);
    assert_eq!((polls(&mut bench, GLOBAL), polls(&mut bench, GLOBAL)), (0, 9));
    bench.smmu.reset(&mut bench.host);
    bench.w("sTLBGSYNC", 0);
    bench.w("sTLBGSYNC", 0);
    bench.smmu.reset(&mut bench.host);
    assert_eq!(bench.r("sTLBGSTATUS"), 0);
    let mut bench =
        plan("[[delay]]\nsite = \"context-sync\"\npolls = 9\n[[delay]]\nsite = \"ats\"\npolls = 9");
    bench.w(("CBn_TLBSYNC", 1), 0);
    bench.w(("CBn_ATS1PR", 1), 0x1000);
    assert_eq!((bench.r(("CBn_TLBSTATUS", 1)), bench.r(("CBn_ATSR", 1))), (1, 1));
    bench.smmu.reset(&mut bench.host);
    assert_eq!(
        (
            bench.r(("CBn_TLBSTATUS", 1)),
            bench.r(("CBn_ATSR", 1)),
            bench.r64(("CBn_PAR", 1))
        ),
        (0, 0, 0)
    );
}

#[test]
fn wrong_rules_name_the_field() {
    let wrong = [
        "site = \"ats\"",
        "site = \"ats\"\npolls = 1\ntime_us = 1",
        "site = \"ats\"\npolls = 0",
        "site = \"ats\"\ntime_us = 60000001",
        "site = \"ats\"\ntime_us = { min = 3, max = 2 }",
        "site = \"ats\"\nuntil = \"x\"",
        "site = \"ats\"\npolls = 1\nat_most_us = 5",
        "site = \"ats\"\nuntil = \"x\"\nat_most_us = 0",
        "site = \"ats\"\nbank = 16\npolls = 1",
        "site = \"global-sync\"\nbank = 0\npolls = 1",
        "site = \"ats\"\npolls = 1\ninterval = 0",
        "site = \"ats\"\npolls = 1\nprobability = 101",
        "site = \"ats\"\npolls = 1\ntimes = -2",
    ];
    let config: Config = toml::from_str(CONFIG).expect("valid");
    let messages = wrong.map(|rule| {
        let plan: Plan = toml::from_str(&format!("[[delay]]\n{rule}")).expect("it is valid TOML for a plan");
        let error = Smmu::new(&config, plan).map(|_| ()).expect_err(rule);
        format!("{}\n    {error}\n", rule.replace('\n', ", "))
    });
    insta::assert_snapshot!(messages.concat());
    let plan: Plan = toml::from_str("[[delay]]\nsite = \"ats\"\npolls = 1").expect("valid");
    let error = Smmu::new(&Config::default(), plan)
        .map(|_| ())
        .expect_err("mmu-500 has no such operations");
    assert_eq!(
        error.to_string(),
        "delay rule 1: `site` is \"ats\", but the model has no address translation operations (`ats` = false)"
    );
}

#[test]
fn unknown_keys_are_errors() {
    for rule in [
        "site = \"ats\"\npols = 1",
        "site = \"sync\"\npolls = 1",
        "site = \"ats\"\ntime_us = { min = 1, max = 2, mid = 1 }",
    ] {
        assert!(
            toml::from_str::<Plan>(&format!("[[delay]]\n{rule}")).is_err(),
            "{rule}"
        );
    }
}

#[test]
fn marks_that_a_plan_names_have_to_exist() {
    let rule = "[[delay]]\nsite = \"ats\"\npolls = 1\nafter = \"a\"\nbefore = \"b\"";
    let plan: Plan = toml::from_str(rule).expect("valid");
    assert_eq!(plan.validate_marks(["a", "b"].into_iter()), Ok(()));
    let error = plan.validate_marks(["a"].into_iter()).expect_err("b is missing");
    assert_eq!(
        error.to_string(),
        "delay rule 1: `before` names `b`, which is no mark of this run"
    );
}

fn rules(text: &str) -> Vec<MarkRule> {
    #[derive(serde::Deserialize)]
    struct File {
        mark: Vec<MarkRule>,
    }
    toml::from_str::<File>(text).expect("the test's marks parse").mark
}

#[test]
fn marks_count_matching_accesses() {
    let mut bench = Bench::new(CONFIG);
    let mut marks = Marks::new(
        rules(
            "[[mark]]\nname = \"third\"\nsmmu = \"b\"\nregister = \"SMRn\"\naccess = \"write\"\nnth = 3\n\
             [[mark]]\nname = \"then\"\nregister = \"SMRn\"\nafter = \"third\"\nnth = 2\n\
             [[mark]]\nname = \"fifth-group\"\nregister = \"SMRn\"\nindex = 5\n\
             [[mark]]\nname = \"guest\"",
        ),
        &["a", "b"],
    )
    .expect("valid");
    assert_eq!(
        marks.names().collect::<Vec<_>>(),
        ["third", "then", "fifth-group", "guest"]
    );
    let feed = |bench: &mut Bench, smmu: &str, marks: &mut Marks| {
        for access in bench.host.accesses.drain(..) {
            marks.observe(smmu, &access);
        }
        (0..marks.len())
            .map(|i| u8::from(marks.is_raised_at(i)))
            .collect::<Vec<_>>()
    };
    bench.w(("SMRn", 0), 0);
    bench.w(("SMRn", 1), 0);
    bench.w(("SMRn", 2), 0);
    assert_eq!(feed(&mut bench, "a", &mut marks), [0, 0, 0, 0], "another SMMU");
    bench.w(("SMRn", 0), 0);
    bench.r(("SMRn", 0));
    bench.w(("SMRn", 1), 0);
    assert_eq!(
        feed(&mut bench, "b", &mut marks),
        [0, 0, 0, 0],
        "a read does not count"
    );
    bench.w(("SMRn", 2), 0);
    assert_eq!(feed(&mut bench, "b", &mut marks), [1, 0, 0, 0]);
    bench.r(("SMRn", 0));
    assert_eq!(
        feed(&mut bench, "a", &mut marks),
        [1, 0, 0, 0],
        "counts from the other mark on"
    );
    bench.r(("SMRn", 5));
    assert_eq!(feed(&mut bench, "b", &mut marks), [1, 1, 1, 0]);
    marks.raise(3);
    marks.raise(99);
    assert!(marks.is_raised("guest") && !marks.is_raised("nobody"));
    assert_eq!(bench.host.accesses.len(), 0);
    assert_eq!(
        AccessKind::Read,
        toml::from_str::<MarkRule>("name = \"x\"\naccess = \"read\"")
            .expect("valid")
            .access
            .expect("given")
    );
}

#[test]
fn a_mark_at_the_first_access_of_an_smmu() {
    let mut bench = Bench::new(CONFIG);
    let rule = "[[mark]]\nname = \"b-lives\"\nsmmu = \"b\"\nregister = \"*\"";
    let mut marks = Marks::new(rules(rule), &["a", "b"]).expect("valid");
    bench.r(Gr0(0x1fc));
    let access = bench.host.accesses[0];
    marks.observe("a", &access);
    assert!(!marks.is_raised("b-lives"));
    marks.observe("b", &access);
    assert!(marks.is_raised("b-lives"));
}

#[test]
fn wrong_marks_name_the_field() {
    let wrong = [
        "name = \"\"",
        "name = \"x\"\nregister = \"SCR0\"",
        "name = \"x\"\nregister = \"sCR0\"\nsmmu = \"c\"",
        "name = \"x\"\nregister = \"sCR0\"\nnth = 0",
        "name = \"x\"\nregister = \"sCR0\"\nafter = \"y\"",
        "name = \"x\"\nregister = \"sCR0\"\nafter = \"x\"",
        "name = \"x\"\nindex = 1",
        "name = \"x\"\n[[mark]]\nname = \"x\"",
    ];
    let messages = wrong.map(|rule| {
        let error = Marks::new(rules(&format!("[[mark]]\n{rule}")), &["a", "b"])
            .map(|_| ())
            .expect_err(rule);
        format!("{}\n    {error}\n", rule.replace('\n', ", "))
    });
    insta::assert_snapshot!(messages.concat());
}
