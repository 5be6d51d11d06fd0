// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The run: marks, counters, resets.

use serde_json::{Map, Value, json};

use super::{Command, Context, Nothing, typed};
use crate::control::qmp::Error;

super::arguments!(One {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
});

super::arguments!(OneOrAll {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
});

super::arguments!(Mark {
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
        name: "mark-raise",
        about: "Raises a mark. It stays raised until a new run begins: when a vfio-user client connects and no other is \
                there.",
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
        about: "Counts since the control socket was opened; no reset clears them.",
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

fn counters(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let OneOrAll { smmu } = typed(arguments)?;
    let mut found = Vec::new();
    for device in context.some_or_all(smmu.as_deref())? {
        let (counts, delays, faults) = {
            let function = device.lock();
            let smmu = function.smmu();
            let (delays, faults): (Vec<_>, Vec<_>) = (smmu.delays().collect(), smmu.faults().collect());
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
