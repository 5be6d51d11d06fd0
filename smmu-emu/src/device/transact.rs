// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The life of a transaction: stream, context bank, what the bank still holds, the stages, physical address or fault.

use crate::arch::fault::{Cause, Fault, GlobalFault};
use crate::arch::response::Response;
use crate::arch::transaction::{BankAccess, Origin, Transaction, Translation};
use crate::config::TlbMode;
use crate::device::bank_state::{Arrival, BankControl};
use crate::device::pmu::EventKind;
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::{Env, Host};
use crate::host::events::Event;
use crate::plan::Sites;
use crate::registers::file::Registers;
use crate::tlb::{Fills, Lookup};
use crate::translate::decoded::{self, Decoded};
use crate::translate::stream::{self, Route, StreamFate};
use crate::translate::translator::{Translator, context_fault};
use crate::translate::walk::{Physical, WalkCache};

impl Smmu {
    /// Translates an access without recording a fault. Uses what the TLB holds and adds nothing to it.
    ///
    /// # Errors
    /// The [`Fault`] that the access takes.
    pub fn translate(&self, env: &dyn Env, transaction: &Transaction) -> Result<Translation, Fault> {
        let mut fills = Fills::default();
        self.translate_with(Physical::read_only(env), transaction, |bank| {
            Lookup::new(&self.tlb, bank, &mut fills)
        })
    }

    /// Like [`Self::translate`], with a memory and a cache of walks of the caller's.
    pub(crate) fn translate_with<C: WalkCache>(
        &self,
        memory: Physical<'_>,
        transaction: &Transaction,
        cache: impl FnOnce(&Decoded) -> C,
    ) -> Result<Translation, Fault> {
        let transaction = stream::arriving(&self.registers, &self.geometry, transaction);
        let found = stream::find(&self.registers, &self.geometry, &transaction)?;
        match found.route(transaction.intent) {
            Route::Bypass(attributes) => Ok(stream::bypass(&self.geometry, transaction.address, attributes)),
            Route::Bank(bank, intent) => {
                let access = BankAccess {
                    bank,
                    intent,
                    transaction,
                };
                let generation = self.epoch.generation();
                let decoded = Decoded::of(&self.registers, &self.geometry, bank, generation);
                admit(&self.registers, bank, &decoded)?;
                let cache = cache(&decoded);
                let translator = Translator {
                    bank: &decoded,
                    cache: &cache,
                    memory,
                };
                translator
                    .access(&access)
                    .map_err(|fault| Fault::Context(context_fault(&access, decoded.stage2_bank, fault)))
            }
        }
    }

    /// Carries out an access: translates it, and records the fault if there is one.
    ///
    /// [`Response::Stall`] is not the end of it: [`Smmu::resume`] tells what became of the access.
    pub fn transact(&mut self, env: &mut dyn Env, transaction: &Transaction) -> Response {
        // Built in its place: to copy what was just written costs as much as a level of a walk.
        let mut access = BankAccess {
            bank: 0,
            intent: transaction.intent,
            transaction: stream::arriving(&self.registers, &self.geometry, transaction),
        };
        let route = self
            .found(env, &access.transaction)
            .map(|found| found.route(access.intent));
        let bank = match route {
            Ok(Route::Bank(bank, _)) => Some(bank),
            _ => None,
        };
        self.count(env, EventKind::Access, &access.transaction, bank);
        match route {
            Err(fault) => self.refuse(env, &fault),
            Ok(Route::Bypass(attributes)) => {
                let translation = stream::bypass(&self.geometry, access.transaction.address, attributes);
                let response = Response::Proceed(translation);
                emit(env, || {
                    Event::answered(&access.transaction, None, false, Ok(&translation), &response)
                });
                response
            }
            Ok(Route::Bank(bank, intent)) => {
                (access.bank, access.intent) = (bank, intent);
                self.enter(env, &access)
            }
        }
    }

    /// A client's transaction ends with a global fault.
    pub(crate) fn refuse(&mut self, host: &mut dyn Host, fault: &GlobalFault) -> Response {
        self.record_global(host, fault, Origin::Client);
        let response = Response::for_fault(self.registers.scr0().gfre());
        emit(host, || {
            let cause = Cause::Global(fault.cause);
            Event::answered(&fault.transaction, None, false, Err(cause), &response)
        });
        response
    }

    /// A transaction enters its bank, for the first time or again after a stall. The bank's state decides first, then
    /// that of the stage 2 bank of a nested translation, then the stages (§3.7.3).
    pub(crate) fn enter(&mut self, env: &mut dyn Env, access: &BankAccess) -> Response {
        let generation = self.epoch.generation();
        let bank = self
            .decode_cache
            .bank(&self.registers, &self.geometry, access.bank, generation);
        let result = admit(&self.registers, access.bank, bank).and_then(|()| {
            let result = match self.injector.access(env, access, Origin::Client) {
                Some(fault) => Err(fault),
                None => {
                    let cache = Lookup::new(&self.tlb, bank, &mut self.fills);
                    self.injector.walk(env, access, Origin::Client, |memory| {
                        let cache = &cache;
                        Translator { bank, cache, memory }.access(access)
                    })
                }
            };
            result.map_err(|fault| Fault::Context(context_fault(access, bank.stage2_bank, fault)))
        });
        let walked = self.fills.walked;
        for _ in 0..self.tlb.fill(&mut self.fills) {
            self.count(
                env,
                EventKind::TlbAllocated,
                &access.transaction,
                Some(access.bank),
            );
        }
        let tell = |env: &mut dyn Env, result, response: &Response| {
            emit(env, || {
                Event::answered(&access.transaction, Some(access.bank), walked, result, response)
            });
        };
        match result {
            Ok(translation) => {
                let response = Response::Proceed(translation);
                tell(env, Ok(&translation), &response);
                response
            }
            Err(fault) => {
                let response = self.record(env, access, &fault);
                tell(env, Err(Cause::from(&fault)), &response);
                response
            }
        }
    }

    /// The bank that translates stage 2 of a nested translation.
    pub(crate) fn stage2_bank(&self, bank: u8) -> Option<u8> {
        decoded::stage2_bank(&self.registers, bank)
    }

    /// Whether TBUs may keep translations. Event counters have to see every access, and so have rules that make
    /// accesses go wrong; and with the TLB off every access walks.
    pub(crate) fn tbus_may_keep(&self) -> bool {
        self.geometry.pmu_groups == 0
            && self.geometry.tlb != TlbMode::Off
            && !self.injector.watches(Sites::STREAMS.union(Sites::ACCESSES))
    }

    /// Destination of the stream of a transaction.
    fn found(&mut self, host: &mut dyn Host, transaction: &Transaction) -> Result<StreamFate, GlobalFault> {
        if !self.registers.scr0().clientpd()
            && let Some(cause) = self.injector.stream(host, transaction)
        {
            return stream::find_among(&self.registers, &self.geometry, transaction, Some(cause));
        }
        let (id, generation) = (transaction.stream_id, self.epoch.generation());
        if let Some(found) = self.decode_cache.stream(id, generation) {
            return Ok(found);
        }
        let found = stream::find(&self.registers, &self.geometry, transaction)?;
        self.decode_cache.set_stream(id, generation, found);
        Ok(found)
    }
}

/// The state of a bank, and of the stage 2 bank behind it.
///
/// # Errors
/// [`Fault::Blocked`] or [`Fault::Waiting`] if one of them holds an earlier fault.
fn admit(registers: &Registers, bank: u8, decoded: &Decoded) -> Result<(), Fault> {
    let admit = |bank| match BankControl::of(registers, bank).arrive() {
        Arrival::Translate => Ok(()),
        Arrival::Terminate => Err(Fault::Blocked { bank }),
        Arrival::Wait => Err(Fault::Waiting { bank }),
    };
    admit(bank)?;
    decoded.stage2_bank.map_or(Ok(()), admit)
}
