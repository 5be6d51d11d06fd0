// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The guest's kernel: from the lock file, or the user's own.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use host_guard::file;
use sha2::{Digest, Sha256};

use crate::machine::layout;
use crate::packages::compression::Compression;
use crate::packages::download::hexadecimal;
use crate::packages::lock::Lock;
use crate::packages::store::{Error, LEFTOVER, Store, remove_leftovers};
use crate::system::modules::{ModuleTree, ModulesError};

#[cfg(test)]
mod tests;

/// Room for the kernel, up to where QEMU puts the initramfs (128 MiB into memory, or half of it).
const MAX_MEMORY: u64 = layout::MEMORY + (128 << 20) - layout::KERNEL;
/// Largest file that is taken for a kernel.
const MAX_FILE: u64 = 512 << 20;

/// Reason why a kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// It cannot be read.
    #[error("kernel {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not an arm64 Linux Image.
    #[error(
        "kernel {}: {problem}; what boots is an arm64 Image (arch/arm64/boot/Image), Image.gz, or \
         vmlinuz.efi", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Description of what was found.
        problem: String,
    },
    /// `--kernel` was not understood.
    #[error("kernel {}: neither debian:RELEASE (like debian:6.16.3+deb13-arm64) nor a file", .0.display())]
    Choice(OsString),
    /// The store does not have it, and cannot get it.
    #[error(transparent)]
    Store(#[from] Error),
    /// A module is another kernel's, or cannot be read.
    #[error("modules: {0}")]
    Module(#[from] ModulesError),
    /// The modules are another kernel's.
    #[error("modules {}: {problem}", path.display())]
    Modules {
        /// The directory.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
    },
}

/// Choice of the guest's kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KernelChoice {
    /// The newest one of the lock file.
    #[default]
    Newest,
    /// One of Debian's, by release or the beginning of one: of the lock file, or of the archive.
    Debian(String),
    /// The user's own.
    Files {
        /// Image, Image.gz or an EFI zboot image.
        image: PathBuf,
        /// `lib/modules/<release>`, if it has modules.
        modules: Option<PathBuf>,
    },
}

impl KernelChoice {
    /// Reads `--kernel` and `--modules`.
    ///
    /// # Errors
    ///
    /// A file that does not exist, or modules for a kernel that brings its own.
    pub fn parse(kernel: Option<&OsStr>, modules: Option<PathBuf>) -> Result<Self, KernelError> {
        let choice = match kernel {
            None => Self::Newest,
            Some(text) => match text.to_str().and_then(|text| text.strip_prefix("debian:")) {
                Some(release) => Self::Debian(release.to_owned()),
                None if Path::new(text).is_file() => {
                    return Ok(Self::Files {
                        image: text.into(),
                        modules,
                    });
                }
                None => return Err(KernelError::Choice(text.to_owned())),
            },
        };
        match modules {
            None => Ok(choice),
            Some(path) => {
                let problem = "kernels of the lock file bring their own modules".to_owned();
                Err(KernelError::Modules { path, problem })
            }
        }
    }
}

/// Release of a kernel whose image does not tell.
pub const UNKNOWN: &str = "unknown";

/// A kernel that boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Uncompressed arm64 Image, for address [`layout::KERNEL`].
    pub image: PathBuf,
    /// `lib/modules/<release>`, if there are modules.
    pub modules: Option<PathBuf>,
    /// Output of `uname -r` in the guest; [`UNKNOWN`] if an image does not tell.
    pub release: String,
    /// Source of it, for reports: `debian:<release>` or the file's path.
    pub source: String,
}

impl Store {
    /// The kernel; fetched first if it is one of Debian's and not in the cache.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`]; [`KernelError`] for a file that is not a kernel, or modules that do not belong to it.
    pub fn kernel(&self, lock: &Lock, choice: &KernelChoice) -> Result<Kernel, KernelError> {
        let release = match choice {
            KernelChoice::Files { image, modules } => return self.own_kernel(image, modules.as_deref()),
            KernelChoice::Newest => None,
            KernelChoice::Debian(release) => Some(release.as_str()),
        };
        let set = self.kernel_set(lock, release)?;
        let (set, tree) = self.obtain(&set)?;
        let release = &set.name;
        let modules = tree.join("usr/lib/modules").join(release);
        // One package until 6.18, with the image in /boot; several since.
        let places = [
            tree.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ];
        let incomplete = |missing| Error::Incomplete {
            set: set.name.clone(),
            missing,
        };
        let image = places.iter().find(|path| path.is_file());
        let image = image.ok_or_else(|| incomplete(format!("kernel image vmlinuz for {release}")))?;
        if !modules.join("kernel").is_dir() {
            return Err(incomplete(format!("modules in usr/lib/modules/{release}")).into());
        }
        let image = self.plain_image(image)?;
        let mut source = format!("debian:{release}");
        if let Some(package) = set.packages.first().filter(|_| !lock.sets.contains(&set)) {
            source.push_str(&format!(", version {} of {}", package.version, package.suite));
        }
        Ok(Kernel {
            image,
            modules: Some(modules),
            release: release.clone(),
            source,
        })
    }

    fn own_kernel(&self, path: &Path, modules: Option<&Path>) -> Result<Kernel, KernelError> {
        let image = self.plain_image(path)?;
        let read = |source| KernelError::Read {
            path: image.clone(),
            source,
        };
        let release = release_in(&file::read(&image, MAX_FILE).map_err(read)?);
        if let Some(directory) = modules {
            let error = |problem| KernelError::Modules {
                path: directory.to_owned(),
                problem,
            };
            if !directory.is_dir() {
                return Err(error("no such directory".to_owned()));
            }
            let name = directory.file_name().and_then(|name| name.to_str());
            if let (Some(name), Some(release)) = (name, &release)
                && name != release
                && directory
                    .parent()
                    .is_some_and(|parent| parent.ends_with("modules"))
            {
                let problem = format!("these are modules of another kernel; the image is {release}");
                return Err(error(problem));
            }
            // A directory may have any name; the modules themselves name their kernel.
            ModuleTree::open(directory, release.as_deref())?.check_one()?;
        }
        let release = release.unwrap_or_else(|| UNKNOWN.to_owned());
        let source = path.display().to_string();
        Ok(Kernel {
            image,
            modules: modules.map(Path::to_owned),
            release,
            source,
        })
    }

    /// The file itself if it is an Image, else a decompressed copy in the cache.
    fn plain_image(&self, path: &Path) -> Result<PathBuf, KernelError> {
        let read = |source| KernelError::Read {
            path: path.to_owned(),
            source,
        };
        let start = start_of(path).map_err(read)?;
        if is_image(&start) {
            check_size(&start).map_err(|problem| format_error(path, problem))?;
            return Ok(path.to_owned());
        }
        let packed = file::read(path, MAX_FILE).map_err(read)?;
        let plain = decompress(&packed).map_err(|problem| format_error(path, problem))?;
        if !is_image(&plain) {
            let problem = format!("what is compressed in it is {}", magic(&plain));
            return Err(format_error(path, problem));
        }
        check_size(&plain).map_err(|problem| format_error(path, problem))?;
        let images = self.subdirectory("images")?;
        let digest = hexadecimal(&Sha256::digest(&packed));
        let target = images.join(digest.get(..24).unwrap_or_default());
        // Compared rather than believed: damage of the cache ends here.
        if file::read(&target, MAX_FILE).is_ok_and(|found| found == plain) {
            return Ok(target);
        }
        let _lock = self.lock()?;
        remove_leftovers(&images);
        let error = |source| Error::Cache {
            path: target.clone(),
            source,
        };
        let mut temporary = tempfile::Builder::new()
            .prefix(LEFTOVER)
            .tempfile_in(&images)
            .map_err(error)?;
        temporary.write_all(&plain).map_err(error)?;
        // Its name says that it is whole, also after a power cut.
        temporary.as_file().sync_all().map_err(error)?;
        temporary.persist(&target).map_err(|e| error(e.error))?;
        Ok(target)
    }
}

fn format_error(path: &Path, problem: String) -> KernelError {
    KernelError::Format {
        path: path.to_owned(),
        problem,
    }
}

/// The first bytes of a file, with the header of an Image.
fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file::open(path)?.take(64).read_to_end(&mut start)?;
    Ok(start)
}

fn is_image(start: &[u8]) -> bool {
    start.get(56..60) == Some(b"ARM\x64")
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(four).into())
}

/// The page size of an Image in KiB; `None` if it cannot be read or does not tell.
pub fn page_kib(image: &Path) -> Option<u32> {
    let start = start_of(image).ok()?;
    // Bits 1 and 2 of the header's flags.
    match word(&start, 24)? >> 1 & 3 {
        _ if !is_image(&start) => None,
        1 => Some(4),
        2 => Some(16),
        3 => Some(64),
        _ => None,
    }
}

/// Whether the memory that the kernel uses while it starts (`image_size` of the header) ends below the initramfs.
fn check_size(start: &[u8]) -> Result<(), String> {
    let size = word(start, 16).unwrap_or(0) | word(start, 20).unwrap_or(0) << 32;
    if size > MAX_MEMORY {
        return Err(format!(
            "it needs {} MiB, and {} fit",
            size >> 20,
            MAX_MEMORY >> 20
        ));
    }
    Ok(())
}

fn decompress(packed: &[u8]) -> Result<Vec<u8>, String> {
    // drivers/firmware/efi/libstub/zboot-header.S
    if packed.starts_with(b"MZ") && packed.get(4..8) == Some(b"zimg") {
        let field = |at| word(packed, at).and_then(|value| usize::try_from(value).ok());
        let (offset, size) = field(8)
            .zip(field(12))
            .ok_or("it is an EFI zboot image without a header")?;
        let payload = offset.checked_add(size).and_then(|end| packed.get(offset..end));
        let payload = payload.ok_or("it is an EFI zboot image that is cut short")?;
        return decompress_stream(payload);
    }
    decompress_stream(packed)
}

fn decompress_stream(packed: &[u8]) -> Result<Vec<u8>, String> {
    let compression = Compression::of_magic(packed).ok_or_else(|| format!("it is {}", magic(packed)))?;
    compression
        .reader(packed)
        .and_then(|reader| file::read_stream(reader, MAX_FILE))
        .map_err(|e| format!("it does not decompress: {e}"))
}

/// Says what a file is that is not a kernel.
fn magic(start: &[u8]) -> String {
    let known = match start {
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file (vmlinux?)",
        [b'!', b'<', b'a', b'r', ..] => "an ar archive (a package?)",
        [b'B', b'Z', b'h', ..] => "compressed with bzip2",
        [b'0', b'7', b'0', b'7', ..] => "a cpio archive (an initramfs?)",
        // With an EFI stub it begins with MZ too.
        _ if start.get(0x202..0x206) == Some(b"HdrS") => "a kernel for x86",
        [b'M', b'Z', ..] => "an EFI program for another architecture",
        _ => "",
    };
    if known.is_empty() {
        let bytes: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        return format!("no kernel: it starts with {}", bytes.join(" "));
    }
    known.to_owned()
}

/// The release in the banner `Linux version <release> (…`.
fn release_in(image: &[u8]) -> Option<String> {
    let banner = b"Linux version ";
    memchr::memmem::find_iter(image, banner).find_map(|at| {
        let text = image.get(at + banner.len()..)?;
        let release = text
            .split(|b| *b == b' ')
            .next()
            .filter(|word| word.len() <= 64)?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b".+-_~".contains(b);
        let starts_well = release.first().is_some_and(u8::is_ascii_digit);
        (starts_well && release.iter().all(plain)).then(|| String::from_utf8_lossy(release).into_owned())
    })
}

impl Store {
    /// Static busybox for the guest; fetched first if it is not in the cache.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`].
    pub fn busybox(&self, lock: &Lock) -> Result<PathBuf, Error> {
        let (set, tree) = self.obtain(lock.busybox()?)?;
        let program = tree.join("usr/bin/busybox");
        if program.is_file() {
            return Ok(program);
        }
        Err(Error::Incomplete {
            set: set.name.clone(),
            missing: "usr/bin/busybox".to_owned(),
        })
    }
}
