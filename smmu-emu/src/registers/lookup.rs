// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From an offset to a register: page, frame, row, who may see it.

use core::ops::RangeInclusive;

use crate::arch::frame::Frame;
use crate::arch::frame::{EXS2CR_PAGE, EXSMR_PAGE, GID_PAGE, PM_PAGE};
use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::registers::options::{self, Target};
use crate::registers::secure::{self, Security};
use crate::spec::cb::Cb;
use crate::spec::gid::{Compindex, Exs2cr, Exsmr, Gid, Prr, Ssd};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::Gr1;
use crate::spec::pm::Pm;
use crate::spec::regs::{Row, Table};

/// Global pages of the security determination table.
const SSD_PAGES: RangeInclusive<u16> = 4..=5;
/// Global pages of compressed indexing.
const COMPINDEX_PAGES: RangeInclusive<u16> = 8..=23;

/// Where the value of a register is kept, and who acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A register with effects of its own.
    Core(Target),
    /// Secure software's copy of a register of global space 0.
    Secure(Gr0),
    /// The stream match register of an extended group.
    Exsmr(u16),
    /// The stream-to-context register of an extended group.
    Exs2cr(u16),
    /// Of MMU-500's own page.
    Gid(Gid),
    /// Of Qualcomm's own page.
    Prr(Prr),
    /// Of the performance monitor, with its number in an array.
    Pm(Pm, u16),
    /// Of a context bank's view of a counter group: register, number in an array, bank.
    BankPm(Cb, u16, u8),
    /// Of a table that is not implemented.
    Raz,
}

/// The part of a register that an access covers.
pub(crate) struct Hit {
    pub(crate) place: Place,
    pub(crate) row: &'static Row,
    /// The `n` of the name.
    pub(crate) index: u16,
    /// Bits from the register's bit 0 to the access's bit 0: 32 for the upper half of a 64-bit register.
    pub(crate) shift: u32,
    /// The register's bits that the access covers.
    pub(crate) lanes: u64,
}

pub(crate) type Found = (Place, &'static Row, u16);

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
    pub(crate) fn locate(self, offset: u64, width: usize, security: Security) -> (Frame, Option<Hit>) {
        let shift = self.geometry.page_size.shift();
        let (page, pages) = (offset >> shift, self.geometry.page_count());
        let number = u16::try_from(page % pages).unwrap_or(u16::MAX);
        let frame = match page / pages {
            0 if number == 0 => Frame::Gr0,
            0 if number == 1 => Frame::Gr1,
            0 => Frame::Global(number),
            1 => Frame::Context(number),
            _ => Frame::Outside,
        };
        let in_page = u32::try_from(offset & ((1 << shift) - 1)).unwrap_or(u32::MAX);
        let hit = self.find(frame, in_page, security);
        let hit = hit.and_then(|(place, row, index)| {
            let byte = (in_page - row.offset) % row.width;
            let (shift, lanes) = match (width, row.width, byte) {
                (8, 8, 0) => (0, u64::MAX),
                (4, _, 0) => (0, u64::from(u32::MAX)),
                (4, 8, 4) => (32, !u64::from(u32::MAX)),
                _ => return None,
            };
            Some(Hit {
                place,
                row,
                index,
                shift,
                lanes,
            })
        });
        (frame, hit)
    }

    pub(crate) fn find(self, frame: Frame, offset: u32, security: Security) -> Option<Found> {
        let geometry = self.geometry;
        let non_secure = geometry.secure_state && security == Security::NonSecure;
        if non_secure && self.registers.scr1().gasrae() && !matches!(frame, Frame::Context(_)) {
            return None;
        }
        let banks = if non_secure {
            secure::banks(self.registers, geometry)
        } else {
            geometry.context_banks
        };
        match frame {
            Frame::Gr0 => self.find_gr0(offset, security),
            Frame::Gr1 => {
                let (register, bank) = Gr1::decode(offset)?;
                let target = Target::Gr1(register, bank);
                let present = bank < banks && options::present(geometry, target);
                present.then_some((Place::Core(target), register.row(), bank))
            }
            Frame::Context(number) => {
                let bank = u8::try_from(number).ok().filter(|_| number < banks)?;
                let (register, index) = Cb::decode(offset)?;
                if register.row().offset >= Cb::Pmevcntr.row().offset {
                    let place = Place::BankPm(register, index, bank);
                    return Some((place, register.row(), number));
                }
                let target = Target::Cb(register, bank);
                let present = options::present(geometry, target);
                present.then_some((Place::Core(target), register.row(), number))
            }
            Frame::Global(page) => self.find_page(page, offset, security),
            Frame::Outside => None,
        }
    }

    fn find_gr0(self, offset: u32, security: Security) -> Option<Found> {
        let geometry = self.geometry;
        let (register, index) = Gr0::decode(offset)?;
        let row = register.row();
        let secure = geometry.secure_state && security == Security::Secure;
        if row.secure && !secure {
            return None;
        }
        let behind = secure::behind_alias(register).unwrap_or(register);
        let target = Target::Gr0(behind, index);
        if !options::present(geometry, target) {
            return None;
        }
        let in_groups = matches!(register, Gr0::Smr | Gr0::S2cr) && geometry.stream_match_groups != 0;
        if in_groups && geometry.secure_state && !secure && index >= self.registers.scr1().nsnumsmrgo().into()
        {
            return None;
        }
        let place = if secure && secure::is_banked(register) {
            Place::Secure(register)
        } else {
            Place::Core(target)
        };
        Some((place, row, index))
    }

    fn find_page(self, page: u16, offset: u32, security: Security) -> Option<Found> {
        let geometry = self.geometry;
        let secure = geometry.secure_state && security == Security::Secure;
        let extended = self.registers.scr2().exsmrgenable();
        match page {
            GID_PAGE if geometry.is_mmu_500() => {
                let (register, index) = Gid::decode(offset)?;
                let own = matches!(register, Gid::StatsSyncInvTbuAck | Gid::Mmu2qssAndSafeWaitCntr);
                let present = geometry.is_qcom() || !own;
                present.then_some((Place::Gid(register), register.row(), index))
            }
            PM_PAGE if geometry.pmu_groups != 0 => {
                let (register, index) = Pm::decode(offset)?;
                Some((Place::Pm(register, index), register.row(), index))
            }
            EXSMR_PAGE if geometry.is_qcom() => {
                let (register, index) = Prr::decode(offset)?;
                Some((Place::Prr(register), register.row(), index))
            }
            EXSMR_PAGE if extended => {
                let (register, group) = Exsmr::decode(offset)?;
                let present = group < geometry.extended_stream_match_groups;
                present.then_some((Place::Exsmr(group), register.row(), group))
            }
            EXS2CR_PAGE if extended => {
                let (register, group) = Exs2cr::decode(offset)?;
                let present = group < geometry.extended_stream_match_groups;
                present.then_some((Place::Exs2cr(group), register.row(), group))
            }
            page if SSD_PAGES.contains(&page) && secure => {
                let (register, index) = Ssd::decode(offset)?;
                let row = register.row();
                Some((Place::Raz, row, (page - SSD_PAGES.start()) * row.count + index))
            }
            page if COMPINDEX_PAGES.contains(&page) => {
                let (register, index) = Compindex::decode(offset)?;
                let row = register.row();
                Some((
                    Place::Raz,
                    row,
                    (page - COMPINDEX_PAGES.start()) * row.count + index,
                ))
            }
            _ => None,
        }
    }
}
