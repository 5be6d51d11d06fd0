// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Surroundings of an SMMU that are guest memory and nothing else. Benchmarks take this file by its path.

use smmu_emu::{BusError, Env, Line, Memory};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Guest memory, and what the SMMU sees of it.
#[derive(Clone)]
pub struct Ram(pub GuestMemoryMmap);

impl Memory for Ram {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.0
            .read_slice(data, GuestAddress(address))
            .map_err(|_| BusError)
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

impl Env for Ram {
    fn now(&self) -> u64 {
        0
    }
    fn set_line(&mut self, _: Line, _: bool) {}
}
