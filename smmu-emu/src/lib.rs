// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A model of the Arm SMMUv2 (IHI 0062 issue D): registers, stream matching, translation, timing.
//!
//! The crate is pure: no input or output, no threads of its own, no clock. Whatever comes from outside comes through [`Env`].
//! What a guest does wrong ends in a fault register, never in a Rust error or a panic.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | what a user chooses, and [`Geometry`], the same after validation |
//! | [`mod@env`] | the seams: memory, interrupt lines, time, chance |
//! | [`trace`] | what happens, for a host that wants to be told of it |
//! | [`plan`] | the plan: which operations take time, and which go wrong |
//! | [`mark`] | marks: flags of a run that register accesses raise |
//! | [`regs`] | what a register table is |
//! | [`spec`] | the tables and field types of SMMUv2, no algorithms |
//! | `state`, `identity`, `options` | the register file, what it advertises, what a configuration leaves out |
//! | `place`, `secure`, `mmio`, `effects` | from an offset to a register; who sees it; access rules; side effects |
//! | `pmu` | the performance monitor |
//! | [`translate`] | the life of a transaction: `stream`, then `regime` (what a bank translates), then `walk` (tables) |
//! | `decoded` | what the registers of a stream and of a bank come to, until the next write |
//! | [`inspect`] | looking at registers and the plan from outside, without side effects |
//! | [`fault`] | every fault, and how it shows in the registers and on the lines |
//! | `stall` | transactions that wait for software |
//! | `tlb` | what is known of earlier walks, and how software invalidates it |
//! | [`tbu`], `epoch`, [`sync`] | translation for threads that run beside the one that serves the registers |
//! | [`view`] | guest memory as a device behind one stream sees it, for rust-vmm's device crates |
//! | `ats`, `par` | address translation operations and their results |
//! | `injection` | the plan at work |
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
mod decoded;
mod effects;
pub mod env;
mod epoch;
pub mod fault;
mod identity;
mod injection;
pub mod inspect;
pub mod mark;
mod mmio;
mod options;
mod par;
mod place;
pub mod plan;
mod pmu;
mod regime;
pub mod regs;
mod secure;
mod smmu;
pub mod spec;
mod stall;
mod state;
mod stream;
pub mod sync;
pub mod tbu;
#[cfg(test)]
mod testing;
mod tlb;
pub mod trace;
pub mod translate;
pub mod view;
mod walk;

pub use config::{Config, ConfigError, Geometry, Implementation, LiveGroup, PageSize, Preset, TlbMode};
pub use env::{Access, AccessKind, BusError, Env, Frame, Hold, Injected, Line};
pub use fault::Fault;
pub use inspect::{Progress, Register};
pub use mark::{MarkError, MarkRule, Marks};
pub use plan::{DelayRule, FaultRule, Plan, PlanError, Site};
pub use smmu::Smmu;
pub use spec::register_names;
pub use stall::Stall;
pub use tbu::{Batch, Counters, Tbu};
pub use translate::{Intent, Response, Transaction, Translation};
pub use view::{Refused, View};
