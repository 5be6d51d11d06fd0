// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Snapshot of a guest that waits before its first step, taken through QEMU's monitor.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use vfio_server::control::ctl::{Connection, Failure};

use super::log::ServerLog;
use super::watch::{End, Watch};
use super::{BootError, BootRunner, CHUNKS, SERVER_GRACE, TICK};

/// Longest time for an answer of the monitor.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest time for which a snapshot is written: half a GiB at most, most of it holes.
const WRITING: Duration = Duration::from_secs(120);

/// Arguments with which QEMU goes on from a snapshot. It announces itself on no network: announcements would come at
/// moments of the host's.
pub fn incoming(snapshot: &Path) -> [OsString; 6] {
    let mut uri = OsString::from("file:");
    uri.push(snapshot);
    [
        "-global".into(),
        "migration.mapped-ram=on".into(),
        "-global".into(),
        "migration.announce-rounds=0".into(),
        "-incoming".into(),
        uri,
    ]
}

impl BootRunner<'_> {
    /// Boots a guest that waits before its first step, and saves it to a new file, without a word of the SMMUs: QEMU
    /// saves nothing of a vfio-user device.
    ///
    /// # Errors
    /// [`BootError`]: the environment failed, the guest does not get there, or QEMU cannot save it.
    pub fn save(mut self, file: &Path, step: &mut dyn FnMut(&str)) -> Result<(), BootError> {
        let monitor = self.dir.file("monitor");
        let mut socket = OsString::from("unix:");
        socket.push(&monitor);
        socket.push(",server=on,wait=off");
        self.qemu.args.extend(["-qmp".into(), socket]);
        let (sender, messages) = sync_channel(CHUNKS);
        let log = ServerLog::default();
        let (server, _) = self.start_server(0, &sender, &messages, &log)?;
        let mut server = Some(server);
        let lost = Arc::new(AtomicU32::new(0));
        let core = self.core()?;
        let mut qemu = self.start_qemu(core.as_ref(), &sender, &lost)?;
        drop(sender);
        let mut watch = Watch::new(self.limits, &self.recipe.expect, None, false)?;
        let end = self.watched(&mut server, &mut qemu, &messages, &lost, &log, &mut watch, step);
        let saved = match end {
            Ok(End::Ready) => self.migrate(&monitor, file),
            Ok(_) => Err(BootError::Snapshot(format!(
                "it does not get to its first step; {}",
                watch.whereabouts()
            ))),
            Err(error) => Err(error),
        };
        qemu.kill();
        if let Some(mut server) = server {
            drop(server.take_stdin());
            server.finish(SERVER_GRACE);
        }
        saved
    }

    fn migrate(&self, monitor: &Path, file: &Path) -> Result<(), BootError> {
        let failed = |error: Failure| BootError::Snapshot(error.to_string());
        let object = |value: Value| match value {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        let mut qemu = Connection::open(monitor, ANSWER).map_err(failed)?;
        let mapped = json!({ "capabilities": [{ "capability": "mapped-ram", "state": true }] });
        qemu.execute("migrate-set-capabilities", object(mapped))
            .map_err(failed)?;
        let uri = format!("file:{}", file.display());
        qemu.execute("migrate", object(json!({ "uri": uri })))
            .map_err(failed)?;
        let deadline = Instant::now() + WRITING;
        loop {
            if self.has_to_end() {
                return Err(BootError::Interrupted);
            }
            let state = qemu.execute("query-migrate", Map::new()).map_err(failed)?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let reason = state["error-desc"].as_str().unwrap_or("QEMU does not say why");
                    return Err(BootError::Snapshot(reason.to_owned()));
                }
                _ if Instant::now() > deadline => {
                    let reason = format!("not written within {} s", WRITING.as_secs());
                    return Err(BootError::Snapshot(reason));
                }
                _ => thread::sleep(TICK),
            }
        }
    }
}
