// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Marks: named one-way flags of a run, raised by a register access that the model sees, or by the guest.
//!
//! One [`Marks`] serves all SMMUs of a process. It is a pure matcher: feed it every [`Access`] with the name of
//! the SMMU that saw it, and ask which marks are raised.
//!
//! ```
//! # use smmu_emu::{MarkRule, Marks};
//! let rule: MarkRule = toml::from_str(
//!     r#"
//!     name = "b-registering"     # the 34th write of a stream match register of SMMU b after …
//!     smmu = "b"
//!     register = "SMRn"
//!     access = "write"
//!     nth = 34
//!     after = "a-attached"       # … this mark
//!     "#,
//! )?;
//! let other: MarkRule = toml::from_str(r#"name = "a-attached""#)?;
//! let mut marks = Marks::new(vec![other, rule], &["a", "b"])?;
//! marks.raise(0);
//! assert!(marks.is_raised("a-attached") && !marks.is_raised("b-registering"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::arch::frame::{Access, AccessKind};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Rule that raises a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct MarkRule {
    /// Name of the mark, unique in the run.
    pub name: String,
    /// The SMMU to watch; any if absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub smmu: Option<String>,
    /// The register to watch, such as `SMRn`, or `*` for any access. Without it only the guest, or a command, raises
    /// the mark.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub register: Option<String>,
    /// The `n` of the register; any if absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub index: Option<u16>,
    /// Read or write; either if absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub access: Option<AccessKind>,
    /// Raised by the n-th matching access, counted from 1 and, if `after` is given, since that mark was raised.
    #[cfg_attr(feature = "serde", serde(default = "first"))]
    pub nth: u64,
    /// Accesses count only once this mark is raised. It has to be one of the run.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub after: Option<String>,
}

/// The name of every register.
const ANY: &str = "*";

#[cfg(feature = "serde")]
fn first() -> u64 {
    1
}

/// A mark rule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("mark `{name}`: `{field}` {problem}")]
#[non_exhaustive]
pub struct MarkError {
    /// Name of the mark.
    pub name: String,
    /// The field to change.
    pub field: &'static str,
    /// Problem of the field, and what is allowed.
    pub problem: String,
}

/// The marks of a run and which of them are raised.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    marks: Vec<Mark>,
}

#[derive(Clone, Debug)]
struct Mark {
    rule: MarkRule,
    after: Option<usize>,
    seen: u64,
    raised: bool,
}

/// Progress of a mark: [`Marks::save`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct MarkState {
    /// Name of the mark.
    pub name: String,
    /// Accesses that its rule has counted.
    pub seen: u64,
    /// It is raised.
    pub raised: bool,
}

/// The guest sees one 32-bit word per mark on a page of 4 KiB.
pub const MAX_MARKS: usize = 1024;
/// Bytes of a name.
const MAX_NAME: usize = 128;

impl Marks {
    /// Checks the rules against each other, the register tables and the names of the SMMUs.
    ///
    /// # Errors
    /// [`MarkError`] names the mark and the field.
    pub fn new(rules: Vec<MarkRule>, smmus: &[&str]) -> Result<Self, MarkError> {
        let mut marks = Vec::with_capacity(rules.len());
        for (i, rule) in rules.iter().enumerate() {
            let error = |field, problem: String| MarkError {
                name: rule.name.clone(),
                field,
                problem,
            };
            if i >= MAX_MARKS {
                return Err(error(
                    "name",
                    format!("is one too many: at most {MAX_MARKS} marks"),
                ));
            }
            if rule.name.is_empty() {
                return Err(error("name", "is empty".into()));
            }
            if rule.name.len() > MAX_NAME {
                return Err(error("name", format!("is longer than {MAX_NAME} bytes")));
            }
            if rules[..i].iter().any(|other| other.name == rule.name) {
                return Err(error("name", "is used twice".into()));
            }
            if let Some(smmu) = &rule.smmu
                && !smmus.contains(&smmu.as_str())
            {
                return Err(error(
                    "smmu",
                    format!("`{smmu}` is none of: {}", smmus.join(", ")),
                ));
            }
            match &rule.register {
                Some(register)
                    if register != ANY && !crate::spec::register_names().any(|name| name == register) =>
                {
                    let problem = format!(
                        "`{register}` is no register of the model (such as `sCR0`, `SMRn`, `CBn_FSR`)"
                    );
                    return Err(error("register", problem));
                }
                Some(_) => {}
                None => {
                    for (field, given) in [
                        ("smmu", rule.smmu.is_some()),
                        ("index", rule.index.is_some()),
                        ("access", rule.access.is_some()),
                        ("nth", rule.nth != 1),
                        ("after", rule.after.is_some()),
                    ] {
                        if given {
                            return Err(error(field, "needs `register`".into()));
                        }
                    }
                }
            }
            if rule.nth == 0 {
                return Err(error("nth", "counts from 1".into()));
            }
            let after = match &rule.after {
                None => None,
                Some(after) => match rules.iter().position(|other| other.name == *after) {
                    Some(other) if other == i => return Err(error("after", "names the mark itself".into())),
                    Some(other) => Some(other),
                    None => return Err(error("after", format!("`{after}` is no mark of this run"))),
                },
            };
            marks.push(Mark {
                rule: rule.clone(),
                after,
                seen: 0,
                raised: false,
            });
        }
        Ok(Self { marks })
    }

    /// Adds marks, none of them raised, behind those that there are.
    ///
    /// # Errors
    /// [`MarkError`] as of [`Marks::new`]; nothing is added then.
    pub fn add(&mut self, rules: &[MarkRule], smmus: &[&str]) -> Result<(), MarkError> {
        let all = self.rules().chain(rules).cloned().collect();
        let mut added = Self::new(all, smmus)?;
        self.marks.append(&mut added.marks.split_off(self.marks.len()));
        Ok(())
    }

    /// The rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &MarkRule> {
        self.marks.iter().map(|mark| &mark.rule)
    }

    /// Number of marks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether the run has no marks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Names in the order of the rules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.marks.iter().map(|mark| mark.rule.name.as_str())
    }

    /// Progress of each mark.
    #[must_use]
    pub fn save(&self) -> Vec<MarkState> {
        let marks = self.marks.iter();
        marks
            .map(|mark| MarkState {
                name: mark.rule.name.clone(),
                seen: mark.seen,
                raised: mark.raised,
            })
            .collect()
    }

    /// Lets every mark be as far as it was when it was saved. One that was not there then has seen nothing.
    ///
    /// # Errors
    /// [`MarkError`] names a mark that is not there; nothing is changed then.
    pub fn restore(&mut self, saved: &[MarkState]) -> Result<(), MarkError> {
        let unknown = saved
            .iter()
            .find(|state| self.names().all(|name| name != state.name));
        if let Some(MarkState { name, .. }) = unknown {
            return Err(MarkError {
                name: name.clone(),
                field: "name",
                problem: "is no mark of this run".into(),
            });
        }
        for mark in &mut self.marks {
            let state = saved.iter().find(|state| state.name == mark.rule.name);
            (mark.seen, mark.raised) = state.map_or((0, false), |state| (state.seen, state.raised));
        }
        Ok(())
    }

    /// Lets every mark see a register access of the SMMU `smmu`.
    ///
    /// An access that raises a mark does not count for a mark that waits for it with `after`.
    pub fn observe(&mut self, smmu: &str, access: &Access) {
        if self.marks.is_empty() {
            return;
        }
        let mut due = Vec::new();
        for i in 0..self.marks.len() {
            let armed = self.marks[i].after.is_none_or(|after| self.marks[after].raised);
            let mark = &mut self.marks[i];
            if armed && !mark.raised && mark.rule.matches(smmu, access) {
                mark.seen = mark.seen.saturating_add(1);
                if mark.seen >= mark.rule.nth {
                    due.push(i);
                }
            }
        }
        for i in due {
            self.raise(i);
        }
    }

    /// Raises the mark with this number, in the order of the rules. A number without a mark is ignored.
    pub fn raise(&mut self, number: usize) {
        if let Some(mark) = self.marks.get_mut(number) {
            mark.raised = true;
        }
    }

    /// Whether the mark of this name is raised; `false` for a name without a mark.
    #[must_use]
    pub fn is_raised(&self, name: &str) -> bool {
        self.marks
            .iter()
            .any(|mark| mark.raised && mark.rule.name == name)
    }

    /// Whether the mark with this number is raised; `false` for a number without a mark.
    #[must_use]
    pub fn is_raised_at(&self, number: usize) -> bool {
        self.marks.get(number).is_some_and(|mark| mark.raised)
    }
}

impl MarkRule {
    fn matches(&self, smmu: &str, access: &Access) -> bool {
        let register = self.register.as_deref();
        (register == Some(ANY) || register == Some(access.name))
            && self.smmu.as_deref().is_none_or(|name| name == smmu)
            && self.index.is_none_or(|index| index == access.index)
            && self.access.is_none_or(|kind| kind == access.kind)
    }
}
