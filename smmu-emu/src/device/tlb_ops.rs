// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TLB maintenance (IHI 0062D §5): what software's invalidations do, as far as the plan lets them.

use crate::device::smmu::Smmu;
use crate::host::env::Host;
use crate::plan::Sites;
use crate::registers::register::RegisterId;
use crate::tlb::{Entry, Invalidation};

impl Smmu {
    /// A TLB maintenance register is written, which starts this operation.
    pub(crate) fn invalidate(&mut self, host: &mut dyn Host, id: &RegisterId, operation: Invalidation) {
        if !self.injector.watches(Sites::INVALIDATIONS) {
            self.tlb.invalidate(operation);
            return;
        }
        if self.injector.loses(host, id) {
            return;
        }
        let wanted = |entry: &Entry| self.injector.keeps(entry);
        let before: Vec<Entry> = self.tlb.leaves().filter(wanted).collect();
        self.tlb.invalidate(operation);
        let dropped: Vec<Entry> = before
            .into_iter()
            .filter(|entry| !self.tlb.holds(entry))
            .collect();
        for entry in self.injector.kept(host, id, &dropped) {
            self.tlb.restore(&entry);
        }
    }
}
