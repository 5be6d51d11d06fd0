// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The state of the models in a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use host_guard::file;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use smmu_emu::{MarkState, State};

use super::command::{Command, Context, arguments, typed};
use super::rules;
use crate::client::device::Device;
use crate::control::qmp::Error;
use crate::function::Function;
use crate::sync::MutexGuard;

/// Bytes of a file that `state-load` reads: several SMMUs with a full TLB each.
const MOST: u64 = 64 << 20;

arguments!(Save {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
    /// The file to make; relative to the server's working directory. One that is there is not touched.
    path: String,
});

arguments!(Load {
    /// The file, as `state-save` wrote it; relative to the server's working directory.
    path: String,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "state-save",
        about: "Writes the state of SMMUs and marks to a new file, as JSON: registers, TLB, stalls, \
                operations under way, event counters, and the rules of the plan with how far each has got. \
                No part of it are the DMA devices behind an SMMU with their registers, rings and transfers, its \
                clock controller, its PCI function (configuration space, MSI-X, pending bits), guest memory, and \
                the trace. While an access of a DMA device is stalled it is refused: the state would have a \
                stall without the access that waits.",
        arguments: Save::ARGUMENTS,
        returns: "`smmus` (their names), `bytes` (of the file)",
        example: "path=/tmp/state.json",
        run: save,
    },
    Command {
        name: "state-load",
        about: "Puts the state of such a file in the place of what there is, for the SMMUs that it names, \
                and gives interrupt lines their levels; or changes nothing if a state does not fit. An SMMU \
                has to have the configuration of the one that was saved, and the run its marks. Everything else \
                stays as it is: DMA devices go on. While an access of one of them is stalled it is refused: \
                that access would end with a bus error, for no reason in either state. \
                The file has 64 MiB at most.",
        arguments: Load::ARGUMENTS,
        returns: "`smmus` (their names)",
        example: "path=/tmp/state.json",
        run: load,
    },
];

/// Content of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    marks: Vec<MarkState>,
    smmus: BTreeMap<String, State>,
}

fn save(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Save { smmu, path } = typed(arguments)?;
    let devices = context.some_or_all(smmu.as_deref())?;
    let error = |error: &dyn std::fmt::Display| {
        Error::generic(format_args!("`path`: cannot write {path:?}: {error}"))
    };
    let saved = without_stalls(&devices, |functions| {
        let states = devices.iter().zip(functions).map(|(device, function)| {
            let state = function.smmu().save(&function.host().observer());
            (device.name.clone(), state)
        });
        Ok(Saved {
            smmus: states.collect(),
            marks: context.run().save_marks(),
        })
    })?;
    let file = File::create_new(&path).map_err(|problem| error(&problem))?;
    let mut writer = BufWriter::new(file);
    serde_json::to_writer(&mut writer, &saved).map_err(|problem| error(&problem))?;
    writer.flush().map_err(|problem| error(&problem))?;
    let bytes = writer
        .get_ref()
        .metadata()
        .map_err(|problem| error(&problem))?
        .len();
    let names: Vec<_> = saved.smmus.into_keys().collect();
    Ok(json!({ "smmus": names, "bytes": bytes }))
}

fn load(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Load { path } = typed(arguments)?;
    let Saved { marks, smmus } = read(&path)?;
    let known = context.run().mark_names();
    for (name, state) in &smmus {
        let error =
            |problem: &dyn std::fmt::Display| Error::generic(format_args!("smmu {name:?}: {problem}"));
        let device = context.device(Some(name))?;
        let plan = state.plan();
        rules::check_with(context, &plan, &known).map_err(|problem| error(&problem.desc))?;
        if let Some(mark) = state.marks().find(|mark| known.iter().all(|name| name != mark)) {
            return Err(error(&format_args!(
                "the state waits for {mark:?}, which is no mark of this run"
            )));
        }
        device
            .lock()
            .smmu()
            .check_state(state)
            .map_err(|problem| error(&problem))?;
    }
    let devices = context.devices().iter();
    let devices: Vec<&Device> = devices
        .filter(|device| smmus.contains_key(&device.name))
        .collect();
    without_stalls(&devices, |functions| {
        context.run().restore_marks(&marks).map_err(Error::generic)?;
        for (device, function) in devices.iter().zip(functions) {
            if let Some(state) = smmus.get(&device.name) {
                function.restore(state).map_err(Error::generic)?;
            }
        }
        Ok(())
    })?;
    let names: Vec<_> = smmus.into_keys().collect();
    Ok(json!({ "smmus": names }))
}

/// Acts on SMMUs, which are in the order of the configuration, while no access of the DMA devices behind them is under
/// way.
///
/// # Errors
/// An access is stalled; nothing is done then. Those of `act`.
fn without_stalls<R>(
    devices: &[&Device],
    act: impl FnOnce(&mut [MutexGuard<'_, Function>]) -> Result<R, Error>,
) -> Result<R, Error> {
    let mut functions: Vec<_> = devices.iter().map(|device| device.lock()).collect();
    let shared = functions
        .iter()
        .map(|function| Arc::clone(function.host().shared()));
    let shared: Vec<_> = shared.collect();
    // A stalled access is none under way, and counts before it leaves the gate.
    let _pauses: Vec<_> = shared.iter().map(|shared| shared.dma_gate().pause()).collect();
    for (device, function) in devices.iter().zip(&functions) {
        let stalled = function
            .dma_devices()
            .iter()
            .find(|dma_device| dma_device.activity().waits());
        if let Some(dma_device) = stalled {
            return Err(Error::generic(format_args!(
                "smmu {:?}: an access of {:?} is stalled, and a state has no stalled accesses: let the driver \
                 handle its fault (CBn_RESUME), or `reset` the SMMU",
                device.name,
                dma_device.config().name
            )));
        }
    }
    act(&mut functions)
}

/// Reads a file that may be anything.
fn read(path: &str) -> Result<Saved, Error> {
    let error = |problem: &dyn std::fmt::Display| {
        Error::generic(format_args!("`path`: cannot read {path:?}: {problem}"))
    };
    let text = file::read(Path::new(path), MOST).map_err(|problem| error(&problem))?;
    serde_json::from_slice(&text).map_err(|problem| error(&format_args!("not a state: {problem}")))
}
