// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Port by which a thread of a DMA device reaches guest memory: through the SMMU.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use smmu_emu::events::NoMemory;
use smmu_emu::{
    BusError, Intent, Response, SmmuHandle, Stall, Surroundings, Tbu, Transaction, Translation, View,
};
use thiserror::Error;
use vm_memory::GuestMemoryMmap;

use crate::host::dma_gate::{AccessGuard, Generation, Revoked};
use crate::host::environment::{Callbacks, Shared};
use crate::host::memory::Ranges;
use crate::host::refused::RefusedAccess;

#[cfg(test)]
mod tests;

/// An access is made in steps of no more than this.
const PAGE: u64 = 4096;

/// Attributes of an access, as the bus carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Stream ID.
    pub stream: u16,
    /// Privileged rather than unprivileged.
    pub privileged: bool,
    /// Instruction fetch rather than data; reads only.
    pub instruction: bool,
}

/// An access that was not made, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It ended with a bus error: the SMMU aborted it, or there is no memory.
    #[error("bus error")]
    Aborted,
    /// Its time is over: the DMA device goes back to wait for work, without telling anybody.
    #[error(transparent)]
    Revoked(#[from] Revoked),
}

/// Counts of the accesses of a device's ports.
#[derive(Debug, Default)]
pub struct Activity {
    accesses: AtomicU64,
    aborted: AtomicU64,
    stalled: AtomicU64,
    waiting: AtomicUsize,
}

impl Activity {
    /// Accesses made so far, page by page; a view counts once.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.accesses.load(Ordering::Relaxed)
    }

    /// Accesses that ended with a bus error. What a view refuses is its user's to count.
    #[must_use]
    pub fn aborted(&self) -> u64 {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Number of accesses that stalled.
    #[must_use]
    pub fn stalled(&self) -> u64 {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Whether an access waits for software now.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// An access of one of the ports waits until this is dropped.
    fn wait(&self) -> Waiting<'_> {
        self.stalled.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }
}

/// An access waits for software as long as this is kept.
#[derive(Debug)]
struct Waiting<'a>(&'a Activity);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The way of one thread of a DMA device to memory.
///
/// While a port waits, for software to decide about a stalled transaction or for a pause to end, it holds nothing that
/// anybody else waits for.
#[derive(Debug)]
pub struct Port {
    tbu: Tbu,
    wire: Wire,
    refused: Option<RefusedAccess>,
}

/// All of a port that does not change during an access.
#[derive(Debug)]
struct Wire {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    stream: u16,
    generation: Generation,
}

impl Port {
    pub(super) fn new(smmu: &SmmuHandle, shared: Arc<Shared>, stream: u16, activity: Arc<Activity>) -> Self {
        Self {
            tbu: Tbu::new(smmu),
            wire: Wire {
                shared,
                activity,
                stream,
                generation: Generation::default(),
            },
            refused: None,
        }
    }

    /// New work begins, in this generation.
    pub(super) fn begin(&mut self, generation: Generation) {
        self.wire.generation = generation;
    }

    /// The stream that the configuration gives the DMA device.
    #[must_use]
    pub fn stream(&self) -> u16 {
        self.wire.stream
    }

    /// The last access of the last view that the SMMU refused, if it refused one.
    #[must_use]
    pub fn refused(&self) -> Option<RefusedAccess> {
        self.refused
    }

    /// Whether the work under way may go on. Accesses ask themselves; work that goes on for long without one has to.
    ///
    /// # Errors
    /// [`Revoked`].
    pub fn check(&self) -> Result<(), Revoked> {
        self.wire.shared.dma_gate().check(self.wire.generation)
    }

    /// Runs something over guest memory as the DMA device's stream sees it. The whole of it is one access under way, so
    /// it should be short, and must not wait for what the guest does next.
    ///
    /// If an access of it stalls, it sees [`smmu_emu::Refused::Stalled`] and returns. Once software has decided, it is
    /// run again from the start; or, if the transaction is not to go on, what it returned counts. So it has to be
    /// something that can be run again.
    ///
    /// # Errors
    /// [`Revoked`] if the time of the work is over.
    pub fn with_view<R>(
        &mut self,
        intent: Intent,
        mut run: impl FnMut(&View<'_, GuestMemoryMmap>) -> R,
    ) -> Result<R, Revoked> {
        let Self { tbu, wire, refused } = self;
        loop {
            let guard = wire.enter()?;
            let memory = guard.memory();
            let mut env = wire.env(memory);
            let view =
                View::new(tbu, &mut env, memory.readable(), wire.stream, intent).writes_to(memory.writable());
            let result = run(&view);
            let stalled = view.take_stall();
            drop(view);
            *refused = env.host.refused;
            let Some(stall) = stalled else {
                return Ok(result);
            };
            match wire.wait_out(tbu, guard, stall, &mut |_, _| ()) {
                Ok(Some(())) => {}
                Ok(None) | Err(Refusal::Aborted) => return Ok(result),
                Err(Refusal::Revoked(revoked)) => return Err(revoked),
            }
        }
    }

    /// Reads memory, page by page. What the SMMU lets read as zero is zero.
    ///
    /// # Errors
    /// [`Refusal`]; what comes before the failing page has been read.
    pub fn read(&mut self, address: u64, data: &mut [u8], access: Access) -> Result<(), Refusal> {
        let mut done = 0;
        while let Some(rest) = data.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let transaction = access.transaction(address, done, false);
            let part = self.access(&transaction, &mut |memory, to| {
                let part = rest.get_mut(..bounded(rest.len(), to)).ok_or(BusError)?;
                memory.read(to.address, part).map(|()| part.len())
            })?;
            done += part.unwrap_or_else(|| {
                let part = ignored(rest.len(), &transaction);
                rest.iter_mut().take(part).for_each(|byte| *byte = 0);
                part
            });
        }
        Ok(())
    }

    /// Writes memory, page by page. What the SMMU lets be ignored is not written.
    ///
    /// # Errors
    /// [`Refusal`]; what comes before the failing page has been written.
    pub fn write(&mut self, address: u64, data: &[u8], access: Access) -> Result<(), Refusal> {
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let transaction = access.transaction(address, done, true);
            let part = self.access(&transaction, &mut |memory, to| {
                let part = rest.get(..bounded(rest.len(), to)).ok_or(BusError)?;
                memory.write(to.address, part).map(|()| part.len())
            })?;
            done += part.unwrap_or_else(|| ignored(rest.len(), &transaction));
        }
        Ok(())
    }

    /// Makes one access, of so many bytes; none if the SMMU lets it be ignored.
    fn access(
        &mut self,
        transaction: &Transaction,
        perform: &mut impl FnMut(&Ranges, &Translation) -> Result<usize, BusError>,
    ) -> Result<Option<usize>, Refusal> {
        let Self { tbu, wire, .. } = self;
        let unanswered = Cell::new(None);
        let perform = &mut |memory: &Ranges, to: &Translation| {
            perform(memory, to).inspect_err(|BusError| unanswered.set(Some(to.address)))
        };
        let guard = wire.enter()?;
        let memory = guard.memory();
        let mut env = wire.env(memory);
        let result = tbu.access(&mut env, transaction, |to| perform(memory, to));
        let result = match result {
            Ok(performed) => Ok(Some(performed)),
            Err(Response::Stall(stall)) => wire.wait_out(tbu, guard, stall, perform),
            Err(Response::Ignore) => Ok(None),
            Err(Response::Abort | Response::Proceed(_)) => Err(Refusal::Aborted),
        };
        if let Some(address) = unanswered.get() {
            wire.shared.no_memory(&NoMemory::new(*transaction, address));
        }
        // No memory is a bus error like that of the SMMU.
        let result = result.and_then(|performed| performed.transpose().map_err(|BusError| Refusal::Aborted));
        if result == Err(Refusal::Aborted) {
            wire.activity.aborted.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl Wire {
    fn enter(&self) -> Result<AccessGuard<'_>, Revoked> {
        self.activity.accesses.fetch_add(1, Ordering::Relaxed);
        self.shared.dma_gate().enter(self.generation)
    }

    /// The surroundings of the SMMU during an access.
    fn env<'a>(&'a self, memory: &'a Ranges) -> Surroundings<&'a Ranges, Callbacks<'a>> {
        Surroundings {
            memory,
            host: Callbacks::watching(&self.shared),
        }
    }

    /// Waits until software has decided about a transaction that stalled under a guard, and carries it out if it goes
    /// on; none if the access is to be ignored.
    fn wait_out<'a, R>(
        &'a self,
        tbu: &mut Tbu,
        mut guard: AccessGuard<'a>,
        mut stall: Stall,
        perform: &mut impl FnMut(&Ranges, &Translation) -> R,
    ) -> Result<Option<R>, Refusal> {
        let _waiting = self.activity.wait();
        let gate = self.shared.dma_gate();
        loop {
            gate.wait_for_resume(guard, self.generation)?;
            guard = gate.enter(self.generation)?;
            let memory = guard.memory();
            let mut env = self.env(memory);
            match tbu.resume(&mut env, stall, |to| perform(memory, to)) {
                Ok(performed) => return Ok(Some(performed)),
                Err(Response::Stall(again)) => stall = again,
                Err(Response::Ignore) => return Ok(None),
                Err(Response::Abort | Response::Proceed(_)) => return Err(Refusal::Aborted),
            }
        }
    }
}

impl Access {
    fn transaction(self, address: u64, offset: usize, write: bool) -> Transaction {
        Transaction {
            stream_id: self.stream,
            address: address.wrapping_add(offset as u64),
            intent: Intent {
                privileged: self.privileged,
                write,
                instruction: self.instruction && !write,
            },
        }
    }
}

/// Bytes of an access of `length` for which a translation holds.
fn bounded(length: usize, to: &Translation) -> usize {
    // A guard is kept for a short time: no more than a page at a time, however large the block of the translation is.
    let page = PAGE - to.address % PAGE;
    length.min(usize::try_from(to.length.min(page)).unwrap_or(usize::MAX))
}

/// Bytes of an access of `length` that are ignored together.
fn ignored(length: usize, transaction: &Transaction) -> usize {
    length.min(usize::try_from(PAGE - transaction.address % PAGE).unwrap_or(usize::MAX))
}
