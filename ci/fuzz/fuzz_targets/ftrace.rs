// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Whatever a guest sends as its trace: it becomes a timeline without a panic, whose events are not more than its own.
#![no_main]

use boot_stress::timeline::guest_events;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n').count();
    let events = guest_events(&String::from_utf8_lossy(data));
    // Names of the process and of two tracks, of each task, and a slice for each line and its lock.
    assert!(events.len() <= 3 + 3 * lines, "{} of {lines}", events.len());
});
