// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stalls: transactions that wait for software to decide (IHI 0062D §3.7.3, [`bank_state`](super::bank_state)).
//!
//! A bank with `SCTLR.CFCFG` set records a fault with `FSR.SS` and holds the transaction until software writes RESUME.
//! At most one transaction per bank is *recorded* like this; others that meet the bank meanwhile just wait. The caller
//! keeps every such transaction in a [`Stall`] and asks with [`Smmu::resume`] for the decision, so the model holds
//! nothing for a waiter. [`Env::resumed`] says when asking is worth while.

use crate::arch::fault::Cause;
use crate::arch::fault::GlobalFault;
use crate::arch::line::Line;
use crate::arch::response::{Response, Stall};
use crate::arch::transaction::Visit;
use crate::device::bank_state::{Arrival, BankControl, Outcome, Release, Waiters};
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::Env;
use crate::host::events::Event;
use crate::spec::cb::Cb;
use crate::translate::stream;

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
    pub(crate) fn begin(&mut self, bank: u8, visit: Visit, recorded: bool) -> Stall {
        let id = self.next;
        self.next += 1;
        if let Some(waiters) = self.banks.get_mut(usize::from(bank)) {
            waiters.begin(id, recorded);
        }
        Stall { bank, id, visit }
    }

    /// The decision about a transaction, if there is one. A token of an SMMU with more banks aborts.
    fn poll(&self, stall: &Stall) -> Option<Outcome> {
        let abort = Some(Outcome::End { abort: true });
        let Some(waiters) = self.banks.get(usize::from(stall.bank)) else {
            return abort;
        };
        let entered = self.banks.get(usize::from(stall.visit.bank));
        let is_off = entered.is_some_and(|bank| bank.is_off_since(stall.id));
        match waiters.poll(stall.id) {
            Some(Outcome::Retry) if is_off => abort,
            decision => decision,
        }
    }

    /// The waiters of a bank, and the number of the next transaction.
    fn of(&mut self, bank: u8) -> Option<(&mut Waiters, u64)> {
        let waiters = self.banks.get_mut(usize::from(bank))?;
        Some((waiters, self.next))
    }
}

impl Smmu {
    /// The decision about a transaction that stalled: [`Response::Stall`] as long as there is none.
    pub fn resume(&mut self, env: &mut dyn Env, stall: Stall) -> Response {
        match self.stalls.poll(&stall) {
            None => Response::Stall(stall),
            Some(Outcome::Retry) => self.start_again(env, stall.visit),
            Some(Outcome::End { abort }) => {
                let response = Response::for_fault(abort);
                let Visit {
                    bank, transaction, ..
                } = stall.visit;
                emit(env, || {
                    Event::answered(&transaction, Some(bank), false, Err(Cause::Ended), &response)
                });
                response
            }
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

    /// Registers of a bank that decide about its transactions.
    pub(crate) fn bank_control(&self, bank: u8) -> BankControl {
        let sctlr = self.registers.sctlr(bank);
        BankControl {
            faults: self.registers.context_faults(bank),
            hit_under_fault: sctlr.hupcf(),
            stall: sctlr.cfcfg() && !self.registers.scr0().stalld(),
            abort: sctlr.cfre(),
        }
    }

    /// Fate of a transaction that arrives at a bank now.
    pub(crate) fn arrival(&self, bank: u8) -> Arrival {
        self.bank_control(bank).arrive()
    }

    /// A stall ends, if there is one. The fault bits stay.
    pub(crate) fn release(&mut self, env: &mut dyn Env, bank: u8, release: Release) {
        let Some((faults, released)) = self.bank_control(bank).release(release) else {
            return;
        };
        self.registers.set_bank(bank, Cb::Fsr, faults.bits().into());
        if let Some((waiters, next)) = self.stalls.of(bank) {
            if release == Release::Off {
                waiters.abort_all(next);
            } else {
                waiters.release(released, next);
            }
        }
        self.update_line(env, Line::Context(bank), false);
        self.release_operations(env, bank, released);
        env.resumed(bank);
    }

    /// SCTLR was written: the bank is off, or HUPCF lets pass what waits behind a stalled transaction.
    pub(crate) fn bank_control_changed(&mut self, env: &mut dyn Env, bank: u8) {
        if !self.registers.sctlr(bank).m() {
            if let Some((waiters, next)) = self.stalls.of(bank) {
                waiters.turned_off(next);
            }
            self.release(env, bank, Release::Off);
            return;
        }
        let control = self.bank_control(bank);
        if control.is_stalled() && control.hit_under_fault {
            if let Some((waiters, next)) = self.stalls.of(bank) {
                waiters.retry_others(next);
            }
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
