// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The device: all state of one SMMU, and what register accesses and transactions do to it.

mod ats;
mod effects;
pub(crate) mod injection;
pub mod inspect;
mod mmio;
mod par;
mod pmu;
pub mod record;
pub mod smmu;
pub mod stall;
pub mod transact;
