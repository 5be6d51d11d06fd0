// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Same seed, same plan, same operations: the same injections, bit for bit; and a hit can be replayed as `nth`.

use core::fmt::Write;

use smmu_emu::testing::fields::{cba2r, cbar, scr0, sctlr, tcr2};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{DelayedReply, Intent, Plan, Transaction};

const PLAN: &str = r#"
[[delay]]
site = "global-sync"
probability = 30
time_us = { min = 1, max = 100 }

[[delay]]
site = "register"
register = "SMRn"
probability = 20
time_us = { mean = 50, max = 1000 }

[[delay]]
site = "interrupt"
probability = 50
time_us = 10

[[fault]]
kind = "unmapped"
address = 0x1000
probability = 25

[[fault]]
kind = "walk-corrupt"
level = 3
probability = 10
xor = 0x8000

[[fault]]
kind = "stale-tlb"
probability = 40

[[fault]]
kind = "lost-invalidation"
probability = 20
interval = 2

[[fault]]
kind = "register-value"
register = "sTLBGSTATUS"
value = 1
probability = 15

[[fault]]
kind = "interrupt-lost"
probability = 30

[[fault]]
kind = "unknown-stream"
probability = 5
"#;

/// The test's own chance, for the operations.
struct Rolls(u64);

impl Rolls {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn bench(plan: &str) -> Bench {
    let config = "preset = \"smmuv2-generic\"\ntlb = \"normal\"";
    let mut bench = Bench::with_plan(config, plan);
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
    for page in 1..5 {
        tables.map(
            &bench.host.memory,
            page << 12,
            page << 12,
            3,
            Tables::USER_RW | 1 << 11,
        );
    }
    bench.route(1, 3);
    bench.w(("CBARn", 3), cbar::KIND(1));
    bench.w(("CBA2Rn", 3), cba2r::VA64);
    bench.w(("CBn_TCR2", 3), tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 3), tables.tcr());
    bench.w64(("CBn_TTBR0", 3), tables.root() | 7 << 48);
    bench.w(("CBn_SCTLR", 3), sctlr::CFIE | sctlr::CFRE | sctlr::M);
    bench.w("sCR0", scr0::USFCFG | scr0::GFRE);
    bench
}

/// A thousand operations, the same every time.
fn drive(bench: &mut Bench) {
    let mut rolls = Rolls(0x1234_5678_9abc_def1);
    for step in 0..1000_u64 {
        bench.host.time.set(step * 1000);
        bench.smmu.elapse(&mut bench.host);
        match rolls.below(6) {
            0 => bench.w("sTLBGSYNC", 0),
            1 => drop(bench.r("sTLBGSTATUS")),
            2 => bench.w(("SMRn", 40), 0),
            3 => match rolls.below(2) {
                0 => bench.w64(("CBn_TLBIVAA", 3), 1 + rolls.below(4)),
                _ => bench.w(("CBn_TLBIALL", 3), 0),
            },
            4 => bench.w(("CBn_FSR", 3), u32::MAX),
            _ => {
                let transaction = Transaction {
                    stream_id: 1,
                    address: 0x1000 + 0x1000 * rolls.below(4),
                    intent: Intent::default(),
                };
                bench.transact(transaction);
            }
        }
    }
}

fn shown(bench: &Bench) -> String {
    let mut text = String::new();
    for hit in &bench.host.injected {
        writeln!(
            text,
            "{:?} rule {} operation {} {:x?}",
            hit.what, hit.rule, hit.operation, hit.at
        )
        .expect("a string");
    }
    for DelayedReply {
        register, deadline, ..
    } in &bench.host.delayed
    {
        writeln!(text, "{register} until {deadline}").expect("a string");
    }
    for wake in &bench.host.wakes {
        writeln!(text, "wake at {wake}").expect("a string");
    }
    writeln!(text, "{:?}", bench.host.line_calls).expect("a string");
    text
}

fn run(seed: u64) -> String {
    let mut bench = bench(&format!("seed = {seed}\n{PLAN}"));
    drive(&mut bench);
    shown(&bench)
}

#[test]
fn the_same_seed_has_the_same_injections_bit_for_bit() {
    let first = run(7);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
    insta::assert_snapshot!(first);
}

#[test]
fn a_reset_starts_the_plan_again() {
    let mut bench = bench(&format!("seed = 7\n{PLAN}"));
    let mut runs = Vec::new();
    for _ in 0..2 {
        bench.smmu.reset(&mut bench.host);
        bench.host.injected.clear();
        for _ in 0..200 {
            bench.w("sTLBGSYNC", 0);
        }
        runs.push(bench.host.injected.clone());
    }
    assert!(runs[0].len() > 30);
    assert_eq!(runs[0], runs[1]);
}

/// Every hit of a rule of the plan, alone and as `nth`, is the same hit.
#[test]
fn a_random_hit_is_replayed_as_nth() {
    let rule = |when: &str| {
        format!(
            "seed = 7\n[[delay]]\nsite = \"global-sync\"\ntime_us = {{ min = 1, max = 1000000 }}\n{when}\n"
        )
    };
    let syncs = |plan: &str| {
        let mut bench = Bench::with_plan("preset = \"mmu-500\"", plan);
        let ends: Vec<u64> = (0..100)
            .map(|_| {
                bench.host.time.set(0);
                bench.w("sTLBGSYNC", 0);
                (0..20).fold(0, |end, bit| {
                    let longer = end | 1 << (19 - bit);
                    bench.host.time.set(longer * 1000 - 1);
                    let status = bench.smmu.register("sTLBGSTATUS", 0).expect("it is there");
                    if bench.smmu.peek(&bench.host, &status) == 1 {
                        longer
                    } else {
                        end
                    }
                })
            })
            .collect();
        (bench.host.injected, ends)
    };
    let (hits, ends) = syncs(&rule("probability = 10"));
    assert!((3..25).contains(&hits.len()), "{}", hits.len());
    for hit in hits {
        let (replayed, replayed_ends) = syncs(&rule(&format!("nth = {}", hit.operation)));
        assert_eq!(replayed, [hit]);
        let at = usize::try_from(hit.operation - 1).expect("small");
        assert!(ends[at] > 0);
        assert_eq!(replayed_ends[at], ends[at], "the time is the same too");
    }
}

/// Effects of a rule depend neither on the other rules nor on what they hit.
#[test]
fn rules_do_not_change_each_other() {
    let one = "[[fault]]\nkind = \"register-value\"\nregister = \"IDR0\"\nvalue = 0\nprobability = 50\n";
    let other = "[[fault]]\nkind = \"register-value\"\nregister = \"IDR1\"\nvalue = 0\nprobability = 50\n";
    let hits = |plan: &str, mixed: bool| -> Vec<u64> {
        let plan: Plan = toml::from_str(&format!("seed = 3\n{plan}")).expect("valid");
        let mut bench = Bench::new("preset = \"mmu-500\"");
        bench.smmu.replace_plan(plan).expect("valid");
        for step in 0..100 {
            bench.r("IDR0");
            for _ in 0..step % 3 {
                if mixed {
                    bench.r("IDR1");
                }
            }
        }
        let of_first = bench.host.injected.iter().filter(|hit| hit.rule == 1);
        of_first.map(|hit| hit.operation).collect()
    };
    let alone = hits(one, false);
    assert!((30..70).contains(&alone.len()));
    assert_eq!(hits(&format!("{one}{other}"), true), alone);
}
