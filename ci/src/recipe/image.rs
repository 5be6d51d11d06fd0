// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Image files that a run makes for its disks, anew for every boot.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use host_guard::signals;
use serde::Deserialize;

/// The largest image in MiB.
pub const MAX_MIB: u32 = 16 << 10;

/// An image file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Name, by which the masters of the recipe refer to it; it lies in the run's directory.
    pub name: String,
    /// Size in MiB.
    pub size_mib: u32,
    /// Seed of its contents; if absent, they are zeros, which take no room.
    #[serde(default)]
    pub seed: Option<u64>,
}

impl Image {
    /// Bytes.
    pub fn size(&self) -> u64 {
        u64::from(self.size_mib) << 20
    }

    /// Contents, in pieces of one MiB.
    pub fn contents(&self) -> impl Iterator<Item = Vec<u8>> {
        let mut random = self.seed.map(fastrand::Rng::with_seed);
        (0..self.size_mib).map(move |_| {
            let mut piece = vec![0; 1 << 20];
            if let Some(random) = &mut random {
                random.fill(&mut piece);
            }
            piece
        })
    }

    /// Makes the file in `dir`, or makes it anew.
    ///
    /// # Errors
    /// No room, or no permission; [`io::ErrorKind::Interrupted`] once a signal asks for the end.
    pub fn make(&self, dir: &Path) -> io::Result<()> {
        let file = File::create(dir.join(&self.name))?;
        if self.seed.is_none() {
            return file.set_len(self.size());
        }
        let mut file = BufWriter::new(file);
        self.contents().try_for_each(|piece| match signals::asked() {
            Some(_) => Err(io::ErrorKind::Interrupted.into()),
            None => file.write_all(&piece),
        })?;
        file.flush()
    }
}
