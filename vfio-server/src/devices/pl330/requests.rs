// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The request lines of peripherals (DDI 0424 §2.6).

use super::decode::{Kind, Wanted};
use super::events::bit;

/// Request of a peripheral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// One beat or a burst.
    pub kind: Kind,
    /// It is the last of a transfer.
    pub last: bool,
}

/// The lines.
#[derive(Clone, Debug)]
pub struct Requests {
    /// A bit each: always a burst request.
    tied: u32,
    pending: [Option<Request>; 32],
}

impl Requests {
    /// Lines of which some are tied to a burst request; the others are idle.
    #[must_use]
    pub fn new(tied: u32) -> Self {
        Self {
            tied,
            pending: [None; 32],
        }
    }

    /// A peripheral asks for a transfer.
    pub fn set(&mut self, peripheral: u8, request: Request) {
        if let Some(pending) = self.pending.get_mut(usize::from(peripheral)) {
            *pending = Some(request);
        }
    }

    /// The request that lets DMAWFP go on, as what it counts.
    pub(super) fn answer(&self, wanted: Wanted, peripheral: u8) -> Option<Request> {
        let tied = (self.tied & bit(peripheral) != 0).then_some(Request {
            kind: Kind::Burst,
            last: false,
        });
        let request = tied.or(*self.pending.get(usize::from(peripheral))?)?;
        match (wanted, request.kind) {
            (Wanted::Kind(Kind::Burst), Kind::Single) => None,
            (Wanted::Kind(kind), _) => Some(Request { kind, ..request }),
            (Wanted::Periph, _) => Some(request),
        }
    }

    /// The request was served, or is flushed.
    pub(super) fn end(&mut self, peripheral: u8) {
        if let Some(pending) = self.pending.get_mut(usize::from(peripheral)) {
            *pending = None;
        }
    }
}
