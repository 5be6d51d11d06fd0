// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress reproduce`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::output::{Failure, code, escape_json, fail, print};
use super::{Reproduce, check_start, environment_of, recipe_of};
use crate::boot::supervise::SELF;
use crate::recipe::Start;
use crate::report::progress::Progress;
use crate::report::results::{Keep, ResultsError};
use crate::report::verdict::Word;
use crate::reproduce::{Run, RunError, RunOptions, TraceFile, run};

/// Boots of a run without `--boots`.
const BOOTS: u32 = 3;

pub(super) fn main(args: Reproduce) -> Result<ExitCode, Failure> {
    let Reproduce {
        boots,
        start,
        until_hit,
        recipe,
        machine,
        seed,
        timeout,
        keep_logs,
        results,
        json,
        trace,
        timeline,
        check_determinism,
        verbose,
        allowed,
        parts,
    } = args;
    let allowed = allowed.places()?;
    let recipe = recipe_of(&recipe, machine, parts.accel.accel(), &allowed)?;
    check_start(&recipe, start)?;
    if timeline.is_some() && start == Start::Warm {
        let problem =
            "--timeline is of cold boots: the guest of a snapshot has no second serial port for its trace";
        return Err(Failure::usage(&problem));
    }
    let options = RunOptions {
        recipe,
        boots: boots.unwrap_or(BOOTS),
        start,
        until_hit: until_hit || boots.is_none(),
        seed,
        timeout: timeout.map(Duration::from_secs),
        keep: if check_determinism { Keep::All } else { keep_logs },
        results,
        trace: match trace {
            Some(path) => TraceFile::At(path),
            None if check_determinism => TraceFile::InResults,
            None => TraceFile::None,
        },
        timeline,
        allowed,
        twice: check_determinism,
    };
    let environment = environment_of(parts, &options.recipe)?;
    let mut progress = Progress::new(verbose > 0);
    let result = run(&options, &environment, Path::new(SELF), &mut progress);
    progress.clear();
    match result {
        Ok(run) => Ok(report(&run, json)),
        Err(error) => Err(error.into()),
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self(status(&error), error.to_string())
    }
}

pub(super) fn report(run: &Run, json: bool) -> ExitCode {
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
            // JSON escapes the control characters of ASCII itself; the others have an escape too.
            Ok(text) => escape_json(&text) + "\n",
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
        (Some(error @ (RunError::Interrupted { .. } | RunError::NotEqual { .. })), _) => status(error),
        (_, word) if word != Word::Inconclusive && verdict.is_decided() => match word {
            Word::AsExpected => code::AS_EXPECTED,
            _ => code::NOT_AS_EXPECTED,
        },
        (Some(error), _) => status(error),
        (None, Word::AsExpected) => code::AS_EXPECTED,
        (None, Word::NotAsExpected) => code::NOT_AS_EXPECTED,
        (None, Word::Inconclusive) => code::INCONCLUSIVE,
    };
    ExitCode::from(code)
}

pub(super) fn status(error: &RunError) -> u8 {
    match error {
        RunError::Results(ResultsError::InUse { .. }) => code::USAGE,
        RunError::Interrupted { signal } => code::of_signal(*signal),
        _ => code::ENVIRONMENT,
    }
}
