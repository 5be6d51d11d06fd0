// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Delays of the plan, one at a time.

use serde_json::{Map, Value, json};
use smmu_emu::plan::{Family, Number};
use smmu_emu::{DelayRule, Plan};

use super::command::{Argument, Command, Context, OneOrAll, arguments, typed};
use super::rules::{self, optional, required};
use crate::control::qmp::Error;

/// `smmu`, and the fields of a [`DelayRule`], side by side: flat arguments are easiest for people.
pub(super) const ADD: &[Argument] = &[
    rules::SMMU,
    required(
        "site",
        "`ats`, `context-sync`, `global-sync`, `interrupt` or `register`",
        "The operation that is late: a status bit that stays set (`CBn_ATSR.ACTIVE`, `CBn_TLBSTATUS.SACTIVE`, \
         `sTLBGSTATUS.GSACTIVE`), an interrupt, or the reply to a register access.",
    ),
    optional(
        "bank",
        "number",
        "Only this context bank; for `ats` and `context-sync`.",
    ),
    optional(
        "register",
        "string",
        "For `register`: the specification's name without `SMMU_`, such as `sCR0`, `SMRn`.",
    ),
    optional(
        "line",
        "`global`, `context` or `pmu`",
        "For `interrupt`: which kind of line; every line if left out.",
    ),
    optional(
        "index",
        "number",
        "The `n` of the register, or the bank or counter group of the line; all if left out.",
    ),
    optional(
        "access",
        "`read` or `write`",
        "For `register`: reads or writes; both if left out.",
    ),
    optional(
        "polls",
        "number",
        "A status bit: set for this many reads of the status register.",
    ),
    optional(
        "time_us",
        "number, or object of `min` and `max`, or of `mean` and `max`",
        "Late by this many microseconds; or by a time drawn between the two, all alike; or by one of an exponential \
         distribution, but no longer than `max`.",
    ),
    optional(
        "until",
        "string",
        "Late until this mark is raised; needs `at_most_us`.",
    ),
    optional("at_most_us", "number", "Upper bound of `until` in microseconds."),
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
    /// Number of the delay.
    delay: Number,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "delay-add",
        about: "Adds a delay behind those that are there: the first that hits an operation decides. Exactly one of \
                `polls`, `time_us` and `until` has to be given. A delay stays until it is removed; a reset \
                 starts its counts and its chance again (`docs/plan.md`).",
        arguments: ADD,
        returns: "`smmu`, `delay` (its number)",
        example: "smmu=a site=global-sync time_us=50000 times=1",
        run: add,
    },
    Command {
        name: "delay-list",
        about: "Lists the delays in the order of their precedence.",
        arguments: OneOrAll::ARGUMENTS,
        returns: rules::LISTED_DELAY,
        example: "",
        run: list,
    },
    Command {
        name: "delay-remove",
        about: "Removes a delay. An operation that it delays already takes as long as it was to take.",
        arguments: Remove::ARGUMENTS,
        returns: "nothing",
        example: "smmu=a delay=1",
        run: remove,
    },
];

fn add(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let (device, rule) = rules::of_arguments::<DelayRule>(context, arguments)?;
    let plan = Plan::of_delay(rule.clone());
    rules::check(context, &plan)?;
    let function = device.lock();
    let mut smmu = function.smmu();
    rules::check_room(smmu.delays().len(), "delays")?;
    let number = smmu.add_delay(rule).map_err(Error::generic)?;
    Ok(json!({ "smmu": device.name, "delay": number }))
}

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    rules::list(context, arguments, "delay", |smmu| smmu.delays().collect())
}

fn remove(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Remove { smmu, delay } = typed(arguments)?;
    rules::remove(context, smmu.as_deref(), Family::Delay, delay)
}
