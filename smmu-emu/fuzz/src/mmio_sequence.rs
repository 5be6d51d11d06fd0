// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any sequence of register accesses, transactions, resumptions, time and memory writes, with any rules: no panic, an
//! access is what a look says, and a line is high exactly if its registers say so, unless a rule hit it.

use std::collections::{BTreeMap, BTreeSet};

use smmu_emu::testing::{At, Cb, Page, Ram};
use smmu_emu::{Line, Plan, Response, Stall};

use super::coverage;
use super::input::Input;
use super::machine::{BASE, MARK, Machine, transaction};
use super::rules::{self, Allowed, Names};

const CONFIGS: [&str; 8] = [
    "preset = \"mmu-500\"\ncontext_banks = 3\nstream_match_groups = 4",
    "preset = \"mmu-500-ats\"\ncontext_banks = 2\nstream_match_groups = 2\nstream_id_bits = 3\n\
     tlb = \"lazy\"",
    "preset = \"smmuv2-generic\"\ncontext_banks = 4\nstage2_only_banks = 2\nextended_stream_ids = true\n\
     stream_match_groups = 3\nhardware_update = false",
    "preset = \"smmuv2-generic\"\ncontext_banks = 1\nstream_match_groups = 0\nstream_id_bits = 2\naddress_bits = 32\n\
     hardware_update = false",
    "preset = \"mmu-401\"\nsecure_state = true\ntlb = \"strict-stale\"\ncontext_interrupts = 3",
    "preset = \"mmu-500\"\nsecure_state = true\ncontext_banks = 2\nstream_match_groups = 3\npmu_groups = 3\n\
     pmu_counters = 15",
    "preset = \"smmuv2-generic\"\nextended_stream_match_groups = 40\nstream_match_groups = 3\npmu_groups = 2\n\
     pmu_counters = 2\nextended_stream_ids = true",
    "preset = \"smmuv2-generic\"\ncontext_banks = 5\npage_size = \"64k\"\nhardware_update = true\ntlb_entries = 3",
];

const SYNC_DELAYS: &str = "[[delay]]\nsite = \"context-sync\"\ntime_us = { min = 0, max = 3 }\n\
    [[delay]]\nsite = \"global-sync\"\nuntil = \"m\"\nat_most_us = 5\n";
const ATS_DELAY: &str = "[[delay]]\nsite = \"ats\"\npolls = 2\nprobability = 50\n";

/// Eight pages.
const WORDS: u16 = 8 * 512;
/// Stalled transactions that the client remembers.
const STALLS: usize = 16;

/// Runs one input. With bit 7 of its first byte it has rules.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(choice) = input.u8() else { return };
    let config = CONFIGS[usize::from(choice) % CONFIGS.len()];
    let memory = Ram::new();
    memory.add(BASE, 8 * u64::from(WORDS));
    let mut machine = Machine::new(config, memory);
    machine.host.quiet = false;
    let Some(plan) = plan(&mut input, &machine, choice & 0x80 != 0) else {
        return;
    };
    machine.set_plan(plan);
    let mut sequence = Sequence {
        machine,
        stalls: Vec::new(),
        disturbed: BTreeSet::new(),
        seen: 0,
    };
    while sequence.step(&mut input).is_some() {
        sequence.check();
    }
    coverage::count("mmio_sequence", &sequence.machine.host.injected);
}

fn plan(input: &mut Input<'_>, machine: &Machine, any: bool) -> Option<Plan> {
    let smmu = machine.smmu.lock();
    let geometry = smmu.geometry();
    if any {
        let names = Names {
            address: &|n| u64::from(n) << 9,
            stream: &|n| (n % 8).into(),
            descriptor: &|n| BASE + 8 * u64::from(n),
        };
        return rules::plan(input, geometry, Allowed::Every, names);
    }
    let ats = if geometry.ats { ATS_DELAY } else { "" };
    Some(toml::from_str(&format!("{ats}{SYNC_DELAYS}")).expect("a plan of the harness"))
}

/// A page and a register, in the places where registers are mostly.
fn offset(input: &mut Input<'_>) -> Option<At> {
    let (page, register) = (u64::from(input.u8()?), u64::from(input.u16()?));
    let register = register & 0xfff;
    Some(match page >> 6 {
        0 => Page(page & 0x3f, register),
        1 => Cb(page & 7, register & !3),
        2 => Page(page & 1, register & !3),
        _ => Cb(page & 1, register & !3),
    })
}

struct Sequence {
    machine: Machine,
    /// Transactions that wait.
    stalls: Vec<Stall>,
    /// Lines that a rule hit last: lost, late or stuck.
    disturbed: BTreeSet<Line>,
    /// Hits that `disturbed` knows.
    seen: usize,
}

impl Sequence {
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let Self { machine, stalls, .. } = self;
        match input.u8()? % 16 {
            0..=2 => {
                let at = offset(input)?;
                machine.w(at, input.u32()?);
            }
            3 => {
                let at = offset(input)?;
                machine.w64(at, input.u64()?);
            }
            // A table's address in a register.
            4 => {
                let at = offset(input)?;
                machine.w64(at, BASE + (u64::from(input.u8()? & 7) << 12));
            }
            5 => {
                machine.r(offset(input)?);
            }
            6 => {
                let at = offset(input)?;
                let mut data = vec![0xa5; usize::from(input.u8()? % 20)];
                let at = machine.offset(at);
                machine.smmu.lock().read(&mut machine.host, at, &mut data);
                machine.smmu.lock().write(&mut machine.host, at, &data);
            }
            7 => {
                let at = machine.offset(offset(input)?);
                let value = input.u32()?.to_le_bytes();
                machine.smmu.lock().write_secure(&mut machine.host, at, &value);
            }
            8 => {
                machine.secure_r(offset(input)?);
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
                    let response = machine.smmu.lock().resume(&mut machine.host, stall);
                    if let Response::Stall(stall) = response {
                        stalls.push(stall);
                    }
                }
            }
            12 => machine.elapse(input.u16()?.into()),
            13 => {
                let at = u64::from(input.u16()? % WORDS);
                machine.host.memory.set(BASE + 8 * at, input.u64()?);
            }
            // A descriptor that leads to one of the pages.
            14 => {
                let at = u64::from(input.u16()? % WORDS);
                let bits = u64::from(input.u16()?);
                let to = BASE + ((bits >> 12 & 7) << 12);
                machine.host.memory.set(BASE + 8 * at, to | bits & 0xfff);
            }
            _ => match input.u8()? {
                0 => machine.smmu.lock().reset(&mut machine.host),
                _ => {
                    machine.host.marks.insert(MARK.into());
                    machine.elapse(0);
                }
            },
        }
        Some(())
    }

    /// Every line that no rule hit last is high exactly if its registers say so.
    fn check(&mut self) {
        let Self {
            machine,
            disturbed,
            seen,
            ..
        } = self;
        let told = std::mem::take(&mut machine.host.line_calls);
        machine.host.accesses.clear();
        let hits = machine.host.injected.iter().skip(*seen);
        disturbed.retain(|line| !told.iter().any(|(of, _)| of == line));
        disturbed.extend(hits.filter_map(|hit| hit.at.line));
        *seen = machine.host.injected.len();
        let (banks, version_1) = {
            let smmu = machine.smmu.lock();
            (smmu.context_banks().min(4), smmu.geometry().is_version_1())
        };
        let mut asked = BTreeMap::new();
        for bank in 0..banks {
            let before = machine.host.injected.len();
            let fsr = machine.secure_r(("CBn_FSR", bank.into()));
            let sctlr = machine.secure_r(("CBn_SCTLR", bank.into()));
            let cbar = machine.secure_r(("CBARn", bank.into()));
            let misread = machine.host.injected.len() > before;
            // In version 1 software assigns the lines, and banks may share one.
            let number = if version_1 { cbar >> 24 } else { bank.into() };
            match (misread, version_1) {
                (true, true) => return,
                (true, false) => {}
                (false, _) => {
                    let asks = fsr & 0x8000_01fe != 0 && sctlr >> 6 & 1 == 1;
                    *asked.entry(number).or_insert(false) |= asks;
                }
            }
        }
        let lines = machine.smmu.lock().lines().count();
        for (number, expected) in asked {
            let line = Line::Context(u8::try_from(number).unwrap_or(u8::MAX));
            let there = usize::from(line.kind().1) + 1 < lines;
            if there && !disturbed.contains(&line) {
                assert_eq!(machine.host.line(line), expected, "context interrupt {number}");
            }
        }
    }
}
