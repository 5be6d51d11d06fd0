// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Fetching packages from a mirror: resumed where they were left, checked against size and hash, there whole or not at
//! all.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use host_guard::file;

use crate::packages::digest;
use crate::packages::lock::Package;
use crate::packages::mirror::Mirror;
use crate::packages::progress::Progress;

mod pace;
#[cfg(test)]
mod tests;

use pace::{Pace, SLOWEST, Watch};

/// Downloads under way at once.
const PARALLEL: usize = 4;
/// A download is given up after so many attempts in a row that brought nothing.
const FRUITLESS_ATTEMPTS: u32 = 3;
/// Or after what it brought had to be thrown away so often: by then the server is what is wrong.
const RESTARTS: u32 = 2;
/// Or after so many attempts in all: the cache is locked meanwhile.
const ATTEMPTS: u32 = 50;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest file that [`Downloader::get`] takes into memory.
const MAX_IN_MEMORY: u64 = 64 << 20;

/// Reason why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The mirror does not have it.
    #[error(
        "{what}: the mirror no longer has {url} (status {status}). Debian removes superseded packages: renew \
         the lock file with `guest-images lock`, or name a mirror that still has them with `--mirror`"
    )]
    Gone {
        /// Package and version.
        what: String,
        /// Full address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The mirror refuses or fails.
    #[error("{what}: {url}: {problem}; is the mirror (from {from}) right? `--mirror` names another one")]
    Network {
        /// Package and version.
        what: String,
        /// Full address.
        url: String,
        /// Origin of the mirror's address.
        from: String,
        /// Description of the failure.
        problem: String,
    },
    /// It is not the file that was locked.
    #[error(
        "{what}: {url} is not the file that images.lock names: {problem}. If another mirror gives the same, \
         the lock file is out of date: renew it with `guest-images lock`"
    )]
    Wrong {
        /// Package and version.
        what: String,
        /// Full address.
        url: String,
        /// Description of the difference.
        problem: String,
    },
    /// It cannot be stored.
    #[error("{}: {source}{}", path.display(), advice(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Advice for a cache that cannot be written.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or choose another place with `--cache`"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a place that can be written with `--cache`"
        }
        _ => "",
    }
}

/// Reason why one attempt ended.
enum Failure {
    Final(FetchError),
    /// Worth another attempt.
    Passing(String),
    /// Worth few more: what it brought came too slowly.
    Slow(String),
}

/// Bytes of a file that the progress has shown: bytes that come again do not count again.
struct Shown<'a> {
    progress: &'a dyn Progress,
    bytes: u64,
}

impl Shown<'_> {
    fn reach(&mut self, bytes: u64) {
        if let Some(more @ 1..) = bytes.checked_sub(self.bytes) {
            self.progress.advance(more);
            self.bytes = bytes;
        }
    }
}

/// Downloads from one mirror.
#[derive(Debug)]
pub(crate) struct Downloader<'a> {
    mirror: &'a Mirror,
    progress: &'a dyn Progress,
    agent: ureq::Agent,
    pause: Duration,
    pace: Pace,
    /// A package could not be had: what else is under way is of no use.
    stop: AtomicBool,
}

impl<'a> Downloader<'a> {
    pub(crate) fn new(mirror: &'a Mirror, progress: &'a dyn Progress) -> Self {
        let config = ureq::Agent::config_builder();
        // A mirror on this machine is not reached through a proxy.
        let config = if mirror.is_local() {
            config.proxy(None)
        } else {
            config
        };
        let config = config
            .http_status_as_error(false)
            .user_agent(concat!("smmu-emu/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_send_request(Some(SILENCE_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build();
        Self {
            mirror,
            progress,
            agent: config.new_agent(),
            pause: Duration::from_millis(500),
            pace: SLOWEST,
            stop: AtomicBool::new(false),
        }
    }

    /// Fetches packages into a directory, several at a time. Ones that are there already are checked and left.
    pub(crate) fn fetch_all(&self, packages: &[&Package], directory: &Path) -> Result<(), FetchError> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL.min(packages.len()) {
                scope.spawn(|| {
                    while let Some(package) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.stop.load(Ordering::Relaxed) {
                            return;
                        }
                        if let Err(e) = self.fetch(package, directory)
                            && let Ok(mut failed) = failed.lock()
                        {
                            // The others' errors follow from the first.
                            failed.get_or_insert(e);
                            self.stop.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_default().map_or(Ok(()), Err)
    }

    /// Fetches one package; afterwards it is in `directory` under its file name.
    pub(crate) fn fetch(&self, package: &Package, directory: &Path) -> Result<(), FetchError> {
        let target = directory.join(package.file_name());
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| FetchError::Write { path, source }
        };
        if target.exists() {
            if digest::of_file(&target).map_err(write(&target))? == package.sha256 {
                self.progress.advance(package.size);
                return Ok(());
            }
            self.progress.note(&format!(
                "{}: damaged in the cache, fetching it again",
                package.describe()
            ));
            fs::remove_file(&target).map_err(write(&target))?;
        }
        // With the hash in its name, so that a changed lock file never continues another file.
        let tag = package.sha256.get(..12).unwrap_or_default();
        let part = directory.join(format!("{}.{tag}.part", package.file_name()));
        let length = || fs::metadata(&part).map(|m| m.len()).unwrap_or(0);
        let (mut fruitless, mut restarts) = (0, 0);
        let mut shown = Shown {
            progress: self.progress,
            bytes: 0,
        };
        for attempt in 1.. {
            let before = length();
            let (problem, slow) = match self.attempt(package, &part, &mut shown) {
                Ok(()) => break,
                Err(Failure::Final(e)) => return Err(e),
                Err(Failure::Passing(problem)) => (problem, false),
                Err(Failure::Slow(problem)) => (problem, true),
            };
            let after = length();
            fruitless = if after > before && !slow { 0 } else { fruitless + 1 };
            // What was there has been thrown away.
            restarts += u32::from(after < before);
            let stop = self.stop.load(Ordering::Relaxed);
            if stop || fruitless == FRUITLESS_ATTEMPTS || restarts == RESTARTS || attempt == ATTEMPTS {
                return Err(self.network(&package.describe(), &package.path, problem));
            }
            self.progress
                .note(&format!("{}: {problem}; trying again", package.describe()));
            std::thread::sleep(self.pause * (fruitless + 1));
        }
        fs::rename(&part, &target).map_err(write(&target))
    }

    fn network(&self, what: &str, path: &str, problem: String) -> FetchError {
        let url = self.mirror.address(path);
        FetchError::Network {
            what: what.to_owned(),
            url,
            from: self.mirror.from.clone(),
            problem,
        }
    }

    /// Continues `part` until it is the whole package.
    fn attempt(&self, package: &Package, part: &Path, shown: &mut Shown<'_>) -> Result<(), Failure> {
        let url = self.mirror.address(&package.path);
        let write = |source| {
            Failure::Final(FetchError::Write {
                path: part.to_owned(),
                source,
            })
        };
        let mut file = file::append(part).map_err(write)?;
        let mut have = file.metadata().map_err(write)?.len();
        if have > package.size {
            file.set_len(0).map_err(write)?;
            have = 0;
        }
        let resumed = have > 0;
        if have < package.size {
            let mut request = self.agent.get(&url);
            if resumed {
                request = request.header("Range", format!("bytes={have}-"));
            }
            let mut response = request.call().map_err(|e| Failure::Passing(e.to_string()))?;
            match response.status().as_u16() {
                206 if resumed && starts_at(&response, have) => shown.reach(have),
                // The server sends everything, from the start.
                200 => {
                    file.set_len(0).map_err(write)?;
                    have = 0;
                }
                206 | 416 => {
                    file.set_len(0).map_err(write)?;
                    return Err(Failure::Passing(
                        "the server does not continue where it was left".to_owned(),
                    ));
                }
                status @ (404 | 410) => {
                    let what = package.describe();
                    return Err(Failure::Final(FetchError::Gone { what, url, status }));
                }
                status if status >= 500 || status == 429 => {
                    return Err(Failure::Passing(format!("status {status}")));
                }
                status => {
                    let problem = format!("status {status}");
                    return Err(Failure::Final(self.network(
                        &package.describe(),
                        &package.path,
                        problem,
                    )));
                }
            }
            // One byte more than is due shows a file that is too long.
            let mut body = response.body_mut().as_reader().take(package.size - have + 1);
            let mut buffer = vec![0; 1 << 16];
            let mut watch = Watch::begin(self.pace, Instant::now());
            loop {
                let count = body
                    .read(&mut buffer)
                    .map_err(|e| Failure::Passing(e.to_string()))?;
                if count == 0 {
                    break;
                }
                watch.came(count as u64, Instant::now()).map_err(Failure::Slow)?;
                file.write_all(buffer.get(..count).unwrap_or_default())
                    .map_err(write)?;
                have += count as u64;
                shown.reach(have);
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Failure::Passing("another package cannot be had".to_owned()));
                }
            }
            if have < package.size {
                return Err(Failure::Passing(format!("cut short after {have} bytes")));
            }
        }
        self.check(package, part, have, resumed)
    }

    fn check(&self, package: &Package, part: &Path, have: u64, resumed: bool) -> Result<(), Failure> {
        let write = |source| {
            Failure::Final(FetchError::Write {
                path: part.to_owned(),
                source,
            })
        };
        let problem = if have == package.size {
            let found = digest::of_file(part).map_err(write)?;
            if found == package.sha256 {
                return Ok(());
            }
            format!("its SHA-256 is {found} instead of {}", package.sha256)
        } else {
            format!("it is longer than {} bytes", package.size)
        };
        fs::remove_file(part).map_err(write)?;
        if resumed {
            // The bytes from before may be what is wrong.
            return Err(Failure::Passing("the continued file is damaged".to_owned()));
        }
        let url = self.mirror.address(&package.path);
        Err(Failure::Final(FetchError::Wrong {
            what: package.describe(),
            url,
            problem,
        }))
    }

    /// Fetches a small file of the archive; `None` if the mirror does not have it.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Vec<u8>>, FetchError> {
        let url = self.mirror.address(path);
        let network = |problem: String| self.network(path, path, problem);
        let mut response = self.agent.get(&url).call().map_err(|e| network(e.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Ok(None),
            status => return Err(network(format!("status {status}"))),
        }
        let mut watch = Watch::begin(self.pace, Instant::now());
        let mut body = response.body_mut().as_reader().take(MAX_IN_MEMORY + 1);
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let count = body.read(&mut buffer).map_err(|e| network(e.to_string()))?;
            if count == 0 {
                return Ok(Some(bytes));
            }
            watch.came(count as u64, Instant::now()).map_err(&network)?;
            bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if bytes.len() as u64 > MAX_IN_MEMORY {
                return Err(network(format!("it is larger than {} MiB", MAX_IN_MEMORY >> 20)));
            }
        }
    }
}

fn starts_at(response: &ureq::http::Response<ureq::Body>, offset: u64) -> bool {
    let range = response
        .headers()
        .get("content-range")
        .and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}
