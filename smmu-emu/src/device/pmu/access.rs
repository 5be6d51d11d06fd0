// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The registers of the performance monitor, and a context bank's view of one group.

use super::counters::{counters, writable};
use crate::device::smmu::Smmu;
use crate::host::env::Host;
use crate::registers::identity;
use crate::registers::register::{RegisterId, Scope};
use crate::spec::any::AnyRegister;
use crate::spec::pm::{Pm, Pmcr};
use crate::spec::regs::{AccessRule, Row, Table};

impl Smmu {
    /// The value of a register of the monitor at this time.
    pub(crate) fn look_pm(&self, host: &dyn Host, id: &RegisterId) -> u32 {
        match id.register {
            AnyRegister::Pm(register) => self.pmu.at(&self.geometry, host).file.get32(register, id.index),
            _ => 0,
        }
    }

    /// Software writes a register of the monitor.
    pub(crate) fn write_pm(&mut self, host: &mut dyn Host, id: &RegisterId, written: u32) {
        if let AnyRegister::Pm(register) = id.register {
            self.store_pm(host, id.row, register, id.index, written);
        }
    }

    /// Stores by the access rule of a row, which may be that of an alias.
    fn store_pm(&mut self, host: &mut dyn Host, row: &Row, register: Pm, index: u16, written: u32) {
        self.advance_pmu(host);
        let old = self.pmu.file.get(register, index);
        let writable = writable(&self.geometry, register, index);
        let new = row.merge(writable.into(), old, written.into(), u64::MAX);
        self.pmu.file.set(register, index, new);
        if register == Pm::Pmcr && Pmcr::new_with_raw_value(written).p() {
            self.pmu.clear_counters(0..self.geometry.pmu_counter_count());
        }
        self.update_pmu_lines(host, true);
    }

    /// The group that a context bank has a view of: the first, if several name the bank.
    fn group_in_view(&self, id: &RegisterId) -> Option<u8> {
        let Scope::Bank(bank) = id.scope else { return None };
        (0..self.geometry.pmu_groups).find(|&group| {
            let configuration = self.pmu.group(group);
            configuration.cbaen() && configuration.ndx() == bank
        })
    }

    /// The value of a register of a bank's view, which shows the register `of` of the monitor for the counters of a
    /// group.
    pub(crate) fn look_bank_pm(&self, host: &dyn Host, of: Pm, id: &RegisterId) -> u32 {
        let Some(group) = self.group_in_view(id) else {
            return 0;
        };
        let pmu = self.pmu.at(&self.geometry, host);
        let each = u16::from(self.geometry.pmu_counters);
        match of {
            Pm::PmEvCntr | Pm::PmEvTyper if id.index < each => {
                pmu.file.get32(of, u16::from(group) * each + id.index)
            }
            Pm::PmCfgr => identity::pmcfgr(1, each).raw_value(),
            // `PMCR.E` is `PMCGCRn.E` of the group.
            Pm::Pmcr => Pmcr::ZERO.with_e(pmu.group(group).e()).raw_value(),
            Pm::PmCntEnSet
            | Pm::PmCntEnClr
            | Pm::PmIntEnSet
            | Pm::PmIntEnClr
            | Pm::PmOvsClr
            | Pm::PmOvsSet => counters(&self.geometry, group)
                .rev()
                .fold(0, |word, counter| word << 1 | u32::from(pmu.bit(of, counter))),
            Pm::PmCeid0 | Pm::PmCeid1 | Pm::PmAuthStatus | Pm::PmDevType => pmu.file.get32(of, 0),
            Pm::PmEvCntr | Pm::PmEvTyper | Pm::PmCgCr | Pm::PmCgSmr => 0,
        }
    }

    /// Software writes a register of a bank's view.
    pub(crate) fn write_bank_pm(&mut self, host: &mut dyn Host, of: Pm, id: &RegisterId, written: u32) {
        let Some(group) = self.group_in_view(id) else {
            return;
        };
        let each = u16::from(self.geometry.pmu_counters);
        match of {
            Pm::PmEvCntr | Pm::PmEvTyper if id.index < each => {
                let counter = u16::from(group) * each + id.index;
                self.store_pm(host, of.row(), of, counter, written);
            }
            Pm::Pmcr => {
                let control = Pmcr::new_with_raw_value(written);
                let group_control = self.pmu.group(group).with_e(control.e()).raw_value();
                self.store_pm(host, Pm::PmCgCr.row(), Pm::PmCgCr, group.into(), group_control);
                if control.p() {
                    self.pmu.clear_counters(counters(&self.geometry, group));
                }
            }
            Pm::PmCntEnSet
            | Pm::PmCntEnClr
            | Pm::PmIntEnSet
            | Pm::PmIntEnClr
            | Pm::PmOvsClr
            | Pm::PmOvsSet => {
                self.advance_pmu(host);
                let sets = id.row.access == AccessRule::W1s;
                for (m, counter) in counters(&self.geometry, group).enumerate() {
                    if written >> m & 1 == 1 {
                        self.pmu.set_bit(of, counter, sets);
                    }
                }
                self.update_pmu_lines(host, true);
            }
            Pm::PmEvCntr
            | Pm::PmEvTyper
            | Pm::PmCgCr
            | Pm::PmCgSmr
            | Pm::PmCfgr
            | Pm::PmCeid0
            | Pm::PmCeid1
            | Pm::PmAuthStatus
            | Pm::PmDevType => {}
        }
    }
}
