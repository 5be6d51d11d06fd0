// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Checking a clear-signed `InRelease` with `gpgv`, or with `sqv` where there is no `gpgv`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use host_guard::file;
use host_guard::program::{self, ProgramError, SHORT};

use super::error::{ArchiveError, archive_error};
use crate::packages::store::Error;

/// Most bytes of a signed `Release`; Debian's have 200 KiB.
pub(super) const MAX_RELEASE: u64 = 64 << 20;

#[cfg(test)]
mod tests;

/// Files in which Debian and its derivatives keep the archive's keys.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// Program that checks signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verifier {
    /// Of GnuPG: takes the signed file, writes what was signed.
    Gpgv,
    /// Of Sequoia: takes the signature and the text in files of their own.
    Sqv,
}

/// The keyring that was named, or that of the system.
pub(crate) fn find_keyring(given: Option<&Path>) -> Result<PathBuf, ArchiveError> {
    if let Some(path) = given {
        return match path.is_file() {
            true => Ok(path.to_owned()),
            false => Err(ArchiveError::NoKeyring(format!(
                "{} is not a file",
                path.display()
            ))),
        };
    }
    let found = KEYRINGS.iter().map(Path::new).find(|path| path.is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| ArchiveError::NoKeyring(format!("no {}", KEYRINGS.join(" and no "))))
}

/// The text that the archive's key signed.
pub(super) fn verified(suite: &str, signed: &[u8], keyring: &Path) -> Result<String, ArchiveError> {
    let by = |verifier| verified_by(verifier, suite, signed, keyring);
    match by(Verifier::Gpgv) {
        Err(ArchiveError::NoVerifier(gpgv)) => match by(Verifier::Sqv) {
            // The usual program is the one to install.
            Err(ArchiveError::NoVerifier(_)) => Err(ArchiveError::NoVerifier(gpgv)),
            result => result,
        },
        result => result,
    }
}

/// The text that the archive's key signed, by one program.
pub(super) fn verified_by(
    verifier: Verifier,
    suite: &str,
    signed: &[u8],
    keyring: &Path,
) -> Result<String, ArchiveError> {
    let io = |source| {
        ArchiveError::Store(Error::Cache {
            path: std::env::temp_dir(),
            source,
        })
    };
    let bad = |output: String| ArchiveError::Signature {
        suite: suite.to_owned(),
        keyring: keyring.to_owned(),
        output,
    };
    let directory = tempfile::tempdir().map_err(io)?;
    let [whole, text, signature] =
        ["InRelease", "Release", "Release.gpg"].map(|name| directory.path().join(name));
    let keyring = std::path::absolute(keyring).map_err(io)?;
    let keys = ["--keyring".as_ref(), keyring.as_os_str()];
    let ran = match verifier {
        Verifier::Gpgv => {
            fs::write(&whole, signed).map_err(io)?;
            let more: [&OsStr; 3] = ["--output".as_ref(), text.as_os_str(), whole.as_os_str()];
            program::run("gpgv", keys.into_iter().chain(more), SHORT)
        }
        Verifier::Sqv => {
            let (plain, armour) =
                split(signed).ok_or_else(|| bad("it is not clear-signed text".to_owned()))?;
            fs::write(&text, plain).map_err(io)?;
            fs::write(&signature, armour).map_err(io)?;
            let more: [&OsStr; 2] = [signature.as_os_str(), text.as_os_str()];
            program::run("sqv", keys.into_iter().chain(more), SHORT)
        }
    };
    let ran = ran.map_err(|error: ProgramError| ArchiveError::NoVerifier(error))?;
    if !ran.status.success() {
        return Err(bad(String::from_utf8_lossy(&ran.stderr).trim().to_owned()));
    }
    // The file has what was signed, without anything around it.
    let text = file::read_text(&text, MAX_RELEASE).map_err(io)?;
    let names = ["Suite", "Codename"].map(|field| release_field(&text, field));
    if !names.contains(&Some(suite)) {
        let problem = "the signed InRelease is that of another suite".to_owned();
        return Err(archive_error(suite, problem));
    }
    Ok(text)
}

/// Text and signature of a clear-signed file (RFC 9580, section 7): the text without dash escapes, without blanks at
/// the ends of lines, and without its last newline, as it was signed.
fn split(signed: &[u8]) -> Option<(String, String)> {
    let signed = str::from_utf8(signed).ok()?;
    let mut lines = signed.lines();
    if lines.next()? != "-----BEGIN PGP SIGNED MESSAGE-----" {
        return None;
    }
    // Headers of the armour end with an empty line.
    lines.by_ref().find(|line| line.trim_end().is_empty())?;
    let mut text = Vec::new();
    let mut armour = String::new();
    for line in lines.by_ref() {
        if line == "-----BEGIN PGP SIGNATURE-----" {
            armour = format!("{line}\n");
            break;
        }
        match line.strip_prefix("- ") {
            Some(escaped) => text.push(escaped.trim_end_matches([' ', '\t'])),
            None if line.starts_with('-') => return None,
            None => text.push(line.trim_end_matches([' ', '\t'])),
        }
    }
    for line in lines.by_ref() {
        armour.push_str(line);
        armour.push('\n');
        if line == "-----END PGP SIGNATURE-----" {
            // Nothing may follow.
            return lines
                .all(|line| line.trim().is_empty())
                .then(|| (text.join("\n"), armour));
        }
    }
    None
}

/// A field of a `Release`.
pub(super) fn release_field<'a>(release: &'a str, name: &str) -> Option<&'a str> {
    let mut values = release
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().map(str::trim)
}
