// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One boot: starts the server and QEMU, reads the console, ends both, and says what was seen.

mod copy;
mod log;
pub mod snapshot;
mod start;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use host_guard::confine::Places;
use host_guard::program::Program;
use host_guard::signals;
use vfio_server::cli::Unclocked;

use crate::boot::one_core::Core;
use crate::boot::outcome::BootReport;
use crate::boot::rundir::RunDir;
use crate::boot::server::PrepareError;
use crate::boot::supervise::{Supervised, describe, within_grace};
use crate::recipe::Recipe;
use log::ServerLog;
use watch::{End, Watch};

/// Name of the hidden subcommand that is `vfio-server`.
pub const SERVER: &str = "vfio-server";
/// Prefix of the server's lines among those of a run.
pub(crate) const OF_SERVER: &str = "vfio-server: ";

/// Whether a line of a console's copy is a message of the server's, and none of the guest's.
pub fn is_of_server(line: &str) -> bool {
    let after = line.strip_prefix('[').and_then(|line| line.split_once("] "));
    after.is_some_and(|(_, text)| text.starts_with(OF_SERVER))
}

/// Interval at which children, signals and time limits are checked.
const TICK: Duration = Duration::from_millis(20);
/// Time in which the server ends its clients and writes its traces out.
const SERVER_GRACE: Duration = Duration::from_secs(10);
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
    /// The boot is over when all has been seen that it was made for; if not, when its script is.
    pub ends_when_seen: bool,
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
    /// The snapshot of a guest cannot be taken.
    #[error("cannot take a snapshot of the guest: {0}; cold starts (--start cold) need none")]
    Snapshot(String),
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
        format!("; its last lines:\n  {}", lines.join("\n  "))
    }
}

/// Settings that all boots of a run share.
#[derive(Debug, Clone)]
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
    /// The guest's clock counts instructions.
    pub deterministic: bool,
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

/// Passes on the lines that the server has logged.
fn said(log: &ServerLog, watch: &mut Watch, step: &mut dyn FnMut(&str)) -> Result<(), BootError> {
    for (at, line) in log.take() {
        step(&format!(
            "{OF_SERVER}{}",
            line.strip_prefix(OF_SERVER).unwrap_or(&line)
        ));
        watch.server(at, &line)?;
    }
    Ok(())
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

    /// The core of a deterministic guest.
    fn core(&self) -> Result<Option<Core>, BootError> {
        let core = self.deterministic.then(Core::take).transpose();
        core.map_err(|source| BootError::Start { name: "QEMU", source })
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
        let log = ServerLog::default();
        let (mut server, mut stdout) = if self.server {
            let (server, stdout) = self.start_server(seed, &sender, &messages, &log)?;
            (Some(server), stdout)
        } else {
            (None, None)
        };
        let lost = Arc::new(AtomicU32::new(0));
        let core = self.core()?;
        let mut qemu = self.start_qemu(core.as_ref(), &sender, &lost)?;
        drop(sender);
        let mut watch = Watch::new(self.limits, &self.recipe.expect, console, self.deterministic)?;
        let end = self.watched(&mut server, &mut qemu, &messages, &lost, &log, &mut watch, step);
        let end = match end {
            Ok(end) => end,
            Err(error) => {
                // What the server said last is in the copy, too. The boot has failed: a full disk is nothing new.
                let _ = said(&log, &mut watch, step).and_then(|()| watch.finish());
                return Err(error);
            }
        };
        qemu.kill();
        let mut trace = None;
        if let Some(server) = &mut server {
            // The end of its standard input is its sign to end, with everything written.
            drop(server.take_stdin());
            let status = server.finish(SERVER_GRACE);
            if self.trace.is_some() {
                trace = trace_problem(status, &server.stderr_tail());
            }
            let last_words = stdout.take().and_then(within_grace);
            self.count_unclocked(last_words.unwrap_or_default(), &mut watch);
        }
        said(&log, &mut watch, step)?;
        watch.finish()?;
        let tail = |child: &Supervised| {
            let name = child.name();
            child
                .stderr_tail()
                .into_iter()
                .map(move |line| format!("{name}: {}", line.strip_prefix(OF_SERVER).unwrap_or(&line)))
        };
        let stderr_tail = server.iter().flat_map(tail).chain(tail(&qemu)).collect();
        Ok(Seen {
            end,
            watch,
            stderr_tail,
            trace,
        })
    }

    /// Watches both children until the boot is over.
    #[expect(clippy::too_many_arguments, reason = "the parts of one boot")]
    fn watched(
        &self,
        server: &mut Option<Supervised>,
        qemu: &mut Supervised,
        messages: &Receiver<Message>,
        lost: &AtomicU32,
        log: &ServerLog,
        watch: &mut Watch,
        step: &mut dyn FnMut(&str),
    ) -> Result<End, BootError> {
        let mut console_ended = false;
        loop {
            if self.has_to_end() {
                return Err(BootError::Interrupted);
            }
            watch.tick(Instant::now());
            said(log, watch, step)?;
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
                return Ok(end);
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
                return Ok(End::Powered);
            }
        }
    }

    /// Adds what the server said of accesses without a clock. A server that said nothing of an SMMU with a clock
    /// controller makes the boot inconclusive: it may have had some.
    fn count_unclocked(&self, said: Vec<Unclocked>, watch: &mut Watch) {
        let clocked = self.recipe.smmus.iter().filter(|smmu| smmu.clock.is_some());
        for smmu in clocked {
            if !said.iter().any(|one| one.smmu == smmu.name) {
                watch.spoil(format!(
                    "vfio-server ended without the number of accesses of {} without a clock",
                    smmu.name
                ));
            }
        }
        for Unclocked {
            smmu,
            unclocked_accesses,
        } in said
        {
            watch.unclocked(smmu, unclocked_accesses);
        }
    }
}
