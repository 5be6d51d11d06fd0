// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Parts of a recipe that may be dropped, and its text without them. Comments and order of the others stay.
//!
//! With a part goes what refers to it, as far as that has no meaning alone: the clients of an SMMU, the steps that name
//! a client or load a module, the rules that wait for a mark. The recipe's own check has the last word.

#[cfg(test)]
mod tests;

use std::fmt;

use toml_edit::{Array, DocumentMut, Item, RawString, TableLike, TomlError, Value, value};

/// Part of a recipe. Numbers are from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An SMMU of the board.
    Smmu(String),
    /// A client of the board, with the DMA device of its name.
    Client(String),
    /// A supplier of the board.
    Supplier(String),
    /// A delay or injection rule of an SMMU's model.
    Rule {
        /// Number of the model.
        smmu: usize,
        /// Its array.
        array: &'static str,
        /// Number of the rule.
        rule: usize,
    },
    /// The clock controller of an SMMU's model.
    Clock {
        /// Number of the model.
        smmu: usize,
    },
    /// An image file.
    Image(String),
    /// A mark.
    Mark(String),
    /// A step.
    Step(usize),
    /// A module, tool, or kernel argument.
    Word {
        /// Its array.
        array: &'static str,
        /// The word.
        word: String,
    },
    /// All CPUs of the board but so many.
    CpusBeyond(u8),
}

/// Arrays of rules of a model; the last is another name of the one before it.
const RULES: [&str; 3] = ["delay", "injection", "fault"];
/// Arrays of words.
const WORDS: [&str; 3] = ["modules", "tools", "cmdline"];

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smmu(name) => write!(f, "SMMU {name}"),
            Self::Client(name) => write!(f, "client {name}"),
            Self::Supplier(name) => write!(f, "supplier {name}"),
            Self::Rule { smmu, array, rule } => write!(f, "{array} {} of model {}", rule + 1, smmu + 1),
            Self::Clock { smmu } => write!(f, "clock of model {}", smmu + 1),
            Self::Image(name) => write!(f, "image {name}"),
            Self::Mark(name) => write!(f, "mark {name}"),
            Self::Step(step) => write!(f, "step {}", step + 1),
            Self::Word { array, word } => write!(f, "{array} {word}"),
            Self::CpusBeyond(cpus) => write!(f, "CPUs beyond {cpus}"),
        }
    }
}

/// A recipe's text as a document.
#[derive(Debug, Clone)]
pub struct Text(DocumentMut);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Text {
    /// Reads a text.
    ///
    /// # Errors
    /// It is no TOML.
    pub fn parse(text: &str) -> Result<Self, TomlError> {
        text.parse().map(Self)
    }

    /// Parts of the recipe, those of one kind together; large ones first, since others go with them. The number and
    /// order of kinds is that of every recipe.
    pub fn parts(&self) -> Vec<Vec<Part>> {
        let root = self.0.as_item();
        let board = |key: &str| {
            root.get("board")
                .map(|board| names(board, key))
                .unwrap_or_default()
        };
        let models = tables(root.get("smmu")).into_iter().enumerate();
        let models: Vec<(usize, &dyn TableLike)> = models.collect();
        let mut kinds = vec![
            board("smmu").into_iter().map(Part::Smmu).collect(),
            board("client").into_iter().map(Part::Client).collect(),
            board("supplier").into_iter().map(Part::Supplier).collect(),
            names(root, "image").into_iter().map(Part::Image).collect(),
        ];
        for array in RULES {
            let of = |(smmu, model): &(usize, &dyn TableLike)| {
                let (smmu, rules) = (*smmu, tables(model.get(array)).len());
                (0..rules).map(move |rule| Part::Rule { smmu, array, rule })
            };
            kinds.push(models.iter().flat_map(of).collect());
        }
        let clocked = models.iter().filter(|(_, model)| model.contains_key("clock"));
        kinds.push(clocked.map(|(smmu, _)| Part::Clock { smmu: *smmu }).collect());
        kinds.push(names(root, "mark").into_iter().map(Part::Mark).collect());
        kinds.push((0..tables(root.get("step")).len()).map(Part::Step).collect());
        for array in WORDS {
            let words = root.get(array).and_then(Item::as_array).into_iter().flatten();
            let words = words.filter_map(Value::as_str).map(str::to_owned);
            kinds.push(words.map(|word| Part::Word { array, word }).collect());
        }
        kinds.push(self.fewer_cpus());
        kinds
    }

    /// Sets the number of CPUs, which a recipe may leave out.
    pub fn set_cpus(&mut self, cpus: u8) {
        self.drop(&Part::CpusBeyond(cpus));
    }

    /// Smaller numbers of CPUs, the smallest first.
    fn fewer_cpus(&self) -> Vec<Part> {
        let cpus = self
            .0
            .get("board")
            .and_then(|board| board.get("cpus")?.as_integer());
        let cpus = cpus.and_then(|cpus| u8::try_from(cpus).ok()).unwrap_or(1);
        let powers = (0..8).map(|power| 1_u8 << power);
        powers
            .take_while(|fewer| *fewer < cpus)
            .map(Part::CpusBeyond)
            .collect()
    }

    /// The text without some parts of one kind, in the order in which [`Self::parts`] names them.
    #[must_use]
    pub fn without(&self, parts: &[Part]) -> Self {
        let mut text = self.clone();
        // From the last on, so that the numbers of those before stay.
        for part in parts.iter().rev() {
            text.drop(part);
        }
        text
    }

    fn drop(&mut self, part: &Part) {
        let root = self.0.as_item_mut();
        match part {
            Part::Smmu(name) => self.drop_smmu(name),
            Part::Client(name) => self.drop_client(name),
            Part::Supplier(name) => {
                retain(below(root, &["board", "supplier"]), &|table| {
                    !is_named(table, name)
                });
                self.drop_references(name);
            }
            Part::Rule { smmu, array, rule } => {
                let model = tables_mut(root.get_mut("smmu")).into_iter().nth(*smmu);
                remove(model.and_then(|model| model.get_mut(array)), *rule);
            }
            Part::Clock { smmu } => {
                let model = tables_mut(root.get_mut("smmu")).into_iter().nth(*smmu);
                model.and_then(|model| model.remove("clock"));
            }
            Part::Image(name) => retain(root.get_mut("image"), &|table| !is_named(table, name)),
            Part::Mark(name) => {
                retain(root.get_mut("mark"), &|table| !is_named(table, name));
                let is_free = |table: &dyn TableLike| !mentions(table, &|text| text == name);
                retain(root.get_mut("step"), &is_free);
                for model in tables_mut(root.get_mut("smmu")) {
                    RULES
                        .iter()
                        .for_each(|array| retain(model.get_mut(array), &is_free));
                }
            }
            Part::Step(step) => remove(root.get_mut("step"), *step),
            Part::Word { array, word } => {
                if let Some(words) = root.get_mut(array).and_then(Item::as_array_mut) {
                    retain_values(words, |other| other.as_str() != Some(word));
                }
                let loads = |table: &dyn TableLike| table.get("load").and_then(Item::as_str) == Some(word);
                if *array == "modules" {
                    retain(root.get_mut("step"), &|table| !loads(table));
                }
            }
            Part::CpusBeyond(cpus) => {
                if let Some(board) = root.get_mut("board").and_then(Item::as_table_like_mut) {
                    board.insert("cpus", value(i64::from(*cpus)));
                }
            }
        }
    }

    /// Drops an SMMU with its model, its marks, and the clients that have no other.
    fn drop_smmu(&mut self, name: &str) {
        let root = self.0.as_item_mut();
        retain(below(root, &["board", "smmu"]), &|table| !is_named(table, name));
        retain(root.get_mut("smmu"), &|table| !is_named(table, name));
        let mut without = Vec::new();
        for client in tables_mut(below(root, &["board", "client"])) {
            let had = tables(client.get("iommus")).len();
            retain(client.get_mut("iommus"), &|entry| {
                entry.get("smmu").and_then(Item::as_str) != Some(name)
            });
            if had > 0 && tables(client.get("iommus")).is_empty() {
                without.extend(client.get("name").and_then(Item::as_str).map(str::to_owned));
            }
        }
        let of_it = |mark: &&dyn TableLike| mark.get("smmu").and_then(Item::as_str) == Some(name);
        let marks = tables(root.get("mark")).into_iter().filter(of_it);
        let marks: Vec<Part> = marks
            .filter_map(|mark| Some(Part::Mark(mark.get("name")?.as_str()?.to_owned())))
            .collect();
        marks.iter().for_each(|mark| self.drop(mark));
        without.iter().for_each(|client| self.drop_client(client));
        self.drop_references(name);
    }

    fn drop_client(&mut self, name: &str) {
        let root = self.0.as_item_mut();
        retain(below(root, &["board", "client"]), &|table| !is_named(table, name));
        for model in tables_mut(root.get_mut("smmu")) {
            retain(model.get_mut("master"), &|table| !is_named(table, name));
        }
        self.drop_references(name);
    }

    /// Drops the steps that name a device.
    fn drop_references(&mut self, name: &str) {
        let (whole, member) = (format!("${{{name}}}"), format!("${{{name}."));
        let names_it = |text: &str| text.contains(&whole) || text.contains(&member);
        retain(self.0.as_item_mut().get_mut("step"), &|table| {
            !mentions(table, &names_it)
        });
    }
}

fn below<'a>(item: &'a mut Item, path: &[&str]) -> Option<&'a mut Item> {
    path.iter().try_fold(item, |item, key| item.get_mut(key))
}

/// Tables of an array, in either notation.
fn tables(item: Option<&Item>) -> Vec<&dyn TableLike> {
    match item {
        Some(Item::ArrayOfTables(tables)) => tables.iter().map(|table| -> &dyn TableLike { table }).collect(),
        Some(Item::Value(Value::Array(values))) => {
            let tables = values.iter().filter_map(Value::as_inline_table);
            tables.map(|table| -> &dyn TableLike { table }).collect()
        }
        _ => Vec::new(),
    }
}

fn tables_mut(item: Option<&mut Item>) -> Vec<&mut dyn TableLike> {
    match item {
        Some(Item::ArrayOfTables(tables)) => tables
            .iter_mut()
            .map(|table| -> &mut dyn TableLike { table })
            .collect(),
        Some(Item::Value(Value::Array(values))) => {
            let tables = values.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.map(|table| -> &mut dyn TableLike { table }).collect()
        }
        _ => Vec::new(),
    }
}

fn retain(item: Option<&mut Item>, keep: &dyn Fn(&dyn TableLike) -> bool) {
    match item {
        Some(Item::ArrayOfTables(tables)) => tables.retain(|table| keep(table)),
        Some(Item::Value(Value::Array(values))) => {
            retain_values(values, |value| {
                value.as_inline_table().is_none_or(|table| keep(table))
            });
        }
        _ => {}
    }
}

/// Keeps some values of an array, without the space that stood before the one that is now the first.
fn retain_values(values: &mut Array, keep: impl FnMut(&Value) -> bool) {
    values.retain(keep);
    if let Some(first) = values.get_mut(0)
        && first.decor().prefix().and_then(RawString::as_str) == Some(" ")
    {
        first.decor_mut().set_prefix("");
    }
}

fn remove(item: Option<&mut Item>, at: usize) {
    match item {
        Some(Item::ArrayOfTables(tables)) if at < tables.len() => drop(tables.remove(at)),
        Some(Item::Value(Value::Array(values))) if at < values.len() => drop(values.remove(at)),
        _ => {}
    }
}

fn is_named(table: &dyn TableLike, name: &str) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name)
}

fn names(parent: &Item, key: &str) -> Vec<String> {
    let tables = tables(parent.get(key)).into_iter();
    tables
        .filter_map(|table| Some(table.get("name")?.as_str()?.to_owned()))
        .collect()
}

/// Whether a text anywhere in a table is such a one.
fn mentions(table: &dyn TableLike, is_it: &dyn Fn(&str) -> bool) -> bool {
    fn in_item(item: &Item, is_it: &dyn Fn(&str) -> bool) -> bool {
        let in_tables = || tables(Some(item)).into_iter().any(|table| mentions(table, is_it));
        let in_array = || {
            let values = item.as_array().into_iter().flatten();
            values.filter_map(Value::as_str).any(is_it)
        };
        let in_table = || item.as_table_like().is_some_and(|table| mentions(table, is_it));
        item.as_str().is_some_and(is_it) || in_tables() || in_array() || in_table()
    }
    table.iter().any(|(_, item)| in_item(item, is_it))
}
