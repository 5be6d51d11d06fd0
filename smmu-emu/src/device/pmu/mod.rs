// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The performance monitor: groups of event counters (IHI 0062D §6).
//!
//! A cycle is a nanosecond of [`Host::now`](crate::Host::now) (1 GHz); cycles are counted up whenever the model runs,
//! so an overflow of a cycle counter shows then. Without a cache of translations, each translated access allocates a
//! TLB entry that it alone uses.

mod access;
mod counters;
mod events;

pub(crate) use counters::{EventKind, Pmu};
