// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of the server as text.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Names of the commands that begin so, one per line.
pub(super) fn names(commands: &Value, prefix: &str) -> String {
    let commands = commands.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = commands.iter().filter_map(|command| command["name"].as_str());
    names
        .filter(|name| name.starts_with(prefix))
        .map(|name| format!("{name}\n"))
        .collect()
}

/// A list as a table, an object as lines, a text as it is.
pub(super) fn people(value: &Value) -> String {
    match value {
        Value::Object(object) if object.len() == 1 => match object.get("text").and_then(Value::as_str) {
            Some(text) => text.into(),
            None => lines(object),
        },
        Value::Object(object) => lines(object),
        Value::Array(rows) => table(rows),
        value => format!("{}\n", cell("", value)),
    }
}

fn lines(object: &Map<String, Value>) -> String {
    let width = object.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value) in object {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key:width$}  {}", cell(key, value));
    }
    text
}

fn table(rows: &[Value]) -> String {
    let mut keys: Vec<&str> = Vec::new();
    for key in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    // What has a name begins with it; what is long comes last.
    keys.sort_by_key(|key| match *key {
        "smmu" => 0,
        "name" | "mark" | "delay" => 1,
        "index" => 2,
        "fields" | "rule" | "delays" => 4,
        _ => 3,
    });
    if keys.is_empty() {
        return rows.iter().map(|row| format!("{}\n", cell("", row))).collect();
    }
    let head = keys.iter().map(|key| (*key).to_owned()).collect();
    let body = rows
        .iter()
        .map(|row| keys.iter().map(|key| cell(key, &row[*key])).collect());
    let cells: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column: usize| {
        cells
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..keys.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &cells {
        let padded = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Addresses and register values are hexadecimal.
fn cell(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Number(number)
            if matches!(key, "value" | "offset" | "address" | "length" | "register-space") =>
        {
            number
                .as_u64()
                .map_or_else(|| number.to_string(), |number| format!("{number:#x}"))
        }
        Value::Object(object) => {
            let pairs = object
                .iter()
                .map(|(key, value)| format!("{key}={}", cell(key, value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        value => value.to_string(),
    }
}
