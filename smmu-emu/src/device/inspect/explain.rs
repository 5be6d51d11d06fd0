// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The way of an address, step by step.

use core::cell::RefCell;

use super::Allowed;
use crate::arch::fault::Fault;
use crate::arch::memory::{BusError, little_endian};
use crate::arch::stage::Stage;
use crate::arch::transaction::{Transaction, Translation};
use crate::device::smmu::Smmu;
use crate::host::env::Env;
use crate::tlb::{Fills, Lookup};
use crate::translate::walk::{DescriptorRead, Leaf, Physical, Probe, TableRef, Tables, WalkCache};

/// Destination of an access, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// As of [`Smmu::translate`].
    pub result: Result<Translation, Fault>,
    /// Steps of the translation, in order.
    pub steps: Vec<Step>,
}

/// One thing that a translation looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The TLB had a block or page, or a walk ended at one.
    Leaf {
        /// The stage.
        stage: Stage,
        /// It was in the TLB, so that nothing was read.
        kept: bool,
        /// Input address.
        input: u64,
        /// Output address of this stage.
        output: u64,
        /// Bytes of the block or page.
        size: u64,
        /// Level of its descriptor.
        level: u32,
        /// Memory attributes of this stage, a byte of MAIR.
        attributes: u8,
        /// The kinds of access that this stage allows.
        permissions: Allowed,
    },
    /// The TLB had a table, at which the walk starts.
    Table {
        /// The stage.
        stage: Stage,
        /// Address of the table: for stage 1 of a nested translation an intermediate address.
        table: u64,
        /// Level of its descriptors.
        level: u32,
    },
    /// A descriptor was read.
    Read {
        /// The stage.
        stage: Stage,
        /// Level of the table.
        level: u32,
        /// Physical address of the descriptor.
        address: u64,
        /// Its value, as a little-endian number.
        value: u64,
        /// Kind of the descriptor, if the tables are little-endian.
        kind: DescriptorKind,
    },
}

/// Kind of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DescriptorKind {
    /// Nothing.
    Invalid,
    /// It leads to another table.
    Table,
    /// A block, or a section.
    Block,
    /// A page.
    Page,
}

impl DescriptorKind {
    /// Descriptors of four bytes are short ones.
    const fn of(value: u64, level: u32, bytes: usize) -> Self {
        match (bytes, level, value & 3) {
            (4, 1, 0) | (4, 2, 0) => Self::Invalid,
            (4, 1, 1) => Self::Table,
            (4, 1, _) => Self::Block,
            (4, ..) => Self::Page,
            (_, 3, 3) => Self::Page,
            (_, 3, _) | (_, _, 0 | 2) => Self::Invalid,
            (_, _, 3) => Self::Table,
            _ => Self::Block,
        }
    }
}

/// Writes down what a translation looks at.
struct Recorder<'a> {
    lookup: Lookup<'a>,
    steps: &'a RefCell<Vec<Step>>,
}

/// Writes down what a translation reads.
struct ReadRecorder<'a>(&'a RefCell<Vec<Step>>);

impl Probe for ReadRecorder<'_> {
    fn read(&self, read: &DescriptorRead, descriptor: &mut [u8]) -> Result<(), BusError> {
        let value = little_endian(descriptor);
        self.0.borrow_mut().push(Step::Read {
            stage: read.stage,
            level: read.level,
            address: read.address,
            value,
            kind: DescriptorKind::of(value, read.level, descriptor.len()),
        });
        Ok(())
    }
}

impl WalkCache for Recorder<'_> {
    fn leaf(&self, stage: Stage, address: u64) -> Option<Leaf> {
        let leaf = self.lookup.leaf(stage, address);
        if let Some(leaf) = &leaf {
            self.steps
                .borrow_mut()
                .push(Step::of_leaf(stage, true, address, leaf));
        }
        leaf
    }

    fn table(&self, stage: Stage, address: u64) -> Option<TableRef> {
        let table = self.lookup.table(stage, address);
        if let Some(table) = &table {
            self.steps.borrow_mut().push(Step::Table {
                stage,
                table: table.address,
                level: table.level,
            });
        }
        table
    }

    fn fill(&self, stage: Stage, address: u64, leaf: &Leaf, _: &Tables) {
        self.steps
            .borrow_mut()
            .push(Step::of_leaf(stage, false, address, leaf));
    }

    /// Asked about everything, whatever the TLB keeps: the steps are the point.
    fn is_enabled(&self) -> bool {
        true
    }
}

impl Step {
    fn of_leaf(stage: Stage, kept: bool, input: u64, leaf: &Leaf) -> Self {
        Self::Leaf {
            stage,
            kept,
            input,
            output: leaf.address,
            size: leaf.size,
            level: leaf.level,
            attributes: leaf.attributes,
            permissions: Allowed(leaf.permissions),
        }
    }
}

impl Smmu {
    /// Destination of an access, with every step of the way there: what [`Smmu::translate`] says, in full.
    #[must_use]
    pub fn explain(&self, env: &dyn Env, transaction: &Transaction) -> Explained {
        let steps = RefCell::default();
        let reads = ReadRecorder(&steps);
        let mut fills = Fills::default();
        let memory = Physical::read_only(env).probed(&reads);
        let result = self.translate_with(memory, transaction, |bank| Recorder {
            lookup: Lookup::new(&self.tlb, bank, &mut fills),
            steps: &steps,
        });
        Explained {
            result,
            steps: steps.into_inner(),
        }
    }
}
