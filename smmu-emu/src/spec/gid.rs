// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register tables of the small global pages: the implementation-defined one of MMU-500 (page 2; DDI 0517) and those
//! of extended stream-matching groups (pages 6 and 7; IHI 0062D §9); Qualcomm's GPUs have other registers in page 6.
//! The tables of pages 4, 5 and 8 to 23 are not implemented.

use super::global::{S2cr, Smr};
use crate::spec::regs::frame;

frame! {
    /// The registers of MMU-500's integration and TBUs.
    pub enum Gid needs MMU_500 {
        /// Integration mode.
        Itctrl "ITCTRL" = 0x000, 4, Rw, write 0x1;
        /// Integration test: inputs.
        Itip "ITIP" = 0x004, 4, Ro;
        /// Integration test: global outputs.
        ItopGlbl "ITOP_GLBL" = 0x008, 4, Raz;
        /// Integration test: performance interrupts.
        ItopPerfIndex "ITOP_PERF_INDEX" = 0x00c, 4, Raz;
        /// Integration test: context interrupts.
        ItopCxt0To31Ram0 "ITOP_CXT0TO31_RAM0" = 0x010, 4, Raz;
        /// Quality of service of TBUs 0 to 7.
        Tbuqos0 "TBUQOS0" = 0x100, 4, Rw, write u32::MAX;
        /// Parity errors of the RAMs.
        Per "PER" = 0x200, 4, Ro;
        /// Power of the TBUs: the one that there is.
        TbuPwrStatus "TBU_PWR_STATUS" = 0x204, 4, Ro, reset 0x1;
        /// Acknowledgement of a synchronisation by the TBUs; Qualcomm's.
        StatsSyncInvTbuAck "STATS_SYNC_INV_TBU_ACK" = 0x5dc, 4, Ro, needs QCOM;
        /// Conditions that synchronisations wait for; Qualcomm's.
        Mmu2qssAndSafeWaitCntr "MMU2QSS_AND_SAFE_WAIT_CNTR" = 0x670, 4, Ro, needs QCOM;
    }
}

frame! {
    /// Qualcomm's registers for partially resident resources of a GPU.
    pub enum Prr needs QCOM {
        /// Address of the page that stands for unmapped ones, lower half.
        Laddr "GFX_PRR_CFG_LADDR" = 0x008, 4, Rw, write u32::MAX;
        /// The upper half.
        Uaddr "GFX_PRR_CFG_UADDR" = 0x00c, 4, Rw, write u32::MAX;
    }
}

frame! {
    /// The stream match registers of extended groups.
    pub enum Exsmr needs EXTENDED_GROUPS {
        /// Stream match of extended group n.
        Exsmr "EXSMRn" = 0x000, 4 x 1024, Rw, as Smr;
    }
}

frame! {
    /// The stream-to-context registers of extended groups.
    pub enum Exs2cr needs EXTENDED_GROUPS {
        /// Stream to context of extended group n.
        Exs2cr "EXS2CRn" = 0x000, 4 x 1024, Rw, as S2cr;
    }
}

frame! {
    /// The security determination table, in each of pages 4 and 5.
    pub enum Ssd {
        /// Security states of SSD indices 32n to 32n + 31, a bit each.
        Ssdr "SSDRn" = 0x000, 4 x 1024, Raz in SECURE;
    }
}

frame! {
    /// Compressed indexing, in each of pages 8 to 23.
    pub enum Compindex {
        /// Indices of stream IDs 4n to 4n + 3, a byte each.
        Compindex "COMPINDEXn" = 0x000, 4 x 1024, Raz;
    }
}
