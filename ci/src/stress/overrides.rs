// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Overrides: parts of a recipe's text that a matrix replaces.

#[cfg(test)]
mod tests;

use toml::{Table, Value};

/// Text of a recipe with the values of `change` in the place of its own, or beside them. Tables are merged key by key;
/// of arrays of tables with a `name` the tables of one name, and others are added; all else is replaced.
///
/// # Errors
/// The text is no TOML.
pub fn applied(recipe: &str, change: &Table) -> Result<String, String> {
    let mut table: Table = recipe
        .parse()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    merge(&mut table, change);
    toml::to_string(&table).map_err(|error| error.to_string())
}

fn merge(table: &mut Table, change: &Table) {
    for (key, value) in change {
        match (table.get_mut(key), value) {
            (Some(Value::Table(own)), Value::Table(value)) => merge(own, value),
            (Some(Value::Array(own)), Value::Array(values)) if are_named(own) && are_named(values) => {
                merge_named(own, values);
            }
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

fn name(value: &Value) -> Option<&str> {
    value.as_table()?.get("name")?.as_str()
}

fn are_named(values: &[Value]) -> bool {
    values.iter().all(|value| name(value).is_some())
}

fn merge_named(own: &mut Vec<Value>, values: &[Value]) {
    for value in values {
        let same = own.iter_mut().find(|known| name(known) == name(value));
        match (same.and_then(Value::as_table_mut), value) {
            (Some(known), Value::Table(value)) => merge(known, value),
            _ => own.push(value.clone()),
        }
    }
}
