// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration of a kernel: a `.config`, or the copy that `CONFIG_IKCONFIG` puts into its Image.

use std::collections::BTreeMap;

use host_guard::file;
use memchr::memmem;

use crate::packages::compression::Compression;

#[cfg(test)]
mod tests;

/// Largest `.config` that is read; one of today has 300 KiB.
pub const MAX_CONFIG: u64 = 16 << 20;
/// Begin of the gzip stream of `kernel/configs.c`.
const BEGIN: &[u8] = b"IKCFG_ST";
/// End of it.
const END: &[u8] = b"IKCFG_ED";

/// Value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// `=y`, or a number or text.
    BuiltIn,
    /// `=m`.
    Module,
    /// `is not set`, or not there at all.
    Off,
}

/// A kernel's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kconfig {
    /// Architecture and version of the comment at its head: `arm64`, `7.3.4`.
    pub head: Option<(String, String)>,
    values: BTreeMap<String, String>,
}

impl Kconfig {
    /// Reads the text of a `.config`; `None` if no line of it is one of a configuration.
    pub fn parse(text: &str) -> Option<Self> {
        let mut config = Self::default();
        let mut lines = 0;
        for line in text.lines() {
            if let Some(option) = line
                .strip_prefix("# CONFIG_")
                .and_then(|rest| rest.strip_suffix(" is not set"))
            {
                config.values.insert(option.to_owned(), "n".to_owned());
                lines += 1;
            } else if let Some((option, value)) =
                line.strip_prefix("CONFIG_").and_then(|rest| rest.split_once('='))
            {
                config.values.insert(option.to_owned(), value.to_owned());
                lines += 1;
            } else if let Some((arch, version)) = line
                .strip_prefix("# Linux/")
                .and_then(|rest| rest.strip_suffix(" Kernel Configuration"))
                .and_then(|rest| rest.split_once(' '))
            {
                config.head.get_or_insert((arch.to_owned(), version.to_owned()));
            }
        }
        (lines > 0).then_some(config)
    }

    /// The configuration in an uncompressed Image; `None` if it was built without `CONFIG_IKCONFIG`, or if what stands
    /// there does not decompress.
    pub fn in_image(image: &[u8]) -> Option<Self> {
        let begin = memmem::find(image, BEGIN)? + BEGIN.len();
        let packed = image.get(begin..)?;
        let packed = packed.get(..memmem::find(packed, END)?)?;
        let plain = Compression::Gzip
            .reader(packed)
            .and_then(|reader| file::read_stream(reader, MAX_CONFIG))
            .ok()?;
        Self::parse(&String::from_utf8_lossy(&plain))
    }

    /// The value of an option, without `CONFIG_`.
    pub fn value(&self, option: &str) -> Value {
        match self.values.get(option).map(String::as_str) {
            None | Some("n") => Value::Off,
            Some("m") => Value::Module,
            Some(_) => Value::BuiltIn,
        }
    }
}
