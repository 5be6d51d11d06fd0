// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Surroundings for unit tests.

use crate::{BusError, Env, Line, Memory};

/// No memory, no lines, no time: for tests that walk nothing.
pub(crate) struct Bare;

impl Memory for Bare {
    fn read(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> {
        Err(BusError)
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

impl Env for Bare {
    fn now(&self) -> u64 {
        0
    }
    fn set_line(&mut self, _: Line, _: bool) {}
}
