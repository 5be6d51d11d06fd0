// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The plan at work. The model asks at named sites whether a rule hits the operation that begins there; what the rule then
//! does stands here and nowhere else.
//!
//! | file | site | asked by |
//! | --- | --- | --- |
//! | `timing` | busy status bits | `effects`, `ats` |
//! | `streams` | stream matching | `translate` |
//! | `translations` | an access in its bank, the read of a descriptor | `translate`, `ats` |
//! | `invalidations` | TLB maintenance | `effects` |
//! | `registers` | register accesses and their replies | `mmio` |
//! | `lines` | interrupt lines | `fault`, and the host's timer |
//! | `rules`, `chance` | which rule hits; where chance comes from | all of them |
//!
//! Without a rule for a site, all that a site costs is the test of one bit.

mod chance;
mod invalidations;
mod lines;
mod registers;
mod rules;
mod streams;
pub(crate) mod timing;
mod translations;

#[cfg(test)]
mod tests;

use crate::plan::Sites;

use crate::arch::line::Line;
use crate::device::smmu::Smmu;
use crate::host::emit::emit;
use crate::host::env::Env;
use crate::host::events::Event;
use crate::host::injected::{Injected, Point, What};
use crate::plan::Progress;
use crate::plan::{DelayRule, Family, FaultRule, Plan, PlanError};
use lines::Late;
pub(crate) use registers::{Answer, Seen};
use rules::{Hit, Rules};
pub(crate) use translations::WalkFaults;

/// The rules of an SMMU, and how far each has got.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    seed: u64,
    sites: Sites,
    delays: Rules<DelayRule>,
    faults: Rules<FaultRule>,
    /// Interrupts that are on their way.
    late: Vec<Late>,
    /// Lines that were last made high while rules had a say in lines.
    high: Vec<Line>,
}

impl Injector {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut injector = Self::default();
        injector.replace(plan);
        injector
    }

    /// Puts the rules of a plan in the place of all that there are. Numbers go on; chance begins anew.
    fn replace(&mut self, plan: Plan) {
        let Plan { seed, delays, faults } = plan;
        self.seed = seed;
        self.delays.replace(delays);
        self.faults.replace(faults);
        self.count_sites();
    }

    fn count_sites(&mut self) {
        let delays = self.delays.rules().map(|rule| Sites::of_delay(rule.site));
        let faults = self.faults.rules().map(|rule| Sites::of_fault(rule.kind));
        self.sites = delays.chain(faults).fold(Sites::empty(), |all, site| all | site);
    }

    /// Whether there are rules for one of these sites.
    #[inline]
    pub(crate) const fn watches(&self, sites: Sites) -> bool {
        self.sites.intersects(sites)
    }

    /// Back to the start of the plan. What is on its way is gone, and every line low.
    pub(crate) fn reset(&mut self) {
        self.delays.reset();
        self.faults.reset();
        self.late.clear();
        self.high.clear();
    }

    /// The first fault that hits an operation, reported.
    fn fault(
        &mut self,
        env: &mut dyn Env,
        at: Point,
        is_for: impl Fn(&FaultRule) -> bool,
    ) -> Option<(&FaultRule, Hit)> {
        // Another seed than that of delays: a delay and a fault in the same place draw numbers that have nothing to do with each other.
        let (rule, hit) = self.faults.hit(!self.seed, env, is_for)?;
        report(env, &hit.report(What::Fault(rule.kind), at));
        Some((rule, hit))
    }

    /// The first delay that hits an operation, reported.
    fn delay(
        &mut self,
        env: &mut dyn Env,
        at: Point,
        is_for: impl Fn(&DelayRule) -> bool,
    ) -> Option<(&DelayRule, Hit)> {
        let (rule, hit) = self.delays.hit(self.seed, env, is_for)?;
        report(env, &hit.report(What::Delay(rule.site), at));
        Some((rule, hit))
    }
}

/// Tells the host of a hit, and its trace.
pub(crate) fn report(env: &mut dyn Env, injected: &Injected) {
    env.injected(injected);
    emit(env, || Event::Injected(*injected));
}

impl Hit {
    const fn report(&self, what: What, at: Point) -> Injected {
        Injected {
            what,
            rule: self.rule,
            operation: self.operation,
            verbose: self.verbose,
            at,
        }
    }
}

impl Smmu {
    /// Where all chance of the plan comes from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.injector.seed
    }

    /// The delays and how far each has got, in the order of precedence.
    pub fn delays(&self) -> impl ExactSizeIterator<Item = Progress<DelayRule>> + use<'_> {
        self.injector.delays.progress()
    }

    /// The faults and how far each has got, in the order of precedence.
    pub fn faults(&self) -> impl ExactSizeIterator<Item = Progress<FaultRule>> + use<'_> {
        self.injector.faults.progress()
    }

    /// Adds a delay behind the others and returns its number.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`].
    pub fn add_delay(&mut self, rule: DelayRule) -> Result<u64, PlanError> {
        Plan::of_delay(rule.clone()).validate(&self.geometry)?;
        let number = self.injector.delays.add(rule);
        self.rules_changed();
        Ok(number)
    }

    /// Adds a fault behind the others and returns its number.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`].
    pub fn add_fault(&mut self, rule: FaultRule) -> Result<u64, PlanError> {
        Plan::of_fault(rule.clone()).validate(&self.geometry)?;
        let number = self.injector.faults.add(rule);
        self.rules_changed();
        Ok(number)
    }

    /// Removes a rule; what it has done stays done. `false` if there is no such rule.
    pub fn remove_rule(&mut self, family: Family, number: u64) -> bool {
        let removed = match family {
            Family::Delay => self.injector.delays.remove(number),
            Family::Fault => self.injector.faults.remove(number),
        };
        self.rules_changed();
        removed
    }

    /// Puts the rules and the seed of a plan in the place of all that there are. Numbers go on from where they are.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`]; nothing is changed then.
    pub fn replace_plan(&mut self, plan: Plan) -> Result<(), PlanError> {
        plan.validate(&self.geometry)?;
        self.injector.replace(plan);
        self.rules_changed();
        Ok(())
    }

    /// What the units keep would hide accesses from the rules.
    fn rules_changed(&mut self) {
        self.injector.count_sites();
        self.epoch.advance();
    }
}
