// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Locks, condition variables and threads: of the standard library, or with `--cfg shuttle` of the model checker.
//!
//! Locks are not poisoned. A panic of a thread is a defect of the server: it is caught and logged where the thread's
//! work ends, its client or device loses that work, and the next reset clears what it left half done. Other clients go
//! on.
//!
//! Every protocol of a condition variable has tests in `tests/shuttle/` beside it, which the model checker runs in
//! interleavings of its choice (`ci/check`). It never lets a wait time out, so that each test also shows that no
//! wake-up is lost.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(shuttle)]
use shuttle::sync as base;
#[cfg(shuttle)]
pub use shuttle::{sync::MutexGuard, thread};
#[cfg(not(shuttle))]
use std::sync as base;
#[cfg(not(shuttle))]
pub use std::{sync::MutexGuard, thread};

#[cfg(test)]
#[cfg(shuttle)]
pub(crate) mod testing;

/// A lock that a panic does not poison.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(base::Mutex<T>);

impl<T> Mutex<T> {
    /// An open lock.
    pub fn new(value: T) -> Self {
        Self(base::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition variable of a [`Mutex`].
#[derive(Debug, Default)]
pub struct Condvar(base::Condvar);

impl Condvar {
    /// Waits once; may return without reason.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits once, at most for this time.
    pub fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
        let waited = self.0.wait_timeout(guard, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until the condition is false.
    pub fn wait_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        let waited = self.0.wait_while(guard, condition);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the condition is false, or this time is over.
    pub fn wait_timeout_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        time: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        let waited = self.0.wait_timeout_while(guard, time, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wakes one thread that waits.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
