// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any sequence of register accesses, transactions, resumptions, time and memory writes: no panic, an access is what a look
//! says, and a line is high exactly if its registers say so.

use smmu_emu::{Line, Response, Stall};

use super::input::Input;
use super::machine::{BASE, Machine, Outside, transaction};

const CONFIGS: [&str; 8] = [
    "preset = \"mmu-500\"\ncontext_banks = 3\nstream_match_groups = 4",
    "preset = \"mmu-500-ats\"\ncontext_banks = 2\nstream_match_groups = 2\nstream_id_bits = 3",
    "preset = \"smmuv2-generic\"\ncontext_banks = 4\nstage2_only_banks = 2\nextended_stream_ids = true\nstream_match_groups = 3\nhardware_update = false",
    "preset = \"smmuv2-generic\"\ncontext_banks = 1\nstream_match_groups = 0\nstream_id_bits = 2\naddress_bits = 32\nhardware_update = false",
    "preset = \"mmu-401\"\nsecure_state = true\ntlb = \"strict-stale\"",
    "preset = \"mmu-500\"\nsecure_state = true\ncontext_banks = 2\nstream_match_groups = 3\npmu_groups = 3\npmu_counters = 15",
    "preset = \"smmuv2-generic\"\nextended_stream_match_groups = 40\nstream_match_groups = 3\npmu_groups = 2\npmu_counters = 2\nextended_stream_ids = true",
    "preset = \"smmuv2-generic\"\ncontext_banks = 5\npage_size = \"64k\"\nhardware_update = true\ntlb_entries = 3",
];

const SYNC_DELAYS: &str = "[[delay]]\nsite = \"context-sync\"\ntime_us = { min = 0, max = 3 }\n\
    [[delay]]\nsite = \"global-sync\"\nuntil = \"m\"\nat_most_us = 5\n";
const ATS_DELAY: &str = "[[delay]]\nsite = \"ats\"\npolls = 2\nprobability = 50\n";

/// Eight pages.
const WORDS: u16 = 8 * 512;
/// Stalled transactions that the client remembers.
const STALLS: usize = 16;

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(config) = input.u8() else { return };
    let config = CONFIGS[usize::from(config) % CONFIGS.len()];
    let ats = if config.contains("\"mmu-500\"") || config.contains("mmu-401") {
        ""
    } else {
        ATS_DELAY
    };
    let words = vec![0; WORDS.into()];
    let plan = format!("{ats}{SYNC_DELAYS}");
    let mut machine = Machine::new(config, &plan, Outside::new(words, false));
    let mut stalls = Vec::new();
    while step(&mut machine, &mut stalls, &mut input).is_some() {
        check(&mut machine);
    }
}

/// A page and a register, in the places where registers are mostly.
fn offset(machine: &Machine, input: &mut Input<'_>) -> Option<u64> {
    let (page, register) = (u64::from(input.u8()?), u64::from(input.u16()?));
    let register = register & 0xfff;
    Some(match page >> 6 {
        0 => machine.at(page & 0x3f, register),
        1 => machine.bank(page & 7, register & !3),
        2 => machine.at(page & 1, register & !3),
        _ => machine.bank(page & 1, register & !3),
    })
}

fn step(machine: &mut Machine, stalls: &mut Vec<Stall>, input: &mut Input<'_>) -> Option<()> {
    match input.u8()? % 16 {
        0..=2 => {
            let at = offset(machine, input)?;
            machine.w(at, input.u32()?);
        }
        3 => {
            let at = offset(machine, input)?;
            machine.w64(at, input.u64()?);
        }
        // A table's address in a register.
        4 => {
            let at = offset(machine, input)?;
            machine.w64(at, BASE + (u64::from(input.u8()? & 7) << 12));
        }
        5 => {
            machine.r(offset(machine, input)?);
        }
        6 => {
            let at = offset(machine, input)?;
            let mut data = vec![0xa5; usize::from(input.u8()? % 20)];
            machine.smmu.lock().read(&mut machine.outside, at, &mut data);
            machine.smmu.lock().write(&mut machine.outside, at, &data);
        }
        7 => {
            let at = offset(machine, input)?;
            let value = input.u32()?.to_le_bytes();
            machine.smmu.lock().write_secure(&mut machine.outside, at, &value);
        }
        8 => {
            machine.secure_r(offset(machine, input)?);
        }
        9 | 10 => {
            let response = machine.transact(&transaction(input)?);
            if let Response::Stall(stall) = response
                && stalls.len() < STALLS
            {
                stalls.push(stall);
            }
        }
        11 => {
            let at = usize::from(input.u8()?).checked_rem(stalls.len());
            if let Some(stall) = at.map(|at| stalls.swap_remove(at)) {
                let response = machine.smmu.lock().resume(&mut machine.outside, stall);
                if let Response::Stall(stall) = response {
                    stalls.push(stall);
                }
            }
        }
        12 => machine.outside.time += u64::from(input.u16()?),
        13 => {
            let at = u64::from(input.u16()? % WORDS);
            machine.outside.set_word(BASE + 8 * at, input.u64()?);
        }
        // A descriptor that leads to one of the pages.
        14 => {
            let at = u64::from(input.u16()? % WORDS);
            let bits = u64::from(input.u16()?);
            let to = BASE + ((bits >> 12 & 7) << 12);
            machine.outside.set_word(BASE + 8 * at, to | bits & 0xfff);
        }
        _ => match input.u8()? {
            0 => machine.smmu.lock().reset(&mut machine.outside),
            _ => machine.outside.mark = true,
        },
    }
    Some(())
}

fn check(machine: &mut Machine) {
    let banks = machine.smmu.lock().context_banks().min(4);
    for bank in 0..banks {
        let (fsr, sctlr) = (machine.bank(bank.into(), 0x58), machine.bank(bank.into(), 0));
        let faults = machine.secure_r(fsr) & 0x8000_01fe != 0;
        let enabled = machine.secure_r(sctlr) >> 6 & 1 == 1;
        let line = Line::Context(u8::try_from(bank).unwrap_or(0));
        let level = machine.outside.lines.get(&line).copied().unwrap_or(false);
        assert_eq!(level, faults && enabled, "bank {bank}");
    }
}
