// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From a recipe's text, file or name to a checked recipe.

use std::ops::Range;
use std::path::Path;

use host_guard::file;
use toml::de::DeTable;

use super::places::Places;
use super::{Recipe, RecipeError, SHIPPED, Written, check, shipped, texts};

/// Largest recipe file that is read; the longest shipped one has 12 KiB.
const MAX_FILE: u64 = 1 << 20;

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
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}
