// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Checks what a run stands on, and says how to mend each point.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;

use guest_images::packages::lock::{Lock, Set};
use guest_images::packages::mirror;
use guest_images::packages::qemu_version::OLDEST;
use guest_images::packages::store::{Error as StoreError, Store};
use guest_images::system::kernel::KernelChoice;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create, statvfs};

use crate::boot::accel::{self, Accel};
use crate::boot::rundir::{self, RunDir};
use crate::recipe::{DEFAULT, Recipe};
use crate::report::results::{self, ResultsError};
use crate::setup::environment::Choice;
use crate::setup::qemu::{self, Qemu};

/// Room of packages in the cache with all that is made of them, in times of their size: with kernels it is 2.5.
const UNPACKED: u64 = 4;
/// Most bytes that are fetched to try the mirror.
const TRIAL: u64 = 4 << 20;
/// Room for a run's files and results, in MiB.
const RUN_MIB: u64 = 50;
/// Memory for QEMU beyond the guest's, in MiB.
const QEMU_MIB: u64 = 300;

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// All is well.
    Well(String),
    /// Works, with something to know.
    Note(String),
    /// Does not work.
    Bad {
        /// Description of the problem.
        problem: String,
        /// Remedy.
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

/// Checks everything, with `choice` as a run would have it. May fetch the smallest package that is missing, to try the
/// mirror.
pub fn checks(choice: &Choice) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |name, finding| checks.push(Check { name, finding });
    match (choice.store(), Lock::shipped()) {
        (Ok(store), Ok(lock)) => {
            let (qemu, locked_qemu) = qemu_check(choice, &store, &lock);
            add("QEMU", qemu);
            let mut sets: Vec<Set> = locked_qemu.into_iter().cloned().collect();
            match choice.guest(&store, &lock) {
                Ok((kernel, guest)) => {
                    sets.extend(guest);
                    if let KernelChoice::Files { .. } | KernelChoice::Directory { .. } = kernel {
                        add("kernel", own_kernel(&store, &lock, &kernel));
                    }
                }
                Err(error) => add("guest", bad(error, "see `boot-stress reproduce --help`")),
            }
            let missing: Vec<&Set> = sets.iter().filter(|set| !store.has(set)).collect();
            for set in &sets {
                add("packages", packages(&store, set));
            }
            if missing.is_empty() {
                add(
                    "mirror",
                    Finding::Well("none needed: the cache has everything".to_owned()),
                );
            } else {
                let bytes: u64 = missing.iter().map(|set| set.size()).sum();
                let mend = "name another directory with --cache DIR";
                add(
                    "cache",
                    writable(store.cache(), (bytes >> 20) * UNPACKED + 1, mend),
                );
                add("mirror", mirror_check(choice, &store, &missing));
            }
        }
        (Err(error), _) => add("cache", bad(error, "name a directory with --cache DIR")),
        (_, Err(error)) => add("lock file", bad(error, "build again from a clean source tree")),
    }
    add("accelerator", accelerator(choice.accel));
    add("memory", memory());
    add("memfd", memfd());
    add("run", run_dir());
    let mend = "name another directory with --results DIR";
    let results = match results::default_base() {
        Some(base) => writable(&base, RUN_MIB, mend),
        None => bad(ResultsError::NoPlace, mend),
    };
    add("results", results);
    checks
}

fn packages(store: &Store, set: &Set) -> Finding {
    if store.has(set) {
        return match store.verify(set) {
            Ok(true) => Finding::Well(format!("{} is in the cache, whole", set.name)),
            Ok(false) => Finding::Well(format!("{} is in the cache, from an earlier version", set.name)),
            Err(error @ StoreError::Damaged { .. }) => bad(error, "remove that directory and run again"),
            Err(error) => bad(error, "name another directory with --cache DIR"),
        };
    }
    Finding::Note(format!(
        "{} is not in the cache: {} MiB will be fetched when needed",
        set.name,
        set.size() >> 20
    ))
}

/// The user's own kernel; nothing is fetched for it.
fn own_kernel(store: &Store, lock: &Lock, choice: &KernelChoice) -> Finding {
    match store.kernel(lock, choice) {
        Ok(kernel) => Finding::Well(format!("{}, release {}", kernel.source, kernel.release)),
        Err(error) => bad(error, "name another file with --kernel"),
    }
}

/// The QEMU that a run would take, and its packages if it is that of the lock file.
fn qemu_check<'a>(choice: &Choice, store: &Store, lock: &'a Lock) -> (Finding, Option<&'a Set>) {
    if let Some(program) = &choice.qemu {
        let finding = match Qemu::examine(program, choice.gic(), "--qemu") {
            Ok(qemu) => Finding::Well(format!("{}, version {}", program.display(), qemu.version)),
            Err(unfit) => bad(
                unfit,
                format!("name a QEMU of version {OLDEST} or later, or none"),
            ),
        };
        return (finding, None);
    }
    let own = qemu::in_path()
        .map(|program| Qemu::examine(&program, choice.gic(), "PATH").map(|qemu| (program, qemu)));
    match (own, lock.qemu()) {
        (Some(Ok((program, qemu))), _) => {
            let found = format!("{}, version {}", program.display(), qemu.version);
            (Finding::Well(found), None)
        }
        (own, Ok(set)) => {
            let version = Lock::qemu_version(set).unwrap_or("unknown");
            let why = match own {
                Some(Err(unfit)) => unfit.to_string(),
                _ => format!("no {} in PATH", qemu::PROGRAM),
            };
            let whence = if store.has(set) {
                "from the cache"
            } else {
                "which will be fetched"
            };
            let found = format!("version {version} of the lock file, {whence} ({why})");
            (Finding::Well(found), Some(set))
        }
        (_, Err(error)) => {
            let mend = format!(
                "install a QEMU of version {OLDEST} or later with vfio-user-pci, or name one with --qemu"
            );
            (bad(error, mend), None)
        }
    }
}

/// The smallest set that is missing shows whether the mirror answers, unless it is large.
fn mirror_check(choice: &Choice, store: &Store, missing: &[&Set]) -> Finding {
    let variable = std::env::var(mirror::VARIABLE).ok();
    let mirror = mirror::find(
        choice.mirror.as_deref(),
        variable.as_deref(),
        Path::new("/etc/apt"),
    );
    let mirror = match mirror {
        Ok(mirror) => mirror,
        Err(error) => {
            let mend = format!("name one with --mirror URL or the variable {}", mirror::VARIABLE);
            return bad(error, mend);
        }
    };
    let name = format!("{} (from {})", mirror.url, mirror.from);
    let small = missing.iter().filter(|set| set.size() <= TRIAL);
    match small.min_by_key(|set| set.size()) {
        Some(set) => match store.obtain(set) {
            Ok(_) => Finding::Well(format!("{name}; it answers")),
            Err(error) => bad(error, "name another one with --mirror URL"),
        },
        None => Finding::Well(format!("{name}; not tried: what is missing is large")),
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

/// The accelerator of the guest's CPUs, and what KVM would give.
fn accelerator(accel: Accel) -> Finding {
    match (accel, accel::kvm()) {
        (Accel::Kvm, Ok(())) => Finding::Well("KVM".to_owned()),
        (Accel::Kvm, Err(why)) => bad(why, "leave --accel kvm out: emulation works on every host"),
        (Accel::Tcg, Ok(())) => Finding::Note(
            "TCG; KVM is there, and with --accel kvm the guest's CPUs run at the host's speed".to_owned(),
        ),
        (Accel::Icount, _) => Finding::Well("TCG in one thread".to_owned()),
        (Accel::Tcg, Err(why)) => Finding::Well(format!("TCG; no KVM: {why}")),
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
