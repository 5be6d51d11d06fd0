// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events on their way to the counters.

use super::counters::{Event, EventKind};
use crate::arch::line::Line;
use crate::arch::transaction::Transaction;
use crate::device::smmu::Smmu;
use crate::host::env::Env;

impl Smmu {
    /// Counts something that a transaction did in a bank, or outside any.
    #[inline]
    pub(crate) fn count(
        &mut self,
        env: &mut dyn Env,
        kind: EventKind,
        transaction: &Transaction,
        bank: Option<u8>,
    ) {
        if self.geometry.pmu_groups == 0 {
            return;
        }
        self.pmu_event(
            env,
            &Event {
                kind,
                stream_id: transaction.stream_id,
                bank,
                intent: transaction.intent,
            },
        );
    }

    /// A transaction did something that counters can see.
    pub(crate) fn pmu_event(&mut self, env: &mut dyn Env, seen: &Event) {
        if self.geometry.pmu_groups == 0 {
            return;
        }
        let extended = self.registers.scr0().exidenable();
        self.pmu.advance(&self.geometry, env.now());
        self.pmu.count(&self.geometry, extended, seen);
        self.update_pmu_lines(env, false);
    }

    pub(super) fn update_pmu_lines(&mut self, env: &mut dyn Env, again: bool) {
        for group in 0..self.geometry.pmu_groups {
            self.update_line(env, Line::Pmu(group), again);
        }
    }

    pub(crate) fn advance_pmu(&mut self, env: &mut dyn Env) {
        self.pmu.advance(&self.geometry, env.now());
        self.update_pmu_lines(env, false);
    }
}
