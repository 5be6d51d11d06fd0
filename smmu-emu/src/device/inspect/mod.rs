// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Looking at an SMMU from outside: its registers by name, its TLB, and the way of an address, without side effects.
//!
//! A register's fields are taken from the `Debug` form of its type in [`crate::spec`], so that a type that changes
//! changes what is shown here too.

use core::fmt::Debug;

use bitflags::Flags;

use crate::arch::frame::{EXS2CR_PAGE, EXSMR_PAGE, Frame, GID_PAGE, PM_PAGE};
use crate::device::smmu::Smmu;
use crate::host::env::Env;
use crate::host::events::{Accessed, Form};
use crate::registers::lookup::Place;
use crate::registers::options::Target;
use crate::registers::secure::{self, Security};
use crate::spec::bank::{Actlr, ContextFaults, Format, Fsynr0, Sctlr};
use crate::spec::cb::Cb;
use crate::spec::gid::{Exs2cr, Exsmr, Gid, Prr};
use crate::spec::global::{Gfsynr0, Gfsynr1, GlobalFaults, S2cr, Sacr, Scr0, Scr2, Smr};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{BankType, Cba2r, Cbar, Cbfrsynra, Gr1};
use crate::spec::ident::{Idr0, Idr1, Idr2, Idr7};
use crate::spec::par::{ParFault, ParShort, ParSuccess};
use crate::spec::pm::{Pm, Pmcfgr, Pmcgcr, Pmcr, Pmevtyper};
use crate::spec::regs::{Row, Table};
use crate::spec::secure::Scr1;
use crate::spec::tcr::{Tcr2, Tcr32, Tcr64, TcrStage2};

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
        let (target, form) = match register.place {
            Place::Core(target @ Target::Cb(_, bank)) => (target, Some(self.form(bank))),
            Place::Core(target) => (target, None),
            Place::Secure(reg) => (Target::Gr0(reg, 0), None),
            Place::Exsmr(_) => (Target::Gr0(Gr0::Smr, 0), None),
            Place::Exs2cr(_) => (Target::Gr0(Gr0::S2cr, 0), None),
            Place::Pm(reg, _) => return performance(reg, low(value)),
            Place::Gid(_) | Place::Prr(_) | Place::BankPm(..) | Place::Raz => return Vec::new(),
        };
        fields(target, form, value)
    }
}

fn performance(register: Pm, word: u32) -> Vec<(String, String)> {
    match register {
        Pm::Pmcr => shown(&Pmcr::new_with_raw_value(word)),
        Pm::Pmcfgr => shown(&Pmcfgr::new_with_raw_value(word)),
        Pm::Pmcgcr => shown(&Pmcgcr::new_with_raw_value(word)),
        Pm::Pmevtyper => shown(&Pmevtyper::new_with_raw_value(word)),
        _ => Vec::new(),
    }
}

/// The fields of the register that an access was to, for a value of the whole register; empty if it is one number.
#[must_use]
pub fn fields_of(accessed: &Accessed, value: u64) -> Vec<(String, String)> {
    let name = accessed.access.name;
    let target = match accessed.access.frame {
        Frame::Gr0 => Gr0::ALL
            .iter()
            .find(|of| of.row().name == name)
            .map(|&of| Target::Gr0(of, 0)),
        Frame::Gr1 => Gr1::ALL
            .iter()
            .find(|of| of.row().name == name)
            .map(|&of| Target::Gr1(of, 0)),
        Frame::Context(_) => Cb::ALL
            .iter()
            .find(|of| of.row().name == name)
            .map(|&of| Target::Cb(of, 0)),
        Frame::Global(_) | Frame::Outside => None,
    };
    target.map_or_else(Vec::new, |target| fields(target, accessed.form, value))
}

/// The low word.
fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0)
}

fn fields(target: Target, form: Option<Form>, value: u64) -> Vec<(String, String)> {
    let word = low(value);
    let (kind, format) = form.map_or((BankType::Stage1, Format::AArch64), |form| {
        (form.kind, form.format)
    });
    match target {
        Target::Gr0(reg, _) => match reg {
            Gr0::Scr0 => shown(&Scr0::new_with_raw_value(word)),
            Gr0::Scr1 => shown(&Scr1::new_with_raw_value(word)),
            Gr0::Scr2 => shown(&Scr2::new_with_raw_value(word)),
            Gr0::Sacr => shown(&Sacr::new_with_raw_value(word)),
            Gr0::Idr0 => shown(&Idr0::new_with_raw_value(word)),
            Gr0::Idr1 => shown(&Idr1::new_with_raw_value(word)),
            Gr0::Idr2 => shown(&Idr2::new_with_raw_value(word)),
            Gr0::Idr7 => shown(&Idr7::new_with_raw_value(word)),
            Gr0::Sgfsr => flags(GlobalFaults::from_bits_truncate(word)),
            Gr0::Sgfsynr0 => shown(&Gfsynr0::new_with_raw_value(word)),
            Gr0::Sgfsynr1 => shown(&Gfsynr1::new_with_raw_value(word)),
            Gr0::Smr => shown(&Smr::new_with_raw_value(word)),
            Gr0::S2cr => shown(&S2cr::new_with_raw_value(word)),
            _ => Vec::new(),
        },
        Target::Gr1(reg, _) => match reg {
            Gr1::Cbar => shown(&Cbar::new_with_raw_value(word)),
            Gr1::Cbfrsynra => shown(&Cbfrsynra::new_with_raw_value(word)),
            Gr1::Cba2r => shown(&Cba2r::new_with_raw_value(word)),
        },
        Target::Cb(reg, _) => match reg {
            Cb::Sctlr => shown(&Sctlr::new_with_raw_value(word)),
            Cb::Actlr => shown(&Actlr::new_with_raw_value(word)),
            Cb::Tcr2 => shown(&Tcr2::new_with_raw_value(word)),
            Cb::Tcr => match (kind, format) {
                (BankType::Stage2, _) => shown(&TcrStage2::new_with_raw_value(word)),
                (_, Format::AArch64) => shown(&Tcr64::new_with_raw_value(word)),
                (_, Format::Short | Format::Long) => shown(&Tcr32::new_with_raw_value(word)),
            },
            Cb::Fsr => flags(ContextFaults::from_bits_truncate(word)),
            Cb::Fsynr0 => shown(&Fsynr0::new_with_raw_value(word)),
            Cb::Par if value & 1 != 0 => shown(&ParFault::new_with_raw_value(value)),
            Cb::Par if format == Format::Short => shown(&ParShort::new_with_raw_value(value)),
            Cb::Par => shown(&ParSuccess::new_with_raw_value(value)),
            _ => Vec::new(),
        },
    }
}

/// `Type { field: value, … }` taken apart; a readable encoding without its `Ok`.
fn shown(value: &impl Debug) -> Vec<(String, String)> {
    let text = format!("{value:?}");
    let fields = text.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let fields = fields.map(|(fields, _)| fields).unwrap_or_default();
    let pairs = fields.split(',').filter_map(|field| field.split_once(':'));
    pairs
        .map(|(name, value)| {
            let value = value.trim();
            let plain = value.strip_prefix("Ok(").and_then(|rest| rest.strip_suffix(')'));
            (name.trim().into(), plain.unwrap_or(value).into())
        })
        .collect()
}

/// Every flag of the type, set or not.
fn flags<F: Flags + Copy>(value: F) -> Vec<(String, String)> {
    let named = F::FLAGS.iter().filter(|flag| flag.is_named());
    named
        .filter(|flag| flag.value().bits() != F::empty().bits())
        .map(|flag| (flag.name().into(), value.contains(*flag.value()).to_string()))
        .collect()
}
