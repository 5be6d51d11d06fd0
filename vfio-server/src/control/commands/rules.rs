// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Common parts of delays and injections: when a rule hits, how it is listed and removed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use smmu_emu::plan::{Family, Number};
use smmu_emu::{Plan, Progress, Smmu};

use super::command::{Argument, Context, OneOrAll, typed};
use crate::client::device::Device;
use crate::control::qmp::Error;

/// Delays that one SMMU may have, and injections.
pub(super) const MAX_RULES: usize = 256;

pub(super) const SMMU: Argument = optional(
    "smmu",
    "string",
    "Name of the SMMU; may be left out if there is only one.",
);
pub(super) const AFTER: Argument = optional("after", "string", "The rule sleeps until this mark is raised.");
pub(super) const BEFORE: Argument = optional("before", "string", "The rule ends when this mark is raised.");
pub(super) const INTERVAL: Argument =
    optional("interval", "number", "Hits every n-th operation; 1 if left out.");
pub(super) const PROBABILITY: Argument = optional(
    "probability",
    "number",
    "Chance of a hit in percent; 100 if left out.",
);
pub(super) const SPACE: Argument = optional(
    "space",
    "number",
    "Lets this many operations pass first; 0 if left out.",
);
pub(super) const TIMES: Argument = optional(
    "times",
    "number",
    "How often the rule may hit; -1, no limit, if left out.",
);
pub(super) const VERBOSE: Argument = optional(
    "verbose",
    "number",
    "The log of a hit: 0 nothing, 1 that there was one, 2 which operation it was; 2 if left out.",
);
pub(super) const NTH: Argument = optional(
    "nth",
    "number",
    "Hits this operation and no other: what `operation` of an event was. Not with the five above it.",
);

/// Fields of a delay in a list.
pub(super) const LISTED_DELAY: &str = "array of `smmu`, `delay` (its number), `rule`, `times-left`, \
                                       `operation` (how many it was for since the plan, or a reset, began), \
                                       `operations` (the same since it was added), `hits`";
/// Fields of an injection in a list.
pub(super) const LISTED_INJECTION: &str = "array of `smmu`, `injection` (its number; also as `fault`, its \
                                           old name), and the rest as of `delay-list`";

pub(super) const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Argument {
    Argument {
        name,
        kind,
        required: false,
        about,
    }
}

pub(super) const fn required(name: &'static str, kind: &'static str, about: &'static str) -> Argument {
    Argument {
        name,
        kind,
        required: true,
        about,
    }
}

/// `smmu`, and the fields of a rule, side by side: flat arguments are easiest for people.
pub(super) fn of_arguments<R: DeserializeOwned>(
    context: &Context,
    mut arguments: Map<String, Value>,
) -> Result<(&Device, R), Error> {
    let smmu = match arguments.remove("smmu") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(Error::generic("`smmu` has to be a string")),
    };
    let rule = typed(arguments)?;
    Ok((context.device(smmu.as_deref())?, rule))
}

/// Checks that need the run: its marks, and how long clients wait.
pub(super) fn check(context: &Context, plan: &Plan) -> Result<(), Error> {
    check_with(context, plan, &context.run().mark_names())
}

/// Like [`check`], with these marks; and the plan is not too large.
pub(super) fn check_with(context: &Context, plan: &Plan, marks: &[String]) -> Result<(), Error> {
    if plan.delays.len() > MAX_RULES || plan.injections.len() > MAX_RULES {
        return Err(Error::generic(format_args!(
            "at most {MAX_RULES} delays and as many injections"
        )));
    }
    plan.validate_marks(marks.iter().map(String::as_str))
        .map_err(Error::generic)?;
    let run = context.run();
    run.reply_timeout().check(plan).map_err(Error::generic)
}

pub(super) fn check_room(count: usize, what: &str) -> Result<(), Error> {
    if count < MAX_RULES {
        return Ok(());
    }
    Err(Error::generic(format_args!(
        "there are {MAX_RULES} {what} already: remove some"
    )))
}

/// Lists what `rules` finds at one SMMU or all.
pub(super) fn list<R: Serialize>(
    context: &Context,
    arguments: Map<String, Value>,
    family: &'static str,
    rules: impl Fn(&Smmu) -> Vec<Progress<R>>,
) -> Result<Value, Error> {
    let OneOrAll { smmu } = typed(arguments)?;
    let mut found = Vec::new();
    for device in context.some_or_all(smmu.as_deref())? {
        let rules = rules(&device.lock().smmu());
        found.extend(rules.iter().map(|rule| show(&device.name, family, rule)));
    }
    Ok(found.into())
}

fn show<R: Serialize>(smmu: &str, family: &'static str, progress: &Progress<R>) -> Value {
    let mut shown = json!({
        "smmu": smmu,
        family: progress.number,
        "rule": progress.rule,
        "times-left": progress.times_left,
        "operation": progress.operation,
        "operations": progress.operations,
        "hits": progress.hits,
    });
    if family == "injection" {
        shown["fault"] = progress.number.into();
    }
    shown
}

pub(super) fn remove(
    context: &Context,
    smmu: Option<&str>,
    family: Family,
    Number(number): Number,
) -> Result<Value, Error> {
    let device = context.device(smmu)?;
    if device.lock().smmu().remove_rule(family, number) {
        Ok(json!({}))
    } else {
        Err(Error::generic(format_args!(
            "`{family}`: {} has no {family} {number}",
            device.name
        )))
    }
}
