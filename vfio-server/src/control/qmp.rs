// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The forms of QMP: requests, answers, the greeting.

use serde_json::{Map, Value, json};
use thiserror::Error;

mod json;
#[cfg(test)]
mod tests;

/// QMP's classes of errors, as far as they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Errors without a class of their own.
    GenericError,
    /// There is no such command, or not now.
    CommandNotFound,
}

/// Reason why a request is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{desc}")]
pub struct Error {
    /// Class, for programs.
    pub class: Class,
    /// Description, for people.
    pub desc: String,
}

impl Error {
    /// Error of the general class.
    pub fn generic(desc: impl ToString) -> Self {
        Self {
            class: Class::GenericError,
            desc: desc.to_string(),
        }
    }

    /// There is no such command, or not now.
    pub fn not_found(desc: impl ToString) -> Self {
        Self {
            class: Class::CommandNotFound,
            desc: desc.to_string(),
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Name of the command.
    pub execute: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

/// Takes a message apart; the `id` is there even if the rest is wrong.
pub fn parse(message: &[u8]) -> (Option<Value>, Result<Request, Error>) {
    let mut object = match json::from_slice(message) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return (None, Err(Error::generic("expected a JSON object"))),
        Err(error) => return (None, Err(Error::generic(format_args!("JSON: {error}")))),
    };
    let id = object.remove("id");
    (id, request(object))
}

fn request(mut object: Map<String, Value>) -> Result<Request, Error> {
    let execute = match object.remove("execute") {
        Some(Value::String(execute)) => execute,
        Some(_) => return Err(Error::generic("`execute` has to be a string")),
        None if object.contains_key("exec-oob") => {
            return Err(Error::generic("out-of-band execution is not offered"));
        }
        None => return Err(Error::generic("`execute` is missing")),
    };
    let arguments = match object.remove("arguments") {
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Error::generic("`arguments` has to be an object")),
        None => Map::new(),
    };
    match object.keys().next() {
        None => Ok(Request { execute, arguments }),
        Some(key) => {
            let key: String = key.chars().take(40).collect();
            Err(Error::generic(format_args!("unexpected member {key:?}")))
        }
    }
}

/// The answer to a request.
#[must_use]
pub fn answer(id: Option<Value>, result: Result<Value, Error>) -> Value {
    let mut answer = match result {
        Ok(value) => json!({ "return": value }),
        Err(Error { class, desc }) => json!({ "error": { "class": format!("{class:?}"), "desc": desc } }),
    };
    if let (Some(id), Some(object)) = (id, answer.as_object_mut()) {
        object.insert("id".into(), id);
    }
    answer
}

/// Result of `query-version`. Clients expect three numbers under `qemu`; they are the server's.
#[must_use]
pub fn version() -> Value {
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    json!({
        "qemu": {
            "major": number(env!("CARGO_PKG_VERSION_MAJOR")),
            "minor": number(env!("CARGO_PKG_VERSION_MINOR")),
            "micro": number(env!("CARGO_PKG_VERSION_PATCH")),
        },
        "package": concat!("smmu-emu vfio-server ", env!("CARGO_PKG_VERSION")),
    })
}

/// The first thing that a client reads.
#[must_use]
pub fn greeting() -> Value {
    json!({ "QMP": { "version": version(), "capabilities": [] } })
}
