// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TLB maintenance that waits for a sync which covers it (`tlb = "lazy"`, IHI 0062D §5.4.2).

use std::collections::VecDeque;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::Invalidation;
use crate::registers::register::{RegisterId, Scope};
use crate::spec::cb::Cb;
use crate::spec::effect::Effect;
use crate::spec::gr0::Gr0;
use crate::spec::regs::Table;

/// Operations that may wait. One more, and the oldest is carried out.
const MOST: usize = 1024;

/// A TLB maintenance operation with the register that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maintained {
    /// Name of the register.
    pub(crate) register: &'static str,
    /// The `n` of the name.
    pub(crate) index: u16,
    /// The context bank; none for a global register.
    pub(crate) bank: Option<u8>,
    pub(crate) operation: Invalidation,
}

impl Maintained {
    /// The operation that a write of a register starts.
    pub(crate) const fn new(id: &RegisterId, operation: Invalidation) -> Self {
        Self {
            register: id.row.name,
            index: id.number,
            bank: match id.scope {
                Scope::Bank(bank) => Some(bank),
                Scope::Global => None,
            },
            operation,
        }
    }
}

/// Operations that wait, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending(VecDeque<Maintained>);

impl Pending {
    /// Has an operation wait; returns the one that is to be carried out for it, if there are too many.
    pub(super) fn push(&mut self, operation: Maintained) -> Option<Maintained> {
        let oldest = if self.0.len() >= MOST {
            self.0.pop_front()
        } else {
            None
        };
        self.0.push_back(operation);
        oldest
    }

    /// Takes out what a sync covers, in order: that of a bank the operations of the bank's registers, the global one
    /// all.
    pub(super) fn take(&mut self, sync: Scope) -> VecDeque<Maintained> {
        match sync {
            Scope::Global => core::mem::take(&mut self.0),
            Scope::Bank(bank) => {
                let all = core::mem::take(&mut self.0).into_iter();
                let (covered, others) = all.partition(|waiting| waiting.bank == Some(bank));
                self.0 = others;
                covered
            }
        }
    }
}

/// An operation that waits, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub(super) struct SavedMaintained {
    register: String,
    index: u16,
    bank: Option<u8>,
    operation: Invalidation,
}

impl Pending {
    pub(super) fn save(&self) -> Vec<SavedMaintained> {
        let one = |waiting: &Maintained| SavedMaintained {
            register: waiting.register.to_owned(),
            index: waiting.index,
            bank: waiting.bank,
            operation: waiting.operation,
        };
        self.0.iter().map(one).collect()
    }

    /// Operations that were saved; `None` if no TLB can have them wait.
    pub(super) fn restored(saved: &[SavedMaintained]) -> Option<Self> {
        if saved.len() > MOST {
            return None;
        }
        let one = |saved: &SavedMaintained| {
            let rows = if saved.bank.is_some() { Cb::ROWS } else { Gr0::ROWS };
            let row = rows.iter().find(|row| row.name == saved.register)?;
            let maintains = matches!(row.effect, Effect::Invalidate(_) | Effect::InvalidateBank(_));
            maintains.then_some(Maintained {
                register: row.name,
                index: saved.index,
                bank: saved.bank,
                operation: saved.operation,
            })
        };
        saved.iter().map(one).collect::<Option<_>>().map(Self)
    }
}
