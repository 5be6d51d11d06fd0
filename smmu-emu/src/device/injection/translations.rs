// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Accesses that fault in their bank, and descriptors that are not read as they are.

use core::cell::RefCell;

use super::Injector;
use crate::arch::fault::ContextCause;
use crate::arch::memory::{BusError, little_endian};
use crate::arch::transaction::{Origin, Visit};
use crate::host::env::Env;
use crate::host::injected::{Injected, Point, What};
use crate::plan::Sites;
use crate::plan::{FaultRule, Kind};
use crate::translate::walk::{DescriptorRead, Probe, WalkFault};

impl Injector {
    /// An access enters its bank: the fault that it takes there.
    pub(crate) fn access(&mut self, env: &mut dyn Env, visit: &Visit, origin: Origin) -> Option<WalkFault> {
        if !self.watches(Sites::ACCESSES) {
            return None;
        }
        let is_for = |rule: &FaultRule| rule.of_access().is_some() && rule.is_for_visit(visit, origin);
        let (rule, _) = self.fault(env, point(visit, origin), is_for)?;
        let level = rule.level.unwrap_or(3).into();
        rule.of_access().map(|cause| WalkFault::stage1(cause, level))
    }
}

impl FaultRule {
    fn of_access(&self) -> Option<ContextCause> {
        match self.kind {
            Kind::Unmapped => Some(ContextCause::Translation),
            Kind::Permission => Some(ContextCause::Permission),
            _ => None,
        }
    }

    /// An address translation operation has no stream.
    fn is_for_visit(&self, visit: &Visit, origin: Origin) -> bool {
        self.bank.is_none_or(|bank| bank == visit.bank)
            && (origin == Origin::Client || self.stream.is_none())
            && self.is_for(&visit.transaction)
    }

    fn is_for_read(&self, read: &DescriptorRead) -> bool {
        let stage = read.stage;
        matches!(self.kind, Kind::WalkAbort | Kind::WalkCorrupt)
            && self.level.is_none_or(|level| u32::from(level) == read.level)
            && self.stage.is_none_or(|wanted| wanted == stage)
            && self.descriptor.is_none_or(|at| at.0 == read.address)
    }

    /// The descriptor that is read in the place of the one in memory.
    fn corrupted(&self, descriptor: u64) -> u64 {
        let replaced = self.value.map_or(descriptor, |value| {
            let mask = self.mask.map_or(u64::MAX, |mask| mask.0);
            descriptor & !mask | value.0 & mask
        });
        replaced ^ self.xor.map_or(0, |xor| xor.0)
    }
}

fn point(visit: &Visit, origin: Origin) -> Point {
    Point {
        bank: Some(visit.bank),
        stream: (origin == Origin::Client).then_some(visit.transaction.stream_id),
        address: Some(visit.transaction.address),
        ..Point::default()
    }
}

/// The rules of descriptors during one translation. What they do is reported when it is over: a walk only reads.
pub(crate) struct WalkFaults<'a> {
    injector: RefCell<&'a mut Injector>,
    env: &'a dyn Env,
    injected: RefCell<Vec<Injected>>,
    visit: &'a Visit,
    origin: Origin,
}

impl<'a> WalkFaults<'a> {
    pub(crate) fn new(
        injector: &'a mut Injector,
        env: &'a dyn Env,
        visit: &'a Visit,
        origin: Origin,
    ) -> Self {
        Self {
            injector: RefCell::new(injector),
            env,
            injected: RefCell::default(),
            visit,
            origin,
        }
    }

    /// What happened, to report.
    pub(crate) fn into_injected(self) -> Vec<Injected> {
        self.injected.into_inner()
    }
}

impl Probe for WalkFaults<'_> {
    fn read(&self, read: &DescriptorRead, descriptor: &mut [u8]) -> Result<(), BusError> {
        let mut injector = self.injector.borrow_mut();
        let seed = injector.seed;
        let is_for = |rule: &FaultRule| rule.is_for_read(read) && rule.is_for_visit(self.visit, self.origin);
        let Some((rule, hit)) = injector.faults.hit(seed, self.env, is_for) else {
            return Ok(());
        };
        let at = Point {
            descriptor: Some(read.address),
            ..point(self.visit, self.origin)
        };
        self.injected
            .borrow_mut()
            .push(hit.report(What::Fault(rule.kind), at));
        if rule.kind == Kind::WalkAbort {
            return Err(BusError);
        }
        let value = rule.corrupted(little_endian(descriptor));
        for (byte, from) in descriptor.iter_mut().zip(value.to_le_bytes()) {
            *byte = from;
        }
        Ok(())
    }
}
