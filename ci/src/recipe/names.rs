// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Names in a recipe: their form, and references to them.

/// The names in `${name}`.
pub(super) fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
}

pub(super) fn unknown_mark(key: &str, mark: &str, marks: &[String]) -> String {
    format!(
        "`{key}`: \"{mark}\" is no mark of this recipe, which has {}",
        list(marks)
    )
}

pub(super) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("\"{}\"", name.as_ref()))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

pub(super) fn is_name(name: &str) -> bool {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    letters && (1..=40).contains(&name.len())
}

pub(super) fn is_module(name: &str) -> bool {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    letters && (1..=64).contains(&name.len())
}
