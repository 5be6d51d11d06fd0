// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command line.

mod bisect;
mod compare;
mod dispatch;
mod guests;
mod kernel_config;
mod kernels;
mod output;
mod parts;
mod qemu_args;
mod replay;
mod report;
mod repro;
mod reproduce;
mod shrink;
mod stress;
#[cfg(test)]
mod tests;
mod window;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgAction, Args, Parser, Subcommand};
use guest_images::machine::gic::Gic;
use host_guard::confine::Places;
use host_guard::signals;

use crate::boot::accel::Accel;
use crate::recipe::{DEFAULT, Recipe, Start, shipped};
use crate::report::results::Keep;
use crate::setup::environment::{Choice, Environment, EnvironmentError};
use crate::setup::machine;
use crate::timeline::TimelineFile;

pub use dispatch::main;
pub use output::code;

use output::Failure;
use parts::{AllowArgs, Parts};

/// Exit statuses, for the help text and for [`code`].
pub const EXIT_STATUS: &str = "\
EXIT STATUS
  0  as expected: a boot showed what the recipe looks for, or, for a control, no boot showed what it must not
  1  not as expected: every boot asked for was conclusive, and none was as the recipe expects; or one of a \
  control was not
  2  usage: a wrong option, or a recipe that is not valid
  3  environment: something is missing or failed outside the guest; the message says what to do
  4  inconclusive: neither, and at least one boot says nothing, for its experiment did not take place
  130, 143, 129  ended by Ctrl-C, SIGTERM, SIGHUP";

/// Boots unmodified Linux kernels against an SMMUv2 model and looks for the late-probe warning.
#[derive(Debug, Parser)]
#[command(name = "boot-stress", version, after_help = EXIT_STATUS, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot a recipe until there is a verdict: is `late IOMMU probe at driver bind` printed?
    #[command(after_help = EXIT_STATUS)]
    Reproduce(Reproduce),
    /// Show a bug once and write a report of it that can be mailed: recipe, versions, console, decoded trace, command.
    #[command(after_help = EXIT_STATUS)]
    Repro(Repro),
    /// Boot many cells, kernels by recipes, side by side, and measure how often each shows what its recipe looks for.
    #[command(after_help = stress::EXIT_STATUS)]
    Stress(stress::Stress),
    /// Boot two kernels in turn, with and without a patch, until it is clear that they differ, or up to a limit.
    #[command(after_help = compare::EXIT_STATUS)]
    Compare(compare::Compare),
    /// Find the commit that brings a bug which some boots show, with `git bisect run`.
    #[command(after_help = bisect::EXIT_STATUS)]
    Bisect(bisect::Bisect),
    /// Make a boot again that showed a bug, from its directory, and say how often the bug comes again.
    #[command(after_help = replay::EXIT_STATUS)]
    Replay(replay::Replay),
    /// Drop parts of a recipe as long as it still hits, and write the smallest one.
    #[command(after_help = shrink::EXIT_STATUS)]
    Shrink(shrink::Shrink),
    /// Make the results of several shards one.
    Merge(stress::Merge),
    /// Report on results of `stress`, for people or for other programs, and compare them with those of earlier runs.
    #[command(after_help = report::EXIT_STATUS)]
    Report(report::ReportArgs),
    /// Find the edges of a recipe's delays, in polls, between which deterministic boots are as the recipe expects.
    Window(window::WindowArgs),
    /// Check what a run needs, and say how to mend what is missing. Exits 0 or 3.
    Doctor(Parts),
    /// List Debian's kernels: those of the lock file, of the cache, of the archive.
    Kernels(kernels::Kernels),
    /// Print the commands for a recipe, for people who start QEMU themselves.
    QemuArgs(QemuArgs),
    /// List the recipes that come with the program.
    Recipes {
        /// Print the file of this recipe, to start one's own from.
        #[arg(value_name = "NAME")]
        show: Option<String>,
    },
    /// Print the options of the kernel that recipes need, as a fragment for merge_config.sh, or check a .config.
    KernelConfig(kernel_config::KernelConfig),
    /// The SMMU server (what the vfio-server program does).
    #[command(hide = true, disable_help_flag = true)]
    VfioServer {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Become PROGRAM, and die with the process PARENT.
    #[command(hide = true, disable_help_flag = true)]
    Exec {
        parent: u32,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
struct Reproduce {
    /// Boots at most [default: 3, and the first hit ends the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    boots: Option<u32>,
    /// Start of each boot. A warm one goes on from a snapshot of the guest just before its first step, which is taken
    /// once and kept in the cache; it is several times as fast, and its rate is another one
    #[arg(long, value_enum, default_value_t, value_name = "START")]
    start: Start,
    /// End with the first boot that shows the warning.
    #[arg(long)]
    until_hit: bool,
    /// A shipped recipe (see `boot-stress recipes`) or a file.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    recipe: String,
    #[command(flatten)]
    machine: MachineArgs,
    /// Seed for everything that is drawn; a run prints the one it used.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: Option<u64>,
    /// Limit for one boot, in seconds [default: 90 and what the steps may take]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    /// Which consoles to keep; `hits` includes inconclusive boots.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Keep::Hits)]
    keep_logs: Keep,
    /// Directory for results [default: a new one in $XDG_STATE_HOME/smmu-emu/runs]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
    /// Write what happens in the SMMUs to this file (of the last boot): for Perfetto if its name ends in .json, else
    /// NDJSON.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Have the guest's kernel trace its probes, and write them beside what happens in the SMMUs (of the last boot), on
    /// one clock: FILE.json (Chrome's trace events) or FILE.pftrace (Perfetto). Tracing changes how long a guest takes;
    /// do not measure rates with it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "deterministic", "check_determinism"])]
    timeline: Option<TimelineFile>,
    /// Make each deterministic boot twice, and fail with the first line of the console, or event of the trace, that
    /// differs.
    #[arg(long, requires = "deterministic", conflicts_with_all = ["trace", "keep_logs"])]
    check_determinism: bool,
    /// Say every step of the guest.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    allowed: AllowArgs,
    #[command(flatten)]
    parts: Parts,
}

#[derive(Debug, Args)]
struct Repro {
    /// A shipped recipe (see `boot-stress recipes`) or a file.
    #[arg(value_name = "RECIPE")]
    recipe: String,
    /// Directory for the bundle, new or empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Boots, all of them [default: 3 at most, until one is as expected]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    boots: Option<u32>,
    /// Seed for everything that is drawn.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: Option<u64>,
    /// Say every step of the guest.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    parts: Parts,
}

#[derive(Debug, Args)]
struct QemuArgs {
    /// A shipped recipe (see `boot-stress recipes`) or a file.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    recipe: String,
    /// Directory for the generated files and the sockets; it stays.
    #[arg(long, value_name = "DIR", default_value = "smmu-emu-run")]
    dir: PathBuf,
    #[command(flatten)]
    machine: MachineArgs,
    /// Seed for everything that is drawn.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs())
    )]
    seed: u64,
    #[command(flatten)]
    allowed: AllowArgs,
    #[command(flatten)]
    parts: Parts,
}

/// Machine of the guest, where it is not the recipe's.
#[derive(Debug, Default, Args)]
struct MachineArgs {
    /// CPUs of the guest, instead of the recipe's; more than 8 need a GICv3.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(Gic::V3.max_cpus())))]
    smp: Option<u8>,
    /// Version of the guest's interrupt controller [default: the recipe's, else 3 with KVM or more than 8 CPUs, else 2]
    #[arg(long, value_name = "2|3", value_parser = clap::value_parser!(u8).range(2..=3))]
    gic: Option<u8>,
}

/// The recipe that was named, on the machine that was asked for and with no more files than are allowed.
fn recipe_of(
    name: &str,
    MachineArgs { smp, gic }: MachineArgs,
    accel: Accel,
    allowed: &Places,
) -> Result<Recipe, Failure> {
    let mut recipe = Recipe::find(name).map_err(|error| Failure::usage(&error))?;
    if let Some(file) = recipe.foreign_files().find(|file| !allowed.has(file.path)) {
        let recipe = if shipped(name).is_some() {
            "the recipe"
        } else {
            name
        };
        return Err(Failure::usage(&format!("{recipe}: {file}")));
    }
    let gic = gic
        .map(Gic::try_from)
        .transpose()
        .map_err(|error| Failure::usage(&error))?;
    machine::fit(&mut recipe, smp, gic, accel).map_err(|error| Failure::usage(&error))?;
    check_accel(&recipe, accel)?;
    Ok(recipe)
}

/// Checks that boots of a recipe can be deterministic, if they shall be.
fn check_accel(recipe: &Recipe, accel: Accel) -> Result<(), Failure> {
    match recipe.needs_host_time().filter(|_| accel.is_deterministic()) {
        None => Ok(()),
        Some(reason) => Err(Failure::usage(&format!(
            "boots of {} cannot be deterministic: {reason}; leave --deterministic out",
            recipe.name
        ))),
    }
}

/// Checks that boots of a recipe can start so.
fn check_start(recipe: &Recipe, start: Start) -> Result<(), Failure> {
    match recipe.needs_cold_start().filter(|_| start == Start::Warm) {
        None => Ok(()),
        Some(reason) => Err(Failure::usage(&format!(
            "{} cannot start warm: {reason}; leave --start out",
            recipe.name
        ))),
    }
}

/// Environment of a run of `recipe`, fetched first if need be.
fn environment_of(parts: Parts, recipe: &Recipe) -> Result<Environment, Failure> {
    let progress = Arc::from(guest_images::packages::progress::on_stderr());
    Choice::from(parts)
        .environment(recipe, progress)
        .map_err(|error| Failure(status_of(&error), error.to_string()))
}

/// Exit status of a run without an environment.
fn status_of(error: &EnvironmentError) -> u8 {
    match signals::asked() {
        Some(signal) => code::of_signal(signal),
        None if error.is_usage() => code::USAGE,
        None => code::ENVIRONMENT,
    }
}
