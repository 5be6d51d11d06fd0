// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One SMMU of a running server, as the control socket reaches it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::function::Function;
use crate::sync::{Mutex, MutexGuard};

/// One SMMU of a running server.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Socket for its clients.
    pub socket: PathBuf,
    /// The SMMU.
    pub function: Arc<Mutex<Function>>,
}

impl Device {
    /// The function, for as short a time as possible: register accesses wait.
    pub fn lock(&self) -> MutexGuard<'_, Function> {
        self.function.lock()
    }
}
