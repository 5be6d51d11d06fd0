// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The table walks, below a context bank: from an address to a [`Leaf`].
//!
//! | file | holds |
//! | --- | --- |
//! | `leaf` | blocks, pages, tables and faults: the results of a walk |
//! | `stages`, `long`, `short` | one stage; of long and of short descriptors |
//! | `memory`, `through` | where descriptors are read, behind stage 2 if there is one |
//! | `kept` | what a walk may take from earlier ones |
//! | `nested` | both stages of a bank together |
//! | `permissions`, `attributes` | what a leaf says of accesses and of memory types |
//!
//! `stages::stage1` and `stages::stage2` walk one stage, and are what a cache of walks calls: they start from the table
//! of an earlier walk if they are given one, and hand back those that they passed. A table serves every address of its
//! range for as long as software does not invalidate it; a cache that keeps one looks it up with [`TableRef::serves`],
//! by the address that `Stage1::canonical` makes of the input.

mod attributes;
mod cached;
pub(crate) mod leaf;
mod long;
mod memory;
mod nested;
mod permissions;
mod short;
mod stages;
#[cfg(test)]
mod tests;
mod through;

pub(crate) use attributes::Attributes;
pub(crate) use cached::WalkCache;
pub(crate) use leaf::{Leaf, TableRef, Tables, WalkFault};
pub(crate) use memory::{DescriptorMemory, DescriptorRead, Physical, Probe};
pub(crate) use nested::{Stages, translate};
pub(crate) use permissions::{PermissionRules, Permissions};
