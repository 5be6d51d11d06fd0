// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The types through which threads meet: of the standard library, or with `--cfg shuttle` of the model checker.

#[cfg(shuttle)]
pub use shuttle::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
pub use std::sync::PoisonError;
#[cfg(not(shuttle))]
pub use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
