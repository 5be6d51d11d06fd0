// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Delays: what is late, and for how long.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::fields::{check_bank, check_fields, check_register};
#[cfg(feature = "serde")]
use super::number::narrow;
use super::problem::Problem;
use super::when::rule;
use crate::arch::frame::AccessKind;
use crate::arch::line::LineKind;
use crate::config::Geometry;

/// The longest delay that a rule may ask for: one minute.
pub const MAX_DELAY_US: u64 = 60_000_000;
/// The most status reads for which a rule may keep a status busy.
pub const MAX_POLLS: u32 = 1_000_000_000;

/// Operation that a delay makes late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Site {
    /// `CBn_ATSR.ACTIVE` stays set after an address translation operation of a context bank.
    Ats,
    /// `CBn_TLBSTATUS.SACTIVE` stays set after a write of `CBn_TLBSYNC`.
    ContextSync,
    /// `sTLBGSTATUS.GSACTIVE` stays set after a write of `sTLBGSYNC`.
    GlobalSync,
    /// An interrupt arrives later; whatever the line asks for meanwhile arrives with it, as one.
    Interrupt,
    /// The reply to a register access comes later. QEMU, and the guest in it, stand still until then.
    Register,
}

/// Length of a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        untagged,
        expecting = "a number of microseconds, or `{ min = …, max = … }` or `{ mean = …, max = … }` of them, was \
                     expected"
    )
)]
pub enum Time {
    /// Always this many microseconds.
    Fixed(u64),
    /// Drawn for every operation, all values alike.
    Uniform(Bounds),
    /// Drawn for every operation, short ones more often.
    Exponential(Exponential),
}

/// Inclusive bounds in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Bounds {
    /// Shortest.
    pub min: u64,
    /// Longest.
    pub max: u64,
}

/// An exponential distribution, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Exponential {
    /// The mean, before the bound.
    pub mean: u64,
    /// Longer times than this count as this.
    pub max: u64,
}

rule! {
    /// A rule that makes something late.
    pub struct DelayRule {
        /// Operation that is late.
        pub site: Site,
        /// Only this context bank, for [`Site::Ats`] and [`Site::ContextSync`]; every bank if absent.
        pub bank: Option<u8> by "narrow",
        /// For [`Site::Register`]: the specification's name without `SMMU_`, such as `sCR0` or `SMRn`.
        pub register: Option<String>,
        /// For [`Site::Interrupt`]: which kind of line; every line if absent.
        pub line: Option<LineKind>,
        /// The `n` of the register, or the bank or counter group of the line; all if absent.
        pub index: Option<u16> by "narrow",
        /// For [`Site::Register`]: reads or writes; both if absent.
        pub access: Option<AccessKind>,
        /// Busy for this many reads of the status register.
        pub polls: Option<u32>,
        /// Late by this many microseconds of [`crate::Host::now`].
        pub time_us: Option<Time>,
        /// Late until this mark is raised, but not longer than `at_most_us`.
        pub until: Option<String>,
        /// Upper bound of `until`, in microseconds.
        pub at_most_us: Option<u64>,
    }
}

/// Fields that say how late something is, apart from `polls`, which not all sites have.
const TIMES: [&str; 3] = ["time_us", "until", "at_most_us"];

const _: () = {
    let mut i = 0;
    while i < Site::ALL.len() {
        assert!(Site::ALL[i] as usize == i, "the sites are not in their order");
        i += 1;
    }
    assert!(
        Site::ALL.len() == Site::Register as usize + 1,
        "a site is missing"
    );
};

impl Site {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ats,
        Self::ContextSync,
        Self::GlobalSync,
        Self::Interrupt,
        Self::Register,
    ];

    /// The fields that go with the site, apart from those of the time and of [`super::When`].
    #[must_use]
    pub const fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Ats | Self::ContextSync => &["bank", "polls"],
            Self::GlobalSync => &["polls"],
            Self::Interrupt => &["line", "index"],
            Self::Register => &["register", "index", "access"],
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ats => "ats",
            Self::ContextSync => "context-sync",
            Self::GlobalSync => "global-sync",
            Self::Interrupt => "interrupt",
            Self::Register => "register",
        }
    }
}

impl DelayRule {
    /// The longest time that the rule can take, in microseconds; 0 for one in polls.
    #[must_use]
    pub fn longest_us(&self) -> u64 {
        match self.time_us {
            Some(Time::Fixed(time)) => time,
            Some(Time::Uniform(Bounds { max, .. }) | Time::Exponential(Exponential { max, .. })) => max,
            None => self.at_most_us.unwrap_or(0),
        }
    }

    pub(super) fn validate(&self, geometry: &Geometry) -> Result<(), Problem> {
        self.validate_site(geometry)?;
        self.validate_time()
    }

    fn validate_site(&self, geometry: &Geometry) -> Result<(), Problem> {
        if self.site == Site::Ats && !geometry.ats {
            return Err(Problem::new(
                "site",
                "is \"ats\", but the model has no address translation operations (`ats` = false)",
            ));
        }
        let given = self.given().filter(|field| !TIMES.contains(field));
        check_fields(given, self.site.takes(), "site", self.site.name())?;
        check_bank(self.bank, geometry)?;
        if self.site == Site::Register {
            check_register(self.register.as_deref())?;
        }
        Ok(())
    }

    fn validate_time(&self) -> Result<(), Problem> {
        let kinds = [self.polls.is_some(), self.time_us.is_some(), self.until.is_some()];
        if kinds.iter().filter(|&&given| given).count() != 1 {
            return Err(Problem::new(
                "polls",
                "or `time_us` or `until`: exactly one of the three has to be given",
            ));
        }
        if self.polls.is_some_and(|polls| polls == 0 || polls > MAX_POLLS) {
            return Err(Problem::new("polls", format!("must be 1 to {MAX_POLLS}")));
        }
        match self.time_us {
            Some(Time::Fixed(time)) if time > MAX_DELAY_US => {
                return Err(Problem::new("time_us", format!("must be at most {MAX_DELAY_US}")));
            }
            Some(Time::Uniform(Bounds { min, max })) if min > max || max > MAX_DELAY_US => {
                return Err(Problem::new(
                    "time_us",
                    format!("needs min <= max <= {MAX_DELAY_US}"),
                ));
            }
            Some(Time::Exponential(Exponential { mean, max })) if mean > max || max > MAX_DELAY_US => {
                return Err(Problem::new(
                    "time_us",
                    format!("needs mean <= max <= {MAX_DELAY_US}"),
                ));
            }
            _ => {}
        }
        match (&self.until, self.at_most_us) {
            (Some(_), None) => Err(Problem::new(
                "at_most_us",
                "is missing: `until` needs an upper bound",
            )),
            (None, Some(_)) => Err(Problem::new("at_most_us", "is the bound of `until` and needs it")),
            (Some(_), Some(bound)) if bound == 0 || bound > MAX_DELAY_US => {
                Err(Problem::new("at_most_us", format!("must be 1 to {MAX_DELAY_US}")))
            }
            _ => Ok(()),
        }
    }
}
