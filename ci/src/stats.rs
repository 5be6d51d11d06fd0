// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Statistics of rates: intervals, sequential decisions, comparisons. Every method has its name for reports.
//!
//! - [`rate`]: a rate with its exact interval, for a number of boots that was fixed beforehand.
//! - [`sequence`]: an interval that holds at every number of boots, for rates that are watched.
//! - [`sprt`]: a sequential test between two rates.
//! - [`boschloo`]: a test of two rates against each other.
//! - [`holm`]: p-values of many tests, corrected for their number.

pub mod boschloo;
pub mod holm;
pub mod rate;
pub mod sequence;
pub mod sprt;
