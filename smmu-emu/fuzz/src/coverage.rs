// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Number of hits of each kind of rule, and of comparisons, by fuzz target.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use smmu_emu::injected::{Injected, Injection};

use super::rules::Allowed;

/// Hits by target and by kind or site.
type Hits = BTreeMap<(&'static str, &'static str), u64>;

static HITS: Mutex<Hits> = Mutex::new(BTreeMap::new());

/// Steps that were compared, and hits, by target and by rules.
type Compared = BTreeMap<(&'static str, Allowed), (usize, usize)>;

static COMPARED: Mutex<Compared> = Mutex::new(BTreeMap::new());

/// Counts the comparisons of one input with rules.
pub fn count_compared(target: &'static str, allowed: Allowed, steps: usize, hits: usize) {
    let mut compared = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
    let sums = compared.entry((target, allowed)).or_default();
    *sums = (sums.0 + steps, sums.1 + hits);
}

/// Comparisons so far, of all inputs of this process.
pub fn compared() -> Compared {
    COMPARED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Counts the hits of one input.
pub fn count(target: &'static str, injected: &[Injected]) {
    let mut hits = HITS.lock().unwrap_or_else(PoisonError::into_inner);
    for hit in injected {
        let name = match hit.what {
            Injection::Delay(site) => site.name(),
            Injection::Error(kind) => kind.row().name,
        };
        *hits.entry((target, name)).or_default() += 1;
    }
}

/// Hits so far, of all inputs of this process.
pub fn hits() -> Hits {
    HITS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
