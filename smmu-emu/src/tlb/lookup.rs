// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The TLB as a translation uses it: what is known shortens the walk of a stage, and what the walk finds fills it.

use core::cell::RefCell;

use super::{Fills, Tag, Tlb};
use crate::arch::stage::Stage;
use crate::translate::decoded::Decoded;
use crate::translate::walk::{Leaf, TableRef, Tables, WalkCache};

/// The TLB for one translation in a bank.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    tlb: &'a Tlb,
    stage1: Tag,
    stage2: Tag,
    fills: RefCell<&'a mut Fills>,
}

impl<'a> Lookup<'a> {
    /// For a bank as it is configured; `fills` takes up what the walks find.
    pub(crate) const fn new(tlb: &'a Tlb, bank: &Decoded, fills: &'a mut Fills) -> Self {
        Self {
            tlb,
            stage1: bank.stage1,
            stage2: bank.stage2,
            fills: RefCell::new(fills),
        }
    }

    const fn tag(&self, stage: Stage) -> Tag {
        match stage {
            Stage::First => self.stage1,
            Stage::Second => self.stage2,
        }
    }
}

impl WalkCache for Lookup<'_> {
    fn is_enabled(&self) -> bool {
        self.tlb.is_enabled()
    }

    fn leaf(&self, stage: Stage, address: u64) -> Option<Leaf> {
        self.tlb.leaf(self.tag(stage), address)
    }

    fn table(&self, stage: Stage, address: u64) -> Option<TableRef> {
        self.tlb.table(self.tag(stage), address)
    }

    fn walk_begins(&self) {
        self.fills.borrow_mut().walked = true;
    }

    fn fill(&self, stage: Stage, address: u64, leaf: &Leaf, tables: &Tables) {
        let tag = self.tag(stage);
        let mut fills = self.fills.borrow_mut();
        fills.leaves.push((tag, address, *leaf));
        let tables = tables.as_slice().iter();
        fills.tables.extend(tables.map(|table| (tag, address, *table)));
    }
}
