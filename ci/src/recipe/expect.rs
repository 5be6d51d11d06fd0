// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Expectations of a recipe: findings, lines and results that a boot has to show, or must not show.

#[cfg(test)]
mod tests;
mod written;

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;

use super::finding::FindingKind;

pub(super) use written::{WrittenExpect, WrittenExpectation, expectations};

/// Number of boots of a run that have to be as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectBoots {
    /// One is enough, as for a race.
    Some,
    /// All conclusive ones, as for a control.
    Every,
}

/// Expectations of a recipe.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// Expectations of a boot, met or negated; at least one.
    pub all: Vec<Expectation>,
    /// A boot for which one of these holds is inconclusive.
    pub inconclusive: Vec<Expectation>,
    /// SMMUs of the board that may stay without a driver.
    pub allow_unbound: Vec<String>,
    /// Number of boots that have to be as expected.
    pub boots: ExpectBoots,
}

/// One expectation: a subject, and how often it is to be seen in a boot.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// Subject of the expectation.
    pub subject: Subject,
    /// Least number of occurrences.
    pub min: u32,
    /// Largest number of occurrences; no limit if absent.
    pub max: Option<u32>,
    /// Reason, for people.
    pub note: Option<String>,
}

/// Subject of an expectation.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A finding on the console.
    Finding {
        /// Its kind.
        kind: FindingKind,
        /// Its title.
        title: Option<Pattern>,
        /// The device that the kernel named.
        device: Option<String>,
        /// Values of decoded fields.
        fields: BTreeMap<String, u64>,
    },
    /// A line of the console.
    Log(Pattern),
    /// A result of a step.
    Result {
        /// Its name.
        name: String,
        /// Its text.
        value: Option<Pattern>,
    },
}

/// Text to compare with.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// The whole text.
    Exact(String),
    /// A part of it.
    Contains(String),
    /// A regular expression that matches somewhere in it.
    Regex(Regex),
}

impl Pattern {
    /// Whether `text` fits.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(whole) => whole == text,
            Self::Contains(part) => text.contains(part),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "{text}"),
            Self::Contains(text) => write!(f, "\"{text}\""),
            Self::Regex(regex) => write!(f, "/{}/", regex.as_str()),
        }
    }
}

impl Expectation {
    /// At least one occurrence of `subject`, or none.
    pub fn new(subject: Subject, never: bool) -> Self {
        Self {
            subject,
            min: u32::from(!never),
            max: never.then_some(0),
            note: None,
        }
    }

    /// Whether it is that something is *not* seen.
    pub fn is_negated(&self) -> bool {
        self.max == Some(0)
    }

    /// Whether an occurrence of a finding of `kind` may be part of meeting it.
    pub fn wants(&self, kind: FindingKind) -> bool {
        !self.is_negated() && matches!(self.subject, Subject::Finding { kind: own, .. } if own == kind)
    }
}

impl Expectations {
    /// Whether a finding of `kind` is to be seen, so that it does not end the boot by itself.
    pub fn wants(&self, kind: FindingKind) -> bool {
        self.all.iter().any(|one| one.wants(kind))
    }

    /// Whether findings of kernel trouble alone decide: then a boot may end once they are seen.
    pub fn are_trouble(&self) -> bool {
        self.all.iter().all(|one| match one.subject {
            Subject::Finding { kind, .. } => kind.is_trouble() && kind != FindingKind::Unbound,
            Subject::Log(_) | Subject::Result { .. } => false,
        })
    }

    /// Whether an SMMU of that name may stay without a driver.
    pub fn allows_unbound(&self, smmu: &str) -> bool {
        self.allow_unbound.iter().any(|allowed| allowed == smmu)
    }

    /// Whether a finding is one that is to be seen, or may be.
    pub fn has_finding(&self, finding: FindingRef<'_>) -> bool {
        let fits = |one: &Expectation| !one.is_negated() && one.subject.fits(finding);
        self.all.iter().any(fits)
            || finding.kind == FindingKind::Unbound && self.allows_unbound(finding.title)
    }

    /// Patterns of the lines that are looked for, in order: first those of `all`, then those of `inconclusive`.
    pub fn lines(&self) -> Vec<Pattern> {
        self.all
            .iter()
            .chain(&self.inconclusive)
            .filter_map(|one| match &one.subject {
                Subject::Log(pattern) => Some(pattern.clone()),
                Subject::Finding { .. } | Subject::Result { .. } => None,
            })
            .collect()
    }
}

/// A finding as expectations see it.
#[derive(Debug, Clone, Copy)]
pub struct FindingRef<'a> {
    /// Its kind.
    pub kind: FindingKind,
    /// Its title.
    pub title: &'a str,
    /// The device that the kernel named.
    pub device: Option<&'a str>,
    /// Decoded fields.
    pub fields: &'a BTreeMap<String, u64>,
}

impl Subject {
    /// Whether a finding is of this subject.
    pub fn fits(&self, finding: FindingRef<'_>) -> bool {
        let Self::Finding {
            kind,
            title,
            device,
            fields,
        } = self
        else {
            return false;
        };
        *kind == finding.kind
            && title.as_ref().is_none_or(|title| title.fits(finding.title))
            && device
                .as_deref()
                .is_none_or(|device| finding.device == Some(device))
            && fields
                .iter()
                .all(|(name, value)| finding.fields.get(name) == Some(value))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finding {
                kind,
                title,
                device,
                fields,
            } => {
                write!(f, "{}", kind.words())?;
                if let Some(title) = title {
                    write!(f, " ({title})")?;
                }
                if let Some(device) = device {
                    write!(f, " of {device}")?;
                }
                for (name, value) in fields {
                    write!(f, " {name}={value:#x}")?;
                }
                Ok(())
            }
            Self::Log(pattern) => write!(f, "line with {pattern}"),
            Self::Result { name, value: None } => write!(f, "result {name}"),
            Self::Result {
                name,
                value: Some(value),
            } => write!(f, "result {name} = {value}"),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match (self.min, self.max) {
            (_, Some(0)) => write!(f, "no {subject}"),
            (1, None) => write!(f, "{subject}"),
            (min, None) => write!(f, "{subject} at least {min} times"),
            (0, Some(max)) => write!(f, "{subject} at most {max} times"),
            (min, Some(max)) if min == max => write!(f, "{subject} exactly {min} times"),
            (min, Some(max)) => write!(f, "{subject} {min} to {max} times"),
        }
    }
}

impl fmt::Display for Expectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, one) in self.all.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{one}")?;
        }
        Ok(())
    }
}
