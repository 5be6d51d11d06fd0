// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress stress` and `merge`.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use host_guard::text::printable;

use super::guests::{GuestArgs, ResultsArgs};
use super::output::{Failure, code, fail, print};
use super::report::{Format, answer};
use crate::stress::matrix::{BOOTS_MAX, Matrix};
use crate::stress::measure::{Measured, Settings, measure};
use crate::stress::merge::{MergeError, merge};
use crate::stress::report::kcidb::Names;
use crate::stress::report::text;
use crate::stress::run::End;
use crate::stress::shard::Shard;

/// Exit statuses of `stress`, for the help text.
pub const EXIT_STATUS: &str = "\
EXIT STATUS
  0  as expected: each cell whose recipe looks for something has a hit, and no control has one
  1  not as expected: a cell is the other way round
  2  usage: a wrong option, a matrix that is not valid, results of another run
  3  environment: QEMU, server or host failed; the results that there are stay, and --resume goes on
  4  inconclusive: too few boots of a cell say something
  130, 143, 129  ended by Ctrl-C, SIGTERM, SIGHUP; --resume goes on";

#[derive(Debug, Args)]
pub(super) struct Stress {
    /// Matrix file: kernels, recipes, CPUs, boots (docs/stress.md).
    #[arg(value_name = "MATRIX")]
    matrix: PathBuf,
    /// Seed of the run, instead of the matrix's; a run prints the one it used.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: Option<u64>,
    /// Boots of each cell, instead of the matrix's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(BOOTS_MAX)))]
    boots: Option<u32>,
    /// Begin no boot after so many seconds, instead of the matrix's `time_s`.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    time: Option<u64>,
    /// Part of the boots to make: M/N, M from 1, or `env` for the variables of Slurm, Kubernetes, GitHub, GitLab.
    #[arg(long, value_name = "M/N|env", conflicts_with = "shard_index")]
    shard: Option<String>,
    /// Part of the boots to make, counted from 0.
    #[arg(long, value_name = "M", requires = "shard_count")]
    shard_index: Option<u32>,
    /// Number of parts.
    #[arg(long, value_name = "N")]
    shard_count: Option<u32>,
    /// Exit with 0 if the boots were made, whatever they showed: for schedulers that start failed jobs again.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    results: ResultsArgs,
    #[command(flatten)]
    guests: GuestArgs,
}

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Directories of results, those of the shards of one run.
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Directory for the results of all, new or empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn main(args: Stress) -> Result<ExitCode, Failure> {
    let matrix = Matrix::read(&args.matrix).map_err(|error| Failure::usage(&error))?;
    let (shard, scheduler) = shard(&args)?;
    let mut progress = args.guests.progress();
    if let Some(scheduler) = scheduler {
        progress.line(&format!("shard {shard}, by {scheduler}"));
    }
    let settings = Settings {
        seed: args.seed,
        boots: args.boots,
        time: args.time.map(Duration::from_secs),
        keep: args.results.keep_logs,
        shard,
        ..args.guests.settings()?
    };
    let json = args.results.json;
    let measured = measure(&matrix, settings, args.results.place(), &mut progress)?;
    progress.clear();
    conclude(&measured, json, args.exit_zero)
}

/// Prints the report of a run, tells the rest on standard error, and gives the exit status.
pub(super) fn conclude(measured: &Measured, json: bool, exit_zero: bool) -> Result<ExitCode, Failure> {
    if let Some(failed) = tell(measured, json)? {
        return Ok(failed);
    }
    let Measured { report, dir, .. } = measured;
    let _ = writeln!(
        io::stderr(),
        "boot-stress: {}; {}",
        printable(&report.pairs_line().unwrap_or_else(|| text::answers(report))),
        dir.display()
    );
    let status = match (measured.given_up.is_empty(), exit_zero) {
        (false, _) => code::ENVIRONMENT,
        (true, true) => code::AS_EXPECTED,
        (true, false) => answer(report),
    };
    Ok(ExitCode::from(status))
}

/// Prints the report of a run, and the reason if it did not get to its end. An exit status is that of a report that
/// cannot be printed.
pub(super) fn tell(measured: &Measured, json: bool) -> Result<Option<ExitCode>, Failure> {
    let Measured {
        report,
        end,
        given_up,
        dir,
    } = measured;
    let format = if json { Format::Json } else { Format::Text };
    let printed = print(&format.of(report, &[], &Names::default())?);
    if printed != ExitCode::SUCCESS {
        return Ok(Some(printed));
    }
    for (cell, reason) in given_up {
        let told = format!("cell {cell} was given up, QEMU, server or host failed: {reason}");
        fail(code::ENVIRONMENT, &told);
    }
    let again = format!("the results are in {}, and --resume goes on", dir.display());
    match end {
        End::Signal(signal) => {
            let told = format!("interrupted; {again}");
            Err(Failure(code::of_signal(*signal), told))
        }
        End::Broken(why) => Err(Failure(code::ENVIRONMENT, format!("{why}; {again}"))),
        End::Infra(why) => {
            let told = format!("QEMU, server or host fail every boot, the last one so: {why}; {again}");
            Err(Failure(code::ENVIRONMENT, told))
        }
        End::Complete | End::Time => Ok(None),
    }
}

/// The shard to make, and the scheduler that named it.
fn shard(args: &Stress) -> Result<(Shard, Option<&'static str>), Failure> {
    let usage = |problem: String| Failure::usage(&problem);
    match (args.shard.as_deref(), args.shard_index, args.shard_count) {
        (Some("env"), _, count) => {
            let found = Shard::from_environment(|name| env::var(name).ok(), count);
            let (shard, name) = found.map_err(|problem| usage(format!("--shard env: {problem}")))?;
            Ok((shard, Some(name)))
        }
        (Some(_), _, Some(_)) => Err(usage(
            "--shard M/N says how many shards there are; leave out --shard-count".to_owned(),
        )),
        (Some(text), _, None) => {
            let shard = Shard::parse(text).map_err(|problem| usage(format!("--shard: {problem}")))?;
            Ok((shard, None))
        }
        (None, Some(index), Some(count)) => {
            let shard = Shard::new(index.saturating_add(1), count);
            let shard = shard.map_err(|problem| usage(format!("--shard-index {index}: {problem}")))?;
            Ok((shard, None))
        }
        (None, None, Some(_)) => Err(usage(
            "--shard-count needs --shard-index M, or --shard env".to_owned(),
        )),
        (None, _, None) => Ok((Shard::WHOLE, None)),
    }
}

pub(super) fn merge_main(args: &Merge) -> Result<ExitCode, Failure> {
    let merged = merge(&args.dirs, &args.out).map_err(|error| match error {
        MergeError::Store(error) => Failure::from(error),
        MergeError::Twice { .. } | MergeError::InUse(_) => Failure::usage(&error),
        MergeError::Copy { .. } => Failure(code::ENVIRONMENT, error.to_string()),
    })?;
    let missing = match merged.missing {
        0 => String::new(),
        missing => format!(", {missing} shards are missing"),
    };
    Ok(print(&format!(
        "{} boots of {} shards in {}{missing}\n",
        merged.boots,
        merged.shards,
        args.out.display()
    )))
}
