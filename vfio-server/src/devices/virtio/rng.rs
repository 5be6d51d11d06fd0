// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! virtio-rng (virtio 1.2 §5.4): fills what the driver gives it with random bytes.
//!
//! They are of a generator with a seed, the same in every run: a guest that boots again boots alike. They are no
//! secret.

use virtio_queue::DescriptorChain;
use vm_memory::{Bytes, GuestMemoryError, Permissions};

use super::Dma;
use super::buffers::{Buffers, clip, each_slice, length};
use super::mmio::Identity;
use super::ring::{Completion, Handler, Problem, Step, Worked};

#[cfg(test)]
mod tests;

/// VIRTIO_ID_RNG.
const ID: u32 = 4;
/// Entries of its queue.
pub const QUEUE_SIZE: u16 = 64;
/// The most bytes for one chain.
const MOST: u32 = 64 << 10;

/// Its identity for the driver.
#[must_use]
pub fn identity() -> Identity {
    Identity {
        device: ID,
        features: 0,
        config: Vec::new(),
    }
}

/// The queue of a virtio-rng.
#[derive(Debug)]
pub struct Rng {
    seed: u64,
    random: fastrand::Rng,
    buffers: Buffers,
}

impl Rng {
    /// One that gives the bytes of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            random: fastrand::Rng::with_seed(seed),
            buffers: Buffers::default(),
        }
    }
}

impl Handler for Rng {
    type Job = std::convert::Infallible;

    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<Self::Job>, Problem> {
        self.buffers.gather(chain)?;
        clip(&mut self.buffers.writable, MOST);
        // Kept only when all is written, so that it is the same after a stall.
        let mut random = self.random.clone();
        let mut piece = [0; 256];
        each_slice(memory, &self.buffers.writable, Permissions::Write, |slice| {
            let mut done = 0;
            while done < slice.len() {
                let size = piece.len().min(slice.len() - done);
                let part = piece.get_mut(..size).unwrap_or_default();
                random.fill(part);
                slice.write_slice(part, done).map_err(GuestMemoryError::from)?;
                done += size;
            }
            Ok::<_, GuestMemoryError>(())
        })?;
        self.random = random;
        let moved = length(&self.buffers.writable);
        Ok(Step::Done(Completion {
            written: u32::try_from(moved).unwrap_or(MOST),
            status: None,
            moved,
        }))
    }

    fn refuse<M: Dma>(&mut self, _: &M, _: DescriptorChain<&M>) -> Result<Completion, Problem> {
        Err(Problem::Terminated)
    }

    fn work(job: Self::Job) -> Worked<Self::Job> {
        match job {}
    }

    fn reset(&mut self) {
        self.random = fastrand::Rng::with_seed(self.seed);
    }
}
