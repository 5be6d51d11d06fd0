// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Classes of boots: what a boot says on the rate that is measured.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::boot::findings::Finding;
use crate::boot::outcome::{BootReport, Outcome};
use crate::recipe::{ExpectBoots, Expectations};

/// Class of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It showed what is counted.
    Hit,
    /// It got to its end and did not show it.
    Clean,
    /// It did not get so far, for another bug of the kernel.
    OtherBug,
    /// The guest did not get so far, without a bug that its kernel named.
    Inconclusive,
    /// QEMU, the server or the host failed: the boot says nothing on the guest.
    Infra,
}

impl Class {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::Clean,
        Self::OtherBug,
        Self::Inconclusive,
        Self::Infra,
    ];

    /// Name in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Clean => "clean",
            Self::OtherBug => "other-bug",
            Self::Inconclusive => "inconclusive",
            Self::Infra => "infra",
        }
    }

    /// Class of a boot that has a report.
    pub fn of(report: &BootReport, expect: &Expectations) -> Self {
        match (&report.outcome, expect.boots) {
            (Outcome::AsExpected, ExpectBoots::Some) | (Outcome::NotAsExpected(_), ExpectBoots::Every) => {
                Self::Hit
            }
            (Outcome::AsExpected, ExpectBoots::Every) | (Outcome::NotAsExpected(_), ExpectBoots::Some) => {
                Self::Clean
            }
            (Outcome::Inconclusive(_) | Outcome::NotBooted(_), _) => {
                if report
                    .findings
                    .iter()
                    .any(|finding| is_other_bug(finding, expect))
                {
                    Self::OtherBug
                } else {
                    Self::Inconclusive
                }
            }
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether a finding is a bug of the kernel that the recipe does not look for. Faults and failed probes are what its
/// driver reports, and no bugs as such.
pub fn is_other_bug(finding: &Finding, expect: &Expectations) -> bool {
    let named = |one: &crate::recipe::Expectation| one.subject.fits(finding.as_ref());
    finding.kind.is_bug() && !expect.all.iter().any(named)
}

/// Description of the boots of a recipe that are hits.
pub fn counted(expect: &Expectations) -> String {
    match expect.boots {
        ExpectBoots::Some => format!("as expected: {expect}"),
        ExpectBoots::Every => format!("not as expected: {expect}"),
    }
}
