// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The bus that the controller drives: one of 32-bit addresses.

pub use smmu_emu::BusError;

/// `AxPROT` of an access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// `AxPROT[0]`.
    pub privileged: bool,
    /// `AxPROT[1]`.
    pub non_secure: bool,
    /// `AxPROT[2]`.
    pub instruction: bool,
}

/// A bus. No access crosses a multiple of 4 KiB, so that none needs more than one translation.
pub trait Bus {
    /// Reads instructions of a thread that is Non-secure or not.
    ///
    /// # Errors
    /// The bus answers with an error: `instr_fetch_err`.
    fn fetch(&mut self, address: u32, data: &mut [u8], non_secure: bool) -> Result<(), BusError>;

    /// Reads data.
    ///
    /// # Errors
    /// The bus answers with an error: `data_read_err`.
    fn read(&mut self, address: u32, data: &mut [u8], protection: Protection) -> Result<(), BusError>;

    /// Writes data.
    ///
    /// # Errors
    /// The bus answers with an error: `data_write_err`.
    fn write(&mut self, address: u32, data: &[u8], protection: Protection) -> Result<(), BusError>;
}
