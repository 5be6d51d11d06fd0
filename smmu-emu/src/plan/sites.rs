// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The sites at which the model asks the plan.

use bitflags::bitflags;

use super::delay::Site;
use super::injection::InjectionKind;

bitflags! {
    /// Operations that there are rules for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Sites: u8 {
        /// Status bits that stay busy.
        const BUSY = 1 << 0;
        /// Stream matching.
        const STREAMS = 1 << 1;
        /// Accesses in their banks.
        const ACCESSES = 1 << 2;
        /// Reads of descriptors.
        const WALKS = 1 << 3;
        /// TLB maintenance.
        const INVALIDATIONS = 1 << 4;
        /// Register accesses.
        const REGISTERS = 1 << 5;
        /// Interrupt lines.
        const LINES = 1 << 6;
    }
}

impl Sites {
    pub(crate) const fn of_delay(site: Site) -> Self {
        match site {
            Site::Ats | Site::ContextSync | Site::GlobalSync => Self::BUSY,
            Site::Interrupt => Self::LINES,
            Site::Register => Self::REGISTERS,
        }
    }

    pub(crate) const fn of_injection(kind: InjectionKind) -> Self {
        match kind {
            InjectionKind::Unmapped | InjectionKind::Permission => Self::ACCESSES,
            InjectionKind::WalkAbort | InjectionKind::WalkCorrupt => Self::WALKS,
            InjectionKind::UnknownStream | InjectionKind::StreamConflict => Self::STREAMS,
            InjectionKind::StaleTlb | InjectionKind::LostInvalidation => Self::INVALIDATIONS,
            InjectionKind::RegisterOnes | InjectionKind::RegisterValue => Self::REGISTERS,
            InjectionKind::InterruptLost | InjectionKind::InterruptStuck => Self::LINES,
        }
    }
}
