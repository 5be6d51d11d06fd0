// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A client of the control socket, and of QEMU's monitor, that can also say what no client should.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{StreamDeserializer, Value, de::IoRead, json};

use crate::raw::PATIENCE;

/// A connection.
pub struct QmpClient {
    stream: UnixStream,
    messages: StreamDeserializer<'static, IoRead<BufReader<UnixStream>>, Value>,
    events: Vec<Value>,
    greeting: Value,
}

impl std::fmt::Debug for QmpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QmpClient")
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl QmpClient {
    /// Connects and takes the greeting.
    ///
    /// # Errors
    /// The server does not greet.
    pub fn connect(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let reader = BufReader::new(stream.try_clone()?);
        let mut client = Self {
            stream,
            messages: serde_json::Deserializer::from_reader(reader).into_iter(),
            events: Vec::new(),
            greeting: Value::Null,
        };
        let greeting = client.receive()?;
        ensure!(greeting["QMP"]["version"]["qemu"]["major"].is_u64(), "{greeting}");
        ensure!(greeting["QMP"]["capabilities"].is_array(), "{greeting}");
        client.greeting = greeting;
        Ok(client)
    }

    /// Connects and negotiates.
    ///
    /// # Errors
    /// The server refuses.
    pub fn negotiated(path: &Path) -> Result<Self> {
        let mut client = Self::connect(path)?;
        client.execute("qmp_capabilities", json!({}))?;
        Ok(client)
    }

    /// The greeting of the server.
    pub fn greeting(&self) -> &Value {
        &self.greeting
    }

    /// Sends any bytes.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The next message, whatever it is.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn receive(&mut self) -> Result<Value> {
        Ok(self.messages.next().context("the connection ended")??)
    }

    /// The next answer; events are kept.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn answer(&mut self) -> Result<Value> {
        loop {
            let message = self.receive()?;
            if message.get("event").is_none() {
                return Ok(message);
            }
            self.events.push(message);
        }
    }

    /// Result of a command.
    ///
    /// # Errors
    /// Class and description of the server's error.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.send(
            json!({ "execute": command, "arguments": arguments })
                .to_string()
                .as_bytes(),
        )?;
        let mut answer = self.answer()?;
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(anyhow!(
                "{}: {}",
                answer["error"]["class"],
                answer["error"]["desc"]
            )),
        }
    }

    /// The next event, or answer.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn next_event(&mut self) -> Result<Value> {
        if self.events.is_empty() {
            self.receive()
        } else {
            Ok(self.events.remove(0))
        }
    }

    /// The events that came before the last answer, less those that were asked for already.
    pub fn events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// The data of the next event of this name; others are dropped.
    ///
    /// # Errors
    /// It does not come.
    pub fn event(&mut self, name: &str) -> Result<Value> {
        loop {
            let event = self.next_event()?;
            if event["event"] == name {
                ensure!(
                    event["timestamp"]["seconds"].as_u64() > Some(1_700_000_000),
                    "{event}"
                );
                ensure!(
                    event["timestamp"]["microseconds"].as_u64() < Some(1_000_000),
                    "{event}"
                );
                return Ok(event["data"].clone());
            }
        }
    }

    /// The server has ended the connection; what came before does not matter.
    ///
    /// # Errors
    /// It has not.
    pub fn ended(mut self) -> Result<()> {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The socket itself.
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }
}
