// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Permissions of a descriptor and the tables above it.

use bitflags::bitflags;

use crate::arch::transaction::Intent;
use crate::spec::desc::{Descriptor, Stage2Descriptor};

bitflags! {
    /// Accesses that a mapping allows, of every kind.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(from = "u8", into = "u8"))]
    pub(crate) struct Permissions: u8 {
        /// Unprivileged data reads.
        const USER_READ = 1 << 0;
        /// Unprivileged writes.
        const USER_WRITE = 1 << 1;
        /// Unprivileged instruction fetches.
        const USER_FETCH = 1 << 2;
        /// Privileged data reads.
        const PRIVILEGED_READ = 1 << 3;
        /// Privileged writes.
        const PRIVILEGED_WRITE = 1 << 4;
        /// Privileged instruction fetches.
        const PRIVILEGED_FETCH = 1 << 5;
    }

    /// Permissions that the tables above a leaf take away.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(from = "u8", into = "u8"))]
    pub(crate) struct Restrictions: u8 {
        /// APTable\[1\]: nothing below can be written.
        const READ_ONLY = 1 << 0;
        /// APTable\[0\]: nothing below is accessible unprivileged.
        const PRIVILEGED = 1 << 1;
        /// UXNTable, or XNTable where there is one for both privileges.
        const EXECUTE_NEVER = 1 << 2;
        /// PXNTable.
        const PRIVILEGED_EXECUTE_NEVER = 1 << 3;
    }
}

impl From<u8> for Permissions {
    fn from(bits: u8) -> Self {
        Self::from_bits_truncate(bits)
    }
}

impl From<Permissions> for u8 {
    fn from(permissions: Permissions) -> Self {
        permissions.bits()
    }
}

impl From<u8> for Restrictions {
    fn from(bits: u8) -> Self {
        Self::from_bits_truncate(bits)
    }
}

impl From<Restrictions> for u8 {
    fn from(restrictions: Restrictions) -> Self {
        restrictions.bits()
    }
}

impl Permissions {
    /// Unprivileged accesses of every kind; the privileged ones stand three bits above.
    const USER: Self = Self::USER_READ.union(Self::USER_WRITE).union(Self::USER_FETCH);
    const PRIVILEGED_SHIFT: u32 = 3;

    /// Whether an access may go on.
    pub(crate) const fn allow(self, intent: Intent) -> bool {
        let needed = match (intent.write, intent.instruction) {
            (true, _) => Self::USER_WRITE,
            (false, true) => Self::USER_FETCH,
            (false, false) => Self::USER_READ,
        };
        let shift = if intent.privileged {
            Self::PRIVILEGED_SHIFT
        } else {
            0
        };
        self.bits() & needed.bits() << shift != 0
    }

    /// Permissions of `user`, for both privileges.
    const fn for_everyone(user: Self) -> Self {
        let user = user.bits() & Self::USER.bits();
        Self::from_bits_truncate(user | user << Self::PRIVILEGED_SHIFT)
    }

    /// The data accesses that AP\[2:1\] grants: reads to the privileged, to everyone with `unprivileged`, and writes
    /// likewise unless `read_only`.
    pub(super) fn simple(read_only: bool, unprivileged: bool) -> Self {
        let mut data = Self::PRIVILEGED_READ;
        data.set(Self::USER_READ, unprivileged);
        data.set(Self::PRIVILEGED_WRITE, !read_only);
        data.set(Self::USER_WRITE, !read_only && unprivileged);
        data
    }
}

/// Settings of a bank that decide about permissions beside the descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PermissionRules {
    /// AArch64 rather than AArch32.
    pub(crate) aarch64: bool,
    /// CBAR.HYPC: one privilege (EL2, PL2). AP\[1\], APTable\[0\], PXN and PXNTable have no meaning.
    pub(crate) hypervisor: bool,
    /// SCTLR.WXN.
    pub(crate) write_implies_execute_never: bool,
    /// SCTLR.UWXN. AArch64 behaves as if it were set.
    pub(crate) user_write_implies_privileged_execute_never: bool,
}

impl PermissionRules {
    /// Adds instruction fetches to the data accesses that a mapping grants (DDI 0487, "Access permissions").
    pub(super) fn with_fetches(self, data: Permissions, xn: bool, pxn: bool) -> Permissions {
        // In AArch32 code has to be readable, and XN is for both privileges.
        let fetches = |never: bool, read: Permissions, write: Permissions| {
            let never = never || (self.write_implies_execute_never && data.contains(write));
            !never && (self.aarch64 || data.contains(read))
        };
        let user_write = data.contains(Permissions::USER_WRITE);
        let guarded = self.aarch64 || self.user_write_implies_privileged_execute_never;
        let privileged_never = if self.hypervisor {
            xn
        } else {
            pxn || (guarded && user_write) || (!self.aarch64 && xn)
        };
        let mut all = data;
        all.set(
            Permissions::USER_FETCH,
            fetches(xn, Permissions::USER_READ, Permissions::USER_WRITE),
        );
        all.set(
            Permissions::PRIVILEGED_FETCH,
            fetches(
                privileged_never,
                Permissions::PRIVILEGED_READ,
                Permissions::PRIVILEGED_WRITE,
            ),
        );
        all
    }

    /// Of a block or page with a long descriptor, stage 1.
    pub(super) fn stage1(self, leaf: Descriptor, above: Restrictions) -> Permissions {
        let read_only = leaf.read_only() || above.contains(Restrictions::READ_ONLY);
        let unprivileged =
            self.hypervisor || (leaf.unprivileged() && !above.contains(Restrictions::PRIVILEGED));
        let xn = leaf.uxn() || above.contains(Restrictions::EXECUTE_NEVER);
        let pxn = leaf.pxn() || above.contains(Restrictions::PRIVILEGED_EXECUTE_NEVER);
        self.with_fetches(Permissions::simple(read_only, unprivileged), xn, pxn)
    }
}

/// Of a block or page of stage 2, which knows no privilege. In AArch32 code has to be readable.
pub(super) fn stage2(leaf: Stage2Descriptor, aarch64: bool) -> Permissions {
    let mut user = Permissions::empty();
    user.set(Permissions::USER_READ, leaf.readable());
    user.set(Permissions::USER_WRITE, leaf.writable());
    user.set(
        Permissions::USER_FETCH,
        !leaf.xn() && (aarch64 || leaf.readable()),
    );
    Permissions::for_everyone(user)
}

impl Restrictions {
    /// Restrictions of a table descriptor.
    pub(super) fn of(table: Descriptor) -> Self {
        let mut restrictions = Self::empty();
        restrictions.set(Self::READ_ONLY, table.aptable_read_only());
        restrictions.set(Self::PRIVILEGED, table.aptable_privileged());
        restrictions.set(Self::EXECUTE_NEVER, table.uxntable());
        restrictions.set(Self::PRIVILEGED_EXECUTE_NEVER, table.pxntable());
        restrictions
    }
}
