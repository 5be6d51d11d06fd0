// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One boot: starts the server and QEMU, reads the console, ends both, and says what was seen.

mod copy;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use host_guard::confine::Places;
use host_guard::signals;

use crate::boot::outcome::BootReport;
use crate::boot::rundir::RunDir;
use crate::boot::server::{self, PrepareError};
use crate::boot::supervise::{Program, Supervised, describe};
use crate::recipe::Recipe;
use watch::{End, Watch};

/// Name of the hidden subcommand that is `vfio-server`.
pub const SERVER: &str = "vfio-server";

/// Time limit for the server until QEMU can connect.
const READY: Duration = Duration::from_secs(10);
/// Interval at which children, signals and time limits are checked.
const TICK: Duration = Duration::from_millis(20);
/// Console chunks that may wait: more, and QEMU waits with the next character.
const CHUNKS: usize = 64;

/// Limits of one boot.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time until the kernel's first console output.
    pub first_output: Duration,
    /// Time until the guest's script runs.
    pub boot: Duration,
    /// Time of the whole boot.
    pub total: Duration,
}

/// Reason why there is no report: the environment failed, not the guest.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Ctrl-C or a request to end.
    #[error("interrupted")]
    Interrupted,
    /// A child could not be started.
    #[error("cannot start {name}: {source}")]
    Start {
        /// Name of the child.
        name: &'static str,
        /// Error of the system.
        source: io::Error,
    },
    /// A child ended or stopped answering when it had no reason to.
    #[error("{what}{}", with_tail(.stderr))]
    Child {
        /// Name of the child, and its failure.
        what: String,
        /// The end of its standard error.
        stderr: Vec<String>,
    },
    /// The copy of the console cannot be written.
    #[error("cannot write {}: {source}; choose a directory with space with --results DIR, or --keep-logs \
             none", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The server's configuration, or the files of its disks.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

fn with_tail(stderr: &[String]) -> String {
    let from = stderr.len().saturating_sub(8);
    let lines = stderr.get(from..).unwrap_or_default();
    if lines.is_empty() {
        String::new()
    } else {
        format!("; it said:\n  {}", lines.join("\n  "))
    }
}

/// Settings that all boots of a run share.
#[derive(Debug)]
pub struct BootRunner<'a> {
    /// This program, with its hidden subcommands.
    pub helper: &'a Path,
    /// The run's directory.
    pub dir: &'a RunDir,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// QEMU with the machine.
    pub qemu: Program,
    /// Without it, QEMU runs alone.
    pub server: bool,
    /// File for the server to write its trace to.
    pub trace: Option<PathBuf>,
    /// Files and directories outside of the run that the recipe may use.
    pub allowed: Places,
    /// Arguments for the server beyond its configuration.
    pub server_args: Vec<OsString>,
    /// Limits of each boot.
    pub limits: Limits,
    /// Ends the boot once it is set, as a signal does.
    pub stop: Arc<AtomicBool>,
}

/// A boot that is over.
struct Seen {
    end: End,
    watch: Watch,
    stderr_tail: Vec<String>,
    trace: Option<String>,
}

/// Returns the reason why the trace is incomplete, from the exit status and the output of the server.
fn trace_problem(status: Option<ExitStatus>, said: &[String]) -> Option<String> {
    let code = status.and_then(|status| status.code());
    if code == Some(0) {
        return None;
    }
    let told = said
        .iter()
        .rev()
        .find_map(|line| line.split_once(vfio_server::cli::INCOMPLETE));
    Some(match (told, status) {
        (Some((_, reason)), _) => reason.to_owned(),
        (None, Some(status)) => format!("vfio-server ended with {}", describe(status)),
        (None, None) => "vfio-server did not end in time, and was killed".to_owned(),
    })
}

/// Message of the reading threads.
pub(crate) enum Message {
    Console(Vec<u8>),
    ConsoleEnd,
    Ready,
}

impl BootRunner<'_> {
    /// Boots once. `seed` decides everything that the server draws; the console is copied to `console`; `step` hears
    /// what the guest does.
    ///
    /// Whatever happens, both children are gone and the sockets removed when it returns.
    ///
    /// # Errors
    /// [`BootError`]: the environment failed, or the run was interrupted.
    pub fn boot(
        &self,
        seed: u64,
        console: Option<&Path>,
        step: &mut dyn FnMut(&str),
    ) -> Result<BootReport, BootError> {
        let started = Instant::now();
        let result = self.supervised(seed, console, step);
        for smmu in &self.recipe.smmus {
            if let Ok(socket) = self.dir.socket(&smmu.name) {
                // A server that was killed has left it.
                let _ = fs::remove_file(socket);
            }
        }
        let Seen {
            end,
            watch,
            stderr_tail,
            trace,
        } = result?;
        Ok(BootReport {
            stderr_tail,
            trace,
            ..watch.report(end, started.elapsed())
        })
    }

    fn has_to_end(&self) -> bool {
        signals::asked().is_some() || self.stop.load(Ordering::Relaxed)
    }

    fn supervised(
        &self,
        seed: u64,
        console: Option<&Path>,
        step: &mut dyn FnMut(&str),
    ) -> Result<Seen, BootError> {
        let (sender, messages) = sync_channel(CHUNKS);
        let mut server = if self.server {
            Some(self.start_server(seed, &sender, &messages)?)
        } else {
            None
        };
        let lost = Arc::new(AtomicU32::new(0));
        let mut qemu = self.start_qemu(&sender, &lost)?;
        drop(sender);
        let mut watch = Watch::new(self.limits, &self.recipe.expect, console)?;
        let mut console_ended = false;
        let end = loop {
            if self.has_to_end() {
                return Err(BootError::Interrupted);
            }
            watch.tick(Instant::now());
            match messages.recv_timeout(TICK) {
                Ok(Message::Console(bytes)) => watch.console(&bytes, step)?,
                Ok(Message::ConsoleEnd) => console_ended = true,
                Ok(Message::Ready) | Err(RecvTimeoutError::Timeout) => {}
                // QEMU has closed its console; its end follows.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(TICK),
            }
            if let Some(status) = server.as_mut().and_then(Supervised::ended) {
                // QEMU may hang until its answer is due, and is of no use any more.
                qemu.kill();
                let stderr = server.as_ref().map(Supervised::stderr_tail).unwrap_or_default();
                let what = format!("vfio-server ended during the boot: {}", describe(status));
                return Err(BootError::Child { what, stderr });
            }
            if lost.load(Ordering::Relaxed) > 0 {
                qemu.kill();
                let what = format!("vfio-server did not answer QEMU; {}", watch.whereabouts());
                return Err(BootError::Child {
                    what,
                    stderr: qemu.stderr_tail(),
                });
            }
            if let Some(end) = watch.end() {
                break end;
            }
            if let Some(status) = qemu.ended() {
                // What it had still to print.
                while !console_ended {
                    match messages.recv_timeout(Duration::from_secs(1)) {
                        Ok(Message::Console(bytes)) => watch.console(&bytes, step)?,
                        Ok(Message::ConsoleEnd) | Err(_) => console_ended = true,
                        Ok(Message::Ready) => {}
                    }
                }
                if !status.success() {
                    let what = format!("QEMU ended: {}; {}", describe(status), watch.whereabouts());
                    return Err(BootError::Child {
                        what,
                        stderr: qemu.stderr_tail(),
                    });
                }
                break End::Powered;
            }
        };
        qemu.kill();
        let mut trace = None;
        if let Some(server) = &mut server {
            // The end of its standard input is its sign to end, with everything written.
            drop(server.take_stdin());
            let status = server.finish();
            if self.trace.is_some() {
                trace = trace_problem(status, &server.stderr_tail());
            }
        }
        watch.finish();
        let tail = |child: &Supervised| {
            let name = child.name();
            child
                .stderr_tail()
                .into_iter()
                .map(move |line| format!("{name}: {line}"))
        };
        let stderr_tail = server.iter().flat_map(tail).chain(tail(&qemu)).collect();
        Ok(Seen {
            end,
            watch,
            stderr_tail,
            trace,
        })
    }

    fn start_server(
        &self,
        seed: u64,
        sender: &SyncSender<Message>,
        messages: &Receiver<Message>,
    ) -> Result<Supervised, BootError> {
        server::make_images(self.recipe, self.dir.path()).map_err(|error| {
            if self.has_to_end() {
                BootError::Interrupted
            } else {
                error.into()
            }
        })?;
        let config = self.dir.file("server.toml");
        let text = server::server_config(self.recipe, self.dir.path(), seed, &self.allowed)?;
        fs::write(&config, text).map_err(|source| BootError::Write {
            path: config.clone(),
            source,
        })?;
        let mut args = vec![
            SERVER.into(),
            "--config".into(),
            config.into_os_string(),
            "--exit-with-stdin".into(),
        ];
        if let Some(trace) = &self.trace {
            args.extend([OsString::from("--trace"), trace.into()]);
        }
        args.extend(self.server_args.iter().cloned());
        let program = Program {
            path: self.helper.to_owned(),
            args,
            env: Vec::new(),
            env_remove: Vec::new(),
        };
        let mut server =
            Supervised::spawn("vfio-server", self.helper, &program, true, |_| {}).map_err(|source| {
                BootError::Start {
                    name: "vfio-server",
                    source,
                }
            })?;
        if let Some(stdout) = server.take_stdout() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if line == "ready" {
                        // No thread waits for it if the run was given up.
                        let _ = sender.send(Message::Ready);
                    }
                }
            });
        }
        let deadline = Instant::now() + READY;
        loop {
            if self.has_to_end() {
                return Err(BootError::Interrupted);
            }
            if let Ok(Message::Ready) = messages.recv_timeout(TICK) {
                return Ok(server);
            }
            if let Some(status) = server.ended() {
                let what = format!("vfio-server did not start: {}", describe(status));
                // Its last words may still be under way.
                thread::sleep(TICK);
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

    fn start_qemu(
        &self,
        sender: &SyncSender<Message>,
        lost: &Arc<AtomicU32>,
    ) -> Result<Supervised, BootError> {
        let lost = Arc::clone(lost);
        let on_stderr = move |line: &str| {
            if watch::tells_of_lost_device(line) {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        };
        let mut qemu = Supervised::spawn("QEMU", self.helper, &self.qemu, false, on_stderr)
            .map_err(|source| BootError::Start { name: "QEMU", source })?;
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
