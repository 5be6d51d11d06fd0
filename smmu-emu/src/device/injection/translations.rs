// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Accesses that fault in their bank, and descriptors that are not read as they are.

use core::cell::RefCell;

use super::Injector;
use super::injector::report;
use crate::arch::fault::ContextCause;
use crate::arch::memory::{BusError, little_endian};
use crate::arch::transaction::{BankAccess, Origin};
use crate::host::env::{Env, Host};
use crate::host::injected::{Injected, Injection, InjectionPoint};
use crate::plan::{InjectionKind, InjectionRule, Sites};
use crate::translate::walk::{DescriptorRead, Physical, Probe, WalkFault};

impl Injector {
    /// An access enters its bank: the fault that it takes there.
    #[inline]
    pub(crate) fn access(
        &mut self,
        host: &mut dyn Host,
        access: &BankAccess,
        origin: Origin,
    ) -> Option<WalkFault> {
        if self.watches(Sites::ACCESSES) {
            self.injected_access(host, access, origin)
        } else {
            None
        }
    }

    fn injected_access(
        &mut self,
        host: &mut dyn Host,
        access: &BankAccess,
        origin: Origin,
    ) -> Option<WalkFault> {
        let is_for =
            |rule: &InjectionRule| rule.of_access().is_some() && rule.is_for_bank_access(access, origin);
        let (rule, _) = self.injection(host, point(access, origin), is_for)?;
        let level = rule.level.unwrap_or(3).into();
        rule.of_access().map(|cause| WalkFault::stage1(cause, level))
    }

    /// Runs a walk of an access: with the rules of descriptors in what it reads, if there are any.
    #[inline]
    pub(crate) fn walk<R>(
        &mut self,
        env: &mut dyn Env,
        access: &BankAccess,
        origin: Origin,
        run: impl FnOnce(Physical<'_>) -> R,
    ) -> R {
        let memory = match origin {
            Origin::Client => Physical::updated,
            Origin::Operation => Physical::read_only,
        };
        if !self.watches(Sites::WALKS) {
            return run(memory(env));
        }
        let injections = WalkInjections::new(self, env, access, origin);
        let result = run(memory(env).probed(&injections));
        for injected in injections.into_injected() {
            report(env, &injected);
        }
        result
    }
}

impl InjectionRule {
    fn of_access(&self) -> Option<ContextCause> {
        match self.kind {
            InjectionKind::Unmapped => Some(ContextCause::Translation),
            InjectionKind::Permission => Some(ContextCause::Permission),
            _ => None,
        }
    }

    /// An address translation operation has no stream.
    fn is_for_bank_access(&self, access: &BankAccess, origin: Origin) -> bool {
        self.bank.is_none_or(|bank| bank == access.bank)
            && (origin == Origin::Client || self.stream.is_none())
            && self.is_for(&access.transaction)
    }

    fn is_for_read(&self, read: &DescriptorRead) -> bool {
        let stage = read.stage;
        matches!(self.kind, InjectionKind::WalkAbort | InjectionKind::WalkCorrupt)
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

fn point(access: &BankAccess, origin: Origin) -> InjectionPoint {
    InjectionPoint {
        bank: Some(access.bank),
        stream: (origin == Origin::Client).then_some(access.transaction.stream_id),
        address: Some(access.transaction.address),
        ..InjectionPoint::default()
    }
}

/// The rules of descriptors during one translation. What they do is reported when it is over: a walk only reads.
struct WalkInjections<'a> {
    injector: RefCell<&'a mut Injector>,
    host: &'a dyn Host,
    injected: RefCell<Vec<Injected>>,
    access: &'a BankAccess,
    origin: Origin,
}

impl<'a> WalkInjections<'a> {
    fn new(injector: &'a mut Injector, host: &'a dyn Host, access: &'a BankAccess, origin: Origin) -> Self {
        Self {
            injector: RefCell::new(injector),
            host,
            injected: RefCell::default(),
            access,
            origin,
        }
    }

    /// Returns the injections that happened, to report.
    fn into_injected(self) -> Vec<Injected> {
        self.injected.into_inner()
    }
}

impl Probe for WalkInjections<'_> {
    fn read(&self, read: &DescriptorRead, descriptor: &mut [u8]) -> Result<(), BusError> {
        let mut injector = self.injector.borrow_mut();
        let seed = injector.seed;
        let is_for = |rule: &InjectionRule| {
            rule.is_for_read(read) && rule.is_for_bank_access(self.access, self.origin)
        };
        let Some((rule, hit)) = injector.injections.hit(seed, self.host, is_for) else {
            return Ok(());
        };
        let at = InjectionPoint {
            descriptor: Some(read.address),
            ..point(self.access, self.origin)
        };
        self.injected
            .borrow_mut()
            .push(hit.report(Injection::Error(rule.kind), at));
        if rule.kind == InjectionKind::WalkAbort {
            return Err(BusError);
        }
        let value = rule.corrupted(little_endian(descriptor));
        for (byte, from) in descriptor.iter_mut().zip(value.to_le_bytes()) {
            *byte = from;
        }
        Ok(())
    }
}
