// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A stale TLB entry: the test master still reads a page that the kernel has unmapped.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Access, CONSOLE, access, free_pages, register, write_register};
use crate::boot::Meanwhile;

/// Keeps the entry of a page that the console lends for a while, and reads it after the kernel has taken it back.
pub fn inject(now: &mut Meanwhile) -> Result<()> {
    let free = free_pages(now)?;
    let mut seen = false;
    now.wait_until("page that is read after it was unmapped", |now| {
        let lent = now.while_stopped(|now| keep(now, &free))?;
        let Some((page, fault)) = lent else {
            return Ok(false);
        };
        now.wait_until("invalidation of the page", |now| hit(now, fault))?;
        seen = now.while_stopped(|now| read_after(now, page, fault))?;
        Ok(seen)
    })?;
    ensure!(seen);
    Ok(())
}

/// Reads one of these pages, so that the TLB has it, and adds a fault that keeps it there.
fn keep(now: &mut Meanwhile, pages: &[u64]) -> Result<Option<(Access, u64)>> {
    for &page in pages {
        let page = access(CONSOLE, page, "read");
        let translated = page.translate(now)?;
        if translated["result"] != "translated" {
            continue;
        }
        ensure!(page.make(now)? == "done", "{page:x?} is mapped");
        let bank = translated["bank"].as_u64().context("no bank")?;
        let rule = json!({
            "kind": "stale-tlb",
            "address": page.address,
            // Other devices' pages have the same addresses.
            "asid": register(now, "CBn_TTBR0", bank)? >> 48,
        });
        let added = now.execute("fault-add", rule)?;
        return Ok(Some((page, added["fault"].as_u64().context("no number")?)));
    }
    Ok(None)
}

fn hit(now: &mut Meanwhile, fault: u64) -> Result<bool> {
    let faults = now.execute("fault-list", json!({}))?;
    let faults = faults.as_array().context("no faults")?;
    let hits = faults
        .iter()
        .find(|of| of["fault"] == fault)
        .map(|of| of["hits"].clone());
    Ok(hits.context("no such fault")? != 0)
}

/// Whether the page could be read and yet is not mapped. It may have been mapped again.
fn read_after(now: &mut Meanwhile, page: Access, fault: u64) -> Result<bool> {
    let read = page.make(now)?;
    now.execute("fault-remove", json!({ "fault": fault }))?;
    write_register(now, "TLBIALLNSNH", 0, 0)?;
    let mapped = page.translate(now)?["result"] == "translated";
    ensure!(read == "done", "{page:x?} was to stay in the TLB: {read}");
    Ok(!mapped)
}
