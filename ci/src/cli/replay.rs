// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::guests::{GuestArgs, ResultsArgs, kept_boot};
use super::output::{Failure, code};
use super::stress::tell;
use crate::stats::rate::{self, Rate};
use crate::stress::arguments::Arguments;
use crate::stress::class::Class;
use crate::stress::kept::{KeptBoot, RECIPE};
use crate::stress::matrix::BOOTS_MAX;
use crate::stress::measure::{Settings, measure};
use crate::stress::record::CellPart;
use crate::stress::report::CellReport;
use crate::stress::stop::Stop;

/// Exit statuses, for the help text.
pub(super) const EXIT_STATUS: &str = "\
EXIT STATUS
  0  a boot showed the bug again
  1  none did
  2  usage: a wrong option, or no directory of a boot
  3  environment: QEMU, server or host failed
  4  inconclusive: no boot says something
  130, 143, 129  ended by Ctrl-C, SIGTERM, SIGHUP";

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Directory of a boot, boots/CELL/NUMBER.ATTEMPT of results, or a copy of one.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Boots, each with the seed, plan, kernel, machine and start of that boot.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(BOOTS_MAX)))]
    boots: u32,
    #[command(flatten)]
    results: ResultsArgs,
    #[command(flatten)]
    guests: GuestArgs,
}

pub(super) fn main(args: Replay) -> Result<ExitCode, Failure> {
    let kept = kept_boot(&args.dir)?;
    if !kept.shows_a_bug() {
        let problem = format!(
            "this boot was {}: it showed no bug to be shown again",
            kept.boot.class
        );
        return Err(Failure::usage(&problem));
    }
    let arguments = Arguments {
        name: "replay",
        kernels: std::slice::from_ref(&kept.kernel),
        recipes: &[args.dir.join(RECIPE).display().to_string()],
        cpus: Some(kept.cell.cpus),
        start: kept.cell.start,
        boots: args.boots,
        stop: Stop::default(),
    };
    let matrix = arguments.matrix().map_err(|problem| Failure::usage(&problem))?;
    let mut progress = args.guests.progress();
    let accel = args.guests.accel(Some(&kept));
    let mut settings = Settings {
        boot_seed: Some(kept.boot.seed),
        keep: args.results.keep_logs,
        ..args.guests.settings()?
    };
    settings.choice.accel = accel;
    let json = args.results.json;
    let measured = measure(&matrix, settings, args.results.place(), &mut progress)?;
    progress.clear();
    if let Some(failed) = tell(&measured, json)? {
        return Ok(failed);
    }
    let cell = measured.only_cell()?;
    for difference in differences(&kept.cell, &cell.part) {
        progress.line(&difference);
    }
    let shown = shown_again(&kept, cell);
    let line = format!(
        "the bug came again in {}/{} boots ({:.1} to {:.1} %, {}, 95 %)",
        shown.as_expected,
        shown.boots,
        shown.low * 100.0,
        shown.high * 100.0,
        rate::NAME
    );
    progress.line(&line);
    Ok(ExitCode::from(match (shown.as_expected, shown.boots) {
        (_, 0) => code::INCONCLUSIVE,
        (0, _) => code::NOT_AS_EXPECTED,
        _ => code::AS_EXPECTED,
    }))
}

/// Boots that showed the bug of the kept boot: the hits, or those with its other bug.
fn shown_again(kept: &KeptBoot, cell: &CellReport) -> Rate {
    let conclusive = cell.count().boots;
    if kept.boot.class == Class::Hit {
        return Rate::new(cell.hits, conclusive);
    }
    let bug = kept.boot.titles.iter().find(|title| title.other_bug);
    let again = bug.and_then(|bug| {
        let mut titles = cell.titles.iter();
        titles.find(|title| (title.kind, &title.title) == (bug.kind, &bug.title))
    });
    Rate::new(
        again.map_or(0, |title| title.boots),
        conclusive + cell.other_bug + cell.inconclusive,
    )
}

/// Parts that are not those of the kept boot, a line each.
fn differences(then: &CellPart, now: &CellPart) -> Vec<String> {
    let rows = [
        (
            "the kernel's Image",
            then.image_sha256.as_str(),
            now.image_sha256.as_str(),
        ),
        ("QEMU", &then.qemu, &now.qemu),
        ("the accelerator", then.accelerator.name(), now.accelerator.name()),
    ];
    let differ = rows.iter().filter(|(_, then, now)| then != now);
    differ
        .map(|(name, then, now)| format!("{name} was {then}, and is {now}"))
        .collect()
}
