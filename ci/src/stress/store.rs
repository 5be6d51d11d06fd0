// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of a stress run on disk: made, resumed, read.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::matrix::BOOTS_MAX;
use super::record::{Boot, Header, Line, SCHEMA, Session};
use super::shard::Shard;
use crate::report::file_error::FileError;
use crate::report::ndjson::{self, Log};
use crate::report::results::{LOG, ResultsError};

/// Directory of the boots' directories, below that of the results.
pub const BOOTS: &str = "boots";

/// Reason why results cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// They cannot be written.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// They cannot be read, or are not those of a stress run.
    #[error(transparent)]
    File(#[from] FileError),
    /// They are those of another run.
    #[error("{} has the results of another run: {difference}; resume with the matrix, kernels and options of that \
             run, or choose a new directory with --results DIR", .path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// The first difference.
        difference: String,
    },
}

/// Results as they were read.
#[derive(Debug)]
pub struct Recorded {
    /// The header.
    pub header: Header,
    /// Starts of the run.
    pub sessions: Vec<Session>,
    /// Attempts of boots, in the order in which they ended.
    pub boots: Vec<Boot>,
    /// Lines that cannot be read, beside a last one that was cut.
    pub damaged: u32,
    /// Bytes up to the end of the last whole line.
    length: u64,
}

/// Reads the results in a directory, also of a run that goes on.
///
/// # Errors
/// They cannot be read, or are not those of a stress run.
pub fn read(dir: &Path) -> Result<Recorded, StoreError> {
    let path = dir.join(LOG);
    let (mut header, mut sessions, mut boots) = (None, Vec::new(), Vec::new());
    let mut damaged = 0;
    let mut problem = None;
    let lines = ndjson::read(&path, |number, text| {
        match (number, serde_json::from_str(text)) {
            (1, Ok(Line::Header(first))) => header = Some(*first),
            (1, _) => problem = Some(not_a_header(text)),
            (_, Ok(Line::Session(session))) => sessions.push(session),
            (_, Ok(Line::Boot(mut boot))) => {
                boot.dir = boot.dir.filter(|dir| is_boot_dir(dir));
                boots.push(*boot);
            }
            (_, Ok(Line::Header(_))) => damaged += 1,
            // A type of a later version, or a damaged line.
            (_, Err(_)) => damaged += u32::from(!is_object_with_type(text)),
        }
    });
    let lines = lines.map_err(|source| FileError::Read {
        path: path.clone(),
        source,
    })?;
    let missing = || "it has no whole line; the run was ended before it began".to_owned();
    let header = match (header, problem) {
        (Some(header), _) => header,
        (None, problem) => {
            let problem = problem.unwrap_or_else(missing);
            return Err(FileError::Format { path, problem }.into());
        }
    };
    if let Err(problem) = check(&header) {
        return Err(FileError::Format { path, problem }.into());
    }
    Ok(Recorded {
        header,
        sessions,
        boots,
        damaged: damaged + lines.unreadable,
        length: lines.length,
    })
}

/// Whether a path is that of a boot's directory: no other is touched, whatever a file of results says.
fn is_boot_dir(dir: &str) -> bool {
    let mut parts = Path::new(dir).components();
    let is_normal = |part: &Component<'_>| matches!(part, Component::Normal(_));
    parts.next() == Some(Component::Normal(BOOTS.as_ref())) && parts.all(|part| is_normal(&part))
}

/// Checks what a header says of shards and numbers.
fn check(header: &Header) -> Result<(), String> {
    let count = header.shards.first().map_or(0, |shard| shard.count);
    let are_shards = |shard: &Shard| shard.count == count && Shard::new(shard.index, shard.count).is_ok();
    if header.shards.is_empty() || !header.shards.iter().all(are_shards) {
        return Err("its header names shards that cannot be".to_owned());
    }
    if header.boots > BOOTS_MAX {
        return Err(format!(
            "its header has {} boots, more than {BOOTS_MAX}",
            header.boots
        ));
    }
    if let Some(test) = header.stop.pairs {
        test.check()?;
        if header.cells.len() != 2 || count != 1 {
            return Err("its header compares cells, and does not have two of one shard".to_owned());
        }
    }
    header.stop.sprt.map_or(Ok(()), |sprt| sprt.check())
}

fn is_object_with_type(text: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let known = ["header", "session", "boot"];
    let of = value.as_ref().and_then(|value| value.get("type")?.as_str());
    of.is_some_and(|of| !known.contains(&of))
}

fn not_a_header(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let schema = value.as_ref().and_then(|value| value.get("schema")?.as_str());
    match schema {
        Some(schema) if schema != SCHEMA => {
            format!("its schema is {schema:?}, and this version reads {SCHEMA:?}")
        }
        _ => "its first line is not the header of a stress run".to_owned(),
    }
}

/// Results that are written.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    log: Log,
    sessions: u32,
}

impl Store {
    /// Begins the results of a run in a directory, which is made.
    ///
    /// # Errors
    /// It has results, or cannot be written.
    pub fn create(dir: PathBuf, header: &Header) -> Result<Self, StoreError> {
        let mut log = Log::open(&dir, LOG)?;
        log.lock()?;
        if !log.is_empty()? {
            return Err(ResultsError::InUse { path: dir }.into());
        }
        log.append(&Line::Header(Box::new(header.clone())))?;
        Ok(Self {
            dir,
            log,
            sessions: 0,
        })
    }

    /// Goes on with the results in a directory, if they are of the same run. A last line that was cut is taken away:
    /// its boot did not count. Directories of boots that were under way are removed.
    ///
    /// # Errors
    /// They are of another run, are in use, or cannot be read or written.
    pub fn resume(dir: PathBuf, header: &Header) -> Result<(Self, Recorded), StoreError> {
        // To open it for appending would make it.
        if let Err(source) = fs::metadata(dir.join(LOG)) {
            let path = dir.join(LOG);
            return Err(FileError::Read { path, source }.into());
        }
        let log = Log::open(&dir, LOG)?;
        log.lock()?;
        let recorded = read(&dir)?;
        if let Some(difference) = difference(&recorded.header, header) {
            return Err(StoreError::Other {
                path: dir,
                difference,
            });
        }
        log.cut(recorded.length)?;
        remove_unfinished(&dir, &recorded.boots);
        let sessions = recorded.sessions.last().map_or(0, |last| last.number);
        Ok((Self { dir, log, sessions }, recorded))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Notes that the run begins, or goes on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(&mut self, session: Session) -> Result<(), StoreError> {
        self.sessions += 1;
        let number = self.sessions;
        Ok(self.log.append(&Line::Session(Session { number, ..session }))?)
    }

    /// Puts an attempt of a boot on disk; when this returns it may be counted.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn record(&mut self, boot: &Boot) -> Result<(), StoreError> {
        Ok(self.log.append(&Line::Boot(Box::new(boot.clone())))?)
    }

    /// Puts many attempts of boots on disk at once.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn record_all<'a>(&mut self, boots: impl Iterator<Item = &'a Boot>) -> Result<(), StoreError> {
        let lines = boots.map(|boot| Line::Boot(Box::new(boot.clone())));
        Ok(self.log.append_all(lines)?)
    }
}

impl Drop for Store {
    /// Cells of whose boots nothing was kept leave no directory.
    fn drop(&mut self) {
        let cells = fs::read_dir(self.dir.join(BOOTS)).into_iter().flatten().flatten();
        for cell in cells {
            // Fails for those that have something.
            let _ = fs::remove_dir(cell.path());
        }
        let _ = fs::remove_dir(self.dir.join(BOOTS));
    }
}

/// The first difference of two runs, for people; none if one may go on with the results of the other.
pub fn difference(there: &Header, here: &Header) -> Option<String> {
    let value = |header: &Header| {
        let header = Header {
            // Another version of this program measures the same, as long as the schema is the same.
            version: String::new(),
            ..header.clone()
        };
        serde_json::to_value(header).unwrap_or_default()
    };
    differing("", &value(there), &value(here))
}

fn differing(path: &str, there: &serde_json::Value, here: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let of =
                    |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                differing(&below(key), &of(a), &of(b))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            (a.iter().zip(b).enumerate()).find_map(|(at, (a, b))| differing(&below(&at.to_string()), a, b))
        }
        (Value::Array(a), Value::Array(b)) => Some(format!(
            "`{path}` has {} entries there and {} here",
            a.len(),
            b.len()
        )),
        (a, b) if a == b => None,
        // Too long to be shown, and the user has it.
        (Value::String(_), Value::String(_)) if path == "matrix" => {
            Some("the text of the matrix differs".to_owned())
        }
        (a, b) => Some(format!("`{path}` is {a} there and {b} here")),
    }
}

/// Removes the directories of boots that have no line. One that cannot be removed stays.
fn remove_unfinished(dir: &Path, boots: &[Boot]) {
    let kept: BTreeSet<PathBuf> = boots
        .iter()
        .flat_map(|boot| &boot.dir)
        .map(|of| dir.join(of))
        .collect();
    let below = |dir: &Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    for boot in below(&dir.join(BOOTS)).iter().flat_map(|cell| below(cell)) {
        let is_dir = fs::symlink_metadata(&boot).is_ok_and(|found| found.is_dir());
        if is_dir && !kept.contains(&boot) {
            let _ = fs::remove_dir_all(boot);
        }
    }
}
