// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The words of the architecture: transactions, responses, faults, interrupt lines, register frames, memory.

pub mod fault;
pub mod frame;
pub mod line;
pub mod memory;
pub mod response;
pub mod stage;
pub mod transaction;
