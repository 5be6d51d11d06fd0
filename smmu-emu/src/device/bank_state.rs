// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! State machine of a context bank (IHI 0062D §3.7.3, `CheckForFaultsInBank`): transactions that arrive, fault and
//! wait.
//!
//! | event | FSR = 0 | fault held, FSR.SS = 0 | stalled, FSR.SS = 1 |
//! | --- | --- | --- | --- |
//! | a transaction [arrives] | translate | HUPCF = 1: translate; else end by CFRE | HUPCF = 1: translate; else wait |
//! | it [faults], CFCFG = 1 and STALLD = 0 | record with SS, stall | set MULTI, end | wait, unrecorded |
//! | it [faults] otherwise | record, end | set MULTI, end | set MULTI, end |
//! | RESUME.TnR = 0, a write of CBAR or CBA2R | – | – | SS clears; all start again, or end by CFRE if still blocked |
//! | RESUME.TnR = 1 | – | – | the recorded one ends by CFRE, the others as for TnR = 0 |
//! | SCTLR.M = 0, sCR0.CLIENTPD = 1, reset | – | – | all abort |
//!
//! A bank blocks while FSR is not 0 and HUPCF = 0. Whether it blocks the transactions that it releases is decided with
//! the release and not when the callers ask, for software may clear FSR in between. The last row is a choice of this
//! model: a transaction that started again in a bank that is off would go through with the address that it was not to
//! use.
//!
//! A transaction that waits for the stage 2 bank of a nested translation starts again in its stage 1 bank. If that was
//! turned off meanwhile, it aborts.
//!
//! [arrives]: BankControl::arrive
//! [faults]: BankControl::fault

use core::ops::Range;

use arrayvec::ArrayVec;

use crate::registers::file::Registers;
use crate::spec::bank::ContextFaults;

/// Fields of SCTLR, FSR and sCR0 that decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BankControl {
    /// FSR.
    pub(crate) faults: ContextFaults,
    /// SCTLR.HUPCF.
    pub(crate) hit_under_fault: bool,
    /// SCTLR.CFCFG, unless sCR0.STALLD overrides it.
    pub(crate) stall: bool,
    /// SCTLR.CFRE.
    pub(crate) abort: bool,
}

/// Fate of a transaction that arrives, before it is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The bank translates it.
    Translate,
    /// It ends: a fault is recorded.
    Terminate,
    /// It waits: another transaction is stalled.
    Wait,
}

/// Fate of a transaction that faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It ends.
    Terminate,
    /// It stalls, and the bank records that.
    Stall,
    /// It waits for the end of another stall, unrecorded.
    Wait,
}

/// End of a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// RESUME with TnR = 0, or a new type of the bank.
    Retry,
    /// RESUME with TnR = 1.
    Terminate,
    /// The bank, or all translation, is turned off.
    Off,
}

/// Decision about a transaction that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub(crate) enum StallOutcome {
    /// It starts again in its bank.
    Retry,
    /// It ends: with a bus error, or RAZ/WI.
    End {
        /// With a bus error.
        abort: bool,
    },
}

/// Decisions about all that wait for a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// About the recorded transaction or operation.
    pub(crate) recorded: StallOutcome,
    /// About all others.
    pub(crate) others: StallOutcome,
}

impl BankControl {
    /// Fields of a bank as they are.
    pub(crate) fn of(registers: &Registers, bank: u8) -> Self {
        let sctlr = registers.sctlr(bank);
        Self {
            faults: registers.context_faults(bank),
            hit_under_fault: sctlr.hupcf(),
            stall: sctlr.cfcfg() && !registers.scr0().stalld(),
            abort: sctlr.cfre(),
        }
    }

    /// Fate of a transaction that arrives.
    pub(crate) fn arrive(self) -> Arrival {
        if self.faults.is_empty() || self.hit_under_fault {
            Arrival::Translate
        } else if self.is_stalled() {
            Arrival::Wait
        } else {
            Arrival::Terminate
        }
    }

    /// Fate of a transaction that faults, and the new value of FSR: `cause` is the fault's bit.
    ///
    /// CFCFG counts at the time of the fault. Only HUPCF lets a transaction come this far while the bank holds a fault,
    /// so MULTI is set under HUPCF alone (the prose of §3.5 has no such condition).
    pub(crate) fn fault(self, cause: ContextFaults) -> (Disposition, ContextFaults) {
        if self.stall && self.is_stalled() {
            (Disposition::Wait, self.faults)
        } else if !self.faults.is_empty() {
            (Disposition::Terminate, self.faults | ContextFaults::MULTI)
        } else if self.stall {
            (Disposition::Stall, cause | ContextFaults::SS)
        } else {
            (Disposition::Terminate, cause)
        }
    }

    /// The end of a stall: FSR without SS, and the decisions. `None` if no transaction is stalled.
    pub(crate) fn release(self, release: Release) -> Option<(ContextFaults, Released)> {
        if !self.is_stalled() {
            return None;
        }
        let faults = self.faults.difference(ContextFaults::SS);
        let end = StallOutcome::End {
            abort: self.abort || release == Release::Off,
        };
        let left = Self { faults, ..self };
        let others = match left.arrive() {
            Arrival::Translate if release != Release::Off => StallOutcome::Retry,
            _ => end,
        };
        let recorded = if release == Release::Retry { others } else { end };
        Some((faults, Released { recorded, others }))
    }

    /// A transaction is stalled (FSR.SS).
    pub(crate) fn is_stalled(self) -> bool {
        self.faults.contains(ContextFaults::SS)
    }
}

/// Intervals of decisions that are kept for callers who have not asked yet.
pub(super) const KEPT: usize = 32;
/// Intervals that one decision may add.
const SPLITS: usize = 2;

/// Transactions that wait for a bank, by number, and the decisions about those that waited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiters {
    /// The client's transaction for which SS is set; `None` if it is an address translation operation, or none is.
    recorded: Option<u64>,
    /// Decisions in the order of the numbers. Each interval ends before its number and begins at the end of the one
    /// before; beyond the last one nothing is decided.
    decided: ArrayVec<(u64, Option<StallOutcome>), { KEPT + SPLITS }>,
    /// Transactions of this bank that began to wait, for whichever bank, before this number abort rather than start
    /// again: the bank was turned off since.
    off_before: u64,
}

impl Waiters {
    /// A transaction begins to wait; `recorded` if SS is set for it.
    pub(crate) fn begin(&mut self, number: u64, recorded: bool) {
        if recorded {
            self.recorded = Some(number);
        }
    }

    /// Decision about a transaction, if there is one.
    pub(crate) fn poll(&self, number: u64) -> Option<StallOutcome> {
        self.decided
            .iter()
            .find(|(end, _)| number < *end)
            .and_then(|(_, outcome)| *outcome)
    }

    /// The end of a stall. `next` is the number that the next transaction will get.
    pub(crate) fn release(&mut self, released: Released, next: u64) {
        self.decide_waiting(released.others, next);
        if let Some(number) = self.recorded.take() {
            self.decide(number..number + 1, Some(released.recorded));
        }
    }

    /// All but the recorded transaction start again, for HUPCF lets them pass now.
    pub(crate) fn retry_others(&mut self, next: u64) {
        self.decide_waiting(StallOutcome::Retry, next);
        if let Some(number) = self.recorded {
            self.decide(number..number + 1, None);
        }
    }

    /// All that has waited or may start again aborts.
    pub(crate) fn abort_all(&mut self, next: u64) {
        self.recorded = None;
        self.decided.clear();
        self.decided.push((next, Some(StallOutcome::End { abort: true })));
    }

    /// The bank is turned off: transactions that came in through it and wait for its stage 2 bank would go on
    /// untranslated.
    pub(crate) fn turned_off(&mut self, next: u64) {
        self.off_before = next;
    }

    /// Whether a transaction of this bank, which began to wait with this number, must not start again.
    pub(crate) fn is_off_since(&self, number: u64) -> bool {
        number < self.off_before
    }

    /// One decision about all before `next` about whom none has been taken.
    fn decide_waiting(&mut self, outcome: StallOutcome, next: u64) {
        for (_, undecided) in &mut self.decided {
            undecided.get_or_insert(outcome);
        }
        let decided = self.decided.last().map_or(0, |(end, _)| *end);
        self.decide(decided..next, Some(outcome));
    }

    /// One decision about a range of numbers, whatever was decided about them before.
    fn decide(&mut self, range: Range<u64>, outcome: Option<StallOutcome>) {
        if range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        let mut start = 0;
        for (end, decided) in &mut self.decided {
            if start >= range.start && *end <= range.end {
                *decided = outcome;
            }
            start = *end;
        }
        self.merge();
    }

    /// Lets an interval end before a number.
    fn split(&mut self, number: u64) {
        let at = self.decided.partition_point(|(end, _)| *end < number);
        match self.decided.get(at) {
            _ if number == 0 => {}
            Some((end, _)) if *end == number => {}
            Some((_, outcome)) => self.decided.insert(at, (number, *outcome)),
            None => self.decided.push((number, None)),
        }
    }

    /// Joins neighbours with one decision, and the oldest ones if there are too many: a caller so late is not told
    /// apart any more, and aborts rather than start again.
    fn merge(&mut self) {
        let mut at = 1;
        while let (Some((_, before)), Some((_, here))) = (self.decided.get(at - 1), self.decided.get(at)) {
            if before == here {
                self.decided.remove(at - 1);
            } else {
                at += 1;
            }
        }
        while self.decided.len() > KEPT {
            self.decided.remove(0);
            if let Some((_, oldest)) = self.decided.first_mut() {
                *oldest = Some(StallOutcome::End { abort: true });
            }
        }
    }
}

mod saved;
#[cfg(test)]
mod tests;

pub(crate) use saved::SavedWaiters;
