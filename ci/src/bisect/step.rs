// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Calibration at the bad end, and steps: a commit built, booted and judged.

use std::path::Path;

use guest_images::packages::digest;
use host_guard::program::ProgramError;
use host_guard::signals;

use super::commit;
use super::plan::Plan;
use super::state::{self, Calibration, SCHEMA, State, Step, Subject, Verdict, recipe_path};
use crate::report::file_error::FileError;
use crate::report::journal::JournalError;
use crate::report::progress::Progress;
use crate::reproduce::boot_seed;
use crate::setup::environment::EnvironmentError;
use crate::stats::rate::Rate;
use crate::stress::arguments::Arguments;
use crate::stress::measure::{MeasureError, Measured, Place, Settings, measure};
use crate::stress::prepare::PrepareError;
use crate::stress::report::CellReport;
use crate::stress::stop::{Reason, Stop};
use crate::stress::store::StoreError;

/// Reason why a commit has no verdict, not even that it is to be skipped.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The directory of the bisection.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The boots.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The shell of the build.
    #[error("cannot build: {0}")]
    Build(ProgramError),
    /// The bad end is not one, or a setting cannot be.
    #[error("{0}")]
    Calibration(String),
}

/// Boots of a calibration, and the bisection that it is for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Text of the recipe.
    pub recipe: String,
    /// Boots at the bad end.
    pub boots: u32,
    /// Commits between the good and the bad end.
    pub commits: u32,
    /// Chance of a wrong end, at most.
    pub error: f64,
}

/// Measures the commit of the current directory, which is the bad end, and plans the bisection.
///
/// # Errors
/// The commit cannot be built or booted, or has no hit; the state is there already.
pub fn calibrate(
    dir: &Path,
    subject: Subject,
    wanted: &Wanted,
    settings: Settings<'_>,
    progress: &mut Progress,
) -> Result<State, BisectError> {
    // A plan that cannot be is told before the build.
    Plan::new(wanted.commits, 0.99, wanted.error).map_err(BisectError::Calibration)?;
    let subject = Subject {
        recipe_sha256: digest::of_bytes(wanted.recipe.as_bytes()),
        ..subject
    };
    let blank = state::create(dir, &wanted.recipe)?;
    let kernel = built(&subject, progress)?.map_err(BisectError::Calibration)?;
    let boots = Boots {
        subject: &subject,
        dir: blank.dir(),
        most: wanted.boots,
        stop: Stop::default(),
        seed: boot_seed(subject.seed, 0),
    };
    let measured = boots.of_commit(kernel, "calibration", settings, progress)?;
    let measured = measured.map_err(BisectError::Calibration)?;
    let cell = measured.only_cell()?;
    let rate = Rate::new(cell.hits, cell.count().boots);
    if rate.as_expected == 0 {
        let reasons = cell
            .reasons
            .values()
            .next()
            .map(|(_, reason)| format!(" ({reason})"));
        return Err(BisectError::Calibration(format!(
            "this commit is no bad end: 0 hits in {} boots that say something{}; the boots are in {}",
            rate.boots,
            reasons.unwrap_or_default(),
            measured.dir.display()
        )));
    }
    let plan = Plan::new(wanted.commits, rate.low, wanted.error).map_err(BisectError::Calibration)?;
    let calibration = Calibration {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        subject,
        commit: commit::name(),
        hits: rate.as_expected,
        boots: rate.boots,
        plan,
    };
    Ok(State::begin(blank, calibration)?)
}

/// Builds, boots and judges the commit of the current directory; the step is on disk when this returns.
///
/// # Errors
/// Nothing can be said, for a reason that lies outside of the commit.
pub fn step(state: &mut State, settings: Settings<'_>, progress: &mut Progress) -> Result<(), BisectError> {
    let number = u32::try_from(state.steps().len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let commit = commit::name();
    let mut step = Step {
        number,
        commit,
        verdict: Verdict::Skip,
        reason: None,
        release: None,
        hits: 0,
        clean: 0,
        others: Vec::new(),
        dir: None,
    };
    let Calibration { subject, plan, .. } = state.calibration();
    let measured = match built(subject, progress)? {
        Err(reason) => Err(reason),
        Ok(kernel) => {
            let boots = Boots {
                subject,
                dir: state.dir(),
                most: plan.most(),
                stop: Stop {
                    sprt: Some(plan.test),
                    ..Stop::default()
                },
                seed: boot_seed(subject.seed, number),
            };
            let short = step
                .commit
                .as_deref()
                .and_then(|commit| commit.get(..12))
                .unwrap_or("tree");
            let name = format!("step-{number:03}-{short}");
            boots.of_commit(kernel, &name, settings, progress)?
        }
    };
    match measured {
        Err(reason) => step.reason = Some(reason),
        Ok(measured) => {
            let cell = measured.only_cell()?;
            (step.verdict, step.reason) = judge(cell);
            (step.hits, step.clean) = (cell.hits, cell.clean);
            step.release = Some(cell.part.release.clone());
            let others = cell.titles.iter().filter(|title| title.other_bug);
            step.others = others
                .map(|title| format!("{} {} in {} boots", title.kind.words(), title.title, title.boots))
                .collect();
            let dir = measured.dir.strip_prefix(state.dir()).unwrap_or(&measured.dir);
            step.dir = Some(dir.display().to_string());
        }
    }
    Ok(state.record(step)?)
}

/// Verdict on a cell, and the reason if there is none.
fn judge(cell: &CellReport) -> (Verdict, Option<String>) {
    if cell.ended.contains(&Reason::SprtHigh) {
        return (Verdict::Bad, None);
    }
    if cell.ended.contains(&Reason::SprtLow) {
        return (Verdict::Good, None);
    }
    let first = cell.reasons.iter().next();
    let first = first.map(|(class, (boot, reason))| format!("; boot {boot}, {class}: {reason}"));
    let reason = format!(
        "{} boots say something, {} other bug, {} inconclusive, {} infra{}",
        cell.count().boots,
        cell.other_bug,
        cell.inconclusive,
        cell.infra,
        first.unwrap_or_default()
    );
    (Verdict::Skip, Some(reason))
}

/// Builds the commit; its kernel, or the reason why it has none.
fn built(subject: &Subject, progress: &Progress) -> Result<Result<String, String>, BisectError> {
    if let Some(command) = &subject.build {
        progress.line(&format!("building: {command}"));
        match commit::build(command) {
            Ok(None) => {}
            Ok(Some(reason)) => return Ok(Err(reason)),
            Err(ProgramError::Interrupted) => return Err(interrupted().into()),
            Err(error) => return Err(BisectError::Build(error)),
        }
    }
    Ok(commit::kernel(&subject.kernel))
}

fn interrupted() -> MeasureError {
    MeasureError::Interrupted(signals::asked().unwrap_or_default())
}

/// Boots of one commit.
struct Boots<'a> {
    subject: &'a Subject,
    dir: &'a Path,
    most: u32,
    stop: Stop,
    seed: u64,
}

impl Boots<'_> {
    fn measure(
        &self,
        kernel: String,
        place: Place,
        settings: Settings<'_>,
        progress: &mut Progress,
    ) -> Result<Measured, BisectError> {
        let recipe = recipe_path(self.dir);
        let recipe = recipe.to_str().ok_or_else(|| {
            BisectError::Calibration(format!("--state: {} is not UTF-8", self.dir.display()))
        })?;
        let arguments = Arguments {
            name: "bisect",
            kernels: &[kernel],
            recipes: &[recipe.to_owned()],
            cpus: self.subject.cpus,
            start: self.subject.start,
            boots: self.most,
            stop: self.stop,
        };
        let matrix = arguments.matrix().map_err(MeasureError::Matrix)?;
        let settings = Settings {
            seed: Some(self.seed),
            ..settings
        };
        Ok(measure(&matrix, settings, place, progress)?)
    }

    /// Measures a commit that may be a kernel that cannot be booted; then the reason is returned. Boots of a step that
    /// was killed are taken if they are of the same kernel.
    fn of_commit(
        &self,
        kernel: String,
        name: &str,
        settings: Settings<'_>,
        progress: &mut Progress,
    ) -> Result<Result<Measured, String>, BisectError> {
        for attempt in 1_u32.. {
            let name = if attempt == 1 {
                name.to_owned()
            } else {
                format!("{name}.{attempt}")
            };
            let place = Place::of(self.dir.join(name));
            match self.measure(kernel.clone(), place, settings.clone(), progress) {
                Err(BisectError::Measure(MeasureError::Store(
                    StoreError::Other { .. } | StoreError::File(FileError::Format { .. }),
                ))) => {}
                Err(BisectError::Measure(MeasureError::Prepare(error))) if is_of_commit(&error) => {
                    return Ok(Err(error.to_string()));
                }
                result => return result.map(Ok),
            }
        }
        Err(MeasureError::Broken("too many attempts of one step".to_owned()).into())
    }
}

/// Whether a kernel cannot be booted for a reason that is its own.
fn is_of_commit(error: &PrepareError) -> bool {
    match error {
        PrepareError::Nothing(_) => true,
        PrepareError::Environment { source, .. } => {
            source.is_usage() && !matches!(**source, EnvironmentError::Busybox(_))
        }
        PrepareError::Board { .. } | PrepareError::Foreign { .. } | PrepareError::Image { .. } => false,
    }
}
