// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The timing plan's rules, one at a time.

use serde_json::{Map, Value, json};
use smmu_emu::{DelayRule, Plan};

use super::{Argument, Command, Context, MAX_DELAYS, Number, typed};
use crate::control::qmp::Error;

/// `smmu`, and the fields of a [`DelayRule`], side by side: flat arguments are easiest for people.
pub(super) const ADD: &[Argument] = &[
    optional(
        "smmu",
        "string",
        "Name of the SMMU; may be left out if there is only one.",
    ),
    Argument {
        name: "site",
        kind: "`ats`, `context-sync` or `global-sync`",
        required: true,
        about: "The status bit that stays set: `CBn_ATSR.ACTIVE`, `CBn_TLBSTATUS.SACTIVE`, `sTLBGSTATUS.GSACTIVE`.",
    },
    optional("bank", "number", "Only this context bank; not for `global-sync`."),
    optional(
        "polls",
        "number",
        "Set for this many reads of the status register.",
    ),
    optional(
        "time_us",
        "number, or object of `min` and `max`",
        "Set for this many microseconds, or for a time drawn between the two.",
    ),
    optional(
        "until",
        "string",
        "Set until this mark is raised; needs `at_most_us`.",
    ),
    optional("at_most_us", "number", "Upper bound of `until` in microseconds."),
    optional("after", "string", "The rule sleeps until this mark is raised."),
    optional("before", "string", "The rule ends when this mark is raised."),
    optional(
        "times",
        "number",
        "How often the rule may hit; -1, no limit, if left out.",
    ),
    optional("interval", "number", "Hits every n-th operation; 1 if left out."),
    optional(
        "probability",
        "number",
        "Chance of a hit in percent; 100 if left out.",
    ),
    optional(
        "space",
        "number",
        "Lets this many operations pass first; 0 if left out.",
    ),
];

const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Argument {
    Argument {
        name,
        kind,
        required: false,
        about,
    }
}

super::arguments!(OneOrAll {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
});

super::arguments!(Remove {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// Number of the delay.
    delay: Number,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "delay-add",
        about: "Adds a delay behind those that are there: the first that hits an operation decides. Exactly one of \
                `polls`, `time_us` and `until` has to be given. A delay stays until it is removed; a reset starts its \
                `times`, `interval` and `space` again.",
        arguments: ADD,
        returns: "`smmu`, `delay` (its number)",
        example: "smmu=a site=global-sync time_us=50000 times=1",
        run: add,
    },
    Command {
        name: "delay-list",
        about: "Lists the delays in the order of their precedence.",
        arguments: OneOrAll::ARGUMENTS,
        returns: "array of `smmu`, `delay`, `rule`, `times-left`, `operations` (that it was asked about), `hits`",
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

fn add(context: &Context, mut arguments: Map<String, Value>) -> Result<Value, Error> {
    let smmu = match arguments.remove("smmu") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(Error::generic("`smmu` has to be a string")),
    };
    let rule: DelayRule = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let plan = Plan { delays: vec![rule] };
    plan.validate_marks(context.run().mark_names().into_iter())
        .map_err(Error::generic)?;
    let function = device.lock();
    if function.smmu().delays().len() >= MAX_DELAYS {
        return Err(Error::generic(format_args!(
            "there are {MAX_DELAYS} delays already: remove some"
        )));
    }
    let mut number = 0;
    for rule in plan.delays {
        number = function.smmu().add_delay(rule).map_err(Error::generic)?;
    }
    Ok(json!({ "smmu": device.name, "delay": number }))
}

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let OneOrAll { smmu } = typed(arguments)?;
    let mut found = Vec::new();
    for device in context.some_or_all(smmu.as_deref())? {
        let delays: Vec<_> = device.lock().smmu().delays().collect();
        found.extend(delays.into_iter().map(|delay| {
            json!({
                "smmu": device.name,
                "delay": delay.number,
                "rule": delay.rule,
                "times-left": delay.times_left,
                "operations": delay.operations,
                "hits": delay.hits,
            })
        }));
    }
    Ok(found.into())
}

fn remove(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Remove { smmu, delay } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    if device.lock().smmu().remove_delay(delay.0) {
        Ok(json!({}))
    } else {
        Err(Error::generic(format_args!(
            "`delay`: {} has no delay {}",
            device.name, delay.0
        )))
    }
}
