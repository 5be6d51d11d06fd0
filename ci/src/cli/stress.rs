// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress stress`, `merge` and `report`.

use std::env;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use host_guard::confine::Places;
use host_guard::signals;

use super::output::{code, escape_json, fail, print};
use super::{Parts, ProgramArgs, places};
use crate::boot::accel::Accel;
use crate::boot::supervise::SELF;
use crate::report::progress::Progress;
use crate::report::results::{Keep, ResultsError, directory};
use crate::reproduce::new_seed;
use crate::setup::environment::Choice;
use crate::stress::matrix::{BOOTS_MAX, Matrix};
use crate::stress::merge::{MergeError, merge};
use crate::stress::prepare::{self, PrepareError};
use crate::stress::record::{Header, SCHEMA};
use crate::stress::report::{Report, Word, junit, ktap, text};
use crate::stress::run::{End, GivenUp, JOBS_MAX, Options, run};
use crate::stress::shard::Shard;
use crate::stress::store::{self, Recorded, Store, StoreError};

/// Exit statuses of `stress` and `report`, for the help text.
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
    /// Guests at a time [default: measured, more as long as that makes more boots an hour]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(JOBS_MAX)))]
    jobs: Option<u32>,
    /// Directory for results [default: a new one in $XDG_STATE_HOME/smmu-emu/runs]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    results: Option<PathBuf>,
    /// Go on with the run whose results are in this directory: boots that have a result are not made again.
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
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
    /// Boots whose directories are kept, instead of the matrix's `keep`; `hits` includes all that are not clean.
    #[arg(long, value_enum, value_name = "WHICH")]
    keep_logs: Option<Keep>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 0 if the boots were made, whatever they showed: for schedulers that start failed jobs again.
    #[arg(long)]
    exit_zero: bool,
    /// Say every boot.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    /// Let recipes use this file, or files below this directory; may be repeated
    #[arg(long, value_name = "PATH")]
    allow_path: Vec<PathBuf>,
    /// Accelerator of the guests' CPUs: KVM for hosts that are arm64 themselves.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Accel::Tcg)]
    accel: Accel,
    #[command(flatten)]
    programs: ProgramArgs,
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

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// Everything, `boot-stress/report/1`.
    Json,
    /// JUnit XML, a case for each cell.
    Junit,
    /// Kernel test anything protocol, a result for each cell.
    Ktap,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Directory of results, of a run that is over or goes on.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Form of the report.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Text)]
    format: Format,
}

/// Reason why a run does not begin.
struct Failure(u8, String);

impl Failure {
    fn usage(problem: &dyn Display) -> Self {
        Self(code::USAGE, problem.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(status(&error), error.to_string())
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        let status = match signals::asked() {
            Some(signal) => code::of_signal(signal),
            None if error.is_usage() => code::USAGE,
            None => code::ENVIRONMENT,
        };
        Self(status, error.to_string())
    }
}

fn status(error: &StoreError) -> u8 {
    match error {
        StoreError::Results(ResultsError::InUse { .. } | ResultsError::Locked { .. })
        | StoreError::Format { .. }
        | StoreError::Other { .. } => code::USAGE,
        StoreError::Results(_) | StoreError::Read { .. } => code::ENVIRONMENT,
    }
}

pub(super) fn main(args: Stress) -> ExitCode {
    let allowed = match places(args.allow_path.clone()) {
        Ok(allowed) => allowed,
        Err(code) => return code,
    };
    match stress(args, allowed) {
        Ok(code) => code,
        Err(Failure(code, message)) => fail(code, &message),
    }
}

fn stress(args: Stress, allowed: Places) -> Result<ExitCode, Failure> {
    let matrix = Matrix::read(&args.matrix).map_err(|error| Failure::usage(&error))?;
    let (shard, scheduler) = shard(&args)?;
    let mut progress = Progress::new(args.verbose > 0);
    if let Some(scheduler) = scheduler {
        progress.line(&format!("shard {shard}, by {scheduler}"));
    }
    let parts = Parts {
        accel: args.accel,
        kernel: super::KernelArgs::default(),
        programs: args.programs,
    };
    // A wrong directory is told before anything is fetched.
    let old = args.resume.as_deref().map(store::read).transpose()?;
    let seed = args.seed.or(matrix.seed).or(old.map(|old| old.header.seed));
    if seed.is_none() && shard.count > 1 {
        let problem =
            "the shards of a run need one seed: write `seed = N` into the matrix, or give each --seed N";
        return Err(Failure::usage(&problem));
    }
    let told = Arc::from(guest_images::packages::progress::on_stderr());
    let (cells, skipped) = prepare::all(&matrix, &Choice::from(parts), &allowed, told)?;
    let header = Header {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: matrix.name.clone(),
        matrix: matrix.text.clone(),
        seed: seed.unwrap_or_else(new_seed),
        boots: args.boots.unwrap_or(matrix.boots),
        stop: matrix.stop,
        retries: matrix.retries,
        shards: vec![shard],
        cells: cells.iter().map(|ready| ready.part.clone()).collect(),
        skipped,
    };
    let (mut store, boots) = match args.resume {
        Some(dir) => {
            let (store, Recorded { boots, .. }) = Store::resume(dir, &header)?;
            (store, boots)
        }
        None => {
            let dir = directory(args.results.as_deref(), &header.name).map_err(StoreError::from)?;
            (Store::create(dir, &header)?, Vec::new())
        }
    };
    let wanted = u64::from(header.boots) * header.cells.len() as u64;
    progress.line(&format!(
        "{} cells, {wanted} boots in all, seed {}, results in {}",
        header.cells.len(),
        header.seed,
        store.dir().display()
    ));
    let options = Options {
        helper: Path::new(SELF),
        cells: &cells,
        header: &header,
        shard,
        jobs: args.jobs,
        keep: args.keep_logs.unwrap_or(matrix.keep),
        timeout: matrix.timeout,
        time: args.time.map(Duration::from_secs).or(matrix.time),
        allowed,
    };
    let (end, given_up) = run(&options, &mut store, &boots, &mut progress)?;
    progress.clear();
    let dir = store.dir().to_owned();
    drop(store);
    let report = Report::new(&store::read(&dir)?);
    let format = if args.json { Format::Json } else { Format::Text };
    let printed = print(&form(&report, format)?);
    if printed != ExitCode::SUCCESS {
        return Ok(printed);
    }
    Ok(conclude(&report, &end, &given_up, &dir, args.exit_zero))
}

/// Tells what is left to be told of a run, on standard error, and gives the exit status.
fn conclude(report: &Report, end: &End, given_up: &GivenUp, dir: &Path, exit_zero: bool) -> ExitCode {
    for (cell, reason) in given_up {
        let told = format!("cell {cell} was given up, QEMU, server or host failed: {reason}");
        fail(code::ENVIRONMENT, &told);
    }
    let again = format!("the results are in {}, and --resume goes on", dir.display());
    match end {
        End::Signal(signal) => return fail(code::of_signal(*signal), &format!("interrupted; {again}")),
        End::Broken(why) => return fail(code::ENVIRONMENT, &format!("{why}; {again}")),
        End::Infra(why) => {
            let told = format!("QEMU, server or host fail every boot, the last one so: {why}; {again}");
            return fail(code::ENVIRONMENT, &told);
        }
        End::Complete | End::Time => {}
    }
    let _ = writeln!(
        io::stderr(),
        "boot-stress: {}; {}",
        text::answers(report),
        dir.display()
    );
    if !given_up.is_empty() {
        return ExitCode::from(code::ENVIRONMENT);
    }
    if exit_zero {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(answer(report))
    }
}

/// Exit status for what a report says.
fn answer(report: &Report) -> u8 {
    match report.word() {
        Word::AsExpected => code::AS_EXPECTED,
        Word::NotAsExpected => code::NOT_AS_EXPECTED,
        Word::Inconclusive => code::INCONCLUSIVE,
        Word::Infra => code::ENVIRONMENT,
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

fn form(report: &Report, format: Format) -> Result<String, Failure> {
    let broken =
        |error: &dyn Display| Failure(code::ENVIRONMENT, format!("cannot write the report: {error}"));
    match format {
        Format::Text => Ok(report.to_string()),
        Format::Json => serde_json::to_string_pretty(report)
            .map(|text| escape_json(&text) + "\n")
            .map_err(|error| broken(&error)),
        Format::Junit => junit::xml(report).map_err(|error| broken(&error)),
        Format::Ktap => Ok(ktap::text(report)),
    }
}

pub(super) fn report(args: &ReportArgs) -> ExitCode {
    let report = store::read(&args.dir)
        .map_err(Failure::from)
        .map(|recorded| Report::new(&recorded));
    match report.and_then(|report| Ok((form(&report, args.format)?, answer(&report)))) {
        Ok((text, answer)) => match print(&text) {
            ExitCode::SUCCESS => ExitCode::from(answer),
            failed => failed,
        },
        Err(Failure(code, message)) => fail(code, &message),
    }
}

pub(super) fn merge_main(args: &Merge) -> ExitCode {
    match merge(&args.dirs, &args.out) {
        Ok(merged) => {
            let missing = match merged.missing {
                0 => String::new(),
                missing => format!(", {missing} shards are missing"),
            };
            print(&format!(
                "{} boots of {} shards in {}{missing}\n",
                merged.boots,
                merged.shards,
                args.out.display()
            ))
        }
        Err(error) => {
            let code = match &error {
                MergeError::Store(error) => status(error),
                MergeError::Twice { .. } | MergeError::InUse(_) => code::USAGE,
                MergeError::Copy { .. } => code::ENVIRONMENT,
            };
            fail(code, &error.to_string())
        }
    }
}
