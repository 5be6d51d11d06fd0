// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Recipes: TOML files that say which machine to build, what to delay in its SMMUs, and what the guest does.
//!
//! Reading one checks everything that can be checked without booting it; an error names file, line and column.

mod check;
mod expect;
mod finding;
mod foreign;
mod image;
mod master;
mod names;
mod places;
mod problem;
mod reading;
mod registers;
pub mod script;
mod shipped;
mod start;
mod step;
#[cfg(test)]
mod tests;
mod texts;
pub mod toml_file;

use guest_images::machine::board::Board;
use guest_images::machine::layout::{Layout, SmmuShape};
use serde::Deserialize;
use smmu_emu::{Config, DelayRule, InjectionRule, MarkRule};
use toml::Spanned;
use vfio_server::config::{ClockConfig, DmaDeviceConfig, Interrupts};

pub use expect::{ExpectBoots, Expectation, Expectations, FindingRef, Pattern, Subject};
pub use finding::FindingKind;
pub use foreign::ForeignFile;
pub use image::Image;
pub use reading::text_of;
pub use shipped::{DEFAULT, SHIPPED, Shipped, shipped};
pub use start::Start;
pub use step::{Action, DEFAULT_WAIT_S, Step};
pub use toml_file::TomlError;

/// Recipe files that state another `schema` are refused.
pub const SCHEMA: u32 = 1;

/// One SMMU's model and plan, for the SMMU of the board with the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmmuModel {
    /// Name of the board's SMMU.
    pub name: String,
    /// Configuration of the model.
    #[serde(default)]
    pub model: Config,
    /// Delay rules of the model.
    #[serde(default, rename = "delay")]
    pub delays: Vec<DelayRule>,
    /// The masters behind it; the board's clients of these names.
    #[serde(default, rename = "master")]
    pub masters: Vec<DmaDeviceConfig>,
    /// Injection rules of the model.
    #[serde(default, rename = "injection", alias = "fault")]
    pub injections: Vec<InjectionRule>,
    /// The clock controller before it.
    #[serde(default)]
    pub clock: Option<ClockConfig>,
    /// Form of its interrupts.
    #[serde(default)]
    pub interrupts: Interrupts,
}

/// A recipe as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    schema: Option<Spanned<u32>>,
    name: Spanned<String>,
    summary: String,
    #[serde(default)]
    why: String,
    expect: Spanned<expect::WrittenExpect>,
    #[serde(default)]
    expect_boots: Option<ExpectBoots>,
    #[serde(default)]
    inconclusive: Vec<Spanned<expect::WrittenExpectation>>,
    #[serde(default)]
    allow_unbound: Vec<Spanned<String>>,
    #[serde(default)]
    cmdline: Vec<String>,
    #[serde(default)]
    modules: Vec<Spanned<String>>,
    #[serde(default)]
    tools: Vec<Spanned<String>>,
    #[serde(default)]
    kernel_image: bool,
    #[serde(default)]
    quiet: bool,
    #[serde(default)]
    dmesg_drop: Vec<String>,
    #[serde(default)]
    settle_ms: Option<Spanned<u32>>,
    board: Spanned<Board>,
    #[serde(default, rename = "smmu")]
    smmus: Vec<Spanned<SmmuModel>>,
    #[serde(default, rename = "image")]
    images: Vec<Spanned<Image>>,
    #[serde(default, rename = "mark")]
    marks: Vec<Spanned<MarkRule>>,
    #[serde(default, rename = "step")]
    steps: Vec<Spanned<step::Written>>,
}

/// A recipe that has passed all checks.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Short name, `attach-lock`.
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// Explanation of the recipe, for people.
    pub why: String,
    /// Expectations of its boots.
    pub expect: Expectations,
    /// Kernel arguments beyond those that every boot gets.
    pub cmdline: Vec<String>,
    /// Kernel modules to pack (with what they depend on), not loaded by themselves.
    pub modules: Vec<String>,
    /// Packages of programs for the guest, by their names in the lock file.
    pub tools: Vec<String>,
    /// The guest has the Image of its kernel as `/boot/Image`, to start another one (`kexec`).
    pub kernel_image: bool,
    /// The kernel log stays off the console during the steps and is printed after them.
    pub quiet: bool,
    /// Quiet recipes: log lines with one of these texts are left out of what is printed.
    pub dmesg_drop: Vec<String>,
    /// Wait of the guest after the last step, in milliseconds.
    pub settle_ms: u32,
    /// The machine.
    pub board: Board,
    /// A model for each of the board's SMMUs, in board order.
    pub smmus: Vec<SmmuModel>,
    /// Image files that are made for each boot.
    pub images: Vec<Image>,
    /// The marks, in the order of the words that the guest sees.
    pub marks: Vec<MarkRule>,
    /// Steps of the guest.
    pub steps: Vec<Step>,
}

/// Settle time of a recipe that states none, in milliseconds.
pub const DEFAULT_SETTLE_MS: u32 = 1500;
/// Longest settle time, in milliseconds.
pub const MAX_SETTLE_MS: u32 = 60_000;

impl Recipe {
    /// The files outside of the run's directory that the recipe names.
    pub fn foreign_files(&self) -> impl Iterator<Item = ForeignFile<'_>> {
        self.smmus
            .iter()
            .flat_map(|smmu| &smmu.masters)
            .flat_map(foreign::of)
    }

    /// Layout of the recipe's devices.
    ///
    /// # Errors
    /// The board does not fit; cannot happen for a recipe that was read.
    pub fn layout(&self) -> Result<Layout, guest_images::machine::board::BoardError> {
        Layout::new(&self.board, &shapes(&self.smmus))
    }
}

/// Shapes of the models, for the layout.
fn shapes(smmus: &[SmmuModel]) -> Vec<SmmuShape> {
    let shape = |smmu: &SmmuModel| SmmuShape {
        register_space: smmu.model.register_space(),
        // All lines but the global one; a count that does not fit has no room for interrupts either.
        context_banks: u8::try_from(smmu.model.interrupt_lines().len().saturating_sub(1)).unwrap_or(u8::MAX),
        masters: smmu.masters.iter().map(|master| master.name.clone()).collect(),
        clock: smmu.clock.is_some(),
    };
    smmus.iter().map(shape).collect()
}
