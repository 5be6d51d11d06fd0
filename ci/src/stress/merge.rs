// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of several shards made one, whatever their order.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::record::{Boot, Header, Session};
use super::store::{self, Recorded, Store, StoreError};
use crate::report::results::{ResultsError, directory};

/// Reason why results cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Some cannot be read, or the new ones not written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A boot has two results.
    #[error("boot {boot} of {cell} has another result in {} than in a directory before it: were two runs made of one \
             shard?", .dir.display())]
    Twice {
        /// The directory in which it is the second.
        dir: PathBuf,
        /// The cell's key.
        cell: String,
        /// Number of the boot.
        boot: u32,
    },
    /// The directory for the new ones is not empty.
    #[error("{} is not empty; choose a new directory with --out DIR", .0.display())]
    InUse(PathBuf),
    /// The directory of a boot.
    #[error("{}: {source}", .path.display())]
    Copy {
        /// The file or directory.
        path: PathBuf,
        /// Why it cannot be copied.
        source: io::Error,
    },
}

/// Outcome of a merge.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged {
    /// Shards that are in it.
    pub shards: u32,
    /// Shards of the run that are not.
    pub missing: u32,
    /// Boots, attempts that failed among them.
    pub boots: usize,
}

/// A boot and the directory that its results are in.
type Known<'a> = BTreeMap<(usize, u32, u32), (Boot, &'a Path)>;

/// Merges the results in `dirs` into `out`, a new or empty directory, with the directories of their boots.
///
/// # Errors
/// [`MergeError`]; results of different runs are refused.
pub fn merge(dirs: &[PathBuf], out: &Path) -> Result<Merged, MergeError> {
    let mut header: Option<Header> = None;
    let mut sessions: Vec<Session> = Vec::new();
    let mut boots: Known<'_> = BTreeMap::new();
    for dir in dirs {
        let read = store::read(dir)?;
        let whole = header.get_or_insert_with(|| read.header.clone());
        same_run(dir, whole, &read.header)?;
        let shards: BTreeSet<_> = whole.shards.iter().chain(&read.header.shards).copied().collect();
        whole.shards = shards.into_iter().collect();
        // Of two versions the earlier one, so that the order of directories is of no matter.
        whole.version = whole.version.clone().min(read.header.version.clone());
        take(dir, read, &mut sessions, &mut boots)?;
    }
    let Some(header) = header else {
        return Ok(Merged {
            shards: 0,
            missing: 0,
            boots: 0,
        });
    };
    sessions.sort_by_key(|session| (session.time, session.host_cpus, session.jobs));
    let out = directory(Some(out), &header.name).map_err(StoreError::from)?;
    let is_empty = fs::read_dir(&out).map(|mut entries| entries.next().is_none());
    match is_empty {
        Ok(true) => {}
        Ok(false) => return Err(MergeError::InUse(out)),
        Err(source) => return Err(StoreError::from(ResultsError::Write { path: out, source }).into()),
    }
    let mut store = Store::create(out.clone(), &header)?;
    for session in sessions {
        store.begin(session)?;
    }
    for (boot, dir) in boots.values() {
        if let Some(name) = &boot.dir {
            copy(&dir.join(name), &out.join(name))?;
        }
    }
    store.record_all(boots.values().map(|(boot, _)| boot))?;
    let count = header.shards.first().map_or(0, |shard| shard.count);
    let shards = u32::try_from(header.shards.len()).unwrap_or(u32::MAX);
    Ok(Merged {
        shards,
        missing: count.saturating_sub(shards),
        boots: boots.len(),
    })
}

fn same_run(dir: &Path, whole: &Header, other: &Header) -> Result<(), StoreError> {
    let with = |header: &Header| Header {
        shards: header
            .shards
            .first()
            .map(|shard| shard.count)
            .map_or(Vec::new(), |count| vec![super::shard::Shard { index: 1, count }]),
        ..header.clone()
    };
    match store::difference(&with(whole), &with(other)) {
        None => Ok(()),
        Some(difference) => Err(StoreError::Other {
            path: dir.to_owned(),
            difference,
        }),
    }
}

fn take<'a>(
    dir: &'a Path,
    read: Recorded,
    sessions: &mut Vec<Session>,
    boots: &mut Known<'a>,
) -> Result<(), MergeError> {
    sessions.extend(read.sessions);
    let cells = read.header.cells.iter().enumerate();
    let numbers: HashMap<&str, usize> = cells.map(|(at, part)| (part.key.as_str(), at)).collect();
    for boot in read.boots {
        let Some(cell) = numbers.get(boot.cell.as_str()) else {
            continue;
        };
        let key = (*cell, boot.boot, boot.attempt);
        match boots.get(&key) {
            Some((known, _)) if *known == boot => {}
            Some(_) => {
                return Err(MergeError::Twice {
                    dir: dir.to_owned(),
                    cell: boot.cell,
                    boot: boot.boot,
                });
            }
            None => {
                boots.insert(key, (boot, dir));
            }
        }
    }
    Ok(())
}

/// Copies the regular files of a boot's directory; they take no room where both are on one file system. A directory
/// that is gone is left out.
fn copy(from: &Path, to: &Path) -> Result<(), MergeError> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |source| MergeError::Copy { path, source }
    };
    let Ok(entries) = fs::read_dir(from) else {
        return Ok(());
    };
    fs::create_dir_all(to).map_err(error(to))?;
    for entry in entries {
        let entry = entry.map_err(error(from))?;
        let path = entry.path();
        if !entry.file_type().map_err(error(&path))?.is_file() {
            continue;
        }
        let target = to.join(entry.file_name());
        if fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).map_err(error(&path))?;
        }
    }
    Ok(())
}
