// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! VERSION: the client's proposal, checked, and the server's reply.

use rustix::io::Errno;
use serde_json::{Map, Value, json};
use zerocopy::IntoBytes;

use super::wire::{self, prefix};
use crate::host::memory::MAX_MAPS;

/// The largest `max_msg_fds` of a client, as in libvfio-user. The kernel carries 253 in one message (SCM_MAX_FD).
const MAX_CLIENT_FDS: u64 = 1024;
/// The smallest page of DMA_MAP, in bytes.
const PAGE_SIZE: u64 = 4096;

/// A capability's name, and whether a value has the type and range that the specification gives it.
type Capability = (&'static str, fn(&Value) -> bool);

/// Capabilities of the specification, and `migration`, which earlier versions had. Others are of later versions.
const CAPABILITIES: [Capability; 7] = [
    ("max_msg_fds", |value| {
        value.as_u64().is_some_and(|count| count <= MAX_CLIENT_FDS)
    }),
    ("max_data_xfer_size", Value::is_u64),
    ("max_dma_maps", Value::is_u64),
    ("pgsizes", |value| {
        value
            .as_u64()
            .is_some_and(|sizes| sizes != 0 && sizes.is_multiple_of(PAGE_SIZE))
    }),
    ("write_multiple", Value::is_boolean),
    ("twin_socket", |value| are_valid(value, &TWIN_SOCKET)),
    ("migration", |value| are_valid(value, &MIGRATION)),
];

const TWIN_SOCKET: [Capability; 1] = [("supported", Value::is_boolean)];

const MIGRATION: [Capability; 2] = [
    ("pgsize", |value| {
        value
            .as_u64()
            .is_some_and(|size| size >= PAGE_SIZE && size.is_power_of_two())
    }),
    ("max_bitmap_size", Value::is_u64),
];

/// Whether a value is an object and each of the capabilities that it has is valid.
fn are_valid(value: &Value, capabilities: &[Capability]) -> bool {
    value.as_object().is_some_and(|object| {
        capabilities
            .iter()
            .all(|(name, is_valid)| object.get(*name).is_none_or(is_valid))
    })
}

/// Checks a client's VERSION payload. Nothing is sent to the client unasked, so the values make no difference.
///
/// # Errors
/// `EINVAL` for a major version that is not 0, for version data that is no JSON object with a NUL behind it, and for a
/// capability of the wrong type or range.
pub fn check(payload: &[u8]) -> Result<(), Errno> {
    let (version, data) = prefix::<wire::Version>(payload)?;
    if version.major.get() != 0 {
        return Err(Errno::INVAL);
    }
    let Some((nul, json)) = data.split_last() else {
        return Ok(());
    };
    let data: Map<String, Value> = serde_json::from_slice(json).map_err(|_| Errno::INVAL)?;
    tracing::debug!(minor = version.minor.get(), ?data, "client's version");
    let capabilities = data.get("capabilities");
    if *nul == 0 && capabilities.is_none_or(|capabilities| are_valid(capabilities, &CAPABILITIES)) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

/// The payload of the server's reply: version 0.0, which QEMU knows, and the server's limits.
#[must_use]
pub fn reply() -> Vec<u8> {
    let version = wire::Version {
        major: 0.into(),
        minor: 0.into(),
    };
    let capabilities = json!({ "capabilities": {
        "max_msg_fds": wire::MAX_MESSAGE_FDS,
        "max_data_xfer_size": wire::MAX_DATA_TRANSFER,
        "max_dma_maps": MAX_MAPS,
        "pgsizes": PAGE_SIZE,
        "write_multiple": true,
    }});
    let mut payload = version.as_bytes().to_vec();
    payload.extend_from_slice(capabilities.to_string().as_bytes());
    payload.push(0);
    payload
}
