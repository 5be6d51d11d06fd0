// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Defects of a queue.

use thiserror::Error;
use vm_memory::GuestMemoryError;

use crate::devices::virtio::buffers::ChainError;

/// Reason why a device cannot go on with a queue.
#[derive(Debug, Error)]
pub enum Problem {
    /// The rings.
    #[error("queue {0}: {1}")]
    Ring(u16, virtio_queue::Error),
    /// The next entry of the available ring cannot be read.
    #[error("queue {0}: the available ring cannot be read")]
    Available(u16),
    /// The available ring is where virtio-queue takes it for none.
    #[error("queue {0}: an available ring at address 0 is not supported")]
    AvailableAtZero(u16),
    /// An entry of the available ring is none of the descriptor table.
    #[error("queue {0}: descriptor {1} is beyond the table")]
    Head(u16, u16),
    /// A chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Buffers of a device that has no other way to say that it failed, or the status byte of one that has.
    #[error("a buffer cannot be reached: {0}")]
    Memory(#[from] GuestMemoryError),
    /// The SMMU stalled an access, and software ended it.
    #[error("software terminated a stalled access")]
    Terminated,
    /// A chain lacks what the device needs to answer.
    #[error("a descriptor chain {0}")]
    Unanswerable(&'static str),
}

impl Problem {
    /// Whether it may be the bus that failed, for a while.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Ring(_, error) => matches!(error, virtio_queue::Error::GuestMemory(_)),
            Self::Available(_) | Self::Memory(_) | Self::Chain(ChainError::Broken) => true,
            Self::AvailableAtZero(_)
            | Self::Head(..)
            | Self::Chain(_)
            | Self::Terminated
            | Self::Unanswerable(_) => false,
        }
    }
}
