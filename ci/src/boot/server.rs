// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The server's configuration for one boot, and the files of its disks.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use host_guard::confine::Places;
use smmu_emu::DelayRule;
use smmu_emu::plan::MAX_DELAY_US;
use vfio_server::config::{Config as ServerConfig, SmmuConfig};
use vfio_server::config::{DmaDeviceConfig, Kind};

use crate::boot::rundir::{self, RunDirError};
use crate::recipe::{Recipe, SmmuModel};

/// Time for which QEMU waits for the server's reply, in milliseconds. Afterwards the device is lost to the guest, so
/// the boot is over; a server that is alive answers within microseconds.
pub const ANSWER_MS: u32 = 4000;

/// Reason why the server's files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A socket.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The server's configuration.
    #[error("cannot write the server's configuration: {0}")]
    Config(#[from] toml::ser::Error),
    /// The directory of a recipe's files.
    #[error("cannot make the directory {}: {source}", .path.display())]
    Files {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An image.
    #[error("cannot make the image {} of {size_mib} MiB: {source}; set XDG_RUNTIME_DIR or TMPDIR to a \
             directory with space", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Its size in MiB.
        size_mib: u32,
        /// Error of the system.
        source: io::Error,
    },
}

/// Directory of the files that a recipe names, in that of the run: none of its names can mean a file of the run itself.
pub const FILES: &str = "files";

/// Makes the recipe's image files for a run in `dir`, whatever was in those that are there.
///
/// # Errors
/// No space, no permission; a signal that asks for the end.
pub fn make_images(recipe: &Recipe, dir: &Path) -> Result<(), PrepareError> {
    let files = dir.join(FILES);
    std::fs::create_dir_all(&files).map_err(|source| PrepareError::Files {
        path: files.clone(),
        source,
    })?;
    recipe.images.iter().try_for_each(|image| {
        image.make(&files).map_err(|source| PrepareError::Image {
            path: files.join(&image.name),
            size_mib: image.size_mib,
            source,
        })
    })
}

/// A master with its files in `dir`, unless they have absolute paths.
fn master(master: &DmaDeviceConfig, dir: &Path) -> DmaDeviceConfig {
    let mut master = master.clone();
    match &mut master.kind {
        Kind::VirtioBlk(disk) => disk.image = dir.join(&disk.image),
        Kind::VirtioConsole(console) => {
            console.output = dir.join(&console.output);
            console.input = console.input.as_ref().map(|input| dir.join(input));
        }
        Kind::VirtioRng {} | Kind::Pl330 {} | Kind::TestMaster {} => {}
    }
    master
}

/// The configuration of the server, as TOML, with the sockets in `dir`.
///
/// The server opens no other file for a master than those of the run, and what is `allowed` besides. With `guest_time`
/// the bounds of delays that wait for a mark, which are in the host's time, are as long as they can be: those of the
/// kernel come first.
///
/// # Errors
/// The directory's path is too long for a socket.
pub fn server_config(
    recipe: &Recipe,
    dir: &Path,
    seed: u64,
    allowed: &Places,
    guest_time: bool,
) -> Result<String, PrepareError> {
    let files = allowed.paths().map(|allowed| {
        [dir.join(FILES)]
            .into_iter()
            .chain(allowed.iter().cloned())
            .collect()
    });
    let delay = |rule: &DelayRule| {
        let mut rule = rule.clone();
        if guest_time {
            rule.at_most_us = rule.at_most_us.map(|_| MAX_DELAY_US);
        }
        rule
    };
    let smmu = |smmu: &SmmuModel| {
        Ok(SmmuConfig {
            name: smmu.name.clone(),
            socket: rundir::socket(dir, &smmu.name)?,
            trace: None,
            model: smmu.model.clone(),
            delay: smmu.delays.iter().map(delay).collect(),
            dma_devices: smmu
                .masters
                .iter()
                .map(|one| master(one, &dir.join(FILES)))
                .collect(),
            injection: smmu.injections.clone(),
            clock: smmu.clock,
            interrupts: smmu.interrupts,
        })
    };
    let smmu: Result<_, RunDirError> = recipe.smmus.iter().map(smmu).collect();
    let config = ServerConfig {
        seed,
        trace_ring: None,
        files,
        smmu: smmu?,
        mark: recipe.marks.clone(),
        message_timeout_ms: Some(ANSWER_MS.into()),
    };
    Ok(toml::to_string(&config)?)
}
