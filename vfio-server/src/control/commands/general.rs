// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Commands that every QMP server has, and which SMMUs there are.

use serde_json::{Map, Value, json};

use super::all;
use super::command::{Command, Context, Kind, Nothing, arguments, typed};
use crate::control::qmp::{self, Error};

/// Negotiates; the loop answers it.
pub const NEGOTIATE: &str = "qmp_capabilities";
/// Ends the server; the loop sees to it when the answer is sent.
pub const QUIT: &str = "quit";

arguments!(Capabilities {
    /// Capabilities to switch on; there are none.
    enable: Option<Vec<String>>,
});

impl Kind for Vec<String> {
    const KIND: &'static str = "array of strings";
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: NEGOTIATE,
        about: "Ends the negotiation; has to be the first command of a connection.",
        arguments: Capabilities::ARGUMENTS,
        returns: "nothing",
        example: "",
        run: |_, arguments| {
            let Capabilities { enable } = typed(arguments)?;
            match enable.unwrap_or_default().first() {
                Some(one) => Err(Error::generic(format_args!("capability {one:?} is not offered"))),
                None => Ok(json!({})),
            }
        },
    },
    Command {
        name: "query-commands",
        about: "Lists the commands.",
        arguments: Nothing::ARGUMENTS,
        returns: "array of `name`",
        example: "",
        run: |_, arguments| {
            let Nothing {} = typed(arguments)?;
            Ok(all().map(|command| json!({ "name": command.name })).collect())
        },
    },
    Command {
        name: "query-version",
        about: "Says which server this is. The numbers under `qemu` are the server's own.",
        arguments: Nothing::ARGUMENTS,
        returns: "`qemu` with `major`, `minor`, `micro`; `package`",
        example: "",
        run: |_, arguments| {
            let Nothing {} = typed(arguments)?;
            Ok(qmp::version())
        },
    },
    Command {
        name: "query-status",
        about: "Says that the server runs.",
        arguments: Nothing::ARGUMENTS,
        returns: "`running` (always true), `status` (`running`), `nanoseconds` since the server started, as \
                  in traces, `seed` (where all chance of the plan comes from)",
        example: "",
        run: |context, arguments| {
            let Nothing {} = typed(arguments)?;
            Ok(json!({
                "running": true, "status": "running", "nanoseconds": context.run().now(), "seed": context.seed(),
            }))
        },
    },
    Command {
        name: "query-smmus",
        about: "Lists the SMMUs.",
        arguments: Nothing::ARGUMENTS,
        returns: "array of `smmu` (its name), `socket`, `context-banks`, `stream-match-groups`, `stream-id-bits`, \
                  `register-space` (bytes), `delays`, `faults` (numbers of them), `traced`",
        example: "",
        run: query_smmus,
    },
    Command {
        name: QUIT,
        about: "Ends the server, all of its clients and QEMU's devices with it, as SIGTERM does.",
        arguments: Nothing::ARGUMENTS,
        returns: "nothing, before the server ends",
        example: "",
        run: |_, arguments| {
            let Nothing {} = typed(arguments)?;
            Ok(json!({}))
        },
    },
];

fn query_smmus(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Nothing {} = typed(arguments)?;
    let smmus = context.devices().iter().map(|device| {
        let function = device.lock();
        let smmu = function.smmu();
        let geometry = smmu.geometry();
        json!({
            "smmu": device.name,
            "socket": device.socket.to_string_lossy(),
            "context-banks": geometry.context_banks,
            "stream-match-groups": geometry.stream_match_groups,
            "stream-id-bits": geometry.stream_id_bits,
            "register-space": function.region_size(crate::function::region::REGISTERS).unwrap_or(0),
            "delays": smmu.delays().len(),
            "faults": smmu.injections().len(),
            "traced": function.host().shared().probe().is_on(),
        })
    });
    Ok(smmus.collect())
}
