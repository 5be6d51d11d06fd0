// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Translations of accesses, and contents of the TLB, without side effects.

use serde_json::{Map, Value, json};
use smmu_emu::Stage;
use smmu_emu::fault::{ContextFault, GlobalFault};
use smmu_emu::inspect::{Held, Regime, Step, TlbEntry};
use smmu_emu::plan::Number;
use smmu_emu::{Fault, Intent, Transaction, Translation};

use super::command::{Command, Context, arguments, narrow, typed};
use crate::control::qmp::Error;

/// Entries in one answer.
const PAGE: usize = 100;
/// Entries in one answer at most: an answer of this many is some 60 KiB.
const MAX_PAGE: usize = 256;

arguments!(Translate {
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

arguments!(List {
    /// Name of the SMMU; may be left out if there is only one.
    smmu: Option<String>,
    /// Only entries of this stage, 1 or 2.
    stage: Option<Number>,
    /// Only entries with this VMID.
    vmid: Option<Number>,
    /// Only entries that serve this ASID: with it, or global.
    asid: Option<Number>,
    /// Only entries for this input address.
    address: Option<Number>,
    /// Whether to list tables too, at which walks start; false if left out.
    tables: Option<bool>,
    /// Number of entries to leave out at the start; 0 if left out.
    skip: Option<Number>,
    /// Number of entries to list, at most 256; 100 if left out.
    limit: Option<Number>,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "translate",
        about: "Says where an access would go now, and every step on the way there. Nothing is recorded, no \
                delay counts it, no fault hits it.",
        arguments: Translate::ARGUMENTS,
        returns: "`result` (`translated` or `fault`); `address`, `length` (bytes for which the same holds), \
                  `attributes` (a byte of MAIR), `bank` (null for bypass); or `fault` (`global`, `context`, \
                  `blocked`, `waiting`) with `cause`, `bank`, `level`; `steps`, in order, each with `step` \
                  and `stage`: `read` of a descriptor (`level`, `address`, `value`, `kind`: invalid, table, \
                  block, page); `table` in the TLB at which the walk starts (`level`, `address`); `leaf`, \
                  where the stage ends (`kept`: from the TLB or else walked, `input`, `output`, `size`, \
                  `level`, `attributes`, `permissions`); `other`, with nothing else, for a kind of step that is not \
                  in this list yet",
        example: "smmu=a stream=2 address=0x1000 access=write",
        run: translate,
    },
    Command {
        name: "tlb-list",
        about: "Lists what the TLB holds, by regime, VMID, ASID and address. The TBUs of DMA devices hold \
                copies of some of it.",
        arguments: List::ARGUMENTS,
        returns: "`entries` (array of `regime`: `el1&0`, `hypervisor`, `stage2`; `stage`, `vmid`, `asid` \
                  (null for all), `address`, `size`, and `output`, `level`, `attributes`, `permissions` of a \
                  block or page, or `table`, `level` of a table), `total` (those that the filters let pass), \
                  `next` (`skip` for the rest; null at the end)",
        example: "smmu=a asid=1 limit=20",
        run: list,
    },
];

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
        stream_id: narrow(stream, "stream")?,
        address: address.0,
        intent: Intent {
            privileged: privileged.unwrap_or(false),
            write,
            instruction,
        },
    };
    let explained = {
        let function = device.lock();
        function.smmu().explain(&function.host().observer(), &transaction)
    };
    let mut shown = outcome(&explained.result);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("steps".into(), explained.steps.iter().map(step).collect());
    }
    Ok(shown)
}

fn outcome(result: &Result<Translation, Fault>) -> Value {
    match *result {
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
    }
}

fn step(step: &Step) -> Value {
    match *step {
        Step::Read {
            stage,
            level,
            address,
            value,
            kind,
        } => json!({
            "step": "read", "stage": stage, "level": level, "address": address, "value": value,
            "kind": format!("{kind:?}").to_lowercase(),
        }),
        Step::Table { stage, table, level } => {
            json!({ "step": "table", "stage": stage, "level": level, "address": table })
        }
        Step::Leaf {
            stage,
            kept,
            input,
            output,
            size,
            level,
            attributes,
            permissions,
        } => json!({
            "step": "leaf", "stage": stage, "kept": kept, "input": input, "output": output, "size": size,
            "level": level, "attributes": attributes, "permissions": permissions.names().collect::<Vec<_>>(),
        }),
        // A step that docs/control.md does not have yet.
        _ => json!({ "step": "other" }),
    }
}

fn list(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let List {
        smmu,
        stage,
        vmid,
        asid,
        address,
        tables,
        skip,
        limit,
    } = typed(arguments)?;
    let device = context.device(smmu.as_deref())?;
    let stage = match stage {
        None => None,
        Some(Number(1)) => Some(Stage::First),
        Some(Number(2)) => Some(Stage::Second),
        Some(_) => return Err(Error::generic("`stage` has to be 1 or 2")),
    };
    let vmid: Option<u16> = vmid.map(|vmid| narrow(vmid, "vmid")).transpose()?;
    let asid: Option<u16> = asid.map(|asid| narrow(asid, "asid")).transpose()?;
    let limit = limit
        .map_or(Ok(PAGE), |limit| narrow(limit, "limit"))?
        .min(MAX_PAGE);
    let skip: usize = skip.map_or(Ok(0), |skip| narrow(skip, "skip"))?;
    let passes = |entry: &TlbEntry| {
        (tables == Some(true) || matches!(entry.held, Held::Leaf { .. }))
            && stage.is_none_or(|stage| stage == entry.regime.stage())
            && vmid.is_none_or(|vmid| vmid == entry.vmid)
            && asid.is_none_or(|asid| entry.asid.is_none_or(|of| of == asid))
            && address.is_none_or(|address| address.0.wrapping_sub(entry.address) < entry.size)
    };
    // Copies under the lock; the rest is done without.
    let mut found: Vec<TlbEntry> = device.lock().smmu().tlb_entries().filter(passes).collect();
    found.sort_unstable_by_key(|entry| {
        let table = matches!(entry.held, Held::Table { .. });
        (
            entry.regime,
            entry.vmid,
            entry.asid,
            entry.address,
            table,
            entry.size,
        )
    });
    let end = skip.saturating_add(limit).min(found.len());
    let shown = found.get(skip..end).unwrap_or_default();
    Ok(json!({
        "entries": shown.iter().map(entry).collect::<Value>(),
        "total": found.len(),
        "next": (end < found.len()).then_some(end),
    }))
}

fn entry(entry: &TlbEntry) -> Value {
    let regime = match entry.regime {
        Regime::El1And0 => "el1&0",
        Regime::Hypervisor => "hypervisor",
        Regime::Stage2 => "stage2",
    };
    let mut shown = json!({
        "regime": regime, "stage": entry.regime.stage(), "vmid": entry.vmid, "asid": entry.asid,
        "address": entry.address, "size": entry.size,
    });
    let held = match entry.held {
        Held::Leaf {
            output,
            level,
            attributes,
            permissions,
        } => json!({
            "output": output, "level": level, "attributes": attributes,
            "permissions": permissions.names().collect::<Vec<_>>(),
        }),
        Held::Table { table, level } => json!({ "table": table, "level": level }),
    };
    if let (Some(shown), Value::Object(held)) = (shown.as_object_mut(), held) {
        shown.extend(held);
    }
    shown
}
