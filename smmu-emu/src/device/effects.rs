// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Effects of register accesses beyond the access rule: one arm for each [`Effect`], the column of the tables.
//!
//! [`Smmu::look`] says what software would read. [`Smmu::touch`] is software's read: it differs where a read is an
//! event. Both, and [`Smmu::write_effect`], go through the one match of [`act`].

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

/// An access to a register, with the model as far as the access may change it.
enum RegisterAccess<'a> {
    /// Nobody's: what a read would return.
    Look(&'a Smmu, &'a dyn Host),
    /// Software's read, which may be an event: polls count, results are taken up, time passes for counters.
    Read(&'a mut Smmu, &'a mut dyn Host),
    /// Software's write. It has been stored; the value is what arrived, less the bits that do not exist.
    Write(&'a mut Smmu, &'a mut dyn Env, u64),
}

impl RegisterAccess<'_> {
    /// Acts on a write. A read returns what is stored.
    #[inline]
    fn written(self, act: impl FnOnce(&mut Smmu, &mut dyn Env, u64)) -> Option<u64> {
        if let Self::Write(smmu, env, value) = self {
            act(smmu, env, value);
        }
        None
    }

    /// Returns a value to a look or a read. A write does nothing more.
    #[inline]
    fn shown(self, value: impl FnOnce(&Smmu, &dyn Host) -> Option<u64>) -> Option<u64> {
        match self {
            Self::Look(smmu, host) => value(smmu, host),
            Self::Read(smmu, host) => value(smmu, host),
            Self::Write(..) => None,
        }
    }
}

/// Carries out the effect of an access, and returns the value that a look or a read finds; `None` is the stored one.
///
/// Always inlined: each caller has one kind of access, and is left with the arms that do something for it.
#[inline(always)]
fn act(id: &RegisterId, access: RegisterAccess<'_>) -> Option<u64> {
    use RegisterAccess::{Look, Read, Write};

    let scope = id.scope;
    match id.row.effect {
        Effect::None => None,
        Effect::Control => access.written(|smmu, env, _| smmu.control_changed(env, scope)),
        Effect::BankAttributes => access.written(|smmu, env, _| {
            smmu.release_bank(env, scope, Release::Retry);
            smmu.line_assigned(env);
        }),
        Effect::Identification => access.shown(|smmu, _| {
            let stored = smmu.registers.get(id);
            Some(secure::identification(
                &smmu.registers,
                &smmu.geometry,
                id,
                stored,
            ))
        }),
        Effect::FaultStatus => match access {
            Write(smmu, env, _) => {
                smmu.update_line(env, smmu.line_in(scope), true);
                None
            }
            access => {
                access.shown(|smmu, _| Some(smmu.registers.get(id) | u64::from(smmu.format_in_fsr(scope))))
            }
        },
        Effect::FaultRestore => access.written(|smmu, env, value| smmu.restore_faults(env, scope, value)),
        Effect::Resume => access.written(|smmu, env, value| {
            // RESUME.TnR: 0 is retry, 1 is terminate.
            let release = if value & 1 == 0 {
                Release::Retry
            } else {
                Release::Terminate
            };
            smmu.release_bank(env, scope, release);
        }),
        Effect::Invalidate(operation) => access.written(|smmu, env, value| {
            smmu.invalidate(env, id, tlb::decode(&smmu.registers, operation, value));
        }),
        Effect::InvalidateBank(operation) => access.written(|smmu, env, value| {
            if let Scope::Bank(bank) = scope
                && let Some(operation) = tlb::decode_bank(&smmu.registers, operation, bank, value)
            {
                smmu.invalidate(env, id, operation);
            }
        }),
        Effect::Sync => access.written(|smmu, env, _| smmu.start_sync(env, scope)),
        Effect::SyncStatus => match access {
            Look(smmu, host) => Some(smmu.sync_is_busy(host, scope).into()),
            Read(smmu, host) => Some(smmu.poll_sync(host, scope).into()),
            Write(..) => None,
        },
        Effect::Translate(operation) => access.written(|smmu, env, value| {
            smmu.translate_for_software(env, scope, value, operation);
        }),
        Effect::TranslateStatus => match access {
            Look(smmu, host) => Some(smmu.ats_is_active(host, scope).into()),
            Read(smmu, host) => Some(smmu.poll_ats(host, scope).into()),
            Write(..) => None,
        },
        Effect::TranslateResult => match access {
            Look(smmu, host) => smmu.ats_result(host, scope),
            Read(smmu, host) => {
                smmu.take_up_result(host, scope);
                smmu.ats_result(host, scope)
            }
            Write(smmu, ..) => {
                smmu.drop_ats_result(scope);
                None
            }
        },
        Effect::Counters => match access {
            Look(smmu, host) => Some(smmu.look_pm(host, id).into()),
            Read(smmu, host) => {
                smmu.advance_pmu(host);
                Some(smmu.look_pm(host, id).into())
            }
            Write(smmu, env, value) => {
                smmu.write_pm(env, id, word(value));
                None
            }
        },
        Effect::CounterView(of) => match access {
            Look(smmu, host) => Some(smmu.look_bank_pm(host, of, id).into()),
            Read(smmu, host) => {
                smmu.advance_pmu(host);
                Some(smmu.look_bank_pm(host, of, id).into())
            }
            Write(smmu, env, value) => {
                smmu.write_bank_pm(env, of, id, word(value));
                None
            }
        },
    }
}

impl Smmu {
    /// The value of a register as software reads it.
    pub(crate) fn look(&self, host: &dyn Host, id: &RegisterId) -> u64 {
        // The Secure copies hold what Secure software writes: no stream is Secure.
        if id.is_secure_copy() {
            return self.registers.get(id);
        }
        act(id, RegisterAccess::Look(self, host)).unwrap_or_else(|| self.registers.get(id))
    }

    /// The value of a register that software reads: polls count, results are taken up, time passes for counters.
    pub(crate) fn touch(&mut self, host: &mut dyn Host, id: &RegisterId) -> u64 {
        if id.is_secure_copy() {
            return self.registers.get(id);
        }
        act(id, RegisterAccess::Read(self, host)).unwrap_or_else(|| self.registers.get(id))
    }

    /// Acts on a write that has been stored; `value` is what arrived, less the bits that do not exist.
    pub(crate) fn write_effect(&mut self, env: &mut dyn Env, id: &RegisterId, value: u64) {
        if id.is_secure_copy() {
            return self.write_secure_copy(id, value);
        }
        act(id, RegisterAccess::Write(self, env, value));
    }

    /// Secure operations have nothing to do: no stream is Secure. Restored faults show in the Secure sGFSR.
    fn write_secure_copy(&mut self, id: &RegisterId, value: u64) {
        if id.row.effect == Effect::FaultRestore {
            let faults = self.registers.secure.get(Gr0::SGfsr, 0) | value;
            self.registers.secure.set(Gr0::SGfsr, 0, faults);
        }
    }

    fn control_changed(&mut self, env: &mut dyn Env, scope: Scope) {
        self.update_line(env, self.line_in(scope), true);
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

    /// FORMAT of a bank follows its configuration at any time (IHI 0062D §3.5, [`Format`]); SMMUv1 has no such field.
    fn format_in_fsr(&self, scope: Scope) -> u32 {
        match scope {
            Scope::Global => 0,
            Scope::Bank(_) if self.geometry.is_version_1() => 0,
            Scope::Bank(bank) => Format::in_fsr(self.registers.format(bank)),
        }
    }

    fn restore_faults(&mut self, host: &mut dyn Host, scope: Scope, value: u64) {
        match scope {
            Scope::Global => {
                let faults = self.registers.global_faults() | GlobalFaults::from_bits_truncate(word(value));
                self.registers.gr0.set(Gr0::SGfsr, 0, faults.bits().into());
            }
            Scope::Bank(bank) => {
                let faults =
                    self.registers.context_faults(bank) | ContextFaults::from_bits_truncate(word(value));
                self.registers.set_bank(bank, Cb::Fsr, faults.bits().into());
            }
        }
        self.update_line(host, self.line_in(scope), true);
    }

    /// The line that a register belongs to.
    fn line_in(&self, scope: Scope) -> Line {
        match scope {
            Scope::Global => Line::Global,
            Scope::Bank(bank) => self.line_of(bank),
        }
    }
}

/// The value of a register of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the upper word is zero")]
const fn word(value: u64) -> u32 {
    value as u32
}
