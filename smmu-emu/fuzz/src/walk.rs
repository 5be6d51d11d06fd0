// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any registers of two banks, one of which may be behind the other, and any memory: a walk ends after as many reads as its
//! format has levels, and an access is what a look says.

use smmu_emu::Response;

use super::input::Input;
use super::machine::{Machine, Outside, transaction};

/// Four levels, each behind four of stage 2, and four of stage 2 for the result.
const READS: u32 = 4 * (4 + 1) + 4;
/// Hardware that updates descriptors starts a walk at most four times.
const UPDATING_READS: u32 = 4 * 4 * (4 * 4 + 1) + 4 * 4;

/// Runs one input.
pub fn run(data: &[u8]) {
    let _ = walks(&mut Input(data));
}

fn walks(input: &mut Input<'_>) -> Option<()> {
    let choice = input.u8()?;
    let count = usize::from(input.u8()? % 64) + 1;
    let words = (0..count).map(|_| input.u64()).collect::<Option<Vec<_>>>()?;
    let updates = choice & 1 != 0;
    let config = format!(
        "preset = \"smmuv2-generic\"\ncontext_banks = 2\nstream_match_groups = 2\nhardware_update = {updates}\n\
         address_bits = {}\ntlb = \"off\"",
        if choice & 2 == 0 { 48 } else { 40 },
    );
    let mut machine = Machine::new(&config, "", Outside::new(words, true));
    machine.w(0, 0);
    let gr1 = machine.at(1, 0);
    for bank in 0..2_u64 {
        let kind = u32::from(input.u8()?);
        // CBAR's type and CBNDX; hypervisor contexts by bit 10.
        let cbar = match kind & 3 {
            3 => 3 << 16 | 1 << 8,
            kind => kind << 16,
        };
        machine.w(gr1 + 4 * bank, cbar | (kind & 4) << 8);
        machine.w(gr1 + 0x800 + 4 * bank, kind >> 3 & 1);
        for register in [0x10, 0x30, 0x38, 0x3c] {
            let at = machine.bank(bank, register);
            machine.w(at, input.u32()?);
        }
        for register in [0x20, 0x28] {
            let at = machine.bank(bank, register);
            machine.w64(at, input.u64()?);
        }
        let (sctlr, value) = (machine.bank(bank, 0), input.u32()?);
        machine.w(sctlr, value | kind >> 4 & 1);
        machine.w(0x800 + 4 * bank, 1 << 31 | u32::try_from(bank).ok()?);
        machine.w(0xc00 + 4 * bank, u32::try_from(bank).ok()?);
    }
    let limit = if updates { UPDATING_READS } else { READS };
    loop {
        let operation = input.u8()?;
        machine.outside.reads.set(0);
        if operation & 1 == 0 {
            // A look and an access.
            let response = machine.transact(&transaction(input)?);
            assert!(machine.outside.reads.get() <= 2 * limit);
            if let Response::Stall(_) = response {
                let resume = machine.bank(0, 0x08);
                machine.w(resume, 1);
            }
        } else {
            // CBn_ATS1* and sGATS*.
            let at = if operation & 2 == 0 {
                machine.bank(
                    u64::from(operation >> 2 & 1),
                    0x800 + u64::from(operation >> 3 & 3) * 8,
                )
            } else {
                0x100 + u64::from(operation >> 2 & 7) * 8
            };
            machine.w64(at, input.u64()?);
            assert!(machine.outside.reads.get() <= limit);
        }
        for bank in 0..2 {
            let fsr = machine.bank(bank, 0x58);
            machine.w(fsr, u32::MAX);
        }
    }
}
