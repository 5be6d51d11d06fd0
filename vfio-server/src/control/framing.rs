// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! End of a message of the JSON stream, found byte by byte with a few words of state.
//!
//! QMP has no lines: the usual client sends no newline. What is between the outermost brackets is a message and goes
//! to `serde_json`; anything else between messages, other than white space, is one error. After an error the scanner is
//! in step again at the next line or bracket; the byte `0xff`, which JSON does not have, ends whatever was begun.
//! Only a message that is too long or too deep cannot be stepped over: its client is ended.

use thiserror::Error;

#[cfg(test)]
mod tests;

/// The longest message.
pub const MAX_MESSAGE: usize = 256 << 10;
/// The deepest nesting of arrays and objects.
pub const MAX_DEPTH: u32 = 32;
/// Larger messages do not keep their allocation.
const LARGE: usize = 4 << 10;

/// Defects of the framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FramingError {
    /// Text outside an object or array.
    #[error("expected a JSON object")]
    Garbage,
    /// A raw control character in a string, which is where an unfinished string is noticed.
    #[error("a line ends, or a control character stands, within a string")]
    BrokenString,
    /// The client asked for a fresh start within a message.
    #[error("the message was broken off")]
    BrokenOff,
    /// Too long.
    #[error("a message is longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// Too deep.
    #[error("a message is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl FramingError {
    /// Whether nothing more can be had from this client.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::TooLong | Self::TooDeep)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between messages.
    #[default]
    Between,
    /// In text that is no message, and that was reported.
    Garbage,
    /// In a message, outside its strings.
    Inside,
    /// In a string.
    String,
    /// After a backslash in a string.
    Escape,
}

/// Splits a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
    depth: u32,
    message: Vec<u8>,
}

impl Framer {
    /// Takes bytes from the front of `input` up to the end of the next message or error; `None` if there is neither.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Result<Vec<u8>, FramingError>> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            match self.take(byte) {
                Ok(false) => {}
                Ok(true) => {
                    let message = self.message.clone();
                    self.start_again();
                    return Some(Ok(message));
                }
                Err(error) => {
                    self.start_again();
                    if error == FramingError::Garbage {
                        self.state = State::Garbage;
                    }
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Bytes kept of a message that is not complete.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.message.len()
    }

    fn start_again(&mut self) {
        self.state = State::Between;
        self.depth = 0;
        self.message.clear();
        self.message.shrink_to(LARGE);
    }

    /// Whether the byte ends a message.
    fn take(&mut self, byte: u8) -> Result<bool, FramingError> {
        if byte == 0xff {
            return match self.state {
                State::Between | State::Garbage => {
                    self.state = State::Between;
                    Ok(false)
                }
                _ => Err(FramingError::BrokenOff),
            };
        }
        match self.state {
            State::Between | State::Garbage => match byte {
                b'{' | b'[' => self.state = State::Inside,
                b'\n' | b'\r' => {
                    self.state = State::Between;
                    return Ok(false);
                }
                b' ' | b'\t' => return Ok(false),
                _ if self.state == State::Between => return Err(FramingError::Garbage),
                _ => return Ok(false),
            },
            State::Inside if byte == b'"' => self.state = State::String,
            State::Inside => {}
            State::String => match byte {
                b'"' => self.state = State::Inside,
                b'\\' => self.state = State::Escape,
                0..0x20 => return Err(FramingError::BrokenString),
                _ => {}
            },
            State::Escape if byte < 0x20 => return Err(FramingError::BrokenString),
            State::Escape => self.state = State::String,
        }
        if self.message.len() >= MAX_MESSAGE {
            return Err(FramingError::TooLong);
        }
        self.message.push(byte);
        if self.state == State::Inside {
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > MAX_DEPTH {
                return Err(FramingError::TooDeep);
            }
        }
        Ok(self.state == State::Inside && self.depth == 0)
    }
}
