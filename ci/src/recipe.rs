// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Recipes: TOML files that say which machine to build, what to delay in its SMMUs, and what the guest does.
//!
//! Reading one checks everything that can be checked without booting it; an error names file, line and column.

mod check;
mod expect;
mod finding;
mod foreign;
mod image;
mod master;
mod names;
mod places;
mod problem;
mod registers;
pub mod script;
mod shipped;
mod step;
#[cfg(test)]
mod tests;
mod texts;

use std::fmt;
use std::ops::Range;
use std::path::Path;

use guest_images::machine::board::Board;
use guest_images::machine::layout::{Layout, SmmuShape};
use host_guard::file;
use serde::Deserialize;
use smmu_emu::{Config, DelayRule, InjectionRule, MarkRule};
use toml::Spanned;
use toml::de::DeTable;
use vfio_server::config::{ClockConfig, MasterConfig};

pub use expect::{ExpectBoots, Expectation, Expectations, FindingRef, Pattern, Subject};
pub use finding::FindingKind;
pub use foreign::ForeignFile;
pub use image::Image;
use places::Places;
pub use shipped::{DEFAULT, SHIPPED, Shipped, shipped};
pub use step::{Action, DEFAULT_WAIT_S, Step};

/// Recipe files that state another `schema` are refused.
pub const SCHEMA: u32 = 1;

/// One SMMU's model and plan, for the SMMU of the board with the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmmuModel {
    /// Name of the board's SMMU.
    pub name: String,
    /// What the model is.
    #[serde(default)]
    pub model: Config,
    /// What takes time in it.
    #[serde(default, rename = "delay")]
    pub delays: Vec<DelayRule>,
    /// The masters behind it; the board's clients of these names.
    #[serde(default, rename = "master")]
    pub masters: Vec<MasterConfig>,
    /// What goes wrong in it.
    #[serde(default, rename = "injection", alias = "fault")]
    pub injections: Vec<InjectionRule>,
    /// The clock controller before it.
    #[serde(default)]
    pub clock: Option<ClockConfig>,
}

/// A recipe as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    schema: Option<Spanned<u32>>,
    name: Spanned<String>,
    summary: String,
    #[serde(default)]
    why: String,
    expect: Spanned<expect::WrittenExpect>,
    #[serde(default)]
    expect_boots: Option<ExpectBoots>,
    #[serde(default)]
    inconclusive: Vec<Spanned<expect::WrittenExpectation>>,
    #[serde(default)]
    allow_unbound: Vec<Spanned<String>>,
    #[serde(default)]
    cmdline: Vec<String>,
    #[serde(default)]
    modules: Vec<Spanned<String>>,
    #[serde(default)]
    tools: Vec<Spanned<String>>,
    #[serde(default)]
    kernel_image: bool,
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    dmesg_drop: Vec<String>,
    #[serde(default)]
    settle_ms: Option<Spanned<u32>>,
    board: Spanned<Board>,
    #[serde(default, rename = "smmu")]
    smmus: Vec<Spanned<SmmuModel>>,
    #[serde(default, rename = "image")]
    images: Vec<Spanned<Image>>,
    #[serde(default, rename = "mark")]
    marks: Vec<Spanned<MarkRule>>,
    #[serde(default, rename = "step")]
    steps: Vec<Spanned<step::Written>>,
}

/// A recipe that has passed all checks.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Short name, `attach-lock`.
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// How it works, for people.
    pub why: String,
    /// What its boots have to show.
    pub expect: Expectations,
    /// Kernel arguments beyond those that every boot gets.
    pub cmdline: Vec<String>,
    /// Kernel modules to pack (with what they depend on), not loaded by themselves.
    pub modules: Vec<String>,
    /// Packages of programs for the guest, by their names in the lock file.
    pub tools: Vec<String>,
    /// The guest has the Image of its kernel as `/boot/Image`, to start another one (`kexec`).
    pub kernel_image: bool,
    /// The kernel log stays off the console during the steps and is printed after them.
    pub quiet: bool,
    /// Quiet recipes: log lines with one of these texts are left out of what is printed.
    pub dmesg_drop: Vec<String>,
    /// How long the guest waits after the last step, in milliseconds.
    pub settle_ms: u32,
    /// The machine.
    pub board: Board,
    /// A model for each of the board's SMMUs, in board order.
    pub smmus: Vec<SmmuModel>,
    /// Image files that are made for each boot.
    pub images: Vec<Image>,
    /// The marks, in the order of the words that the guest sees.
    pub marks: Vec<MarkRule>,
    /// What the guest does.
    pub steps: Vec<Step>,
}

/// Settle time of a recipe that states none, in milliseconds.
pub const DEFAULT_SETTLE_MS: u32 = 1500;
/// Largest recipe file that is read; the longest shipped one has 12 KiB.
const MAX_FILE: u64 = 1 << 20;
/// Longest settle time, in milliseconds.
pub const MAX_SETTLE_MS: u32 = 60_000;

/// What is wrong with a recipe file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RecipeError {
    file: String,
    /// Line and column, both from 1.
    place: Option<(usize, usize)>,
    problem: String,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// The file cannot be read or is no valid recipe.
    pub fn read(path: &Path) -> Result<Self, RecipeError> {
        let name = path.display().to_string();
        match file::read_text(path, MAX_FILE) {
            Ok(text) => Self::parse(&text, &name),
            Err(error) => Err(RecipeError {
                file: name,
                place: None,
                problem: error.to_string(),
            }),
        }
    }

    /// Reads a recipe's text; `file` is its name in errors.
    ///
    /// # Errors
    /// The first problem found.
    pub fn parse(text: &str, file: &str) -> Result<Self, RecipeError> {
        // An editor of another system may have written it; the guest's shell knows no CR.
        let text = &text.replace("\r\n", "\n");
        let error = |span: Option<Range<usize>>, problem: String| RecipeError {
            file: file.to_owned(),
            place: span.map(|span| line_and_column(text, span.start)),
            problem,
        };
        let table = DeTable::parse(text).map_err(|e| error(e.span(), e.message().to_owned()))?;
        if let Some((span, problem)) = texts::problem(table.get_ref()) {
            return Err(error(Some(span), problem));
        }
        let written: Written = toml::from_str(text).map_err(|e| error(e.span(), e.message().to_owned()))?;
        check::recipe(written, &Places::of(text)).map_err(|e| error(Some(e.span), e.problem))
    }

    /// By name among the shipped ones, or else a file.
    ///
    /// # Errors
    /// Neither a shipped recipe nor a readable, valid file.
    pub fn find(name_or_file: &str) -> Result<Self, RecipeError> {
        if let Some(shipped) = shipped(name_or_file) {
            return shipped.recipe();
        }
        let path = Path::new(name_or_file);
        if path.components().count() == 1 && path.extension().is_none() && !path.exists() {
            let names: Vec<&str> = SHIPPED.iter().map(|s| s.name).collect();
            let problem = format!(
                "no such file, and no shipped recipe; there are {}",
                names.join(", ")
            );
            return Err(RecipeError {
                file: name_or_file.to_owned(),
                place: None,
                problem,
            });
        }
        Self::read(path)
    }

    /// The files outside of the run's directory that the recipe names.
    pub fn foreign_files(&self) -> impl Iterator<Item = ForeignFile<'_>> {
        self.smmus
            .iter()
            .flat_map(|smmu| &smmu.masters)
            .flat_map(foreign::of)
    }

    /// Where the recipe's devices lie.
    ///
    /// # Errors
    /// The board does not fit; cannot happen for a recipe that was read.
    pub fn layout(&self) -> Result<Layout, guest_images::machine::board::BoardError> {
        Layout::new(&self.board, &shapes(&self.smmus))
    }
}

/// What the layout has to know of the models.
fn shapes(smmus: &[SmmuModel]) -> Vec<SmmuShape> {
    let shape = |smmu: &SmmuModel| SmmuShape {
        register_space: smmu.model.register_space(),
        // One line per bank and the global one; a count that does not fit has no room for interrupts either.
        context_banks: u8::try_from(smmu.model.interrupt_lines().len().saturating_sub(1)).unwrap_or(u8::MAX),
        masters: smmu.masters.iter().map(|master| master.name.clone()).collect(),
        clock: smmu.clock.is_some(),
    };
    smmus.iter().map(shape).collect()
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}
