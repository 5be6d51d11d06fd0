// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Expectations as they stand in a recipe, and their checks.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use guest_images::machine::layout::Layout;
use regex::RegexBuilder;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::{ExpectBoots, Expectation, Expectations, FindingKind, Pattern, Subject};
use crate::recipe::names::{list, references};
use crate::recipe::problem::{Checked, problem};

/// Expectations of one recipe.
const MAX: usize = 64;
/// Bytes that a compiled regular expression may take.
const REGEX_SIZE: usize = 1 << 20;

/// Value of `expect`: one of two words, or tables.
#[derive(Debug, Clone)]
pub(in crate::recipe) enum WrittenExpect {
    Hit,
    NoHit,
    Tables(Vec<Spanned<WrittenExpectation>>),
}

impl<'de> Deserialize<'de> for WrittenExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTables;
        impl<'de> Visitor<'de> for WordOrTables {
            type Value = WrittenExpect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"hit\", \"no-hit\", or tables [[expect]]")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<WrittenExpect, E> {
                match word {
                    "hit" => Ok(WrittenExpect::Hit),
                    "no-hit" => Ok(WrittenExpect::NoHit),
                    _ => Err(E::custom(format!(
                        "`expect` = {word:?}: it is \"hit\", \"no-hit\", or tables [[expect]]"
                    ))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut tables: A) -> Result<WrittenExpect, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = tables.next_element()? {
                    all.push(one);
                }
                Ok(WrittenExpect::Tables(all))
            }
        }
        deserializer.deserialize_any(WordOrTables)
    }
}

/// Bounds of a count.
#[derive(Debug, Clone, Copy)]
pub(in crate::recipe) struct WrittenCount {
    min: u32,
    max: Option<u32>,
}

impl<'de> Deserialize<'de> for WrittenCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Bounds {
            #[serde(default)]
            min: u32,
            max: Option<u32>,
        }
        struct NumberOrBounds;
        impl<'de> Visitor<'de> for NumberOrBounds {
            type Value = WrittenCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or { min = …, max = … }")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<WrittenCount, E> {
                let number = u32::try_from(number).map_err(|_| {
                    E::custom(format!(
                        "`count` = {number}: at most {}, and not negative",
                        u32::MAX
                    ))
                })?;
                Ok(WrittenCount {
                    min: number,
                    max: Some(number),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenCount, A::Error> {
                let Bounds { min, max } = Bounds::deserialize(MapAccessDeserializer::new(map))?;
                Ok(WrittenCount { min, max })
            }
        }
        deserializer.deserialize_any(NumberOrBounds)
    }
}

/// One table `[[expect]]` or `[[inconclusive]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::recipe) struct WrittenExpectation {
    finding: Option<FindingKind>,
    title: Option<Spanned<String>>,
    title_regex: Option<Spanned<String>>,
    device: Option<Spanned<String>>,
    #[serde(default)]
    fields: BTreeMap<String, u64>,
    log: Option<Spanned<String>>,
    log_regex: Option<Spanned<String>>,
    result: Option<String>,
    value: Option<Spanned<String>>,
    value_regex: Option<Spanned<String>>,
    count: Option<Spanned<WrittenCount>>,
    #[serde(default)]
    never: bool,
    note: Option<String>,
}

/// Checks the expectations of a recipe; device names are put in for `${name}`.
pub(in crate::recipe) fn expectations(
    written: Spanned<WrittenExpect>,
    inconclusive: Vec<Spanned<WrittenExpectation>>,
    allow_unbound: Vec<Spanned<String>>,
    boots: Option<ExpectBoots>,
    layout: &Layout,
) -> Checked<Expectations> {
    let span = written.span();
    let late_probe = |never| {
        let subject = Subject::Finding {
            kind: FindingKind::LateProbe,
            title: None,
            device: None,
            fields: BTreeMap::new(),
        };
        vec![Expectation::new(subject, never)]
    };
    let checked = |tables: Vec<Spanned<WrittenExpectation>>| {
        if let Some(more) = tables.get(MAX) {
            return problem(more.span(), format!("more than {MAX} tables of one name"));
        }
        let checked = tables.into_iter().map(|one| {
            let span = one.span();
            one.into_inner().check(span, layout)
        });
        checked.collect::<Checked<Vec<_>>>()
    };
    let all = match written.into_inner() {
        WrittenExpect::Hit => late_probe(false),
        WrittenExpect::NoHit => late_probe(true),
        WrittenExpect::Tables(tables) if tables.is_empty() => {
            return problem(
                span,
                "`expect`: at least one table [[expect]], or \"hit\" or \"no-hit\"",
            );
        }
        WrittenExpect::Tables(tables) => checked(tables)?,
    };
    for smmu in &allow_unbound {
        if layout.smmu(smmu.get_ref()).is_none() {
            let names = list(layout.smmus.iter().map(|s| s.name.as_str()));
            let text = format!(
                "`allow_unbound`: \"{}\" is not an SMMU of the board, which has {names}",
                smmu.get_ref()
            );
            return problem(smmu.span(), text);
        }
    }
    let boots = boots.unwrap_or(if all.iter().all(Expectation::is_negated) {
        ExpectBoots::Every
    } else {
        ExpectBoots::Some
    });
    Ok(Expectations {
        all,
        inconclusive: checked(inconclusive)?,
        allow_unbound: allow_unbound.into_iter().map(Spanned::into_inner).collect(),
        boots,
    })
}

impl WrittenExpectation {
    fn check(self, span: Range<usize>, layout: &Layout) -> Checked<Expectation> {
        let Self {
            finding,
            title,
            title_regex,
            device,
            fields,
            log,
            log_regex,
            result,
            value,
            value_regex,
            count,
            never,
            note,
        } = self;
        let title = pattern("title", title, title_regex, Pattern::Exact, layout)?;
        let log = pattern("log", log, log_regex, Pattern::Contains, layout)?;
        let value = pattern("value", value, value_regex, Pattern::Exact, layout)?;
        let device = device
            .map(|device| resolve(&device, layout, str::to_owned))
            .transpose()?;
        let of_finding = title.is_some() || device.is_some() || !fields.is_empty();
        let of_result = value.is_some();
        let subject = match (finding, log, result) {
            (Some(kind), None, None) if !of_result => Subject::Finding {
                kind,
                title,
                device,
                fields,
            },
            (None, Some(line), None) if !of_finding && !of_result => Subject::Log(line),
            (None, None, Some(name)) if !of_finding => Subject::Result { name, value },
            _ => {
                let text = "a table has one of `finding` (with `title`, `title_regex`, `device`, `fields`), `log` or \
                            `log_regex`, and `result` (with `value`, `value_regex`)";
                return problem(span, text);
            }
        };
        let mut checked = Expectation::new(subject, never);
        checked.note = note;
        if let Some(count) = count {
            let WrittenCount { min, max } = *count.get_ref();
            if never {
                return problem(count.span(), "`count` and `never` exclude each other");
            }
            if max.is_some_and(|max| max < min) || (min, max) == (0, None) {
                return problem(
                    count.span(),
                    "`count` allows no number, or any: `min` is at most `max`",
                );
            }
            (checked.min, checked.max) = (min, max);
        }
        Ok(checked)
    }
}

/// The pattern of two keys that exclude each other.
fn pattern(
    key: &str,
    plain: Option<Spanned<String>>,
    regex: Option<Spanned<String>>,
    of_text: impl Fn(String) -> Pattern,
    layout: &Layout,
) -> Checked<Option<Pattern>> {
    match (plain, regex) {
        (None, None) => Ok(None),
        (Some(_), Some(regex)) => problem(
            regex.span(),
            format!("`{key}` and `{key}_regex` exclude each other"),
        ),
        (Some(text), None) => Ok(Some(of_text(resolve(&text, layout, str::to_owned)?))),
        (None, Some(text)) => {
            let resolved = resolve(&text, layout, regex::escape)?;
            match RegexBuilder::new(&resolved).size_limit(REGEX_SIZE).build() {
                Ok(regex) => Ok(Some(Pattern::Regex(regex))),
                Err(error) => problem(text.span(), format!("`{key}_regex`: {error}")),
            }
        }
    }
}

/// Puts in device names for `${name}`, each as `escape` writes it.
fn resolve(text: &Spanned<String>, layout: &Layout, escape: impl Fn(&str) -> String) -> Checked<String> {
    let mut resolved = text.get_ref().clone();
    for name in references(text.get_ref()) {
        match layout.sysfs_name(name) {
            Some(device) => resolved = resolved.replace(&format!("${{{name}}}"), &escape(&device)),
            None => {
                let text_of = format!("`${{{name}}}` is neither a client nor an SMMU of the board");
                return problem(text.span(), text_of);
            }
        }
    }
    Ok(resolved)
}
