// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Matrix files: kernels × recipes × overrides × CPUs, how many boots of each, and when to stop.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Spanned, Table};

use super::overrides;
use super::stop::Stop;
use crate::recipe::toml_file::{self, TomlError};
use crate::recipe::{Recipe, Start, text_of};
use crate::report::results::Keep;
use crate::stats::sprt::Sprt;

/// Matrix files that state another `schema` are refused.
pub const SCHEMA: u32 = 1;
/// Most boots of a cell.
pub const BOOTS_MAX: u32 = 100_000;
/// Most cells of a matrix.
const CELLS_MAX: usize = 4096;
/// Boots of a cell, unless the matrix says.
const BOOTS: u32 = 20;
/// Attempts beyond the first of a boot that QEMU, server or host fail.
const RETRIES: u32 = 2;
const RETRIES_MAX: u32 = 10;
/// Longest time limits, in seconds: a day for a boot, a month for a run.
const TIMEOUT_MAX_S: u64 = 86_400;
const TIME_MAX_S: u64 = 31 * 86_400;

/// A matrix as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    schema: Option<Spanned<u32>>,
    name: Spanned<String>,
    kernels: Spanned<Vec<Spanned<String>>>,
    recipes: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    cpus: Vec<Spanned<u8>>,
    #[serde(default)]
    start: Vec<Spanned<Start>>,
    #[serde(default, rename = "override")]
    overrides: Vec<Spanned<WrittenOverride>>,
    #[serde(default)]
    seed: Option<Spanned<u64>>,
    #[serde(default)]
    boots: Option<Spanned<u32>>,
    #[serde(default)]
    retries: Option<Spanned<u32>>,
    #[serde(default)]
    timeout_s: Option<Spanned<u64>>,
    #[serde(default)]
    time_s: Option<Spanned<u64>>,
    #[serde(default)]
    keep: Option<Keep>,
    #[serde(default)]
    stop: WrittenStop,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStop {
    #[serde(default)]
    first_hit: bool,
    #[serde(default)]
    sprt: Option<Spanned<Sprt>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOverride {
    name: Spanned<String>,
    /// Recipes that it is for; all if absent.
    #[serde(default)]
    recipes: Option<Vec<Spanned<String>>>,
    recipe: Table,
}

/// A matrix that has passed all checks.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Seed of the run, if it names one.
    pub seed: Option<u64>,
    /// Boots of each cell at most.
    pub boots: u32,
    /// Rules that end a cell earlier.
    pub stop: Stop,
    /// Attempts of a boot that QEMU, server or host fail, beyond the first.
    pub retries: u32,
    /// Limit of one boot.
    pub timeout: Option<Duration>,
    /// No boot begins later than this after the start.
    pub time: Option<Duration>,
    /// Boots whose directories are kept.
    pub keep: Keep,
    /// Its cells; at least one.
    pub cells: Vec<Cell>,
}

/// A cell of a matrix.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its name.
    pub key: String,
    /// Kernel, as the matrix names it.
    pub kernel: String,
    /// Kernel, as `--kernel` takes it, absolute if it is a path.
    pub kernel_argument: OsString,
    /// Name of the recipe in the matrix.
    pub recipe_name: String,
    /// Name of the override.
    pub change: Option<String>,
    /// Text of the recipe, with the override.
    pub text: String,
    /// The recipe of that text.
    pub recipe: Recipe,
    /// CPUs, if not those of the recipe.
    pub cpus: Option<u8>,
    /// Start of its boots.
    pub start: Start,
}

impl Matrix {
    /// Reads a matrix file and the recipes that it names. Relative paths begin at the directory of the file.
    ///
    /// # Errors
    /// The first mistake, with its place; a recipe that cannot be read or is not valid.
    pub fn read(path: &Path) -> Result<Self, TomlError> {
        let file = path.display().to_string();
        let text = toml_file::read_text(path)?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &file, base)
    }

    /// Reads a matrix from its text; `file` is its name in errors, relative paths begin at `base`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, file: &str, base: &Path) -> Result<Self, TomlError> {
        let written: Written = toml_file::parse(text, file)?;
        Reading { text, file, base }.matrix(written)
    }
}

impl Cell {
    /// The cell with boots that start like that: another rate, so another cell.
    fn with_start(mut self, start: Start) -> Self {
        if start == Start::Warm {
            self.key.push_str(",warm");
        }
        Self { start, ..self }
    }
}

/// A text that is read.
struct Reading<'a> {
    text: &'a str,
    file: &'a str,
    base: &'a Path,
}

/// A recipe that a matrix names.
struct Named {
    name: String,
    text: String,
    file: String,
}

impl Reading<'_> {
    fn error(&self, span: Range<usize>, problem: impl Into<String>) -> TomlError {
        TomlError::at(self.file, self.text, Some(span), problem)
    }

    /// The number of a key, which has to be in `range`; `default` if it is absent.
    fn number<T: Copy + PartialOrd + std::fmt::Display>(
        &self,
        key: &str,
        value: Option<Spanned<T>>,
        (least, most): (T, T),
    ) -> Result<Option<T>, TomlError> {
        let Some(value) = value else { return Ok(None) };
        let number = *value.get_ref();
        if (least..=most).contains(&number) {
            return Ok(Some(number));
        }
        Err(self.error(
            value.span(),
            format!("`{key}` is from {least} to {most}, and not {number}"),
        ))
    }

    fn matrix(&self, written: Written) -> Result<Matrix, TomlError> {
        if let Some(schema) = written.schema.filter(|schema| *schema.get_ref() != SCHEMA) {
            let problem = format!(
                "`schema` is {SCHEMA} for this version, and not {}",
                schema.get_ref()
            );
            return Err(self.error(schema.span(), problem));
        }
        if !is_name(written.name.get_ref()) {
            return Err(self.error(written.name.span(), format!("`name`: {NAMES}")));
        }
        let stop = Stop {
            first_hit: written.stop.first_hit,
            sprt: match written.stop.sprt {
                None => None,
                Some(sprt) => {
                    sprt.get_ref()
                        .check()
                        .map_err(|problem| self.error(sprt.span(), problem))?;
                    Some(sprt.into_inner())
                }
            },
            pairs: None,
        };
        let starts = self.starts(&written.start)?;
        let plain = self.cells(written.kernels, written.recipes, written.overrides, &written.cpus)?;
        let started = |cell: Cell| starts.iter().map(move |start| cell.clone().with_start(*start));
        let cells: Vec<Cell> = plain.into_iter().flat_map(started).collect();
        let boots = self.number("boots", written.boots, (1, BOOTS_MAX))?;
        let seed = self.number("seed", written.seed, (0, i64::MAX.unsigned_abs()))?;
        let retries = self.number("retries", written.retries, (0, RETRIES_MAX))?;
        let timeout = self.number("timeout_s", written.timeout_s, (1, TIMEOUT_MAX_S))?;
        let time = self.number("time_s", written.time_s, (1, TIME_MAX_S))?;
        Ok(Matrix {
            name: written.name.into_inner(),
            text: self.text.to_owned(),
            seed,
            boots: boots.unwrap_or(BOOTS),
            stop,
            retries: retries.unwrap_or(RETRIES),
            timeout: timeout.map(Duration::from_secs),
            time: time.map(Duration::from_secs),
            keep: written.keep.unwrap_or(Keep::Hits),
            cells,
        })
    }

    fn cells(
        &self,
        kernels: Spanned<Vec<Spanned<String>>>,
        recipes: Spanned<Vec<Spanned<String>>>,
        changes: Vec<Spanned<WrittenOverride>>,
        cpus: &[Spanned<u8>],
    ) -> Result<Vec<Cell>, TomlError> {
        self.distinct("kernels", kernels.span(), kernels.get_ref())?;
        self.distinct("recipes", recipes.span(), recipes.get_ref())?;
        for (at, number) in cpus.iter().enumerate() {
            if *number.get_ref() == 0 || *number.get_ref() > 123 {
                return Err(self.error(number.span(), "`cpus` are from 1 to 123"));
            }
            if cpus
                .iter()
                .take(at)
                .any(|other| other.get_ref() == number.get_ref())
            {
                return Err(self.error(number.span(), "`cpus` has this number twice"));
            }
        }
        let names: Vec<&str> = recipes
            .get_ref()
            .iter()
            .map(|name| name.get_ref().as_str())
            .collect();
        self.check_overrides(&changes, &names)?;
        let count = kernels.get_ref().len() * names.len() * (changes.len() + 1) * cpus.len().max(1);
        if count > CELLS_MAX {
            let problem = format!("{count} cells are more than {CELLS_MAX}");
            return Err(self.error(kernels.span(), problem));
        }
        let mut variants = Vec::new();
        for name in recipes.get_ref() {
            let (text, file) = text_of(name.get_ref(), self.base)
                .map_err(|error| self.error(name.span(), error.to_string()))?;
            let named = Named {
                name: name.get_ref().clone(),
                text,
                file,
            };
            let recipe = Recipe::parse(&named.text, &named.file)
                .map_err(|error| self.error(name.span(), error.to_string()))?;
            variants.push((named.name.clone(), None, named.text.clone(), recipe));
            for change in changes
                .iter()
                .filter(|change| is_for(change.get_ref(), &named.name))
            {
                variants.push(self.changed(&named, change)?);
            }
        }
        let own = [None];
        let cpus: Vec<Option<u8>> = cpus.iter().map(|number| Some(*number.get_ref())).collect();
        let cpus = if cpus.is_empty() { &own[..] } else { &cpus };
        let mut cells = Vec::with_capacity(count);
        for kernel in kernels.get_ref() {
            let kernel_argument = self.kernel(kernel)?;
            for (name, change, text, recipe) in &variants {
                for cpus in cpus {
                    let change_name = change.as_ref().map(|name| format!("+{name}")).unwrap_or_default();
                    let count = cpus.unwrap_or(recipe.board.cpus);
                    cells.push(Cell {
                        key: format!("{name}{change_name}@{},smp={count}", kernel.get_ref()),
                        kernel: kernel.get_ref().clone(),
                        kernel_argument: kernel_argument.clone(),
                        recipe_name: name.clone(),
                        change: change.clone(),
                        text: text.clone(),
                        recipe: recipe.clone(),
                        cpus: *cpus,
                        start: Start::Cold,
                    });
                }
            }
        }
        Ok(cells)
    }

    /// Starts of boots; cold ones alone if none is given.
    fn starts(&self, written: &[Spanned<Start>]) -> Result<Vec<Start>, TomlError> {
        let mut starts = Vec::new();
        for start in written {
            if starts.contains(start.get_ref()) {
                return Err(self.error(start.span(), format!("`start` has \"{}\" twice", start.get_ref())));
            }
            starts.push(*start.get_ref());
        }
        Ok(if starts.is_empty() {
            vec![Start::Cold]
        } else {
            starts
        })
    }

    /// A recipe with an override.
    fn changed(
        &self,
        named: &Named,
        change: &Spanned<WrittenOverride>,
    ) -> Result<(String, Option<String>, String, Recipe), TomlError> {
        let WrittenOverride { name, recipe, .. } = change.get_ref();
        let error = |problem: String| {
            let problem = format!("override \"{}\" of {}: {problem}", name.get_ref(), named.name);
            self.error(change.span(), problem)
        };
        let text = overrides::applied(&named.text, recipe).map_err(error)?;
        let recipe = Recipe::parse(&text, "the recipe with it").map_err(|e| error(e.to_string()))?;
        Ok((named.name.clone(), Some(name.get_ref().clone()), text, recipe))
    }

    fn check_overrides(
        &self,
        changes: &[Spanned<WrittenOverride>],
        recipes: &[&str],
    ) -> Result<(), TomlError> {
        let mut names = BTreeSet::new();
        for change in changes {
            let WrittenOverride {
                name, recipes: of, ..
            } = change.get_ref();
            if !is_name(name.get_ref()) {
                return Err(self.error(name.span(), format!("`name`: {NAMES}")));
            }
            if !names.insert(name.get_ref()) {
                return Err(self.error(name.span(), "another override has this name"));
            }
            let unknown = of
                .iter()
                .flatten()
                .find(|one| !recipes.contains(&one.get_ref().as_str()));
            if let Some(unknown) = unknown {
                let problem = format!("{:?} is none of the matrix's `recipes`", unknown.get_ref());
                return Err(self.error(unknown.span(), problem));
            }
        }
        Ok(())
    }

    fn distinct(&self, key: &str, span: Range<usize>, names: &[Spanned<String>]) -> Result<(), TomlError> {
        if names.is_empty() {
            return Err(self.error(span, format!("`{key}` is empty: there is nothing to boot")));
        }
        let mut seen = BTreeSet::new();
        match names.iter().find(|name| !seen.insert(name.get_ref())) {
            Some(twice) => Err(self.error(twice.span(), format!("`{key}` has {:?} twice", twice.get_ref()))),
            None => Ok(()),
        }
    }

    /// A kernel, as `--kernel` takes it.
    fn kernel(&self, kernel: &Spanned<String>) -> Result<OsString, TomlError> {
        let name = kernel.get_ref();
        if name.starts_with("debian:") {
            return Ok(name.into());
        }
        let path = std::path::absolute(self.base.join(name));
        let path: PathBuf = path.map_err(|error| self.error(kernel.span(), error.to_string()))?;
        if path.exists() {
            return Ok(path.into_os_string());
        }
        let problem = format!(
            "{} does not exist; a kernel is debian:RELEASE (`boot-stress kernels` lists them), a directory or an Image",
            path.display()
        );
        Err(self.error(kernel.span(), problem))
    }
}

fn is_for(change: &WrittenOverride, recipe: &str) -> bool {
    let of = change.recipes.as_ref();
    of.is_none_or(|of| of.iter().any(|one| one.get_ref() == recipe))
}

const NAMES: &str = "a name has 1 to 64 letters, digits, `-`, `_` and `.`, and begins with a letter or digit";

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
}
