// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Times as text, in UTC.

#[cfg(test)]
mod tests;

use std::time::{Duration, UNIX_EPOCH};

/// Last second of the year 9999: RFC 3339 has no later one.
const LAST: u64 = 253_402_300_799;

/// Time of RFC 3339, `2026-11-22T19:05:12Z`, of seconds since 1970.
pub fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))).to_string()
}

/// Time in names of files, `20261122-190512`, of seconds since 1970.
pub fn compact(seconds: u64) -> String {
    rfc3339(seconds).replace(['-', ':', 'Z'], "").replace('T', "-")
}
