// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Commands as text for a POSIX shell, for people to read and to run.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use host_guard::program::Program;
use host_guard::text::is_control;

/// The command of a program with its environment, one option per line with its value.
pub fn command(program: &Program) -> String {
    let mut text = String::new();
    if !program.env_remove.is_empty() {
        text.push_str("env");
        for key in &program.env_remove {
            let _ = write!(text, " -u {}", key.display());
        }
        text.push(' ');
    }
    for (key, value) in &program.env {
        let _ = write!(text, "{}={} ", key.display(), quote(value));
    }
    text.push_str(&quote(program.path.as_os_str()));
    for arg in &program.args {
        text.push_str(if arg.as_encoded_bytes().starts_with(b"-") {
            " \\\n  "
        } else {
            " "
        });
        text.push_str(&quote(arg));
    }
    text
}

/// Quotes a word for a POSIX shell, if it needs quotes.
pub fn quote(word: &OsStr) -> String {
    let Some(word) = word.to_str().filter(|word| !word.contains(is_control)) else {
        // Bytes that are no text, or that a terminal would obey.
        let bytes: String = word
            .as_bytes()
            .iter()
            .map(|byte| format!("\\{byte:03o}"))
            .collect();
        return format!("\"$(printf '{bytes}')\"");
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=,:+@".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
