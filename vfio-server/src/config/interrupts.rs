// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The form of an SMMU's interrupts.

use serde::{Deserialize, Serialize};

/// Form in which a line reaches the interrupt controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interrupts {
    /// An edge when the line rises, and when software has handled part of what holds it up.
    #[default]
    Edge,
    /// An edge as above, and another one every millisecond while the line is high: a handler that leaves the cause is
    /// called for ever, as by a wire.
    Level,
}
