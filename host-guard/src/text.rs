// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Text that others wrote, for a terminal.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// Whether a character does something to a terminal instead of being shown: control characters of ASCII and of Latin-1
/// (U+0080 to U+009F, which many terminals obey), and those that reverse the direction of what follows.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with its control characters as escapes, `\u{1b}`; line feeds and tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}
