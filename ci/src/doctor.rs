// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Checks what a run stands on, and says how to mend each point.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;

use guest_images::lock::{Lock, Set, SetKind};
use guest_images::mirror;
use guest_images::store::Store;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create, statvfs};

use crate::environment::Choice;
use crate::qemu::{self, OLDEST, Qemu};
use crate::recipe::{DEFAULT, Recipe};
use crate::results;
use crate::rundir::{self, RunDir};

/// Room that the cache needs with every kernel of the lock file unpacked, in MiB.
const CACHE_MIB: u64 = 2500;
/// Room for a run's files and results, in MiB.
const RUN_MIB: u64 = 50;
/// Memory for QEMU beyond the guest's, in MiB.
const QEMU_MIB: u64 = 300;

/// What became of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// All is well.
    Well(String),
    /// Works, with something to know.
    Note(String),
    /// Does not work.
    Bad {
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: String,
    },
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    name: &'static str,
    finding: Finding,
}

impl Check {
    /// Whether a run would fail.
    pub fn is_bad(&self) -> bool {
        matches!(self.finding, Finding::Bad { .. })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Finding::Well(text) => write!(f, "ok    {:<12} {text}", self.name),
            Finding::Note(text) => write!(f, "note  {:<12} {text}", self.name),
            Finding::Bad { problem, mend } => {
                write!(f, "BAD   {:<12} {problem}\n{:18} mend: {mend}", self.name, "")
            }
        }
    }
}

fn bad(problem: impl fmt::Display, mend: impl Into<String>) -> Finding {
    Finding::Bad {
        problem: problem.to_string(),
        mend: mend.into(),
    }
}

/// Checks everything; with `choice` as a run would have it. May fetch the smallest package, to try the mirror.
pub fn checks(choice: &Choice) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |name, finding| checks.push(Check { name, finding });
    let store = choice.store();
    let lock = Lock::shipped();
    match (&store, &lock) {
        (Ok(store), Ok(lock)) => {
            add("QEMU", qemu_check(choice, store, lock));
            add(
                "cache",
                writable(
                    store.cache(),
                    CACHE_MIB,
                    "name another directory with --cache DIR",
                ),
            );
            for set in own_sets(lock) {
                let size = set.size() >> 20;
                add(
                    "packages",
                    if store.has(set) {
                        Finding::Well(format!("{} is in the cache", set.name))
                    } else {
                        Finding::Note(format!(
                            "{} is not in the cache: {size} MiB will be fetched when needed",
                            set.name
                        ))
                    },
                );
            }
            add("mirror", mirror_check(choice, store, lock));
        }
        (Err(error), _) => add("cache", bad(error, "name a directory with --cache DIR")),
        (_, Err(error)) => add("lock file", bad(error, "build again from a clean source tree")),
    }
    add("memory", memory());
    add("memfd", memfd());
    add("run", run_dir());
    let base = results::default_base().unwrap_or_else(std::env::temp_dir);
    add(
        "results",
        writable(&base, RUN_MIB, "name another directory with --results DIR"),
    );
    checks
}

/// Without the QEMUs for other hosts.
fn own_sets(lock: &Lock) -> impl Iterator<Item = &Set> {
    let own = lock.qemu().ok();
    lock.sets
        .iter()
        .filter(move |set| set.kind != SetKind::Qemu || Some(*set) == own)
}

fn qemu_check(choice: &Choice, store: &Store, lock: &Lock) -> Finding {
    if let Some(program) = &choice.qemu {
        return match Qemu::examine(program, "--qemu") {
            Ok(qemu) => Finding::Well(format!("{}, version {}", program.display(), qemu.version)),
            Err(unfit) => bad(
                unfit,
                format!("name a QEMU of version {OLDEST} or later, or none"),
            ),
        };
    }
    let own = qemu::in_path().map(|program| Qemu::examine(&program, "PATH").map(|qemu| (program, qemu)));
    let locked = lock
        .qemu()
        .map(|set| (Lock::qemu_version(set).unwrap_or("unknown"), store.has(set)));
    match (own, locked) {
        (Some(Ok((program, qemu))), _) => {
            Finding::Well(format!("{}, version {}", program.display(), qemu.version))
        }
        (own, Ok((version, cached))) => {
            let why = match own {
                Some(Err(unfit)) => unfit.to_string(),
                _ => format!("no {} in PATH", qemu::PROGRAM),
            };
            let whence = if cached {
                "from the cache"
            } else {
                "which will be fetched"
            };
            Finding::Well(format!("version {version} of the lock file, {whence} ({why})"))
        }
        (_, Err(error)) => bad(
            error,
            format!(
                "install a QEMU of version {OLDEST} or later with vfio-user-pci, or name one with --qemu"
            ),
        ),
    }
}

/// A mirror is only needed for what is not in the cache; then the smallest set shows whether it answers.
fn mirror_check(choice: &Choice, store: &Store, lock: &Lock) -> Finding {
    let variable = std::env::var(mirror::VARIABLE).ok();
    let mirror = mirror::find(
        choice.mirror.as_deref(),
        variable.as_deref(),
        Path::new("/etc/apt"),
    );
    let complete = own_sets(lock).all(|set| store.has(set));
    match mirror {
        Err(error) if complete => Finding::Note(format!("none, and none is needed: {error}")),
        Err(error) => bad(
            error,
            format!("name one with --mirror URL or the variable {}", mirror::VARIABLE),
        ),
        Ok(mirror) => {
            let name = format!("{} (from {})", mirror.url, mirror.from);
            match lock.busybox() {
                Ok(set) if !store.has(set) => match store.tree(set) {
                    Ok(_) => Finding::Well(format!("{name}; it answers")),
                    Err(error) => bad(error, "name another one with --mirror URL"),
                },
                _ => Finding::Well(format!(
                    "{name}; not tried, the cache has what a first test would fetch"
                )),
            }
        }
    }
}

/// Whether files can be made in a directory, or in the nearest one above it that exists, and how much room there is.
fn writable(dir: &Path, mib: u64, mend: &str) -> Finding {
    let mut existing = dir;
    while !existing.is_dir() {
        match existing.parent() {
            Some(parent) => existing = parent,
            None => break,
        }
    }
    if let Err(error) = tempfile::tempfile_in(existing) {
        return bad(format!("{}: {error}", existing.display()), mend);
    }
    match statvfs(existing) {
        Ok(fs) if (fs.f_bavail.saturating_mul(fs.f_frsize) >> 20) < mib => {
            let room = fs.f_bavail.saturating_mul(fs.f_frsize) >> 20;
            bad(
                format!("{}: {room} MiB free, {mib} MiB are needed", dir.display()),
                mend,
            )
        }
        Ok(_) => Finding::Well(dir.display().to_string()),
        Err(error) => bad(format!("{}: {error}", existing.display()), mend),
    }
}

fn memory() -> Finding {
    let guest = Recipe::find(DEFAULT).map_or(512, |recipe| recipe.board.memory_mib);
    let needed = u64::from(guest) + QEMU_MIB;
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available_mib(&text) {
        Some(mib) if mib < needed => bad(
            format!("{mib} MiB are available, {needed} MiB are needed"),
            "end other programs",
        ),
        Some(mib) => Finding::Well(format!("{mib} MiB are available, {needed} MiB are needed")),
        None => Finding::Note("/proc/meminfo does not say how much is available".to_owned()),
    }
}

/// `MemAvailable` of `/proc/meminfo`, in MiB.
fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
}

/// Guest memory is a memfd that QEMU shares with the server.
fn memfd() -> Finding {
    let made = memfd_create("doctor", MemfdFlags::CLOEXEC).and_then(|fd| ftruncate(fd, 1 << 20));
    match made {
        Ok(()) => Finding::Well("can be made".to_owned()),
        Err(error) => bad(
            format!("memfd_create: {error}"),
            "the guest's memory has to be shared; allow memfd_create in the container or sandbox",
        ),
    }
}

fn run_dir() -> Finding {
    let made = RunDir::create().and_then(|dir| dir.socket(&"s".repeat(20)));
    match made {
        Ok(_) => Finding::Well(format!("{}", rundir::base().display())),
        Err(error) => bad(
            error,
            "set XDG_RUNTIME_DIR or TMPDIR to a short path that can be written",
        ),
    }
}
