// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The plan of a running SMMU: its rules, and how they change.

use crate::device::smmu::Smmu;
use crate::plan::{DelayRule, Family, InjectionRule, Plan, PlanError, Progress};

impl Smmu {
    /// Source of all chance of the plan.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.injector.seed()
    }

    /// The delays and how far each has got, in the order of precedence.
    pub fn delays(&self) -> impl ExactSizeIterator<Item = Progress<DelayRule>> + use<'_> {
        self.injector.delays()
    }

    /// The injections and how far each has got, in the order of precedence.
    pub fn injections(&self) -> impl ExactSizeIterator<Item = Progress<InjectionRule>> + use<'_> {
        self.injector.injections()
    }

    /// Adds a delay behind the others and returns its number.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`].
    pub fn add_delay(&mut self, rule: DelayRule) -> Result<u64, PlanError> {
        Plan::of_delay(rule.clone()).validate(&self.geometry)?;
        let number = self.injector.add_delay(rule);
        self.rules_changed();
        Ok(number)
    }

    /// Adds an injection rule behind the others and returns its number.
    ///
    /// # Errors
    /// [`PlanError`] as of [`Plan::validate`].
    pub fn add_injection(&mut self, rule: InjectionRule) -> Result<u64, PlanError> {
        Plan::of_injection(rule.clone()).validate(&self.geometry)?;
        let number = self.injector.add_injection(rule);
        self.rules_changed();
        Ok(number)
    }

    /// Removes a rule; what it has done stays done. `false` if there is no such rule.
    pub fn remove_rule(&mut self, family: Family, number: u64) -> bool {
        let removed = self.injector.remove(family, number);
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

    /// Makes the units ask again: the translations that they keep would hide accesses from the rules.
    fn rules_changed(&mut self) {
        self.epoch.advance();
    }
}
