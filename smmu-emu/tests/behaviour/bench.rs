// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A machine around the model: sparse memory, a clock that tests turn, and a record of everything that comes out.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use smmu_emu::events::Event;
use smmu_emu::{
    Access, BusError, Config, Env, Hold, Injected, Line, Memory, Plan, Response, Smmu, TlbMode, Transaction,
};

/// Everything outside the SMMU.
#[derive(Default)]
pub struct Host {
    /// Nanoseconds.
    pub time: Cell<u64>,
    /// Pages of 4 KiB by number; what is not here is a bus error.
    pages: BTreeMap<u64, Vec<u8>>,
    /// Every call of `set_line`.
    pub line_calls: Vec<(Line, bool)>,
    /// Every access reported.
    pub accesses: Vec<Access>,
    /// Marks that are raised.
    pub marks: BTreeSet<String>,
    /// Every hit of a rule.
    pub injected: Vec<Injected>,
    /// Every reply that is to be late: register, end, mark.
    pub holds: Vec<(&'static str, u64, Option<String>)>,
    /// Every time that the model wants to be called at.
    pub wakes: Vec<u64>,
    /// A mark that is raised before the model has said when it wants to be called.
    pub raised_meanwhile: Option<String>,
    /// Every call of `resumed`.
    pub resumed: Vec<u8>,
    /// Whether it traces.
    pub traced: bool,
    /// What it was told.
    pub events: Vec<Event>,
    /// Memory reads, for tests that count walks.
    pub reads: Cell<u32>,
}

impl Memory for Host {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.reads.set(self.reads.get() + 1);
        let page = self.pages.get(&(address >> 12)).ok_or(BusError)?;
        let at = usize::try_from(address & 0xfff).map_err(|_| BusError)?;
        data.copy_from_slice(page.get(at..at + data.len()).ok_or(BusError)?);
        Ok(())
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

impl Env for Host {
    fn now(&self) -> u64 {
        self.time.get()
    }

    fn set_line(&mut self, line: Line, level: bool) {
        let told = self.events.last();
        assert!(!self.traced || matches!(told, Some(Event::Line { line: of, .. }) if *of == line));
        self.line_calls.push((line, level));
    }

    fn access(&mut self, access: &Access) {
        self.accesses.push(*access);
    }

    fn traces(&self) -> bool {
        self.traced
    }

    fn trace(&mut self, event: &Event) {
        self.events.push(*event);
    }

    fn injected(&mut self, injected: &Injected) {
        self.injected.push(*injected);
    }

    fn hold(&mut self, hold: &Hold<'_>) {
        self.holds
            .push((hold.register, hold.deadline, hold.mark.map(Into::into)));
    }

    fn wake_at(&mut self, time: u64) {
        // Somebody raises it just before.
        self.marks.extend(self.raised_meanwhile.take());
        self.wakes.push(time);
    }

    fn resumed(&mut self, bank: u8) {
        self.resumed.push(bank);
    }

    fn mark(&self, name: &str) -> bool {
        self.marks.contains(name)
    }
}

impl Host {
    /// Makes `size` bytes of zeroed memory.
    pub fn add_memory(&mut self, address: u64, size: u64) {
        for page in address >> 12..(address + size).div_ceil(0x1000) {
            self.pages.entry(page).or_insert_with(|| vec![0; 0x1000]);
        }
    }

    /// Writes a word of eight bytes, little-endian, making the page if need be.
    pub fn write64(&mut self, address: u64, value: u64) {
        self.add_memory(address, 8);
        let page = self
            .pages
            .get_mut(&(address >> 12))
            .expect("the page has just been made");
        let at = (address & 0xfff) as usize;
        page[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// A word of eight bytes, little-endian.
    pub fn word(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes).expect("there is memory");
        u64::from_le_bytes(bytes)
    }

    /// The level that the record leaves a line at.
    pub fn line(&self, line: Line) -> bool {
        self.line_calls
            .iter()
            .rev()
            .find(|(of, _)| *of == line)
            .is_some_and(|(_, level)| *level)
    }
}

/// An SMMU in its machine.
pub struct Bench {
    pub smmu: Smmu,
    pub host: Host,
    page_shift: u32,
}

/// The register space that an offset counts from.
#[derive(Clone, Copy, Debug)]
pub enum At {
    Gr0(u64),
    Gr1(u64),
    Cb(u64, u64),
    /// A global page.
    Page(u64, u64),
}
pub use At::{Cb, Gr0, Gr1, Page};

impl Bench {
    /// The model of a configuration in TOML, without delays.
    pub fn new(config: &str) -> Self {
        Self::with_plan(config, "")
    }

    /// The model of a configuration and a plan in TOML.
    pub fn with_plan(config: &str, plan: &str) -> Self {
        let mut config: Config = toml::from_str(config).expect("the test's configuration parses");
        // Tests of translation change tables and registers as they like; those of the TLB ask for one.
        config.tlb.get_or_insert(TlbMode::Off);
        let plan: Plan = toml::from_str(plan).expect("the test's plan parses");
        let page_shift = config
            .validate()
            .expect("the test's configuration is valid")
            .page_size
            .shift();
        let mut smmu = Smmu::new(&config, plan).expect("the test's configuration and plan are valid");
        let mut host = Host::default();
        smmu.reset(&mut host);
        Self {
            smmu,
            host,
            page_shift,
        }
    }

    /// The byte offset in the register space.
    pub fn offset(&self, at: At) -> u64 {
        let pages = self.smmu.geometry().page_count();
        match at {
            Gr0(offset) => offset,
            Gr1(offset) => (1 << self.page_shift) + offset,
            Page(page, offset) => (page << self.page_shift) + offset,
            Cb(bank, offset) => ((pages + bank) << self.page_shift) + offset,
        }
    }

    /// Reads 32 bits.
    pub fn r(&mut self, at: At) -> u32 {
        let mut data = [0xa5; 4];
        let offset = self.offset(at);
        self.smmu.read(&mut self.host, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// Reads 64 bits.
    pub fn r64(&mut self, at: At) -> u64 {
        let mut data = [0xa5; 8];
        let offset = self.offset(at);
        self.smmu.read(&mut self.host, offset, &mut data);
        u64::from_le_bytes(data)
    }

    /// Writes 32 bits.
    pub fn w(&mut self, at: At, value: u32) {
        let offset = self.offset(at);
        self.smmu.write(&mut self.host, offset, &value.to_le_bytes());
    }

    /// Writes 64 bits.
    pub fn w64(&mut self, at: At, value: u64) {
        let offset = self.offset(at);
        self.smmu.write(&mut self.host, offset, &value.to_le_bytes());
    }

    /// Reads 32 bits as Secure software.
    pub fn secure_r(&mut self, at: At) -> u32 {
        let mut data = [0xa5; 4];
        let offset = self.offset(at);
        self.smmu.read_secure(&mut self.host, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// Writes 32 bits as Secure software.
    pub fn secure_w(&mut self, at: At, value: u32) {
        let offset = self.offset(at);
        self.smmu
            .write_secure(&mut self.host, offset, &value.to_le_bytes());
    }

    /// A client's access.
    pub fn transact(&mut self, transaction: Transaction) -> Response {
        self.smmu.transact(&mut self.host, &transaction)
    }
}
