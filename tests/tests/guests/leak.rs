// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Resources of the server's process, and whether they grow.

use std::fs;

use anyhow::{Context, Result};

use crate::boot::Meanwhile;

/// Memory that the allocator may keep for itself, in KiB.
const MAY_GROW_KIB: u64 = 4 << 10;

/// Resources of a process.
#[derive(Debug, Clone, Copy)]
pub struct Has {
    descriptors: usize,
    threads: usize,
    resident_kib: u64,
}

/// Resources of the server's process now.
pub fn measure(now: &Meanwhile) -> Result<Has> {
    let server = now.server()?;
    let status = fs::read_to_string(server.join("status"))?;
    // Not what is shared: guest memory is mapped, and more of it is touched as time goes by.
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let resident = line
        .and_then(|line| line.trim().split(' ').next())
        .context("no RssAnon")?;
    Ok(Has {
        descriptors: fs::read_dir(server.join("fd"))?.count(),
        threads: fs::read_dir(server.join("task"))?.count(),
        resident_kib: resident.parse()?,
    })
}

/// Fails if it had more at any other time than at the first.
pub fn assert_no_leak(has: &[Has]) {
    let [ready, others @ ..] = has else {
        panic!("{has:?}")
    };
    for other in others {
        assert_eq!(other.descriptors, ready.descriptors, "descriptors");
        assert_eq!(other.threads, ready.threads, "threads");
        assert!(other.resident_kib < ready.resident_kib + MAY_GROW_KIB, "{has:?}");
    }
}
