// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The TLB as a translation uses it: what is known shortens the walk of a stage, and what the walk finds is learnt.

use core::cell::RefCell;

use super::{Learnt, Tag, Tlb};
use crate::arch::stage::Stage;
use crate::translate::decoded::Decoded;
use crate::translate::walk::{Kept, Leaf, TableRef, Tables};

/// The TLB for one translation in a bank.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    tlb: &'a Tlb,
    stage1: Tag,
    stage2: Tag,
    learnt: &'a RefCell<Learnt>,
}

impl<'a> Lookup<'a> {
    /// For a bank as it is configured.
    pub(crate) const fn new(tlb: &'a Tlb, bank: &Decoded, learnt: &'a RefCell<Learnt>) -> Self {
        Self {
            tlb,
            stage1: bank.stage1,
            stage2: bank.stage2,
            learnt,
        }
    }

    const fn tag(&self, stage: Stage) -> Tag {
        match stage {
            Stage::First => self.stage1,
            Stage::Second => self.stage2,
        }
    }
}

impl Kept for Lookup<'_> {
    fn keeps(&self) -> bool {
        self.tlb.keeps()
    }

    fn leaf(&self, stage: Stage, address: u64) -> Option<Leaf> {
        self.tlb.leaf(self.tag(stage), address)
    }

    fn table(&self, stage: Stage, address: u64) -> Option<TableRef> {
        self.tlb.table(self.tag(stage), address)
    }

    fn walks(&self) {
        self.learnt.borrow_mut().walked = true;
    }

    fn learn(&self, stage: Stage, address: u64, leaf: &Leaf, tables: &Tables) {
        let tag = self.tag(stage);
        let mut learnt = self.learnt.borrow_mut();
        learnt.leaves.push((tag, address, *leaf));
        let tables = tables.as_slice().iter();
        learnt.tables.extend(tables.map(|table| (tag, address, *table)));
    }
}
