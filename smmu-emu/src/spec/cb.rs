// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register table of a context bank (IHI 0062D §16). The PM registers are a view of the group of event counters that
//! `PMCGCRn.CBAEN` assigns to the bank; RAZ/WI without one.

use super::bank::{Actlr, ContextFaults, Fsynr0, Sctlr};
use super::effect::{AtsOperation, BankMaintenance};
use super::par::{ParFault, ParShort, ParSuccess};
use super::pm::{Pm, Pmcfgr, Pmcr, Pmevtyper};
use super::tcr::{Tcr2, Tcr32, Tcr64, TcrStage2};
use crate::spec::regs::frame;

/// All bits of a 32-bit register.
const WORD: u32 = u32::MAX;
/// One bit for every counter that a group can have.
const BANK_COUNTERS: u32 = 0x7fff;

frame! {
    /// The registers of a context bank.
    pub enum Cb {
        /// System control: translation on or off, fault handling, attributes.
        Sctlr "CBn_SCTLR" = 0x000, 4, Rw, as Sctlr, effect Control;
        /// Implementation-defined control.
        Actlr "CBn_ACTLR" = 0x004, 4, Rw, as Actlr, needs MMU_500;
        /// Ends a stall: retry (0) or terminate (1).
        Resume "CBn_RESUME" = 0x008, 4, Wo, write 0x1, effect Resume;
        /// More translation control, stage 1 only.
        Tcr2 "CBn_TCR2" = 0x010, 4, Rw, as Tcr2, needs VERSION_2 and STAGE_1;
        /// Translation table base 0.
        Ttbr0 "CBn_TTBR0" = 0x020, 8, Rw, write u64::MAX;
        /// Translation table base 1.
        Ttbr1 "CBn_TTBR1" = 0x028, 8, Rw, write u64::MAX, needs STAGE_1;
        /// Translation control.
        Tcr "CBn_TCR" = 0x030, 4, Rw, as TcrStage2 or Tcr64 or Tcr32, write WORD;
        /// Context identifier.
        ContextIdr "CBn_CONTEXTIDR" = 0x034, 4, Rw, write WORD, needs STAGE_1;
        /// Memory attributes 0 to 3; PRRR in the short format.
        Mair0 "CBn_MAIR0" = 0x038, 4, Rw, write WORD, needs STAGE_1;
        /// Memory attributes 4 to 7; NMRR in the short format.
        Mair1 "CBn_MAIR1" = 0x03c, 4, Rw, write WORD, needs STAGE_1;
        /// Result of an address translation operation.
        Par "CBn_PAR" = 0x050, 8, Rw, as ParFault or ParShort or ParSuccess, write u64::MAX,
            needs ATS and STAGE_1, effect TranslateResult;
        /// Fault status.
        Fsr "CBn_FSR" = 0x058, 4, W1c, as ContextFaults, effect FaultStatus;
        /// Sets bits of the fault status.
        FsrRestore "CBn_FSRRESTORE" = 0x05c, 4, Wo, as ContextFaults, effect FaultRestore;
        /// Faulting address.
        Far "CBn_FAR" = 0x060, 8, Rw, write u64::MAX;
        /// Syndrome of the recorded fault.
        Fsynr0 "CBn_FSYNR0" = 0x068, 4, Rw, as Fsynr0;
        /// Implementation-defined syndrome.
        Fsynr1 "CBn_FSYNR1" = 0x06c, 4, Rw;
        /// Intermediate address of a nested fault, stage 2 only.
        Ipafar "CBn_IPAFAR" = 0x070, 8, Rw, write u64::MAX;
        /// Invalidates TLB entries by address and ASID.
        TlbiVa "CBn_TLBIVA" = 0x600, 8, Wo, write u64::MAX, needs STAGE_1,
            effect InvalidateBank(BankMaintenance::Address { any_asid: false, last_level: false });
        /// Invalidates TLB entries by address, all ASIDs.
        TlbiVaa "CBn_TLBIVAA" = 0x608, 8, Wo, write u64::MAX, needs STAGE_1,
            effect InvalidateBank(BankMaintenance::Address { any_asid: true, last_level: false });
        /// Invalidates TLB entries by ASID.
        TlbiAsid "CBn_TLBIASID" = 0x610, 4, Wo, write 0xffff, needs STAGE_1,
            effect InvalidateBank(BankMaintenance::Asid);
        /// Invalidates all TLB entries of the bank's VMID.
        TlbiAll "CBn_TLBIALL" = 0x618, 4, Wo, write WORD, effect InvalidateBank(BankMaintenance::All);
        /// Invalidates last-level TLB entries by address and ASID.
        TlbiVal "CBn_TLBIVAL" = 0x620, 8, Wo, write u64::MAX, needs STAGE_1,
            effect InvalidateBank(BankMaintenance::Address { any_asid: false, last_level: true });
        /// Invalidates last-level TLB entries by address, all ASIDs.
        TlbiVaal "CBn_TLBIVAAL" = 0x628, 8, Wo, write u64::MAX, needs STAGE_1,
            effect InvalidateBank(BankMaintenance::Address { any_asid: true, last_level: true });
        /// Invalidates stage 2 TLB entries by intermediate address.
        TlbiIpas2 "CBn_TLBIIPAS2" = 0x630, 8, Wo, write u64::MAX, needs VERSION_2,
            effect InvalidateBank(BankMaintenance::Intermediate { last_level: false });
        /// Invalidates last-level stage 2 TLB entries by intermediate address.
        TlbiIpas2L "CBn_TLBIIPAS2L" = 0x638, 8, Wo, write u64::MAX, needs VERSION_2,
            effect InvalidateBank(BankMaintenance::Intermediate { last_level: true });
        /// Starts a TLB synchronisation of the bank.
        TlbSync "CBn_TLBSYNC" = 0x7f0, 4, Wo, write WORD, effect Sync;
        /// Whether a TLB synchronisation of the bank is under way.
        TlbStatus "CBn_TLBSTATUS" = 0x7f4, 4, Ro, effect SyncStatus;
        /// Translates, privileged read.
        Ats1Pr "CBn_ATS1PR" = 0x800, 8, Wo, write u64::MAX, needs ATS and STAGE_1,
            effect Translate(AtsOperation::PRIVILEGED_READ);
        /// Translates, privileged write.
        Ats1Pw "CBn_ATS1PW" = 0x808, 8, Wo, write u64::MAX, needs ATS and STAGE_1,
            effect Translate(AtsOperation::PRIVILEGED_WRITE);
        /// Translates, unprivileged read.
        Ats1Ur "CBn_ATS1UR" = 0x810, 8, Wo, write u64::MAX, needs ATS and STAGE_1,
            effect Translate(AtsOperation::USER_READ);
        /// Translates, unprivileged write.
        Ats1Uw "CBn_ATS1UW" = 0x818, 8, Wo, write u64::MAX, needs ATS and STAGE_1,
            effect Translate(AtsOperation::USER_WRITE);
        /// Whether an address translation operation is under way.
        Atsr "CBn_ATSR" = 0x8f0, 4, Ro, needs ATS and STAGE_1, effect TranslateStatus;
        /// Event counters of the group that is assigned to the bank.
        PmEvCntr "CBn_PMEVCNTRm" = 0xe00, 4 x 32, Rw, write WORD, needs MONITOR, effect CounterView(Pm::PmEvCntr);
        /// Event types.
        PmEvTyper "CBn_PMEVTYPERm" = 0xe80, 4 x 32, Rw, as Pmevtyper, needs MONITOR, effect CounterView(Pm::PmEvTyper);
        /// Performance monitor configuration.
        PmCfgr "CBn_PMCFGR" = 0xf00, 4, Ro, as Pmcfgr, needs MONITOR, effect CounterView(Pm::PmCfgr);
        /// Performance monitor control.
        Pmcr "CBn_PMCR" = 0xf04, 4, Rw, as Pmcr, needs MONITOR, effect CounterView(Pm::Pmcr);
        /// Events that can be counted.
        PmCeid "CBn_PMCEID" = 0xf20, 4, Ro, needs MONITOR, effect CounterView(Pm::PmCeid0);
        /// Enables counters.
        PmCntEnSet "CBn_PMCNTENSET" = 0xf40, 4, W1s, write BANK_COUNTERS, needs MONITOR,
            effect CounterView(Pm::PmCntEnSet);
        /// Disables counters.
        PmCntEnClr "CBn_PMCNTENCLR" = 0xf44, 4, W1c, write BANK_COUNTERS, needs MONITOR,
            effect CounterView(Pm::PmCntEnClr);
        /// Enables counter interrupts.
        PmIntEnSet "CBn_PMINTENSET" = 0xf48, 4, W1s, write BANK_COUNTERS, needs MONITOR,
            effect CounterView(Pm::PmIntEnSet);
        /// Disables counter interrupts.
        PmIntEnClr "CBn_PMINTENCLR" = 0xf4c, 4, W1c, write BANK_COUNTERS, needs MONITOR,
            effect CounterView(Pm::PmIntEnClr);
        /// Clears counter overflows.
        PmOvsClr "CBn_PMOVSCLR" = 0xf50, 4, W1c, write BANK_COUNTERS, needs MONITOR, effect CounterView(Pm::PmOvsClr);
        /// Sets counter overflows.
        PmOvsSet "CBn_PMOVSSET" = 0xf58, 4, W1s, write BANK_COUNTERS, needs MONITOR, effect CounterView(Pm::PmOvsSet);
        /// Performance monitor authentication.
        PmAuthStatus "CBn_PMAUTHSTATUS" = 0xfb8, 4, Ro, needs MONITOR, effect CounterView(Pm::PmAuthStatus);
    }
}
