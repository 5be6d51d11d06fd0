// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events and line levels on their way to the host.

use super::env::Env;
use super::events::Event;
use crate::arch::line::Line;

/// Tells of an event, if the host traces.
#[inline]
pub(crate) fn emit(env: &mut dyn Env, event: impl FnOnce() -> Event) {
    if env.traces() {
        env.trace(&event());
    }
}

/// Gives a line a level. Tells of it before: who is interrupted may look at the trace.
pub(crate) fn drive_line(env: &mut dyn Env, line: Line, level: bool) {
    emit(env, || Event::Line { line, level });
    env.set_line(line, level);
}
