// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A model of the Arm SMMUv2 (IHI 0062 issue D): registers, stream matching, translation, timing.
//!
//! The crate is pure: no input or output, no threads of its own, no clock. Whatever comes from outside comes through [`Env`].
//! What a guest does wrong ends in a fault register, never in a Rust error or a panic.
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
//! | `epoch`, [`sync`] | accesses under way in other threads, and TLB syncs that wait for them |
//! | `device` | one SMMU: register accesses, transactions, faults, stalls, address translation, injection, [`inspect`] |
//! | `dma` | [`Tbu`] and [`View`]: translation for threads that do DMA |
//! | `testing` | feature `testing`: a recording host, sparse memory, page tables, registers by name, for tests and fuzzers |
//!
//! ```
//! use smmu_emu::{BusError, Config, Env, Line, Memory, Plan, Smmu};
//!
//! /// A machine with an SMMU and nothing else.
//! struct Bare;
//! impl Memory for Bare {
//!     fn read(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> { Err(BusError) }
//!     fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> { Err(BusError) }
//! }
//! impl Env for Bare {
//!     fn now(&self) -> u64 { 0 }
//!     fn set_line(&mut self, _: Line, _: bool) {}
//! }
//!
//! let mut smmu = Smmu::new(&Config::default(), Plan::default())?;
//! let mut idr1 = [0; 4];
//! smmu.read(&mut Bare, 0x24, &mut idr1);
//! assert_eq!(u32::from_le_bytes(idr1) & 0xff, 16, "context banks");
//! # Ok::<(), smmu_emu::NewError>(())
//! ```
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
pub use config::{Config, ConfigError, Geometry, Implementation, LiveGroup, PageSize, Preset, TlbMode};
pub use device::counters::Counters;
pub use device::inspect::{self, Register};
pub use device::smmu::{NewError, Smmu};
pub use dma::tbu::{Batch, Tbu};
pub use dma::view::{Refused, View};
pub use epoch::sync;
pub use host::env::Env;
pub use host::events;
pub use host::injected::{self, Hold, Injected};
pub use plan::mark::{MarkError, MarkRule, Marks};
pub use plan::{DelayRule, InjectionRule, Plan, PlanError, Progress, Site};
pub use spec::{register_names, regs};
