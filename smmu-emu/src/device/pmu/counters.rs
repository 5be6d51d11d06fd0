// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The counters: what they count, and when they overflow.

use core::ops::Range;
use std::borrow::Cow;

use crate::arch::transaction::Intent;
use crate::config::Geometry;
use crate::host::env::Host;
use crate::registers::file::File;
use crate::registers::identity;
use crate::registers::saved::SavedRegister;
use crate::spec::global::Smr;
use crate::spec::pm::{Pm, Pmcgcr, Pmcr, Pmevtyper, event};

/// Cycles that [`event::CYCLES_64`] counts as one.
const CYCLES_PER_TICK: u64 = 64;

/// The registers of the monitor, and the cycle up to which they have counted.
#[derive(Clone, Debug)]
pub(crate) struct Pmu {
    pub(super) file: File<Pm>,
    pub(super) cycle: u64,
}

/// Events of a transaction that counters can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// It arrives.
    Access,
    /// It needs a new TLB entry.
    TlbAllocated,
}

/// A transaction as the filters of the groups see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PmuEvent {
    pub(crate) kind: EventKind,
    pub(crate) stream_id: u16,
    /// The bank that translates it.
    pub(crate) bank: Option<u8>,
    pub(crate) intent: Intent,
}

impl PmuEvent {
    /// The numbers of the events: any, and the one for this direction.
    const fn numbers(self) -> [u8; 2] {
        match (self.kind, self.intent.write) {
            (EventKind::Access, false) => [event::ACCESS, event::ACCESS_READ],
            (EventKind::Access, true) => [event::ACCESS, event::ACCESS_WRITE],
            (EventKind::TlbAllocated, false) => [event::TLB_ALLOCATED, event::TLB_ALLOCATED_READ],
            (EventKind::TlbAllocated, true) => [event::TLB_ALLOCATED, event::TLB_ALLOCATED_WRITE],
        }
    }
}

impl Pmu {
    /// A monitor out of reset.
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let mut file = File::at_reset();
        for (register, index, value) in identity::monitor_values(geometry) {
            file.set(register, index, value.into());
        }
        Self { file, cycle: 0 }
    }

    /// The monitor as a value, at a time of [`Host::now`]: its registers, counted up to then.
    pub(crate) fn save(&self, geometry: &Geometry, now: u64) -> Vec<SavedRegister> {
        let mut pmu = self.clone();
        pmu.advance(geometry, now);
        pmu.file.save(&Self::new(geometry).file)
    }

    /// The monitor that was saved, to count from a time of [`Host::now`] on. Fails with a register that is not there.
    pub(crate) fn restored(
        geometry: &Geometry,
        saved: &[SavedRegister],
        now: u64,
    ) -> Result<Self, SavedRegister> {
        let Self { mut file, .. } = Self::new(geometry);
        file.restore(saved, |register, index| {
            writable(geometry, register, index).into()
        })?;
        Ok(Self { file, cycle: now })
    }

    pub(super) fn group(&self, group: u8) -> Pmcgcr {
        Pmcgcr::new_with_raw_value(self.file.get32(Pm::PmCgCr, group.into()))
    }

    pub(super) fn bit(&self, register: Pm, counter: u16) -> bool {
        self.file.get32(register, counter / 32) >> (counter % 32) & 1 == 1
    }

    pub(super) fn set_bit(&mut self, register: Pm, counter: u16, on: bool) {
        let (at, bit) = (counter / 32, 1 << (counter % 32));
        let word = self.file.get(register, at);
        self.file
            .set(register, at, if on { word | bit } else { word & !bit });
    }

    fn enabled(&self) -> bool {
        Pmcr::new_with_raw_value(self.file.get32(Pm::Pmcr, 0)).e()
    }

    /// The counters of a group that count, with what they count.
    fn counting(&self, geometry: &Geometry, group: u8) -> Vec<(u16, Pmevtyper)> {
        if !self.enabled() || !self.group(group).e() {
            return Vec::new();
        }
        counters(geometry, group)
            .filter(|&counter| self.bit(Pm::PmCntEnSet, counter))
            .map(|counter| {
                let kind = Pmevtyper::new_with_raw_value(self.file.get32(Pm::PmEvTyper, counter));
                (counter, kind)
            })
            .collect()
    }

    /// Adds to a counter of 32 bits; a carry is an overflow.
    fn add(&mut self, counter: u16, amount: u64) {
        let sum = self.file.get(Pm::PmEvCntr, counter).saturating_add(amount);
        self.file.set(Pm::PmEvCntr, counter, sum & u64::from(u32::MAX));
        if sum >> 32 != 0 {
            self.set_bit(Pm::PmOvsSet, counter, true);
        }
    }

    /// Counts the cycles up to now.
    pub(super) fn advance(&mut self, geometry: &Geometry, now: u64) {
        let (from, to) = (self.cycle, now.max(self.cycle));
        self.cycle = to;
        for group in 0..geometry.pmu_groups {
            for (counter, kind) in self.counting(geometry, group) {
                match kind.event() {
                    event::CYCLE => self.add(counter, to - from),
                    event::CYCLES_64 => self.add(counter, to / CYCLES_PER_TICK - from / CYCLES_PER_TICK),
                    _ => {}
                }
            }
        }
    }

    /// As it would be now.
    pub(super) fn at(&self, geometry: &Geometry, host: &dyn Host) -> Cow<'_, Self> {
        let now = host.now();
        if now <= self.cycle {
            return Cow::Borrowed(self);
        }
        let mut pmu = self.clone();
        pmu.advance(geometry, now);
        Cow::Owned(pmu)
    }

    pub(super) fn count(&mut self, geometry: &Geometry, extended: bool, seen: &PmuEvent) {
        for group in 0..geometry.pmu_groups {
            if !self.sees(group, extended, seen) {
                continue;
            }
            for (counter, kind) in self.counting(geometry, group) {
                if seen.numbers().contains(&kind.event()) && allows(kind, seen.intent) {
                    self.add(counter, 1);
                }
            }
        }
    }

    /// The filter of a group.
    fn sees(&self, group: u8, extended: bool, seen: &PmuEvent) -> bool {
        let configuration = self.group(group);
        match configuration.tcefcfg().value() {
            0 => true,
            1 => {
                let smr = Smr::new_with_raw_value(self.file.get32(Pm::PmCgSmr, group.into()));
                let (id, mask) = if extended {
                    (smr.exid(), smr.exmask())
                } else {
                    (smr.id().value(), smr.mask().value())
                };
                (seen.stream_id ^ id) & !mask == 0
            }
            2 => seen.bank == Some(configuration.ndx()),
            // Reserved.
            _ => false,
        }
    }

    /// Whether the group's interrupt is asserted.
    pub(crate) fn interrupts(&self, geometry: &Geometry, group: u8) -> bool {
        counters(geometry, group)
            .any(|counter| self.bit(Pm::PmOvsSet, counter) && self.bit(Pm::PmIntEnSet, counter))
    }

    pub(super) fn clear_counters(&mut self, counters: impl Iterator<Item = u16>) {
        for counter in counters {
            self.file.set(Pm::PmEvCntr, counter, 0);
        }
    }
}

/// The numbers of a group's counters.
pub(super) fn counters(geometry: &Geometry, group: u8) -> Range<u16> {
    let each = u16::from(geometry.pmu_counters);
    let first = u16::from(group) * each;
    first..first + each
}

/// Every transaction is Non-secure: it counts if the two bits for its privilege are equal.
fn allows(kind: Pmevtyper, intent: Intent) -> bool {
    if intent.privileged {
        kind.p() == kind.nsp()
    } else {
        kind.u() == kind.nsu()
    }
}

/// The bits of a register that exist.
pub(super) fn writable(geometry: &Geometry, register: Pm, index: u16) -> u32 {
    let (groups, counters) = (geometry.pmu_groups, geometry.pmu_counter_count());
    let all = |exists| if exists { u32::MAX } else { 0 };
    match register {
        Pm::PmEvCntr | Pm::PmEvTyper => all(index < counters),
        Pm::PmCgCr => all(index < groups.into()),
        Pm::PmCgSmr if geometry.extended_stream_ids => all(index < groups.into()),
        Pm::PmCgSmr => {
            let id = (1 << geometry.stream_id_bits) - 1;
            all(index < groups.into()) & (id << 16 | id)
        }
        Pm::PmCntEnSet | Pm::PmCntEnClr | Pm::PmIntEnSet | Pm::PmIntEnClr | Pm::PmOvsClr | Pm::PmOvsSet => {
            match counters.saturating_sub(index * 32) {
                left @ 0..32 => (1 << left) - 1,
                _ => u32::MAX,
            }
        }
        Pm::Pmcr => !Pmcr::p_mask(),
        Pm::PmCfgr | Pm::PmCeid0 | Pm::PmCeid1 | Pm::PmAuthStatus | Pm::PmDevType => 0,
    }
}
