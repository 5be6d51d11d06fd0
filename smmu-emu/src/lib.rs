// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#![doc = include_str!("../README.md")]
//!
//! # Layers
//!
//! Layers, from the bottom; each uses only those above it in this table:
//!
//! | layer | holds |
//! | --- | --- |
//! | [`arch`] | the words of the architecture: transactions, responses, faults, lines, frames, memory |
//! | [`spec`] | the register tables and field types of SMMUv2, no algorithms |
//! | [`config`] | the configuration, and [`Geometry`], the validated form of it |
//! | [`plan`] | the plan: which operations take time, and which go wrong; marks |
//! | `registers` | the register file: values, reset, presence, lookup by offset, Secure state |
//! | `translate` | stream matching, context banks decoded, table walks |
//! | `tlb` | the TLB: lookup and maintenance |
//! | [`host`] | the host of the model: interrupt lines, time, marks, events |
//! | `epoch` | accesses under way in other threads, and TLB syncs that wait for them |
//! | `device` | one SMMU: registers, transactions, faults, stalls, address translation, injection, [`inspect`] |
//! | `dma` | [`SmmuHandle`], [`Tbu`] and [`View`]: translation for threads that do DMA |
//! | `testing` | feature `testing`, for tests and fuzzers: a recording host, memory, page tables, registers by name |
#![forbid(unsafe_code)]

pub mod arch;
pub mod config;
mod device;
mod dma;
mod epoch;
pub mod host;
pub mod plan;
mod registers;
pub mod spec;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tlb;
mod translate;

pub use arch::fault::{self, Fault};
pub use arch::frame::{Access, AccessKind, Frame};
pub use arch::line::{Line, LineKind};
pub use arch::memory::{BusError, Memory};
pub use arch::response::{Response, Stall};
pub use arch::stage::Stage;
pub use arch::transaction::{Intent, Origin, Transaction, Translation};
pub use config::{
    Config, ConfigError, Geometry, Implementation, LiveGroup, LiveKind, PageSize, Preset, S1cbndx, TlbMode,
};
pub use device::counters::Counters;
pub use device::inspect::{self, Register};
pub use device::smmu::{NewError, Smmu};
pub use device::state::{STATE_VERSION, SavedStall, State, StateError};
pub use dma::handle::{SmmuGuard, SmmuHandle};
pub use dma::tbu::{Batch, Tbu};
#[cfg(feature = "vm-memory")]
pub use dma::view::{Refused, View};
pub use host::env::{Env, Host, Surroundings};
pub use host::events;
pub use host::injected::{self, DelayedReply, Injected};
pub use plan::mark::{MarkError, MarkRule, MarkState, Marks};
pub use plan::{DelayRule, InjectionRule, Plan, PlanError, Progress, Site};
pub use spec::{register_names, regs};
