// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Address translation operations: software asks the SMMU where an address leads (IHI 0062D §4).
//!
//! An operation walks and completes within the write. The timing plan may keep `CBn_ATSR.ACTIVE` set for longer; until
//! it clears, `CBn_PAR` shows what it held before.

use crate::Smmu;
use crate::env::Env;
use crate::options::{self, Target};
use crate::par;
use crate::plan::Site;
use crate::spec::bank::Format;
use crate::spec::cb::Cb;
use crate::spec::global::Gats;
use crate::spec::gr0::Gr0;
use crate::spec::gr1::BankType;
use crate::translate::Intent;
use crate::walk::{Stages, WalkFault};

/// F and UCBF of GPAR: the operation names a bank that does not exist or has no stage 1 (§4.3).
const GPAR_UNIMPLEMENTED_BANK: u64 = 1 << 30 | 1;

impl Smmu {
    /// `CBn_ATS1*`, `GATS1*` or `GATS12*` is written.
    pub(crate) fn ats(&mut self, env: &mut dyn Env, target: Target, value: u64, intent: Intent) {
        match target {
            Target::Gr0(register, _) => {
                let stages = if stage1_only(register) {
                    Stages::First
                } else {
                    Stages::All
                };
                self.global_ats(env, Gats::new_with_raw_value(value), intent, stages);
            }
            // No operation stands there.
            Target::Gr1(..) => {}
            Target::Cb(_, bank) => self.context_ats(env, bank, value, intent),
        }
    }

    /// A stage 2 bank has no such operation. A fault shows in PAR alone: nothing is recorded.
    fn context_ats(&mut self, env: &mut dyn Env, bank: u8, value: u64, intent: Intent) {
        if self.registers.cbar(bank).kind() == BankType::Stage2 {
            return;
        }
        let result = self.par(env, bank, value, intent, Stages::First);
        let format = self.registers.format(bank);
        // A fault of stage 2 terminates the operation.
        let par = result.unwrap_or_else(|fault| par::fault(fault, format, fault.stage2.is_some()));
        let busy = self.timing.start(env, Site::Ats, Some(bank));
        if let Some(operations) = self.operations_of(bank) {
            operations.ats = busy;
            operations.par = Some(par);
        }
        self.take_result(env, bank);
    }

    /// `GATS1*` give an intermediate address, `GATS12*` a physical one; with stage 2 bypassed they are alike.
    fn global_ats(&mut self, env: &dyn Env, operation: Gats, intent: Intent, stages: Stages) {
        let bank = operation.ndx();
        let usable = u16::from(bank) < self.geometry.context_banks
            && options::has_stage1(&self.geometry, bank)
            && self.registers.cbar(bank).kind() != BankType::Stage2;
        let par = if usable {
            self.par(env, bank, operation.address().value() << 12, intent, stages)
                .unwrap_or_else(|fault| par::fault(fault, self.registers.format(bank), false))
        } else {
            GPAR_UNIMPLEMENTED_BANK
        };
        self.registers.gr0.set(Gr0::Gpar, 0, par);
    }

    /// `CBn_ATSR.ACTIVE`, where this read counts for a delay in polls; `GATSR.ACTIVE` is never set.
    pub(crate) fn ats_status(&mut self, env: &dyn Env, target: Target) -> bool {
        match target {
            Target::Gr0(..) | Target::Gr1(..) => false,
            Target::Cb(_, bank) => self
                .operations_of(bank)
                .is_some_and(|operations| operations.ats.poll(env)),
        }
    }

    /// `CBn_PAR` takes up the result of an operation that has completed; `GPAR` has it at once.
    pub(crate) fn ats_result(&mut self, env: &dyn Env, target: Target, stored: u64) -> u64 {
        match target {
            Target::Gr0(..) | Target::Gr1(..) => stored,
            Target::Cb(_, bank) => {
                self.take_result(env, bank);
                self.registers.bank(bank, Cb::Par)
            }
        }
    }

    /// Software's own write of `CBn_PAR` replaces the result of an operation under way.
    pub(crate) fn drop_ats_result(&mut self, target: Target) {
        if let Target::Cb(_, bank) = target
            && let Some(operations) = self.operations_of(bank)
        {
            operations.par = None;
        }
    }

    fn take_result(&mut self, env: &dyn Env, bank: u8) {
        if let Some(operations) = self.operations_of(bank)
            && !operations.ats.is_busy(env)
            && let Some(par) = operations.par.take()
        {
            self.registers.set_bank(bank, Cb::Par, par);
        }
    }

    /// The result of translating an address: software supplies it whole, there is no sign extension.
    fn par(
        &self,
        env: &dyn Env,
        bank: u8,
        value: u64,
        intent: Intent,
        stages: Stages,
    ) -> Result<u64, WalkFault> {
        let format = self.registers.format(bank);
        // The upper half of a 64-bit write to an AArch32 bank is ignored.
        let value = if format == Format::AArch64 {
            value
        } else {
            value & u64::from(u32::MAX)
        };
        let leaf = match stages {
            Stages::All => self.translate_in(env, bank, value, intent),
            Stages::First => self.translate_stage1_in(env, bank, value, intent),
        };
        leaf.map(|leaf| par::success(&leaf, format))
    }
}

/// `GATS1*` rather than `GATS12*`.
fn stage1_only(register: Gr0) -> bool {
    matches!(
        register,
        Gr0::Gats1ur | Gr0::Gats1uw | Gr0::Gats1pr | Gr0::Gats1pw
    )
}
