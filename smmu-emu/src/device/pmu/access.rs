// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The registers of the performance monitor, and a context bank's view of one group.

use arbitrary_int::traits::Integer;
use arbitrary_int::{u4, u6};

use super::{Pmu, counters};
use crate::device::smmu::Smmu;
use crate::host::env::Env;
use crate::spec::cb::Cb;
use crate::spec::pm::{Pm, Pmcfgr, Pmcgcr, Pmcr, event};
use crate::spec::regs::Table;

/// `PMAUTHSTATUS`: Non-secure counters may count. SNID stays "not implemented".
const AUTHENTICATION: u32 = 0b11 << 2;
/// `PMDEVTYPE`: a performance monitor of a memory management unit.
const DEVICE_TYPE: u32 = 0x56;
/// Registers that set and clear the same bits keep them in one place.
const fn storage(register: Pm) -> Pm {
    match register {
        Pm::Pmcntenclr => Pm::Pmcntenset,
        Pm::Pmintenclr => Pm::Pmintenset,
        Pm::Pmovsclr => Pm::Pmovsset,
        other => other,
    }
}

impl Smmu {
    /// A register of the monitor as software reads it.
    pub(crate) fn load_pm(&mut self, env: &mut dyn Env, register: Pm, index: u16) -> u32 {
        self.advance_pmu(env);
        self.shown_pm(&self.pmu, register, index)
    }

    /// The same without the read.
    pub(crate) fn peek_pm(&self, env: &dyn Env, register: Pm, index: u16) -> u32 {
        self.shown_pm(&self.pmu.at(&self.geometry, env), register, index)
    }

    fn shown_pm(&self, pmu: &Pmu, register: Pm, index: u16) -> u32 {
        let geometry = &self.geometry;
        let counters = geometry.pmu_counter_count();
        match register {
            Pm::Pmcfgr => configuration(geometry.pmu_groups, counters),
            Pm::Pmceid0 => event::IDENTIFIED,
            Pm::Pmauthstatus => AUTHENTICATION,
            Pm::Pmdevtype => DEVICE_TYPE,
            Pm::Pmcgcr if index < geometry.pmu_groups.into() => {
                let stored = Pmcgcr::new_with_raw_value(pmu.file.get32(register, index));
                stored
                    .with_cgnc(u4::masked_new(geometry.pmu_counters))
                    .raw_value()
            }
            _ => pmu.file.get32(storage(register), index),
        }
    }

    /// Software writes a register of the monitor.
    pub(crate) fn store_pm(&mut self, env: &mut dyn Env, register: Pm, index: u16, written: u32) {
        self.advance_pmu(env);
        let kept = storage(register);
        let old = self.pmu.file.get(kept, index);
        let writable = self.writable_pm(register, index);
        let new = register
            .row()
            .merge(writable.into(), old, written.into(), u64::MAX);
        self.pmu.file.set(kept, index, new);
        if register == Pm::Pmcr && Pmcr::new_with_raw_value(written).p() {
            self.pmu.clear_counters(0..self.geometry.pmu_counter_count());
        }
        self.update_pmu_lines(env, true);
    }

    /// The bits that exist.
    fn writable_pm(&self, register: Pm, index: u16) -> u32 {
        let (groups, counters) = (self.geometry.pmu_groups, self.geometry.pmu_counter_count());
        let all = |exists| if exists { u32::MAX } else { 0 };
        match register {
            Pm::Pmevcntr | Pm::Pmevtyper => all(index < counters),
            Pm::Pmcgcr => all(index < groups.into()),
            Pm::Pmcgsmr if self.geometry.extended_stream_ids => all(index < groups.into()),
            Pm::Pmcgsmr => {
                let id = (1 << self.geometry.stream_id_bits) - 1;
                all(index < groups.into()) & (id << 16 | id)
            }
            Pm::Pmcntenset
            | Pm::Pmcntenclr
            | Pm::Pmintenset
            | Pm::Pmintenclr
            | Pm::Pmovsclr
            | Pm::Pmovsset => match counters.saturating_sub(index * 32) {
                left @ 0..32 => (1 << left) - 1,
                _ => u32::MAX,
            },
            Pm::Pmcr => !Pmcr::p_mask(),
            Pm::Pmcfgr | Pm::Pmceid0 | Pm::Pmceid1 | Pm::Pmauthstatus | Pm::Pmdevtype => 0,
        }
    }

    /// The group that a context bank has a view of: the first, if several name the bank.
    fn group_of_bank(&self, bank: u8) -> Option<u8> {
        (0..self.geometry.pmu_groups).find(|&group| {
            let configuration = self.pmu.group(group);
            configuration.cbaen() && configuration.ndx() == bank
        })
    }

    /// The word of set or clear bits behind a register of a bank's view.
    fn bits_of_bank(register: Cb) -> Option<Pm> {
        Some(match register {
            Cb::Pmcntenset | Cb::Pmcntenclr => Pm::Pmcntenset,
            Cb::Pmintenset | Cb::Pmintenclr => Pm::Pmintenset,
            Cb::Pmovsset | Cb::Pmovsclr => Pm::Pmovsset,
            _ => return None,
        })
    }

    /// A register of a bank's view of a group as software reads it.
    pub(crate) fn load_bank_pm(&mut self, env: &mut dyn Env, register: Cb, index: u16, bank: u8) -> u32 {
        self.advance_pmu(env);
        self.shown_bank_pm(&self.pmu, register, index, bank)
    }

    /// The same without the read.
    pub(crate) fn peek_bank_pm(&self, env: &dyn Env, register: Cb, index: u16, bank: u8) -> u32 {
        self.shown_bank_pm(&self.pmu.at(&self.geometry, env), register, index, bank)
    }

    fn shown_bank_pm(&self, pmu: &Pmu, register: Cb, index: u16, bank: u8) -> u32 {
        let Some(group) = self.group_of_bank(bank) else {
            return 0;
        };
        let each = u16::from(self.geometry.pmu_counters);
        let counter = u16::from(group) * each + index;
        match register {
            Cb::Pmevcntr if index < each => pmu.file.get32(Pm::Pmevcntr, counter),
            Cb::Pmevtyper if index < each => pmu.file.get32(Pm::Pmevtyper, counter),
            Cb::Pmcfgr => configuration(1, each),
            Cb::Pmcr => Pmcr::ZERO.with_e(pmu.group(group).e()).raw_value(),
            Cb::Pmceid => event::IDENTIFIED,
            Cb::Pmauthstatus => AUTHENTICATION,
            _ => Self::bits_of_bank(register).map_or(0, |bits| {
                counters(&self.geometry, group)
                    .rev()
                    .fold(0, |word, counter| word << 1 | u32::from(pmu.bit(bits, counter)))
            }),
        }
    }

    /// Software writes a register of a bank's view of a group. `PMCR.E` is `PMCGCRn.E` of the group.
    pub(crate) fn store_bank_pm(
        &mut self,
        env: &mut dyn Env,
        register: Cb,
        index: u16,
        bank: u8,
        written: u32,
    ) {
        let Some(group) = self.group_of_bank(bank) else {
            return;
        };
        let each = u16::from(self.geometry.pmu_counters);
        let counter = u16::from(group) * each + index;
        match register {
            Cb::Pmevcntr if index < each => self.store_pm(env, Pm::Pmevcntr, counter, written),
            Cb::Pmevtyper if index < each => self.store_pm(env, Pm::Pmevtyper, counter, written),
            Cb::Pmcr => {
                let control = Pmcr::new_with_raw_value(written);
                let group_control = self.pmu.group(group).with_e(control.e()).raw_value();
                self.store_pm(env, Pm::Pmcgcr, group.into(), group_control);
                if control.p() {
                    self.pmu.clear_counters(counters(&self.geometry, group));
                }
            }
            _ => {
                let Some(bits) = Self::bits_of_bank(register) else {
                    return;
                };
                self.advance_pmu(env);
                let sets = matches!(register, Cb::Pmcntenset | Cb::Pmintenset | Cb::Pmovsset);
                for (m, counter) in counters(&self.geometry, group).enumerate() {
                    if written >> m & 1 == 1 {
                        self.pmu.set_bit(bits, counter, sets);
                    }
                }
                self.update_pmu_lines(env, true);
            }
        }
    }
}

/// `PMCFGR` of so many groups and counters.
fn configuration(groups: u8, counters: u16) -> u32 {
    Pmcfgr::ZERO
        .with_ncg(groups.saturating_sub(1))
        .with_size(u6::new(31))
        .with_n(u8::masked_new(counters.saturating_sub(1)))
        .raw_value()
}
