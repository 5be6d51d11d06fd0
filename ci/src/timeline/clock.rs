// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Two clocks laid beside each other.
//!
//! A guest under TCG counts the host's time, so that its clock and the server's differ by a constant. Each time the
//! guest reads the server's clock, between two events of its own, the constant is bounded from both sides: by the event
//! before, when the page was mapped, and by the one after, when the value was printed.

use std::collections::HashMap;

use super::ftrace::GuestEvent;

/// Events before a reading: the page is being mapped, and the program goes on.
const MAPPED: &str = "clock_mapped";
const MAPPED_END: &str = "clock_mapped_end";
/// Events after it, of which the first counts: the program looks at its output, and writes to it.
const PRINT: [&str; 2] = ["clock_print", "clock_print_end"];
/// Event of a marker.
pub(super) const MARKER: &str = "tracing_mark_write";

/// The difference of the two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clocks {
    /// Lowest and highest number of nanoseconds that the server's clock is ahead.
    least: i64,
    most: i64,
}

impl Clocks {
    /// The difference that all readings allow.
    ///
    /// # Errors
    /// There is no reading, or two of them contradict each other.
    pub(super) fn of(events: &[GuestEvent]) -> Result<Self, &'static str> {
        let mut mapped: HashMap<u64, u64> = HashMap::new();
        let mut between = None;
        let mut all: Option<Self> = None;
        for event in events {
            match event.name.as_str() {
                MAPPED => {
                    mapped.insert(event.pid, event.ns);
                }
                MAPPED_END => {
                    mapped.entry(event.pid).and_modify(|before| *before = event.ns);
                }
                name if PRINT.contains(&name) => {
                    if let Some(before) = mapped.remove(&event.pid) {
                        between = Some((before, event.ns));
                    }
                }
                MARKER => {
                    if let Some(value) = reading(&event.text)
                        && let Some((before, after)) = between.take()
                    {
                        let bounds = Self {
                            least: difference(value, after),
                            most: difference(value, before),
                        };
                        all = Some(all.map_or(bounds, |all| Self {
                            least: all.least.max(bounds.least),
                            most: all.most.min(bounds.most),
                        }));
                    }
                }
                _ => {}
            }
        }
        match all {
            None => Err(
                "the guest sent no trace with readings of the server's clock: its kernel cannot trace itself, \
                         or did not get to the end of the script",
            ),
            Some(Self { least, most }) if least > most => {
                Err("the guest's clock does not run as the server's does, so that its trace has no place")
            }
            Some(clocks) => Ok(clocks),
        }
    }

    /// Half of what the readings leave open.
    pub(super) fn within_ns(&self) -> u64 {
        self.most.abs_diff(self.least).div_ceil(2)
    }

    /// Microseconds of the server's clock at a time of the guest's.
    pub(super) fn server_us(&self, guest_ns: u64) -> f64 {
        let offset = i128::from(self.least) + i128::from(self.within_ns());
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact for a hundred days of nanoseconds"
        )]
        let ns = (i128::from(guest_ns) + offset) as f64;
        ns / 1000.0
    }
}

fn difference(server: u64, guest: u64) -> i64 {
    i64::try_from(i128::from(server) - i128::from(guest)).unwrap_or(0)
}

/// Value of the marker `clock 3 0x00000000075BCD15`.
fn reading(text: &str) -> Option<u64> {
    let value = text.strip_prefix("clock ")?.split_whitespace().nth(1)?;
    u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()
}
