// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Identity of a register: row, number, what it belongs to, whose copy it is.

use crate::spec::any::AnyRegister;
use crate::spec::regs::Row;

/// Scope of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole SMMU.
    Global,
    /// A context bank: a register of its page, or one of global space 1 with the bank's number.
    Bank(u8),
}

/// The security attribute of a register access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// By Secure software.
    Secure,
    /// By any other software.
    NonSecure,
}

/// Identity of a register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterId {
    /// Its place in the tables; of an alias, that of the register behind it.
    pub(crate) register: AnyRegister,
    /// Number in an array of the table; 0 for a single register.
    pub(crate) index: u16,
    pub(crate) scope: Scope,
    /// The software whose register it is, or the one that looks at it if both have the same.
    pub(crate) security: Security,
    /// The row at which it was found, which may be that of an alias.
    pub(crate) row: &'static Row,
    /// The `n` of the name.
    pub(crate) number: u16,
}

impl RegisterId {
    /// Whether it is a copy of Secure software's own, or a register that it alone has.
    pub(crate) fn is_secure_copy(&self) -> bool {
        self.security == Security::Secure && self.row.has_secure_copy()
    }
}
