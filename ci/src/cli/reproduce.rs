// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress reproduce`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::{Reproduce, code, fail, print};
use crate::environment::Choice;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::reproduce::{Run, RunError, Wanted, run};
use crate::results::ResultsError;
use crate::verdict::Word;

/// Boots of a run that was not told how many.
const BOOTS: u32 = 3;

/// This very program, for its helpers: its file may be replaced while a run goes on, and a run is of one version.
const SELF: &str = "/proc/self/exe";

pub(super) fn main(args: Reproduce) -> ExitCode {
    let Reproduce {
        boots,
        until_hit,
        recipe,
        smp,
        seed,
        timeout,
        keep_logs,
        results,
        json,
        trace,
        verbose,
        parts,
    } = args;
    let mut recipe = match Recipe::find(&recipe) {
        Ok(recipe) => recipe,
        Err(error) => return fail(code::USAGE, &error.to_string()),
    };
    if let Some(cpus) = smp {
        recipe.board.cpus = cpus;
    }
    let mut server_args = Vec::new();
    if let Some(trace) = trace {
        server_args.extend(["--trace".to_owned(), trace.to_string_lossy().into_owned()]);
    }
    let wanted = Wanted {
        recipe,
        boots: boots.unwrap_or(BOOTS),
        until_hit: until_hit || boots.is_none(),
        seed,
        timeout: timeout.map(Duration::from_secs),
        keep: keep_logs,
        results,
        server_args,
    };
    let environment = match Choice::from(parts).resolve(Arc::from(guest_images::progress::on_stderr())) {
        Ok(environment) => environment,
        Err(error) => {
            let code = if error.is_usage() {
                code::USAGE
            } else {
                code::ENVIRONMENT
            };
            return fail(code, &error.to_string());
        }
    };
    let mut progress = Progress::new(verbose > 0);
    let result = run(&wanted, &environment, Path::new(SELF), &mut progress);
    progress.clear();
    match result {
        Ok(run) => report(&run, json),
        Err(error) => fail(status(&error), &error.to_string()),
    }
}

fn report(run: &Run, json: bool) -> ExitCode {
    let Run {
        verdict,
        broken,
        console,
    } = run;
    // A run that broke before its first boot was over has nothing to tell but why.
    if verdict.boots() == 0
        && let Some(error) = broken
    {
        let console = console
            .as_ref()
            .map(|path| format!("\n  console: {}", path.display()))
            .unwrap_or_default();
        return fail(status(error), &format!("{error}{console}"));
    }
    let text = if json {
        match serde_json::to_string_pretty(verdict) {
            Ok(text) => text + "\n",
            Err(error) => {
                return fail(
                    code::ENVIRONMENT,
                    &format!("cannot write the verdict as JSON: {error}"),
                );
            }
        }
    } else {
        verdict.to_string()
    };
    let printed = print(&text);
    if printed != ExitCode::SUCCESS {
        return printed;
    }
    let code = match (broken, verdict.verdict) {
        (Some(error @ RunError::Interrupted { .. }), _) => status(error),
        (_, Word::Reproduced) => code::REPRODUCED,
        (Some(error), _) => status(error),
        (None, Word::NotReproduced) => code::NOT_REPRODUCED,
        (None, Word::Inconclusive) => code::INCONCLUSIVE,
    };
    ExitCode::from(code)
}

fn status(error: &RunError) -> u8 {
    match error {
        RunError::Results(ResultsError::InUse { .. }) => code::USAGE,
        RunError::Interrupted { signal } => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        _ => code::ENVIRONMENT,
    }
}
