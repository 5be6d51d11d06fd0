// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Kinds of findings: the vocabulary of recipes, consoles and verdicts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of a finding on a guest's console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// `late IOMMU probe at driver bind`; its title is `walk`, `replay` or `unknown`.
    LateProbe,
    /// Another `WARNING`; its title is source file and function.
    Warning,
    /// `BUG:`, KASAN and relatives.
    Bug,
    /// `Internal error: Oops` or `Unable to handle kernel …`; its title is the function of the program counter.
    Oops,
    /// `Kernel panic`.
    Panic,
    /// RCU stall.
    RcuStall,
    /// A CPU that does not schedule.
    SoftLockup,
    /// A task blocked for too long.
    HungTask,
    /// `Unhandled context fault` of arm-smmu.
    ContextFault,
    /// `Unexpected global fault` of arm-smmu.
    GlobalFault,
    /// `Blocked unknown Stream ID` of arm-smmu.
    UnknownStream,
    /// `TLB sync timed out` of arm-smmu.
    TlbSyncTimeout,
    /// A driver's probe that failed.
    ProbeFailed,
    /// `deferred probe timeout, ignoring dependency`.
    DeferredTimeout,
    /// `deferred probe pending`.
    DeferredPending,
    /// An SMMU of the board without a driver at the end of the steps.
    Unbound,
    /// Accesses of an SMMU while its clock was off, as the server counts them; its title is the SMMU's name.
    UnclockedAccess,
    /// The machine was reset.
    Reset,
    /// The guest switched itself off.
    PowerOff,
    /// A kernel started another one.
    Kexec,
    /// A panicking kernel started its crash kernel.
    CrashKernel,
}

impl FindingKind {
    /// Name in recipes and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::LateProbe => "late-probe",
            Self::Warning => "warning",
            Self::Bug => "bug",
            Self::Oops => "oops",
            Self::Panic => "panic",
            Self::RcuStall => "rcu-stall",
            Self::SoftLockup => "soft-lockup",
            Self::HungTask => "hung-task",
            Self::ContextFault => "context-fault",
            Self::GlobalFault => "global-fault",
            Self::UnknownStream => "unknown-stream",
            Self::TlbSyncTimeout => "tlb-sync-timeout",
            Self::ProbeFailed => "probe-failed",
            Self::DeferredTimeout => "deferred-timeout",
            Self::DeferredPending => "deferred-pending",
            Self::Unbound => "unbound",
            Self::UnclockedAccess => "unclocked-access",
            Self::Reset => "reset",
            Self::PowerOff => "power-off",
            Self::Kexec => "kexec",
            Self::CrashKernel => "crash-kernel",
        }
    }

    /// Name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::LateProbe => "late-probe warning",
            Self::Warning => "WARNING",
            Self::Bug => "BUG",
            Self::Oops => "oops",
            Self::Panic => "panic",
            Self::RcuStall => "RCU stall",
            Self::SoftLockup => "soft lockup",
            Self::HungTask => "hung task",
            Self::ContextFault => "unhandled context fault",
            Self::GlobalFault => "unexpected global fault",
            Self::UnknownStream => "blocked unknown stream ID",
            Self::TlbSyncTimeout => "TLB sync time-out",
            Self::ProbeFailed => "failed probe",
            Self::DeferredTimeout => "deferred probe time-out",
            Self::DeferredPending => "deferred probe pending",
            Self::Unbound => "SMMU without a driver",
            Self::UnclockedAccess => "access without a clock",
            Self::Reset => "reset",
            Self::PowerOff => "power-off",
            Self::Kexec => "kexec",
            Self::CrashKernel => "crash kernel",
        }
    }

    /// Whether it is kernel trouble, and not just an event of the guest's life. Deferral is part of many boots.
    pub fn is_trouble(self) -> bool {
        !matches!(
            self,
            Self::UnclockedAccess
                | Self::Reset
                | Self::PowerOff
                | Self::Kexec
                | Self::CrashKernel
                | Self::DeferredTimeout
                | Self::DeferredPending
        )
    }

    /// Whether the kernel reports a bug of its own. Faults of an SMMU and failed probes are what a driver reports.
    pub fn is_bug(self) -> bool {
        matches!(
            self,
            Self::LateProbe
                | Self::Warning
                | Self::Bug
                | Self::Oops
                | Self::Panic
                | Self::RcuStall
                | Self::SoftLockup
                | Self::HungTask
        )
    }

    /// Whether the kernel's state is lost with it, so that what did not happen afterwards says nothing.
    pub fn is_crash(self) -> bool {
        matches!(self, Self::Oops | Self::Panic)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
