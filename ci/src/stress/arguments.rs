// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Matrices of command lines: a few kernels and recipes without a file.

#[cfg(test)]
mod tests;

use std::path::Path;

use toml::{Table, Value};

use super::matrix::Matrix;
use super::stop::Stop;
use crate::recipe::Start;

/// Cells of a command line, and when they end.
#[derive(Debug, Clone)]
pub struct Arguments<'a> {
    /// Name of the matrix.
    pub name: &'a str,
    /// Kernels, as `--kernel` takes them; paths begin at the current directory.
    pub kernels: &'a [String],
    /// Names of shipped recipes, or files.
    pub recipes: &'a [String],
    /// CPUs, if not those of the recipe.
    pub cpus: Option<u8>,
    /// Start of all boots.
    pub start: Start,
    /// Boots of each cell at most.
    pub boots: u32,
    /// Rules that end a cell earlier.
    pub stop: Stop,
}

impl Arguments<'_> {
    /// The matrix.
    ///
    /// # Errors
    /// The first mistake: a kernel or recipe that does not exist, or is named twice; a recipe that is not valid.
    pub fn matrix(&self) -> Result<Matrix, String> {
        let list = |names: &[String]| Value::from(names.to_vec());
        let mut table = Table::new();
        table.insert("name".to_owned(), self.name.into());
        table.insert("kernels".to_owned(), list(self.kernels));
        table.insert("recipes".to_owned(), list(self.recipes));
        table.insert("start".to_owned(), list(&[self.start.to_string()]));
        table.insert("boots".to_owned(), i64::from(self.boots).into());
        if let Some(cpus) = self.cpus {
            table.insert("cpus".to_owned(), vec![i64::from(cpus)].into());
        }
        let text = toml::to_string(&table).map_err(|error| error.to_string())?;
        let matrix = Matrix::parse(&text, self.name, Path::new(""));
        let matrix = matrix.map_err(|error| error.problem().to_owned())?;
        Ok(Matrix {
            stop: self.stop,
            ..matrix
        })
    }
}
