// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Fault records: how a fault shows in the registers and on the lines (IHI 0062D §3.5, §3.7).

use arbitrary_int::traits::Integer;
use arbitrary_int::u2;

use crate::arch::fault::{ContextCause, ContextFault, Fault, GlobalCause, GlobalFault};
use crate::arch::line::Line;
use crate::arch::response::Response;
use crate::arch::transaction::{BankAccess, Origin, Transaction};
use crate::device::bank_state::Disposition;
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::Host;
use crate::host::events::{Event, Recorded};
use crate::spec::bank::{ContextFaults, Fsynr0};
use crate::spec::cb::Cb;
use crate::spec::global::{Gfsynr0, Gfsynr1, GlobalFaults};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{BankType, Cbfrsynra, Gr1};
use crate::translate::translator::context_fault;
use crate::translate::walk::WalkFault;

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

impl Smmu {
    /// The context fault of an access whose walk faulted.
    pub(crate) fn context_fault(&self, access: &BankAccess, fault: WalkFault) -> ContextFault {
        context_fault(access, self.stage2_bank(access.bank), fault)
    }

    /// Records a client's fault and says what the client sees.
    pub(crate) fn record(&mut self, host: &mut dyn Host, access: &BankAccess, fault: &Fault) -> Response {
        let (bank, disposition) = match fault {
            Fault::Global(fault) => {
                self.record_global(host, fault, Origin::Client);
                return Response::for_fault(self.registers.scr0().gfre());
            }
            Fault::Context(fault) => (fault.bank, self.record_context(host, fault, Origin::Client)),
            Fault::Blocked { bank } => (*bank, Disposition::Terminate),
            Fault::Waiting { bank } => (*bank, Disposition::Wait),
        };
        match disposition {
            Disposition::Terminate => Response::for_fault(self.registers.sctlr(bank).cfre()),
            Disposition::Stall => Response::Stall(self.stalls.begin(bank, *access, true)),
            Disposition::Wait => Response::Stall(self.stalls.begin(bank, *access, false)),
        }
    }

    /// Records a global fault; one that finds another recorded only sets MULTI.
    pub(crate) fn record_global(&mut self, host: &mut dyn Host, fault: &GlobalFault, origin: Origin) {
        let recorded = self.registers.global_faults();
        let gr0 = &mut self.registers.gr0;
        if recorded.is_empty() {
            let Transaction {
                stream_id,
                address,
                intent,
            } = fault.transaction;
            let syndrome = Gfsynr0::ZERO
                .with_ats(origin == Origin::Operation)
                .with_ind(intent.instruction)
                .with_pnu(intent.privileged)
                .with_wnr(intent.write)
                .with_nested(fault.nested);
            let stream = Gfsynr1::ZERO.with_streamid(stream_id);
            gr0.set(Gr0::SGfsr, 0, fault.cause.bit().bits().into());
            gr0.set(Gr0::SGfar, 0, address);
            gr0.set(Gr0::SGfsynr0, 0, syndrome.raw_value().into());
            gr0.set(Gr0::SGfsynr1, 0, stream.raw_value().into());
        } else {
            gr0.set(Gr0::SGfsr, 0, (recorded | GlobalFaults::MULTI).bits().into());
        }
        emit(host, || {
            Event::Fault(Recorded {
                fault: Fault::Global(*fault),
                origin,
                multiple: !recorded.is_empty(),
                stalled: false,
            })
        });
        self.update_line(host, Line::Global, false);
    }

    /// Records a context fault, and says what becomes of the transaction.
    pub(crate) fn record_context(
        &mut self,
        host: &mut dyn Host,
        fault: &ContextFault,
        origin: Origin,
    ) -> Disposition {
        let bank = fault.bank;
        let control = self.bank_control(bank);
        let recorded = control.faults;
        let (disposition, faults) = control.fault(fault.cause.bit());
        if disposition == Disposition::Wait {
            return disposition;
        }
        // The bank may now hold up transactions that would translate.
        self.epoch.advance();
        self.registers.set_bank(bank, Cb::Fsr, faults.bits().into());
        if recorded.is_empty() {
            self.record_syndrome(fault, origin);
        }
        emit(host, || {
            Event::Fault(Recorded {
                fault: Fault::Context(*fault),
                origin,
                multiple: !recorded.is_empty(),
                stalled: disposition == Disposition::Stall,
            })
        });
        self.update_line(host, self.line_of(bank), false);
        disposition
    }

    /// FSYNR0.S1CBNDX of a fault that is none of a nested translation: UNKNOWN in a stage 1 bank.
    fn unknown_s1cbndx(&self, bank: u8) -> u8 {
        match self.registers.cbar(bank).kind() {
            BankType::Stage2 => 0,
            BankType::Stage1 | BankType::Stage1WithFault | BankType::Nested => self.geometry.s1cbndx.of(bank),
        }
    }

    fn record_syndrome(&mut self, fault: &ContextFault, origin: Origin) {
        let ContextFault {
            bank,
            cause,
            level,
            nested,
            intent,
            transaction,
        } = *fault;
        let syndrome = Fsynr0::ZERO
            .with_s1cbndx(nested.map_or_else(|| self.unknown_s1cbndx(bank), |nested| nested.stage1_bank))
            .with_ptwf(cause == ContextCause::ExternalOnWalk)
            .with_atof(origin == Origin::Operation)
            .with_nsattr(self.geometry.is_version_1())
            .with_nsstate(self.geometry.is_version_1())
            .with_ind(intent.instruction)
            .with_pnu(intent.privileged)
            .with_wnr(intent.write)
            .with_s1ptwf(nested.is_some_and(|nested| nested.stage1_walk))
            .with_nested(nested.is_some())
            .with_plvl(u2::masked_new(level));
        self.registers.set_bank(bank, Cb::Far, transaction.address);
        self.registers
            .set_bank(bank, Cb::Fsynr0, syndrome.raw_value().into());
        if let Some(nested) = nested {
            self.registers.set_bank(bank, Cb::Ipafar, nested.ipa & !0xfff);
        }
        // An operation has no stream.
        if origin == Origin::Client {
            let stream = Cbfrsynra::ZERO.with_streamid(transaction.stream_id);
            let gr1 = &mut self.registers.gr1;
            gr1.set(Gr1::CbFrsynrA, bank.into(), stream.raw_value().into());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
