// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Effects of register accesses beyond the access rule: one arm for each [`Effect`], the column of the tables.
//!
//! [`Smmu::look`] says what software would read. [`Smmu::touch`] is software's read: it differs where a read is an
//! event.

use crate::arch::line::Line;
use crate::device::bank_state::Release;
use crate::device::smmu::Smmu;
use crate::host::env::{Env, Host};
use crate::registers::register::{RegisterId, Scope};
use crate::registers::secure;
use crate::spec::bank::{ContextFaults, Format};
use crate::spec::cb::Cb;
use crate::spec::effect::Effect;
use crate::spec::global::GlobalFaults;
use crate::spec::gr0::Gr0;
use crate::tlb;

impl Smmu {
    /// The value of a register as software reads it.
    pub(crate) fn look(&self, host: &dyn Host, id: &RegisterId) -> u64 {
        let stored = self.registers.get(id);
        // The Secure copies hold what Secure software writes: no stream is Secure.
        if id.is_secure_copy() {
            return stored;
        }
        match id.row.effect {
            Effect::SyncStatus => {
                let sync = self.sync(id.scope);
                sync.is_some_and(|sync| sync.is_busy(host, &self.epoch)).into()
            }
            Effect::TranslateStatus => self.ats_is_active(host, id.scope).into(),
            Effect::TranslateResult => self.ats_result(host, id.scope).unwrap_or(stored),
            Effect::FaultStatus => stored | u64::from(self.format_in_fsr(id.scope)),
            Effect::Identification => secure::identification(&self.registers, &self.geometry, id, stored),
            Effect::Counters => self.look_pm(host, id).into(),
            Effect::CounterView(of) => self.look_bank_pm(host, of, id).into(),
            Effect::None
            | Effect::Control
            | Effect::BankAttributes
            | Effect::FaultRestore
            | Effect::Resume
            | Effect::Invalidate(_)
            | Effect::InvalidateBank(_)
            | Effect::Sync
            | Effect::Translate(_) => stored,
        }
    }

    /// The value of a register that software reads: polls count, results are taken up, time passes for counters.
    pub(crate) fn touch(&mut self, host: &mut dyn Host, id: &RegisterId) -> u64 {
        if id.is_secure_copy() {
            return self.look(host, id);
        }
        match id.row.effect {
            Effect::SyncStatus => return self.poll_sync(host, id.scope).into(),
            Effect::TranslateStatus => return self.poll_ats(host, id.scope).into(),
            Effect::TranslateResult => self.take_up_result(host, id.scope),
            Effect::Counters | Effect::CounterView(_) => self.advance_pmu(host),
            Effect::None
            | Effect::Control
            | Effect::BankAttributes
            | Effect::Identification
            | Effect::FaultStatus
            | Effect::FaultRestore
            | Effect::Resume
            | Effect::Invalidate(_)
            | Effect::InvalidateBank(_)
            | Effect::Sync
            | Effect::Translate(_) => {}
        }
        self.look(host, id)
    }

    /// Acts on a write that has been stored; `value` is what arrived, less the bits that do not exist.
    pub(crate) fn write_effect(&mut self, env: &mut dyn Env, id: &RegisterId, value: u64) {
        if id.is_secure_copy() {
            return self.write_secure_copy(id, value);
        }
        let scope = id.scope;
        match id.row.effect {
            Effect::Control => self.control_changed(env, scope),
            Effect::BankAttributes => self.release_bank(env, scope, Release::Retry),
            Effect::FaultStatus => self.update_line(env, line_of(scope), true),
            // RESUME.TnR: 0 is retry, 1 is terminate.
            Effect::Resume if value & 1 == 0 => self.release_bank(env, scope, Release::Retry),
            Effect::Resume => self.release_bank(env, scope, Release::Terminate),
            Effect::FaultRestore => self.restore_faults(env, scope, value),
            Effect::Sync => self.start_sync(env, scope),
            Effect::Translate(operation) => self.translate_for_software(env, scope, value, operation),
            Effect::TranslateResult => self.drop_ats_result(scope),
            Effect::Invalidate(operation) => {
                self.invalidate(env, id, tlb::decode(&self.registers, operation, value));
            }
            Effect::InvalidateBank(operation) => {
                if let Scope::Bank(bank) = scope
                    && let Some(operation) = tlb::decode_bank(&self.registers, operation, bank, value)
                {
                    self.invalidate(env, id, operation);
                }
            }
            Effect::Counters => self.write_pm(env, id, word(value)),
            Effect::CounterView(of) => self.write_bank_pm(env, of, id, word(value)),
            Effect::None | Effect::Identification | Effect::SyncStatus | Effect::TranslateStatus => {}
        }
    }

    /// Secure operations have nothing to do: no stream is Secure. Restored faults show in the Secure sGFSR.
    fn write_secure_copy(&mut self, id: &RegisterId, value: u64) {
        if id.row.effect == Effect::FaultRestore {
            let faults = self.registers.secure.get(Gr0::Sgfsr, 0) | value;
            self.registers.secure.set(Gr0::Sgfsr, 0, faults);
        }
    }

    fn control_changed(&mut self, env: &mut dyn Env, scope: Scope) {
        self.update_line(env, line_of(scope), true);
        match scope {
            Scope::Global => self.global_control_changed(env),
            Scope::Bank(bank) => self.bank_control_changed(env, bank),
        }
    }

    /// Lets what is stalled in a bank go on, or end.
    fn release_bank(&mut self, env: &mut dyn Env, scope: Scope, release: Release) {
        if let Scope::Bank(bank) = scope {
            self.release(env, bank, release);
        }
    }

    /// FORMAT of a bank follows its configuration at any time (IHI 0062D §3.5, [`Format`]).
    fn format_in_fsr(&self, scope: Scope) -> u32 {
        match scope {
            Scope::Global => 0,
            Scope::Bank(bank) => Format::in_fsr(self.registers.format(bank)),
        }
    }

    fn restore_faults(&mut self, host: &mut dyn Host, scope: Scope, value: u64) {
        match scope {
            Scope::Global => {
                let faults = self.registers.global_faults() | GlobalFaults::from_bits_truncate(word(value));
                self.registers.gr0.set(Gr0::Sgfsr, 0, faults.bits().into());
            }
            Scope::Bank(bank) => {
                let faults =
                    self.registers.context_faults(bank) | ContextFaults::from_bits_truncate(word(value));
                self.registers.set_bank(bank, Cb::Fsr, faults.bits().into());
            }
        }
        self.update_line(host, line_of(scope), true);
    }
}

/// The line that a register belongs to.
fn line_of(scope: Scope) -> Line {
    match scope {
        Scope::Global => Line::Global,
        Scope::Bank(bank) => Line::Context(bank),
    }
}

/// The value of a register of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the upper word is zero")]
const fn word(value: u64) -> u32 {
    value as u32
}
