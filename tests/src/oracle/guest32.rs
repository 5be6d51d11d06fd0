// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The AArch32 guest of an ARMv7 CPU: in Hyp mode, it loads the registers of PL1&0 and stage 2 for every case and
//! executes the CP15 operations. In Hyp mode PAR has 64 bits for both descriptor formats.

use super::arm::{Code, Condition, Cp15, Cp15Pair, R};
use super::case::{ANSWER, RECORD};
use super::layout;

const SCTLR: Cp15 = Cp15(0, 1, 0, 0);
const TTBCR: Cp15 = Cp15(0, 2, 0, 2);
const DACR: Cp15 = Cp15(0, 3, 0, 0);
const MAIR0: Cp15 = Cp15(0, 10, 2, 0);
const MAIR1: Cp15 = Cp15(0, 10, 2, 1);
const CNTFRQ: Cp15 = Cp15(0, 14, 0, 0);
const HCR: Cp15 = Cp15(4, 1, 1, 0);
const VTCR: Cp15 = Cp15(4, 2, 1, 2);
const HSR: Cp15 = Cp15(4, 5, 2, 0);
const TLBIALLNSNH: Cp15 = Cp15(4, 8, 7, 4);
const HVBAR: Cp15 = Cp15(4, 12, 0, 0);
const CNTHP_TVAL: Cp15 = Cp15(4, 14, 2, 0);
const CNTHP_CTL: Cp15 = Cp15(4, 14, 2, 1);
const TTBR0: Cp15Pair = Cp15Pair(0, 2);
const TTBR1: Cp15Pair = Cp15Pair(1, 2);
const VTTBR: Cp15Pair = Cp15Pair(6, 2);
const PAR: Cp15Pair = Cp15Pair(0, 7);
const CNTPCT: Cp15Pair = Cp15Pair(0, 14);

/// GICv2's distributor and CPU interface.
const GICD: u32 = 0x0800_0000;
const GICC: u32 = 0x0801_0000;
/// Private interrupt 26, the timer of Hyp mode.
const TIMER: u32 = 1 << 26;

const R0: R = R(0);
const R1: R = R(1);
const R2: R = R(2);
/// Syndrome of the exception that an operation took.
const SYNDROME: R = R(4);
/// Value of the counter when the last work was done, and how much later the guest gives up.
const BEGIN: R = R(6);
const LIMIT: R = R(7);
const MAILBOX: R = R(8);
const LAST: R = R(9);
const CASE: R = R(10);
const COUNT: R = R(11);
const PC: R = R(15);

/// The code, to be placed at [`layout::CODE`] and entered at its start.
#[must_use]
pub fn code() -> Vec<u8> {
    let mut code = Code::default();
    let start = code.label();
    let abort = code.label();
    // Eight vectors; a data abort of Hyp mode itself is the fifth.
    for vector in 0..8 {
        match vector {
            0 => code.branch(Condition::Always, start),
            4 => code.branch(Condition::Always, abort),
            _ => code.word(0xeaff_fffe),
        }
    }
    code.place(abort);
    code.mrc(HSR, SYNDROME);
    code.mrs_elr_hyp(R2);
    code.add_immediate(R2, R2, 4);
    code.msr_elr_hyp(R2);
    code.eret();

    code.place(start);
    code.load(R0, layout::CODE as u32);
    code.mcr(HVBAR, R0);
    // Every domain is a client.
    code.load(R0, 0x5555_5555);
    code.mcr(DACR, R0);
    // The timer's interrupt stays masked in the CPU; it only ends WFI.
    code.load(R1, 1);
    code.load(R0, GICD);
    code.str(R1, R0, 0);
    code.load(R2, TIMER);
    code.str(R2, R0, 0x100);
    code.load(R0, GICC);
    code.load(R2, 0xff);
    code.str(R2, R0, 4);
    code.str(R1, R0, 0);
    code.mcr(CNTHP_CTL, R1);
    code.load(MAILBOX, layout::MAILBOX as u32);
    code.load(LAST, 0);
    let (idle, wait, work) = (code.label(), code.label(), code.label());
    code.place(idle);
    code.mrrc(CNTPCT, BEGIN, R1);
    code.mrc(CNTFRQ, R0);
    code.load(LIMIT, 0);
    code.add(LIMIT, LIMIT, R0, 5);
    code.place(wait);
    code.ldr(R0, MAILBOX, 0);
    code.dmb();
    code.cmp(R0, LAST);
    code.branch(Condition::NotEqual, work);
    // A look at the mailbox some thousand times per second leaves the host's CPU to the host.
    code.load(R0, 15_000);
    code.mcr(CNTHP_TVAL, R0);
    code.isb();
    code.wfi();
    // The lower half of the counter is enough for half a minute.
    code.mrrc(CNTPCT, R0, R1);
    code.word(0xe040_0006); // SUB r0, r0, r6
    code.cmp(R0, LIMIT);
    code.branch(Condition::Lower, wait);
    // PSCI SYSTEM_OFF: the giver of the work is gone.
    code.load(R0, 0x8400_0008);
    code.smc();
    code.branch(Condition::Always, wait);

    code.place(work);
    code.mov(LAST, R0);
    code.ldr(COUNT, MAILBOX, 8);
    code.load(CASE, layout::CASES as u32);
    let (next, done) = (code.label(), code.label());
    code.place(next);
    code.subs_immediate(COUNT, COUNT, 1);
    code.branch(Condition::Lower, done);
    one(&mut code);
    code.branch(Condition::Always, next);
    code.place(done);
    code.dmb();
    code.str(LAST, MAILBOX, 16);
    code.branch(Condition::Always, idle);
    code.finish()
}

/// One case: offsets are those of [`super::case::Case::record`].
fn one(code: &mut Code) {
    for (register, offset) in [
        (HCR, 56),
        (SCTLR, 16),
        (TTBCR, 24),
        (MAIR0, 48),
        (MAIR1, 52),
        (VTCR, 64),
    ] {
        code.ldr(R0, CASE, offset);
        code.mcr(register, R0);
    }
    for (register, offset) in [(TTBR0, 32), (TTBR1, 40), (VTTBR, 72)] {
        code.ldr(R0, CASE, offset);
        code.ldr(R1, CASE, offset + 4);
        code.mcrr(register, R0, R1);
    }
    code.mcr(TLBIALLNSNH, R0);
    code.isb();
    code.load(SYNDROME, 0);
    code.ldr(R0, CASE, 0);
    code.ldr(R1, CASE, 8);
    let collect = code.label();
    // PC reads two instructions further on, past the next word.
    code.add(PC, PC, R0, 3);
    code.nop();
    // ATS1CPR, PW, UR, UW, ATS12NSOPR, PW, UR, UW.
    for operation in 0..8 {
        code.mcr(Cp15(0, 7, 8, operation), R1);
        code.branch(Condition::Always, collect);
    }
    code.place(collect);
    code.isb();
    code.mrrc(PAR, R0, R1);
    let answer = ANSWER as u32;
    code.str(R0, CASE, answer);
    code.str(R1, CASE, answer + 4);
    code.str(SYNDROME, CASE, answer + 8);
    code.load(R0, 0);
    code.str(R0, CASE, answer + 12);
    code.add_immediate(CASE, CASE, RECORD as u32);
}
