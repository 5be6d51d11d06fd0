// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Rules of the plan for registers and interrupts: what a driver and the host see of them.

use smmu_emu::Line;
use smmu_emu::testing::fields::{scr0, sctlr, smr};
use smmu_emu::testing::{Bench, Gr0};

const CONFIG: &str = "preset = \"mmu-500\"";

fn plan(rules: &str) -> Bench {
    Bench::with_plan(CONFIG, rules)
}

fn fault(rule: &str) -> Bench {
    plan(&format!("[[fault]]\n{rule}"))
}

/// A fault in a bank: FSRRESTORE sets it. Cleared again by a write of FSR.
fn raise(bench: &mut Bench, bank: u64) {
    bench.w(("CBn_FSRRESTORE", bank), 1 << 1);
}

fn clear(bench: &mut Bench, bank: u64) {
    bench.w(("CBn_FSR", bank), u32::MAX);
}

/// A bench whose bank 2 interrupts.
fn interrupting(rules: &str) -> Bench {
    let mut bench = plan(rules);
    bench.w(("CBn_SCTLR", 2), sctlr::CFIE);
    bench.host.line_calls.clear();
    bench
}

const LINE: Line = Line::Context(2);

/// Behaviour 59.
#[test]
fn a_block_without_power() {
    let mut bench = fault("kind = \"register-ones\"\nafter = \"off\"\nbefore = \"on\"");
    let idr1 = bench.r("IDR1");
    bench.w(("SMRn", 0), smr::VALID | smr::MASK(1) | smr::ID(2));
    bench.host.marks.insert("off".into());
    assert_eq!(
        (
            bench.r("IDR1"),
            bench.r(("CBARn", 0)),
            bench.r64(("CBn_TTBR0", 0))
        ),
        (u32::MAX, u32::MAX, u64::MAX)
    );
    assert_eq!(bench.r(Gr0(0x2fc)), u32::MAX, "also where no register is");
    bench.w(("SMRn", 0), 0);
    assert_eq!(
        bench.host.accesses.last().map(|access| access.name),
        Some("SMRn"),
        "the trace sees it"
    );
    bench.host.marks.insert("on".into());
    assert_eq!(
        (bench.r("IDR1"), bench.r(("SMRn", 0))),
        (idr1, 0x8001_0002),
        "the write was lost"
    );
}

#[test]
fn a_frame_a_register_or_one_kind_of_access_without_power() {
    let mut bench = fault("kind = \"register-ones\"\nframe = \"cb1\"");
    assert_eq!(
        (
            bench.r(("CBn_SCTLR", 1)),
            bench.r(("CBn_SCTLR", 2)),
            bench.r(("CBARn", 1))
        ),
        (u32::MAX, 1 << 8, 2 << 16)
    );
    let mut bench = fault("kind = \"register-ones\"\nregister = \"SMRn\"\nindex = 3\naccess = \"read\"");
    bench.w(("SMRn", 3), smr::VALID | smr::ID(1));
    assert_eq!((bench.r(("SMRn", 3)), bench.r(("SMRn", 2))), (u32::MAX, 0));
    let smr = bench.smmu.register("SMRn", 3).expect("it is there");
    assert_eq!(
        bench.smmu.peek(&bench.host, &smr),
        0x8000_0001,
        "a look from outside shows the register"
    );
    let mut bench = fault("kind = \"register-ones\"\nregister = \"SMRn\"\naccess = \"write\"");
    bench.w(("SMRn", 3), smr::VALID | smr::ID(1));
    assert_eq!(bench.r(("SMRn", 3)), 0);
}

#[test]
fn an_id_register_that_says_something_else_until_the_probe_is_over() {
    let mut bench = fault(
        "kind = \"register-value\"\nregister = \"IDR0\"\nvalue = 0x7\nmask = 0xff\nbefore = \"probed\"",
    );
    let other = bench.r("IDR0");
    bench.host.marks.insert("probed".into());
    let real = bench.r("IDR0");
    assert_eq!((other & 0xff, other >> 8), (7, real >> 8));
    assert_ne!(real & 0xff, 7);
}

#[test]
fn a_value_that_is_read_wrong_once() {
    let mut bench = fault("kind = \"register-value\"\nregister = \"sTLBGSTATUS\"\nvalue = 1\nnth = 2");
    assert_eq!(
        [
            bench.r("sTLBGSTATUS"),
            bench.r("sTLBGSTATUS"),
            bench.r("sTLBGSTATUS")
        ],
        [0, 1, 0]
    );
    let hit = bench.host.injected[0];
    assert_eq!((hit.operation, hit.at.register), (2, Some("sTLBGSTATUS")));
}

#[test]
fn an_interrupt_that_is_lost_comes_when_software_touches_its_bank() {
    let mut bench =
        interrupting("[[fault]]\nkind = \"interrupt-lost\"\nline = \"context\"\nindex = 2\ntimes = 1");
    raise(&mut bench, 2);
    assert_eq!(bench.host.line_calls, []);
    bench.w(("CBn_SCTLR", 2), sctlr::CFIE);
    assert_eq!(bench.host.line_calls, [(LINE, true)]);
    let mut bench = interrupting("[[fault]]\nkind = \"interrupt-lost\"\nline = \"context\"\nindex = 1");
    raise(&mut bench, 2);
    assert_eq!(bench.host.line_calls, [(LINE, true)], "another line");
}

#[test]
fn a_line_that_stays_high() {
    let mut bench = interrupting("[[fault]]\nkind = \"interrupt-stuck\"\nline = \"context\"");
    raise(&mut bench, 2);
    clear(&mut bench, 2);
    assert_eq!(bench.host.line_calls, [(LINE, true), (LINE, true)]);
    let host = &mut bench.host;
    bench.smmu.reset(host);
    assert!(bench.host.injected.len() == 1, "a reset asks no rule");
    assert_eq!(
        bench.host.line_calls.last(),
        Some(&(LINE, false)),
        "nor does the line stay high"
    );
}

#[test]
fn a_line_that_is_high_while_it_asks_again_is_low_after_a_reset() {
    let mut bench = interrupting("[[delay]]\nsite = \"interrupt\"\ntime_us = 50\nnth = 2");
    raise(&mut bench, 2);
    // Asks again, late; and has no cause when it would arrive.
    bench.w(("CBn_SCTLR", 2), sctlr::CFIE);
    clear(&mut bench, 2);
    assert_eq!(bench.host.line_calls, [(LINE, true)]);
    let host = &mut bench.host;
    bench.smmu.reset(host);
    assert_eq!(bench.host.line_calls, [(LINE, true), (LINE, false)]);
}

/// As a busy status does.
#[test]
fn an_interrupt_does_not_wait_for_a_mark_that_is_raised() {
    let mut bench = interrupting("[[delay]]\nsite = \"interrupt\"\nuntil = \"go\"\nat_most_us = 1000");
    bench.host.marks.insert("go".into());
    bench.host.time.set(7_000);
    raise(&mut bench, 2);
    assert_eq!(bench.host.wakes, [1_007_000, 7_000], "now");
    bench.smmu.elapse(&mut bench.host);
    assert_eq!(bench.host.line_calls, [(LINE, true)]);
}

/// The model asks to be called: the host did not know that an interrupt waits for the mark.
#[test]
fn an_interrupt_does_not_wait_for_a_mark_that_is_raised_meanwhile() {
    let mut bench = interrupting("[[delay]]\nsite = \"interrupt\"\nuntil = \"go\"\nat_most_us = 1000");
    bench.host.raised_meanwhile = Some("go".into());
    raise(&mut bench, 2);
    assert_eq!(bench.host.wakes, [1_000_000, 0], "now");
}

#[test]
fn delays_and_faults_do_not_hit_together() {
    // Each in half of the cases: were their chances the same, so would their hits be.
    let mut bench = plan(
        "[[delay]]\nsite = \"register\"\nregister = \"IDR0\"\ntime_us = 1\nprobability = 50\n\
         [[fault]]\nkind = \"register-ones\"\nregister = \"IDR0\"\nprobability = 50",
    );
    let together = (0..100)
        .filter(|_| {
            bench.host.injected.clear();
            bench.r("IDR0");
            bench.host.injected.len() != 1
        })
        .count();
    assert!((25..75).contains(&together), "{together}");
}

#[test]
fn an_interrupt_that_is_late_takes_up_what_comes_meanwhile() {
    let mut bench = interrupting("[[delay]]\nsite = \"interrupt\"\ntime_us = 50");
    bench.host.time.set(1_000);
    raise(&mut bench, 2);
    bench.host.time.set(11_000);
    bench.w(("CBn_SCTLR", 2), sctlr::CFIE);
    assert_eq!(
        (bench.host.line_calls.len(), bench.host.wakes.as_slice()),
        (0, &[51_000][..])
    );
    assert_eq!(bench.smmu.next_due(), Some(51_000));
    bench.host.time.set(50_999);
    bench.smmu.elapse(&mut bench.host);
    assert_eq!(bench.host.line_calls, []);
    bench.host.time.set(51_000);
    bench.smmu.elapse(&mut bench.host);
    bench.smmu.elapse(&mut bench.host);
    assert_eq!(bench.host.line_calls, [(LINE, true)], "one for both");
    assert_eq!(bench.smmu.next_due(), None);
    // Handled before it arrives: it arrives all the same, and the line is low.
    clear(&mut bench, 2);
    bench.host.line_calls.clear();
    raise(&mut bench, 2);
    clear(&mut bench, 2);
    bench.host.time.set(200_000);
    bench.smmu.elapse(&mut bench.host);
    assert_eq!(bench.host.line_calls, [(LINE, true), (LINE, false)]);
}

#[test]
fn an_interrupt_that_waits_for_a_mark_and_is_dropped_by_a_reset() {
    let mut bench = interrupting("[[delay]]\nsite = \"interrupt\"\nuntil = \"go\"\nat_most_us = 1000");
    raise(&mut bench, 2);
    bench.smmu.elapse(&mut bench.host);
    assert_eq!(bench.host.line_calls, []);
    bench.host.marks.insert("go".into());
    bench.smmu.elapse(&mut bench.host);
    assert_eq!(bench.host.line_calls, [(LINE, true)]);
    bench.host.marks.clear();
    clear(&mut bench, 2);
    raise(&mut bench, 2);
    bench.host.line_calls.clear();
    bench.smmu.reset(&mut bench.host);
    bench.host.time.set(10_000_000);
    bench.smmu.elapse(&mut bench.host);
    assert!(!bench.host.line_calls.contains(&(LINE, true)));
}

/// Register, deadline and mark of every reply that was late.
fn delayed(bench: &Bench) -> Vec<(&'static str, u64, Option<&str>)> {
    let replies = bench.host.delayed.iter();
    replies
        .map(|reply| (reply.register, reply.deadline, reply.mark.as_deref()))
        .collect()
}

#[test]
fn the_reply_to_a_register_access_is_late() {
    let mut bench = plan(
        "[[delay]]\nsite = \"register\"\nregister = \"sCR0\"\naccess = \"write\"\ntime_us = 100\ntimes = 1",
    );
    bench.host.time.set(7_000);
    bench.r("sCR0");
    assert_eq!(bench.host.delayed, []);
    bench.w("sCR0", scr0::USFCFG);
    assert_eq!(delayed(&bench), [("sCR0", 107_000, None)]);
    assert_eq!(bench.r("sCR0") >> 10 & 1, 1, "it has taken effect");
    bench.w("sCR0", 0);
    assert_eq!(bench.host.delayed.len(), 1);
    let mut bench = plan(
        "[[delay]]\nsite = \"register\"\nregister = \"SMRn\"\nindex = 2\nuntil = \"go\"\nat_most_us = 9",
    );
    bench.r(("SMRn", 1));
    bench.r(("SMRn", 2));
    assert_eq!(delayed(&bench), [("SMRn", 9_000, Some("go"))]);
}
