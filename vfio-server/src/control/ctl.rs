// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `vfio-server ctl`: one command to the control socket from the shell.

use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;

mod arguments;
mod show;

#[cfg(test)]
mod tests;

const HELP: &str = "\
Arguments of a command are key=value, or one JSON object. A value is JSON if it can be read as such, else a string; \
key=@FILE takes the text of a file, and a.b=1 is {\"a\": {\"b\": 1}}.

Examples:
  vfio-server ctl -s ctl.sock query-commands
  vfio-server ctl -s ctl.sock registers-list smmu=a frame=cb0
  vfio-server ctl -s ctl.sock register-write smmu=a name=sCR0 value=0x200001
  vfio-server ctl -s ctl.sock translate smmu=a stream=2 address=0x1000 access=write
  vfio-server ctl -s ctl.sock delay-add smmu=a site=global-sync time_us.min=10 time_us.max=500
  vfio-server ctl -s ctl.sock delay-add '{\"smmu\": \"a\", \"site\": \"ats\", \"polls\": 8}'
  vfio-server ctl -s ctl.sock plan-load text=@plan.toml
  vfio-server ctl -s ctl.sock --follow query-status      # then every event

Completion of command names in bash:
  complete -C 'vfio-server ctl -s ctl.sock --complete' smmuctl

Every command and event: docs/control.md.

Exit status: 0 if the server did it; 1 if it refused; 2 for a usage error, also an unknown command; 3 if the server \
cannot be reached or does not answer in time.";

/// Arguments of `ctl`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The server's `--control` socket.
    #[arg(short, long, value_name = "PATH", env = "SMMU_EMU_CONTROL")]
    socket: PathBuf,
    /// Print what the server returns as JSON.
    #[arg(long)]
    json: bool,
    /// Go on with every event, one line of JSON each, until the server ends.
    #[arg(long)]
    follow: bool,
    /// Print the names of commands that begin with the second-last of these words, for the shell's `complete -C`.
    #[arg(long, num_args = 0..=3, value_name = "WORD", conflicts_with = "command")]
    complete: Option<Vec<String>>,
    /// Seconds to wait for the server.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// The command; `query-commands` lists them.
    #[arg(required_unless_present = "complete")]
    command: Option<String>,
    /// Its arguments: key=value, or a JSON object.
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Reason why a command has no answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// The server has refused it.
    #[error("{0}")]
    Refused(String),
    /// There is no such command, or not with these arguments.
    #[error("{0}")]
    Usage(String),
    /// The server cannot be reached.
    #[error("{}: {error}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// The server cannot be understood, or has gone.
    #[error("the server: {0}")]
    Server(String),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Connect { .. } | Self::Server(_) => 3,
        }
    }
}

/// Sends the command and prints the answer.
#[must_use]
pub fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "vfio-server ctl: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let command = args.command.as_deref().unwrap_or("query-commands");
    let given = arguments::parse(&args.arguments)?;
    let mut connection = Connection::open(&args.socket, Duration::from_secs(args.timeout))?;
    let value = connection.execute(command, given)?;
    if let Some(words) = &args.complete {
        // The shell calls with the command, the word, and the word before it.
        let prefix = words.get(1).or(words.first()).map_or("", String::as_str);
        return print(&show::names(&value, prefix));
    }
    if args.json {
        print(&format!("{value}\n"))?;
    } else {
        print(&show::people(&value))?;
    }
    if args.follow {
        connection.follow()?;
    }
    Ok(())
}

/// A reader that has gone is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Server(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

type Messages = serde_json::StreamDeserializer<'static, serde_json::de::IoRead<BufReader<UnixStream>>, Value>;

/// A connection to a server of QMP: this one, or QEMU.
pub struct Connection {
    stream: UnixStream,
    messages: Messages,
    events: Vec<Value>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects and negotiates; each answer has to come within `timeout`.
    ///
    /// # Errors
    /// The server cannot be reached, or speaks no QMP.
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, Failure> {
        let error = |error| Failure::Connect {
            path: path.to_owned(),
            error,
        };
        let stream = UnixStream::connect(path).map_err(error)?;
        stream.set_read_timeout(Some(timeout)).map_err(error)?;
        stream.set_write_timeout(Some(timeout)).map_err(error)?;
        let reader = BufReader::new(stream.try_clone().map_err(error)?);
        let mut connection = Self {
            stream,
            messages: serde_json::Deserializer::from_reader(reader).into_iter(),
            events: Vec::new(),
        };
        if connection.receive()?.get("QMP").is_none() {
            return Err(Failure::Server("no greeting: this is no control socket".into()));
        }
        connection.execute("qmp_capabilities", Map::new())?;
        Ok(connection)
    }

    fn receive(&mut self) -> Result<Value, Failure> {
        match self.messages.next() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(Failure::Server(error.to_string())),
            None => Err(Failure::Server("it closed the connection".into())),
        }
    }

    /// Carries out a command; events that come before its answer are kept.
    ///
    /// # Errors
    /// [`Failure`]: it was refused, or there is no answer.
    pub fn execute(&mut self, command: &str, arguments: Map<String, Value>) -> Result<Value, Failure> {
        let request = json!({ "execute": command, "arguments": arguments }).to_string();
        self.stream
            .write_all(request.as_bytes())
            .map_err(|error| Failure::Server(error.to_string()))?;
        loop {
            let mut answer = self.receive()?;
            if answer.get("event").is_some() {
                self.events.push(answer);
            } else if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            } else {
                let text = |key: &str| answer["error"][key].as_str().unwrap_or_default().to_owned();
                return Err(match text("class").as_str() {
                    "CommandNotFound" => Failure::Usage(text("desc")),
                    _ => Failure::Refused(text("desc")),
                });
            }
        }
    }

    fn follow(&mut self) -> Result<(), Failure> {
        let error = |error: io::Error| Failure::Server(error.to_string());
        for event in std::mem::take(&mut self.events) {
            print(&format!("{event}\n"))?;
        }
        self.stream.set_read_timeout(None).map_err(error)?;
        loop {
            match self.messages.next() {
                Some(Ok(event)) => print(&format!("{event}\n"))?,
                Some(Err(error)) => return Err(Failure::Server(error.to_string())),
                None => return Ok(()),
            }
        }
    }
}
