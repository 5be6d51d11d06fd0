// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events on their way to the counters.

use super::counters::{EventKind, PmuEvent};
use crate::arch::line::Line;
use crate::arch::transaction::Transaction;
use crate::device::smmu::Smmu;
use crate::host::env::Host;

impl Smmu {
    /// Counts something that a transaction did in a bank, or outside any.
    #[inline]
    pub(crate) fn count(
        &mut self,
        host: &mut dyn Host,
        kind: EventKind,
        transaction: &Transaction,
        bank: Option<u8>,
    ) {
        if self.geometry.pmu_groups == 0 {
            return;
        }
        self.pmu_event(
            host,
            &PmuEvent {
                kind,
                stream_id: transaction.stream_id,
                bank,
                intent: transaction.intent,
            },
        );
    }

    /// A transaction did something that counters can see.
    pub(crate) fn pmu_event(&mut self, host: &mut dyn Host, seen: &PmuEvent) {
        if self.geometry.pmu_groups == 0 {
            return;
        }
        let extended = self.registers.scr0().exidenable();
        self.pmu.advance(&self.geometry, host.now());
        self.pmu.count(&self.geometry, extended, seen);
        self.update_pmu_lines(host, false);
    }

    pub(super) fn update_pmu_lines(&mut self, host: &mut dyn Host, again: bool) {
        for group in 0..self.geometry.pmu_groups {
            self.update_line(host, Line::Pmu(group), again);
        }
    }

    pub(crate) fn advance_pmu(&mut self, host: &mut dyn Host) {
        self.pmu.advance(&self.geometry, host.now());
        self.update_pmu_lines(host, false);
    }
}
