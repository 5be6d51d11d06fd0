// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Numbers as people write them.

use core::fmt;

#[cfg(feature = "serde")]
use serde::{Deserialize, Deserializer, Serialize};

/// A number of 64 bits, also written as a string such as `"0x1f"`: TOML has 63 bits, and many readers of JSON 53. It is
/// always shown as such a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Written", into = "String"))]
pub struct Number(pub u64);

#[cfg(feature = "serde")]
const EXPECTED: &str = "expected a number from 0 to 2^64 - 1, or a string such as \"0x1f\"";

#[cfg(feature = "serde")]
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number from 0 to 2^64 - 1, or a string such as \"0x1f\""
)]
enum Written {
    Number(u64),
    Text(String),
}

#[cfg(feature = "serde")]
impl TryFrom<Written> for Number {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let text = match written {
            Written::Number(number) => return Ok(Self(number)),
            Written::Text(text) => text,
        };
        let digits = text.replace('_', "");
        let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        number.map(Self).map_err(|_| EXPECTED)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A number that is written in either way, of a type of fewer bits.
#[cfg(feature = "serde")]
pub(super) fn narrow<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let number = Option::<Number>::deserialize(deserializer)?;
    let narrow = |Number(number)| {
        T::try_from(number).map_err(|_| serde::de::Error::custom(format_args!("{number} is too large")))
    };
    number.map(narrow).transpose()
}
