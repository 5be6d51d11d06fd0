// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults: what can go wrong with a transaction, and how it shows in the registers.
//!
//! | fault | when | bit | IHI 0062D |
//! | --- | --- | --- | --- |
//! | [`GlobalCause::UnidentifiedStream`] | no group matches the stream ID, `sCR0.USFCFG` | sGFSR.USF | §2.4.2 |
//! | [`GlobalCause::StreamMatchConflict`] | several do, `sCR0.SMCFCFG` | sGFSR.SMCF | §2.4.2 |
//! | [`GlobalCause::UnimplementedBank`] | S2CR or CBAR names a bank that does not exist | sGFSR.UCBF | §3.8.4 |
//! | [`GlobalCause::InvalidContext`] | S2CR.TYPE is fault or reserved; CBAR.TYPE cannot be used | sGFSR.ICF | §3.8.4 |
//! | [`ContextCause::Translation`] | nothing mapped, address out of range, walks disabled | FSR.TF | §3.5 |
//! | [`ContextCause::AddressSize`] | TTBR, table or output beyond the output size | FSR.ASF | Tables 3-3, 3-4 |
//! | [`ContextCause::AccessFlag`] | AF clear, unless `SCTLR.AFFD` | FSR.AFF | §3.5 |
//! | [`ContextCause::Permission`] | the mapping or a table above it forbids the access | FSR.PF | §3.5 |
//! | [`ContextCause::ExternalOnWalk`] | memory does not answer a walk | FSR.EF, FSYNR0.PTWF | §3.5 |
//! | [`Fault::Blocked`] | a fault is recorded and `SCTLR.HUPCF` = 0 | none | §3.7.3 |

use arbitrary_int::traits::Integer;
use arbitrary_int::u2;

use crate::Smmu;
use crate::env::{Env, Line};
use crate::spec::bank::{ContextFaults, Fsynr0};
use crate::spec::cb::Cb;
use crate::spec::global::{Gfsynr0, Gfsynr1, GlobalFaults};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{Cbfrsynra, Gr1};
use crate::translate::{Intent, Response, Transaction};

/// Why a transaction is not translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before any context bank.
    Global(GlobalFault),
    /// In a context bank.
    Context(ContextFault),
    /// A context bank still holds an earlier fault; nothing is recorded.
    Blocked {
        /// The bank.
        bank: u8,
    },
}

/// A fault that sGFSR records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalFault {
    /// The fault.
    pub cause: GlobalCause,
    /// `sGFSYNR0.Nested`.
    pub nested: bool,
    /// The transaction as it arrived; its attributes are recorded without S2CR's overrides.
    pub transaction: Transaction,
}

/// Kinds of global faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GlobalCause {
    /// USF: the stream ID matches no group.
    UnidentifiedStream,
    /// SMCF: it matches several.
    StreamMatchConflict,
    /// UCBF: the context bank does not exist.
    UnimplementedBank,
    /// ICF: the stream is to fault, or the bank's type cannot be used.
    InvalidContext,
}

/// A fault that the FSR of a context bank records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextFault {
    /// The bank.
    pub bank: u8,
    /// The fault.
    pub cause: ContextCause,
    /// Level of the walk, 0 to 3 (PLVL).
    pub level: u32,
    /// The access after S2CR's overrides.
    pub intent: Intent,
    /// The transaction as it arrived.
    pub transaction: Transaction,
}

/// Kinds of context faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextCause {
    /// TF: nothing is mapped there.
    Translation,
    /// ASF: an address does not fit into the output size.
    AddressSize,
    /// AFF: the access flag is clear.
    AccessFlag,
    /// PF: the mapping does not permit the access.
    Permission,
    /// EF: memory did not answer a table walk.
    ExternalOnWalk,
}

impl GlobalCause {
    /// The bit of sGFSR.
    const fn bit(self) -> GlobalFaults {
        match self {
            Self::UnidentifiedStream => GlobalFaults::USF,
            Self::StreamMatchConflict => GlobalFaults::SMCF,
            Self::UnimplementedBank => GlobalFaults::UCBF,
            Self::InvalidContext => GlobalFaults::ICF,
        }
    }
}

impl ContextCause {
    /// The bit of FSR; PAR has the same ones.
    pub(crate) const fn bit(self) -> ContextFaults {
        match self {
            Self::Translation => ContextFaults::TF,
            Self::AddressSize => ContextFaults::ASF,
            Self::AccessFlag => ContextFaults::AFF,
            Self::Permission => ContextFaults::PF,
            Self::ExternalOnWalk => ContextFaults::EF,
        }
    }
}

impl From<GlobalFault> for Fault {
    fn from(fault: GlobalFault) -> Self {
        Self::Global(fault)
    }
}

impl Smmu {
    /// Records a fault and says what the client sees. A fault that finds another one recorded only sets MULTI.
    pub(crate) fn record(&mut self, env: &mut dyn Env, fault: &Fault) -> Response {
        match fault {
            Fault::Global(fault) => {
                self.record_global(fault);
                self.update_line(env, Line::Global, false);
                Response::for_fault(self.registers.scr0().gfre())
            }
            Fault::Context(fault) => {
                self.record_context(fault);
                self.update_line(env, Line::Context(fault.bank), false);
                Response::for_fault(self.registers.sctlr(fault.bank).cfre())
            }
            Fault::Blocked { bank } => Response::for_fault(self.registers.sctlr(*bank).cfre()),
        }
    }

    fn record_global(&mut self, fault: &GlobalFault) {
        let recorded = self.registers.global_faults();
        let gr0 = &mut self.registers.gr0;
        if !recorded.is_empty() {
            gr0.set(Gr0::Sgfsr, 0, (recorded | GlobalFaults::MULTI).bits().into());
            return;
        }
        let Transaction {
            stream_id,
            address,
            intent,
        } = fault.transaction;
        let syndrome = Gfsynr0::ZERO
            .with_ind(intent.instruction)
            .with_pnu(intent.privileged)
            .with_wnr(intent.write)
            .with_nested(fault.nested);
        gr0.set(Gr0::Sgfsr, 0, fault.cause.bit().bits().into());
        gr0.set(Gr0::Sgfar, 0, address);
        gr0.set(Gr0::Sgfsynr0, 0, syndrome.raw_value().into());
        gr0.set(
            Gr0::Sgfsynr1,
            0,
            Gfsynr1::ZERO.with_streamid(stream_id).raw_value().into(),
        );
    }

    /// Only HUPCF lets a transaction come this far while a fault is recorded, so MULTI is set under HUPCF alone
    /// (§3.7.3; the prose of §3.5 has no such condition).
    fn record_context(&mut self, fault: &ContextFault) {
        let ContextFault {
            bank,
            cause,
            level,
            intent,
            transaction,
        } = *fault;
        let recorded = self.registers.context_faults(bank);
        if !recorded.is_empty() {
            self.registers
                .set_bank(bank, Cb::Fsr, (recorded | ContextFaults::MULTI).bits().into());
            return;
        }
        let syndrome = Fsynr0::ZERO
            .with_ptwf(cause == ContextCause::ExternalOnWalk)
            .with_ind(intent.instruction)
            .with_pnu(intent.privileged)
            .with_wnr(intent.write)
            .with_plvl(u2::masked_new(level));
        let stream = Cbfrsynra::ZERO.with_streamid(transaction.stream_id);
        self.registers.set_bank(bank, Cb::Fsr, cause.bit().bits().into());
        self.registers.set_bank(bank, Cb::Far, transaction.address);
        self.registers
            .set_bank(bank, Cb::Fsynr0, syndrome.raw_value().into());
        self.registers
            .gr1
            .set(Gr1::Cbfrsynra, bank.into(), stream.raw_value().into());
    }

    /// The level that a line should have: a fault is recorded and may interrupt. MULTI counts, SS does not.
    pub(crate) fn level(&self, line: Line) -> bool {
        match line {
            Line::Global => {
                let (scr0, faults) = (self.registers.scr0(), self.registers.global_faults());
                let configuration = faults.contains(GlobalFaults::CAF);
                let other = !faults.difference(GlobalFaults::CAF).is_empty();
                (scr0.gfie() && other) || (scr0.gcfgfie() && configuration)
            }
            Line::Context(bank) => {
                let faults = self.registers.context_faults(bank).difference(ContextFaults::SS);
                self.registers.sctlr(bank).cfie() && !faults.is_empty()
            }
        }
    }

    /// Tells the environment about a line whose level changed, or that is high and `again` is set.
    pub(crate) fn update_line(&mut self, env: &mut dyn Env, line: Line, again: bool) {
        let level = self.level(line);
        let Some(last) = self.lines.get_mut(line) else {
            return;
        };
        if *last != level || (again && level) {
            *last = level;
            env.set_line(line, level);
        }
    }
}
