// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Jobs under way at a device, and those of them that a reset left behind.
//!
//! A reset ends at once, whatever a job still does to a file: its write to `Status` is over when no batch is under way.
//! The next user of the device may write the same sectors by another queue, which then must not be undone by what was
//! asked for before. So a queue begins nothing until the jobs of before the last reset have ended.

use crate::sync::{Condvar, Mutex};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The jobs of all queues of a device. Its lock is held for moments only.
#[derive(Debug, Default)]
pub struct Jobs {
    count: Mutex<Count>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Count {
    /// Changes whenever the device or one of its queues is reset.
    generation: u64,
    /// Under way in this generation.
    current: usize,
    /// Under way since an earlier one.
    former: usize,
}

/// A job is under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    jobs: Arc<Jobs>,
    generation: u64,
}

/// The time of a queue between two resets. What began in an earlier one is no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueGeneration(pub(super) u64);

/// The chain that a job belongs to.
#[derive(Debug)]
pub struct Ticket {
    /// Its first descriptor.
    pub(super) head: u16,
    /// In which generation of its queue.
    pub(super) generation: QueueGeneration,
    /// Until the queue knows that the job has ended.
    pub(super) _under_way: UnderWay,
}

impl Jobs {
    /// A job begins.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        let mut count = self.count.lock();
        count.current += 1;
        UnderWay {
            jobs: Arc::clone(self),
            generation: count.generation,
        }
    }

    /// Begins a generation: jobs under way belong to an earlier one.
    pub fn leave_behind(&self) {
        let mut count = self.count.lock();
        count.generation += 1;
        count.former += std::mem::take(&mut count.current);
    }

    /// Whether nothing of an earlier time is under way.
    #[must_use]
    pub fn are_settled(&self) -> bool {
        self.count.lock().former == 0
    }

    /// Waits until nothing of an earlier time is under way. The caller holds nothing that a job or a guest waits for.
    pub fn settle(&self) {
        let settled = self.ended.wait_while(self.count.lock(), |count| count.former > 0);
        drop(settled);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut count = self.jobs.count.lock();
        if self.generation == count.generation {
            count.current -= 1;
        } else {
            count.former -= 1;
        }
        let settled = count.former == 0;
        drop(count);
        if settled {
            self.jobs.ended.notify_all();
        }
    }
}
