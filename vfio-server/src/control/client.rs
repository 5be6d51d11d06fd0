// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One connection: bytes in, messages out of them, bytes out; all of it bounded.

use std::io::{self, Read, Write};

use mio::net::UnixStream;
use serde_json::Value;

use super::framing::Framer;
use super::qmp::{self, Error};
use super::worker::Job;

/// Bytes read at once.
const CHUNK: usize = 16 << 10;
/// A client with this much to read gets no further command carried out.
const FULL: usize = 64 << 10;
/// A client with this much to read gets no events.
const FULL_FOR_EVENTS: usize = 256 << 10;
/// A client that lost this many events in one go is ended.
const MAX_LOST: u64 = 4096;
/// Larger buffers do not stay when they are empty.
const KEPT: usize = 16 << 10;

/// Input of a client.
#[derive(Debug)]
pub(super) enum Input {
    /// A message.
    Message(Vec<u8>),
    /// Something that has been answered already.
    Refused,
    /// Nothing for now; more may be had from the socket when it is ready.
    Nothing,
    /// A part of a message; the other clients' turn.
    More,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    framer: Framer,
    /// Received and not yet looked at: `input[looked..]`.
    input: Vec<u8>,
    looked: usize,
    /// To be sent: `output[sent..]`.
    output: Vec<u8>,
    sent: usize,
    lost: u64,
    /// The capabilities are negotiated: commands may come, events go.
    pub(super) negotiated: bool,
    /// A command is with the worker.
    pub(super) busy: bool,
    /// A command for which the worker had no room.
    pub(super) waiting: Option<Job>,
    /// Nothing more is taken; the connection ends when the output is sent.
    pub(super) ending: bool,
    /// The connection is of no more use.
    pub(super) dead: bool,
}

impl Client {
    /// A connection that has been greeted.
    pub(super) fn new(stream: UnixStream) -> Self {
        let mut client = Self {
            stream,
            framer: Framer::default(),
            input: Vec::new(),
            looked: 0,
            output: Vec::new(),
            sent: 0,
            lost: 0,
            negotiated: false,
            busy: false,
            waiting: None,
            ending: false,
            dead: false,
        };
        client.push(&qmp::greeting().to_string());
        client
    }

    /// Whether the next message may be looked for.
    pub(super) fn is_free(&self) -> bool {
        !self.busy && self.waiting.is_none() && !self.ending && !self.dead && self.unsent() < FULL
    }

    /// The next message of what is there, reading once if it has to.
    pub(super) fn next(&mut self) -> Input {
        if self.looked >= self.input.len() {
            match self.read() {
                Ok(true) => {}
                Ok(false) => return Input::Nothing,
                Err(_) => {
                    self.dead = true;
                    return Input::Nothing;
                }
            }
        }
        let mut rest = self.input.get(self.looked..).unwrap_or_default();
        let found = self.framer.next(&mut rest);
        self.looked = self.input.len().saturating_sub(rest.len());
        match found {
            Some(Ok(message)) => Input::Message(message),
            Some(Err(error)) => {
                self.answer(None, Err(Error::generic(error)));
                self.ending |= error.is_fatal();
                Input::Refused
            }
            None => Input::More,
        }
    }

    /// Reads a chunk; false if there is none now, or never will be one.
    fn read(&mut self) -> io::Result<bool> {
        self.input.resize(CHUNK, 0);
        self.looked = 0;
        let result = loop {
            match self.stream.read(&mut self.input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.input.truncate(*result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => {
                // It may have closed one direction only, and wait for its answers.
                self.ending = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A quiet client keeps no room.
                self.input = Vec::new();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Queues the answer to a message.
    pub(super) fn answer(&mut self, id: Option<Value>, result: Result<Value, Error>) {
        self.push(&qmp::answer(id, result).to_string());
    }

    /// Queues a text that is a message.
    pub(super) fn push(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Queues an event; a client that does not read loses it, and is ended when it goes on like that.
    pub(super) fn push_event(&mut self, text: &str) {
        if !self.negotiated || self.ending {
            return;
        }
        if self.unsent().saturating_add(text.len()) > FULL_FOR_EVENTS {
            self.lose(1);
            return;
        }
        if self.lost > 0 {
            let lost =
                crate::host::events::Event::new("EVENTS_LOST", serde_json::json!({ "count": self.lost }));
            self.lost = 0;
            self.push(&lost.to_json().to_string());
        }
        self.push(text);
    }

    /// Counts events that this client does not get.
    pub(super) fn lose(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
        if self.lost >= MAX_LOST && self.unsent() >= FULL {
            tracing::warn!("ended a control client that does not read its events");
            self.dead = true;
        }
    }

    /// Sends what the socket takes. Events that were lost are told as soon as there is room again.
    pub(super) fn flush(&mut self) {
        while self.unsent() > 0 {
            let rest = self.output.get(self.sent..).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(0) => {
                    self.dead = true;
                    return;
                }
                Ok(count) => self.sent = self.sent.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.dead = true;
                    return;
                }
            }
        }
        self.output.drain(..self.sent.min(self.output.len()));
        self.sent = 0;
        if self.output.is_empty() {
            self.output.shrink_to(KEPT);
            self.dead |= self.ending && !self.busy && self.waiting.is_none();
        }
    }

    fn unsent(&self) -> usize {
        self.output.len().saturating_sub(self.sent)
    }
}
