// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Streams that match no group, or several.

use super::Injector;
use crate::arch::fault::GlobalCause;
use crate::arch::transaction::{Intent, Transaction};
use crate::host::env::Host;
use crate::host::injected::InjectionPoint;
use crate::plan::{AccessType, InjectionKind, InjectionRule, Sites};

impl Injector {
    /// An access of a client is looked up in the stream table: what goes wrong there.
    pub(crate) fn stream(&mut self, host: &mut dyn Host, transaction: &Transaction) -> Option<GlobalCause> {
        if !self.watches(Sites::STREAMS) {
            return None;
        }
        let at = InjectionPoint {
            stream: Some(transaction.stream_id),
            address: Some(transaction.address),
            ..InjectionPoint::default()
        };
        let is_for = |rule: &InjectionRule| rule.of_stream().is_some() && rule.is_for(transaction);
        self.injection(host, at, is_for)
            .and_then(|(rule, _)| rule.of_stream())
    }
}

impl InjectionRule {
    fn of_stream(&self) -> Option<GlobalCause> {
        match self.kind {
            InjectionKind::UnknownStream => Some(GlobalCause::UnidentifiedStream),
            InjectionKind::StreamConflict => Some(GlobalCause::StreamMatchConflict),
            _ => None,
        }
    }

    /// Whether the rule is for an access: address, stream, kind of access.
    pub(super) fn is_for(&self, transaction: &Transaction) -> bool {
        let Transaction {
            stream_id,
            address,
            intent,
        } = *transaction;
        self.stream.is_none_or(|stream| stream == stream_id)
            && self.covers(address)
            && self.access.is_none_or(|asked| asked.is(intent))
    }

    /// Whether an address is one of the rule's.
    pub(super) fn covers(&self, address: u64) -> bool {
        self.address.is_none_or(|first| {
            address
                .checked_sub(first.0)
                .is_some_and(|offset| offset < self.bytes())
        })
    }

    /// Bytes from `address` on.
    pub(super) fn bytes(&self) -> u64 {
        self.size.map_or(0x1000, |size| size.0)
    }
}

impl AccessType {
    const fn is(self, intent: Intent) -> bool {
        match self {
            Self::Read => !intent.write && !intent.instruction,
            Self::Write => intent.write,
            Self::Fetch => intent.instruction,
        }
    }
}
