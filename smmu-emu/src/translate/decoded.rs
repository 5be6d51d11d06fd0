// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Registers decoded for a stream and for a context bank, once for all transactions until the next
//! register write.
//!
//! Every write starts a generation ([`Epoch`](crate::epoch::Epoch)); what was decoded in another one does not count. A
//! fault record starts one too, and changes nothing that is decoded here.

use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::spec::bank::Format;
use crate::spec::gr1::BankType;
use crate::translate::regime::{self, BankRegime};
use crate::translate::stream::StreamFate;
use crate::translate::tag::Tag;

/// Streams whose routes are remembered, by their lower bits.
const STREAMS: usize = 16;

/// A context bank.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    generation: u64,
    /// Translation regime of the bank.
    pub(crate) regime: BankRegime,
    /// Tag of its TLB entries of stage 1.
    pub(crate) stage1: Tag,
    /// Tag of those of stage 2: a nested translation's have the tag of the bank behind.
    pub(crate) stage2: Tag,
    /// The bank that translates stage 2 of a nested translation.
    pub(crate) stage2_bank: Option<u8>,
    /// The sign bit of a bus address, if there is one (`TCR2.SEP`).
    pub(crate) sign: Option<u8>,
}

/// All that is remembered.
#[derive(Debug)]
pub(crate) struct DecodeCache {
    banks: Vec<Option<Box<Decoded>>>,
    streams: [Option<(u64, u16, StreamFate)>; STREAMS],
}

impl Decoded {
    /// Reads the registers of a bank.
    pub(crate) fn of(registers: &Registers, geometry: &Geometry, bank: u8, generation: u64) -> Self {
        let stage2_bank = stage2_bank(registers, bank);
        let extends = registers.cbar(bank).kind() != BankType::Stage2
            && registers.format(bank) == Format::AArch64
            && registers.sctlr(bank).m();
        let sep = registers.tcr2(bank).sep().value();
        Self {
            generation,
            regime: regime::decode(registers, geometry, bank),
            stage1: Tag::of(registers, bank),
            stage2: Tag::of(registers, stage2_bank.unwrap_or(bank)),
            stage2_bank,
            sign: regime::sign_bit(sep, geometry.bus_bits).filter(|_| extends),
        }
    }
}

/// The bank that translates stage 2 of a nested translation.
pub(crate) fn stage2_bank(registers: &Registers, bank: u8) -> Option<u8> {
    let cbar = registers.cbar(bank);
    (cbar.kind() == BankType::Nested).then(|| cbar.cbndx())
}

impl DecodeCache {
    /// For so many banks.
    pub(crate) fn new(banks: u16) -> Self {
        // The last place is that of all banks that do not exist.
        Self {
            banks: vec![None; usize::from(banks) + 1],
            streams: [None; STREAMS],
        }
    }

    /// A bank as of this generation.
    pub(crate) fn bank(
        &mut self,
        registers: &Registers,
        geometry: &Geometry,
        bank: u8,
        generation: u64,
    ) -> &Decoded {
        let fresh = || Decoded::of(registers, geometry, bank, generation);
        let last = self.banks.len() - 1;
        let at = usize::from(bank).min(last);
        let slot = &mut self.banks[at];
        if let Some(decoded) = slot
            && (decoded.generation != generation || at == last)
        {
            **decoded = fresh();
        }
        slot.get_or_insert_with(|| Box::new(fresh()))
    }

    /// Destination of a stream, if that is known in this generation.
    pub(crate) fn stream(&self, id: u16, generation: u64) -> Option<StreamFate> {
        let known = self.streams.get(usize::from(id) % STREAMS).copied().flatten();
        known.and_then(|(of, stream, found)| (of == generation && stream == id).then_some(found))
    }

    pub(crate) fn set_stream(&mut self, id: u16, generation: u64, found: StreamFate) {
        if let Some(place) = self.streams.get_mut(usize::from(id) % STREAMS) {
            *place = Some((generation, id, found));
        }
    }
}
