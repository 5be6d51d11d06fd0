// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Bisection of a bug that some boots show and others do not, for `git bisect run` (`docs/bisect.md`).
//!
//! - [`plan`]: boots of a step, and the chance of a wrong end.
//! - [`state`]: the calibration and the steps, on disk.
//! - [`commit`]: a commit built, and the kernel that it stands for.
//! - [`step`]: a commit measured and judged.

pub mod commit;
pub mod plan;
pub mod state;
pub mod step;
