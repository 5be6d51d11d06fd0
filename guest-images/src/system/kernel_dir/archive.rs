// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An archive of modules, as `make modules_install` and tar make it: `lib/modules/<release>/...`.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path};

use tar::EntryType;

use crate::packages::compression::Compression;

/// Most bytes that an archive may unpack to.
const MAX_UNPACKED: u64 = 8 << 30;
/// Most entries of an archive.
const MAX_ENTRIES: usize = 200_000;

/// Unpacks the regular files below `lib/modules` into `root`; everything else, links too, is left out.
pub(super) fn unpack(packed: &[u8], root: &Path) -> Result<(), String> {
    let plain: Box<dyn Read + '_> = match Compression::of_magic(packed) {
        Some(compression) => compression.reader(packed).map_err(|e| e.to_string())?,
        None => Box::new(packed),
    };
    let mut archive = tar::Archive::new(plain.take(MAX_UNPACKED));
    let entries = archive.entries().map_err(|e| e.to_string())?;
    for (number, entry) in entries.enumerate() {
        if number >= MAX_ENTRIES {
            return Err(format!("over {MAX_ENTRIES} entries"));
        }
        let mut entry = entry.map_err(|e| format!("no tar archive, or a damaged one: {e}"))?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let path = entry.path().map_err(|e| e.to_string())?.into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let path = path.strip_prefix("usr").unwrap_or(path);
        if !path.starts_with("lib/modules") {
            continue;
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("refused entry {}", path.display()));
        }
        let target = root.join(path);
        let write = |e: io::Error| format!("{}: {e}", target.display());
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(write)?;
        }
        let mut file = fs::File::create(&target).map_err(write)?;
        io::copy(&mut entry, &mut file).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    // Only a whole archive counts: the decompressor checks its sums at its end.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|e| e.to_string())?;
    if rest.limit() == 0 {
        return Err(format!("it unpacks to over {} GiB", MAX_UNPACKED >> 30));
    }
    Ok(())
}
