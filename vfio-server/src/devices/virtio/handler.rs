// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Service of the chains of a queue by a device.

use virtio_queue::DescriptorChain;
use vm_memory::GuestAddress;

use super::Dma;
use super::ring::Problem;

/// A chain that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Bytes that were written, for the used ring.
    pub written: u32,
    /// A byte that tells how it ended, and where it goes.
    pub status: Option<(GuestAddress, u8)>,
    /// Amount that was moved, for the length of a batch.
    pub moved: u64,
}

/// Result for a chain.
#[derive(Debug)]
pub enum Step<J> {
    /// It is done.
    Done(Completion),
    /// It goes on after a job that makes no access.
    Later(J),
    /// It cannot be done now; the queue is rung when it can, and it begins again.
    NotYet,
}

/// Result of a job.
#[derive(Debug)]
pub enum Worked<J> {
    /// The chain is done.
    Done(Completion),
    /// The chain goes on under a view: [`Handler::take_back`], then [`Handler::resume`].
    Back(J),
}

/// Handler of a queue's chains.
pub trait Handler: Send + std::fmt::Debug {
    /// Something that is done while no view exists.
    type Job: Send + std::fmt::Debug;

    /// Carries a chain out. If an access stalls, it returns anything, and is called again.
    ///
    /// # Errors
    /// [`Problem`]: the device needs a reset.
    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<Self::Job>, Problem>;

    /// Answers a chain one of whose accesses stalled in [`Handler::serve`], and was terminated.
    ///
    /// # Errors
    /// [`Problem`], also if there is no way to answer.
    fn refuse<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Completion, Problem>;

    /// Does a job.
    fn work(job: Self::Job) -> Worked<Self::Job>;

    /// Whether a job is part of a batch, at whose end the driver is told of all of it; before any other job it is told
    /// of what was done so far.
    fn is_part_of_batch(_: &Self::Job) -> bool {
        false
    }

    /// Keeps a job that was [`Worked::Back`], for what follows.
    fn take_back(&mut self, _: Self::Job) {}

    /// Goes on with the chain whose job was taken back. If an access stalls, it returns anything, and is called again.
    ///
    /// # Errors
    /// As of [`Handler::serve`].
    fn resume<M: Dma>(&mut self, _: &M) -> Result<Step<Self::Job>, Problem> {
        Err(Problem::Unanswerable("does not go on after a job"))
    }

    /// Answers the chain whose job was taken back: an access in [`Handler::resume`] stalled, and was terminated.
    ///
    /// # Errors
    /// As of [`Handler::refuse`].
    fn give_up(&mut self) -> Result<Completion, Problem> {
        Err(Problem::Terminated)
    }

    /// The state after power-on.
    fn reset(&mut self) {}
}
