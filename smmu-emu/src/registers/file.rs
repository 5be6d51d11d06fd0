// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The register file: the value of every register of every frame.

use core::marker::PhantomData;

use arbitrary_int::traits::Integer;
use arbitrary_int::u15;

use crate::config::{Geometry, LiveGroup, LiveKind};
use crate::registers::identity;
use crate::registers::options;
use crate::registers::register::{RegisterId, Scope};
use crate::spec::any::AnyRegister;
use crate::spec::bank::{ContextFaults, Format, Sctlr};
use crate::spec::cb::Cb;
use crate::spec::effect::Features;
use crate::spec::gid::{Exs2cr, Exsmr, Gid, Prr};
use crate::spec::global::{GlobalFaults, S2cr, Scr0, Scr2, Smr, StreamType};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{BankType, Cba2r, Cbar, Gr1};
use crate::spec::regs::Table;
use crate::spec::secure::Scr1;
use crate::spec::tcr::{Tcr2, Tcr32, Tcr64, TcrStage2};

/// The values of one frame, row after row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File<T> {
    values: Box<[u64]>,
    table: PhantomData<T>,
}

impl<T: Table> File<T> {
    /// Every register at its row's reset value. An alias has no value of its own.
    pub(crate) fn at_reset() -> Self {
        let values = T::ROWS
            .iter()
            .filter(|row| row.alias.is_none())
            .flat_map(|row| core::iter::repeat_n(row.reset, usize::from(row.count)));
        Self {
            values: values.collect(),
            table: PhantomData,
        }
    }

    fn slot(register: T, index: u16) -> Option<usize> {
        (index < register.row().count).then(|| register.slot() + usize::from(index))
    }

    /// The value of a register; zero for an index that the array does not have.
    pub(crate) fn get(&self, register: T, index: u16) -> u64 {
        Self::slot(register, index)
            .and_then(|slot| self.values.get(slot))
            .copied()
            .unwrap_or(0)
    }

    /// The value of a 32-bit register.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a 32-bit register holds 32 bits: rows_are_sound"
    )]
    pub(crate) fn get32(&self, register: T, index: u16) -> u32 {
        self.get(register, index) as u32
    }

    /// Sets a register; ignored for an index that the array does not have.
    pub(crate) fn set(&mut self, register: T, index: u16, value: u64) {
        if let Some(value_at) = Self::slot(register, index).and_then(|slot| self.values.get_mut(slot)) {
            *value_at = value;
        }
    }
}

/// All registers. Typed readers of those whose fields decide something stand here, so that the meaning of a raw word
/// is looked up in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registers {
    pub(crate) gr0: File<Gr0>,
    /// Secure software's copies of the banked registers of global space 0, and those that it alone has.
    pub(crate) secure: File<Gr0>,
    pub(crate) gid: File<Gid>,
    pub(crate) prr: File<Prr>,
    /// Extended groups beyond those of global space 0.
    pub(super) exsmr: File<Exsmr>,
    pub(super) exs2cr: File<Exs2cr>,
    pub(crate) gr1: File<Gr1>,
    pub(crate) banks: Vec<File<Cb>>,
    /// The features of the configuration.
    pub(crate) features: Features,
    /// Without short descriptors (IDR0.PTFS) TCR.EAE counts as 1.
    pub(super) short_descriptors: bool,
}

impl Registers {
    /// Registers out of reset. What has no architected reset value is zero.
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let mut gr0 = File::at_reset();
        for (register, value) in identity::values(geometry) {
            gr0.set(register, 0, value.into());
        }
        let mut secure = File::at_reset();
        for (register, value) in identity::secure_values(geometry) {
            secure.set(register, 0, value.into());
        }
        let mut gr1 = File::at_reset();
        for bank in 0..geometry.context_banks {
            for (register, value) in identity::bank_values(geometry, bank) {
                gr1.set(register, bank, value.into());
            }
        }
        let bank = |bank| {
            let mut file = File::at_reset();
            for (register, value) in identity::context_values(geometry, bank) {
                file.set(register, 0, value.into());
            }
            file
        };
        let banks = geometry.banks().map(bank).collect();
        Self {
            gr0,
            secure,
            gid: File::at_reset(),
            prr: File::at_reset(),
            exsmr: File::at_reset(),
            exs2cr: File::at_reset(),
            gr1,
            banks,
            features: options::features(geometry),
            short_descriptors: geometry.aarch32_short,
        }
    }

    /// The groups that firmware leaves valid.
    pub(crate) fn with_live_groups(mut self, live: &[LiveGroup]) -> Self {
        for (group, live) in LiveGroup::numbered(live) {
            let smr = Smr::ZERO
                .with_valid(true)
                .with_mask(u15::masked_new(live.mask))
                .with_id(u15::masked_new(live.stream_id));
            let kind = match live.kind {
                LiveKind::Bypass => StreamType::Bypass,
                LiveKind::Fault => StreamType::Fault,
                LiveKind::Translate => StreamType::Translate,
            };
            let s2cr = S2cr::ZERO
                .with_kind(kind)
                .with_cbndx(live.context_bank.unwrap_or(u8::MAX));
            self.set_smr(group, smr.raw_value().into());
            self.set_s2cr(group, s2cr.raw_value().into());
        }
        self
    }

    /// The value of a register. The performance monitor keeps its own: zero here.
    #[inline]
    pub(crate) fn get(&self, id: &RegisterId) -> u64 {
        match id.register {
            AnyRegister::Gr0(register) if id.is_secure_copy() => self.secure.get(register, id.index),
            AnyRegister::Gr0(register) => self.gr0.get(register, id.index),
            AnyRegister::Gr1(register) => self.gr1.get(register, id.index),
            AnyRegister::Cb(register) => match id.scope {
                Scope::Bank(bank) => self.bank(bank, register),
                Scope::Global => 0,
            },
            AnyRegister::Gid(register) => self.gid.get(register, id.index),
            AnyRegister::Prr(register) => self.prr.get(register, id.index),
            AnyRegister::Exsmr(_) => self.smr(id.index).raw_value().into(),
            AnyRegister::Exs2cr(_) => self.s2cr(id.index).raw_value().into(),
            AnyRegister::Pm(_) | AnyRegister::Ssd(_) | AnyRegister::Compindex(_) => 0,
        }
    }

    /// Sets a register, other than those of the performance monitor.
    #[inline]
    pub(crate) fn set(&mut self, id: &RegisterId, value: u64) {
        match id.register {
            AnyRegister::Gr0(register) if id.is_secure_copy() => self.secure.set(register, id.index, value),
            AnyRegister::Gr0(register) => self.gr0.set(register, id.index, value),
            AnyRegister::Gr1(register) => self.gr1.set(register, id.index, value),
            AnyRegister::Cb(register) => {
                if let Scope::Bank(bank) = id.scope {
                    self.set_bank(bank, register, value);
                }
            }
            AnyRegister::Gid(register) => self.gid.set(register, id.index, value),
            AnyRegister::Prr(register) => self.prr.set(register, id.index, value),
            AnyRegister::Exsmr(_) => self.set_smr(id.index, value),
            AnyRegister::Exs2cr(_) => self.set_s2cr(id.index, value),
            AnyRegister::Pm(_) | AnyRegister::Ssd(_) | AnyRegister::Compindex(_) => {}
        }
    }

    /// A register of a context bank; zero if the bank does not exist.
    pub(crate) fn bank(&self, bank: u8, register: Cb) -> u64 {
        self.banks
            .get(usize::from(bank))
            .map_or(0, |file| file.get(register, 0))
    }

    /// A 32-bit register of a context bank; zero if the bank does not exist.
    pub(crate) fn bank32(&self, bank: u8, register: Cb) -> u32 {
        self.banks
            .get(usize::from(bank))
            .map_or(0, |file| file.get32(register, 0))
    }

    /// Sets a register of a context bank; ignored if the bank does not exist.
    pub(crate) fn set_bank(&mut self, bank: u8, register: Cb, value: u64) {
        if let Some(file) = self.banks.get_mut(usize::from(bank)) {
            file.set(register, 0, value);
        }
    }

    pub(crate) fn scr0(&self) -> Scr0 {
        Scr0::new_with_raw_value(self.gr0.get32(Gr0::Scr0, 0))
    }

    pub(crate) fn scr1(&self) -> Scr1 {
        Scr1::new_with_raw_value(self.secure.get32(Gr0::Scr1, 0))
    }

    pub(crate) fn scr2(&self) -> Scr2 {
        Scr2::new_with_raw_value(self.gr0.get32(Gr0::Scr2, 0))
    }

    /// The stream match register of a group, which may be an extended one.
    pub(crate) fn smr(&self, group: u16) -> Smr {
        Smr::new_with_raw_value(if group < Gr0::Smr.row().count {
            self.gr0.get32(Gr0::Smr, group)
        } else {
            self.exsmr.get32(Exsmr::Exsmr, group)
        })
    }

    /// The stream-to-context register of a group, which may be an extended one.
    pub(crate) fn s2cr(&self, group: u16) -> S2cr {
        S2cr::new_with_raw_value(if group < Gr0::S2cr.row().count {
            self.gr0.get32(Gr0::S2cr, group)
        } else {
            self.exs2cr.get32(Exs2cr::Exs2cr, group)
        })
    }

    /// Sets the stream match register of a group.
    pub(crate) fn set_smr(&mut self, group: u16, value: u64) {
        if group < Gr0::Smr.row().count {
            self.gr0.set(Gr0::Smr, group, value);
        } else {
            self.exsmr.set(Exsmr::Exsmr, group, value);
        }
    }

    /// Sets the stream-to-context register of a group.
    pub(crate) fn set_s2cr(&mut self, group: u16, value: u64) {
        if group < Gr0::S2cr.row().count {
            self.gr0.set(Gr0::S2cr, group, value);
        } else {
            self.exs2cr.set(Exs2cr::Exs2cr, group, value);
        }
    }

    pub(crate) fn global_faults(&self) -> GlobalFaults {
        GlobalFaults::from_bits_truncate(self.gr0.get32(Gr0::SGfsr, 0))
    }

    pub(crate) fn cbar(&self, bank: u8) -> Cbar {
        Cbar::new_with_raw_value(self.gr1.get32(Gr1::Cbar, bank.into()))
    }

    pub(crate) fn cba2r(&self, bank: u8) -> Cba2r {
        Cba2r::new_with_raw_value(self.gr1.get32(Gr1::Cba2r, bank.into()))
    }

    pub(crate) fn sctlr(&self, bank: u8) -> Sctlr {
        Sctlr::new_with_raw_value(self.bank32(bank, Cb::Sctlr))
    }

    pub(crate) fn tcr(&self, bank: u8) -> Tcr64 {
        Tcr64::new_with_raw_value(self.bank32(bank, Cb::Tcr))
    }

    pub(crate) fn tcr32(&self, bank: u8) -> Tcr32 {
        Tcr32::new_with_raw_value(self.bank32(bank, Cb::Tcr))
    }

    pub(crate) fn tcr_stage2(&self, bank: u8) -> TcrStage2 {
        TcrStage2::new_with_raw_value(self.bank32(bank, Cb::Tcr))
    }

    pub(crate) fn tcr2(&self, bank: u8) -> Tcr2 {
        Tcr2::new_with_raw_value(self.bank32(bank, Cb::Tcr2))
    }

    pub(crate) fn context_faults(&self, bank: u8) -> ContextFaults {
        ContextFaults::from_bits_truncate(self.bank32(bank, Cb::Fsr))
    }

    /// The table format of a bank (`CBA2R.VA64`, `TCR.EAE`). Stage 2 has no short descriptors: a stage 2 bank has no
    /// EAE.
    pub(crate) fn format(&self, bank: u8) -> Format {
        if self.cba2r(bank).va64() {
            Format::AArch64
        } else if !self.short_descriptors
            || self.tcr32(bank).eae()
            || self.cbar(bank).kind() == BankType::Stage2
        {
            Format::Long
        } else {
            Format::Short
        }
    }
}
