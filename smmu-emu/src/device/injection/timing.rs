// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Status bits that stay busy.

use super::Injector;
use super::rules::RuleHit;
use crate::device::busy::Busy;
use crate::host::env::Host;
use crate::host::injected::InjectionPoint;
use crate::plan::{DelayRule, Site, Sites};

impl Injector {
    /// An operation starts: how long it takes.
    pub(crate) fn busy(&mut self, host: &mut dyn Host, site: Site, bank: Option<u8>) -> Busy {
        if !self.watches(Sites::BUSY) {
            return Busy::Idle;
        }
        let at = InjectionPoint {
            bank,
            ..InjectionPoint::default()
        };
        let is_for = |rule: &DelayRule| rule.site == site && (rule.bank.is_none() || rule.bank == bank);
        match self.delay(host, at, is_for) {
            None => Busy::Idle,
            Some((rule, hit)) => match rule.polls {
                Some(polls) => Busy::Polls(polls),
                None => Busy::Until {
                    deadline: rule.deadline(&hit, host),
                    mark: rule.until.clone(),
                },
            },
        }
    }
}

impl DelayRule {
    /// The time of [`Host::now`] at which a delay that begins now ends at the latest.
    pub(super) fn deadline(&self, hit: &RuleHit, host: &dyn Host) -> u64 {
        let time_us = match self.time_us {
            Some(time) => hit.chance.time_us(time),
            None => self.at_most_us.unwrap_or(0),
        };
        host.now().saturating_add(time_us.saturating_mul(1000))
    }
}
