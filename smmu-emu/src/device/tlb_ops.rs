// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TLB maintenance (IHI 0062D §5): what software's invalidations do, when they do it, and as far as the plan lets them.

use crate::device::smmu::Smmu;
use crate::host::env::Host;
use crate::plan::Sites;
use crate::registers::register::{RegisterId, Scope};
use crate::tlb::{Entry, Invalidation, Maintained};

impl Smmu {
    /// A TLB maintenance register is written, which starts this operation.
    pub(crate) fn invalidate(&mut self, host: &mut dyn Host, id: &RegisterId, operation: Invalidation) {
        if self.tlb.is_lazy() {
            if let Some(oldest) = self.tlb.defer(Maintained::new(id, operation)) {
                self.carry_out(host, &oldest);
            }
        } else if self.injector.watches(Sites::INVALIDATIONS) {
            self.carry_out(host, &Maintained::new(id, operation));
        } else {
            self.tlb.invalidate(operation);
        }
    }

    /// A TLB sync starts: the maintenance that waits for it takes effect.
    pub(crate) fn carry_out_covered(&mut self, host: &mut dyn Host, sync: Scope) {
        if self.tlb.is_lazy() {
            for maintained in self.tlb.take_covered(sync) {
                self.carry_out(host, &maintained);
            }
        }
    }

    /// Carries out a TLB maintenance operation, as far as the plan lets it.
    fn carry_out(&mut self, host: &mut dyn Host, maintained: &Maintained) {
        let operation = maintained.operation;
        if !self.injector.watches(Sites::INVALIDATIONS) {
            self.tlb.invalidate(operation);
            return;
        }
        if self.injector.loses(host, maintained) {
            return;
        }
        let wanted = |entry: &Entry| self.injector.keeps(entry);
        let before: Vec<Entry> = self.tlb.entries().filter(wanted).collect();
        self.tlb.invalidate(operation);
        let dropped: Vec<Entry> = before
            .into_iter()
            .filter(|entry| !self.tlb.holds(entry))
            .collect();
        for entry in self.injector.kept(host, maintained, &dropped) {
            self.tlb.restore(&entry);
        }
    }
}
