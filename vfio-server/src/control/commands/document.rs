// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The commands and events as `docs/control.md` lists them.

use std::fmt::Write as _;

use super::{OLD_NAMES, all};
use crate::host::events::EVENTS;

/// The part of `docs/control.md` that is written from the tables.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from("## Commands\n");
    // Writing to a string cannot fail.
    for command in all() {
        let _ = write!(text, "\n### {}\n\n{}\n", command.name, command.about);
        if !command.arguments.is_empty() {
            text.push_str("\n| argument | is | |\n| --- | --- | --- |\n");
        }
        for argument in command.arguments {
            let left_out = if argument.required { "" } else { " (optional)" };
            let about = argument.about.trim();
            let _ = writeln!(
                text,
                "| `{}` | {}{left_out} | {about} |",
                argument.name, argument.kind
            );
        }
        let _ = write!(text, "\nReturns {}.\n", command.returns);
        let example = format!("{} {}", command.name, command.example);
        let example = example.trim_end();
        let _ = write!(text, "\n```\nvfio-server ctl --socket PATH {example}\n```\n");
    }
    text.push_str("\n## Old names\n\nThey are taken as before.\n\n| old | now |\n| --- | --- |\n");
    for (old, new) in OLD_NAMES {
        let _ = writeln!(text, "| `{old}` | `{new}` |");
    }
    text.push_str("\n## Events\n\n| event | |\n| --- | --- |\n");
    for (name, about) in EVENTS {
        let _ = writeln!(text, "| `{name}` | {about} |");
    }
    text
}
