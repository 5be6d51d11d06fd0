// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The recipes that come with the program.

use super::{Recipe, TomlError};

/// Name of the recipe that `reproduce` uses if none is named.
pub const DEFAULT: &str = "attach-lock";

/// A recipe that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// Name, and name of the file without `.toml`.
    pub name: &'static str,
    /// Text of the file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../recipes/", $name, ".toml")) }),*]
    };
}

/// All of them, in the order in which they are listed.
pub const SHIPPED: &[Shipped] = shipped![
    "attach-lock",
    "attach-lock-control",
    "two-iommus",
    "two-iommus-b-first",
    "two-iommus-b-alone",
    "stream-walk",
    "bind-storm",
    "strict-control",
    "bind-storm-builtin",
    "bind-storm-builtin-control",
    "few-smrs",
    "few-smrs-full",
    "probe-timeout",
    "supplier-first-control",
    "amba-null",
    "amba-null-control",
    "two-iommus-walk",
    "two-iommus-walk-control",
    "suspend-late-fault",
    "suspend-late-fault-control",
    "kdump-bypass-window",
    "kdump-bypass-window-control",
    "late-smmu-cuts-dma",
    "late-smmu-cuts-dma-control",
    "late-smmu-cuts-dma-builtin-control",
    "bad-stream-id",
    "bad-stream-id-control",
    "device-not-ready",
    "device-not-ready-control",
    "fault-storm",
    "power-loss",
    "runtime-pm",
    "stream-masks",
    "splash-handoff",
    "splash-handoff-control",
    "late-clock",
    "boot",
    "disk",
    "masters",
    "userland",
    "faults",
];

/// The shipped recipe of that name.
pub fn shipped(name: &str) -> Option<Shipped> {
    SHIPPED.iter().copied().find(|shipped| shipped.name == name)
}

impl Shipped {
    /// Reads it.
    ///
    /// # Errors
    /// None: a test reads them all.
    pub fn recipe(self) -> Result<Recipe, TomlError> {
        Recipe::parse(self.text, &self.file())
    }

    /// Name of its file in messages.
    pub(super) fn file(self) -> String {
        format!("{}.toml (shipped)", self.name)
    }
}
