// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Status of operations that software polls (IHI 0062D §4, §5): a TLB sync, an address translation operation.

use crate::device::busy::Sync;
use crate::device::smmu::Smmu;
use crate::host::env::Host;
use crate::plan::Site;
use crate::registers::register::Scope;

impl Smmu {
    /// `sTLBGSTATUS` or `CBn_TLBSTATUS` is read: whether the sync is still under way. The read counts.
    pub(crate) fn poll_sync(&mut self, host: &dyn Host, scope: Scope) -> bool {
        let epoch = self.epoch();
        self.sync_mut(scope).is_some_and(|sync| sync.poll(host, &epoch))
    }

    /// `sTLBGSYNC` or `CBn_TLBSYNC` is written: a TLB sync starts.
    pub(crate) fn start_sync(&mut self, host: &mut dyn Host, scope: Scope) {
        self.carry_out_covered(host, scope);
        let barrier = self.epoch.barrier();
        let busy = match scope {
            Scope::Global => self.injector.busy(host, Site::GlobalSync, None),
            Scope::Bank(bank) => self.injector.busy(host, Site::ContextSync, Some(bank)),
        };
        if let Some(sync) = self.sync_mut(scope) {
            *sync = Sync { busy, barrier };
        }
    }

    /// Whether a TLB sync is under way, without a status read.
    pub(crate) fn sync_is_busy(&self, host: &dyn Host, scope: Scope) -> bool {
        let sync = match scope {
            Scope::Global => Some(&self.global_sync),
            Scope::Bank(bank) => self.operations(bank).map(|operations| &operations.sync),
        };
        sync.is_some_and(|sync| sync.is_busy(host, &self.epoch))
    }

    fn sync_mut(&mut self, scope: Scope) -> Option<&mut Sync> {
        match scope {
            Scope::Global => Some(&mut self.global_sync),
            Scope::Bank(bank) => self.operations_of(bank).map(|operations| &mut operations.sync),
        }
    }

    /// `CBn_ATSR.ACTIVE`; `GATSR.ACTIVE` is never set.
    pub(crate) fn ats_is_active(&self, host: &dyn Host, scope: Scope) -> bool {
        let operations = self.operations_in(scope);
        operations.is_some_and(|operations| operations.waiting.is_some() || operations.ats.is_busy(host))
    }

    /// `CBn_ATSR.ACTIVE`, where this read counts for a delay in polls.
    pub(crate) fn poll_ats(&mut self, host: &dyn Host, scope: Scope) -> bool {
        let Scope::Bank(bank) = scope else { return false };
        self.operations_of(bank)
            .is_some_and(|operations| operations.waiting.is_some() || operations.ats.poll(host))
    }
}
