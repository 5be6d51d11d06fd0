// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register table of global space 0 (IHI 0062D §9).
//!
//! Registers that only Secure software sees are marked, and RAZ/WI to others. The contents of sACR and offsets 0x080 to
//! 0x08c are MMU-500's.

use super::effect::{AtsOperation, Maintenance};
use super::global::{Gats, Gfsynr0, Gfsynr1, GlobalFaults, S2cr, Sacr, Scr0, Scr2, Smr};
use super::ident::{Idr0, Idr1, Idr2, Idr7};
use super::secure::Scr1;
use crate::spec::regs::frame;

/// All bits of a 32-bit register.
const WORD: u32 = u32::MAX;

frame! {
    /// The registers of global space 0.
    pub enum Gr0 {
        /// Global configuration.
        Scr0 "sCR0" = 0x000, 4, Rw, as Scr0, banked in SECURE, effect Control;
        /// Secure configuration.
        Scr1 "SCR1" = 0x004, 4, Rw in SECURE, as Scr1;
        /// More global configuration.
        Scr2 "sCR2" = 0x008, 4, Rw, as Scr2, banked in SECURE;
        /// Implementation-defined configuration.
        Sacr "sACR" = 0x010, 4, Rw, as Sacr, needs MMU_500, banked in SECURE;
        /// Translation stages, stream matching, formats.
        Idr0 "IDR0" = 0x020, 4, Ro, as Idr0, effect Identification;
        /// Address map and context banks.
        Idr1 "IDR1" = 0x024, 4, Ro, as Idr1, effect Identification;
        /// Address sizes and AArch64 formats.
        Idr2 "IDR2" = 0x028, 4, Ro, as Idr2;
        /// Reserved identification.
        Idr3 "IDR3" = 0x02c, 4, Ro;
        /// Reserved identification.
        Idr4 "IDR4" = 0x030, 4, Ro;
        /// Reserved identification.
        Idr5 "IDR5" = 0x034, 4, Ro;
        /// Reserved identification.
        Idr6 "IDR6" = 0x038, 4, Ro;
        /// Revision of the implementation.
        Idr7 "IDR7" = 0x03c, 4, Ro, as Idr7;
        /// Address of the first global fault.
        SGfar "sGFAR" = 0x040, 8, Rw, write u64::MAX, banked in SECURE;
        /// Global fault status.
        SGfsr "sGFSR" = 0x048, 4, W1c, as GlobalFaults, banked in SECURE, effect FaultStatus;
        /// Sets bits of the global fault status.
        SGfsrRestore "sGFSRRESTORE" = 0x04c, 4, Wo, as GlobalFaults, banked in SECURE, effect FaultRestore;
        /// Syndrome of the first global fault.
        SGfsynr0 "sGFSYNR0" = 0x050, 4, Rw, as Gfsynr0, banked in SECURE;
        /// Stream of the first global fault.
        SGfsynr1 "sGFSYNR1" = 0x054, 4, Rw, as Gfsynr1, banked in SECURE;
        /// Implementation-defined syndrome.
        SGfsynr2 "sGFSYNR2" = 0x058, 4, Rw, banked in SECURE;
        /// Invalidates all Secure TLB entries.
        STlbiAll "STLBIALL" = 0x060, 4, Wo in SECURE, write WORD;
        /// Invalidates TLB entries by VMID.
        TlbiVmid "TLBIVMID" = 0x064, 4, Wo, write 0xffff, effect Invalidate(Maintenance::Vmid);
        /// Invalidates all Non-secure non-hypervisor TLB entries.
        TlbiAllNsnh "TLBIALLNSNH" = 0x068, 4, Wo, write WORD, effect Invalidate(Maintenance::NonHypervisor);
        /// Invalidates all hypervisor TLB entries.
        TlbiAllH "TLBIALLH" = 0x06c, 4, Wo, write WORD, effect Invalidate(Maintenance::Hypervisor);
        /// Starts a global TLB synchronisation.
        STlbGSync "sTLBGSYNC" = 0x070, 4, Wo, write WORD, banked in SECURE, effect Sync;
        /// Whether a global TLB synchronisation is under way.
        STlbGStatus "sTLBGSTATUS" = 0x074, 4, Ro, banked in SECURE, effect SyncStatus;
        /// Invalidates hypervisor TLB entries by a 32-bit address.
        TlbiVaH "TLBIVAH" = 0x078, 4, Wo, write WORD, effect Invalidate(Maintenance::HypervisorAddress32);
        /// TLB debug read pointer of a TBU.
        DbgrPtrTbu "DBGRPTRTBU" = 0x080, 4, Raz;
        /// TLB debug data of a TBU.
        DbgrDataTbu "DBGRDATATBU" = 0x084, 4, Raz;
        /// TLB debug read pointer of the TCU.
        DbgrPtrTcu "DBGRPTRTCU" = 0x088, 4, Raz;
        /// TLB debug data of the TCU.
        DbgrDataTcu "DBGRDATATCU" = 0x08c, 4, Raz;
        /// Invalidates last-level Secure monitor TLB entries by address.
        STlbiValM "STLBIVALM" = 0x0a0, 8, Wo in SECURE, write u64::MAX;
        /// Invalidates Secure monitor TLB entries by address.
        STlbiVaM "STLBIVAM" = 0x0a8, 8, Wo in SECURE, write u64::MAX;
        /// Invalidates last-level hypervisor TLB entries by a 64-bit address.
        TlbiValH64 "TLBIVALH64" = 0x0b0, 8, Wo, write u64::MAX,
            effect Invalidate(Maintenance::HypervisorAddress64 { last_level: true });
        /// Invalidates stage 1 TLB entries by VMID.
        TlbiVmidS1 "TLBIVMIDS1" = 0x0b8, 4, Wo, write 0xffff, effect Invalidate(Maintenance::VmidStage1);
        /// Invalidates all Secure monitor TLB entries.
        STlbiAllM "STLBIALLM" = 0x0bc, 4, Wo in SECURE, write WORD;
        /// Invalidates hypervisor TLB entries by a 64-bit address.
        TlbiVaH64 "TLBIVAH64" = 0x0c0, 8, Wo, write u64::MAX,
            effect Invalidate(Maintenance::HypervisorAddress64 { last_level: false });
        /// Translates through stage 1, unprivileged read.
        Gats1Ur "GATS1UR" = 0x100, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::USER_READ);
        /// Translates through stage 1, unprivileged write.
        Gats1Uw "GATS1UW" = 0x108, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::USER_WRITE);
        /// Translates through stage 1, privileged read.
        Gats1Pr "GATS1PR" = 0x110, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::PRIVILEGED_READ);
        /// Translates through stage 1, privileged write.
        Gats1Pw "GATS1PW" = 0x118, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::PRIVILEGED_WRITE);
        /// Translates through both stages, unprivileged read.
        Gats12Ur "GATS12UR" = 0x120, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::USER_READ.through_both_stages());
        /// Translates through both stages, unprivileged write.
        Gats12Uw "GATS12UW" = 0x128, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::USER_WRITE.through_both_stages());
        /// Translates through both stages, privileged read.
        Gats12Pr "GATS12PR" = 0x130, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::PRIVILEGED_READ.through_both_stages());
        /// Translates through both stages, privileged write.
        Gats12Pw "GATS12PW" = 0x138, 8, Wo, as Gats, write u64::MAX, needs ATS, banked in SECURE,
            effect Translate(AtsOperation::PRIVILEGED_WRITE.through_both_stages());
        /// Result of a global address translation operation.
        Gpar "GPAR" = 0x180, 8, Rw, write u64::MAX, needs ATS, banked in SECURE, effect TranslateResult;
        /// Whether a global address translation operation is under way.
        Gatsr "GATSR" = 0x188, 4, Ro, needs ATS, banked in SECURE, effect TranslateStatus;
        /// Secure alias of sCR0.
        NsCr0 "NSCR0" = 0x400, 4, Rw in SECURE, alias of Scr0;
        /// Secure alias of sCR2.
        NsCr2 "NSCR2" = 0x408, 4, Rw in SECURE, alias of Scr2;
        /// Secure alias of sACR.
        NsAcr "NSACR" = 0x410, 4, Rw in SECURE, alias of Sacr;
        /// Secure alias of sGFAR.
        NsGfar "NSGFAR" = 0x440, 8, Rw in SECURE, alias of SGfar;
        /// Secure alias of sGFSR.
        NsGfsr "NSGFSR" = 0x448, 4, W1c in SECURE, alias of SGfsr;
        /// Secure alias of sGFSRRESTORE.
        NsGfsrRestore "NSGFSRRESTORE" = 0x44c, 4, Wo in SECURE, alias of SGfsrRestore;
        /// Secure alias of sGFSYNR0.
        NsGfsynr0 "NSGFSYNR0" = 0x450, 4, Rw in SECURE, alias of SGfsynr0;
        /// Secure alias of sGFSYNR1.
        NsGfsynr1 "NSGFSYNR1" = 0x454, 4, Rw in SECURE, alias of SGfsynr1;
        /// Secure alias of sGFSYNR2.
        NsGfsynr2 "NSGFSYNR2" = 0x458, 4, Rw in SECURE, alias of SGfsynr2;
        /// Secure alias of sTLBGSYNC.
        NsTlbGSync "NSTLBGSYNC" = 0x470, 4, Wo in SECURE, alias of STlbGSync;
        /// Secure alias of sTLBGSTATUS.
        NsTlbGStatus "NSTLBGSTATUS" = 0x474, 4, Ro in SECURE, alias of STlbGStatus;
        /// Secure alias of GATS1UR.
        NsGats1Ur "NSGATS1UR" = 0x500, 8, Wo in SECURE, alias of Gats1Ur;
        /// Secure alias of GATS1UW.
        NsGats1Uw "NSGATS1UW" = 0x508, 8, Wo in SECURE, alias of Gats1Uw;
        /// Secure alias of GATS1PR.
        NsGats1Pr "NSGATS1PR" = 0x510, 8, Wo in SECURE, alias of Gats1Pr;
        /// Secure alias of GATS1PW.
        NsGats1Pw "NSGATS1PW" = 0x518, 8, Wo in SECURE, alias of Gats1Pw;
        /// Secure alias of GATS12UR.
        NsGats12Ur "NSGATS12UR" = 0x520, 8, Wo in SECURE, alias of Gats12Ur;
        /// Secure alias of GATS12UW.
        NsGats12Uw "NSGATS12UW" = 0x528, 8, Wo in SECURE, alias of Gats12Uw;
        /// Secure alias of GATS12PR.
        NsGats12Pr "NSGATS12PR" = 0x530, 8, Wo in SECURE, alias of Gats12Pr;
        /// Secure alias of GATS12PW.
        NsGats12Pw "NSGATS12PW" = 0x538, 8, Wo in SECURE, alias of Gats12Pw;
        /// Secure alias of GPAR.
        NsGpar "NSGPAR" = 0x580, 8, Rw in SECURE, alias of Gpar;
        /// Secure alias of GATSR.
        NsGatsr "NSGATSR" = 0x588, 4, Ro in SECURE, alias of Gatsr;
        /// Stream match of group n. The architecture has 128; Qualcomm's parts have more.
        Smr "SMRn" = 0x800, 4 x 244, Rw, as Smr;
        /// Stream to context of group n.
        S2cr "S2CRn" = 0xc00, 4 x 244, Rw, as S2cr;
        /// Peripheral identification 4.
        Pidr4 "PIDR4" = 0xfd0, 4, Ro;
        /// Peripheral identification 5.
        Pidr5 "PIDR5" = 0xfd4, 4, Ro;
        /// Peripheral identification 6.
        Pidr6 "PIDR6" = 0xfd8, 4, Ro;
        /// Peripheral identification 7.
        Pidr7 "PIDR7" = 0xfdc, 4, Ro;
        /// Peripheral identification 0.
        Pidr0 "PIDR0" = 0xfe0, 4, Ro;
        /// Peripheral identification 1.
        Pidr1 "PIDR1" = 0xfe4, 4, Ro;
        /// Peripheral identification 2.
        Pidr2 "PIDR2" = 0xfe8, 4, Ro;
        /// Peripheral identification 3.
        Pidr3 "PIDR3" = 0xfec, 4, Ro;
        /// Component identification 0.
        Cidr0 "CIDR0" = 0xff0, 4, Ro;
        /// Component identification 1.
        Cidr1 "CIDR1" = 0xff4, 4, Ro;
        /// Component identification 2.
        Cidr2 "CIDR2" = 0xff8, 4, Ro;
        /// Component identification 3.
        Cidr3 "CIDR3" = 0xffc, 4, Ro;
    }
}
