// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Output of all commands: text, messages, exit statuses.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use host_guard::text::{is_control, printable};

/// Exit statuses by name.
pub mod code {
    /// The run was as its recipe expects.
    pub const AS_EXPECTED: u8 = 0;
    /// The run was not as its recipe expects.
    pub const NOT_AS_EXPECTED: u8 = 1;
    /// Wrong options or a recipe that is not valid.
    pub const USAGE: u8 = 2;
    /// Something outside the guest.
    pub const ENVIRONMENT: u8 = 3;
    /// No verdict is possible.
    pub const INCONCLUSIVE: u8 = 4;

    /// A signal has asked for the end.
    pub fn of_signal(signal: i32) -> u8 {
        u8::try_from(128 + signal).unwrap_or(u8::MAX)
    }
}

/// JSON text with escapes for what a terminal obeys; such characters stand in strings only.
pub(super) fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_control(c) && c != '\n' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Prints to standard output, without what a terminal would obey; a reader that has gone is no error.
pub(super) fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out
        .write_all(printable(text).as_bytes())
        .and_then(|()| out.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(
            code::ENVIRONMENT,
            &format!("cannot write to standard output: {error}"),
        ),
    }
}

/// Prints the one message of a failure.
pub(super) fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "boot-stress: {}", printable(message));
    ExitCode::from(code)
}

/// Reason why a command ends without its answer: exit status and message.
#[derive(Debug)]
pub(super) struct Failure(pub u8, pub String);

impl Failure {
    pub(super) fn usage(problem: &dyn Display) -> Self {
        Self(code::USAGE, problem.to_string())
    }

    /// Prints the message.
    pub(super) fn tell(self) -> ExitCode {
        fail(self.0, &self.1)
    }
}
