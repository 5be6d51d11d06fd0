// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The stalls of every bank, and the decisions about them.

use crate::arch::response::{Stall, StalledAccess};
use crate::arch::transaction::BankAccess;
use crate::device::bank_state::{SavedWaiters, StallOutcome, Waiters};

/// More transactions than can ever wait.
const MOST: u64 = u64::MAX >> 1;

/// Stalls of every bank.
#[derive(Clone, Debug)]
pub(crate) struct Stalls {
    /// Number of the next transaction that waits.
    next: u64,
    /// Number of states that were restored: transactions that began to wait before the last one abort.
    era: u64,
    banks: Vec<Waiters>,
}

/// Stalls that were saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub(crate) struct SavedStalls {
    next: u64,
    /// Of banks that have had some.
    banks: Vec<(u8, SavedWaiters)>,
}

impl Stalls {
    pub(crate) fn new(banks: u16) -> Self {
        Self {
            next: 0,
            era: 0,
            banks: vec![Waiters::default(); banks.into()],
        }
    }

    /// Aborts every transaction that waits.
    pub(crate) fn reset(&mut self) {
        let Self { next, era: _, banks } = self;
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
        let era = self.era;
        Stall(Box::new(StalledAccess {
            bank,
            id,
            era,
            access,
        }))
    }

    /// The stalls as a value.
    pub(crate) fn save(&self) -> SavedStalls {
        let banks = (0..).zip(&self.banks);
        SavedStalls {
            next: self.next,
            banks: banks
                .filter_map(|(bank, waiters)| Some((bank, waiters.save()?)))
                .collect(),
        }
    }

    /// Stalls that were saved, of so many banks; `None` if there can be none like these.
    pub(crate) fn restored(banks: u16, saved: &SavedStalls) -> Option<Self> {
        let mut stalls = Self::new(banks);
        stalls.next = Some(saved.next).filter(|next| *next <= MOST)?;
        for (bank, waiters) in &saved.banks {
            *stalls.banks.get_mut(usize::from(*bank))? = waiters.restored(saved.next)?;
        }
        Some(stalls)
    }

    /// Puts restored stalls in the place of all.
    pub(crate) fn replace(&mut self, restored: Self) {
        let era = self.era + 1;
        *self = Self { era, ..restored };
    }

    /// A transaction that was saved with the stalls; `None` if it had not begun to wait then.
    pub(crate) fn again(&self, bank: u8, id: u64, access: BankAccess) -> Option<Stall> {
        let era = self.era;
        let access = StalledAccess {
            bank,
            id,
            era,
            access,
        };
        (id < self.next).then(|| Stall(Box::new(access)))
    }

    /// The decision about a transaction, if there is one. A token of an SMMU with more banks aborts, and one of a state
    /// before the present one.
    pub(crate) fn poll(&self, stall: &Stall) -> Option<StallOutcome> {
        let stall = &*stall.0;
        let abort = Some(StallOutcome::End { abort: true });
        let Some(waiters) = self.banks.get(usize::from(stall.bank)) else {
            return abort;
        };
        if stall.era != self.era {
            return abort;
        }
        let entered = self.banks.get(usize::from(stall.access.bank));
        let is_off = entered.is_some_and(|bank| bank.is_off_since(stall.id));
        match waiters.poll(stall.id) {
            Some(StallOutcome::Retry) if is_off => abort,
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
