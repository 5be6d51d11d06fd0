// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The plan at work. The device asks at named sites whether a rule hits the operation that begins there; what the rule
//! then does stands here and nowhere else.
//!
//! | file | site | asked by |
//! | --- | --- | --- |
//! | `timing` | busy status bits | `sync`, `ats` |
//! | `streams` | stream matching | `transact` |
//! | `translations` | an access in its bank, the read of a descriptor | `transact`, `ats` |
//! | `invalidations` | TLB maintenance | `tlb_ops` |
//! | `registers` | register accesses and their replies | `mmio` |
//! | `lines` | interrupt lines | `lines` |
//! | `injector`, `rules`, `chance` | which rule hits; where chance comes from | all of them |
//!
//! Without a rule for a site, all that a site costs is the test of one bit.

mod chance;
mod injector;
mod invalidations;
mod lines;
mod registers;
mod rules;
pub(crate) mod saved;
mod streams;
mod timing;
mod translations;

#[cfg(test)]
mod tests;

pub(crate) use injector::Injector;
pub(crate) use registers::{Answer, Seen};
