// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Start of the two programs of a boot, and the threads that read what they print.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use host_guard::program::Program;
use vfio_server::cli::Unclocked;

use super::log::ServerLog;
use super::{BootError, BootRunner, Message, SERVER, TICK, watch};
use crate::boot::one_core::{Core, main_loop_first};
use crate::boot::server;
use crate::boot::supervise::{Supervised, describe};

/// Time limit for the server until QEMU can connect.
const READY: Duration = Duration::from_secs(10);

/// Thread that reads the server's standard output; it returns what the server says at its end.
type LastWords = JoinHandle<Vec<Unclocked>>;

impl BootRunner<'_> {
    /// Starts the server; the thread that reads its standard output returns what it says at its end.
    pub(super) fn start_server(
        &self,
        seed: u64,
        sender: &SyncSender<Message>,
        messages: &Receiver<Message>,
        log: &ServerLog,
    ) -> Result<(Supervised, Option<LastWords>), BootError> {
        server::make_images(self.recipe, self.dir.path()).map_err(|error| {
            if self.has_to_end() {
                BootError::Interrupted
            } else {
                error.into()
            }
        })?;
        let config = self.dir.file("server.toml");
        let text = server::server_config(
            self.recipe,
            self.dir.path(),
            seed,
            &self.allowed,
            self.deterministic,
        )?;
        fs::write(&config, text).map_err(|source| BootError::Write {
            path: config.clone(),
            source,
        })?;
        let mut args = vec![
            SERVER.into(),
            "--config".into(),
            config.into_os_string(),
            "--exit-with-stdin".into(),
            "--log-plain".into(),
        ];
        if let Some(trace) = &self.trace {
            args.extend([OsString::from("--trace"), trace.into()]);
        }
        args.extend(self.server_args.iter().cloned());
        let program = Program {
            path: self.helper.to_owned(),
            args,
            ..Program::default()
        };
        let log = log.clone();
        let on_stderr = move |line: &str| log.push(line.trim());
        let mut server =
            Supervised::spawn("vfio-server", self.helper, &program, true, on_stderr).map_err(|source| {
                BootError::Start {
                    name: "vfio-server",
                    source,
                }
            })?;
        let stdout = server.take_stdout().map(|stdout| {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut unclocked = Vec::new();
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if line == "ready" {
                        // No thread waits for it if the run was given up.
                        let _ = sender.send(Message::Ready);
                    }
                    unclocked.extend(serde_json::from_str::<Unclocked>(&line));
                }
                unclocked
            })
        });
        let deadline = Instant::now() + READY;
        loop {
            if self.has_to_end() {
                return Err(BootError::Interrupted);
            }
            if let Ok(Message::Ready) = messages.recv_timeout(TICK) {
                return Ok((server, stdout));
            }
            if let Some(status) = server.ended() {
                let what = format!("vfio-server did not start: {}", describe(status));
                return Err(BootError::Child {
                    what,
                    stderr: server.stderr_tail(),
                });
            }
            if Instant::now() > deadline {
                let what = format!("vfio-server was not ready after {} s", READY.as_secs());
                return Err(BootError::Child {
                    what,
                    stderr: server.stderr_tail(),
                });
            }
        }
    }

    /// Starts QEMU, on that core if there is one; `lost` counts lines that say that a vfio-user device stopped
    /// answering.
    pub(super) fn start_qemu(
        &self,
        core: Option<&Core>,
        sender: &SyncSender<Message>,
        lost: &Arc<AtomicU32>,
    ) -> Result<Supervised, BootError> {
        let lost = Arc::clone(lost);
        let on_stderr = move |line: &str| {
            if watch::tells_of_lost_device(line) {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        };
        let start = |qemu: &Program| Supervised::spawn("QEMU", self.helper, qemu, false, on_stderr);
        let started = match core {
            Some(core) => core.with(|| start(&main_loop_first(&self.qemu))),
            None => start(&self.qemu),
        };
        let mut qemu = started.map_err(|source| BootError::Start { name: "QEMU", source })?;
        if let Some(mut stdout) = qemu.take_stdout() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                    let chunk = buffer.get(..read).unwrap_or_default().to_vec();
                    if sender.send(Message::Console(chunk)).is_err() {
                        return;
                    }
                }
                let _ = sender.send(Message::ConsoleEnd);
            });
        }
        Ok(qemu)
    }
}
