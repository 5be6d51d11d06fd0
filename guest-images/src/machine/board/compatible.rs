// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The `compatible` property of an SMMU.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Strings of `compatible`, the most specific one first: Linux takes a driver by the first that it knows, and quirks by
/// any. A recipe has one string or an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Compatible(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a string or an array of strings")]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl From<Written> for Compatible {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::One(name) => vec![name],
            Written::Several(names) => names,
        })
    }
}

impl Default for Compatible {
    fn default() -> Self {
        Self(vec!["arm,mmu-500".to_owned()])
    }
}

impl Compatible {
    /// The strings, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether a device tree can have them: at least one, and none with other characters than such names have.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let known = |b: u8| b.is_ascii_alphanumeric() || b",.-_+".contains(&b);
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(known);
        !self.0.is_empty() && self.0.iter().all(is_name)
    }
}

impl fmt::Display for Compatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
