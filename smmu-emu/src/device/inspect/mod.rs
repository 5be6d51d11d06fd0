// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Looking at an SMMU from outside: its registers by name, its TLB, and the way of an address, without side effects.

use crate::arch::frame::{EXS2CR_PAGE, EXSMR_PAGE, Frame, GID_PAGE, PM_PAGE};
use crate::device::smmu::Smmu;
use crate::host::env::Env;
use crate::host::events::{Accessed, Form};
use crate::registers::lookup::Place;
use crate::registers::options::Target;
use crate::registers::secure::{self, Security};
use crate::spec;
use crate::spec::cb::Cb;
use crate::spec::gid::{Exs2cr, Exsmr, Gid, Prr};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::Gr1;
use crate::spec::pm::Pm;
use crate::spec::regs::{Row, Table};

mod entries;
mod explain;
#[cfg(test)]
mod tests;

pub use entries::{Allowed, Held, Regime, TlbEntry};
pub use explain::{Descriptor, Explained, Step};

/// A register of an SMMU and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    place: Place,
    /// The frame.
    pub frame: Frame,
    /// The `n` of the name; 0 for registers without one.
    pub index: u16,
    /// Its row in the tables.
    pub row: &'static Row,
    /// Byte offset from the start of the register space.
    pub offset: u64,
    /// Only Secure software reaches it.
    pub secure: bool,
}

impl Smmu {
    /// The registers of a frame that this configuration, as it stands, shows Non-secure software, in address order.
    pub fn registers_of(&self, frame: Frame) -> impl Iterator<Item = Register> + use<'_> {
        self.found_in(frame, Security::NonSecure)
    }

    /// The registers of global space 0 that Secure software alone has, and its own copies of banked ones. None without
    /// Secure state.
    pub fn secure_registers(&self) -> impl Iterator<Item = Register> + use<'_> {
        let there = self.geometry.secure_state;
        let all = self.found_in(Frame::Gr0, Security::Secure);
        all.filter(move |register| there && register.secure)
    }

    /// Every register of the tables that an access to the frame would find.
    fn found_in(&self, frame: Frame, security: Security) -> impl Iterator<Item = Register> + use<'_> {
        let rows = match frame {
            Frame::Gr0 => Gr0::ROWS,
            Frame::Gr1 => Gr1::ROWS,
            Frame::Context(_) => Cb::ROWS,
            Frame::Global(GID_PAGE) => Gid::ROWS,
            Frame::Global(PM_PAGE) => Pm::ROWS,
            Frame::Global(EXSMR_PAGE) if self.geometry.is_qcom() => Prr::ROWS,
            Frame::Global(EXSMR_PAGE) => Exsmr::ROWS,
            Frame::Global(EXS2CR_PAGE) => Exs2cr::ROWS,
            Frame::Global(_) | Frame::Outside => &[],
        };
        let page = match frame {
            Frame::Gr0 | Frame::Outside => 0,
            Frame::Gr1 => 1,
            Frame::Global(page) => page.into(),
            Frame::Context(bank) => self.geometry.page_count() + u64::from(bank),
        };
        let start = page << self.geometry.page_size.shift();
        let views = self.geometry.pmu_groups != 0;
        let offsets = rows
            .iter()
            .flat_map(|row| (0..row.count).map(|index| row.offset + row.width * u32::from(index)));
        offsets.filter_map(move |offset| {
            let (place, row, index) = self.map().find(frame, offset, security)?;
            // A bank's view of counters is empty without counters.
            let shown = views || !matches!(place, Place::BankPm(..));
            shown.then(|| Register {
                place,
                frame,
                index,
                row,
                offset: start + u64::from(offset),
                secure: row.secure || matches!(place, Place::Secure(_)),
            })
        })
    }

    /// The register of this name, such as `sCR0`, and number: the group or bank for a name with `n`, else 0. Of a name that
    /// both have it is that of Non-secure software.
    #[must_use]
    pub fn register(&self, name: &str, index: u16) -> Option<Register> {
        let pages = [GID_PAGE, PM_PAGE, EXSMR_PAGE, EXS2CR_PAGE].map(Frame::Global);
        [Frame::Gr0, Frame::Gr1, Frame::Context(index)]
            .into_iter()
            .chain(pages)
            .flat_map(|frame| self.registers_of(frame))
            .chain(self.secure_registers())
            .find(|register| register.row.name == name && register.index == index)
    }

    /// What a read of the register would return, without the read: no poll counts, no result is taken up, no rule is asked.
    #[must_use]
    pub fn peek(&self, env: &dyn Env, register: &Register) -> u64 {
        self.peek_place(env, register.place)
    }

    pub(crate) fn peek_place(&self, env: &dyn Env, place: Place) -> u64 {
        match place {
            Place::Core(target) => self.peek_core(env, target),
            Place::Secure(register) => self.registers.secure.get(register, 0),
            Place::Exsmr(group) => self.registers.smr(group).raw_value().into(),
            Place::Exs2cr(group) => self.registers.s2cr(group).raw_value().into(),
            Place::Gid(register) => self.registers.gid.get(register, 0),
            Place::Prr(register) => self.registers.prr.get(register, 0),
            Place::Pm(register, index) => self.peek_pm(env, register, index).into(),
            Place::BankPm(register, index, bank) => self.peek_bank_pm(env, register, index, bank).into(),
            Place::Raz => 0,
        }
    }

    fn peek_core(&self, env: &dyn Env, target: Target) -> u64 {
        let busy = |busy: bool| u64::from(busy);
        match target {
            Target::Gr0(Gr0::Stlbgstatus, _) => busy(self.global_sync.is_busy(env, &self.epoch)),
            Target::Gr0(reg, index) => {
                let stored = self.registers.gr0.get(reg, index);
                secure::identification(&self.registers, &self.geometry, Security::NonSecure, reg, stored)
            }
            Target::Gr1(reg, index) => self.registers.gr1.get(reg, index),
            Target::Cb(reg, bank) => {
                let stored = self.registers.bank(bank, reg);
                let Some(operations) = self.operations(bank) else {
                    return stored;
                };
                match reg {
                    Cb::Tlbstatus => busy(operations.sync.is_busy(env, &self.epoch)),
                    Cb::Atsr => busy(operations.waiting.is_some() || operations.ats.is_busy(env)),
                    Cb::Par if operations.waiting.is_none() && !operations.ats.is_busy(env) => {
                        operations.par.unwrap_or(stored)
                    }
                    Cb::Fsr => self.fault_status(target, stored),
                    _ => stored,
                }
            }
        }
    }

    /// What the fields of the registers of a bank depend on.
    pub(crate) fn form(&self, bank: u8) -> Form {
        Form {
            kind: self.registers.cbar(bank).kind(),
            format: self.registers.format(bank),
        }
    }

    /// The fields of a value of the register, by name; empty for a register that is one number.
    #[must_use]
    pub fn fields(&self, register: &Register, value: u64) -> Vec<(String, String)> {
        let form = match register.place {
            Place::Core(Target::Cb(_, bank)) => self.form(bank),
            _ => Form::default(),
        };
        fields(register.row, form, value)
    }
}

/// The fields of the register that an access was to, for a value of the whole register; empty if it is one number.
#[must_use]
pub fn fields_of(accessed: &Accessed, value: u64) -> Vec<(String, String)> {
    let row = spec::row_of(accessed.access.name);
    row.map_or_else(Vec::new, |row| {
        fields(row, accessed.form.unwrap_or_default(), value)
    })
}

fn fields(row: &Row, form: Form, value: u64) -> Vec<(String, String)> {
    let fields = row.format(form, value).map_or(&[][..], |format| format.fields);
    fields
        .iter()
        .map(|field| (field.name.into(), field.show(value)))
        .collect()
}
