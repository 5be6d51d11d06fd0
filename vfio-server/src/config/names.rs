// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Names of SMMUs and DMA devices.

/// Rule for names, in words.
pub(super) const NAME_RULE: &str = "`name` has to be one or more of A-Z a-z 0-9 . _ -";

/// Whether a name is one word, also in a trace.
pub(super) fn is_word(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.chars().all(word)
}
