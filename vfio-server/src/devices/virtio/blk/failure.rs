// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Reason why a request fails.

use std::fmt::{self, Display};
use std::io;

use virtio_bindings::virtio_blk::{VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_UNSUPP};
use vm_memory::GuestMemoryError;

/// Status of a request that went wrong.
pub(super) const IOERR: u8 = VIRTIO_BLK_S_IOERR.to_le_bytes()[0];
/// Status of a request that the device does not offer.
pub(super) const UNSUPP: u8 = VIRTIO_BLK_S_UNSUPP.to_le_bytes()[0];

/// Reason why a request fails.
pub(super) enum Failure {
    /// With VIRTIO_BLK_S_IOERR.
    Io(&'static str, Cause),
    /// With VIRTIO_BLK_S_UNSUPP.
    Unsupported(String),
}

/// Cause of a failure.
pub(super) enum Cause {
    Memory(GuestMemoryError),
    File(io::Error),
    Request,
}

impl From<GuestMemoryError> for Cause {
    fn from(error: GuestMemoryError) -> Self {
        Self::Memory(error)
    }
}

impl Failure {
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Io(..) => IOERR,
            Self::Unsupported(_) => UNSUPP,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(what, Cause::Request) => write!(f, "a request fails: {what}"),
            Self::Io(what, Cause::Memory(error)) => write!(f, "a request fails: {what}: {error}"),
            Self::Io(what, Cause::File(error)) => write!(f, "a request fails: {what}: image: {error}"),
            Self::Unsupported(what) => write!(f, "a request fails: {what}"),
        }
    }
}
