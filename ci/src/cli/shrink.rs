// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress shrink`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::guests::{GuestArgs, kept_boot};
use super::output::{Failure, code, print};
use crate::boot::accel::Accel;
use crate::recipe::{Recipe, Start, shipped, text_of};
use crate::report::journal::Blank;
use crate::shrink::decisions::{Baseline, Decisions, LOG, SCHEMA};
use crate::shrink::parts::Text;
use crate::shrink::query::{ByRate, Query as _};
use crate::shrink::search::{ShrinkError, smallest};
use crate::stress::kept;
use crate::stress::matrix::BOOTS_MAX;
use crate::stress::stop::Stop;

/// Exit statuses, for the help text.
pub(super) const EXIT_STATUS: &str = "\
EXIT STATUS
  0  the smallest recipe was written
  2  usage: a wrong option, or a recipe that is not valid
  3  environment: QEMU, server or host failed; the same command goes on
  4  the recipe does not hit often enough to be shrunk
  130, 143, 129  ended by Ctrl-C, SIGTERM, SIGHUP; the same command goes on";

#[derive(Debug, Args)]
pub(super) struct Shrink {
    /// A shipped recipe, a file, or the directory of a boot that hit.
    #[arg(value_name = "RECIPE|DIR")]
    recipe: String,
    /// File for the smallest recipe.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Directory of the work: decisions and results; with those of the same work it goes on.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Kernel: debian:RELEASE, a directory or an Image [default: that of the boot]
    #[arg(long, value_name = "debian:RELEASE|DIR|IMAGE")]
    kernel: Option<String>,
    /// Start of all boots [default: that of the boot, or cold]
    #[arg(long, value_enum, value_name = "START")]
    start: Option<Start>,
    /// Boots of the whole recipe; of each smaller one at most.
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(BOOTS_MAX)))]
    boots: u32,
    /// Share of the whole recipe's rate that a smaller one may not fall below.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    share: f64,
    /// Seed of the work.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: u64,
    #[command(flatten)]
    guests: GuestArgs,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "it is above 0 and below 1".to_owned())
}

impl From<ShrinkError> for Failure {
    fn from(error: ShrinkError) -> Self {
        match error {
            ShrinkError::Measure(error) => error.into(),
            ShrinkError::Journal(error) => Self(code::ENVIRONMENT, error.to_string()),
            ShrinkError::Recipe(problem) => Self(code::INCONCLUSIVE, problem),
        }
    }
}

pub(super) fn main(args: Shrink) -> Result<ExitCode, Failure> {
    let (wanted, accel) = wanted(&args)?;
    let mut progress = args.guests.progress();
    let mut settings = args.guests.settings()?;
    settings.choice.accel = accel;
    if args.state.to_str().is_none() {
        return Err(Failure::usage(&format!(
            "--state: {} is not UTF-8",
            args.state.display()
        )));
    }
    let mut query = ByRate {
        dir: &args.state,
        baseline: &wanted,
        stop: Stop::default(),
        settings,
        progress: &mut progress,
    };
    let mut decisions = if args.state.join(LOG).exists() {
        same_work(&args.state, &wanted)?
    } else {
        begun(&args.state, &mut query)?
    };
    let baseline = decisions.baseline().clone();
    query.stop = baseline.stop().map_err(ShrinkError::Recipe)?;
    let counts = match query.stop.sprt {
        Some(test) => format!("if its rate is rather {:.2} than {:.2}", test.p1, test.p0),
        None => "if its boot with this seed hits".to_owned(),
    };
    query.tell(&format!(
        "the whole recipe hits in {}/{} boots; a smaller one counts {counts}",
        baseline.hits, baseline.conclusive
    ));
    query.baseline = &baseline;
    let text = Text::parse(&baseline.recipe).map_err(|error| Failure::usage(&error))?;
    let whole = text.to_string();
    let smallest = smallest(text, &mut decisions, &mut query)?.to_string();
    fs::write(&args.out, &smallest).map_err(|error| {
        Failure(
            code::ENVIRONMENT,
            format!(
                "{}: {error}; name another file with --out FILE",
                args.out.display()
            ),
        )
    })?;
    Ok(print(&format!(
        "{}: {} of {} lines are left, {} smaller recipes were booted\n",
        args.out.display(),
        smallest.lines().count(),
        whole.lines().count(),
        decisions.next() - 1
    )))
}

/// The work that the command line names, before its rate is known.
fn wanted(args: &Shrink) -> Result<(Baseline, Accel), Failure> {
    let dir = Path::new(&args.recipe);
    let kept = if shipped(&args.recipe).is_none() && dir.is_dir() {
        Some(kept_boot(dir)?)
    } else {
        None
    };
    let (text, file) = match &kept {
        Some(_) => text_of(&dir.join(kept::RECIPE).display().to_string(), Path::new("")),
        None => text_of(&args.recipe, Path::new("")),
    }
    .map_err(|error| Failure::usage(&error))?;
    let recipe = Recipe::parse(&text, &file).map_err(|error| Failure::usage(&error))?;
    let mut whole = Text::parse(&text).map_err(|error| Failure::usage(&error))?;
    whole.set_cpus(kept.as_ref().map_or(recipe.board.cpus, |kept| kept.cell.cpus));
    let of_boot = kept.as_ref().map(|kept| kept.kernel.clone());
    let kernel = args.kernel.clone().or(of_boot).ok_or_else(|| {
        Failure::usage(&"name the kernel to shrink the recipe on with --kernel, such as debian:7.3.4")
    })?;
    let start = args
        .start
        .or(kept.as_ref().map(|kept| kept.cell.start))
        .unwrap_or_default();
    let accel = args.guests.accel(kept.as_ref());
    let of_boot = kept.as_ref().map(|kept| kept.boot.seed);
    let baseline = Baseline {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: whole.to_string(),
        kernel,
        start,
        boots: args.boots,
        share: args.share,
        seed: of_boot.filter(|_| accel.is_deterministic()).unwrap_or(args.seed),
        deterministic: accel.is_deterministic(),
        hits: 0,
        conclusive: 0,
    };
    Ok((baseline, accel))
}

/// The work in a directory, if it is the one that is wanted.
fn same_work(dir: &Path, wanted: &Baseline) -> Result<Decisions, Failure> {
    let decisions = Decisions::open(dir).map_err(ShrinkError::from)?;
    let there = decisions.baseline();
    let here = Baseline {
        version: there.version.clone(),
        hits: there.hits,
        conclusive: there.conclusive,
        ..wanted.clone()
    };
    if *there == here {
        return Ok(decisions);
    }
    let problem = format!(
        "{} has another work: its recipe, kernel or options differ; name a new directory with --state DIR",
        dir.display()
    );
    Err(Failure::usage(&problem))
}

/// A new work: the whole recipe is measured.
fn begun(dir: &Path, query: &mut ByRate<'_>) -> Result<Decisions, Failure> {
    let blank = Blank::create(dir, LOG).map_err(ShrinkError::from)?;
    let measured = query.measure(0, &query.baseline.recipe)?;
    let cell = measured.only_cell()?;
    let baseline = Baseline {
        hits: cell.hits,
        conclusive: cell.count().boots,
        ..query.baseline.clone()
    };
    // A recipe that does not hit leaves no work behind.
    baseline.stop().map_err(ShrinkError::Recipe)?;
    Ok(blank.begin(baseline).map_err(ShrinkError::from)?.into())
}
