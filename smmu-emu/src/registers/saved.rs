// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register values as a value: by the names of the specification, those that are not as out of reset.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::file::{File, Registers};
use super::options;
use crate::config::Geometry;
use crate::spec::any::AnyRegister;
use crate::spec::regs::{AccessRule, Table};

/// A register of a frame: name, number in its array, value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub(crate) struct SavedRegister(pub(crate) String, pub(crate) u16, u64);

/// All registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub(crate) struct SavedRegisters {
    gr0: Vec<SavedRegister>,
    secure: Vec<SavedRegister>,
    gid: Vec<SavedRegister>,
    prr: Vec<SavedRegister>,
    exsmr: Vec<SavedRegister>,
    exs2cr: Vec<SavedRegister>,
    gr1: Vec<SavedRegister>,
    /// Context banks with what is not as out of reset.
    banks: Vec<(u8, Vec<SavedRegister>)>,
}

impl<T: Table> File<T> {
    /// The registers that are not as in another file.
    pub(crate) fn save(&self, reset: &Self) -> Vec<SavedRegister> {
        let all = T::ALL
            .iter()
            .flat_map(|&register| (0..register.row().count).map(move |index| (register, index)));
        all.filter(|&(register, index)| self.get(register, index) != reset.get(register, index))
            .map(|(register, index)| {
                SavedRegister(register.row().name.to_owned(), index, self.get(register, index))
            })
            .collect()
    }

    /// Sets what was saved; `writable` has the bits that can have changed since reset. Fails with a register that is
    /// not there or cannot have that value.
    pub(crate) fn restore(
        &mut self,
        saved: &[SavedRegister],
        writable: impl Fn(T, u16) -> u64,
    ) -> Result<(), SavedRegister> {
        for wanted in saved {
            let SavedRegister(name, index, value) = wanted;
            let register = T::ALL
                .iter()
                .copied()
                .find(|register| register.row().name == name && *index < register.row().count)
                .ok_or_else(|| wanted.clone())?;
            let row = register.row();
            let bits = match row.access {
                AccessRule::Rw | AccessRule::W1c | AccessRule::W1s => u64::MAX >> (64 - 8 * row.width),
                AccessRule::Ro | AccessRule::Wo | AccessRule::Raz => 0,
            };
            if (value ^ self.get(register, *index)) & !(bits & writable(register, *index)) != 0 {
                return Err(wanted.clone());
            }
            self.set(register, *index, *value);
        }
        Ok(())
    }
}

impl Registers {
    /// The registers as a value. `reset` are those out of reset.
    pub(crate) fn save(&self, reset: &Self) -> SavedRegisters {
        let Self {
            gr0,
            secure,
            gid,
            prr,
            exsmr,
            exs2cr,
            gr1,
            banks,
            features: _,
            short_descriptors: _,
        } = self;
        SavedRegisters {
            gr0: gr0.save(&reset.gr0),
            secure: secure.save(&reset.secure),
            gid: gid.save(&reset.gid),
            prr: prr.save(&reset.prr),
            exsmr: exsmr.save(&reset.exsmr),
            exs2cr: exs2cr.save(&reset.exs2cr),
            gr1: gr1.save(&reset.gr1),
            banks: (0..)
                .zip(banks.iter().zip(&reset.banks))
                .map(|(bank, (file, reset))| (bank, file.save(reset)))
                .filter(|(_, saved)| !saved.is_empty())
                .collect(),
        }
    }

    /// Sets what was saved in registers out of reset. Fails with a register that is not there, or cannot have that
    /// value in this configuration.
    pub(crate) fn restore(
        &mut self,
        saved: &SavedRegisters,
        geometry: &Geometry,
    ) -> Result<(), SavedRegister> {
        let SavedRegisters {
            gr0,
            secure,
            gid,
            prr,
            exsmr,
            exs2cr,
            gr1,
            banks,
        } = saved;
        let bits = |register, index| options::implemented(geometry, register, index);
        self.gr0
            .restore(gr0, |register, index| bits(AnyRegister::Gr0(register), index))?;
        self.secure.restore(secure, |_, _| u64::MAX)?;
        self.gid.restore(gid, |_, _| u64::MAX)?;
        self.prr.restore(prr, |_, _| u64::MAX)?;
        self.exsmr
            .restore(exsmr, |register, index| bits(AnyRegister::Exsmr(register), index))?;
        self.exs2cr.restore(exs2cr, |_, _| u64::MAX)?;
        self.gr1
            .restore(gr1, |register, index| bits(AnyRegister::Gr1(register), index))?;
        for (bank, saved) in banks {
            let Some(file) = self.banks.get_mut(usize::from(*bank)) else {
                return Err(SavedRegister(format!("of context bank {bank}"), 0, 0));
            };
            file.restore(saved, |register, index| bits(AnyRegister::Cb(register), index))?;
        }
        Ok(())
    }
}

impl core::fmt::Display for SavedRegister {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(name, index, value) = self;
        write!(f, "`{name}` ({index}) = {value:#x}")
    }
}
