// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A translation buffer unit: through which one DMA thread reaches an SMMU that other threads use too.
//!
//! As in an MMU-500, a small TLB stands before the shared one. A hit takes no lock and writes no memory that another
//! thread reads, but for its own announcement (its epoch). Everything else goes through the lock of the
//! SMMU.

#[cfg(feature = "vm-memory")]
use crate::arch::fault::Fault;
use crate::arch::response::{Response, Stall};
use crate::arch::transaction::{BUS_BITS, Transaction, Translation};
use crate::device::counters::Counters;
use crate::dma::handle::SmmuHandle;
use crate::epoch::{Inside, Reader};
use crate::host::env::Env;

#[cfg(doc)]
use crate::device::smmu::Smmu;

/// Translations that a unit keeps, a power of two: MMU-500 has up to 128.
const ENTRIES: usize = 128;
/// log2 of what an entry covers: the smallest page.
const PAGE: u32 = 12;

/// The handle of one DMA thread.
///
/// A TLB synchronisation of the SMMU does not read idle while an access that began before it is under way in a unit, so
/// an access must not wait for what the guest does next. A transaction that stalls is no access under way.
#[derive(Debug)]
pub struct Tbu {
    smmu: SmmuHandle,
    reader: Reader,
    /// The generation seen last.
    generation: u64,
    entries: Box<[TbuEntry; ENTRIES]>,
    counters: Counters,
}

/// The translation of a page for one stream and kind of access.
#[derive(Clone, Copy, Debug)]
struct TbuEntry {
    /// Stream, page and intent; `EMPTY` for none.
    tag: u64,
    /// Generation in which it was made.
    generation: u64,
    /// That of the first byte of the page.
    translation: Translation,
}

/// No tag has so many bits.
const EMPTY: u64 = u64::MAX;

/// Several accesses under one announcement, see [`Tbu::batch`].
#[derive(Debug)]
pub struct Batch<'a> {
    smmu: &'a SmmuHandle,
    inside: Inside<'a>,
    generation: &'a mut u64,
    entries: &'a mut [TbuEntry; ENTRIES],
    counters: &'a mut Counters,
}

impl Tbu {
    /// A unit of an SMMU.
    #[must_use]
    pub fn new(smmu: &SmmuHandle) -> Self {
        let epoch = smmu.lock().epoch();
        let empty = TbuEntry {
            tag: EMPTY,
            generation: 0,
            translation: Translation {
                address: 0,
                length: 0,
                attributes: 0,
                bank: None,
            },
        };
        Self {
            smmu: smmu.clone(),
            generation: epoch.generation(),
            reader: Reader::new(epoch),
            entries: Box::new([empty; ENTRIES]),
            counters: Counters::default(),
        }
    }

    /// Carries out an access: translates it and lets `perform` do it. From the translation on until `perform` returns,
    /// the access counts as under way. A fault is recorded as [`Smmu::transact`] does.
    ///
    /// # Errors
    /// The response that the client sees instead of the access; never [`Response::Proceed`].
    #[inline]
    pub fn access<R>(
        &mut self,
        env: &mut dyn Env,
        transaction: &Transaction,
        perform: impl FnOnce(&Translation) -> R,
    ) -> Result<R, Response> {
        let inside = self.reader.enter(self.generation);
        self.generation = inside.generation;
        if let Some(translation) = hit(&self.entries, transaction, inside.generation) {
            self.counters.count(transaction);
            return Ok(perform(&translation));
        }
        drop(inside);
        let (inside, translation) = self.miss(env, transaction)?;
        let result = perform(&translation);
        drop(inside);
        Ok(result)
    }

    /// The SMMU translates. Outside of an access until there is a translation, so that a synchronisation does not wait
    /// for a thread that waits for the lock.
    #[cold]
    fn miss(
        &mut self,
        env: &mut dyn Env,
        transaction: &Transaction,
    ) -> Result<(Inside<'_>, Translation), Response> {
        let mut smmu = self.smmu.lock();
        smmu.counters.drain(env, transaction, &mut self.counters);
        match smmu.transact(env, transaction) {
            Response::Proceed(translation) => {
                let inside = self.reader.enter_locked();
                self.generation = inside.generation;
                if smmu.tbus_may_keep() {
                    keep(&mut self.entries, transaction, &translation, inside.generation);
                }
                Ok((inside, translation))
            }
            other => Err(other),
        }
    }

    /// Carries out an access that stalled, once software lets it go on; otherwise says what became of it, as
    /// [`Smmu::resume`] does.
    ///
    /// # Errors
    /// The response that the client sees instead of the access, or the stall in which it still is.
    pub fn resume<R>(
        &mut self,
        env: &mut dyn Env,
        stall: Stall,
        perform: impl FnOnce(&Translation) -> R,
    ) -> Result<R, Response> {
        let mut smmu = self.smmu.lock();
        let translation = match smmu.resume(env, stall) {
            Response::Proceed(translation) => translation,
            other => return Err(other),
        };
        // Under the lock, so that a synchronisation that begins after the translation waits for it.
        let inside = self.reader.enter_locked();
        drop(smmu);
        let result = perform(&translation);
        drop(inside);
        Ok(result)
    }

    /// Runs several accesses under one announcement, whose translations hold until all have ended. A synchronisation
    /// waits for all of them, so a batch should be short.
    pub fn batch<R>(&mut self, run: impl FnOnce(&mut Batch<'_>) -> R) -> R {
        run(&mut self.start_batch())
    }

    /// A batch that ends when it is dropped.
    pub(crate) fn start_batch(&mut self) -> Batch<'_> {
        let inside = self.reader.enter(self.generation);
        self.generation = inside.generation;
        Batch {
            smmu: &self.smmu,
            inside,
            generation: &mut self.generation,
            entries: &mut self.entries,
            counters: &mut self.counters,
        }
    }
}

impl Batch<'_> {
    /// Carries out one access, as [`Tbu::access`] does. What `perform` is given holds until the batch ends.
    ///
    /// # Errors
    /// The response that the client sees instead of the access; never [`Response::Proceed`].
    #[inline]
    pub fn access<R>(
        &mut self,
        env: &mut dyn Env,
        transaction: &Transaction,
        perform: impl FnOnce(&Translation) -> R,
    ) -> Result<R, Response> {
        if let Some(translation) = hit(self.entries, transaction, self.inside.generation) {
            self.counters.count(transaction);
            return Ok(perform(&translation));
        }
        self.miss(env, transaction)
            .map(|translation| perform(&translation))
    }

    #[cold]
    fn miss(&mut self, env: &mut dyn Env, transaction: &Transaction) -> Result<Translation, Response> {
        let mut smmu = self.smmu.lock();
        smmu.counters.drain(env, transaction, self.counters);
        let response = smmu.transact(env, transaction);
        // What is announced stays, so that a synchronisation waits for the whole batch; but what the SMMU has done
        // meanwhile, such as recording a fault that blocks the bank, counts from here on.
        let now = smmu.epoch.generation();
        (self.inside.generation, *self.generation) = (now, now);
        match response {
            Response::Proceed(translation) => {
                if smmu.tbus_may_keep() {
                    keep(self.entries, transaction, &translation, now);
                }
                Ok(translation)
            }
            other => Err(other),
        }
    }
}

/// Looks, for a [`View`](crate::View).
#[cfg(feature = "vm-memory")]
impl Batch<'_> {
    /// Whether the bank of an access, or the stage 2 bank behind it, holds a fault that keeps the access from being
    /// made.
    pub(crate) fn is_blocked(&self, env: &dyn Env, transaction: &Transaction) -> bool {
        let result = self.smmu.lock().translate(env, transaction);
        matches!(result, Err(Fault::Blocked { .. } | Fault::Waiting { .. }))
    }

    /// Destination of an access, without side effects: address, and bytes for which it holds.
    pub(crate) fn look(&self, env: &dyn Env, transaction: &Transaction) -> Option<(u64, u64)> {
        let to = self.smmu.lock().translate(env, transaction).ok()?;
        Some((to.address, to.length))
    }
}

/// Stream ID, page number of the address as the bus carries it, and intent.
#[inline]
fn tag(transaction: &Transaction) -> u64 {
    let Transaction {
        stream_id,
        address,
        intent,
    } = *transaction;
    let page = (address & ((1 << BUS_BITS) - 1)) >> PAGE;
    let intent =
        u64::from(intent.privileged) | u64::from(intent.write) << 1 | u64::from(intent.instruction) << 2;
    page << 19 | u64::from(stream_id) << 3 | intent
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "masked by the number of entries")]
fn place(tag: u64) -> usize {
    // Consecutive pages in consecutive places; streams and kinds of access apart.
    ((tag >> 19) ^ (tag & 0x7_ffff).wrapping_mul(0x9e5) >> 2) as usize & (ENTRIES - 1)
}

#[inline]
fn hit(entries: &[TbuEntry; ENTRIES], transaction: &Transaction, generation: u64) -> Option<Translation> {
    let tag = tag(transaction);
    let entry = entries.get(place(tag))?;
    if entry.tag != tag || entry.generation < generation {
        return None;
    }
    let offset = transaction.address & ((1 << PAGE) - 1);
    Some(Translation {
        address: entry.translation.address | offset,
        length: entry.translation.length - offset,
        ..entry.translation
    })
}

fn keep(
    entries: &mut [TbuEntry; ENTRIES],
    transaction: &Transaction,
    translation: &Translation,
    generation: u64,
) {
    let tag = tag(transaction);
    let offset = transaction.address & ((1 << PAGE) - 1);
    if let Some(entry) = entries.get_mut(place(tag)) {
        *entry = TbuEntry {
            tag,
            generation,
            translation: Translation {
                address: translation.address - offset,
                length: translation.length + offset,
                ..*translation
            },
        };
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
