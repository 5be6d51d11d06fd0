// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The commands: one table, from which they are looked up, listed and documented (`docs/control.md`).

mod clocks;
mod command;
mod delays;
mod dma_devices;
pub mod document;
mod general;
mod injections;
mod plan;
mod registers;
mod rules;
mod run;
mod state;
mod trace;
mod translations;

#[cfg(test)]
pub(super) mod tests;

pub use command::{Argument, Command, Context};
pub use general::{NEGOTIATE, QUIT};

/// Commands that wait for a disk or a transfer; those of other clients do not wait for these.
pub const SLOW: &[&str] = &[
    "dma",
    "state-load",
    "state-save",
    "trace-save",
    "trace-start",
    "trace-stop",
];

/// All commands, by subject.
pub static COMMANDS: &[&[Command]] = &[
    general::COMMANDS,
    registers::COMMANDS,
    translations::COMMANDS,
    delays::COMMANDS,
    injections::COMMANDS,
    plan::COMMANDS,
    run::COMMANDS,
    state::COMMANDS,
    clocks::COMMANDS,
    dma_devices::COMMANDS,
    trace::COMMANDS,
];

/// Every command of the table.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().copied().flatten()
}

/// Old names of commands, each with the name that it has now.
pub const OLD_NAMES: &[(&str, &str)] = &[
    ("fault-add", "injection-add"),
    ("fault-list", "injection-list"),
    ("fault-remove", "injection-remove"),
];

/// The command of this name, or of this old name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    let renamed = OLD_NAMES.iter().find(|(old, _)| *old == name);
    let name = renamed.map_or(name, |(_, new)| new);
    all().find(|command| command.name == name)
}
