// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The clock controllers before the SMMUs.

use serde_json::{Map, Value, json};
use smmu_emu::plan::Number;

use super::command::{Command, Context, arguments, narrow, typed};
use crate::client::device::Device;
use crate::control::qmp::Error;
use crate::function::clock::{Change, Control, Status};

arguments!(OneOrAll {
    /// Name of the SMMU; all that have a clock controller if left out.
    smmu: Option<String>,
});

arguments!(Set {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// CTRL.GATE: the clock is to reach the SMMU.
    gate: Option<bool>,
    /// CTRL.PLL: the PLL is to run.
    pll: Option<bool>,
    /// SETTLE_US.
    settle_us: Option<Number>,
    /// LOCK_US.
    lock_us: Option<Number>,
});

const RETURNS: &str = "`smmu`, `gate`, `pll`, `on`, `locked`, `settle-us`, `lock-us`, `violations`, `losses`";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "clocks-list",
        about: "Lists the clock controllers (`[smmu.clock]`) with their state.",
        arguments: OneOrAll::ARGUMENTS,
        returns: "array of `smmu`, `gate`, `pll`, `on`, `locked`, `settle-us`, `lock-us`, `violations`, `losses`",
        example: "",
        run: |context, arguments| {
            let OneOrAll { smmu } = typed(arguments)?;
            let devices = context.some_or_all(smmu.as_deref())?;
            Ok(devices.into_iter().filter_map(state).collect())
        },
    },
    Command {
        name: "clock-set",
        about: "Changes a clock controller as the guest's writes would.",
        arguments: Set::ARGUMENTS,
        returns: RETURNS,
        example: "smmu=a gate=false",
        run: set,
    },
];

fn state(device: &Device) -> Option<Value> {
    let function = device.lock();
    let now = function.host().run().now();
    let clock = function.clock()?;
    let (control, status) = (clock.control(), clock.status(now));
    let (settle_us, lock_us) = clock.times_us();
    Some(json!({
        "smmu": device.name,
        "gate": control.contains(Control::GATE),
        "pll": control.contains(Control::PLL),
        "on": status.contains(Status::ON),
        "locked": status.contains(Status::LOCKED),
        "settle-us": settle_us,
        "lock-us": lock_us,
        "violations": clock.violations(),
        "losses": clock.losses(),
    }))
}

fn set(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Set {
        smmu,
        gate,
        pll,
        settle_us,
        lock_us,
    } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let none = || {
        Error::generic(format_args!(
            "smmu {:?} has no clock controller: give it `[smmu.clock]` in the configuration",
            device.name
        ))
    };
    let change = Change {
        gate,
        pll,
        settle_us: settle_us.map(|us| narrow(us, "settle_us")).transpose()?,
        lock_us: lock_us.map(|us| narrow(us, "lock_us")).transpose()?,
        powered_down: None,
    };
    device.lock().change_clock(change).ok_or_else(none)?;
    state(device).ok_or_else(none)
}
