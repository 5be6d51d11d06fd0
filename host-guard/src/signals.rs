// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Requests to end the process: SIGINT, SIGTERM, SIGHUP.
//!
//! While an [`Orderly`] exists, the first signal is a request that [`asked`] tells of, and the second one ends the
//! process whatever it is doing. At other times the first one does. The exit status is 128 and the signal's number.
//!
//! A SIGINT or SIGHUP that was ignored when the process started stays ignored, as `nohup` and shells without job
//! control expect. SIGXFSZ ends nothing: a write beyond the limit of a file's size fails like one to a full disk.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::file;

#[cfg(test)]
mod tests;

/// Flags of the signal handlers, which are of the process.
#[derive(Debug)]
struct Flags {
    /// Number of the signal that has asked for the end, or 0.
    asked: Arc<AtomicUsize>,
    /// The next signal ends the process at once.
    at_once: Arc<AtomicBool>,
    /// [`Orderly`]s that exist.
    orderly: Mutex<u32>,
}

fn flags() -> &'static Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    FLAGS.get_or_init(|| Flags {
        asked: Arc::default(),
        at_once: Arc::new(AtomicBool::new(true)),
        orderly: Mutex::new(0),
    })
}

/// Catches the signals from now on; once in a process.
///
/// # Errors
/// The kernel refuses.
pub fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let Flags { asked, at_once, .. } = flags();
    let ignored = ignored();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal != SIGTERM && is_in(ignored, signal) {
            continue;
        }
        // The order counts: a first signal must not find what it sets itself.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(at_once))?;
        flag::register(signal, Arc::clone(at_once))?;
        let number = usize::try_from(signal).unwrap_or_default();
        flag::register_usize(signal, Arc::clone(asked), number)?;
    }
    // Any handler does: the write that caused it fails. Programs that are started get the default back.
    flag::register(SIGXFSZ, Arc::default())?;
    *installed = true;
    Ok(())
}

/// The signal that has asked for the end.
#[must_use]
pub fn asked() -> Option<i32> {
    let number = flags().asked.load(Ordering::SeqCst);
    i32::try_from(number).ok().filter(|&number| number != 0)
}

/// A part of the program that looks at [`asked`] and ends in order.
#[derive(Debug)]
#[must_use]
pub struct Orderly(());

impl Orderly {
    /// Begins such a part; its drop ends it.
    pub fn begin() -> Self {
        let flags = flags();
        let mut orderly = flags.orderly.lock().unwrap_or_else(PoisonError::into_inner);
        *orderly += 1;
        if *orderly == 1 && asked().is_none() {
            flags.at_once.store(false, Ordering::SeqCst);
        }
        if asked().is_some() {
            // A signal came in between.
            flags.at_once.store(true, Ordering::SeqCst);
        }
        Self(())
    }
}

impl Drop for Orderly {
    fn drop(&mut self) {
        let flags = flags();
        let mut orderly = flags.orderly.lock().unwrap_or_else(PoisonError::into_inner);
        *orderly = orderly.saturating_sub(1);
        if *orderly == 0 {
            flags.at_once.store(true, Ordering::SeqCst);
        }
    }
}

/// The signals that this process ignores, a bit for each from the first on.
fn ignored() -> u64 {
    let status = file::read_text("/proc/self/status".as_ref(), 1 << 16).unwrap_or_default();
    ignored_in(&status)
}

/// `SigIgn` of `/proc/PID/status`.
fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    let bit = u32::try_from(signal - 1).ok();
    bit.and_then(|bit| mask.checked_shr(bit))
        .is_some_and(|mask| mask & 1 == 1)
}
