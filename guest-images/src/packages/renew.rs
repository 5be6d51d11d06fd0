// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Renewing the lock file: from the archive's signature to the hash of every package.
//!
//! `InRelease` is signed by the archive's key and checked with `gpgv`; it names the SHA-256 of each `Packages.xz`,
//! which names the SHA-256 of each package.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use host_guard::{file, program};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::packages::download::{Downloader, hexadecimal};
use crate::packages::index::Index;
use crate::packages::lock::{Lock, QEMU_PACKAGE, Set, SetKind, version_key};
use crate::packages::store::{Error, Store};

#[cfg(test)]
mod tests;

/// Files in which Debian and its derivatives keep the archive's keys.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];
/// Most bytes of a signed `Release`; Debian's have 200 KiB.
const MAX_RELEASE: u64 = 64 << 20;
/// Most bytes of an unpacked index.
const MAX_INDEX: u64 = 512 << 20;

/// Reason why the lock file was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The list of what is wanted is wrong.
    #[error("images.toml: {0}")]
    Wanted(#[from] toml::de::Error),
    /// No keys to check the signature with.
    #[error(
        "no keys of the Debian archive: {0}. Install the package debian-archive-keyring, or name a keyring \
         with `--keyring FILE`"
    )]
    NoKeyring(String),
    /// No program to check the signature with.
    #[error("gpgv, which checks the archive's signature, fails: {0}. Install the package gpgv")]
    NoGpgv(program::ProgramError),
    /// The signature is not good.
    #[error("{suite}: the signature of InRelease is not good, by the keys in {}:\n{output}", keyring.display())]
    Signature {
        /// The suite.
        suite: String,
        /// The keyring that was used.
        keyring: PathBuf,
        /// Output of gpgv.
        output: String,
    },
    /// The archive contradicts itself or lacks something.
    #[error("{suite}: {problem}")]
    Archive {
        /// The suite, or the list of them.
        suite: String,
        /// Description of the problem.
        problem: String,
    },
    /// The mirror fails, or temporary files cannot be written.
    #[error(transparent)]
    Store(#[from] Error),
}

/// `images.toml`: what is to be locked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Suites, in the order in which libraries are looked for.
    pub suites: Vec<String>,
    /// Kernel releases; `newest` is the one of the metapackage, `newest-16k` that of its sibling with pages of 16 KiB.
    pub kernels: Vec<String>,
    /// Host architectures for QEMU.
    pub qemu_hosts: Vec<String>,
    /// Dependencies of QEMU that are left out.
    pub qemu_without: Vec<String>,
    /// Packages of programs for the guest.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Dependencies of these that are left out.
    #[serde(default)]
    pub tools_without: Vec<String>,
}

impl Wanted {
    /// Reads `images.toml`.
    ///
    /// # Errors
    ///
    /// [`RenewError::Wanted`].
    pub fn parse(text: &str) -> Result<Self, RenewError> {
        Ok(toml::from_str(text)?)
    }
}

/// Resolves what is wanted against the archive.
///
/// # Errors
///
/// No gpgv or keyring, a bad signature, a mirror that fails, or a package that the archive does not have.
pub fn renew(store: &Store, wanted: &Wanted, keyring: Option<&Path>) -> Result<Lock, RenewError> {
    let keyring = find_keyring(keyring)?;
    let mirror = store.mirror()?;
    let downloader = Downloader::new(&mirror, store.progress());
    let mut releases = Vec::new();
    for suite in &wanted.suites {
        store
            .progress()
            .note(&format!("{suite}: checking the signature of {}", mirror.url));
        let signed = get(&downloader, suite, &format!("dists/{suite}/InRelease"))?;
        let release = verified(suite, &signed, &keyring)?;
        check_date(suite, &release, SystemTime::now())?;
        if let Some(date) = release_field(&release, "Date") {
            store.progress().note(&format!("{suite}: as of {date}"));
        }
        releases.push((suite.as_str(), release));
    }
    let index = |architecture: &str| -> Result<Index, RenewError> {
        let mut index = Index::default();
        for (suite, release) in &releases {
            store
                .progress()
                .note(&format!("{suite}: reading the index for {architecture}"));
            let text = packages_file(&downloader, suite, release, architecture)?;
            let error = |problem| archive_error(suite, problem);
            index.add_suite(suite, &text).map_err(error)?;
        }
        Ok(index)
    };
    resolve(wanted, index)
}

/// Picks the packages; `index` gives the packages of an architecture.
fn resolve(wanted: &Wanted, index: impl Fn(&str) -> Result<Index, RenewError>) -> Result<Lock, RenewError> {
    let suites = wanted.suites.join(", ");
    let error = |problem| archive_error(&suites, problem);
    let mut sets = Vec::new();
    for host in &wanted.qemu_hosts {
        let packages = index(host)?
            .closure(QEMU_PACKAGE, &wanted.qemu_without)
            .map_err(error)?;
        sets.push(Set {
            kind: SetKind::Qemu,
            name: format!("qemu-{host}"),
            packages,
        });
    }
    let guest = index("arm64")?;
    let mut releases = Vec::new();
    for release in &wanted.kernels {
        releases.push(match release.strip_prefix("newest") {
            Some(flavour) => {
                let metapackage = format!("linux-image-arm64{flavour}");
                let newest = guest.newest_kernel(&metapackage);
                newest.ok_or_else(|| error(format!("no {metapackage}")))?
            }
            None => release.clone(),
        });
    }
    releases.sort_by_cached_key(|release| (version_key(release), release.clone()));
    releases.dedup();
    for release in releases {
        let packages = guest.kernel(&release).map_err(|problem| {
            let have = guest
                .names("linux-image-")
                .into_iter()
                .filter(|n| n.ends_with("-arm64"));
            let have: Vec<&str> = have
                .filter(|n| !n.contains("cloud") && !n.contains("-rt-"))
                .collect();
            error(format!("{problem}; there are: {}", have.join(", ")))
        })?;
        sets.push(Set {
            kind: SetKind::Kernel,
            name: release,
            packages,
        });
    }
    let busybox = guest
        .latest("busybox-static")
        .ok_or_else(|| error("no busybox-static".to_owned()))?;
    let packages = vec![busybox.package.clone()];
    sets.push(Set {
        kind: SetKind::Busybox,
        name: "busybox".to_owned(),
        packages,
    });
    for name in &wanted.tools {
        sets.push(Set {
            kind: SetKind::Tools,
            name: name.clone(),
            packages: guest.closure(name, &wanted.tools_without).map_err(error)?,
        });
    }
    Ok(Lock::new(sets))
}

fn archive_error(suite: &str, problem: String) -> RenewError {
    RenewError::Archive {
        suite: suite.to_owned(),
        problem,
    }
}

fn get(downloader: &Downloader<'_>, suite: &str, path: &str) -> Result<Vec<u8>, RenewError> {
    let found = downloader.get(path).map_err(Error::Fetch)?;
    found.ok_or_else(|| archive_error(suite, format!("the mirror has no {path}")))
}

fn find_keyring(given: Option<&Path>) -> Result<PathBuf, RenewError> {
    if let Some(path) = given {
        return match path.is_file() {
            true => Ok(path.to_owned()),
            false => Err(RenewError::NoKeyring(format!("{} is not a file", path.display()))),
        };
    }
    let found = KEYRINGS.iter().map(Path::new).find(|path| path.is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| RenewError::NoKeyring(format!("no {}", KEYRINGS.join(" and no "))))
}

/// The text that the archive's key signed.
fn verified(suite: &str, signed: &[u8], keyring: &Path) -> Result<String, RenewError> {
    let io = |source| {
        RenewError::Store(Error::Cache {
            path: std::env::temp_dir(),
            source,
        })
    };
    let directory = tempfile::tempdir().map_err(io)?;
    let input = directory.path().join("InRelease");
    let output = directory.path().join("Release");
    std::fs::File::create(&input)
        .and_then(|mut file| file.write_all(signed))
        .map_err(io)?;
    let keyring = std::path::absolute(keyring).map_err(io)?;
    let gpgv = [
        "--keyring".as_ref(),
        keyring.as_os_str(),
        "--output".as_ref(),
        output.as_os_str(),
        input.as_os_str(),
    ];
    let ran = program::run("gpgv", gpgv, program::SHORT).map_err(RenewError::NoGpgv)?;
    if !ran.status.success() {
        let output = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
        return Err(RenewError::Signature {
            suite: suite.to_owned(),
            keyring,
            output,
        });
    }
    // What gpgv wrote is what was signed, without anything around it.
    let text = file::read_text(&output, MAX_RELEASE).map_err(io)?;
    let names = ["Suite", "Codename"].map(|field| release_field(&text, field));
    if !names.contains(&Some(suite)) {
        return Err(archive_error(
            suite,
            "the signed InRelease is that of another suite".to_owned(),
        ));
    }
    Ok(text)
}

/// Refuses an old release that is replayed: one whose `Valid-Until` is over. Not every suite has that field.
fn check_date(suite: &str, release: &str, now: SystemTime) -> Result<(), RenewError> {
    let Some(until) = release_field(release, "Valid-Until") else {
        return Ok(());
    };
    // The archive writes the zone of HTTP dates by its other name.
    match httpdate::parse_http_date(&until.replace("UTC", "GMT")) {
        Ok(end) if now <= end => Ok(()),
        Ok(_) => Err(archive_error(
            suite,
            format!(
                "its InRelease was valid until {until}: the mirror is out of date (or this machine's clock is wrong)"
            ),
        )),
        Err(_) => Err(archive_error(
            suite,
            format!("Valid-Until of InRelease is no date: {until:?}"),
        )),
    }
}

fn release_field<'a>(release: &'a str, name: &str) -> Option<&'a str> {
    let mut values = release
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().map(str::trim)
}

/// SHA-256 and size that `Release` gives for a file.
fn listed<'a>(release: &'a str, path: &str) -> Option<(&'a str, usize)> {
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

fn packages_file(
    downloader: &Downloader<'_>,
    suite: &str,
    release: &str,
    architecture: &str,
) -> Result<String, RenewError> {
    let error = |problem: String| archive_error(suite, problem);
    let path = format!("main/binary-{architecture}/Packages.xz");
    let (hash, size) = listed(release, &path).ok_or_else(|| error(format!("InRelease has no {path}")))?;
    // By hash if the mirror has that, so that an update of the mirror in between does no harm.
    let by_hash = format!("dists/{suite}/main/binary-{architecture}/by-hash/SHA256/{hash}");
    let packed = match downloader.get(&by_hash).map_err(Error::Fetch)? {
        Some(packed) => packed,
        None => get(downloader, suite, &format!("dists/{suite}/{path}"))?,
    };
    if packed.len() != size || hexadecimal(&Sha256::digest(&packed)) != hash {
        let problem =
            format!("{path} is not the one that InRelease names; try again, the mirror may be in an update");
        return Err(error(problem));
    }
    let mut text = String::new();
    let decoder = liblzma::read::XzDecoder::new(packed.as_slice());
    decoder
        .take(MAX_INDEX)
        .read_to_string(&mut text)
        .map_err(|e| error(format!("{path}: {e}")))?;
    Ok(text)
}
