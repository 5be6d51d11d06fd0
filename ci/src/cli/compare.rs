// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress compare`.

use std::process::ExitCode;

use clap::Args;
use guest_images::machine::gic::Gic;

use super::guests::{GuestArgs, ResultsArgs};
use super::output::Failure;
use super::stress::conclude;
use crate::recipe::{DEFAULT, Start};
use crate::stress::arguments::Arguments;
use crate::stress::matrix::BOOTS_MAX;
use crate::stress::measure::{Settings, measure};
use crate::stress::pairs::PairTest;
use crate::stress::stop::Stop;

/// Exit statuses, for the help text.
pub(super) const EXIT_STATUS: &str = "\
EXIT STATUS
  0  no difference was found within the boots
  1  the two differ
  2  usage: a wrong option, a kernel or recipe that does not exist, results of another run
  3  environment: QEMU, server or host failed; the results that there are stay, and --resume goes on
  4  inconclusive: fewer than half of the pairs say something
  130, 143, 129  ended by Ctrl-C, SIGTERM, SIGHUP; --resume goes on";

#[derive(Debug, Args)]
pub(super) struct Compare {
    /// Two kernels, for one recipe; or one kernel, for two: debian:RELEASE, a directory or an Image.
    #[arg(value_name = "KERNEL", required = true, num_args = 1..=2)]
    kernels: Vec<String>,
    /// A shipped recipe or a file; twice with one kernel.
    #[arg(long = "recipe", value_name = "NAME|FILE", default_value = DEFAULT)]
    recipes: Vec<String>,
    /// Start of all boots.
    #[arg(long, value_enum, default_value_t, value_name = "START")]
    start: Start,
    /// CPUs of the guests, instead of the recipe's; more than 8 need a GICv3.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(Gic::V3.max_cpus())))]
    smp: Option<u8>,
    /// Boots of each of the two at most.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(BOOTS_MAX)))]
    boots: u32,
    /// Probability of finding a difference where there is none, at most.
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    alpha: f64,
    /// Seed of the run; a run prints the one it used.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs()))]
    seed: Option<u64>,
    #[command(flatten)]
    results: ResultsArgs,
    #[command(flatten)]
    guests: GuestArgs,
}

pub(super) fn main(args: Compare) -> Result<ExitCode, Failure> {
    let test = PairTest { alpha: args.alpha };
    test.check().map_err(|problem| Failure::usage(&problem))?;
    if args.kernels.len() + args.recipes.len() != 3 {
        let problem = "name two things to compare: two kernels, or one kernel and --recipe twice";
        return Err(Failure::usage(&problem));
    }
    let arguments = Arguments {
        name: "compare",
        kernels: &args.kernels,
        recipes: &args.recipes,
        cpus: args.smp,
        start: args.start,
        boots: args.boots,
        stop: Stop {
            pairs: Some(test),
            ..Stop::default()
        },
    };
    let matrix = arguments.matrix().map_err(|problem| Failure::usage(&problem))?;
    let mut progress = args.guests.progress();
    let settings = Settings {
        seed: args.seed,
        keep: args.results.keep_logs,
        ..args.guests.settings()?
    };
    let json = args.results.json;
    let measured = measure(&matrix, settings, args.results.place(), &mut progress)?;
    progress.clear();
    conclude(&measured, json, false)
}
