// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stalls: transactions that wait for software to decide (IHI 0062D §3.7.3, [`bank_state`](super::bank_state)).
//!
//! A bank with `SCTLR.CFCFG` set records a fault with `FSR.SS` and holds the transaction until software writes RESUME.
//! At most one transaction per bank is *recorded* like this; others that meet the bank meanwhile just wait. The caller
//! keeps every such transaction in a [`Stall`] and asks with [`Smmu::resume`] for the decision, so the model holds
//! nothing for a waiter. [`Host::resumed`](crate::Host::resumed) says when asking is worth while.

use crate::arch::fault::{Cause, GlobalFault};
use crate::arch::response::{Response, Stall};
use crate::arch::transaction::BankAccess;
use crate::device::bank_state::{Arrival, BankControl, Release, StallOutcome};
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::Env;
use crate::host::events::Event;
use crate::spec::cb::Cb;
use crate::translate::stream;

impl Smmu {
    /// The decision about a transaction that stalled: [`Response::Stall`] as long as there is none.
    pub fn resume(&mut self, env: &mut dyn Env, stall: Stall) -> Response {
        match self.stalls.poll(&stall) {
            None => Response::Stall(stall),
            Some(StallOutcome::Retry) => self.start_again(env, stall.0.access),
            Some(StallOutcome::End { abort }) => {
                let response = Response::for_fault(abort);
                let BankAccess {
                    bank, transaction, ..
                } = stall.0.access;
                emit(env, || {
                    Event::answered(&transaction, Some(bank), false, Err(Cause::Ended), &response)
                });
                response
            }
        }
    }

    /// From the start of the bank: not through the stream table again, but the bank may have got another type.
    fn start_again(&mut self, env: &mut dyn Env, access: BankAccess) -> Response {
        match stream::check_bank(&self.registers, &self.geometry, access.bank) {
            Ok(()) => self.enter(env, &access),
            Err((cause, nested)) => {
                let transaction = access.transaction;
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
        BankControl::of(&self.registers, bank)
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
        self.update_line(env, self.line_of(bank), false);
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
            for bank in self.geometry.banks() {
                self.release(env, bank, Release::Off);
            }
        }
    }
}
