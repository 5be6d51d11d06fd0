// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TLB maintenance that does less than it should.

use super::Injector;
use crate::arch::stage::Stage;
use crate::host::env::Host;
use crate::host::injected::InjectionPoint;
use crate::plan::{InjectionKind, InjectionRule};
use crate::tlb::{Content, Entry, Maintained};
use crate::translate::tag::Space;

impl Injector {
    /// Whether an invalidation does nothing.
    pub(crate) fn loses(&mut self, host: &mut dyn Host, maintained: &Maintained) -> bool {
        let at = point(maintained);
        let is_for = |rule: &InjectionRule| {
            rule.kind == InjectionKind::LostInvalidation
                && rule
                    .register
                    .as_deref()
                    .is_none_or(|name| at.register == Some(name))
                && rule.index.is_none_or(|index| at.index == Some(index))
        };
        self.injection(host, at, is_for).is_some()
    }

    /// Whether there is a rule that may keep an entry.
    pub(crate) fn keeps(&self, entry: &Entry) -> bool {
        self.injections.rules().any(|rule| rule.keeps(entry))
    }

    /// The entries that an invalidation would have dropped and does not.
    pub(crate) fn kept(
        &mut self,
        host: &mut dyn Host,
        maintained: &Maintained,
        dropped: &[Entry],
    ) -> Vec<Entry> {
        let at = InjectionPoint {
            address: dropped.first().map(|entry| entry.address),
            ..point(maintained)
        };
        let is_for = |rule: &InjectionRule| dropped.iter().any(|entry| rule.keeps(entry));
        match self.injection(host, at, is_for) {
            Some((rule, _)) => dropped
                .iter()
                .filter(|entry| rule.keeps(entry))
                .copied()
                .collect(),
            None => Vec::new(),
        }
    }
}

impl InjectionRule {
    fn keeps(&self, entry: &Entry) -> bool {
        let stage = if entry.tag.space == Space::Stage2 {
            Stage::Second
        } else {
            Stage::First
        };
        // Either range begins in the other.
        let overlaps = self.address.is_none_or(|first| {
            self.covers(entry.address) || first.0.wrapping_sub(entry.address) < entry.content.size()
        });
        // With a level the rule is for the tables of it, without one for blocks and pages.
        let is_of_level = match (self.level, entry.content) {
            (None, Content::Leaf(_)) => true,
            (Some(level), Content::Table(table)) => table.level == u32::from(level),
            (None, Content::Table(_)) | (Some(_), Content::Leaf(_)) => false,
        };
        self.kind == InjectionKind::StaleTlb
            && overlaps
            && is_of_level
            && self.stage.is_none_or(|wanted| wanted == stage)
            && self.vmid.is_none_or(|vmid| vmid == entry.tag.vmid)
            && self
                .asid
                .is_none_or(|asid| !entry.content.is_global() && asid == entry.tag.asid)
    }
}

fn point(maintained: &Maintained) -> InjectionPoint {
    InjectionPoint {
        register: Some(maintained.register),
        index: Some(maintained.index),
        bank: maintained.bank,
        ..InjectionPoint::default()
    }
}
