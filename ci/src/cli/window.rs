// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress window`.

use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args};
use guest_images::packages::digest;
use smmu_emu::plan::MAX_POLLS;

use super::output::{Failure, code, escape_json, print};
use super::parts::{AccelArgs, AllowArgs, KernelArgs, Parts, ProgramArgs};
use super::reproduce::status;
use super::{MachineArgs, check_start, environment_of, recipe_of};
use crate::boot::supervise::SELF;
use crate::recipe::{Start, text_of};
use crate::report::file_error::FileError;
use crate::report::journal::JournalError;
use crate::report::progress::Progress;
use crate::report::results::directory;
use crate::reproduce::window::{
    Delay, Edges, Identity, MOST, SCHEMA, Search, Window, WindowError, delays, options,
};

#[derive(Debug, Args)]
pub(super) struct WindowArgs {
    /// A shipped recipe (see `boot-stress recipes`) or a file, with delays in polls.
    #[arg(value_name = "RECIPE")]
    recipe: String,
    /// Only this one of the recipe's delays in polls, counted from 1.
    #[arg(long, value_name = "N")]
    delay: Option<usize>,
    /// Most polls to try.
    #[arg(
        long,
        value_name = "POLLS",
        default_value_t = MOST,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_POLLS))
    )]
    most: u32,
    /// Start of each boot.
    #[arg(long, value_enum, default_value_t, value_name = "START")]
    start: Start,
    /// Seed of each boot: another seed is another interleaving, with edges of its own.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(..=i64::MAX.unsigned_abs())
    )]
    seed: u64,
    /// Directory for results; a search that was ended goes on from there [default: a new one in
    /// $XDG_STATE_HOME/smmu-emu/runs]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Say every step of the guest.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    allowed: AllowArgs,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    programs: ProgramArgs,
}

impl From<WindowError> for Failure {
    fn from(error: WindowError) -> Self {
        let status = match &error {
            WindowError::Run(error) => status(error),
            WindowError::Inconclusive { .. } => code::INCONCLUSIVE,
            WindowError::Other(_) | WindowError::Journal(JournalError::File(FileError::Format { .. })) => {
                code::USAGE
            }
            WindowError::Journal(_) => code::ENVIRONMENT,
        };
        Self(status, error.to_string())
    }
}

pub(super) fn main(args: WindowArgs) -> Result<ExitCode, Failure> {
    let parts = Parts {
        accel: AccelArgs::DETERMINISTIC,
        kernel: args.kernel,
        programs: args.programs,
    };
    let allowed = args.allowed.places()?;
    let recipe = recipe_of(&args.recipe, args.machine, parts.accel.accel(), &allowed)?;
    check_start(&recipe, args.start)?;
    let delays = chosen(delays(&recipe), args.delay).map_err(|problem| Failure::usage(&problem))?;
    let (text, _) = text_of(&args.recipe, Path::new("")).map_err(|error| Failure::usage(&error))?;
    let environment = environment_of(parts, &recipe)?;
    let broken = |error: &dyn Display| Failure(code::ENVIRONMENT, error.to_string());
    let identity = Identity {
        schema: SCHEMA.to_owned(),
        recipe_sha256: digest::of_bytes(text.as_bytes()),
        release: environment.guest.release.clone(),
        image_sha256: digest::of_file(&environment.guest.image).map_err(|error| broken(&error))?,
        qemu: environment.qemu.version.clone(),
        cpus: recipe.board.cpus,
        seed: args.seed,
        start: args.start,
    };
    let name = format!("window-{}", recipe.name);
    let search = Search {
        dir: directory(args.results.as_deref(), &name).map_err(|error| broken(&error))?,
        options: options(recipe, args.start, args.seed, allowed),
        environment: &environment,
        helper: Path::new(SELF),
        most: args.most,
    };
    let mut progress = Progress::new(args.verbose > 0);
    let windows = search.run(&identity, &delays, &mut progress);
    progress.clear();
    let windows = windows.map_err(|error| {
        let Failure(status, problem) = error.into();
        let again = search.dir.display();
        Failure(
            status,
            format!("{problem}\n  --results {again} goes on from here"),
        )
    })?;
    let text = if args.json {
        let all = serde_json::json!({ "search": identity, "windows": windows });
        let text = serde_json::to_string_pretty(&all).map_err(|error| broken(&error))?;
        escape_json(&text) + "\n"
    } else {
        for_people(&identity, &windows, args.most, &search.dir)
    };
    Ok(print(&text))
}

/// The delays to look at.
fn chosen(all: Vec<Delay>, number: Option<usize>) -> Result<Vec<Delay>, String> {
    if all.is_empty() {
        return Err("the recipe has no delay in polls, and so no window".to_owned());
    }
    let count = all.len();
    match number {
        None => Ok(all),
        Some(number) => {
            let one: Vec<Delay> = all.into_iter().filter(|delay| delay.number == number).collect();
            if one.is_empty() {
                return Err(format!(
                    "--delay {number}: the recipe has {count} delays in polls, from 1"
                ));
            }
            Ok(one)
        }
    }
}

fn for_people(identity: &Identity, windows: &[Window], most: u32, dir: &Path) -> String {
    let mut text = String::new();
    for Window { delay, edges, boots } in windows {
        let Delay {
            number,
            smmu,
            site,
            polls,
            ..
        } = delay;
        let found = match edges {
            None => format!("a boot with the recipe's {polls} polls is not as expected: no window"),
            Some(edges) => range(edges, most),
        };
        let _ = writeln!(
            text,
            "Delay {number} of SMMU {smmu} ({site}, {polls} polls in the recipe): {found} ({boots} boots)."
        );
    }
    let Identity {
        release, seed, start, ..
    } = identity;
    let _ = writeln!(
        text,
        "\n  kernel   {release}\n  start    {start}, seed {seed}, deterministic"
    );
    let _ = writeln!(text, "\nResults  {}", dir.display());
    text
}

/// The range of polls in words.
fn range(edges: &Edges, most: u32) -> String {
    let Edges {
        first,
        last,
        equal_from,
    } = edges;
    let from = match first {
        0 => "without it, and".to_owned(),
        first => format!("from {first} polls on,"),
    };
    let to = match (last, equal_from) {
        (Some(last), _) => format!("up to {last}"),
        (None, Some(same)) => {
            format!("without an end: boots of {same} and more are equal, the kernel waits no longer")
        }
        (None, None) => format!("at least up to {most}"),
    };
    format!("as expected {from} {to}")
}
