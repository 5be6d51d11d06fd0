// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Registers by name.

use serde_json::{Map, Value, json};
use smmu_emu::plan::Number;
use smmu_emu::regs::AccessRule;
use smmu_emu::{Frame, Register};

use super::command::{Command, Context, arguments, narrow, typed};
use crate::client::device::Device;
use crate::control::qmp::Error;
use crate::function::region;
use crate::trace::describe::plain;

arguments!(List {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// `gr0`, `gr1`, `gid`, `pm`, `exsmr`, `exs2cr`; `cb` and the number of a context bank, such as `cb3`; or `secure`,
    /// what Secure software has for itself.
    frame: String,
    /// Whether to take values apart; true if left out.
    fields: Option<bool>,
});

arguments!(Read {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// The specification's name without `SMMU_`, such as `sCR0`, `SMRn`, `CBn_FSR` (`docs/registers.md`).
    name: String,
    /// The `n` of the name: a stream-matching group or context bank; 0 if left out.
    index: Option<Number>,
});

arguments!(Write {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// The specification's name without `SMMU_`, such as `sCR0`, `SMRn`, `CBn_FSR` (`docs/registers.md`).
    name: String,
    /// The `n` of the name: a stream-matching group or context bank; 0 if left out.
    index: Option<Number>,
    /// Value to write, to the whole register.
    value: Number,
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
];

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let List { smmu, frame, fields } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let found: Vec<(Register, u64)> = {
        let function = device.lock();
        let smmu = function.smmu();
        let peeked = |register: Register| (register, smmu.peek(&function.host().observer(), &register));
        match frame.as_str() {
            "secure" => smmu.secure_registers().map(peeked).collect(),
            text => {
                let frame: Frame = text
                    .parse()
                    .map_err(|error| Error::generic(format_args!("`frame`: {error}, or secure")))?;
                smmu.registers_of(frame).map(peeked).collect()
            }
        }
    };
    if found.is_empty() {
        return Err(Error::generic("`frame`: this SMMU has no registers there"));
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
    if register.secure {
        return Err(Error::generic(format_args!(
            "`name`: only Secure software writes {name}, and the guest has none"
        )));
    }
    let bytes = value.0.to_le_bytes();
    let width = usize::try_from(register.row.width).unwrap_or(bytes.len());
    let (data, beyond) = bytes.split_at_checked(width).unwrap_or((&bytes, &[]));
    if beyond.iter().any(|&byte| byte != 0) {
        return Err(Error::generic(format_args!(
            "`value`: the register has {} bits",
            width * 8
        )));
    }
    {
        let mut function = device.lock();
        // A reply that a rule makes late is one to the guest, and none is waited for here.
        function
            .write(region::REGISTERS, register.offset, data)
            .map_err(Error::generic)?;
    }
    Ok(peek(device, &register))
}

fn find(device: &Device, name: &str, index: Option<Number>) -> Result<Register, Error> {
    let index = index.map_or(Ok(0), |index| narrow(index, "index"))?;
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
        function.smmu().peek(&function.host().observer(), register)
    };
    show(device, register, value, true)
}

/// Takes the lock for one register at a time: a guest's access does not wait for a list.
fn show(device: &Device, register: &Register, value: u64, fields: bool) -> Value {
    let Register {
        index, row, offset, ..
    } = *register;
    let access = match row.access {
        AccessRule::Ro => "RO",
        AccessRule::Rw => "RW",
        AccessRule::W1c => "W1C",
        AccessRule::W1s => "W1S",
        AccessRule::Wo => "WO",
        AccessRule::Raz => "RAZ/WI",
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
