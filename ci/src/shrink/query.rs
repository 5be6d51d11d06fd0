// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Queries: does a recipe still hit?

use std::fs;
use std::path::{Path, PathBuf};

use super::decisions::Baseline;
use crate::report::progress::Progress;
use crate::report::results::{Keep, ResultsError};
use crate::reproduce::boot_seed;
use crate::stress::arguments::Arguments;
use crate::stress::measure::{MeasureError, Measured, Place, Settings, measure};
use crate::stress::prepare::PrepareError;
use crate::stress::report::CellReport;
use crate::stress::stop::{Reason, Stop};
use crate::stress::store::StoreError;

/// Answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the recipe still hits.
    pub hits_still: bool,
    /// Hits.
    pub hits: u32,
    /// Boots that say something.
    pub conclusive: u32,
    /// Reason why it does not count, if it has another one than its rate.
    pub reason: Option<String>,
}

/// A way to find out whether recipes still hit.
pub trait Query {
    /// Asks about the recipe number `number` with that text.
    ///
    /// # Errors
    /// There is no answer, for a reason that lies outside of the recipe.
    fn ask(&mut self, number: u32, recipe: &str) -> Result<Answer, MeasureError>;

    /// Takes a line on what an answer means.
    fn tell(&self, line: &str);
}

/// Queries by a sequential test of the recipe's rate, in as many boots as that takes; by one boot if boots of one seed
/// are equal.
#[derive(Debug)]
pub struct ByRate<'a> {
    /// Directory of the work.
    pub dir: &'a Path,
    /// Kernel, start, seed, and the most boots.
    pub baseline: &'a Baseline,
    /// The test; without one all boots are made, and a hit decides.
    pub stop: Stop,
    /// Settings of the runs.
    pub settings: Settings<'static>,
    /// Place for what is told.
    pub progress: &'a mut Progress,
}

impl ByRate<'_> {
    /// Boots a recipe.
    ///
    /// # Errors
    /// The run cannot begin or is ended.
    pub fn measure(&mut self, number: u32, recipe: &str) -> Result<Measured, MeasureError> {
        let name = format!("{number:04}");
        let path = self.dir.join(format!("{name}.toml"));
        let write = |source| ResultsError::Write {
            path: path.clone(),
            source,
        };
        fs::write(&path, recipe)
            .map_err(write)
            .map_err(StoreError::from)?;
        let arguments = Arguments {
            name: "shrink",
            kernels: std::slice::from_ref(&self.baseline.kernel),
            recipes: &[path.display().to_string()],
            cpus: None,
            start: self.baseline.start,
            boots: self.baseline.most(),
            stop: self.stop,
        };
        let matrix = arguments.matrix().map_err(MeasureError::Matrix)?;
        let settings = Settings {
            seed: Some(boot_seed(self.baseline.seed, number)),
            boot_seed: self.baseline.deterministic.then_some(self.baseline.seed),
            keep: Some(Keep::None),
            ..self.settings.clone()
        };
        let place: PathBuf = self.dir.join(name);
        measure(&matrix, settings, Place::of(place), self.progress)
    }
}

impl Query for ByRate<'_> {
    fn ask(&mut self, number: u32, recipe: &str) -> Result<Answer, MeasureError> {
        match self.measure(number, recipe) {
            Ok(measured) => Ok(answer(measured.only_cell()?, self.stop)),
            // A recipe that no machine or kernel can run is not smaller.
            Err(MeasureError::Prepare(error @ (PrepareError::Nothing(_) | PrepareError::Board { .. }))) => {
                Ok(Answer {
                    hits_still: false,
                    hits: 0,
                    conclusive: 0,
                    reason: Some(error.to_string()),
                })
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&self, line: &str) {
        self.progress.line(line);
    }
}

/// Answer of a run that the test has ended, or that has no boot left.
fn answer(cell: &CellReport, stop: Stop) -> Answer {
    let is_high = match stop.sprt {
        Some(_) => cell.ended.contains(&Reason::SprtHigh),
        None => cell.hits > 0,
    };
    let silent = cell.other_bug + cell.inconclusive + cell.infra;
    Answer {
        hits_still: is_high && silent == 0,
        hits: cell.hits,
        conclusive: cell.count().boots,
        reason: (silent > 0).then(|| format!("{silent} boots that say nothing")),
    }
}
