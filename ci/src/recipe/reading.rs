// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From a recipe's text, file or name to a checked recipe.

use std::path::Path;

use super::places::Places;
use super::{Recipe, SHIPPED, TomlError, Written, check, shipped, toml_file};

impl Recipe {
    /// Reads a recipe's text; `file` is its name in errors.
    ///
    /// # Errors
    /// The first problem found.
    pub fn parse(text: &str, file: &str) -> Result<Self, TomlError> {
        // An editor of another system may have written it; the guest's shell knows no CR.
        let text = &text.replace("\r\n", "\n");
        let written: Written = toml_file::parse(text, file)?;
        check::recipe(written, &Places::of(text))
            .map_err(|e| TomlError::at(file, text, Some(e.span), e.problem))
    }

    /// By name among the shipped ones, or else a file.
    ///
    /// # Errors
    /// Neither a shipped recipe nor a readable, valid file.
    pub fn find(name_or_file: &str) -> Result<Self, TomlError> {
        let (text, file) = text_of(name_or_file, Path::new(""))?;
        Self::parse(&text, &file)
    }
}

/// Text of a recipe, by its name among the shipped ones or else of a file, with the name of the file for errors. A
/// relative path begins at `base`, which may be empty.
///
/// # Errors
/// Neither a shipped recipe nor a readable file.
pub fn text_of(name_or_file: &str, base: &Path) -> Result<(String, String), TomlError> {
    if let Some(shipped) = shipped(name_or_file) {
        return Ok((shipped.text.to_owned(), shipped.file()));
    }
    let path = base.join(name_or_file);
    let name = Path::new(name_or_file);
    if name.components().count() == 1 && name.extension().is_none() && !path.exists() {
        let names: Vec<&str> = SHIPPED.iter().map(|s| s.name).collect();
        let problem = format!(
            "no such file, and no shipped recipe; there are {}",
            names.join(", ")
        );
        return Err(TomlError::of_file(name_or_file, problem));
    }
    Ok((toml_file::read_text(&path)?, path.display().to_string()))
}
