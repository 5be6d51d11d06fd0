// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Looking at an SMMU from outside: its registers by name and its delays, without side effects on either.
//!
//! A register's fields are taken from the `Debug` form of its type in [`crate::spec`], so that a type that changes
//! changes what is shown here too.

use core::fmt::Debug;

use bitflags::Flags;

use crate::Smmu;
use crate::env::{Env, Frame};
use crate::options::{self, Target};
use crate::plan::{DelayRule, Plan, PlanError};
use crate::regs::{Row, Table};
use crate::spec::bank::{Actlr, ContextFaults, Format, Fsynr0, Sctlr};
use crate::spec::cb::Cb;
use crate::spec::global::{Gfsynr0, Gfsynr1, GlobalFaults, S2cr, Sacr, Scr0, Scr2, Smr};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{BankType, Cba2r, Cbar, Cbfrsynra, Gr1};
use crate::spec::ident::{Idr0, Idr1, Idr2, Idr7};
use crate::spec::par::{ParFault, ParShort, ParSuccess};
use crate::spec::tcr::{Tcr2, Tcr32, Tcr64, TcrStage2};
use crate::trace::{Accessed, Form};

#[cfg(test)]
mod tests;

/// A register of an SMMU and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    target: Target,
    /// The frame.
    pub frame: Frame,
    /// The `n` of the name; 0 for registers without one.
    pub index: u16,
    /// Its row in the tables.
    pub row: &'static Row,
    /// Byte offset from the start of the register space.
    pub offset: u64,
}

/// A rule of the timing plan and how far it has got.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// Number of the rule in this SMMU, from 1, never used again.
    pub number: u64,
    /// The rule.
    pub rule: DelayRule,
    /// How often it may still hit; -1 is no limit.
    pub times_left: i64,
    /// Operations that it was asked about since it was added.
    pub operations: u64,
    /// Those that it hit.
    pub hits: u64,
}

impl Smmu {
    /// The registers of global space 0 and 1 and of context banks that this configuration shows Non-secure software, in
    /// address order; without the banks' views of event counters.
    pub fn registers_of(&self, frame: Frame) -> impl Iterator<Item = Register> + use<'_> {
        let gr0: &[Gr0] = if frame == Frame::Gr0 { Gr0::ALL } else { &[] };
        let gr1: &[Gr1] = if frame == Frame::Gr1 { Gr1::ALL } else { &[] };
        let bank = match frame {
            Frame::Context(bank) if bank < self.geometry.context_banks => u8::try_from(bank).ok(),
            _ => None,
        };
        let cb = bank.map(|_| Cb::ALL).unwrap_or_default();
        let gr0 = gr0.iter().flat_map(|&register| {
            (0..register.row().count).map(move |index| (Target::Gr0(register, index), register.row(), index))
        });
        let gr1 = gr1.iter().flat_map(|&register| {
            (0..register.row().count).map(move |index| (Target::Gr1(register, index), register.row(), index))
        });
        let cb = cb.iter().filter_map(move |&register| {
            bank.map(|bank| (Target::Cb(register, bank), register.row(), u16::from(bank)))
        });
        gr0.chain(gr1)
            .chain(cb)
            .filter(|(target, row, _)| {
                let counters = matches!(target, Target::Cb(..)) && row.offset >= Cb::Pmevcntr.row().offset;
                !row.secure && !counters && options::present(&self.geometry, *target)
            })
            .map(move |(target, row, index)| Register {
                target,
                frame,
                index,
                row,
                offset: self.offset_of(target, row),
            })
    }

    /// The register of this name, such as `sCR0`, and number: the group or bank for a name with `n`, else 0.
    #[must_use]
    pub fn register(&self, name: &str, index: u16) -> Option<Register> {
        [Frame::Gr0, Frame::Gr1, Frame::Context(index)]
            .into_iter()
            .flat_map(|frame| self.registers_of(frame))
            .find(|register| register.row.name == name && register.index == index)
    }

    /// What a read of the register would return, without the read: no poll counts, no result is taken up.
    #[must_use]
    pub fn peek(&self, env: &dyn Env, register: &Register) -> u64 {
        self.peek_target(env, register.target)
    }

    pub(crate) fn peek_target(&self, env: &dyn Env, target: Target) -> u64 {
        let busy = |busy: bool| u64::from(busy);
        match target {
            Target::Gr0(Gr0::Stlbgstatus, _) => busy(self.global_sync.is_busy(env, &self.epoch)),
            Target::Gr0(reg, index) => self.registers.gr0.get(reg, index),
            Target::Gr1(reg, index) => self.registers.gr1.get(reg, index),
            Target::Cb(reg, bank) => {
                let stored = self.registers.bank(bank, reg);
                let Some(operations) = self.operations(bank) else {
                    return stored;
                };
                match reg {
                    Cb::Tlbstatus => busy(operations.sync.is_busy(env, &self.epoch)),
                    Cb::Atsr => busy(operations.ats.is_busy(env)),
                    Cb::Par if !operations.ats.is_busy(env) => operations.par.unwrap_or(stored),
                    Cb::Fsr => self.fault_status(target, stored),
                    _ => stored,
                }
            }
        }
    }

    /// The fields of a value of the register, by name; empty for a register that is one number.
    #[must_use]
    pub fn fields(&self, register: &Register, value: u64) -> Vec<(String, String)> {
        let form = match register.target {
            Target::Cb(_, bank) => Some(self.form(bank)),
            Target::Gr0(..) | Target::Gr1(..) => None,
        };
        fields(register.target, form, value)
    }

    /// The timing plan's rules and their counters, in the order of precedence.
    pub fn delays(&self) -> impl ExactSizeIterator<Item = Delay> + use<'_> {
        self.timing.rules()
    }

    /// Adds a rule behind the others and returns its number.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`].
    pub fn add_delay(&mut self, rule: DelayRule) -> Result<u64, PlanError> {
        let plan = Plan { delays: vec![rule] };
        plan.validate(&self.geometry)?;
        let number = plan.delays.into_iter().map(|rule| self.timing.add(rule)).last();
        Ok(number.unwrap_or(0))
    }

    /// Removes a rule; operations that it already delays stay as they are. `false` if there is no such rule.
    pub fn remove_delay(&mut self, number: u64) -> bool {
        self.timing.remove(number)
    }

    /// Puts these rules in the place of all others. Numbers go on from where they are.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`]; nothing is changed then.
    pub fn replace_delays(&mut self, plan: Plan) -> Result<(), PlanError> {
        plan.validate(&self.geometry)?;
        self.timing.clear();
        for rule in plan.delays {
            self.timing.add(rule);
        }
        Ok(())
    }

    fn offset_of(&self, target: Target, row: &Row) -> u64 {
        let (page, index) = match target {
            Target::Gr0(_, index) => (0, index),
            Target::Gr1(_, index) => (1, index),
            Target::Cb(_, bank) => (self.geometry.page_count() + u64::from(bank), 0),
        };
        (page << self.geometry.page_size.shift())
            + u64::from(row.offset)
            + u64::from(row.width) * u64::from(index)
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

fn fields(target: Target, form: Option<Form>, value: u64) -> Vec<(String, String)> {
    let word = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
    let (kind, format) = form.map_or((BankType::Stage1, Format::AArch64), |form| {
        (form.kind, form.format)
    });
    match target {
        Target::Gr0(reg, _) => match reg {
            Gr0::Scr0 => shown(&Scr0::new_with_raw_value(word)),
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
