// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Versions of QEMU, and the first ones that work here.

use std::fmt;

/// The first release whose vfio-user client works: 10.1.0 has it with a wrong class code.
pub const OLDEST: Version = Version(10, 1, 1);

/// The first release whose `virt` machine has a GICv2m frame beside a GICv3 (`msi=gicv2m`).
pub const OLDEST_GICV3: Version = Version(11, 0, 0);

/// The first release that takes the place of a locked one unasked: of the series with which every recipe was run.
pub const OLDEST_REPLACEMENT: Version = Version(11, 1, 0);

/// A version of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// Reads the version at the beginning of a text: `11.1.3 (Debian …)`, `11.1`; `None` if none is there.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
        let mut parts = number.split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Self(next()?, next()?, next().unwrap_or(0)))
    }
}
