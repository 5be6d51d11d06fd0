// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Effects of register accesses beyond the access rule, and the features that registers depend on: two columns of the
//! register tables.

use core::fmt;

use bitflags::bitflags;

use super::pm::Pm;
use crate::spec::regs::AccessRule;

bitflags! {
    /// Features of a configuration, or of one of its context banks.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Features: u8 {
        /// SMMUv2; SMMUv1 is the architecture before it.
        const VERSION_2 = 1 << 0;
        /// The context bank can translate stage 1 (`IDR0.S1TS`, `IDR1.NUMS2CB`).
        const STAGE_1 = 1 << 1;
        /// Address translation operations (`IDR0.ATOSNS` is clear).
        const ATS = 1 << 2;
        /// Extended stream-matching groups (`IDR0.EXSMRGS`).
        const EXTENDED_GROUPS = 1 << 3;
        /// Performance monitor (`PMCFGR`).
        const MONITOR = 1 << 4;
        /// Implementation-defined registers of MMU-500.
        const MMU_500 = 1 << 5;
        /// Implementation-defined registers of Qualcomm's MMU-500.
        const QCOM = 1 << 6;
    }
}

/// TLB maintenance operation of a global register (IHI 0062D §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Both stages of the VMID that is written.
    Vmid,
    /// Stage 1 of the VMID that is written.
    VmidStage1,
    /// All VMIDs, no hypervisor entries.
    NonHypervisor,
    /// All hypervisor entries.
    Hypervisor,
    /// Hypervisor entries of the address in bits 31 to 12.
    HypervisorAddress32,
    /// Hypervisor entries of the address, shifted right by 12.
    HypervisorAddress64 {
        /// Blocks and pages only, and not the tables above them.
        last_level: bool,
    },
}

/// TLB maintenance operation of a register of a context bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankMaintenance {
    /// Everything of the bank's VMID.
    All,
    /// Stage 1 of the bank's VMID and the ASID that is written.
    Asid,
    /// Stage 1 of the bank's VMID, by address.
    Address {
        /// Entries of every ASID, and not of the one that is written.
        any_asid: bool,
        /// Blocks and pages only.
        last_level: bool,
    },
    /// Stage 2 of the bank's VMID, by intermediate address.
    Intermediate {
        /// Blocks and pages only.
        last_level: bool,
    },
}

/// Address translation operation of a register (IHI 0062D §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtsOperation {
    /// Translates through both stages, and not through stage 1 alone.
    pub both_stages: bool,
    /// Checks the permissions of a privileged access.
    pub privileged: bool,
    /// Checks the permissions of a write.
    pub write: bool,
}

impl AtsOperation {
    /// `ATS1UR`: unprivileged read.
    pub const USER_READ: Self = Self {
        both_stages: false,
        privileged: false,
        write: false,
    };
    /// `ATS1UW`: unprivileged write.
    pub const USER_WRITE: Self = Self {
        write: true,
        ..Self::USER_READ
    };
    /// `ATS1PR`: privileged read.
    pub const PRIVILEGED_READ: Self = Self {
        privileged: true,
        ..Self::USER_READ
    };
    /// `ATS1PW`: privileged write.
    pub const PRIVILEGED_WRITE: Self = Self {
        write: true,
        ..Self::PRIVILEGED_READ
    };

    /// `GATS12*`: through both stages.
    #[must_use]
    pub const fn through_both_stages(self) -> Self {
        Self {
            both_stages: true,
            ..self
        }
    }
}

/// Effect of an access beyond the row's access rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// None: the access rule says it all.
    None,
    /// Written: interrupt enables may have changed, and what waits may have to go on.
    Control,
    /// Written: what a bank translates has changed, and what is stalled in it starts again.
    BankAttributes,
    /// Read: Non-secure software sees what Secure software leaves to it.
    Identification,
    /// Written: faults were cleared. Read of a bank's: FORMAT is derived.
    FaultStatus,
    /// Written: sets fault bits.
    FaultRestore,
    /// Written: a stalled transaction starts again or ends.
    Resume,
    /// Written: drops TLB entries.
    Invalidate(Maintenance),
    /// Written: drops TLB entries of the bank's VMID.
    InvalidateBank(BankMaintenance),
    /// Written: starts a TLB synchronisation.
    Sync,
    /// Read: whether one is under way.
    SyncStatus,
    /// Written: translates an address for software.
    Translate(AtsOperation),
    /// Read: whether that is under way.
    TranslateStatus,
    /// Read: its result. Written: software replaces that.
    TranslateResult,
    /// Of the performance monitor. Read: time passes for the event counters. Written: what they count has changed.
    Counters,
    /// Shows the monitor's register for the counters of the group that is assigned to the bank.
    CounterView(Pm),
}

impl Effect {
    /// Whether a register with this access rule can have the effect: what reads or writes never reach has none, and a
    /// trigger has one.
    #[must_use]
    pub const fn suits(self, access: AccessRule) -> bool {
        match self {
            Self::None => !matches!(access, AccessRule::Wo),
            Self::Control | Self::BankAttributes | Self::TranslateResult => matches!(access, AccessRule::Rw),
            Self::FaultStatus => matches!(access, AccessRule::W1c),
            Self::FaultRestore
            | Self::Resume
            | Self::Invalidate(_)
            | Self::InvalidateBank(_)
            | Self::Sync
            | Self::Translate(_) => {
                matches!(access, AccessRule::Wo)
            }
            Self::Identification | Self::SyncStatus | Self::TranslateStatus => {
                matches!(access, AccessRule::Ro)
            }
            Self::Counters | Self::CounterView(_) => !matches!(access, AccessRule::Wo | AccessRule::Raz),
        }
    }
}

/// A short name, for documents.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::None => "–",
            Self::Control => "control",
            Self::BankAttributes => "bank attributes",
            Self::Identification => "identification",
            Self::FaultStatus => "fault status",
            Self::FaultRestore => "fault restore",
            Self::Resume => "resume",
            Self::Invalidate(_) | Self::InvalidateBank(_) => "invalidate",
            Self::Sync => "sync",
            Self::SyncStatus => "sync status",
            Self::Translate(_) => "translate",
            Self::TranslateStatus => "translate status",
            Self::TranslateResult => "translate result",
            Self::Counters => "counters",
            Self::CounterView(_) => "counter view",
        };
        f.write_str(name)
    }
}
