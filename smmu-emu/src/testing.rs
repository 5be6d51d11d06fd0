// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Surroundings for unit tests.

use crate::{BusError, Env, Line};

/// No memory, no lines, no time: for tests that walk nothing.
pub(crate) struct Bare;

impl Env for Bare {
    fn now(&self) -> u64 {
        0
    }
    fn read_memory(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> {
        Err(BusError)
    }
    fn set_line(&mut self, _: Line, _: bool) {}
}
