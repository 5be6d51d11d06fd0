// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register accesses that meet no power, or another value, or a late reply.

use super::Injector;
use crate::arch::frame::{AccessKind, Frame};
use crate::host::env::Host;
use crate::host::injected::{DelayedReply, InjectionPoint};
use crate::plan::{AccessType, DelayRule, InjectionKind, InjectionRule, Site, Sites};

/// A register access, as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) kind: AccessKind,
    pub(crate) frame: Frame,
    /// Name and number of the register; none is [`crate::Access::RESERVED`].
    pub(crate) name: &'static str,
    pub(crate) index: u16,
}

/// Answer to a register access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The register's own.
    Normal,
    /// All-ones, or a write that is lost.
    Nobody,
    /// A read returns this value in these bits.
    Replaced {
        /// The value.
        value: u64,
        /// Its bits that count.
        mask: u64,
    },
}

impl Answer {
    /// Value that a read returns of a register that has the value `stored`.
    pub(crate) const fn replaced(self, stored: u64) -> u64 {
        match self {
            Self::Normal | Self::Nobody => stored,
            Self::Replaced { value, mask } => stored & !mask | value & mask,
        }
    }
}

impl Injector {
    /// A register is about to be accessed.
    pub(crate) fn register(&mut self, host: &mut dyn Host, seen: &Seen) -> Answer {
        match self.injection(host, seen.point(), |rule| rule.is_for_register(seen)) {
            None => Answer::Normal,
            Some((rule, _)) if rule.kind == InjectionKind::RegisterOnes => Answer::Nobody,
            Some((rule, _)) => Answer::Replaced {
                value: rule.value.map_or(0, |value| value.0),
                mask: rule.mask.map_or(u64::MAX, |mask| mask.0),
            },
        }
    }

    /// A register access has taken effect: the delay of its reply, if a rule makes it late.
    pub(crate) fn delayed_reply(&mut self, host: &mut dyn Host, seen: &Seen) -> Option<DelayedReply> {
        let is_for = |rule: &DelayRule| {
            rule.site == Site::Register
                && rule.register.as_deref() == Some(seen.name)
                && rule.index.is_none_or(|index| index == seen.index)
                && rule.access.is_none_or(|kind| kind == seen.kind)
        };
        let (rule, hit) = self.delay(host, seen.point(), is_for)?;
        Some(DelayedReply {
            deadline: rule.deadline(&hit, host),
            mark: rule.until.clone(),
            register: seen.name,
        })
    }

    /// Whether register accesses have to be shown to the rules.
    #[inline]
    pub(crate) const fn sees_registers(&self) -> bool {
        self.watches(Sites::REGISTERS)
    }
}

impl Seen {
    fn point(&self) -> InjectionPoint {
        InjectionPoint {
            register: Some(self.name),
            index: Some(self.index),
            ..InjectionPoint::default()
        }
    }
}

impl InjectionRule {
    fn is_for_register(&self, seen: &Seen) -> bool {
        let of_kind = match self.kind {
            InjectionKind::RegisterOnes => match self.access {
                None => true,
                Some(AccessType::Read) => seen.kind == AccessKind::Read,
                Some(AccessType::Write) => seen.kind == AccessKind::Write,
                Some(AccessType::Fetch) => false,
            },
            InjectionKind::RegisterValue => seen.kind == AccessKind::Read,
            _ => false,
        };
        of_kind
            && self.register.as_deref().is_none_or(|name| name == seen.name)
            && self.index.is_none_or(|index| index == seen.index)
            && self.frame.is_none_or(|frame| frame == seen.frame)
    }
}
