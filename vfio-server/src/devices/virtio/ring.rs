// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One queue of a device, and what serves it.
//!
//! A DMA thread runs [`Ring::run`] again and again, each time with a new view of memory, so that no batch is long. All
//! that has to outlast a batch is in the ring: if an access stalls, the batch ends, and the next one does the same
//! chain again from its start. What is not to be done twice, or may be slow, is done without a view, as a job
//! ([`Step::Later`]); a batch may go on after one.
//!
//! As long as a context bank holds a fault, it terminates whatever else comes (SCTLR.HUPCF = 0, as Linux has it): a
//! device whose data was not mapped could not say so. A batch that cannot reach the rings is therefore tried again for
//! a while, in which the time that a bank holds a fault does not count.

use std::sync::atomic::Ordering;
use std::time::Duration;

use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

pub use self::problem::Problem;
use self::retries::Retries;
use super::buffers::{ChainError, why_broken};
pub use super::handler::{Completion, Handler, Step, Worked};
use super::jobs::{QueueGeneration, Ticket};
use super::{Dma, State};

mod problem;
mod retries;
#[cfg(test)]
mod tests;

/// The most chains of a batch.
const BATCH: usize = 16;
/// A batch ends after the chain that makes it this long, in bytes.
const BATCH_BYTES: u64 = 256 << 10;

/// Next step after a batch.
#[derive(Debug)]
pub enum Next<J> {
    /// Nothing until the queue is notified.
    Wait,
    /// Another batch.
    Batch,
    /// Another batch once the jobs have ended that a reset left behind ([`super::jobs::Jobs::settle`]).
    Settle,
    /// A job, then [`Ring::finish`], then more of this batch or another one.
    Work(Ticket, J),
    /// An access has stalled. If it goes on, the same batch again; if it was terminated, [`Ring::terminated`].
    Stalled(QueueGeneration),
    /// Another batch after a while: the rings cannot be reached.
    Retry(Duration),
    /// The device needs a reset.
    Broken(Problem),
}

/// Result of a batch.
#[derive(Debug)]
pub struct Turn<J> {
    /// The driver wants to know about used buffers.
    pub interrupt: bool,
    /// Next step.
    pub next: Next<J>,
}

/// Setup of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Number of entries.
    pub size: u32,
    /// Address of the descriptor table.
    pub descriptors: u64,
    /// Address of the available ring.
    pub available: u64,
    /// Address of the used ring.
    pub used: u64,
    /// VIRTIO_RING_F_EVENT_IDX is negotiated.
    pub event_idx: bool,
}

/// A queue and its handler.
#[derive(Debug)]
pub struct Ring<H> {
    number: u16,
    queue: Queue,
    handler: H,
    /// A chain that is done but not used.
    pending: Option<(u16, Completion)>,
    /// A chain that the handler goes on with.
    unfinished: Option<u16>,
    /// Chains of the batch under way, and bytes.
    chains: usize,
    moved: u64,
    /// There are used buffers that the driver has not been told of.
    untold: bool,
    /// Whether what stalled last was about the buffers of a chain, rather than the rings.
    stalled_in_chain: bool,
    refuse_next: bool,
    retries: Retries,
    /// Changes whenever the queue is set up or reset.
    generation: QueueGeneration,
}

impl<H: Handler> Ring<H> {
    /// Queue `number` of a device, of at most `size` entries.
    ///
    /// # Errors
    /// The size is no power of two.
    pub fn new(number: u16, size: u16, handler: H) -> Result<Self, virtio_queue::Error> {
        Ok(Self {
            number,
            queue: Queue::new(size)?,
            handler,
            pending: None,
            unfinished: None,
            chains: 0,
            moved: 0,
            untold: false,
            stalled_in_chain: false,
            refuse_next: false,
            retries: Retries::default(),
            generation: QueueGeneration::default(),
        })
    }

    /// Its largest size.
    #[must_use]
    pub fn max_size(&self) -> u16 {
        self.queue.max_size()
    }

    /// Handler of its chains.
    #[cfg(test)]
    pub(super) fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// Makes the queue ready.
    ///
    /// # Errors
    /// A size or an address that virtio does not allow, or an available ring at address 0, which virtio-queue takes for
    /// none; the queue is not ready then.
    pub fn set_up(&mut self, setup: &Setup) -> Result<(), Problem> {
        self.stop();
        if setup.available == 0 {
            return Err(Problem::AvailableAtZero(self.number));
        }
        let queue = &mut self.queue;
        u16::try_from(setup.size)
            .map_err(|_| virtio_queue::Error::InvalidSize)
            .and_then(|size| queue.try_set_size(size))
            .and_then(|()| queue.try_set_desc_table_address(GuestAddress(setup.descriptors)))
            .and_then(|()| queue.try_set_avail_ring_address(GuestAddress(setup.available)))
            .and_then(|()| queue.try_set_used_ring_address(GuestAddress(setup.used)))
            .map_err(|error| Problem::Ring(self.number, error))?;
        queue.set_event_idx(setup.event_idx);
        queue.set_ready(true);
        Ok(())
    }

    /// Lets go of the queue.
    pub fn stop(&mut self) {
        self.queue.reset();
        self.pending = None;
        self.unfinished = None;
        self.untold = false;
        self.stalled_in_chain = false;
        self.refuse_next = false;
        self.retries = Retries::default();
        self.generation.0 += 1;
    }

    /// The state after power-on.
    pub fn reset(&mut self) {
        self.stop();
        self.handler.reset();
    }

    /// Serves what is available, up to the length of a batch.
    pub fn run<M: Dma>(&mut self, memory: &M, state: &State) -> Turn<H::Job> {
        let used = self.queue.next_used();
        // Before an access of this batch takes a fault itself.
        let blocked = self.retries.is_retrying() && memory.is_blocked();
        let next = match self.batch(memory, state) {
            Ok(next) => next,
            Err(_) if memory.is_stalled() => Next::Stalled(self.generation),
            Err(problem) if problem.may_pass() => self
                .retries
                .next_pause(blocked)
                .map_or(Next::Broken(problem), Next::Retry),
            Err(problem) => Next::Broken(problem),
        };
        if let Next::Broken(_) = next {
            state.needs_reset();
        }
        let mut interrupt = matches!(next, Next::Broken(_));
        self.untold |= self.queue.next_used() != used;
        if matches!(&next, Next::Work(_, job) if H::is_part_of_batch(job)) {
            return Turn { interrupt, next };
        }
        (self.chains, self.moved) = (0, 0);
        if std::mem::take(&mut self.untold) && self.is_to_be_told(memory, &next) {
            state.used_buffers();
            interrupt = true;
        }
        Turn { interrupt, next }
    }

    /// Whether the driver wants to know about the buffers that a batch used. Once more too often does no harm.
    fn is_to_be_told<M: Dma>(&mut self, memory: &M, next: &Next<H::Job>) -> bool {
        // If this access stalled too, its token would take the place of the one that is waited for. And a batch in
        // which an access stalls is run again, so a job or the reason for a reset that it returned would be lost.
        memory.is_stalled()
            || matches!(next, Next::Work(..) | Next::Broken(_))
            || self.queue.needs_notification(memory).unwrap_or(true)
    }

    fn batch<M: Dma>(&mut self, memory: &M, state: &State) -> Result<Next<H::Job>, Problem> {
        if !state.jobs().are_settled() {
            return Ok(Next::Settle);
        }
        while self.chains < BATCH || self.unfinished.is_some() {
            if !self.queue.ready() || !state.runs() {
                return Ok(Next::Wait);
            }
            self.stalled_in_chain = false;
            self.moved += self.complete(memory)?;
            if self.moved >= BATCH_BYTES {
                break;
            }
            let position = self.queue.next_avail();
            let (head, step) = if let Some(head) = self.unfinished {
                self.stalled_in_chain = true;
                (head, self.go_on(memory))
            } else {
                self.chains += 1;
                let Some(chain) = self.pop(memory)? else {
                    if self.is_drained(memory)? {
                        self.retries = Retries::default();
                        return Ok(Next::Wait);
                    }
                    continue;
                };
                let head = chain.head_index();
                self.stalled_in_chain = true;
                let step = if self.refuse_next {
                    self.handler.refuse(memory, chain).map(Step::Done)
                } else {
                    self.handler.serve(memory, chain)
                };
                (head, step.map_err(|problem| self.explain(memory, head, problem)))
            };
            if step.is_err() || memory.is_stalled() {
                self.queue.set_next_avail(position);
            }
            if memory.is_stalled() {
                return Ok(Next::Stalled(self.generation));
            }
            let step = step?;
            self.unfinished = None;
            self.refuse_next = false;
            match step {
                Step::Done(completion) => self.pending = Some((head, completion)),
                Step::Later(job) => {
                    let ticket = Ticket {
                        head,
                        generation: self.generation,
                        _under_way: state.jobs().begin(),
                    };
                    return Ok(Next::Work(ticket, job));
                }
                Step::NotYet => {
                    // Of a chain that has had a job, too: it is the one that was taken last.
                    let taken = self.queue.next_avail().wrapping_sub(1);
                    self.queue.set_next_avail(taken);
                    return Ok(Next::Wait);
                }
            }
        }
        self.stalled_in_chain = false;
        self.complete(memory)?;
        Ok(Next::Batch)
    }

    /// Defect of a chain, if it is more than that it does not go on.
    fn explain<M: Dma>(&self, memory: &M, head: u16, problem: Problem) -> Problem {
        match problem {
            Problem::Chain(ChainError::Broken) if !memory.is_stalled() => {
                let table = GuestAddress(self.queue.desc_table());
                Problem::Chain(why_broken(memory, table, self.queue.size(), head))
            }
            other => other,
        }
    }

    /// More of the chain whose job was taken back.
    fn go_on<M: Dma>(&mut self, memory: &M) -> Result<Step<H::Job>, Problem> {
        if self.refuse_next {
            self.handler.give_up().map(Step::Done)
        } else {
            self.handler.resume(memory)
        }
    }

    /// The next chain, if there is one.
    fn pop<'m, M: Dma>(&mut self, memory: &'m M) -> Result<Option<DescriptorChain<&'m M>>, Problem> {
        let (number, size, position) = (self.number, self.queue.size(), self.queue.next_avail());
        // If nothing comes out of it, either nothing was there or the entry cannot be read. The driver may have added a
        // chain since it looked: then it looks once more.
        for _ in 0..2 {
            let mut available = self
                .queue
                .iter(memory)
                .map_err(|error| Problem::Ring(number, error))?;
            if let Some(chain) = available.next() {
                let head = chain.head_index();
                return if head < size {
                    Ok(Some(chain))
                } else {
                    Err(Problem::Head(number, head))
                };
            }
            // Another access could stall too, and its token would take the place of the first.
            if memory.is_stalled() {
                break;
            }
            match self.queue.avail_idx(memory, Ordering::Relaxed) {
                Ok(end) if end.0 == position => return Ok(None),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Err(Problem::Available(number))
    }

    /// Asks for a notification; false if there is another chain already.
    fn is_drained<M: Dma>(&mut self, memory: &M) -> Result<bool, Problem> {
        // Without this feature every notification comes: they are never turned off.
        if !self.queue.event_idx_enabled() {
            return Ok(true);
        }
        self.queue
            .enable_notification(memory)
            .map(|more| !more)
            .map_err(|error| Problem::Ring(self.number, error))
    }

    /// Tells the driver about the chain that is done. Can be done again after an error.
    fn complete<M: Dma>(&mut self, memory: &M) -> Result<u64, Problem> {
        let Some((head, completion)) = self.pending else {
            return Ok(0);
        };
        if let Some((address, status)) = completion.status {
            memory.write_obj(status, address)?;
        }
        let position = self.queue.next_used();
        if let Err(error) = self.queue.add_used(memory, head, completion.written) {
            self.queue.set_next_used(position);
            return Err(Problem::Ring(self.number, error));
        }
        self.pending = None;
        self.retries = Retries::default();
        Ok(completion.moved)
    }

    /// A job is done.
    pub fn finish(&mut self, ticket: Ticket, worked: Worked<H::Job>) {
        // A reset may have come between.
        if ticket.generation != self.generation {
            return;
        }
        match worked {
            Worked::Done(completion) => self.pending = Some((ticket.head, completion)),
            Worked::Back(job) => {
                self.unfinished = Some(ticket.head);
                self.handler.take_back(job);
            }
        }
    }

    /// The access that stalled in a generation will not be made. The next batch answers the chain with a failure; if
    /// that is not possible, the device needs a reset, and this says why.
    pub fn terminated(&mut self, generation: QueueGeneration, state: &State) -> Option<Problem> {
        // A reset may have come while it was waited for: it was of none of the chains that there are now.
        if generation != self.generation {
            return None;
        }
        let possible = self.stalled_in_chain && !self.refuse_next;
        self.refuse_next = possible;
        if possible || !self.queue.ready() {
            return None;
        }
        state.needs_reset();
        Some(Problem::Terminated)
    }
}
