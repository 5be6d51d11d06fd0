// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stalls: transactions that wait for software to decide (IHI 0062D §3.7.3).
//!
//! A bank with `SCTLR.CFCFG` set records a fault with `FSR.SS` and holds the transaction until software writes RESUME.
//! At most one transaction per bank is *recorded* like this; others that meet the bank meanwhile just wait. The caller
//! keeps every such transaction in a [`Stall`] and asks with [`Smmu::resume`] what became of it, so the model holds
//! nothing for a waiter. [`Env::resumed`] says when asking is worth while.
//!
//! A transaction that stage 2 of a nested translation stalls waits for the stage 2 bank, and starts again in its stage 1
//! bank.
//!
//! What ends a stall:
//!
//! | event | the recorded transaction | others |
//! | --- | --- | --- |
//! | RESUME.TnR = 0 | starts again in its bank; ends if the bank still blocks (FSR not clear, HUPCF = 0) | same |
//! | RESUME.TnR = 1 | ends: abort or RAZ/WI (CFRE) | as for a retry |
//! | a write of the bank's CBAR or CBA2R | as for RESUME.TnR = 0 | as for a retry |
//! | a write of SCTLR that leaves M = 0, of sCR0 that leaves CLIENTPD = 1, reset | aborts | abort |
//!
//! A transaction that waits for its stage 2 bank also aborts, once that bank decides, if its stage 1 bank was turned off.
//!
//! The last row is a choice: to start such a transaction again would let it through with the address that it was not to use.

use crate::arch::fault::{Cause, GlobalFault};
use crate::arch::line::Line;
use crate::arch::response::Response;
use crate::arch::response::Stall;
use crate::arch::transaction::Visit;
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::Env;
use crate::host::events::Event;
use crate::spec::bank::ContextFaults;
use crate::spec::cb::Cb;
use crate::translate::stream;

/// What a bank does with a transaction that arrives, before it translates (§3.7.3 CheckForFaultsInBank).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Translates it.
    Open,
    /// Ends it: a fault is recorded.
    Terminate,
    /// Lets it wait: a transaction is stalled.
    Wait,
}

/// Why a stall ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// RESUME with TnR = 0.
    Retry,
    /// RESUME with TnR = 1.
    Terminate,
    /// The bank is turned off.
    Off,
}

/// Decisions that are kept for callers who have not asked yet.
const KEPT: usize = 16;

/// What is known of the stalls of every bank.
#[derive(Clone, Debug)]
pub(crate) struct Stalls {
    next: u64,
    banks: Vec<Waits>,
}

/// The stalls of a bank.
#[derive(Clone, Debug, Default)]
struct Waits {
    /// The client's transaction for which SS is set; `None` if it is an address translation operation, or none is.
    recorded: Option<u64>,
    /// Recorded transactions that were ended, and whether with an abort; the oldest first, at most [`KEPT`].
    ended: Vec<(u64, bool)>,
    /// Everything that began to wait before this number was ended.
    all_before: u64,
    /// With an abort.
    all_abort: bool,
    /// Transactions of this bank that began to wait, for whichever bank, before this number must not start again: it
    /// was turned off since.
    off_before: u64,
}

/// What became of a waiting transaction.
enum Verdict {
    Undecided,
    Ended { abort: bool },
    Retry,
}

impl Stalls {
    pub(crate) fn new(banks: u16) -> Self {
        Self {
            next: 0,
            banks: vec![Waits::default(); banks.into()],
        }
    }

    /// Ends every transaction that waits, with an abort.
    pub(crate) fn reset(&mut self) {
        let Self { next, banks } = self;
        banks.fill(Waits {
            all_before: *next,
            all_abort: true,
            ..Waits::default()
        });
    }

    /// A transaction begins to wait for a bank.
    pub(crate) fn begin(&mut self, bank: u8, visit: Visit, recorded: bool) -> Stall {
        let id = self.next;
        self.next += 1;
        if recorded && let Some(waits) = self.banks.get_mut(usize::from(bank)) {
            waits.recorded = Some(id);
        }
        Stall { bank, id, visit }
    }

    fn verdict(&self, stall: &Stall) -> Verdict {
        let Some(waits) = self.banks.get(usize::from(stall.bank)) else {
            return Verdict::Ended { abort: true };
        };
        if waits.recorded == Some(stall.id) {
            return Verdict::Undecided;
        }
        if let Some(&(_, abort)) = waits.ended.iter().find(|(id, _)| *id == stall.id) {
            return Verdict::Ended { abort };
        }
        if stall.id < waits.all_before {
            return Verdict::Ended {
                abort: waits.all_abort,
            };
        }
        let first = self.banks.get(usize::from(stall.visit.bank));
        if first.is_some_and(|first| stall.id < first.off_before) {
            return Verdict::Ended { abort: true };
        }
        Verdict::Retry
    }

    /// A bank was turned off: what came in through it and waits for its stage 2 bank would go on untranslated.
    fn turned_off(&mut self, bank: u8) {
        if let Some(waits) = self.banks.get_mut(usize::from(bank)) {
            waits.off_before = self.next;
        }
    }

    /// SS clears: `end` says how the recorded transaction ends, if it does, `end_all` how all do.
    fn release(&mut self, bank: u8, end: Option<bool>, end_all: Option<bool>) {
        let Some(waits) = self.banks.get_mut(usize::from(bank)) else {
            return;
        };
        if let (Some(id), Some(abort)) = (waits.recorded.take(), end) {
            if waits.ended.len() == KEPT {
                // A caller so late is not told apart any more: it ends too, rather than start again.
                let (oldest, abort) = waits.ended.remove(0);
                if waits.all_before <= oldest {
                    (waits.all_before, waits.all_abort) = (oldest + 1, abort);
                }
            }
            waits.ended.push((id, abort));
        }
        if let Some(abort) = end_all {
            (waits.all_before, waits.all_abort) = (self.next, abort);
        }
    }
}

impl Smmu {
    /// What became of a transaction that stalled: [`Response::Stall`] as long as software has not decided.
    pub fn resume(&mut self, env: &mut dyn Env, stall: &Stall) -> Response {
        match self.stalls.verdict(stall) {
            Verdict::Undecided => Response::Stall(*stall),
            Verdict::Ended { abort } => {
                let response = Response::for_fault(abort);
                let Visit {
                    bank, transaction, ..
                } = stall.visit;
                emit(env, || {
                    Event::answered(&transaction, Some(bank), false, Err(Cause::Ended), &response)
                });
                response
            }
            Verdict::Retry => self.start_again(env, stall.visit),
        }
    }

    /// From the start of the bank: not through the stream table again, but the bank may have got another type.
    fn start_again(&mut self, env: &mut dyn Env, visit: Visit) -> Response {
        match stream::check_bank(&self.registers, &self.geometry, visit.bank) {
            Ok(()) => self.enter(env, &visit),
            Err((cause, nested)) => {
                let transaction = visit.transaction;
                let fault = GlobalFault {
                    cause,
                    nested,
                    transaction,
                };
                self.refuse(env, &fault)
            }
        }
    }

    /// What a bank does with what arrives now.
    pub(crate) fn gate(&self, bank: u8) -> Gate {
        let faults = self.registers.context_faults(bank);
        if faults.is_empty() || self.registers.sctlr(bank).hupcf() {
            Gate::Open
        } else if faults.contains(ContextFaults::SS) {
            Gate::Wait
        } else {
            Gate::Terminate
        }
    }

    /// A stall ends, if there is one. The fault bits stay. Whether the bank blocks what it releases is decided here and not
    /// when the callers ask, for software may clear FSR in between.
    pub(crate) fn release(&mut self, env: &mut dyn Env, bank: u8, release: Release) {
        let faults = self.registers.context_faults(bank);
        if !faults.contains(ContextFaults::SS) {
            return;
        }
        let faults = faults.difference(ContextFaults::SS);
        self.registers.set_bank(bank, Cb::Fsr, faults.bits().into());
        let off = release == Release::Off;
        let abort = off || self.registers.sctlr(bank).cfre();
        let end = (release != Release::Retry).then_some(abort);
        let end_all = (off || self.gate(bank) == Gate::Terminate).then_some(abort);
        self.stalls.release(bank, end, end_all);
        self.update_line(env, Line::Context(bank), false);
        self.release_operations(env, bank, end.is_some(), end_all.is_some());
        env.resumed(bank);
    }

    /// SCTLR was written while a transaction is stalled: the bank is off, or HUPCF may let others pass now.
    pub(crate) fn bank_control_changed(&mut self, env: &mut dyn Env, bank: u8) {
        let sctlr = self.registers.sctlr(bank);
        if !sctlr.m() {
            self.stalls.turned_off(bank);
            self.release(env, bank, Release::Off);
        } else if self.registers.context_faults(bank).contains(ContextFaults::SS) && sctlr.hupcf() {
            self.retry_waiting_operations(env, bank);
            env.resumed(bank);
        }
    }

    /// sCR0 was written: with CLIENTPD no client is translated, so none waits.
    pub(crate) fn global_control_changed(&mut self, env: &mut dyn Env) {
        if self.registers.scr0().clientpd() {
            for line in self.geometry.lines() {
                if let Line::Context(bank) = line {
                    self.release(env, bank, Release::Off);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
