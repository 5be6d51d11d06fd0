// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The trace: recording, files, and how it stands.

use std::fs::File;
use std::path::Path;

use serde_json::{Map, Value, json};
use smmu_emu::plan::Number;

use super::command::{Command, Context, Nothing, arguments, narrow, typed};
use crate::control::qmp::Error;
use crate::trace::ring::RECORDS;
use crate::trace::{Ended, Format};

arguments!(Start {
    /// Name of the SMMU; all, into one file, if left out.
    smmu: Option<String>,
    /// The file to make; relative to the server's working directory. One that is there is not touched. No file if left
    /// out.
    path: Option<String>,
    /// `ndjson` or `chrome`; if left out, `chrome` for a path that ends in `.json`, else `ndjson`.
    format: Option<String>,
    /// Number of events that are kept, 1024 to 262144; another number than before forgets what is there.
    records: Option<Number>,
});

arguments!(Stop {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
});

arguments!(Save {
    /// Name of the SMMU; all if left out.
    smmu: Option<String>,
    /// The file to make; relative to the server's working directory. One that is there is not touched.
    path: String,
    /// As for `trace-start`.
    format: Option<String>,
});

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "trace-start",
        about: "Records what happens from now on (`docs/trace.md`): the last events are kept for \
                `trace-save`, and written to a file if there is a `path`. The file that an SMMU is being \
                written to ends for it.",
        arguments: Start::ARGUMENTS,
        returns: "array of the files that ended, as `trace-stop`",
        example: "smmu=a path=/tmp/a.ndjson",
        run: start,
    },
    Command {
        name: "trace-stop",
        about: "Records no more; when the answer is there, the files are complete. Its records can \
                still be saved.",
        arguments: Stop::ARGUMENTS,
        returns: "array of the files that ended: `path`, `records` (events in it), `lost` (events missing in \
                  it, because the disk was too slow), `error` (null, or why it is incomplete)",
        example: "",
        run: |context, arguments| {
            let Stop { smmu } = typed(arguments)?;
            let smmus = numbers(context, smmu.as_deref())?;
            Ok(context.run().tracer().stop(&smmus).iter().map(file).collect())
        },
    },
    Command {
        name: "trace-save",
        about: "Writes the last events to a new file. Recording goes on meanwhile.",
        arguments: Save::ARGUMENTS,
        returns: "`records` (events in the file), `lost` (events overwritten while it was written)",
        example: "path=/tmp/all.json format=chrome",
        run: save,
    },
    Command {
        name: "trace-status",
        about: "Says how the trace stands.",
        arguments: Nothing::ARGUMENTS,
        returns: "`smmus` (names of those that are recorded), `capacity` (events that can be kept), `kept`, \
                  `recorded` (all that there ever were), `files` (being written, as `trace-stop`)",
        example: "",
        run: |context, arguments| {
            let Nothing {} = typed(arguments)?;
            let traced =
                |device: &&crate::client::device::Device| device.lock().host().shared().probe().is_on();
            let smmus = context
                .devices()
                .iter()
                .filter(traced)
                .map(|device| device.name.as_str());
            let smmus: Value = smmus.collect();
            let status = context.run().tracer().status();
            Ok(json!({
                "smmus": smmus,
                "capacity": status.capacity,
                "kept": status.kept,
                "recorded": status.recorded,
                "files": status.files.iter().map(file).collect::<Value>(),
            }))
        },
    },
];

#[cfg(test)]
mod tests;

fn start(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Start {
        smmu,
        path,
        format,
        records,
    } = typed(arguments)?;
    let smmus = numbers(context, smmu.as_deref())?;
    let records: Option<usize> = records.map(|records| narrow(records, "records")).transpose()?;
    if records.is_some_and(|records| !RECORDS.contains(&records)) {
        return Err(Error::generic(format_args!(
            "`records` has to be {} to {}",
            RECORDS.start(),
            RECORDS.end()
        )));
    }
    if path.is_none() && format.is_some() {
        return Err(Error::generic(
            "`format` is for a file: give `path` too, or use trace-save",
        ));
    }
    let tracer = context.run().tracer();
    let Some(path) = path else {
        tracer.record(&smmus, records);
        return Ok(json!([]));
    };
    let (file_to_write, format) = make(&path, format.as_deref())?;
    tracer.record(&smmus, records);
    let ended = tracer.write(&smmus, file_to_write, Path::new(&path), format);
    let ended =
        ended.map_err(|error| Error::generic(format_args!("cannot start to write {path:?}: {error}")))?;
    Ok(ended.iter().map(file).collect())
}

fn save(context: &Context, arguments: Map<String, Value>) -> Result<Value, Error> {
    let Save { smmu, path, format } = typed(arguments)?;
    let smmus = numbers(context, smmu.as_deref())?;
    let (mut file, format) = make(&path, format.as_deref())?;
    let saved = context.run().tracer().save(&smmus, &mut file, format);
    let saved = saved.map_err(|error| Error::generic(format_args!("{path:?} is incomplete: {error}")))?;
    Ok(json!({ "records": saved.records, "lost": saved.lost }))
}

/// A client must not be able to empty a file of the user.
fn make(path: &str, format: Option<&str>) -> Result<(File, Format), Error> {
    let format = match format {
        Some(format) => format
            .parse()
            .map_err(|error| Error::generic(format_args!("`format`: {error}")))?,
        None => Format::of(Path::new(path)),
    };
    let file = File::create_new(path)
        .map_err(|error| Error::generic(format_args!("`path`: cannot create {path:?}: {error}")))?;
    Ok((file, format))
}

/// The numbers of an SMMU, or of all.
fn numbers(context: &Context, smmu: Option<&str>) -> Result<Vec<usize>, Error> {
    let devices = context.some_or_all(smmu)?.into_iter();
    Ok(devices
        .map(|device| device.lock().host().shared().probe().smmu())
        .collect())
}

fn file(ended: &Ended) -> Value {
    json!({
        "path": ended.path.display().to_string(), "records": ended.records, "lost": ended.lost, "error": ended.error,
    })
}
