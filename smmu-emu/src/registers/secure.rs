// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Secure state: which registers Secure software has for itself, and what it leaves to others (IHI 0062D §1.5, §9).
//!
//! Every stream is Non-secure: there is no security determination table, so the Secure copies of the fault registers
//! only hold what software restores into them.

use arbitrary_int::traits::Integer;

use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::spec::gr0::Gr0;
use crate::spec::ident::{Idr0, Idr1};

/// The security attribute of a register access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// By Secure software.
    Secure,
    /// By anyone else.
    NonSecure,
}

/// Context banks that Non-secure streams and software have, the lowest ones (`SCR1.NSNUMCBO`).
pub(crate) fn banks(registers: &Registers, geometry: &Geometry) -> u16 {
    let banks = geometry.context_banks;
    if geometry.secure_state {
        banks.min(registers.scr1().nsnumcbo().into())
    } else {
        banks
    }
}

/// Stream-matching groups that Non-secure streams and software have, the lowest ones (`SCR1.NSNUMSMRGO`); all extended
/// groups while they are used.
pub(crate) fn groups(registers: &Registers, geometry: &Geometry) -> u16 {
    if registers.scr2().exsmrgenable() {
        return geometry.extended_stream_match_groups;
    }
    let groups = geometry.stream_match_groups;
    if geometry.secure_state {
        groups.min(registers.scr1().nsnumsmrgo().into())
    } else {
        groups
    }
}

/// IDR0 and IDR1 show Secure software everything, and others what Secure software leaves them.
#[expect(clippy::cast_possible_truncation, reason = "the registers are 32 bits wide")]
pub(crate) fn identification(
    registers: &Registers,
    geometry: &Geometry,
    security: Security,
    register: Gr0,
    stored: u64,
) -> u64 {
    if !geometry.secure_state {
        return stored;
    }
    let scr1 = registers.scr1();
    match (register, security) {
        (Gr0::Idr0, Security::Secure) => Idr0::new_with_raw_value(stored as u32)
            .with_ses(true)
            .raw_value()
            .into(),
        (Gr0::Idr0, Security::NonSecure) => {
            let idr0 = Idr0::new_with_raw_value(stored as u32);
            idr0.with_numirpt(idr0.numirpt().min(scr1.nsnumirpto()))
                .with_numsmrg(idr0.numsmrg().min(scr1.nsnumsmrgo()))
                .raw_value()
                .into()
        }
        (Gr0::Idr1, Security::NonSecure) => {
            let idr1 = Idr1::new_with_raw_value(stored as u32);
            let banks = u8::masked_new(banks(registers, geometry));
            idr1.with_nums2cb(idr1.nums2cb().min(banks))
                .with_numcb(banks)
                .raw_value()
                .into()
        }
        _ => stored,
    }
}

/// Whether Secure software has a copy of its own of a register, or the register for itself.
#[rustfmt::skip]
pub(crate) const fn is_banked(register: Gr0) -> bool {
    matches!(
        register,
        Gr0::Scr0 | Gr0::Scr1 | Gr0::Scr2 | Gr0::Sacr | Gr0::Sgfar | Gr0::Sgfsr | Gr0::Sgfsrrestore
        | Gr0::Sgfsynr0 | Gr0::Sgfsynr1 | Gr0::Sgfsynr2 | Gr0::Stlbgsync | Gr0::Stlbgstatus
        | Gr0::Stlbiall | Gr0::Stlbivalm | Gr0::Stlbivam | Gr0::Stlbiallm
        | Gr0::Gats1ur | Gr0::Gats1uw | Gr0::Gats1pr | Gr0::Gats1pw
        | Gr0::Gats12ur | Gr0::Gats12uw | Gr0::Gats12pr | Gr0::Gats12pw | Gr0::Gpar | Gr0::Gatsr
    )
}

/// The Non-secure register behind an alias that Secure software has, 0x400 below it.
pub(crate) const fn behind_alias(register: Gr0) -> Option<Gr0> {
    Some(match register {
        Gr0::Nscr0 => Gr0::Scr0,
        Gr0::Nscr2 => Gr0::Scr2,
        Gr0::Nsacr => Gr0::Sacr,
        Gr0::Nsgfar => Gr0::Sgfar,
        Gr0::Nsgfsr => Gr0::Sgfsr,
        Gr0::Nsgfsrrestore => Gr0::Sgfsrrestore,
        Gr0::Nsgfsynr0 => Gr0::Sgfsynr0,
        Gr0::Nsgfsynr1 => Gr0::Sgfsynr1,
        Gr0::Nsgfsynr2 => Gr0::Sgfsynr2,
        Gr0::Nstlbgsync => Gr0::Stlbgsync,
        Gr0::Nstlbgstatus => Gr0::Stlbgstatus,
        Gr0::Nsgats1ur => Gr0::Gats1ur,
        Gr0::Nsgats1uw => Gr0::Gats1uw,
        Gr0::Nsgats1pr => Gr0::Gats1pr,
        Gr0::Nsgats1pw => Gr0::Gats1pw,
        Gr0::Nsgats12ur => Gr0::Gats12ur,
        Gr0::Nsgats12uw => Gr0::Gats12uw,
        Gr0::Nsgats12pr => Gr0::Gats12pr,
        Gr0::Nsgats12pw => Gr0::Gats12pw,
        Gr0::Nsgpar => Gr0::Gpar,
        Gr0::Nsgatsr => Gr0::Gatsr,
        _ => return None,
    })
}
