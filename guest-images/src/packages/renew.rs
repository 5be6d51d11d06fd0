// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Renewing the lock file: from the archive's signature to the hash of every package.
//!
//! What is resolved anew is the whole lock file, or one of its sets whose packages the mirror no longer has.

use std::path::Path;

use crate::packages::archive::{ArchiveError, Suites, archive_error};
use crate::packages::index::Index;
use crate::packages::lock::{Lock, QEMU_PACKAGE, Set, SetKind};
use crate::packages::qemu_version::{OLDEST_REPLACEMENT, Version};
use crate::packages::release::{FLAVOURS, Name, offered, version_key};
use crate::packages::store::Store;
use crate::packages::wanted::Wanted;

#[cfg(test)]
mod tests;

/// Beginning of the name of a set with QEMU, before the host architecture.
const QEMU_SET: &str = "qemu-";

/// Resolves what is wanted against the archive.
///
/// # Errors
///
/// No gpgv or keyring, a bad signature, a mirror that fails, or a package that the archive does not have.
pub fn renew(store: &Store, wanted: &Wanted, keyring: Option<&Path>) -> Result<Lock, ArchiveError> {
    let suites = Suites::open(store, &wanted.suites, &[], keyring)?;
    let index = |architecture: &str| suites.index(architecture, &|_| true);
    resolve(wanted, index)
}

/// Picks the packages; `index` gives the packages of an architecture.
fn resolve(
    wanted: &Wanted,
    index: impl Fn(&str) -> Result<Index, ArchiveError>,
) -> Result<Lock, ArchiveError> {
    let suites = wanted.suites.join(", ");
    let error = |problem| archive_error(&suites, problem);
    let mut sets = Vec::new();
    for host in &wanted.qemu_hosts {
        sets.push(qemu(wanted, host, &index(host)?).map_err(error)?);
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
        sets.push(kernel(&release, &guest).map_err(error)?);
    }
    sets.push(busybox(&guest).map_err(error)?);
    for name in &wanted.tools {
        sets.push(tools(wanted, name, &guest).map_err(error)?);
    }
    Ok(Lock::new(sets))
}

/// QEMU for a host architecture.
fn qemu(wanted: &Wanted, host: &str, index: &Index) -> Result<Set, String> {
    Ok(Set {
        kind: SetKind::Qemu,
        name: format!("{QEMU_SET}{host}"),
        packages: index.closure(QEMU_PACKAGE, &wanted.qemu_without)?,
    })
}

/// A kernel by its release.
pub(crate) fn kernel(release: &str, index: &Index) -> Result<Set, String> {
    let packages = index.kernel(release).map_err(|problem| {
        let flavour = Name::of(release).map_or(FLAVOURS[0], |name| name.flavour);
        let have = offered(index).into_iter().map(|one| one.release);
        let have: Vec<String> = have
            .filter(|one| Name::of(one).is_some_and(|name| name.flavour == flavour))
            .collect();
        format!("{problem}; there are: {}", have.join(", "))
    })?;
    Ok(Set {
        kind: SetKind::Kernel,
        name: release.to_owned(),
        packages,
    })
}

fn busybox(index: &Index) -> Result<Set, String> {
    let listed = index.latest("busybox-static").ok_or("no busybox-static")?;
    Ok(Set {
        kind: SetKind::Busybox,
        name: "busybox".to_owned(),
        packages: vec![listed.package.clone()],
    })
}

/// A package of programs for the guest.
fn tools(wanted: &Wanted, name: &str, index: &Index) -> Result<Set, String> {
    Ok(Set {
        kind: SetKind::Tools,
        name: name.to_owned(),
        packages: index.closure(name, &wanted.tools_without)?,
    })
}

/// Resolves one set of a lock file against the archive of today: the same programs, and of a kernel the newest one of
/// its series and flavour.
pub(crate) fn again(
    store: &Store,
    wanted: &Wanted,
    keyring: Option<&Path>,
    set: &Set,
) -> Result<Set, ArchiveError> {
    // Kernels may be of suites that nothing else is taken from.
    let further: &[String] = match set.kind {
        SetKind::Kernel => &wanted.kernel_suites,
        _ => &[],
    };
    let suites = Suites::open(store, &wanted.suites, further, keyring)?;
    let error = |problem| archive_error(&wanted.suites.join(", "), problem);
    match set.kind {
        SetKind::Kernel => {
            let index = suites.index("arm64", &|name| name.starts_with("linux-"))?;
            let name =
                Name::of(&set.name).ok_or_else(|| error(format!("{} is no kernel of Debian", set.name)))?;
            let newest = name.newest_of_series(&index)?;
            kernel(&newest, &index).map_err(error)
        }
        SetKind::Qemu => {
            let host = set.name.strip_prefix(QEMU_SET).unwrap_or_default();
            let found = qemu(wanted, host, &suites.index(host, &|_| true)?).map_err(error)?;
            let version = Lock::qemu_version(&found);
            match version.and_then(Version::parse) {
                Some(version) if version >= OLDEST_REPLACEMENT => Ok(found),
                _ => Err(error(format!(
                    "its QEMU is of version {}, and nothing before {OLDEST_REPLACEMENT} takes the place of a locked \
                     one; name one of yours with `boot-stress --qemu`",
                    version.unwrap_or("unknown")
                ))),
            }
        }
        SetKind::Busybox => busybox(&suites.index("arm64", &|name| name == "busybox-static")?).map_err(error),
        SetKind::Tools => tools(wanted, &set.name, &suites.index("arm64", &|_| true)?).map_err(error),
    }
}
