// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Generations, and the threads that are still inside one: how DMA threads may use translations without a lock, while
//! no access uses a stale one after a TLB synchronisation has read idle.
//!
//! An operation that may change a translation starts a new generation, under the lock of the SMMU. A translation that a
//! thread has kept counts only in the generation in which it was made. A thread announces the generation in which its
//! access is under way, from before it looks at a kept translation until after it has used it. A TLB synchronisation is
//! complete when no thread is inside an older generation than the one that the write of the register began.
//!
//! The order that makes this right: a reader writes its slot and then reads the generation; a writer advances the
//! generation and then reads the slots. All four are sequentially consistent, so at least one of the two sees the
//! other: the reader a new generation, or the writer a reader to wait for.

pub mod sync;

use crate::epoch::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

/// Value of a slot while its thread is in no access. Generations start above it.
const OUTSIDE: u64 = 0;

/// The generation of one SMMU's translations, and the threads that use them.
#[derive(Debug)]
pub struct Epoch {
    generation: Padded,
    readers: Mutex<Vec<Arc<Padded>>>,
}

/// A counter on cache lines of its own: 128 bytes, since some cores fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(AtomicU64);

/// The moment at which a synchronisation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Barrier(u64);

/// One thread's slot.
#[derive(Debug)]
pub(crate) struct Reader {
    epoch: Arc<Epoch>,
    slot: Arc<Padded>,
}

/// A thread is inside an access; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    slot: &'a AtomicU64,
    /// The generation that is announced.
    pub(crate) generation: u64,
}

impl Epoch {
    pub(crate) fn new() -> Self {
        Self {
            generation: Padded(AtomicU64::new(OUTSIDE + 1)),
            readers: Mutex::default(),
        }
    }

    /// Starts a generation: no translation that a thread has kept counts any more. Called under the SMMU's lock only.
    pub(crate) fn advance(&self) {
        self.generation.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.0.load(Ordering::SeqCst)
    }

    /// A synchronisation begins: the accesses of the present generation need not end before it.
    pub(crate) fn barrier(&self) -> Barrier {
        Barrier(self.generation())
    }

    /// Whether every access that began before the barrier has ended.
    pub(crate) fn has_passed(&self, barrier: Barrier) -> bool {
        self.readers().iter().all(|reader| {
            let inside = reader.0.load(Ordering::SeqCst);
            inside == OUTSIDE || inside >= barrier.0
        })
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Arc<Padded>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    pub(crate) fn new(epoch: Arc<Epoch>) -> Self {
        let slot = Arc::new(Padded(AtomicU64::new(OUTSIDE)));
        epoch.readers().push(Arc::clone(&slot));
        Self { epoch, slot }
    }

    /// Announces an access. `guess` is the generation last seen, which mostly still is the one.
    #[inline]
    pub(crate) fn enter(&self, guess: u64) -> Inside<'_> {
        let mut generation = guess;
        loop {
            self.slot.0.store(generation, Ordering::SeqCst);
            let now = self.epoch.generation.0.load(Ordering::SeqCst);
            if now == generation {
                return Inside {
                    slot: &self.slot.0,
                    generation,
                };
            }
            generation = now;
        }
    }

    /// Announces an access in a generation that cannot end meanwhile: the caller holds the SMMU's lock.
    pub(crate) fn enter_locked(&self) -> Inside<'_> {
        let generation = self.epoch.generation();
        self.slot.0.store(generation, Ordering::SeqCst);
        Inside {
            slot: &self.slot.0,
            generation,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.epoch
            .readers()
            .retain(|reader| !Arc::ptr_eq(reader, &self.slot));
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: what the access did to memory comes before a synchronisation that sees this.
        self.slot.store(OUTSIDE, Ordering::Release);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
