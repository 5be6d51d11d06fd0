// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stress runs: many boots of many cells, side by side, and rates with their intervals (`docs/stress.md`).
//!
//! - [`matrix`], [`overrides`], [`arguments`]: the cells, as a user writes them.
//! - [`class`]: what a boot says on the rate of its cell.
//! - [`stop`], [`pairs`], [`tally`]: boots counted in their order, until a rule ends their cell.
//! - [`shard`]: parts of a run for several machines.
//! - [`record`], [`store`], [`kept`], [`merge`]: results on disk.
//! - [`schedule`], [`jobs`]: the next boot, and how many at a time.
//! - [`prepare`], [`once`], [`work`], [`run`]: the boots; [`repeat`]: one of them again.
//! - [`measure`]: a matrix, from its cells to its report.
//! - [`report`]: results for people and for other programs.

pub mod arguments;
pub mod class;
pub mod jobs;
pub mod kept;
pub mod matrix;
pub mod measure;
pub mod merge;
pub mod once;
pub mod overrides;
pub mod pairs;
pub mod prepare;
pub mod record;
pub mod repeat;
pub mod report;
pub mod run;
#[cfg(any(test, feature = "testing"))]
pub mod samples;
pub mod schedule;
pub mod shard;
pub mod stop;
pub mod store;
pub mod tally;
pub mod work;
