// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command line, also for programs that carry the server inside them.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use clap::{ArgAction, Parser, Subcommand};
use host_guard::signals::{self, Orderly};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::client::device::Device;
use crate::client::server::{Server, StartError};
use crate::config::Config;
use crate::control::Control;
use crate::control::ctl;
use crate::trace::Ended;

#[cfg(test)]
mod tests;

/// Serve SMMUv2 models to QEMU as vfio-user PCI functions.
#[derive(Debug, Parser)]
#[command(
    name = "vfio-server",
    version,
    after_help = EXIT_STATUS,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// TOML file with the SMMUs, their delays and the marks.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Take commands (QMP) at this Unix socket; see `vfio-server ctl --help`.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Write what happens in the SMMUs without a `trace` of their own to this file: Chrome's trace events, for
    /// Perfetto, if its name ends in `.json`, else NDJSON.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Check the configuration and end.
    #[arg(long)]
    check_config: bool,
    /// End when standard input does: with the program that started this one.
    #[arg(long)]
    exit_with_stdin: bool,
    /// Log without the time and the module, for a program that has a clock of its own.
    #[arg(long)]
    log_plain: bool,
    /// Say more on standard error: -v clients, -vv every bad request. `RUST_LOG` overrides.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a command to the control socket of a running server.
    Ctl(ctl::Args),
}

const EXIT_STATUS: &str = "\
Prints `ready` on standard output when QEMU can connect, and when it ends a line of JSON for each SMMU behind a clock
controller: accesses that came while the clock was off.

Exit status: 0 after SIGTERM, SIGINT, SIGHUP, the end of standard input or the control command quit; 1 if \
    the server cannot start; 2 for a usage
or configuration error; 3 if it ended in order and a trace lacks something. A second signal ends it at once.";

/// The end of the message that a trace lacks something; the reason follows.
pub const INCOMPLETE: &str = " is incomplete: ";
/// Interval at which signals are checked.
const TICK: Duration = Duration::from_millis(50);

/// Runs the server with the arguments of a command line, program name first.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // To a closed pipe there is nothing to say.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Some(Command::Ctl(args)) = args.command {
        return ctl::main(&args);
    }
    log_to_stderr(args.verbose, args.log_plain);
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            let usage = matches!(error.downcast_ref(), Some(StartError::Config(_)));
            let _ = writeln!(io::stderr(), "vfio-server: {error:#}");
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// Serves until it has to end; whether all traces are complete.
fn run(args: &Args) -> anyhow::Result<bool> {
    // clap sees to it that there is one.
    let path = args.config.as_deref().unwrap_or(Path::new("smmu.toml"));
    let mut config = Config::read(path).map_err(StartError::from)?;
    if let Some(trace) = &args.trace {
        for smmu in &mut config.smmu {
            smmu.trace.get_or_insert_with(|| trace.clone());
        }
    }
    if args.check_config {
        Server::check(&config).map_err(StartError::from)?;
        return Ok(true);
    }
    raise_descriptor_limit();
    // Before the sockets are there, so that no signal leaves one behind.
    signals::install().context("cannot catch signals")?;
    let _orderly = Orderly::begin();
    let (sender, end) = channel();
    if args.exit_with_stdin {
        watch_stdin(sender.clone()).context("cannot watch standard input")?;
    }
    let mut server = Server::start(&config)?;
    // All chance comes from it: who wants the same run again needs no more.
    let _ = writeln!(io::stderr(), "vfio-server: seed {}", config.seed);
    let control = match &args.control {
        Some(path) => Some(Control::open(path, server.devices(), sender)?),
        None => None,
    };
    let mut stdout = io::stdout();
    // Without a reader it is not waited for.
    let _ = writeln!(stdout, "ready").and_then(|()| stdout.flush());
    let reason = loop {
        match end.recv_timeout(TICK) {
            Ok(reason) => break reason,
            _ if signals::asked().is_some() => break "a signal",
            Err(RecvTimeoutError::Timeout) => {}
            // Only signals are left.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
        }
    };
    tracing::info!("ending: {reason}");
    drop(control);
    // Before the traces are written out, which may take longer than a launcher waits.
    server.end_clients();
    for Device { name, function, .. } in server.devices() {
        if let Some(clock) = function.lock().clock() {
            let unclocked = Unclocked {
                smmu: name.clone(),
                unclocked_accesses: clock.all_violations(),
            };
            // Without a reader there is nothing to tell.
            let _ = serde_json::to_writer(&stdout, &unclocked).map(|()| writeln!(stdout));
        }
    }
    let mut complete = true;
    for Ended {
        path, lost, error, ..
    } in server.stop()
    {
        let reason = match error {
            Some(error) => error,
            None if lost > 0 => {
                format!("{lost} events are missing: they came faster than they could be written")
            }
            None => continue,
        };
        complete = false;
        let _ = writeln!(
            io::stderr(),
            "vfio-server: the trace {}{INCOMPLETE}{reason}",
            path.display()
        );
    }
    Ok(complete)
}

/// Line on standard output at the end, for an SMMU behind a clock controller.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unclocked {
    /// Name of the SMMU.
    pub smmu: String,
    /// Accesses of its registers while its clock was off, since the server started.
    pub unclocked_accesses: u64,
}

/// Sends a message when standard input ends.
fn watch_stdin(sender: Sender<&'static str>) -> io::Result<()> {
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut buffer = [0; 256];
        while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        let _ = sender.send("standard input ended");
    })?;
    Ok(())
}

/// Takes as many file descriptors as this process may have: clients bring theirs, and the usual soft limit is for
/// programs that use `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, "cannot raise the limit of file descriptors");
    }
}

fn log_to_stderr(verbose: u8, plain: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(log_filter(verbose)));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    // A program that carries the server inside it may have its own subscriber.
    let _ = if plain {
        log.without_time().with_target(false).try_init()
    } else {
        log.try_init()
    };
}

/// Log filter unless RUST_LOG is set.
fn log_filter(verbose: u8) -> &'static str {
    // What the crates have to say, the gate and the devices say better; and a guest could have a line for every
    // request.
    match verbose {
        0 => "warn,vfio_user=off,virtio_queue=off",
        1 => "info,vfio_user=off,virtio_queue=off",
        2 => "debug",
        _ => "trace",
    }
}
