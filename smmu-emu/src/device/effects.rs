// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Side effects of register accesses; everything else is in the tables.
//!
//! [`effect`] names the effect of every register, without a wildcard: a new row does not compile until someone
//! decides. The two functions below it carry the effects out.

use crate::arch::line::Line;
use crate::arch::transaction::Intent;
use crate::device::bank_state::Release;
use crate::device::smmu::Smmu;
use crate::device::smmu::Sync;
use crate::host::env::Env;
use crate::plan::Site;
use crate::registers::options::Target;
use crate::spec::bank::{ContextFaults, Format};
use crate::spec::cb::Cb;
use crate::spec::global::GlobalFaults;
use crate::spec::gr0::Gr0;
use crate::spec::gr1::Gr1;

/// What an access does beyond the row's access rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// Written: interrupt enables may have changed, and what waits may have to go on.
    Control,
    /// Written: what a bank translates has changed, and what is stalled in it starts again.
    BankAttributes,
    /// Written: faults were cleared. Read of a bank's: FORMAT is derived.
    FaultStatus,
    /// Written: sets fault bits.
    FaultRestore,
    /// Written: a stalled transaction starts again or ends.
    Resume,
    /// Written: drops TLB entries.
    Invalidate,
    /// Written: starts a TLB synchronisation.
    Sync,
    /// Read: whether one is under way.
    SyncStatus,
    /// Written: translates an address for software.
    Translate(Intent),
    /// Read: whether that is under way.
    TranslateStatus,
    /// Read: its result. Written: software replaces that.
    TranslateResult,
}

const PRIVILEGED_READ: Effect = Effect::Translate(Intent {
    privileged: true,
    write: false,
    instruction: false,
});
const PRIVILEGED_WRITE: Effect = Effect::Translate(Intent {
    privileged: true,
    write: true,
    instruction: false,
});
const USER_READ: Effect = Effect::Translate(Intent {
    privileged: false,
    write: false,
    instruction: false,
});
const USER_WRITE: Effect = Effect::Translate(Intent {
    privileged: false,
    write: true,
    instruction: false,
});

/// The effect of every register.
pub(crate) fn effect(target: Target) -> Effect {
    match target {
        Target::Gr0(register, _) => global(register),
        Target::Gr1(Gr1::Cbar | Gr1::Cba2r, _) => Effect::BankAttributes,
        Target::Gr1(Gr1::Cbfrsynra, _) => Effect::None,
        Target::Cb(register, _) => context(register),
    }
}

#[rustfmt::skip]
fn global(register: Gr0) -> Effect {
    match register {
        Gr0::Scr0 => Effect::Control,
        Gr0::Sgfsr => Effect::FaultStatus,
        Gr0::Sgfsrrestore => Effect::FaultRestore,
        Gr0::Tlbivmid | Gr0::Tlbiallnsnh | Gr0::Tlbiallh | Gr0::Tlbivah | Gr0::Tlbivalh64 | Gr0::Tlbivmids1
        | Gr0::Tlbivah64 => Effect::Invalidate,
        Gr0::Stlbgsync => Effect::Sync,
        Gr0::Stlbgstatus => Effect::SyncStatus,
        Gr0::Gats1pr | Gr0::Gats12pr => PRIVILEGED_READ,
        Gr0::Gats1pw | Gr0::Gats12pw => PRIVILEGED_WRITE,
        Gr0::Gats1ur | Gr0::Gats12ur => USER_READ,
        Gr0::Gats1uw | Gr0::Gats12uw => USER_WRITE,
        Gr0::Gatsr => Effect::TranslateStatus,
        Gr0::Gpar => Effect::TranslateResult,
        Gr0::Scr1 | Gr0::Scr2 | Gr0::Sacr | Gr0::Idr0 | Gr0::Idr1 | Gr0::Idr2 | Gr0::Idr3 | Gr0::Idr4
        | Gr0::Idr5 | Gr0::Idr6 | Gr0::Idr7 | Gr0::Sgfar | Gr0::Sgfsynr0 | Gr0::Sgfsynr1 | Gr0::Sgfsynr2
        | Gr0::Stlbiall | Gr0::Dbgrptrtbu | Gr0::Dbgrdatatbu | Gr0::Dbgrptrtcu | Gr0::Dbgrdatatcu
        | Gr0::Stlbivalm | Gr0::Stlbivam | Gr0::Stlbiallm | Gr0::Nscr0 | Gr0::Nscr2 | Gr0::Nsacr | Gr0::Nsgfar
        | Gr0::Nsgfsr | Gr0::Nsgfsrrestore | Gr0::Nsgfsynr0 | Gr0::Nsgfsynr1 | Gr0::Nsgfsynr2 | Gr0::Nstlbgsync
        | Gr0::Nstlbgstatus | Gr0::Nsgats1ur | Gr0::Nsgats1uw | Gr0::Nsgats1pr | Gr0::Nsgats1pw
        | Gr0::Nsgats12ur | Gr0::Nsgats12uw | Gr0::Nsgats12pr | Gr0::Nsgats12pw | Gr0::Nsgpar | Gr0::Nsgatsr
        | Gr0::Smr | Gr0::S2cr | Gr0::Pidr4 | Gr0::Pidr5 | Gr0::Pidr6 | Gr0::Pidr7 | Gr0::Pidr0 | Gr0::Pidr1
        | Gr0::Pidr2 | Gr0::Pidr3 | Gr0::Cidr0 | Gr0::Cidr1 | Gr0::Cidr2 | Gr0::Cidr3 => Effect::None,
    }
}

#[rustfmt::skip]
fn context(register: Cb) -> Effect {
    match register {
        Cb::Sctlr => Effect::Control,
        Cb::Resume => Effect::Resume,
        Cb::Fsr => Effect::FaultStatus,
        Cb::Fsrrestore => Effect::FaultRestore,
        Cb::Tlbiva | Cb::Tlbivaa | Cb::Tlbiasid | Cb::Tlbiall | Cb::Tlbival | Cb::Tlbivaal | Cb::Tlbiipas2
        | Cb::Tlbiipas2l => Effect::Invalidate,
        Cb::Tlbsync => Effect::Sync,
        Cb::Tlbstatus => Effect::SyncStatus,
        Cb::Ats1pr => PRIVILEGED_READ,
        Cb::Ats1pw => PRIVILEGED_WRITE,
        Cb::Ats1ur => USER_READ,
        Cb::Ats1uw => USER_WRITE,
        Cb::Atsr => Effect::TranslateStatus,
        Cb::Par => Effect::TranslateResult,
        Cb::Actlr | Cb::Tcr2 | Cb::Ttbr0 | Cb::Ttbr1 | Cb::Tcr | Cb::Contextidr | Cb::Mair0 | Cb::Mair1 | Cb::Far
        | Cb::Fsynr0 | Cb::Fsynr1 | Cb::Ipafar | Cb::Pmevcntr | Cb::Pmevtyper | Cb::Pmcfgr | Cb::Pmcr
        | Cb::Pmceid | Cb::Pmcntenset | Cb::Pmcntenclr | Cb::Pmintenset | Cb::Pmintenclr | Cb::Pmovsclr
        | Cb::Pmovsset | Cb::Pmauthstatus => Effect::None,
    }
}

impl Smmu {
    /// What software reads from a register that holds `stored`.
    pub(crate) fn read_effect(&mut self, env: &dyn Env, target: Target, stored: u64) -> u64 {
        match effect(target) {
            Effect::SyncStatus => self.sync_status(env, target).into(),
            Effect::TranslateStatus => self.ats_status(env, target).into(),
            Effect::TranslateResult => self.ats_result(env, target, stored),
            Effect::FaultStatus => self.fault_status(target, stored),
            Effect::None
            | Effect::Control
            | Effect::BankAttributes
            | Effect::FaultRestore
            | Effect::Resume
            | Effect::Invalidate
            | Effect::Sync
            | Effect::Translate(_) => stored,
        }
    }

    /// Acts on a write that has been stored; `value` is what arrived, less the bits that do not exist.
    pub(crate) fn write_effect(&mut self, env: &mut dyn Env, target: Target, value: u64) {
        match effect(target) {
            Effect::Control => self.control_changed(env, target),
            Effect::BankAttributes => {
                if let Target::Gr1(_, bank) = target
                    && let Ok(bank) = u8::try_from(bank)
                {
                    self.release(env, bank, Release::Retry);
                }
            }
            Effect::FaultStatus => self.update_line(env, line_of(target), true),
            Effect::Resume => self.resume_written(env, target, value),
            Effect::FaultRestore => self.restore_faults(env, target, value),
            Effect::Sync => self.start_sync(env, target),
            Effect::Translate(intent) => self.ats(env, target, value, intent),
            Effect::TranslateResult => self.drop_ats_result(target),
            Effect::Invalidate => self.invalidate(env, target, value),
            Effect::None | Effect::SyncStatus | Effect::TranslateStatus => {}
        }
    }

    fn control_changed(&mut self, env: &mut dyn Env, target: Target) {
        self.update_line(env, line_of(target), true);
        match target {
            Target::Gr0(..) | Target::Gr1(..) => self.global_control_changed(env),
            Target::Cb(_, bank) => self.bank_control_changed(env, bank),
        }
    }

    /// RESUME.TnR: 0 is retry, 1 is terminate.
    fn resume_written(&mut self, env: &mut dyn Env, target: Target, value: u64) {
        if let Target::Cb(_, bank) = target {
            let release = if value & 1 == 1 {
                Release::Terminate
            } else {
                Release::Retry
            };
            self.release(env, bank, release);
        }
    }

    /// FORMAT of a bank follows its configuration at any time (IHI 0062D §3.5, [`Format`]).
    pub(crate) fn fault_status(&self, target: Target, stored: u64) -> u64 {
        match target {
            Target::Gr0(..) | Target::Gr1(..) => stored,
            Target::Cb(_, bank) => stored | u64::from(Format::in_fsr(self.registers.format(bank))),
        }
    }

    fn sync_status(&mut self, env: &dyn Env, target: Target) -> bool {
        let epoch = self.epoch();
        self.sync_of(target).is_some_and(|sync| sync.poll(env, &epoch))
    }

    fn start_sync(&mut self, env: &mut dyn Env, target: Target) {
        let barrier = self.epoch.barrier();
        let busy = match target {
            Target::Gr0(..) | Target::Gr1(..) => self.injector.busy(env, Site::GlobalSync, None),
            Target::Cb(_, bank) => self.injector.busy(env, Site::ContextSync, Some(bank)),
        };
        if let Some(sync) = self.sync_of(target) {
            *sync = Sync { busy, barrier };
        }
    }

    fn sync_of(&mut self, target: Target) -> Option<&mut Sync> {
        match target {
            Target::Gr0(..) | Target::Gr1(..) => Some(&mut self.global_sync),
            Target::Cb(_, bank) => self.operations_of(bank).map(|operations| &mut operations.sync),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the registers are 32 bits wide")]
    fn restore_faults(&mut self, env: &mut dyn Env, target: Target, value: u64) {
        let bits = value as u32;
        match target {
            Target::Gr0(..) | Target::Gr1(..) => {
                let faults = self.registers.global_faults() | GlobalFaults::from_bits_truncate(bits);
                self.registers.gr0.set(Gr0::Sgfsr, 0, faults.bits().into());
            }
            Target::Cb(_, bank) => {
                let faults = self.registers.context_faults(bank) | ContextFaults::from_bits_truncate(bits);
                self.registers.set_bank(bank, Cb::Fsr, faults.bits().into());
            }
        }
        self.update_line(env, line_of(target), true);
    }
}

/// The line that a register belongs to.
fn line_of(target: Target) -> Line {
    match target {
        Target::Gr0(..) | Target::Gr1(..) => Line::Global,
        Target::Cb(_, bank) => Line::Context(bank),
    }
}
