// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any registers of two banks, one of which may be behind the other, any memory and any rules: a walk ends after as
//! many reads as its format has levels, and an access that no rule hits is what a look says.

use smmu_emu::Response;
use smmu_emu::testing::Ram;

use super::coverage;
use super::input::Input;
use super::machine::{Machine, transaction};
use super::rules::{self, Allowed, Names};

/// Four levels, each behind four of stage 2, and four of stage 2 for the result.
const READS: u32 = 4 * (4 + 1) + 4;
/// Hardware that updates descriptors starts a walk at most four times.
const UPDATING_READS: u32 = 4 * 4 * (4 * 4 + 1) + 4 * 4;

/// Runs one input. With bit 7 of its first byte it has rules.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mut walks) = Walks::new(&mut input) else {
        return;
    };
    while walks.step(&mut input).is_some() {}
    coverage::count("walk", &walks.machine.host.injected);
}

struct Walks {
    machine: Machine,
    /// Reads of one walk at most.
    limit: u32,
}

impl Walks {
    fn new(input: &mut Input<'_>) -> Option<Self> {
        let choice = input.u8()?;
        let count = usize::from(input.u8()? % 64) + 1;
        let words = (0..count).map(|_| input.u64()).collect::<Option<Vec<_>>>()?;
        let updates = choice & 1 != 0;
        let config = format!(
            "preset = \"smmuv2-generic\"\ncontext_banks = 2\nstream_match_groups = 2\nhardware_update = {updates}\n\
             address_bits = {}\ntlb = \"off\"",
            if choice & 2 == 0 { 48 } else { 40 },
        );
        let mut machine = Machine::new(&config, Ram::repeating(&words, 1 << 40));
        machine.w("sCR0", 0);
        for bank in 0..2_u64 {
            configure(&mut machine, bank, input)?;
        }
        if choice & 0x80 != 0 {
            let names = Names {
                address: &|n| u64::from(n) << 11,
                stream: &|n| (n % 3).into(),
                descriptor: &|n| 8 * u64::from(n),
            };
            let geometry = machine.smmu.lock().geometry().clone();
            machine.set_plan(rules::plan(input, &geometry, Allowed::Every, names)?);
        }
        Some(Self {
            machine,
            limit: if updates { UPDATING_READS } else { READS },
        })
    }

    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let Self { machine, limit } = self;
        let operation = input.u8()?;
        machine.host.memory.take_reads();
        if operation & 1 == 0 {
            // A look and an access.
            let response = machine.transact(&transaction(input)?);
            assert!(machine.host.memory.reads() <= 2 * *limit);
            if let Response::Stall(_) = response {
                machine.w(("CBn_RESUME", 0), 1);
            }
        } else {
            let address = input.u64()?;
            if operation & 2 == 0 {
                let operations = ["CBn_ATS1PR", "CBn_ATS1PW", "CBn_ATS1UR", "CBn_ATS1UW"];
                let which = operations.get(usize::from(operation >> 3 & 3))?;
                machine.w64((*which, u64::from(operation >> 2 & 1)), address);
            } else {
                let operations = [
                    "GATS1UR", "GATS1UW", "GATS1PR", "GATS1PW", "GATS12UR", "GATS12UW", "GATS12PR",
                    "GATS12PW",
                ];
                machine.w64(*operations.get(usize::from(operation >> 2 & 7))?, address);
            }
            assert!(machine.host.memory.reads() <= *limit);
        }
        for bank in 0..2 {
            machine.w(("CBn_FSR", bank), u32::MAX);
        }
        Some(())
    }
}

fn configure(machine: &mut Machine, bank: u64, input: &mut Input<'_>) -> Option<()> {
    let kind = u32::from(input.u8()?);
    // CBAR's type and CBNDX; hypervisor contexts by bit 10.
    let cbar = match kind & 3 {
        3 => 3 << 16 | 1 << 8,
        kind => kind << 16,
    };
    machine.w(("CBARn", bank), cbar | (kind & 4) << 8);
    machine.w(("CBA2Rn", bank), kind >> 3 & 1);
    for register in ["CBn_TCR2", "CBn_TCR", "CBn_MAIR0", "CBn_MAIR1"] {
        machine.w((register, bank), input.u32()?);
    }
    for register in ["CBn_TTBR0", "CBn_TTBR1"] {
        machine.w64((register, bank), input.u64()?);
    }
    let sctlr = input.u32()? | kind >> 4 & 1;
    machine.w(("CBn_SCTLR", bank), sctlr);
    machine.w(("SMRn", bank), 1 << 31 | u32::try_from(bank).ok()?);
    machine.w(("S2CRn", bank), u32::try_from(bank).ok()?);
    Some(())
}
