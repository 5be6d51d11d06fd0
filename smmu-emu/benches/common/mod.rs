// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU with tables in guest memory, and how to measure on a machine that does other things too.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use smmu_emu::sync::{Arc, Mutex};
use smmu_emu::{BusError, Config, Env, Line, Plan, Preset, Smmu};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// The tables: one of each level.
const TABLES: u64 = 0x4000_0000;
/// NUMPAGE is 16.
const CB0: u64 = 16 << 12;
/// Runs of a measurement, and how long one takes at least.
const RUNS: usize = 400;
const RUN: Duration = Duration::from_micros(200);

/// Guest memory, in which the tables are.
pub struct Ram(GuestMemoryMmap);

impl Ram {
    pub fn memory(&self) -> &GuestMemoryMmap {
        &self.0
    }
}

impl Env for Ram {
    fn now(&self) -> u64 {
        0
    }
    fn read_memory(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.0
            .read_slice(data, GuestAddress(address))
            .map_err(|_| BusError)
    }
    fn set_line(&mut self, _: Line, _: bool) {}
    fn random(&mut self) -> u64 {
        0
    }
}

/// Where page `n` of stream 0 is. Neighbours on the bus are not neighbours in memory.
pub fn at_page(n: u64) -> u64 {
    TABLES + 0x10_0000 + (n ^ 1) * 0x1000
}

/// Stream 0 goes to bank 0, which maps 2 MiB.
pub fn machine() -> (Arc<Mutex<Smmu>>, Ram) {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(TABLES), 0x40_0000)]).expect("memory");
    let put = |value: u64, at: u64| memory.write_obj(value, GuestAddress(at)).expect("memory");
    for level in 0..3 {
        put((TABLES + 0x1000 * (level + 1)) | 3, TABLES + 0x1000 * level);
    }
    for page in 0..512 {
        // nG, AF, AP.
        put(
            at_page(page) | 1 << 11 | 1 << 10 | 1 << 6 | 3,
            TABLES + 0x3000 + 8 * page,
        );
    }
    let config = Config {
        preset: Preset::Generic,
        ..Config::default()
    };
    let mut smmu = Smmu::new(&config, Plan::default()).expect("a preset");
    let mut ram = Ram(memory);
    for (offset, value) in [
        (0x1800, 1_u32),
        (0x1000, 1 << 16 | 1),
        (CB0 + 0x10, 5),
        (CB0 + 0x30, 1 << 23 | 16),
        (CB0 + 0x20, 0x4000_0000),
        (CB0, 1),
        (0x800, 1 << 31),
        (0xc00, 0),
        (0x00, 0),
    ] {
        smmu.write(&mut ram, offset, &value.to_le_bytes());
    }
    (Arc::new(Mutex::new(smmu)), ram)
}

/// Pins the thread to the first or last core that the process had at the first call: a thread inherits what its parent is
/// pinned to.
pub fn pin(last: bool) {
    static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
    let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
    let core = if last { cores.last() } else { cores.first() };
    if let Some(core) = core {
        core_affinity::set_for_current(*core);
    }
}

/// Nanoseconds of one operation, in runs of several.
pub struct Times(Vec<f64>);

impl Times {
    pub fn minimum(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn median(&mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// How many operations make a run.
fn calibrate(operation: &mut impl FnMut()) -> u32 {
    let mut count = 1;
    loop {
        if run(count, operation) * f64::from(count) >= RUN.as_secs_f64() * 1e9 || count >= 1 << 20 {
            return count;
        }
        count *= 2;
    }
}

fn run(count: u32, operation: &mut impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..count {
        operation();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

/// Measures one operation and prints the minimum and the median of its runs.
pub fn measure(name: &str, mut operation: impl FnMut()) {
    let count = calibrate(&mut operation);
    let mut times = Times((0..RUNS).map(|_| run(count, &mut operation)).collect());
    println!(
        "{name:44} shortest {:8.1} ns, median {:8.1} ns",
        times.minimum(),
        times.median()
    );
}

/// Measures two operations in turns, so that what else the machine does meets both alike.
pub fn compare(name: &str, mut plain: impl FnMut(), mut other: impl FnMut()) {
    let count = calibrate(&mut plain);
    let (mut first, mut second): (Vec<_>, Vec<_>) = (0..RUNS)
        .map(|_| (run(count, &mut plain), run(count, &mut other)))
        .unzip();
    let mut ratios = Times(
        first
            .iter()
            .zip(&second)
            .map(|(plain, other)| other / plain)
            .collect(),
    );
    let (mut first, mut second) = (
        Times(std::mem::take(&mut first)),
        Times(std::mem::take(&mut second)),
    );
    println!(
        "{name:28} plain {:7.1} ns ({:7.1}), view {:7.1} ns ({:7.1}): ratio {:.2} (median of ratios {:.2})",
        first.minimum(),
        first.median(),
        second.minimum(),
        second.median(),
        second.minimum() / first.minimum(),
        ratios.median(),
    );
}
