// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The stalls of every bank, and the decisions about them.

use crate::arch::response::Stall;
use crate::arch::transaction::BankAccess;
use crate::device::bank_state::{Outcome, Waiters};

/// Stalls of every bank.
#[derive(Clone, Debug)]
pub(crate) struct Stalls {
    /// Number of the next transaction that waits.
    next: u64,
    banks: Vec<Waiters>,
}

impl Stalls {
    pub(crate) fn new(banks: u16) -> Self {
        Self {
            next: 0,
            banks: vec![Waiters::default(); banks.into()],
        }
    }

    /// Aborts every transaction that waits.
    pub(crate) fn reset(&mut self) {
        let Self { next, banks } = self;
        for waiters in banks {
            waiters.abort_all(*next);
        }
    }

    /// A transaction begins to wait for a bank, whose FSR.SS it has set if it is `recorded`.
    pub(crate) fn begin(&mut self, bank: u8, access: BankAccess, recorded: bool) -> Stall {
        let id = self.next;
        self.next += 1;
        if let Some(waiters) = self.banks.get_mut(usize::from(bank)) {
            waiters.begin(id, recorded);
        }
        Stall { bank, id, access }
    }

    /// The decision about a transaction, if there is one. A token of an SMMU with more banks aborts.
    pub(crate) fn poll(&self, stall: &Stall) -> Option<Outcome> {
        let abort = Some(Outcome::End { abort: true });
        let Some(waiters) = self.banks.get(usize::from(stall.bank)) else {
            return abort;
        };
        let entered = self.banks.get(usize::from(stall.access.bank));
        let is_off = entered.is_some_and(|bank| bank.is_off_since(stall.id));
        match waiters.poll(stall.id) {
            Some(Outcome::Retry) if is_off => abort,
            decision => decision,
        }
    }

    /// The waiters of a bank, and the number of the next transaction.
    pub(crate) fn of(&mut self, bank: u8) -> Option<(&mut Waiters, u64)> {
        let waiters = self.banks.get_mut(usize::from(bank))?;
        Some((waiters, self.next))
    }
}

#[cfg(test)]
mod tests;
