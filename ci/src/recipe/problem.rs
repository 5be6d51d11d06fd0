// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Problems of a recipe, with their place in its text.

use std::ops::Range;

/// A problem and the bytes of the text that have it.
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
}

pub(super) type Checked<T> = Result<T, Problem>;

pub(super) fn problem<T>(span: Range<usize>, problem: impl Into<String>) -> Checked<T> {
    Err(Problem {
        span,
        problem: problem.into(),
    })
}
