// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The register file: where a register is, what it holds, what it is after reset, and who may see it.
//!
//! | file | holds |
//! | --- | --- |
//! | `file` | the value of every register |
//! | `identity` | reset values and fixed bits that follow from the configuration |
//! | `options` | registers and bits that a configuration leaves out |
//! | `lookup` | from an offset to a register |
//! | `register` | identity of a register |
//! | `saved` | the values as a value, to save and restore |
//! | `secure` | Secure state: what it takes from Non-secure software |

pub(crate) mod file;
pub(crate) mod identity;
pub(crate) mod lookup;
pub(crate) mod options;
pub(crate) mod register;
pub(crate) mod saved;
pub(crate) mod secure;
