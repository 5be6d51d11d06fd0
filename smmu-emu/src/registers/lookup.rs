// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From an offset to a register: page, frame, row, who may see it.

use core::ops::RangeInclusive;

use crate::arch::frame::{EXS2CR_PAGE, EXSMR_PAGE, Frame, GID_PAGE, PM_PAGE};
use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::registers::register::{RegisterId, Scope, Security};
use crate::registers::secure::{self, Visible};
use crate::spec::any::{AnyRegister, AnyTable};
use crate::spec::effect::Features;
use crate::spec::gr0::Gr0;

/// Global pages of the security determination table.
const SSD_PAGES: RangeInclusive<u16> = 4..=5;
/// Global pages of compressed indexing.
const COMPINDEX_PAGES: RangeInclusive<u16> = 8..=23;

/// The part of a register that an access covers.
pub(crate) struct RegisterHit {
    pub(crate) id: RegisterId,
    /// Bits from the register's bit 0 to the access's bit 0: 32 for the upper half of a 64-bit register.
    pub(crate) shift: u32,
    /// The register's bits that the access covers.
    pub(crate) lanes: u64,
}

/// The register map of an SMMU as it is configured, in its present state.
#[derive(Clone, Copy)]
pub(crate) struct RegisterMap<'a> {
    pub(crate) registers: &'a Registers,
    pub(crate) geometry: &'a Geometry,
}

impl RegisterMap<'_> {
    /// The frame of an offset and, if a register answers this width there, the part of it that the access covers.
    ///
    /// 32-bit accesses reach every register and both halves of 64-bit ones, 64-bit accesses only 64-bit registers.
    /// Bytes and halfwords reach none (IHI 0062D §8.1 leaves them open): merging them would clear or trigger.
    pub(crate) fn locate(
        self,
        offset: u64,
        width: usize,
        security: Security,
    ) -> (Frame, Option<RegisterHit>) {
        let shift = self.geometry.page_size.shift();
        let page = offset >> shift;
        let number = u16::try_from(page & (self.geometry.page_count() - 1)).unwrap_or(u16::MAX);
        let frame = match page >> self.geometry.page_count_shift {
            0 if number == 0 => Frame::Gr0,
            0 if number == 1 => Frame::Gr1,
            0 => Frame::Global(number),
            1 => Frame::Context(number),
            _ => Frame::Outside,
        };
        let in_page = u32::try_from(offset & ((1 << shift) - 1)).unwrap_or(u32::MAX);
        let hit = self.find(frame, in_page, security).and_then(|id| {
            let byte = (in_page - id.row.offset) & (id.row.width - 1);
            let (shift, lanes) = match (width, id.row.width, byte) {
                (8, 8, 0) => (0, u64::MAX),
                (4, _, 0) => (0, u64::from(u32::MAX)),
                (4, 8, 4) => (32, !u64::from(u32::MAX)),
                _ => return None,
            };
            Some(RegisterHit { id, shift, lanes })
        });
        (frame, hit)
    }

    /// The table of a frame, if the frame has one in this configuration.
    pub(crate) fn table(self, frame: Frame) -> Option<AnyTable> {
        match frame {
            Frame::Gr0 => Some(AnyTable::Gr0),
            Frame::Gr1 => Some(AnyTable::Gr1),
            Frame::Context(_) => Some(AnyTable::Cb),
            Frame::Global(GID_PAGE) => Some(AnyTable::Gid),
            Frame::Global(PM_PAGE) => Some(AnyTable::Pm),
            Frame::Global(EXSMR_PAGE) if self.geometry.is_qcom() => Some(AnyTable::Prr),
            Frame::Global(EXSMR_PAGE) => Some(AnyTable::Exsmr),
            Frame::Global(EXS2CR_PAGE) => Some(AnyTable::Exs2cr),
            Frame::Global(page) if SSD_PAGES.contains(&page) => Some(AnyTable::Ssd),
            Frame::Global(page) if COMPINDEX_PAGES.contains(&page) => Some(AnyTable::Compindex),
            Frame::Global(_) | Frame::Outside => None,
        }
    }

    /// The register at an offset in a frame that software of this security sees there.
    pub(crate) fn find(self, frame: Frame, offset: u32, security: Security) -> Option<RegisterId> {
        let visible = secure::visible(self.registers, self.geometry, security);
        let (scope, number) = match frame {
            Frame::Context(number) if number < visible.banks => {
                (Scope::Bank(u8::try_from(number).ok()?), number)
            }
            Frame::Context(_) => return None,
            _ if !visible.global => return None,
            _ => (Scope::Global, 0),
        };
        let (found, index, row) = self.table(frame)?.decode(offset)?;
        if row.secure && !visible.secure {
            return None;
        }
        let mut id = RegisterId {
            register: found.behind_alias(),
            index,
            scope,
            // An alias shows Secure software the register of others.
            security: if visible.secure && row.alias.is_none() {
                Security::Secure
            } else {
                Security::NonSecure
            },
            row,
            number: index,
        };
        match (frame, found) {
            (_, AnyRegister::Gr1(_)) => id.scope = Scope::Bank(u8::try_from(index).ok()?),
            (Frame::Context(_), _) => id.number = number,
            (Frame::Global(page), AnyRegister::Ssd(_)) => {
                id.number = (page - SSD_PAGES.start()) * row.count + index;
            }
            (Frame::Global(page), AnyRegister::Compindex(_)) => {
                id.number = (page - COMPINDEX_PAGES.start()) * row.count + index;
            }
            _ => {}
        }
        let there = self.features(id.scope).contains(row.needs) && self.has_number(&id, visible);
        there.then_some(id)
    }

    /// The features of the SMMU, or of a context bank.
    fn features(self, scope: Scope) -> Features {
        match scope {
            Scope::Bank(bank) if !self.geometry.has_stage1(bank) => {
                self.registers.features.difference(Features::STAGE_1)
            }
            Scope::Bank(_) | Scope::Global => self.registers.features,
        }
    }

    /// Whether an array is that long in this configuration, for software that sees so much of it.
    fn has_number(self, id: &RegisterId, visible: Visible) -> bool {
        let geometry = self.geometry;
        match id.register {
            AnyRegister::Gr0(Gr0::Smr) => id.index < geometry.stream_match_groups.min(visible.groups),
            AnyRegister::Gr0(Gr0::S2cr) => {
                // Secure software takes away groups, and no streams of an SMMU that has none.
                let indexed = geometry.stream_match_groups == 0;
                id.index < geometry.stream_to_context_count() && (indexed || id.index < visible.groups)
            }
            AnyRegister::Gr1(_) => id.index < visible.banks,
            AnyRegister::Exsmr(_) | AnyRegister::Exs2cr(_) => {
                self.registers.scr2().exsmrgenable() && id.index < geometry.extended_stream_match_groups
            }
            AnyRegister::Gr0(_)
            | AnyRegister::Cb(_)
            | AnyRegister::Gid(_)
            | AnyRegister::Pm(_)
            | AnyRegister::Prr(_)
            | AnyRegister::Ssd(_)
            | AnyRegister::Compindex(_) => true,
        }
    }
}
