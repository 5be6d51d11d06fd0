// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The marks as a guest sees them: word i is mark i, and writing anything but 0 raises it. The last word reads as the
//! low 32 bits of the plan's seed, for guests that draw from it; a doubleword before it as the server's clock, for
//! guests whose own trace is to be laid beside the server's.

use crate::host::run::Run;

/// Bytes of the marks. As large as a page of a guest can be, so that no DMA device's registers share one with them:
/// Linux does not let a program map a page that belongs to a driver (`CONFIG_IO_STRICT_DEVMEM`).
pub const MARKS_SIZE: u64 = 64 << 10;
/// Offset of the word that reads as the low 32 bits of the plan's seed, for guests that draw from it. No mark has this
/// number.
pub const SEED_OFFSET: u64 = MARKS_SIZE - 4;
/// Offset of the doubleword that reads as the clock of the trace: nanoseconds since the start of the server. No mark
/// has its numbers. It is to be read as a whole.
pub const CLOCK_OFFSET: u64 = MARKS_SIZE - 16;

/// Reads marks.
pub(super) fn read(run: &Run, seed: impl Fn() -> u64, offset: u64, data: &mut [u8]) {
    let clock = run.now().to_le_bytes();
    for (at, byte) in (offset..).zip(data) {
        let mark = usize::try_from(at / 4).unwrap_or(usize::MAX);
        let within = |start: u64| at.checked_sub(start).and_then(|at| usize::try_from(at).ok());
        let of_clock = within(CLOCK_OFFSET).and_then(|at| clock.get(at));
        *byte = match (of_clock, within(SEED_OFFSET)) {
            (Some(of_clock), _) => *of_clock,
            (None, Some(at)) => seed().to_le_bytes().get(at).copied().unwrap_or(0),
            (None, None) => u8::from(at.is_multiple_of(4) && run.is_raised(mark)),
        };
    }
}

/// Raises marks.
pub(super) fn write(run: &Run, offset: u64, data: &[u8]) {
    for (at, byte) in (offset..).zip(data) {
        if *byte != 0 {
            run.raise(usize::try_from(at / 4).unwrap_or(usize::MAX));
        }
    }
}
