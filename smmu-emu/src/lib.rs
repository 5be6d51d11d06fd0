// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A model of the Arm SMMUv2 (IHI 0062 issue D): registers, stream matching, translation, timing.
//!
//! The crate is pure: no input or output, no threads, no clock. Whatever comes from outside comes through [`Env`].
//! What a guest does wrong ends in a fault register, never in a Rust error or a panic.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | what a user chooses, and [`Geometry`], the same after validation |
//! | [`mod@env`] | the seams: memory, interrupt lines, time, chance, the trace of accesses |
//! | [`plan`] | the timing plan: which operations take time, and how much |
//! | [`mark`] | marks: flags of a run that register accesses raise |
//! | [`regs`] | what a register table is |
//! | [`spec`] | the tables and field types of SMMUv2, no algorithms |
//! | `state`, `identity`, `options` | the register file, what it advertises, what a configuration leaves out |
//! | `mmio`, `effects` | from a bus access to a register; the side effects |
//! | [`translate`] | the life of a transaction: `stream`, then `regime`, then `walk` |
//! | [`inspect`] | looking at registers and the plan from outside, without side effects |
//! | [`fault`] | every fault, and how it shows in the registers and on the lines |
//! | `ats`, `timing` | address translation operations; the plan at work |
//!
//! ```
//! use smmu_emu::{BusError, Config, Env, Line, Plan, Smmu};
//!
//! /// A machine with an SMMU and nothing else.
//! struct Bare;
//! impl Env for Bare {
//!     fn now(&self) -> u64 { 0 }
//!     fn read_memory(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> { Err(BusError) }
//!     fn set_line(&mut self, _: Line, _: bool) {}
//!     fn random(&mut self) -> u64 { 0 }
//! }
//!
//! let mut smmu = Smmu::new(&Config::default(), Plan::default())?;
//! let mut idr1 = [0; 4];
//! smmu.read(&mut Bare, 0x24, &mut idr1);
//! assert_eq!(u32::from_le_bytes(idr1) & 0xff, 16, "context banks");
//! # Ok::<(), smmu_emu::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

mod ats;
pub mod config;
mod effects;
pub mod env;
pub mod fault;
mod identity;
pub mod inspect;
pub mod mark;
mod mmio;
mod options;
pub mod plan;
mod regime;
pub mod regs;
mod smmu;
pub mod spec;
mod state;
mod stream;
mod timing;
pub mod translate;
mod walk;

pub use config::{Config, ConfigError, Geometry, PageSize, Preset};
pub use env::{Access, AccessKind, BusError, Delayed, Env, Frame, Line};
pub use fault::Fault;
pub use inspect::{Delay, Register};
pub use mark::{MarkError, MarkRule, Marks};
pub use plan::{DelayRule, Plan, PlanError, Site};
pub use smmu::Smmu;
pub use spec::register_names;
pub use translate::{Intent, Response, Transaction, Translation};
