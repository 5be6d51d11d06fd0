// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Field types of the registers that Secure software alone has.

use bitbybit::bitfield;

use super::fields::fields;

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `SCR1`: what Secure software takes away from others.
    pub struct Scr1 {
        /// Compressed indexing is off for Non-secure streams; reserved in this implementation.
        #[bit(29, rw)]
        #[fixed(Unimplemented)]
        nscompindexdisable: bool,
        /// Non-secure configuration access faults go to the Non-secure sGFSR.
        #[bit(28, rw)]
        nscafro: bool,
        /// Secure events are counted.
        #[bit(27, rw)]
        spmen: bool,
        /// Secure instruction fetches from Non-secure memory fault.
        #[bit(26, rw)]
        sif: bool,
        /// External faults of Non-secure streams are reported to Secure software.
        #[bit(25, rw)]
        gefro: bool,
        /// The global address space is for Secure software alone.
        #[bit(24, rw)]
        gasrae: bool,
        /// Context interrupts that Non-secure software sees.
        #[bits(16..=23, rw)]
        nsnumirpto: u8,
        /// Stream-matching groups that Non-secure software sees.
        #[bits(8..=15, rw)]
        nsnumsmrgo: u8,
        /// Context banks that Non-secure software sees, the lowest ones.
        #[bits(0..=7, rw)]
        nsnumcbo: u8,
    }
}
