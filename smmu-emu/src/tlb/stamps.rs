// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Invalidation of many entries at the cost of one: an entry is stamped with the time at which it was made, and counts
//! only if no invalidation that covers it is later.

use std::collections::BTreeMap;

use crate::translate::tag::{Space, Tag};

/// VMIDs, and ASIDs, of which the last invalidation is remembered one by one. One more, and all entries go.
pub(super) const REMEMBERED: usize = 1024;

/// Stamps of the last invalidation of each regime, VMID and ASID. Times count invalidations.
#[derive(Debug, Default)]
pub(super) struct InvalidationStamps {
    pub(super) now: u64,
    pub(super) spaces: [u64; 3],
    pub(super) vmids: BTreeMap<(Space, u16), u64>,
    pub(super) asids: BTreeMap<(Space, u16, u16), u64>,
}

/// The first valid stamps of entries of one tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// Of global entries.
    global: u64,
    /// Of entries with the tag's ASID.
    own: u64,
}

impl Validity {
    pub(super) const fn admits(self, global: bool, stamp: u64) -> bool {
        stamp >= if global { self.global } else { self.own }
    }
}

impl InvalidationStamps {
    /// The stamp of an entry that is made now.
    pub(super) const fn stamp(&self) -> u64 {
        self.now
    }

    pub(super) fn of(&self, Tag { space, vmid, asid }: Tag) -> Validity {
        let vmid_floor = self.vmids.get(&(space, vmid)).copied().unwrap_or(0);
        let asid_floor = self.asids.get(&(space, vmid, asid)).copied().unwrap_or(0);
        let [el10, hyp, stage2] = self.spaces;
        let global = vmid_floor.max(match space {
            Space::El10 => el10,
            Space::Hyp => hyp,
            Space::Stage2 => stage2,
        });
        Validity {
            global,
            own: global.max(asid_floor),
        }
    }

    pub(super) fn invalidate_space(&mut self, space: Space) {
        self.now += 1;
        self.spaces[space as usize] = self.now;
        self.vmids.retain(|(of, _), _| *of != space);
        self.asids.retain(|(of, ..), _| *of != space);
    }

    pub(super) fn invalidate_vmid(&mut self, space: Space, vmid: u16) {
        self.now += 1;
        let known = self.vmids.contains_key(&(space, vmid));
        if !known && self.vmids.len() >= REMEMBERED {
            self.invalidate_all();
        } else {
            self.vmids.insert((space, vmid), self.now);
        }
    }

    pub(super) fn invalidate_asid(&mut self, Tag { space, vmid, asid }: Tag) {
        self.now += 1;
        let known = self.asids.contains_key(&(space, vmid, asid));
        if !known && self.asids.len() >= REMEMBERED {
            self.invalidate_all();
        } else {
            self.asids.insert((space, vmid, asid), self.now);
        }
    }

    fn invalidate_all(&mut self) {
        self.spaces = [self.now; 3];
        self.vmids.clear();
        self.asids.clear();
    }
}
