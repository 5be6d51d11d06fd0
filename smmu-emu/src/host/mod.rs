// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The host of the model: interrupt lines, time, marks and events.

pub(crate) mod emit;
pub mod env;
pub mod events;
pub mod injected;
