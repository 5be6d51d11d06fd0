// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A test kit (feature `testing`): a host that records, sparse memory, page tables, registers by name.
//!
//! The kit shares no number with the model. Register offsets are a second transcription of the specification
//! ([`registers`], [`fields`]), and [`Tables`] writes descriptors from the architecture's description: a slip in either
//! shows.
//!
//! ```
//! use smmu_emu::testing::Bench;
//! use smmu_emu::testing::fields::sctlr;
//!
//! let mut bench = Bench::new("context_banks = 5");
//! assert_eq!(bench.r("IDR1") & 0xff, 5, "NUMCB");
//! bench.w(("CBn_SCTLR", 3), sctlr::CFIE | sctlr::M);
//! assert_eq!(bench.r(("CBn_SCTLR", 3)), 0x41);
//! ```

mod bench;
pub mod fields;
mod host;
mod ram;
pub mod registers;
mod tables;

pub use bench::Bench;
pub use host::{Guest, Host, Reads};
pub use ram::Ram;
pub use registers::{At, Cb, Gr0, Gr1, High, Locate, Page};
pub use tables::Tables;
