// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A driver that comes and goes, modules too, and a guest that reboots: the server keeps nothing of what is gone.

use std::fs;

use anyhow::{Context, Result};
use boot_stress::recipe::Recipe;

use crate::boot::{Meanwhile, boot_and};

/// What the allocator may keep for itself.
const MAY_GROW_KIB: u64 = 4 << 10;

/// What a process has.
#[derive(Debug, Clone, Copy)]
struct Has {
    descriptors: usize,
    threads: usize,
    resident_kib: u64,
}

fn measure(now: &Meanwhile) -> Result<Has> {
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

#[test]
fn guest_that_unbinds_unloads_suspends_and_reboots() {
    let recipe = Recipe::parse(include_str!("endurance.toml"), "endurance.toml").unwrap();
    let mut has = Vec::new();
    let boot = boot_and("endurance", &recipe, None, |now| {
        for (mark, answer) in [
            ("ready", "measured"),
            ("unbound", "measured-again"),
            ("back", "measured-back"),
        ] {
            now.wait_for_mark(mark)?;
            has.push(measure(now)?);
            now.raise_mark(answer)?;
        }
        Ok(())
    });
    println!("{has:?}");
    println!("{:#?}", boot.report.results);
    let of = |name: &str| -> Vec<&str> {
        let results = boot.report.results.iter().filter(|result| result.name == name);
        results.map(|result| result.text.as_str()).collect()
    };
    assert_eq!(
        of("unbound"),
        ["200", "200"],
        "once before the reboot, once after it"
    );
    assert_eq!(of("suspended"), ["1", "1"]);
    let written = of("written");
    assert_eq!(written.len(), 1, "the file system was made again");
    assert_eq!(of("read"), [written[0], written[0]]);
    let [ready, others @ ..] = &has[..] else {
        panic!("{has:?}")
    };
    for other in others {
        assert_eq!(other.descriptors, ready.descriptors, "descriptors");
        assert_eq!(other.threads, ready.threads, "threads");
        assert!(other.resident_kib < ready.resident_kib + MAY_GROW_KIB, "{has:?}");
    }
    assert_eq!(boot.lines("Booting Linux on physical CPU").len(), 2);
    assert_eq!(boot.lines("Unhandled context fault"), Vec::<&str>::new());
}
