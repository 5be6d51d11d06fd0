// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register table of a context bank (IHI 0062D §16). The PM registers are a view of the group of event counters that
//! `PMCGCRn.CBAEN` assigns to the bank; RAZ/WI without one.

use super::bank::{Actlr, ContextFaults, Fsynr0, Sctlr};
use super::pm::{Pmcr, Pmevtyper};
use super::tcr::Tcr2;
use crate::spec::regs::frame;

/// All bits of a 32-bit register.
const WORD: u32 = u32::MAX;
/// One bit for every counter that a group can have.
const BANK_COUNTERS: u32 = 0x7fff;

frame! {
    /// The registers of a context bank.
    pub enum Cb {
        /// System control: translation on or off, fault handling, attributes.
        Sctlr "CBn_SCTLR" = 0x000, 4, Rw, write Sctlr::WRITE;
        /// Implementation-defined control.
        Actlr "CBn_ACTLR" = 0x004, 4, Rw, write Actlr::WRITE, reset Actlr::MMU_500.raw_value();
        /// Ends a stall: retry (0) or terminate (1).
        Resume "CBn_RESUME" = 0x008, 4, Wo, write 0x1;
        /// More translation control, stage 1 only.
        Tcr2 "CBn_TCR2" = 0x010, 4, Rw, write Tcr2::WRITE;
        /// Translation table base 0.
        Ttbr0 "CBn_TTBR0" = 0x020, 8, Rw, write u64::MAX;
        /// Translation table base 1.
        Ttbr1 "CBn_TTBR1" = 0x028, 8, Rw, write u64::MAX;
        /// Translation control.
        Tcr "CBn_TCR" = 0x030, 4, Rw, write WORD;
        /// Context identifier.
        Contextidr "CBn_CONTEXTIDR" = 0x034, 4, Rw, write WORD;
        /// Memory attributes 0 to 3; PRRR in the short format.
        Mair0 "CBn_MAIR0" = 0x038, 4, Rw, write WORD;
        /// Memory attributes 4 to 7; NMRR in the short format.
        Mair1 "CBn_MAIR1" = 0x03c, 4, Rw, write WORD;
        /// Result of an address translation operation.
        Par "CBn_PAR" = 0x050, 8, Rw, write u64::MAX;
        /// Fault status.
        Fsr "CBn_FSR" = 0x058, 4, W1c, write ContextFaults::CLEARABLE.bits();
        /// Sets bits of the fault status.
        Fsrrestore "CBn_FSRRESTORE" = 0x05c, 4, Wo, write ContextFaults::CLEARABLE.bits();
        /// Faulting address.
        Far "CBn_FAR" = 0x060, 8, Rw, write u64::MAX;
        /// Syndrome of the recorded fault.
        Fsynr0 "CBn_FSYNR0" = 0x068, 4, Rw, write Fsynr0::WRITE;
        /// Implementation-defined syndrome.
        Fsynr1 "CBn_FSYNR1" = 0x06c, 4, Rw;
        /// Intermediate address of a nested fault, stage 2 only.
        Ipafar "CBn_IPAFAR" = 0x070, 8, Rw, write u64::MAX;
        /// Invalidates TLB entries by address and ASID.
        Tlbiva "CBn_TLBIVA" = 0x600, 8, Wo, write u64::MAX;
        /// Invalidates TLB entries by address, all ASIDs.
        Tlbivaa "CBn_TLBIVAA" = 0x608, 8, Wo, write u64::MAX;
        /// Invalidates TLB entries by ASID.
        Tlbiasid "CBn_TLBIASID" = 0x610, 4, Wo, write 0xffff;
        /// Invalidates all TLB entries of the bank's VMID.
        Tlbiall "CBn_TLBIALL" = 0x618, 4, Wo, write WORD;
        /// Invalidates last-level TLB entries by address and ASID.
        Tlbival "CBn_TLBIVAL" = 0x620, 8, Wo, write u64::MAX;
        /// Invalidates last-level TLB entries by address, all ASIDs.
        Tlbivaal "CBn_TLBIVAAL" = 0x628, 8, Wo, write u64::MAX;
        /// Invalidates stage 2 TLB entries by intermediate address.
        Tlbiipas2 "CBn_TLBIIPAS2" = 0x630, 8, Wo, write u64::MAX;
        /// Invalidates last-level stage 2 TLB entries by intermediate address.
        Tlbiipas2l "CBn_TLBIIPAS2L" = 0x638, 8, Wo, write u64::MAX;
        /// Starts a TLB synchronisation of the bank.
        Tlbsync "CBn_TLBSYNC" = 0x7f0, 4, Wo, write WORD;
        /// Whether a TLB synchronisation of the bank is under way.
        Tlbstatus "CBn_TLBSTATUS" = 0x7f4, 4, Ro;
        /// Translates, privileged read.
        Ats1pr "CBn_ATS1PR" = 0x800, 8, Wo, write u64::MAX;
        /// Translates, privileged write.
        Ats1pw "CBn_ATS1PW" = 0x808, 8, Wo, write u64::MAX;
        /// Translates, unprivileged read.
        Ats1ur "CBn_ATS1UR" = 0x810, 8, Wo, write u64::MAX;
        /// Translates, unprivileged write.
        Ats1uw "CBn_ATS1UW" = 0x818, 8, Wo, write u64::MAX;
        /// Whether an address translation operation is under way.
        Atsr "CBn_ATSR" = 0x8f0, 4, Ro;
        /// Event counters of the group that is assigned to the bank.
        Pmevcntr "CBn_PMEVCNTRm" = 0xe00, 4 x 32, Rw, write WORD;
        /// Event types.
        Pmevtyper "CBn_PMEVTYPERm" = 0xe80, 4 x 32, Rw, write Pmevtyper::WRITE;
        /// Performance monitor configuration.
        Pmcfgr "CBn_PMCFGR" = 0xf00, 4, Ro;
        /// Performance monitor control.
        Pmcr "CBn_PMCR" = 0xf04, 4, Rw, write Pmcr::WRITE;
        /// Events that can be counted.
        Pmceid "CBn_PMCEID" = 0xf20, 4, Ro;
        /// Enables counters.
        Pmcntenset "CBn_PMCNTENSET" = 0xf40, 4, W1s, write BANK_COUNTERS;
        /// Disables counters.
        Pmcntenclr "CBn_PMCNTENCLR" = 0xf44, 4, W1c, write BANK_COUNTERS;
        /// Enables counter interrupts.
        Pmintenset "CBn_PMINTENSET" = 0xf48, 4, W1s, write BANK_COUNTERS;
        /// Disables counter interrupts.
        Pmintenclr "CBn_PMINTENCLR" = 0xf4c, 4, W1c, write BANK_COUNTERS;
        /// Clears counter overflows.
        Pmovsclr "CBn_PMOVSCLR" = 0xf50, 4, W1c, write BANK_COUNTERS;
        /// Sets counter overflows.
        Pmovsset "CBn_PMOVSSET" = 0xf58, 4, W1s, write BANK_COUNTERS;
        /// Performance monitor authentication.
        Pmauthstatus "CBn_PMAUTHSTATUS" = 0xfb8, 4, Ro;
    }
}
