// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress kernels`: Debian's kernels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use guest_images::packages::lock::{Lock, Set};
use guest_images::packages::progress;
use guest_images::packages::release::{FLAVOURS, Offered, knows_late_probe, split, version_key};
use guest_images::packages::store::{Error as StoreError, Store};
use host_guard::signals;

use super::output::{code, fail, print};
use crate::setup::environment::{Choice, EnvironmentError};

#[cfg(test)]
mod tests;

/// Options of `boot-stress kernels`.
#[derive(Debug, Args)]
pub(super) struct Kernels {
    /// List only what needs no network: the kernels of the cache.
    #[arg(long)]
    offline: bool,
    /// Cache for what is fetched [default: $XDG_CACHE_HOME/smmu-emu]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Debian mirror to ask [default: $SMMU_EMU_MIRROR, else those of this machine's apt]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub(super) fn main(args: Kernels) -> ExitCode {
    let Kernels {
        offline,
        cache,
        mirror,
    } = args;
    let choice = Choice {
        cache,
        mirror,
        ..Choice::default()
    };
    match list(&choice, offline) {
        Ok(text) => print(&text),
        Err(error) => {
            let code = signals::asked().map_or(code::ENVIRONMENT, code::of_signal);
            fail(code, &error.to_string())
        }
    }
}

fn list(choice: &Choice, offline: bool) -> Result<String, EnvironmentError> {
    let progress = Arc::from(progress::on_stderr());
    let store = choice.store()?.with_progress(Arc::clone(&progress));
    let lock = Lock::shipped().map_err(StoreError::from)?;
    if offline {
        return Ok(table(&known(&store, &lock, true)));
    }
    match store.offered_kernels() {
        Ok(offered) => {
            let mut rows = known(&store, &lock, false);
            add_offered(&mut rows, &offered);
            Ok(table(&rows))
        }
        // A network that is down leaves the cache; an index that cannot be trusted is an error.
        Err(error) if error.is_of_network() => {
            progress.note(&format!("{error}"));
            progress.note("the archive cannot be asked: these are the kernels of the cache");
            Ok(table(&known(&store, &lock, true)))
        }
        Err(error) => Err(StoreError::from(error).into()),
    }
}

/// A kernel version: suite, and state by flavour: `yes` if the archive has it, `incomplete` if it lacks packages of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    suite: String,
    states: BTreeMap<&'static str, &'static str>,
}

/// Kernel versions, ordered.
type Rows = BTreeMap<(Vec<u64>, String), Row>;

fn row<'a>(rows: &'a mut Rows, release: &str) -> Option<(&'a mut Row, &'static str)> {
    let (base, flavour) = split(release)?;
    let key = (version_key(release), base.to_owned());
    Some((rows.entry(key).or_default(), flavour))
}

/// Kernels of the lock file and those that were resolved before; only those in the cache if asked for.
fn known(store: &Store, lock: &Lock, only_cached: bool) -> Rows {
    let mut rows = Rows::new();
    let locked = lock.kernels().cloned().map(|set| (set, true));
    let resolved = store.resolved_kernels().into_iter().map(|set| (set, false));
    for (set, locked) in locked.chain(resolved) {
        let cached = store.has(&set);
        if only_cached && !cached {
            continue;
        }
        let suite = suite_of(&set);
        if let Some((row, flavour)) = row(&mut rows, &set.name) {
            row.suite = suite;
            row.states.insert(
                flavour,
                match (locked, cached) {
                    (true, true) => "lock, cached",
                    (true, false) => "lock",
                    (false, true) => "cached",
                    (false, false) => "known",
                },
            );
        }
    }
    rows
}

fn suite_of(set: &Set) -> String {
    set.packages
        .first()
        .map(|package| package.suite.clone())
        .unwrap_or_default()
}

fn add_offered(rows: &mut Rows, offered: &[Offered]) {
    for one in offered {
        if let Some((row, flavour)) = row(rows, &one.release) {
            row.suite.clone_from(&one.suite);
            row.states
                .entry(flavour)
                .or_insert(if one.complete { "yes" } else { "incomplete" });
        }
    }
}

fn table(rows: &Rows) -> String {
    let mut text = format!("{:<18} {:<19}", "RELEASE", "SUITE");
    for flavour in FLAVOURS {
        let _ = write!(text, " {flavour:<13}");
    }
    let mut text = format!("{}\n", text.trim_end());
    for ((_, base), row) in rows {
        let mut line = format!("{base:<18} {:<19}", row.suite);
        for flavour in FLAVOURS {
            let _ = write!(line, " {:<13}", row.states.get(flavour).unwrap_or(&"-"));
        }
        if knows_late_probe(base) == Some(false) {
            line.push_str(" cannot print the late-probe warning");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if rows.is_empty() {
        text.push_str("none\n");
    }
    text
}
