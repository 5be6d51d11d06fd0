// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command line, also for programs that carry the server inside them.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};

use anyhow::Context;
use clap::{ArgAction, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

use crate::client::server::{Server, StartError};
use crate::config::Config;
use crate::control::Control;
use crate::control::ctl;

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
    /// Write what happens in the SMMUs without a `trace` of their own to this file: Chrome's trace events, for Perfetto, if its name
    /// ends in `.json`, else NDJSON.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Check the configuration and end.
    #[arg(long)]
    check_config: bool,
    /// End when standard input does: with the program that started this one.
    #[arg(long)]
    exit_with_stdin: bool,
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
Prints `ready` on standard output when QEMU can connect.

Exit status: 0 after SIGTERM, SIGINT, SIGHUP, the end of standard input or the control command quit; 1 if the server cannot start; 2 for a usage
or configuration error.";

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
    log_to_stderr(args.verbose);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let usage = matches!(error.downcast_ref(), Some(StartError::Config(_)));
            let _ = writeln!(io::stderr(), "vfio-server: {error:#}");
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    // clap sees to it that there is one.
    let path = args.config.as_deref().unwrap_or(Path::new("smmu.toml"));
    let mut config = Config::read(path).map_err(StartError::from)?;
    if let Some(trace) = &args.trace {
        for smmu in &mut config.smmu {
            smmu.trace.get_or_insert_with(|| trace.clone());
        }
    }
    if args.check_config {
        return Ok(Server::check(&config).map_err(StartError::from)?);
    }
    raise_descriptor_limit();
    // Before the sockets are there, so that no signal leaves one behind.
    let (sender, end) = channel();
    watch(args.exit_with_stdin, sender.clone()).context("cannot watch for signals")?;
    let server = Server::start(&config)?;
    // All chance comes from it: who wants the same run again needs no more.
    let _ = writeln!(io::stderr(), "vfio-server: seed {}", config.seed);
    let control = match &args.control {
        Some(path) => Some(Control::open(path, server.devices(), sender)?),
        None => None,
    };
    let mut stdout = io::stdout();
    // Without a reader nobody waits for it.
    let _ = writeln!(stdout, "ready").and_then(|()| stdout.flush());
    let reason = end.recv().unwrap_or("the watchers ended");
    tracing::info!("ending: {reason}");
    drop(control);
    server.stop();
    Ok(())
}

/// Sends a message when the server has to end.
fn watch(stdin: bool, sender: Sender<&'static str>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let on_signal: Sender<_> = sender.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                let _ = on_signal.send("a signal");
            }
        })?;
    if stdin {
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut buffer = [0; 256];
            while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
            let _ = sender.send("standard input ended");
        })?;
    }
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

fn log_to_stderr(verbose: u8) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(log_filter(verbose)));
    // A program that carries the server inside it may have its own subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .try_init();
}

/// What is logged unless RUST_LOG says so.
fn log_filter(verbose: u8) -> &'static str {
    // What the crates have to say, the gate and the devices say better; and a guest could have a line for every request.
    match verbose {
        0 => "warn,vfio_user=off,virtio_queue=off",
        1 => "info,vfio_user=off,virtio_queue=off",
        2 => "debug",
        _ => "trace",
    }
}
