// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Texts of a recipe: they reach command lines, scripts and a terminal, so they hold no control characters.

use std::ops::Range;

use host_guard::text::is_control;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys whose text is one line.
const ONE_LINE: [&str; 3] = ["name", "summary", "cmdline"];

/// The first key or text with a control character, anywhere in a recipe: where it stands, and what is wrong. Line feeds
/// and tabs are allowed in texts that may have several lines.
pub(super) fn problem(table: &DeTable<'_>) -> Option<(Range<usize>, String)> {
    table.iter().find_map(|(key, value)| {
        in_text(key.span(), key.get_ref(), true)
            .or_else(|| in_value(value, ONE_LINE.contains(&key.get_ref().as_ref())))
    })
}

fn in_value(value: &Spanned<DeValue<'_>>, one_line: bool) -> Option<(Range<usize>, String)> {
    match value.get_ref() {
        DeValue::String(text) => in_text(value.span(), text, one_line),
        DeValue::Array(values) => values.iter().find_map(|value| in_value(value, one_line)),
        DeValue::Table(table) => problem(table),
        _ => None,
    }
}

fn in_text(span: Range<usize>, text: &str, one_line: bool) -> Option<(Range<usize>, String)> {
    // A line of a file from elsewhere may end in CR LF.
    let text = text.replace("\r\n", "\n");
    let allowed = |c: char| !one_line && matches!(c, '\n' | '\t');
    let found = text.chars().find(|&c| is_control(c) && !allowed(c))?;
    let problem = format!(
        "the control character {} is not allowed here",
        found.escape_unicode()
    );
    Some((span, problem))
}
