// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The injector: the rules of an SMMU, and what they have done so far.

use super::rules::{RuleHit, Rules};
use crate::arch::line::Line;
use crate::host::emit::emit;
use crate::host::env::Host;
use crate::host::events::Event;
use crate::host::injected::{Injected, Injection, InjectionPoint};
use crate::plan::{DelayRule, Family, InjectionRule, Plan, Progress, Sites};

/// The rules of an SMMU, and how far each has got.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    pub(super) seed: u64,
    pub(super) sites: Sites,
    pub(super) delays: Rules<DelayRule>,
    pub(super) injections: Rules<InjectionRule>,
    /// Interrupts that are on their way.
    pub(super) late: Vec<Late>,
    /// Lines that the host was last told are high.
    pub(super) high: Vec<Line>,
}

/// An interrupt that is on its way. There is one at most for each line: what a line asks for meanwhile arrives with it.
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) line: Line,
    pub(super) deadline: u64,
    pub(super) mark: Option<String>,
}

impl Injector {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut injector = Self::default();
        injector.replace(plan);
        injector
    }

    /// Puts the rules of a plan in the place of all that there are. Numbers go on; chance begins anew.
    pub(crate) fn replace(&mut self, plan: Plan) {
        let Plan {
            seed,
            delays,
            injections,
        } = plan;
        self.seed = seed;
        self.delays.replace(delays);
        self.injections.replace(injections);
        self.count_sites();
    }

    pub(super) fn count_sites(&mut self) {
        let delays = self.delays.rules().map(|rule| Sites::of_delay(rule.site));
        let injections = self.injections.rules().map(|rule| Sites::of_injection(rule.kind));
        self.sites = delays
            .chain(injections)
            .fold(Sites::empty(), |all, site| all | site);
    }

    /// Whether there are rules for one of these sites.
    #[inline]
    pub(crate) const fn watches(&self, sites: Sites) -> bool {
        self.sites.intersects(sites)
    }

    /// Back to the start of the plan. What is on its way is gone, and every line low.
    pub(crate) fn reset(&mut self) {
        self.delays.reset();
        self.injections.reset();
        self.late.clear();
        self.high.clear();
    }

    /// Source of all chance of the plan.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn delays(&self) -> impl ExactSizeIterator<Item = Progress<DelayRule>> + use<'_> {
        self.delays.progress()
    }

    pub(crate) fn injections(&self) -> impl ExactSizeIterator<Item = Progress<InjectionRule>> + use<'_> {
        self.injections.progress()
    }

    /// Adds a delay behind the others and returns its number.
    pub(crate) fn add_delay(&mut self, rule: DelayRule) -> u64 {
        let number = self.delays.add(rule);
        self.count_sites();
        number
    }

    /// Adds a fault behind the others and returns its number.
    pub(crate) fn add_injection(&mut self, rule: InjectionRule) -> u64 {
        let number = self.injections.add(rule);
        self.count_sites();
        number
    }

    /// Removes a rule; `false` if there is none of this number.
    pub(crate) fn remove(&mut self, family: Family, number: u64) -> bool {
        let removed = match family {
            Family::Delay => self.delays.remove(number),
            Family::Injection => self.injections.remove(number),
        };
        self.count_sites();
        removed
    }

    /// The first fault that hits an operation, reported.
    pub(super) fn injection(
        &mut self,
        host: &mut dyn Host,
        at: InjectionPoint,
        is_for: impl Fn(&InjectionRule) -> bool,
    ) -> Option<(&InjectionRule, RuleHit)> {
        // Another seed than that of delays: a delay and a fault in the same place draw numbers that have nothing to do
        // with each other.
        let (rule, hit) = self.injections.hit(!self.seed, host, is_for)?;
        report(host, &hit.report(Injection::Error(rule.kind), at));
        Some((rule, hit))
    }

    /// The first delay that hits an operation, reported.
    pub(super) fn delay(
        &mut self,
        host: &mut dyn Host,
        at: InjectionPoint,
        is_for: impl Fn(&DelayRule) -> bool,
    ) -> Option<(&DelayRule, RuleHit)> {
        let (rule, hit) = self.delays.hit(self.seed, host, is_for)?;
        report(host, &hit.report(Injection::Delay(rule.site), at));
        Some((rule, hit))
    }
}

/// Tells the host of a hit, and its trace.
pub(crate) fn report(host: &mut dyn Host, injected: &Injected) {
    host.injected(injected);
    emit(host, || Event::Injected(*injected));
}

impl RuleHit {
    pub(super) const fn report(&self, what: Injection, at: InjectionPoint) -> Injected {
        Injected {
            what,
            rule: self.rule,
            operation: self.operation,
            verbose: self.verbose,
            at,
        }
    }
}
