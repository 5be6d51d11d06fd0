// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The life of a transaction: stream, context bank, what the bank still holds, the stages, physical address or fault.

use core::cell::RefCell;

use crate::arch::fault::{Cause, ContextCause, Fault, GlobalFault};
use crate::arch::response::Response;
use crate::arch::transaction::{BUS_BITS, BankAccess, Intent, Origin, Transaction, Translation};
use crate::config::TlbMode;
use crate::device::bank_state::Arrival;
use crate::device::injection::{self, WalkInjections};
use crate::device::pmu::EventKind;
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::Env;
use crate::host::events::Event;
use crate::plan::Sites;
use crate::tlb::{Fills, Lookup};
use crate::translate::decoded::{self, Decoded};
use crate::translate::regime;
use crate::translate::stream::{self, Found, Route};
use crate::translate::walk::{self, Leaf, Physical, Probe, Stages, WalkCache, WalkFault};

impl Smmu {
    /// Translates an access without recording a fault. Uses what the TLB holds and adds nothing to it.
    ///
    /// # Errors
    /// The [`Fault`] that the access takes.
    pub fn translate(&self, env: &dyn Env, transaction: &Transaction) -> Result<Translation, Fault> {
        let fills = RefCell::default();
        self.seek(env, transaction, None, |decoded| {
            Lookup::new(&self.tlb, decoded, &fills)
        })
    }

    /// The same, with somebody who looks on at what is read and at what is kept.
    pub(crate) fn seek<K: WalkCache>(
        &self,
        env: &dyn Env,
        transaction: &Transaction,
        probe: Option<&dyn Probe>,
        kept: impl FnOnce(&Decoded) -> K,
    ) -> Result<Translation, Fault> {
        let transaction = self.arriving(transaction);
        let found = stream::find(&self.registers, &self.geometry, &transaction)?;
        match found.route(transaction.intent) {
            Route::Bypass(attributes) => Ok(self.bypass(transaction.address, attributes)),
            Route::Bank(bank, intent) => {
                let access = BankAccess {
                    bank,
                    intent,
                    transaction,
                };
                let decoded = self.decode(bank);
                let memory = Physical::read_only(env);
                let memory = probe.map_or(memory, |probe| memory.probed(probe));
                self.translate_in_bank(&access, &decoded, memory, &kept(&decoded))
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
            transaction: self.arriving(transaction),
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
                let translation = self.bypass(access.transaction.address, attributes);
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
    pub(crate) fn refuse(&mut self, env: &mut dyn Env, fault: &GlobalFault) -> Response {
        self.record_global(env, fault, Origin::Client);
        let response = Response::for_fault(self.registers.scr0().gfre());
        emit(env, || {
            let cause = Cause::Global(fault.cause);
            Event::answered(&fault.transaction, None, false, Err(cause), &response)
        });
        response
    }

    /// A transaction enters its bank, for the first time or again after a stall.
    pub(crate) fn enter(&mut self, env: &mut dyn Env, access: &BankAccess) -> Response {
        let generation = self.epoch.generation();
        let decoded = self
            .decode_cache
            .take(&self.registers, &self.geometry, access.bank, generation);
        let result = match self.injected_access(env, access, &decoded) {
            Some(fault) => Err(fault),
            None => self.walking(env, access, Origin::Client, |smmu, memory| {
                smmu.translate_in_bank(
                    access,
                    &decoded,
                    memory,
                    &Lookup::new(&smmu.tlb, &decoded, &smmu.fills),
                )
            }),
        };
        self.decode_cache.put(access.bank, decoded);
        let fills = self.fills.get_mut();
        let walked = fills.walked;
        for _ in 0..self.tlb.fill(fills) {
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

    /// The fault of the plan that an access takes in its bank.
    fn injected_access(
        &mut self,
        env: &mut dyn Env,
        access: &BankAccess,
        decoded: &Decoded,
    ) -> Option<Fault> {
        if !self.injector.watches(Sites::ACCESSES) || self.admit(access.bank, decoded).is_err() {
            return None;
        }
        let fault = self.injector.access(env, access, Origin::Client)?;
        Some(Fault::Context(self.context_fault(access, fault)))
    }

    /// Runs a translation for software or a client: with the plan's faults in the descriptors that it reads, if there are
    /// any.
    pub(crate) fn walking<R>(
        &mut self,
        env: &mut dyn Env,
        access: &BankAccess,
        origin: Origin,
        run: impl FnOnce(&Self, Physical<'_>) -> R,
    ) -> R {
        let memory = match origin {
            Origin::Client => Physical::updated,
            Origin::Operation => Physical::read_only,
        };
        if !self.injector.watches(Sites::WALKS) {
            return run(self, memory(env));
        }
        let mut injector = core::mem::take(&mut self.injector);
        let faults = WalkInjections::new(&mut injector, env, access, origin);
        let result = run(self, memory(env).probed(&faults));
        let injected = faults.into_injected();
        self.injector = injector;
        for injected in injected {
            injection::report(env, &injected);
        }
        result
    }

    /// What a bank, or the stage 2 bank behind it, still holds.
    fn admit(&self, bank: u8, decoded: &Decoded) -> Result<(), Fault> {
        let admit = |bank| match self.arrival(bank) {
            Arrival::Translate => Ok(()),
            Arrival::Terminate => Err(Fault::Blocked { bank }),
            Arrival::Wait => Err(Fault::Waiting { bank }),
        };
        admit(bank)?;
        decoded.stage2_bank.map_or(Ok(()), admit)
    }

    /// The state machine of a bank (§3.7.3): what it still holds decides first, then what the stage 2 bank of a nested
    /// translation holds, then the stages.
    fn translate_in_bank<K: WalkCache>(
        &self,
        access: &BankAccess,
        decoded: &Decoded,
        memory: Physical<'_>,
        kept: &K,
    ) -> Result<Translation, Fault> {
        let BankAccess {
            bank,
            intent,
            transaction,
        } = *access;
        self.admit(bank, decoded)?;
        let fault = |fault| Fault::Context(self.context_fault(access, fault));
        // Stage 2 takes the intermediate address as it is, and so does a bank that is off or of AArch32.
        let address = match decoded.sign {
            Some(sep) => regime::extended(transaction.address, sep),
            None => Some(transaction.address),
        };
        let unreachable = || fault(WalkFault::stage1(ContextCause::Translation, 0));
        let address = address.ok_or_else(unreachable)?;
        let leaf =
            walk::translate(&decoded.regime, memory, kept, address, intent, Stages::All).map_err(fault)?;
        // Blocks and pages are powers of two.
        let length = leaf.size - (leaf.address & (leaf.size - 1));
        Ok(Translation {
            address: leaf.address,
            length,
            attributes: leaf.attributes,
            bank: Some(bank),
        })
    }

    /// The bank that translates stage 2 of a nested translation.
    pub(crate) fn stage2_bank(&self, bank: u8) -> Option<u8> {
        decoded::stage2_bank(&self.registers, bank)
    }

    /// Whether TBUs may keep translations. Event counters have to see every access, and so have rules that make accesses go wrong; and with the TLB off every
    /// access walks.
    pub(crate) fn tbus_may_keep(&self) -> bool {
        self.geometry.pmu_groups == 0
            && self.geometry.tlb != TlbMode::Off
            && !self.injector.watches(Sites::STREAMS.union(Sites::ACCESSES))
    }

    /// The transaction without the bits that the bus does not carry.
    fn arriving(&self, transaction: &Transaction) -> Transaction {
        Transaction {
            stream_id: transaction.stream_id & self.stream_id_mask(),
            address: transaction.address & ((1 << BUS_BITS) - 1),
            ..*transaction
        }
    }

    /// Translates a complete address in a context bank, with what the TLB knows; `fills` takes up what it does not know.
    pub(crate) fn translate_in(
        &self,
        memory: Physical<'_>,
        bank: u8,
        address: u64,
        intent: Intent,
        stages: Stages,
        fills: &RefCell<Fills>,
    ) -> Result<Leaf, WalkFault> {
        let decoded = self.decode(bank);
        let kept = Lookup::new(&self.tlb, &decoded, fills);
        walk::translate(&decoded.regime, memory, &kept, address, intent, stages)
    }

    fn decode(&self, bank: u8) -> Decoded {
        Decoded::of(&self.registers, &self.geometry, bank, self.epoch.generation())
    }

    /// Where the stream of a transaction goes.
    fn found(&mut self, env: &mut dyn Env, transaction: &Transaction) -> Result<Found, GlobalFault> {
        if !self.registers.scr0().clientpd()
            && let Some(cause) = self.injector.stream(env, transaction)
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

    /// Bypass drops the address bits above the output size (§1.6.2).
    fn bypass(&self, address: u64, attributes: u8) -> Translation {
        let size = 1 << self.output_bits();
        let address = address & (size - 1);
        Translation {
            address,
            length: size - address,
            attributes,
            bank: None,
        }
    }

    fn output_bits(&self) -> u32 {
        self.geometry.address_bits.into()
    }

    fn stream_id_mask(&self) -> u16 {
        if self.registers.scr0().exidenable() {
            u16::MAX
        } else {
            (1 << self.geometry.stream_id_bits) - 1
        }
    }
}
