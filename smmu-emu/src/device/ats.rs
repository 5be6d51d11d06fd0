// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Address translation operations: software asks the SMMU where an address leads (IHI 0062D §4).
//!
//! An operation walks and completes within the write, unless the stage 2 bank of a nested translation stalls it: then
//! it completes within the write of that bank's RESUME. The plan may keep `CBn_ATSR.ACTIVE` set for longer; until it
//! clears, `CBn_PAR` shows what it held before.

use crate::arch::fault::{Cause, GlobalCause, GlobalFault};
use crate::arch::transaction::{Intent, Origin};
use crate::device::bank_state::{Arrival, Disposition, Released, StallOutcome};
use crate::device::busy::Operations;
use crate::device::operation::{AtsRequest, Waiting};
use crate::device::par;
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::{Env, Host};
use crate::host::events::Event;
use crate::plan::Site;
use crate::registers::register::Scope;
use crate::registers::secure;
use crate::spec::bank::Format;
use crate::spec::cb::Cb;
use crate::spec::effect;
use crate::spec::global::Gats;
use crate::spec::gr0::Gr0;
use crate::spec::gr1::BankType;
use crate::tlb::{Fills, Lookup};
use crate::translate::decoded::Decoded;
use crate::translate::stream;
use crate::translate::translator::Translator;
use crate::translate::walk::{Stages, WalkFault};

/// F and UCBF of GPAR: the operation names a bank that does not exist or has no stage 1 (§4.3).
const GPAR_UNIMPLEMENTED_BANK: u64 = 1 << 30 | 1;
/// F and ICF of GPAR: the bank is nested in one that cannot be used (§4.3).
const GPAR_INVALID_CONTEXT: u64 = 1 << 29 | 1;
/// F and ATOT of PAR: stage 2 has ended the operation (§4.2.4).
const PAR_TERMINATED: u64 = 1 << 31 | 1;

impl Smmu {
    /// `CBn_ATS1*`, `GATS1*` or `GATS12*` is written.
    pub(crate) fn translate_for_software(
        &mut self,
        env: &mut dyn Env,
        scope: Scope,
        value: u64,
        operation: effect::AtsOperation,
    ) {
        let intent = Intent {
            privileged: operation.privileged,
            write: operation.write,
            instruction: false,
        };
        let stages = if operation.both_stages {
            Stages::All
        } else {
            Stages::First
        };
        match scope {
            Scope::Global => self.global_ats(env, Gats::new_with_raw_value(value), intent, stages),
            Scope::Bank(bank) => self.context_ats(env, bank, value, intent),
        }
    }

    /// A stage 2 bank has no such operation.
    fn context_ats(&mut self, env: &mut dyn Env, bank: u8, value: u64, intent: Intent) {
        if self.registers.cbar(bank).kind() == BankType::Stage2 {
            return;
        }
        let busy = self.injector.busy(env, Site::Ats, Some(bank));
        if let Some(operations) = self.operations_of(bank) {
            operations.ats = busy;
            operations.par = None;
            operations.waiting = None;
        }
        let operation = self.operation(bank, value, intent);
        self.run_operation(env, bank, operation);
    }

    /// The operation that software has written. The lower 12 bits are no part of the address, and the upper half of a
    /// 64-bit write to an AArch32 bank is ignored.
    fn operation(&self, bank: u8, written: u64, intent: Intent) -> AtsRequest {
        let address = match self.registers.format(bank) {
            Format::AArch64 => u64::MAX,
            Format::Long | Format::Short => u64::from(u32::MAX),
        };
        AtsRequest {
            value: written & address & !0xfff,
            intent,
        }
    }

    /// Runs an operation, for the first time or again after a stall of the stage 2 bank. What the bank itself has
    /// recorded does not hold it up (§4.2.4).
    fn run_operation(&mut self, env: &mut dyn Env, bank: u8, operation: AtsRequest) {
        if let Some(stage2_bank) = self.stage2_bank(bank) {
            if let Err((cause, nested)) = stream::check_bank(&self.registers, &self.geometry, bank) {
                let transaction = operation.bank_access(bank).transaction;
                let fault = GlobalFault {
                    cause,
                    nested,
                    transaction,
                };
                self.record_global(env, &fault, Origin::Operation);
                operation.refused(env, bank, Cause::Global(cause));
                return self.complete(env, bank, PAR_TERMINATED);
            }
            match self.arrival(stage2_bank) {
                Arrival::Translate => {}
                Arrival::Wait => {
                    operation.refused(env, bank, Cause::Waiting);
                    return self.wait(bank, stage2_bank, operation, false);
                }
                Arrival::Terminate => {
                    operation.refused(env, bank, Cause::Blocked);
                    return self.complete(env, bank, PAR_TERMINATED);
                }
            }
        }
        let result = self.par(env, bank, operation, Stages::First);
        self.conclude(env, bank, operation, result);
    }

    /// A fault of stage 1 shows in PAR alone. One of stage 2 of a nested translation is recorded in the stage 2 bank,
    /// and terminates the operation or stalls it as that bank says (§4.2.4).
    fn conclude(
        &mut self,
        env: &mut dyn Env,
        bank: u8,
        operation: AtsRequest,
        result: Result<u64, WalkFault>,
    ) {
        let par = match result {
            Ok(par) => par,
            Err(fault) => {
                let recorded = self.context_fault(&operation.bank_access(bank), fault);
                if recorded.nested.is_none() {
                    par::fault(fault, self.registers.format(bank), false)
                } else {
                    match self.record_context(env, &recorded, Origin::Operation) {
                        Disposition::Terminate => par::fault(fault, self.registers.format(bank), true),
                        Disposition::Stall => return self.wait(bank, recorded.bank, operation, true),
                        Disposition::Wait => return self.wait(bank, recorded.bank, operation, false),
                    }
                }
            }
        };
        self.complete(env, bank, par);
    }

    fn wait(&mut self, bank: u8, stage2_bank: u8, operation: AtsRequest, recorded: bool) {
        if let Some(operations) = self.operations_of(bank) {
            operations.waiting = Some(Waiting {
                stage2_bank,
                recorded,
                operation,
            });
        }
    }

    fn complete(&mut self, host: &dyn Host, bank: u8, par: u64) {
        if let Some(operations) = self.operations_of(bank) {
            operations.par = Some(par);
        }
        self.take_result(host, bank);
    }

    /// The stall of a stage 2 bank ends: operations that wait for it are run again, except that the recorded one or
    /// all of them may end.
    pub(crate) fn release_operations(&mut self, env: &mut dyn Env, stage2_bank: u8, released: Released) {
        self.for_waiting(stage2_bank, |smmu, bank, waiting| {
            let outcome = if waiting.recorded {
                released.recorded
            } else {
                released.others
            };
            match outcome {
                StallOutcome::Retry => smmu.run_operation(env, bank, waiting.operation),
                StallOutcome::End { .. } => smmu.complete(env, bank, PAR_TERMINATED),
            }
        });
    }

    /// Operations that wait for the end of another stall are run again.
    pub(crate) fn retry_waiting_operations(&mut self, env: &mut dyn Env, stage2_bank: u8) {
        self.for_waiting(stage2_bank, |smmu, bank, waiting| {
            if waiting.recorded {
                smmu.wait(bank, stage2_bank, waiting.operation, true);
            } else {
                smmu.run_operation(env, bank, waiting.operation);
            }
        });
    }

    /// Takes out every operation that waits for a bank and hands it over, once.
    fn for_waiting(&mut self, stage2_bank: u8, mut act: impl FnMut(&mut Self, u8, Waiting)) {
        for bank in self.geometry.banks() {
            let taken = self.operations_of(bank).and_then(|operations| {
                operations
                    .waiting
                    .take_if(|waiting| waiting.stage2_bank == stage2_bank)
            });
            if let Some(waiting) = taken {
                act(self, bank, waiting);
            }
        }
    }

    /// `GATS1*` give an intermediate address, `GATS12*` a physical one; with stage 2 bypassed they are alike. They
    /// record nothing, wait for nothing, and take no notice of what a bank has recorded (§4.3).
    fn global_ats(&mut self, env: &mut dyn Env, operation: Gats, intent: Intent, stages: Stages) {
        let bank = operation.ndx();
        let usable = u16::from(bank) < secure::banks(&self.registers, &self.geometry)
            && self.geometry.has_stage1(bank)
            && self.registers.cbar(bank).kind() != BankType::Stage2;
        let nested = usable && self.stage2_bank(bank).is_some();
        let checked = if nested {
            stream::check_bank(&self.registers, &self.geometry, bank)
        } else {
            Ok(())
        };
        let operation = self.operation(bank, operation.address().value() << 12, intent);
        let checked = match checked {
            Ok(()) if usable => Ok(()),
            Ok(()) => Err(GlobalCause::UnimplementedBank),
            Err((cause, _)) => Err(cause),
        };
        let par = match checked {
            Ok(()) => self
                .par(env, bank, operation, stages)
                .unwrap_or_else(|fault| par::fault(fault, self.registers.format(bank), false)),
            Err(cause) => {
                operation.refused(env, bank, Cause::Global(cause));
                if cause == GlobalCause::UnimplementedBank {
                    GPAR_UNIMPLEMENTED_BANK
                } else {
                    GPAR_INVALID_CONTEXT
                }
            }
        };
        self.registers.gr0.set(Gr0::Gpar, 0, par);
    }

    /// The result of an operation that has completed and that `CBn_PAR` has not taken up; `GPAR` has it at once.
    pub(crate) fn ats_result(&self, host: &dyn Host, scope: Scope) -> Option<u64> {
        self.operations_in(scope)?.result(host)
    }

    /// `CBn_PAR` takes up the result of an operation that has completed.
    pub(crate) fn take_up_result(&mut self, host: &dyn Host, scope: Scope) {
        if let Scope::Bank(bank) = scope {
            self.take_result(host, bank);
        }
    }

    /// Software's own write of `CBn_PAR` replaces the result of an operation under way.
    pub(crate) fn drop_ats_result(&mut self, scope: Scope) {
        if let Scope::Bank(bank) = scope
            && let Some(operations) = self.operations_of(bank)
        {
            operations.par = None;
        }
    }

    pub(crate) fn operations_in(&self, scope: Scope) -> Option<&Operations> {
        match scope {
            Scope::Global => None,
            Scope::Bank(bank) => self.operations(bank),
        }
    }

    fn take_result(&mut self, host: &dyn Host, bank: u8) {
        if let Some(operations) = self.operations_of(bank)
            && let Some(par) = operations.result(host)
        {
            operations.par = None;
            self.registers.set_bank(bank, Cb::Par, par);
        }
    }

    /// The result of translating an address: software supplies it whole, there is no sign extension.
    fn par(
        &mut self,
        env: &mut dyn Env,
        bank: u8,
        operation: AtsRequest,
        stages: Stages,
    ) -> Result<u64, WalkFault> {
        let AtsRequest { value, intent } = operation;
        let format = self.registers.format(bank);
        // Operations use the TLB and add nothing to it.
        let mut fills = Fills::default();
        let access = operation.bank_access(bank);
        let leaf = match self.injector.access(env, &access, Origin::Operation) {
            Some(fault) => Err(fault),
            None => {
                let generation = self.epoch.generation();
                let decoded = Decoded::of(&self.registers, &self.geometry, bank, generation);
                let cache = Lookup::new(&self.tlb, &decoded, &mut fills);
                self.injector.walk(env, &access, Origin::Operation, |memory| {
                    let (bank, cache) = (&decoded, &cache);
                    Translator { bank, cache, memory }.address(value, intent, stages)
                })
            }
        };
        emit(env, || {
            let result = match &leaf {
                Ok(leaf) => Ok(leaf.address),
                Err(WalkFault { cause, level, .. }) => Err(Cause::Context {
                    cause: *cause,
                    level: *level,
                }),
            };
            let walked = fills.walked;
            Event::operated(operation.transaction(), bank, walked, result)
        });
        leaf.map(|leaf| par::success(&leaf, format))
    }
}

#[cfg(test)]
mod tests;
