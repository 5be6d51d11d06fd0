// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Whole-process tests: protocol, driver replay, guest boots, QEMU's MMU as an oracle.

pub mod driver;
pub mod oracle;
pub mod python;
pub mod qmp;
pub mod raw;
pub mod served;
