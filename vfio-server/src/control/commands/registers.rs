// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Registers by name, and translations without side effects.

use serde_json::{Map, Value, json};
use smmu_emu::fault::{ContextFault, GlobalFault};
use smmu_emu::regs::Access;
use smmu_emu::{Fault, Frame, Intent, Register, Transaction};

use super::{Command, Context, Number, typed};
use crate::control::qmp::Error;
use crate::function::region;
use crate::server::Device;
use crate::trace::describe::plain;

super::arguments!(List {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// `gr0`, `gr1`, or `cb` and the number of a context bank, such as `cb3`.
    frame: String,
    /// Whether to take values apart; true if left out.
    fields: Option<bool>,
});

super::arguments!(Read {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// The specification's name without `SMMU_`, such as `sCR0`, `SMRn`, `CBn_FSR` (`docs/registers.md`).
    name: String,
    /// The `n` of the name: a stream-matching group or context bank; 0 if left out.
    index: Option<Number>,
});

super::arguments!(Write {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// The specification's name without `SMMU_`, such as `sCR0`, `SMRn`, `CBn_FSR` (`docs/registers.md`).
    name: String,
    /// The `n` of the name: a stream-matching group or context bank; 0 if left out.
    index: Option<Number>,
    /// What to write, to the whole register.
    value: Number,
});

super::arguments!(Translate {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// Stream ID.
    stream: Number,
    /// Bus address.
    address: Number,
    /// `read`, `write` or `fetch`; `read` if left out.
    access: Option<String>,
    /// Whether the access is privileged; false if left out.
    privileged: Option<bool>,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "registers-list",
        about: "Lists the registers of a frame with their values, without the side effects of a read.",
        arguments: List::ARGUMENTS,
        returns: "array of `name`, `index`, `offset` (in the register space), `width` (bytes), `access`, `value`, and \
                  `fields` for registers that have some",
        example: "smmu=a frame=gr0",
        run: list,
    },
    Command {
        name: "register-read",
        about: "Shows a register without the side effects of a read: a delay in polls does not count it.",
        arguments: Read::ARGUMENTS,
        returns: "as an element of `registers-list`",
        example: "smmu=a name=SMRn index=2",
        run: read,
    },
    Command {
        name: "register-write",
        about: "Writes a register as the guest would: its access rule and side effects apply, marks and trace see it.",
        arguments: Write::ARGUMENTS,
        returns: "the register after the write, as `register-read`",
        example: "smmu=a name=sTLBGSYNC value=0",
        run: write,
    },
    Command {
        name: "translate",
        about: "Says where an access would go now. Nothing is recorded, no delay counts it.",
        arguments: Translate::ARGUMENTS,
        returns: "`result` (`translated` or `fault`); `address`, `length` (bytes for which the same holds), `attributes` \
                  (a byte of MAIR), `bank` (null for bypass); or `fault` (`global`, `context`, `blocked`, `waiting`) with `cause`, \
                  `bank`, `level`",
        example: "smmu=a stream=2 address=0x1000 access=write",
        run: translate,
    },
];

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let List { smmu, frame, fields } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let frame = match frame.as_str() {
        "gr0" => Frame::Gr0,
        "gr1" => Frame::Gr1,
        text => text
            .strip_prefix("cb")
            .and_then(|bank| bank.parse().ok())
            .map(Frame::Context)
            .ok_or_else(|| Error::generic("`frame` has to be gr0, gr1, or cb and a number"))?,
    };
    let found: Vec<(Register, u64)> = {
        let function = device.lock();
        let smmu = function.smmu();
        let registers = smmu.registers_of(frame);
        registers
            .map(|register| (register, smmu.peek(function.host(), &register)))
            .collect()
    };
    if found.is_empty() {
        return Err(Error::generic("`frame`: there is no such context bank"));
    }
    let fields = fields.unwrap_or(true);
    let shown = found
        .iter()
        .map(|(register, value)| show(device, register, *value, fields));
    Ok(shown.collect())
}

fn read(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Read { smmu, name, index } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let register = find(device, &name, index)?;
    Ok(peek(device, &register))
}

fn write(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Write {
        smmu,
        name,
        index,
        value,
    } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let register = find(device, &name, index)?;
    let bytes = value.0.to_le_bytes();
    let width = usize::try_from(register.row.width).unwrap_or(bytes.len());
    let (data, beyond) = bytes.split_at_checked(width).unwrap_or((&bytes, &[]));
    if beyond.iter().any(|&byte| byte != 0) {
        return Err(Error::generic(format_args!(
            "`value`: the register has {} bits",
            width * 8
        )));
    }
    device
        .lock()
        .write(region::REGISTERS, register.offset, data)
        .map_err(Error::generic)?;
    Ok(peek(device, &register))
}

fn find(device: &Device, name: &str, index: Option<Number>) -> Result<Register, Error> {
    let index = index.map_or(Ok(0), |index| index.narrow("index"))?;
    let register = device.lock().smmu().register(name, index);
    register.ok_or_else(|| {
        Error::generic(if smmu_emu::register_names().any(|known| known == name) {
            format!("`index`: this SMMU has no {name} with the number {index}")
        } else {
            format!("`name`: {name:?} is no register of the model (such as sCR0, SMRn, CBn_FSR)")
        })
    })
}

fn peek(device: &Device, register: &Register) -> Value {
    let value = {
        let function = device.lock();
        function.smmu().peek(function.host(), register)
    };
    show(device, register, value, true)
}

/// Takes the lock for one register at a time: a guest's access does not wait for a list.
fn show(device: &Device, register: &Register, value: u64, fields: bool) -> Value {
    let Register {
        index, row, offset, ..
    } = *register;
    let access = match row.access {
        Access::Ro => "RO",
        Access::Rw => "RW",
        Access::W1c => "W1C",
        Access::W1s => "W1S",
        Access::Wo => "WO",
        Access::Raz => "RAZ/WI",
    };
    let mut shown = json!({
        "name": row.name, "index": index, "offset": offset, "width": row.width, "access": access, "value": value,
    });
    let fields = if fields {
        device.lock().smmu().fields(register, value)
    } else {
        Vec::new()
    };
    if let (false, Some(shown)) = (fields.is_empty(), shown.as_object_mut()) {
        let fields: Map<String, Value> = fields
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect();
        shown.insert("fields".into(), fields.into());
    }
    shown
}

fn translate(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Translate {
        smmu,
        stream,
        address,
        access,
        privileged,
    } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let (write, instruction) = match access.as_deref() {
        None | Some("read") => (false, false),
        Some("write") => (true, false),
        Some("fetch") => (false, true),
        Some(_) => return Err(Error::generic("`access` has to be read, write or fetch")),
    };
    let transaction = Transaction {
        stream_id: stream.narrow("stream")?,
        address: address.0,
        intent: Intent {
            privileged: privileged.unwrap_or(false),
            write,
            instruction,
        },
    };
    let result = {
        let function = device.lock();
        function.smmu().translate(function.host(), &transaction)
    };
    Ok(match result {
        Ok(translation) => json!({
            "result": "translated",
            "address": translation.address,
            "length": translation.length,
            "attributes": translation.attributes,
            "bank": translation.bank,
        }),
        Err(Fault::Global(GlobalFault { cause, .. })) => {
            json!({ "result": "fault", "fault": "global", "cause": format!("{cause:?}") })
        }
        Err(Fault::Context(ContextFault {
            bank, cause, level, ..
        })) => json!({
            "result": "fault", "fault": "context", "cause": format!("{cause:?}"), "bank": bank, "level": level,
        }),
        Err(Fault::Blocked { bank }) => json!({ "result": "fault", "fault": "blocked", "bank": bank }),
        Err(Fault::Waiting { bank }) => json!({ "result": "fault", "fault": "waiting", "bank": bank }),
    })
}
