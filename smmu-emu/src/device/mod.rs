// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The device: all state of one SMMU, and what register accesses and transactions do to it.

mod ats;
mod bank_state;
pub mod counters;
mod effects;
pub(crate) mod injection;
pub mod inspect;
mod mmio;
mod par;
mod pmu;
mod record;
pub mod smmu;
pub(crate) mod stall;
mod transact;
