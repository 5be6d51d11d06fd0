// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stream IDs of clients, as the device tree's `iommus` has them.

use serde::{Deserialize, Serialize};

/// Stream IDs of a client at one SMMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IommuRef {
    /// Name of the SMMU.
    pub smmu: String,
    /// The stream IDs one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stream_ids: Vec<u16>,
    /// Or a run of them; comes after `stream_ids` if both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id_range: Option<StreamIdRange>,
    /// Bits of a stream ID that the SMMU does not compare (SMRn.MASK): the second cell of each specifier. An SMMU with
    /// one has `#iommu-cells = 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<u16>,
}

impl IommuRef {
    /// All stream IDs, in device tree order. Ones past 16 bits, which validation refuses, keep their number.
    pub fn all_stream_ids(&self) -> impl Iterator<Item = u32> + '_ {
        let range = self.stream_id_range.map_or(0..0, |r| {
            let first = u32::from(r.first);
            first..first.saturating_add(u32::from(r.count))
        });
        self.stream_ids.iter().map(|id| u32::from(*id)).chain(range)
    }

    /// Whether a stream matches one of the stream IDs, leaving out the bits of `mask` and of the SMMU's own mask.
    pub fn matches(&self, stream: u16, smmu_mask: u16) -> bool {
        let mask = u32::from(self.mask.unwrap_or(smmu_mask));
        self.all_stream_ids()
            .any(|id| (id ^ u32::from(stream)) & !mask == 0)
    }
}

/// A run of stream IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamIdRange {
    /// The first one.
    pub first: u16,
    /// Number of stream IDs.
    pub count: u16,
}
