// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One core of the host for all threads of a deterministic QEMU.
//!
//! With its instruction counter QEMU has two threads that may run an expired timer of the guest's: the one of the CPUs,
//! and its main loop, which wakes at each deadline. On two cores they race for it, and the winner decides which CPU of
//! the guest goes on. On one core, and with a priority of its own, the main loop is through before the CPUs go on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use host_guard::program::{self, Program, SHORT};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Program of util-linux that gives a process a real-time priority; what the process starts has none.
const CHRT: &str = "chrt";
const FIRST: [&str; 3] = ["--reset-on-fork", "--fifo", "1"];

/// QEMU with its main loop before all other threads, if this user may have a real-time priority.
pub fn main_loop_first(qemu: &Program) -> Program {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    let allowed = || {
        let tried = program::run(CHRT, FIRST.into_iter().chain(["true"]), SHORT);
        tried.is_ok_and(|output| output.status.success())
    };
    if !ALLOWED.get_or_init(allowed) {
        return qemu.clone();
    }
    let path = qemu.path.clone().into_os_string();
    let args = FIRST.into_iter().map(OsString::from).chain([path]);
    Program {
        path: CHRT.into(),
        args: args.chain(qemu.args.iter().cloned()).collect(),
        ..qemu.clone()
    }
}

/// Cores that are in use by this process, and by how many guests.
static USED: Mutex<BTreeMap<usize, u32>> = Mutex::new(BTreeMap::new());

/// The core of a guest, the one with the fewest others among those that this process may use.
#[derive(Debug)]
pub struct Core {
    number: usize,
}

impl Core {
    /// Takes one, until it is dropped.
    ///
    /// # Errors
    /// The system does not say which cores there are.
    pub fn take() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut used = lock();
        let least = (0..CpuSet::MAX_CPU)
            .filter(|number| allowed.is_set(*number))
            .min_by_key(|number| used.get(number).copied().unwrap_or(0));
        let number = least.ok_or_else(|| io::Error::other("no core may be used"))?;
        *used.entry(number).or_default() += 1;
        Ok(Self { number })
    }

    /// Runs something that starts a process, whose threads all stay on the core.
    ///
    /// # Errors
    /// The core cannot be set, or those of `start`.
    pub fn with<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let before = sched_getaffinity(None)?;
        let mut only = CpuSet::new();
        only.set(self.number);
        // A process inherits it from the thread that starts it.
        sched_setaffinity(None, &only)?;
        let started = start();
        sched_setaffinity(None, &before)?;
        started
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut used = lock();
        if let Some(guests) = used.get_mut(&self.number) {
            *guests = guests.saturating_sub(1);
        }
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<usize, u32>> {
    USED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
