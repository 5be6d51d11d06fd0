// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events and line levels on their way to the host.

use super::env::Host;
use super::events::Event;
use crate::arch::line::Line;

/// Tells of an event, if the host traces.
#[inline]
pub(crate) fn emit(host: &mut dyn Host, event: impl FnOnce() -> Event) {
    if host.traces() {
        host.trace(&event());
    }
}

/// Gives a line a level. Tells of it before: who is interrupted may look at the trace.
pub(crate) fn drive_line(host: &mut dyn Host, line: Line, level: bool) {
    emit(host, || Event::Line { line, level });
    host.set_line(line, level);
}
