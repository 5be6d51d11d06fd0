// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Operations that software polls: TLB syncs and address translation operations.

use crate::device::operation::Waiting;
use crate::epoch::{Barrier, Epoch};
use crate::host::env::Host;

/// The state of an operation that software polls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Complete.
    #[default]
    Idle,
    /// Busy for this many more status reads.
    Polls(u32),
    /// Busy until this time of [`Host::now`], or until the mark is raised.
    Until {
        /// Nanoseconds.
        deadline: u64,
        /// Ends it earlier.
        mark: Option<String>,
    },
}

impl Busy {
    /// A status read: whether the operation is still busy. The read counts.
    pub(crate) fn poll(&mut self, host: &dyn Host) -> bool {
        match self {
            Self::Polls(left @ 1..) => {
                *left -= 1;
                true
            }
            _ => {
                let busy = self.is_busy(host);
                if !busy {
                    *self = Self::Idle;
                }
                busy
            }
        }
    }

    /// Whether the operation is still busy, without counting a read.
    pub(crate) fn is_busy(&self, host: &dyn Host) -> bool {
        match self {
            Self::Idle => false,
            Self::Polls(left) => *left > 0,
            Self::Until { deadline, mark } => {
                host.now() < *deadline && !mark.as_deref().is_some_and(|name| host.mark(name))
            }
        }
    }
}

/// The operations of a context bank that software polls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    /// Synchronisation that `CBn_TLBSTATUS` reports.
    pub(crate) sync: Sync,
    /// Operation that `CBn_ATSR` reports.
    pub(crate) ats: Busy,
    /// The result that `CBn_PAR` will show when `ats` ends.
    pub(crate) par: Option<u64>,
    /// The operation waits for its stage 2 bank.
    pub(crate) waiting: Option<Waiting>,
}

/// A TLB synchronisation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sync {
    /// Time that the plan lets it take.
    pub(crate) busy: Busy,
    /// The accesses that it waits for.
    pub(crate) barrier: Barrier,
}

impl Sync {
    /// Whether it is still under way, without a status read.
    pub(crate) fn is_busy(&self, host: &dyn Host, epoch: &Epoch) -> bool {
        self.busy.is_busy(host) || !epoch.has_passed(self.barrier)
    }

    /// A status read: whether it is still under way. Idle once is idle for good.
    pub(crate) fn poll(&mut self, host: &dyn Host, epoch: &Epoch) -> bool {
        if epoch.has_passed(self.barrier) {
            self.barrier = Barrier::default();
        }
        self.busy.poll(host) || self.barrier != Barrier::default()
    }
}

impl Operations {
    /// The result of an operation that has completed.
    pub(crate) fn result(&self, host: &dyn Host) -> Option<u64> {
        self.par
            .filter(|_| self.waiting.is_none() && !self.ats.is_busy(host))
    }
}
