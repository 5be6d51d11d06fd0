// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The AArch64 guest: at EL2, it loads the registers of EL1&0 and stage 2 for every case and executes `AT`.

use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, aarch64::Aarch64Relocation, dynasm};

use super::layout;

/// A system register as `MSR` and `MRS` (register) encode it: o0, op1, CRn, CRm, op2 (DDI 0487, C6.2).
const fn register(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    (op0 - 2) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

const SCTLR_EL1: u32 = register(3, 0, 1, 0, 0);
const TTBR0_EL1: u32 = register(3, 0, 2, 0, 0);
const TTBR1_EL1: u32 = register(3, 0, 2, 0, 1);
const TCR_EL1: u32 = register(3, 0, 2, 0, 2);
const PAR_EL1: u32 = register(3, 0, 7, 4, 0);
const MAIR_EL1: u32 = register(3, 0, 10, 2, 0);
const HCR_EL2: u32 = register(3, 4, 1, 1, 0);
const VTTBR_EL2: u32 = register(3, 4, 2, 1, 0);
const VTCR_EL2: u32 = register(3, 4, 2, 1, 2);
const DACR32_EL2: u32 = register(3, 4, 3, 0, 0);
const ELR_EL2: u32 = register(3, 4, 4, 0, 1);
const ESR_EL2: u32 = register(3, 4, 5, 2, 0);
const VBAR_EL2: u32 = register(3, 4, 12, 0, 0);
const CNTFRQ_EL0: u32 = register(3, 3, 14, 0, 0);
const CNTPCT_EL0: u32 = register(3, 3, 14, 0, 1);
const CNTHP_TVAL_EL2: u32 = register(3, 4, 14, 2, 0);
const CNTHP_CTL_EL2: u32 = register(3, 4, 14, 2, 1);

/// GICv2's distributor and CPU interface, upper halves of their addresses.
const GICD_HIGH: u32 = 0x0800;
const GICC_HIGH: u32 = 0x0801;
/// Private interrupt 26, the timer of EL2, as the upper half of a mask.
const TIMER_HIGH: u32 = 1 << (26 - 16);

#[expect(clippy::cast_possible_truncation, reason = "below 4 GiB")]
const MAILBOX_HIGH: u32 = (layout::MAILBOX >> 16) as u32;
#[expect(clippy::cast_possible_truncation, reason = "below 4 GiB")]
const CASES_OFFSET: u32 = (layout::CASES - layout::MAILBOX) as u32;

/// The code, to be placed at [`layout::CODE`] and entered at its start.
///
/// # Errors
/// Only if the assembler fails.
pub fn code() -> Result<Vec<u8>, dynasmrt::DynasmError> {
    let mut code = VecAssembler::<Aarch64Relocation>::new(0);
    dynasm!(code
        ; .arch aarch64
        ; adr x0, >vectors
        ; msr VBAR_EL2, x0
        // Every domain is a client, for the AArch32 formats.
        ; movz w0, #0x5555
        ; movk w0, #0x5555, lsl #16
        ; msr DACR32_EL2, x0
        // The timer's interrupt stays masked in the CPU; it only ends WFI.
        ; movz w1, #1
        ; movz x0, #GICD_HIGH, lsl #16
        ; str w1, [x0]
        ; movz w2, #TIMER_HIGH, lsl #16
        ; str w2, [x0, #0x100]
        ; movz x0, #GICC_HIGH, lsl #16
        ; movz w2, #0xff
        ; str w2, [x0, #4]
        ; str w1, [x0]
        ; msr CNTHP_CTL_EL2, x1
        ; movz x20, #MAILBOX_HIGH, lsl #16
        ; movz x21, #0

        // x24: the counter at which a guest without work gives up.
        ; idle:
        ; mrs x24, CNTPCT_EL0
        ; mrs x0, CNTFRQ_EL0
        ; add x24, x24, x0, lsl #5
        ; wait:
        ; ldar x0, [x20]
        ; cmp x0, x21
        ; b.ne >work
        // A look at the mailbox 4096 times per second leaves the host's CPU to the host.
        ; mrs x0, CNTFRQ_EL0
        ; lsr x0, x0, #12
        ; msr CNTHP_TVAL_EL2, x0
        ; isb
        ; wfi
        ; mrs x0, CNTPCT_EL0
        ; cmp x0, x24
        ; b.lo <wait
        // PSCI SYSTEM_OFF: the giver of the work is gone.
        ; movz w0, #8
        ; movk w0, #0x8400, lsl #16
        ; smc #0
        ; b <wait

        ; work:
        ; mov x21, x0
        ; ldr x22, [x20, #8]
        ; add x23, x20, #CASES_OFFSET
        ; next:
        ; cbz x22, >done
        ; ldp x0, x1, [x23]
        ; ldp x2, x3, [x23, #16]
        ; ldp x4, x5, [x23, #32]
        ; ldp x6, x7, [x23, #48]
        ; ldp x8, x9, [x23, #64]
        ; msr HCR_EL2, x7
        ; msr SCTLR_EL1, x2
        ; msr TCR_EL1, x3
        ; msr TTBR0_EL1, x4
        ; msr TTBR1_EL1, x5
        ; msr MAIR_EL1, x6
        ; msr VTCR_EL2, x8
        ; msr VTTBR_EL2, x9
        ; isb
        ; tlbi alle1
        ; dsb sy
        ; isb
        ; movz x11, #0
        ; adr x10, >operations
        ; add x10, x10, x0, lsl #3
        ; br x10
        ; operations:
        ; at s1e1r, x1
        ; b >collect
        ; at s1e1w, x1
        ; b >collect
        ; at s1e0r, x1
        ; b >collect
        ; at s1e0w, x1
        ; b >collect
        ; at s12e1r, x1
        ; b >collect
        ; at s12e1w, x1
        ; b >collect
        ; at s12e0r, x1
        ; b >collect
        ; at s12e0w, x1
        ; collect:
        ; isb
        ; mrs x10, PAR_EL1
        ; stp x10, x11, [x23, #80]
        ; add x23, x23, #128
        ; sub x22, x22, #1
        ; b <next
        ; done:
        ; add x0, x20, #16
        ; stlr x21, [x0]
        ; b <idle

        // A synchronous exception of EL2 itself, the only one that happens: an external abort of AT's walk.
        ; .align 2048
        ; vectors:
        ; .bytes [0; 0x200]
        ; mrs x11, ESR_EL2
        ; mrs x12, ELR_EL2
        ; add x12, x12, #4
        ; msr ELR_EL2, x12
        ; eret
    );
    code.finalize()
}
