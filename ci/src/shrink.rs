// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Shrinking of a recipe: the smallest one that still hits, by delta debugging (`docs/bisect.md`).
//!
//! - [`parts`]: parts of a recipe's text, and the text without some of them.
//! - [`query`]: does a recipe still hit? A test of its rate.
//! - [`decisions`]: answers on disk.
//! - [`search`]: parts dropped until none can be.

pub mod decisions;
pub mod parts;
pub mod query;
pub mod search;
