// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Secure state: which registers Secure software has for itself, and what it leaves to others (IHI 0062D §1.5, §9).
//!
//! Every stream is Non-secure: there is no security determination table, so the Secure copies of the fault registers
//! only hold what software restores into them.

use arbitrary_int::traits::Integer;

use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::registers::register::{RegisterId, Security};
use crate::spec::any::AnyRegister;
use crate::spec::gr0::Gr0;
use crate::spec::ident::{Idr0, Idr1};

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

/// Part of the registers that software sees, by its security.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visible {
    /// The pages of the global address space (`SCR1.GASRAE`).
    pub(crate) global: bool,
    /// The registers of Secure software, and its copies of others.
    pub(crate) secure: bool,
    /// Stream-matching groups of global space 0, the lowest ones.
    pub(crate) groups: u16,
    /// Context banks, the lowest ones.
    pub(crate) banks: u16,
}

/// Part of the registers that software of this security sees. Without Secure state there is one kind of software.
pub(crate) fn visible(registers: &Registers, geometry: &Geometry, security: Security) -> Visible {
    let all = Visible {
        global: true,
        secure: geometry.secure_state && security == Security::Secure,
        groups: u16::MAX,
        banks: geometry.context_banks,
    };
    if !geometry.secure_state || security == Security::Secure {
        return all;
    }
    let scr1 = registers.scr1();
    Visible {
        global: !scr1.gasrae(),
        groups: scr1.nsnumsmrgo().into(),
        banks: banks(registers, geometry),
        ..all
    }
}

/// IDR0 and IDR1 show Secure software everything, and others what Secure software leaves them.
#[expect(clippy::cast_possible_truncation, reason = "the registers are 32 bits wide")]
pub(crate) fn identification(
    registers: &Registers,
    geometry: &Geometry,
    register: &RegisterId,
    stored: u64,
) -> u64 {
    if !geometry.secure_state {
        return stored;
    }
    let scr1 = registers.scr1();
    match (register.register, register.security) {
        (AnyRegister::Gr0(Gr0::Idr0), Security::Secure) => Idr0::new_with_raw_value(stored as u32)
            .with_ses(true)
            .raw_value()
            .into(),
        (AnyRegister::Gr0(Gr0::Idr0), Security::NonSecure) => {
            let idr0 = Idr0::new_with_raw_value(stored as u32);
            idr0.with_numirpt(idr0.numirpt().min(scr1.nsnumirpto()))
                .with_numsmrg(idr0.numsmrg().min(scr1.nsnumsmrgo()))
                .raw_value()
                .into()
        }
        (AnyRegister::Gr0(Gr0::Idr1), Security::NonSecure) => {
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
