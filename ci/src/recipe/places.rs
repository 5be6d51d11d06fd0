// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Places of a recipe's tables in its text, by name: for problems that are found when the text has become types.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Tables of a recipe's text.
pub(super) struct Places<'a> {
    root: Option<Spanned<DeTable<'a>>>,
}

impl<'a> Places<'a> {
    /// Tables of `text`; none of a text that is no TOML, whose problem is told elsewhere.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            root: DeTable::parse(text).ok(),
        }
    }

    /// The table of the array `path` with that `name`; the last one, as a name used twice is wrong there.
    pub(super) fn named(&self, path: &[&str], name: &str) -> Option<Range<usize>> {
        let array = self.at(path)?.get_ref().as_array()?;
        let table = array.iter().rev().find(|table| has_name(table, name))?;
        Some(table.span())
    }

    /// The value of a key below the table `path`.
    pub(super) fn key(&self, path: &[&str]) -> Option<Range<usize>> {
        Some(self.at(path)?.span())
    }

    /// Table `number`, from 0, of the array `key` of the SMMU model `smmu`; with several keys, of the one that is
    /// there.
    pub(super) fn of_smmu(&self, smmu: &str, keys: &[&str], number: usize) -> Option<Range<usize>> {
        let smmus = self.at(&["smmu"])?.get_ref().as_array()?;
        let smmu = smmus
            .iter()
            .find(|table| has_name(table, smmu))?
            .get_ref()
            .as_table()?;
        let array = keys.iter().find_map(|key| smmu.get(*key))?.get_ref().as_array()?;
        Some(array.get(number)?.span())
    }

    /// The table of the SMMU model `smmu` that describes the master `name`.
    pub(super) fn master(&self, name: &str) -> Option<Range<usize>> {
        let smmus = self.at(&["smmu"])?.get_ref().as_array()?;
        let masters = smmus
            .iter()
            .filter_map(|smmu| smmu.get_ref().as_table()?.get("master"));
        let mut tables = masters
            .filter_map(|masters| masters.get_ref().as_array())
            .flat_map(|array| array.iter());
        tables.find(|table| has_name(table, name)).map(Spanned::span)
    }

    /// Place of a problem of the board, as its error names it: `client "c0"`, or a key.
    pub(super) fn on_board(&self, place: &str) -> Option<Range<usize>> {
        match place.split_once(" \"") {
            Some((kind, name)) => self.named(&["board", kind], name.trim_end_matches('"')),
            None => self.key(&["board", place]),
        }
    }

    fn at(&self, path: &[&str]) -> Option<&Spanned<DeValue<'a>>> {
        let (last, tables) = path.split_last()?;
        let mut table = self.root.as_ref()?.get_ref();
        for name in tables {
            table = table.get(*name)?.get_ref().as_table()?;
        }
        table.get(*last)
    }
}

fn has_name(table: &Spanned<DeValue<'_>>, name: &str) -> bool {
    let own = table.get_ref().as_table().and_then(|table| table.get("name"));
    own.and_then(|own| own.get_ref().as_str()) == Some(name)
}
