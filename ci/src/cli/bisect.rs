// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress bisect`.
//!
//! `git bisect run` takes 1 to 127 for bad, 125 for skip, and ends at 128 and above: all failures are 255 here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use guest_images::machine::gic::Gic;
use host_guard::signals;

use super::guests::GuestArgs;
use super::output::{Failure, code, print};
use crate::bisect::plan::Plan;
use crate::bisect::state::{Calibration, KernelSource, State, Step, Subject, Verdict};
use crate::bisect::step::{BisectError, Wanted, calibrate, step};
use crate::recipe::{DEFAULT, Start, text_of};
use crate::report::file_error::FileError;
use crate::report::journal::JournalError;
use crate::report::progress::Progress;
use crate::reproduce::new_seed;
use crate::stats::rate::{self, Rate};
use crate::stress::matrix::BOOTS_MAX;

/// Exit status of all failures.
pub(super) const FAILED: u8 = 255;
/// Exit statuses of verdicts.
const GOOD: u8 = 0;
const BAD: u8 = 1;
const SKIP: u8 = 125;

/// Exit statuses, for the help text.
pub(super) const EXIT_STATUS: &str = "\
EXIT STATUS, that of `git bisect run`
  0    good: all boots were clean, and they were enough; calibrated; the state was printed
  1    bad: a boot showed what the recipe looks for
  125  skip: the commit does not build, its kernel cannot be booted, or too few boots say something
  255  usage and environment: a wrong option, no calibration, a host that fails; the bisection stops
  130, 143, 129  ended by Ctrl-C, SIGTERM, SIGHUP; the bisection stops";

#[derive(Debug, Args)]
pub(super) struct Bisect {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the rate at the bad end, which is checked out, and plan the bisection: before it starts.
    #[command(after_help = EXIT_STATUS)]
    Calibrate(Calibrate),
    /// Build, boot and judge the commit that is checked out: `git bisect run boot-stress bisect step --state DIR`.
    #[command(after_help = EXIT_STATUS)]
    Step(StepArgs),
    /// Print calibration, plan and steps so far, with the chance of a wrong end.
    Status {
        /// Directory of the bisection.
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["kernel", "kernel_file"])))]
struct Calibrate {
    /// Directory of the bisection: recipe, results, steps. Not one that git cleans or checks out.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Commits between the good and the bad end: `git rev-list --count GOOD..BAD`.
    #[arg(long, value_name = "N")]
    commits: u32,
    /// Kernel of each commit: an Image or a directory that the build makes, relative to the current directory.
    #[arg(long, value_name = "DIR|IMAGE")]
    kernel: Option<String>,
    /// File of the tree that names the kernel of its commit, such as debian:7.3.4.
    #[arg(long, value_name = "FILE")]
    kernel_file: Option<String>,
    /// Shell command that builds the kernel, in the current directory; a commit for which it fails is skipped.
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// A shipped recipe (see `boot-stress recipes`) or a file, which is copied.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    recipe: String,
    /// Start of all boots.
    #[arg(long, value_enum, default_value_t, value_name = "START")]
    start: Start,
    /// CPUs of the guests, instead of the recipe's; more than 8 need a GICv3.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(Gic::V3.max_cpus())))]
    smp: Option<u8>,
    /// Boots at the bad end; more of them make the steps shorter if hits are rare.
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(BOOTS_MAX)))]
    boots: u32,
    /// Chance of a wrong end, at most.
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    error: f64,
    /// Seed of the bisection [default: drawn]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: Option<u64>,
    #[command(flatten)]
    guests: GuestArgs,
}

#[derive(Debug, Args)]
struct StepArgs {
    /// Directory of the bisection.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    #[command(flatten)]
    guests: GuestArgs,
}

pub(super) fn main(args: Bisect) -> ExitCode {
    let ended = match args.command {
        Command::Calibrate(args) => calibration(args),
        Command::Step(args) => one_step(args),
        Command::Status { state } => status(&state),
    };
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(Failure(status, message)) => {
            // Another command's status for a failure would be a verdict here.
            let is_signal = signals::asked().is_some_and(|signal| status == code::of_signal(signal));
            Failure(if is_signal { status } else { FAILED }, message).tell()
        }
    }
}

impl From<BisectError> for Failure {
    fn from(error: BisectError) -> Self {
        match error {
            BisectError::Measure(error) => error.into(),
            error => Self(FAILED, error.to_string()),
        }
    }
}

fn calibration(args: Calibrate) -> Result<u8, Failure> {
    let kernel = match (args.kernel, args.kernel_file) {
        (Some(kernel), _) => KernelSource::Path(kernel),
        (None, Some(file)) => KernelSource::NamedIn(file),
        // The group of the two is required.
        (None, None) => return Err(Failure::usage(&"--kernel or --kernel-file is missing")),
    };
    let (recipe, _) = text_of(&args.recipe, Path::new("")).map_err(|error| Failure::usage(&error))?;
    let subject = Subject {
        kernel,
        build: args.build,
        recipe_sha256: String::new(),
        cpus: args.smp,
        start: args.start,
        seed: args.seed.unwrap_or_else(new_seed),
    };
    let wanted = Wanted {
        recipe,
        boots: args.boots,
        commits: args.commits,
        error: args.error,
    };
    let mut progress = args.guests.progress();
    let settings = args.guests.settings()?;
    let state = calibrate(&args.state, subject, &wanted, settings, &mut progress)?;
    progress.clear();
    for line in plan(state.calibration()) {
        progress.line(&line);
    }
    Ok(GOOD)
}

fn one_step(args: StepArgs) -> Result<u8, Failure> {
    let mut state = open(&args.state)?;
    let mut progress: Progress = args.guests.progress();
    step(&mut state, args.guests.settings()?, &mut progress)?;
    progress.clear();
    let Some(judged) = state.steps().last() else {
        return Err(Failure(FAILED, "the step is not on disk".to_owned()));
    };
    progress.line(&told(judged));
    progress.line(&so_far(&state));
    Ok(match judged.verdict {
        Verdict::Good => GOOD,
        Verdict::Bad => BAD,
        Verdict::Skip => SKIP,
    })
}

/// The bisection in a directory.
fn open(dir: &Path) -> Result<State, Failure> {
    State::open(dir).map_err(|error| {
        let hint = match error {
            JournalError::File(FileError::Read { .. }) => {
                "; `boot-stress bisect calibrate` at the bad end begins a bisection"
            }
            _ => "",
        };
        Failure(FAILED, format!("{error}{hint}"))
    })
}

fn status(dir: &Path) -> Result<u8, Failure> {
    let state = open(dir)?;
    let mut lines = plan(state.calibration());
    lines.extend(state.steps().iter().map(told));
    lines.push(so_far(&state));
    match print(&(lines.join("\n") + "\n")) {
        ExitCode::SUCCESS => Ok(GOOD),
        _ => Ok(FAILED),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Rate at the bad end, and what follows from it.
fn plan(calibration: &Calibration) -> Vec<String> {
    let Calibration {
        plan, hits, boots, ..
    } = calibration;
    let Rate { low, high, .. } = Rate::new(*hits, *boots);
    let Plan {
        commits,
        steps,
        clean,
        chance,
        ..
    } = plan;
    vec![
        format!(
            "bad end: {hits}/{boots} hits, rate {} to {} ({}, 95 %)",
            percent(low),
            percent(high),
            rate::NAME
        ),
        format!(
            "{commits} commits take at most {steps} steps; a commit is bad at its first hit, good after {clean} clean \
             boots, skipped if {} boots do not decide",
            plan.most()
        ),
        format!(
            "chance of a wrong end: at most {}, if every bad commit hits in {} of its boots or more, and no good one",
            percent(*chance),
            percent(low)
        ),
    ]
}

/// A step, for one line.
fn told(step: &Step) -> String {
    let Step {
        number,
        commit,
        verdict,
        reason,
        release,
        hits,
        clean,
        others,
        dir: _,
    } = step;
    let verdict = match verdict {
        Verdict::Good => "good",
        Verdict::Bad => "bad",
        Verdict::Skip => "skip",
    };
    let commit = commit
        .as_deref()
        .and_then(|commit| commit.get(..12))
        .unwrap_or("this tree");
    let release = release
        .as_deref()
        .map(|release| format!(" ({release})"))
        .unwrap_or_default();
    let reason = reason
        .as_deref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!("; seen besides, and not counted: {}", others.join(", ")),
    };
    format!(
        "step {number}, {commit}{release}: {verdict}, {hits} hits and {clean} clean boots{reason}{others}"
    )
}

/// Chance of a wrong end by all steps so far.
fn so_far(state: &State) -> String {
    format!(
        "so far {} good, {} bad, {} skipped of {} steps planned; chance that a good commit is none: {} (planned: {})",
        state.count(Verdict::Good),
        state.count(Verdict::Bad),
        state.count(Verdict::Skip),
        state.calibration().plan.steps,
        percent(state.chance()),
        percent(state.calibration().plan.chance)
    )
}
