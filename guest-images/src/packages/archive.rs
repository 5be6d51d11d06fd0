// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The archive's signed index: from its signature to the packages of a suite.
//!
//! `InRelease` is signed by the archive's key, which `gpgv` or `sqv` checks; it names the SHA-256 of each
//! `Packages.xz`, which names the SHA-256 of each package. Both are kept in the cache: `InRelease` so that an older one
//! is told from a newer one, `Packages.xz` so that it is fetched once.

use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use host_guard::file;

use crate::packages::digest;
use crate::packages::download::Downloader;
use crate::packages::index::Index;
use crate::packages::mirror::Mirror;
use crate::packages::store::{Error, Store};

mod error;
mod signature;
#[cfg(test)]
mod tests;

pub use error::ArchiveError;
pub(crate) use error::archive_error;
pub(crate) use signature::find_keyring;
use signature::{MAX_RELEASE, release_field};

/// Most bytes of a `Packages.xz`; Debian's have 11 MiB.
const MAX_PACKED: u64 = 64 << 20;
/// Most bytes of an unpacked index.
const MAX_INDEX: u64 = 512 << 20;

/// Suites of one mirror, each with a good signature.
#[derive(Debug)]
pub(crate) struct Suites<'a> {
    store: &'a Store,
    mirror: Mirror,
    /// Name and signed text of each.
    releases: Vec<(String, String)>,
}

impl<'a> Suites<'a> {
    /// Fetches and checks `InRelease` of each suite; of the `further` ones, those that the mirror has and keeps up to
    /// date.
    pub(crate) fn open(
        store: &'a Store,
        names: &[String],
        further: &[String],
        keyring: Option<&Path>,
    ) -> Result<Self, ArchiveError> {
        let keyring = find_keyring(keyring)?;
        let mirror = store.mirror()?;
        let downloader = Downloader::new(&mirror, store.progress());
        let mut releases = Vec::new();
        for (at, suite) in names.iter().chain(further).enumerate() {
            store
                .progress()
                .note(&format!("{suite}: checking the signature of {}", mirror.url));
            match release_of(store, &downloader, suite, &keyring) {
                Ok(release) => {
                    if let Some(date) = release_field(&release, "Date") {
                        store.progress().note(&format!("{suite}: as of {date}"));
                    }
                    releases.push((suite.clone(), release));
                }
                // Old suites leave the mirrors one day.
                Err(error @ ArchiveError::Archive { .. }) if at >= names.len() => {
                    store.progress().note(&format!("{error}; leaving it out"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            store,
            mirror,
            releases,
        })
    }

    /// The packages of an architecture whose names `wanted` wants, in the order of the suites.
    pub(crate) fn index(
        &self,
        architecture: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Index, ArchiveError> {
        let mut index = Index::default();
        for (suite, release) in &self.releases {
            self.store
                .progress()
                .note(&format!("{suite}: reading the index for {architecture}"));
            let text = self.packages_file(suite, release, architecture)?;
            let error = |problem| archive_error(suite, problem);
            index.add_suite(suite, &only(&text, wanted)).map_err(error)?;
        }
        Ok(index)
    }

    fn packages_file(&self, suite: &str, release: &str, architecture: &str) -> Result<String, ArchiveError> {
        let error = |problem: String| archive_error(suite, problem);
        let path = format!("main/binary-{architecture}/Packages.xz");
        let (hash, size) = listed(release, &path).ok_or_else(|| error(format!("InRelease has no {path}")))?;
        let right = |packed: &[u8]| packed.len() == size && digest::of_bytes(packed) == hash;
        let kept = self
            .store
            .subdirectory("index")?
            .join(format!("{suite}-{architecture}.xz"));
        let packed = match file::read(&kept, MAX_PACKED) {
            Ok(packed) if right(&packed) => packed,
            _ => {
                let packed = self.fetched(suite, architecture, &path, hash)?;
                if !right(&packed) {
                    let problem = format!(
                        "{path} is not the one that InRelease names; try again, the mirror may be in an update"
                    );
                    return Err(error(problem));
                }
                self.store.replace(&kept, &packed)?;
                packed
            }
        };
        let mut text = String::new();
        let decoder = liblzma::read::XzDecoder::new(packed.as_slice());
        decoder
            .take(MAX_INDEX)
            .read_to_string(&mut text)
            .map_err(|e| error(format!("{path}: {e}")))?;
        Ok(text)
    }

    fn fetched(
        &self,
        suite: &str,
        architecture: &str,
        path: &str,
        hash: &str,
    ) -> Result<Vec<u8>, ArchiveError> {
        let downloader = Downloader::new(&self.mirror, self.store.progress());
        // By hash if the mirror has that, so that an update of the mirror in between does no harm.
        let by_hash = format!("dists/{suite}/main/binary-{architecture}/by-hash/SHA256/{hash}");
        match downloader.get(&by_hash).map_err(Error::Fetch)? {
            Some(packed) => Ok(packed),
            None => get(&downloader, suite, &format!("dists/{suite}/{path}")),
        }
    }
}

/// The signed text of a suite, checked.
fn release_of(
    store: &Store,
    downloader: &Downloader<'_>,
    suite: &str,
    keyring: &Path,
) -> Result<String, ArchiveError> {
    let signed = get(downloader, suite, &format!("dists/{suite}/InRelease"))?;
    let release = signature::verified(suite, &signed, keyring)?;
    check_date(suite, &release, SystemTime::now())?;
    not_older(store, suite, &release)?;
    Ok(release)
}

fn get(downloader: &Downloader<'_>, suite: &str, path: &str) -> Result<Vec<u8>, ArchiveError> {
    let found = downloader.get(path).map_err(Error::Fetch)?;
    found.ok_or_else(|| archive_error(suite, format!("the mirror has no {path}")))
}

/// Stanzas of a `Packages` file whose packages are wanted: parsing all of Debian takes seconds.
fn only(text: &str, wanted: &dyn Fn(&str) -> bool) -> String {
    let mut kept = String::new();
    for stanza in text.split("\n\n") {
        let mut names = stanza.lines().filter_map(|line| line.strip_prefix("Package:"));
        if names.next().is_some_and(|name| wanted(name.trim())) {
            kept.push_str(stanza.trim_end_matches('\n'));
            kept.push_str("\n\n");
        }
    }
    kept
}

/// Refuses an old release that is replayed: one whose `Valid-Until` is over. Not every suite has that field.
fn check_date(suite: &str, release: &str, now: SystemTime) -> Result<(), ArchiveError> {
    let Some(until) = release_field(release, "Valid-Until") else {
        return Ok(());
    };
    match date_of(until) {
        Some(end) if now <= end => Ok(()),
        Some(_) => Err(archive_error(
            suite,
            format!(
                "its InRelease was valid until {until}: the mirror is out of date (or this machine's clock is wrong)"
            ),
        )),
        None => Err(archive_error(
            suite,
            format!("Valid-Until of InRelease is no date: {until:?}"),
        )),
    }
}

/// Refuses a release that is older than the last one seen, and keeps a newer one in its place.
fn not_older(store: &Store, suite: &str, release: &str) -> Result<(), ArchiveError> {
    let path = store.subdirectory("index")?.join(format!("{suite}.Release"));
    let date = release_field(release, "Date").unwrap_or_default();
    let Some(new) = date_of(date) else {
        return Err(archive_error(
            suite,
            format!("Date of InRelease is no date: {date:?}"),
        ));
    };
    if let Ok(kept) = file::read_text(&path, MAX_RELEASE) {
        let seen = release_field(&kept, "Date").unwrap_or_default();
        if date_of(seen).is_some_and(|old| new < old) {
            let (suite, date, seen) = (suite.to_owned(), date.to_owned(), seen.to_owned());
            return Err(ArchiveError::Older {
                suite,
                date,
                seen,
                path,
            });
        }
        if kept == release {
            return Ok(());
        }
    }
    Ok(store.replace(&path, release.as_bytes())?)
}

/// A date of a release: the archive writes the zone of HTTP dates by its other name.
fn date_of(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(&text.replace("UTC", "GMT")).ok()
}

/// SHA-256 and size that `Release` gives for a file.
pub(crate) fn listed<'a>(release: &'a str, path: &str) -> Option<(&'a str, usize)> {
    let mut lines = release
        .lines()
        .skip_while(|line| !line.starts_with("SHA256:"))
        .skip(1);
    lines
        .by_ref()
        .take_while(|line| line.starts_with(' '))
        .find_map(|line| {
            let mut words = line.split_whitespace();
            let (hash, size, name) = (words.next()?, words.next()?, words.next()?);
            (name == path).then_some((hash, size.parse().ok()?))
        })
}
