// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The run: marks, counters, resets.

use serde_json::{Map, Value, json};

use smmu_emu::plan::Number;
use smmu_emu::{AccessKind, MarkRule};

use super::command::{Command, Context, Nothing, OneOrAll, arguments, narrow, typed};
use crate::control::qmp::Error;

arguments!(One {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
});

arguments!(Add {
    /// Its name, which no other mark has.
    name: String,
    /// The SMMU whose accesses to watch; any if left out.
    smmu: Option<String>,
    /// The register whose accesses to watch, such as `SMRn`, or `*` for any. If left out, only the guest and
    /// `mark-raise` raise the mark.
    register: Option<String>,
    /// The `n` of the register; any if left out.
    index: Option<Number>,
    /// Only accesses of this kind.
    access: Option<AccessKind>,
    /// Raised by this one of the accesses, counted from 1; 1 if left out.
    nth: Option<Number>,
    /// Counts accesses only once this mark is raised.
    after: Option<String>,
});

arguments!(Mark {
    /// Name of the mark.
    mark: String,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "marks-list",
        about: "Lists the marks of the run.",
        arguments: Nothing::ARGUMENTS,
        returns: "array of `mark` (its name), `raised`",
        example: "",
        run: |context, arguments| {
            let Nothing {} = typed(arguments)?;
            let marks = context.run().marks().into_iter();
            Ok(marks
                .map(|(mark, raised)| json!({ "mark": mark, "raised": raised }))
                .collect())
        },
    },
    Command {
        name: "mark-add",
        about: "Adds a mark, not raised, to this run and later ones, behind those that there are. It stays \
                until the server ends. The guest finds it in BAR2 by its number.",
        arguments: Add::ARGUMENTS,
        returns: "`mark` (its number, counted from 0)",
        example: "name=attached smmu=a register=CBn_SCTLR access=write",
        run: add,
    },
    Command {
        name: "mark-raise",
        about: "Raises a mark. It stays raised until a new run begins: when a vfio-user client connects and \
                no other is there.",
        arguments: Mark::ARGUMENTS,
        returns: "nothing",
        example: "mark=go",
        run: |context, arguments| {
            let Mark { mark } = typed(arguments)?;
            let number = context.run().mark_names().iter().position(|name| *name == mark);
            let number =
                number.ok_or_else(|| Error::generic(format_args!("`mark`: there is no mark {mark:?}")))?;
            context.run().raise(number);
            Ok(json!({}))
        },
    },
    Command {
        name: "counters",
        about: "Counts since the server was started; no reset clears them.",
        arguments: OneOrAll::ARGUMENTS,
        returns: "array of `smmu`, `reads` and `writes` (register accesses), `delays` (array of `delay`, `operations`, \
                  `hits`), `faults` (array of `fault` and the same)",
        example: "",
        run: counters,
    },
    Command {
        name: "reset",
        about: "Resets an SMMU as a power cycle would: registers, operations, interrupt lines, the progress of its \
                delays and faults. The PCI function around it stays as it is.",
        arguments: One::ARGUMENTS,
        returns: "nothing",
        example: "smmu=a",
        run: |context, arguments| {
            let One { smmu } = typed(arguments)?;
            context.device(smmu.as_deref())?.lock().power_cycle();
            Ok(json!({}))
        },
    },
];

fn add(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Add {
        name,
        smmu,
        register,
        index,
        access,
        nth,
        after,
    } = typed(arguments)?;
    if context.run().mark_names().contains(&name) {
        return Err(Error::generic(format_args!(
            "`name`: there is a mark {name:?} already"
        )));
    }
    let rule = MarkRule {
        name,
        smmu,
        register,
        index: index.map(|index| narrow(index, "index")).transpose()?,
        access,
        nth: nth.map_or(1, |Number(nth)| nth),
        after,
    };
    let number = context.add_marks(&[rule])?;
    Ok(json!({ "mark": number }))
}

fn counters(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let OneOrAll { smmu } = typed(arguments)?;
    let mut found = Vec::new();
    for device in context.some_or_all(smmu.as_deref())? {
        let (counts, delays, faults) = {
            let function = device.lock();
            let smmu = function.smmu();
            let (delays, faults): (Vec<_>, Vec<_>) = (smmu.delays().collect(), smmu.injections().collect());
            (function.host().counts(), delays, faults)
        };
        let faults = faults.into_iter().map(
            |fault| json!({ "fault": fault.number, "operations": fault.operations, "hits": fault.hits }),
        );
        let delays = delays.into_iter().map(
            |delay| json!({ "delay": delay.number, "operations": delay.operations, "hits": delay.hits }),
        );
        found.push(json!({
            "smmu": device.name,
            "reads": counts.reads,
            "writes": counts.writes,
            "delays": delays.collect::<Value>(),
            "faults": faults.collect::<Value>(),
        }));
    }
    Ok(found.into())
}
