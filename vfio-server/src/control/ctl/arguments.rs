// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Arguments of a command from the words of a command line.

use serde_json::{Map, Value};

use super::Failure;

/// Deeper keys than any command has.
const MAX_PARTS: usize = 8;

/// Reads `key=value` words and JSON objects, in order.
pub(super) fn parse(words: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut arguments = Map::new();
    for word in words {
        if word.trim_start().starts_with('{') {
            let object: Map<String, Value> =
                serde_json::from_str(word).map_err(|error| Failure::Usage(format!("{word}: {error}")))?;
            arguments.extend(object);
            continue;
        }
        let (key, text) = word
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("{word:?} is neither key=value nor a JSON object")))?;
        insert(&mut arguments, key, value(text)?)?;
    }
    Ok(arguments)
}

fn value(text: &str) -> Result<Value, Failure> {
    if let Some(path) = text.strip_prefix('@') {
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{path}: {error}")))?;
        return Ok(text.into());
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

fn insert(arguments: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), Failure> {
    let bad = |problem: &str| Failure::Usage(format!("{key:?} {problem}"));
    let parts: Vec<&str> = key.split('.').collect();
    if parts.len() > MAX_PARTS || parts.iter().any(|part| part.is_empty()) {
        return Err(bad("is no key"));
    }
    let Some((last, outer)) = parts.split_last() else {
        return Err(bad("is no key"));
    };
    let mut at = arguments;
    for part in outer {
        let inner = at.entry(*part).or_insert_with(|| Map::new().into());
        at = inner.as_object_mut().ok_or_else(|| bad("is a value already"))?;
    }
    match at.insert((*last).to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(bad("is given twice")),
    }
}
