// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The device: all state of one SMMU, and what register accesses and transactions do to it.
//!
//! | file | holds |
//! | --- | --- |
//! | `smmu` | the state; reset |
//! | `mmio`, `effects` | register accesses: place, width and halves, access rule, side effect |
//! | `transact` | the life of a transaction |
//! | `record` | fault records (§3.5, §3.7) |
//! | `bank_state`, `stalls`, `stall` | what a bank does with a transaction; stalled transactions (§3.7.3) |
//! | `lines` | interrupt lines |
//! | `tlb_ops` | TLB maintenance (§5) |
//! | `busy`, `sync` | operations that software polls: TLB syncs, address translation |
//! | `operation`, `ats`, `par` | address translation operations (§4) and their results |
//! | `pmu` | the performance monitor (§6) |
//! | `injection`, `rules` | the plan at work, and its rules |
//! | `counters` | accesses that TBUs translate on their own |
//! | [`inspect`] | registers, TLB and translations from outside, without side effects |

mod ats;
mod bank_state;
mod busy;
pub mod counters;
mod effects;
pub(crate) mod injection;
pub mod inspect;
mod lines;
mod mmio;
mod operation;
mod par;
mod pmu;
mod record;
mod rules;
pub mod smmu;
pub(crate) mod stall;
mod stalls;
pub mod state;
mod sync;
mod tlb_ops;
mod transact;
