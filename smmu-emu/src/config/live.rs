// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stream-matching groups that firmware has left valid.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{ConfigError, Geometry};

/// A stream-matching group that is valid out of reset (`live_groups`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct LiveGroup {
    /// Number of the group; its position in the list if absent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub group: Option<u16>,
    /// Stream ID to match (`SMRn.ID`).
    pub stream_id: u16,
    /// Bits of the stream ID to ignore (`SMRn.MASK`); none if absent.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mask: u16,
    /// Type of its transactions (`S2CRn.TYPE`); bypass if absent.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "LiveKind::is_bypass")
    )]
    pub kind: LiveKind,
    /// Context bank of a group that translates (`S2CRn.CBNDX`), and of no other: theirs is 0xff.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub context_bank: Option<u8>,
}

/// Type of a group that is valid out of reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum LiveKind {
    /// Not translated.
    #[default]
    Bypass,
    /// An invalid context fault.
    Fault,
    /// Translated by a context bank.
    Translate,
}

impl LiveKind {
    #[cfg(feature = "serde")]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it like this")]
    fn is_bypass(&self) -> bool {
        *self == Self::Bypass
    }
}

impl LiveGroup {
    /// The groups with their numbers.
    pub(crate) fn numbered(groups: &[Self]) -> impl Iterator<Item = (u16, &Self)> {
        (0..)
            .zip(groups)
            .map(|(position, live)| (live.group.unwrap_or(position), live))
    }

    /// Checks the groups of a configuration.
    pub(super) fn check(groups: &[Self], geometry: &Geometry) -> Result<(), ConfigError> {
        let error = |value: String, allowed: String| {
            Err(ConfigError::Field {
                field: "live_groups",
                value,
                allowed,
            })
        };
        let (count, bits, banks) = (
            geometry.stream_match_groups,
            geometry.stream_id_bits,
            geometry.context_banks,
        );
        let mut taken = vec![false; count.into()];
        for (number, live) in Self::numbered(groups) {
            let Some(taken) = taken.get_mut(usize::from(number)) else {
                let allowed = format!("must be below {count} (`stream_match_groups`)");
                return error(format!("group {number}"), allowed);
            };
            if core::mem::replace(taken, true) {
                return error(
                    format!("group {number}"),
                    "stands twice: a group without `group` has the number of its place".into(),
                );
            }
            if (live.stream_id | live.mask) >> bits != 0 {
                let value = format!("stream_id {:#x}, mask {:#x}", live.stream_id, live.mask);
                return error(value, format!("must have {bits} bits (`stream_id_bits`)"));
            }
            let translates = live.kind == LiveKind::Translate;
            let allowed = match live.context_bank {
                None if translates => format!("needs a `context_bank`, 0 to {}", banks - 1),
                Some(bank) if translates && u16::from(bank) >= banks => {
                    format!("`context_bank` must be 0 to {}", banks - 1)
                }
                Some(_) if !translates => "`context_bank` goes with `kind` = \"translate\" alone".into(),
                None | Some(_) => continue,
            };
            return error(format!("group {number}"), allowed);
        }
        Ok(())
    }
}
