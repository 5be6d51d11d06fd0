// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Looking at an SMMU from outside: its registers by name, its TLB, and the way of an address, without side effects.

use crate::arch::frame::{EXS2CR_PAGE, EXSMR_PAGE, Frame, GID_PAGE, PM_PAGE};
use crate::device::smmu::Smmu;
use crate::host::env::Host;
use crate::host::events::{Accessed, Form};
use crate::registers::register::{RegisterId, Scope, Security};
use crate::spec;
use crate::spec::any::{AnyRegister, AnyTable};
use crate::spec::regs::Row;

mod entries;
mod explain;
#[cfg(test)]
mod tests;

pub use entries::{Allowed, Held, Regime, TlbEntry};
pub use explain::{DescriptorKind, Explained, Step};

/// A register of an SMMU and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    id: RegisterId,
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

    /// Every register of an implemented table that an access to the frame would find.
    fn found_in(&self, frame: Frame, security: Security) -> impl Iterator<Item = Register> + use<'_> {
        let implemented = |table: &AnyTable| !matches!(table, AnyTable::Ssd | AnyTable::Compindex);
        let table = self.map().table(frame).filter(implemented);
        let rows = table.map_or(&[][..], AnyTable::rows);
        let page = match frame {
            Frame::Gr0 | Frame::Outside => 0,
            Frame::Gr1 => 1,
            Frame::Global(page) => page.into(),
            Frame::Context(bank) => self.geometry.page_count() + u64::from(bank),
        };
        let start = page << self.geometry.page_size.shift();
        let offsets = rows
            .iter()
            .flat_map(|row| (0..row.count).map(|index| row.offset + row.width * u32::from(index)));
        offsets.filter_map(move |offset| {
            let id = self.map().find(frame, offset, security)?;
            Some(Register {
                id,
                frame,
                index: id.number,
                row: id.row,
                offset: start + u64::from(offset),
                secure: id.row.secure || id.is_secure_copy(),
            })
        })
    }

    /// The register of this name, such as `sCR0`, and number: the group or bank for a name with `n`, else 0. Of a name
    /// that both have it is that of Non-secure software.
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

    /// Frame, name and `n` of the register that a 32-bit access of Non-secure software at this offset reaches.
    #[must_use]
    pub fn name_at(&self, offset: u64) -> Option<(Frame, &'static str, u16)> {
        let (frame, hit) = self.map().locate(offset, 4, Security::NonSecure);
        hit.map(|hit| (frame, hit.id.row.name, hit.id.index))
    }

    /// Value that a read of the register would return, without the read: no poll counts, no result is taken up, no rule
    /// is asked.
    #[must_use]
    pub fn peek(&self, host: &dyn Host, register: &Register) -> u64 {
        self.look(host, &register.id)
    }

    /// The form of the bank that the register belongs to.
    pub(crate) fn form_of(&self, id: &RegisterId) -> Option<Form> {
        match (id.register, id.scope) {
            (AnyRegister::Cb(_), Scope::Bank(bank)) => Some(self.form(bank)),
            _ => None,
        }
    }

    /// State on which the fields of the registers of a bank depend.
    pub(crate) fn form(&self, bank: u8) -> Form {
        Form {
            kind: self.registers.cbar(bank).kind(),
            format: self.registers.format(bank),
        }
    }

    /// The fields of a value of the register, by name; empty for a register that is one number.
    #[must_use]
    pub fn fields(&self, register: &Register, value: u64) -> Vec<(String, String)> {
        let form = self.form_of(&register.id).unwrap_or_default();
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
