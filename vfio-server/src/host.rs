// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The host of the model: clock, guest memory, interrupts, marks, events, and what the plan injects.
//!
//! | module | is |
//! | --- | --- |
//! | [`environment`] | one SMMU's host |
//! | [`run`] | state that all SMMUs of a process share |
//! | [`memory`], [`msix`] | guest memory, interrupts |
//! | [`dma_gate`] | accesses of devices under way, and what holds them up |
//! | [`timer`] | the clock of late interrupts |
//! | [`injected`] | log lines, events and late replies of the plan |
//! | [`refused`] | log lines and events of accesses that reach no memory |
//! | [`log_limit`] | limit of log messages of one sort |
//! | [`events`] | events on their way to the control socket |

pub mod dma_gate;
pub mod environment;
pub mod events;
pub mod injected;
pub mod log_limit;
pub mod memory;
pub mod msix;
pub mod refused;
pub mod run;
pub mod timer;

pub use environment::{Counts, Host, Shared};
pub use run::{Participant, Run};
