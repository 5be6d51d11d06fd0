// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Bodies of the fuzz targets. The test `smmu-emu/tests/corpus.rs` includes this file, and replays the
//! corpus without a fuzzer.

pub mod coverage;
pub mod differential;
pub mod formats;
mod input;
mod machine;
pub mod mmio_sequence;
mod pair;
mod rules;
pub mod walk;

pub use rules::Allowed;
