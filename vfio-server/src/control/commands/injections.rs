// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Injection rules of the plan, one at a time.

use serde_json::{Map, Value, json};
use smmu_emu::plan::{Family, Number};
use smmu_emu::{InjectionRule, Plan};

use super::command::{Argument, Command, Context, OneOrAll, arguments, typed};
use super::rules::{self, optional, required};
use crate::control::qmp::Error;

const NUMBER: &str = "number, or string such as \"0x1f\"";

/// Fields of an [`InjectionRule`].
pub(super) const ADD: &[Argument] = &[
    rules::SMMU,
    required(
        "kind",
        "string",
        "The error: `unmapped`, `permission`, `walk-abort`, `walk-corrupt`, `unknown-stream`, \
         `stream-conflict`, `stale-tlb`, `lost-invalidation`, `register-ones`, `register-value`, \
         `interrupt-lost`, `interrupt-stuck`; `docs/plan.md` says what each does and which of the arguments \
         go with it.",
    ),
    optional(
        "address",
        NUMBER,
        "First bus address that the rule is for; all if left out.",
    ),
    optional("size", NUMBER, "Bytes from `address` on; 4096 if left out."),
    optional("stream", NUMBER, "Only accesses of this stream."),
    optional("bank", NUMBER, "Only accesses that this context bank translates."),
    optional(
        "access",
        "`read`, `write` or `fetch`",
        "Only accesses of this kind.",
    ),
    optional(
        "level",
        NUMBER,
        "Level of the descriptor; for `unmapped` and `permission` the level that is reported, 3 if left out.",
    ),
    optional("stage", "1 or 2", "Only descriptors or entries of this stage."),
    optional(
        "descriptor",
        NUMBER,
        "Only the descriptor at this physical address.",
    ),
    optional("xor", NUMBER, "Bits of the descriptor to turn over."),
    optional("value", NUMBER, "The value that is read instead."),
    optional("mask", NUMBER, "Bits of `value` that count; all if left out."),
    optional("asid", NUMBER, "Only entries with this ASID."),
    optional("vmid", NUMBER, "Only entries with this VMID."),
    optional(
        "register",
        "string",
        "The specification's name of a register without `SMMU_`.",
    ),
    optional(
        "frame",
        "string",
        "Only registers of this frame, such as `gr0`, `cb3`: as for `registers-list`.",
    ),
    optional(
        "line",
        "`global`, `context` or `pmu`",
        "Which kind of line; every line if left out.",
    ),
    optional(
        "index",
        NUMBER,
        "The `n` of the register, or the bank or counter group of the line; all if left out.",
    ),
    rules::AFTER,
    rules::BEFORE,
    rules::INTERVAL,
    rules::PROBABILITY,
    rules::SPACE,
    rules::TIMES,
    rules::VERBOSE,
    rules::NTH,
];

arguments!(Remove {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// Number of the injection; `fault` is its old name.
    #[serde(alias = "fault")]
    injection: Number,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "injection-add",
        about: "Adds an injection behind those that are there: the first that hits an operation decides. It \
                stays until it is removed; a reset starts its counts and its chance again (`docs/plan.md`).",
        arguments: ADD,
        returns: "`smmu`, `injection` (its number; also as `fault`, its old name)",
        example: "smmu=a kind=unmapped address=0x1000 stream=2 times=1",
        run: add,
    },
    Command {
        name: "injection-list",
        about: "Lists the injections in the order of their precedence.",
        arguments: OneOrAll::ARGUMENTS,
        returns: rules::LISTED_INJECTION,
        example: "",
        run: list,
    },
    Command {
        name: "injection-remove",
        about: "Removes an injection. Its effects stay.",
        arguments: Remove::ARGUMENTS,
        returns: "nothing",
        example: "smmu=a injection=1",
        run: |context, arguments| {
            let Remove { smmu, injection } = typed(arguments)?;
            rules::remove(context, smmu.as_deref(), Family::Injection, injection)
        },
    },
];

fn add(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let (device, rule) = rules::of_arguments::<InjectionRule>(context, arguments)?;
    let plan = Plan::of_injection(rule.clone());
    rules::check(context, &plan)?;
    let function = device.lock();
    let mut smmu = function.smmu();
    rules::check_room(smmu.injections().len(), "injections")?;
    let number = smmu.add_injection(rule).map_err(Error::generic)?;
    Ok(json!({ "smmu": device.name, "injection": number, "fault": number }))
}

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    rules::list(context, arguments, "injection", |smmu| {
        smmu.injections().collect()
    })
}
