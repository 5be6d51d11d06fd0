// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The host of the model: clock, guest memory, interrupts, marks, events, and what the plan injects.

pub mod environment;
pub mod events;
pub mod injected;
pub mod memory;
pub mod msix;
pub mod run;
pub mod timer;
pub mod traffic;

pub use environment::{Counts, Host, Shared};
pub use run::{Participant, Run};
