// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The registers and table descriptors of SMMUv2, from the Arm System Memory Management Unit Architecture
//! Specification, IHI 0062 issue D.c. This module holds types and tables only, no algorithms.
//!
//! Field types are written top bit first, like the specification's tables. A type whose fields overlap has several
//! formats; the others forbid overlaps at compile time.

#![expect(missing_debug_implementations, reason = "bitbybit's builders have none")]

pub(crate) mod any;
pub mod bank;
pub mod cb;
pub mod desc;
pub mod effect;
pub mod fields;
pub mod form;
pub mod gid;
pub mod global;
pub mod gr0;
pub mod gr1;
pub mod ident;
pub mod par;
pub mod pm;
pub mod regs;
pub mod secure;
pub mod short;
pub mod tcr;

use crate::spec::regs::{Row, Table};

/// The tables: global spaces 0 and 1, a context bank, the other global pages.
pub const FRAMES: [(&str, &[Row]); 10] = [
    ("GR0", gr0::Gr0::ROWS),
    ("GR1", gr1::Gr1::ROWS),
    ("CB", cb::Cb::ROWS),
    ("GID", gid::Gid::ROWS),
    ("PM", pm::Pm::ROWS),
    ("EXSMR", gid::Exsmr::ROWS),
    ("EXS2CR", gid::Exs2cr::ROWS),
    ("PRR", gid::Prr::ROWS),
    ("SSD", gid::Ssd::ROWS),
    ("COMPINDEX", gid::Compindex::ROWS),
];

/// Names of all registers, frame by frame, in address order.
pub fn register_names() -> impl Iterator<Item = &'static str> {
    FRAMES.into_iter().flat_map(|(_, rows)| rows).map(|row| row.name)
}

/// The row of a name.
#[must_use]
pub fn row_of(name: &str) -> Option<&'static Row> {
    FRAMES
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .find(|row| row.name == name)
}
