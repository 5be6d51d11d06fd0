// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The instruction cache of a thread: what it fetched, until it stops.

use super::bus::{Bus, BusError};

/// log2 of the bytes of a line.
pub(super) const LINE_LOG2: u8 = 5;
/// Lines. As many bytes as the longest jump of DMALPEND, so that a loop stays in the cache.
pub(super) const LINES: u8 = 8;

const LINE: usize = 1 << LINE_LOG2;

#[derive(Clone, Copy, Debug)]
struct Line {
    /// Address divided by the bytes of a line.
    tag: u32,
    bytes: [u8; LINE],
}

/// A direct-mapped cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    lines: [Option<Line>; LINES as usize],
}

impl Cache {
    /// Forgets everything.
    pub(super) fn invalidate(&mut self) {
        self.lines = [None; LINES as usize];
    }

    /// The byte at an address; its line is fetched if need be.
    pub(super) fn byte(
        &mut self,
        bus: &mut impl Bus,
        address: u32,
        non_secure: bool,
    ) -> Result<u8, BusError> {
        let tag = address >> LINE_LOG2;
        let at = address as usize % LINE;
        let line = &mut self.lines[tag as usize % LINES as usize];
        if let Some(line) = line.as_ref().filter(|line| line.tag == tag) {
            return Ok(line.bytes[at]);
        }
        let mut bytes = [0; LINE];
        bus.fetch(tag << LINE_LOG2, &mut bytes, non_secure)?;
        *line = Some(Line { tag, bytes });
        Ok(bytes[at])
    }
}
