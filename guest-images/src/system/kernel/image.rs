// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The format of an arm64 Image and of what it comes packed in; what other files are.

use std::io::{self, Read};
use std::path::Path;

use host_guard::file;

use super::MAX_FILE;
use crate::machine::layout;
use crate::packages::compression::Compression;

/// Room for the kernel, up to where QEMU puts the initramfs (128 MiB into memory, or half of it).
const MAX_MEMORY: u64 = layout::MEMORY + (128 << 20) - layout::KERNEL;

/// The first bytes of a file, with the header of an Image.
pub(super) fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file::open(path)?.take(64).read_to_end(&mut start)?;
    Ok(start)
}

pub(super) fn is_image(start: &[u8]) -> bool {
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

/// Inverse of the least part of a kernel's memory that is in its file; the rest is zeros. Debian's file has 95 %.
const LEAST_PART: u64 = 4;

/// Bytes of memory that an Image uses while it starts: `image_size` of its header.
fn image_size(start: &[u8]) -> u64 {
    word(start, 16).unwrap_or(0) | word(start, 20).unwrap_or(0) << 32
}

/// Whether an Image is one that boots: little-endian, and the memory that it uses while it starts ends below the
/// initramfs.
pub(super) fn check_image(start: &[u8]) -> Result<(), String> {
    if word(start, 24).unwrap_or(0) & 1 != 0 {
        return Err(
            "it is big-endian, and the guest's programs are not: build with CONFIG_CPU_LITTLE_ENDIAN=y"
                .to_owned(),
        );
    }
    let size = image_size(start);
    if size > MAX_MEMORY {
        return Err(format!(
            "it needs {} MiB, and {} fit",
            size >> 20,
            MAX_MEMORY >> 20
        ));
    }
    Ok(())
}

/// Whether an Image of `length` bytes is whole. Packages need no such look: their hashes are known.
pub(super) fn check_length(start: &[u8], length: u64) -> Result<(), String> {
    let size = image_size(start);
    if length < size / LEAST_PART {
        return Err(format!(
            "it is cut short: {} KiB, of a kernel that takes {} KiB",
            length >> 10,
            size >> 10
        ));
    }
    Ok(())
}

pub(super) fn decompress(packed: &[u8]) -> Result<Vec<u8>, String> {
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
pub(super) fn magic(start: &[u8]) -> String {
    let known = match start {
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file (vmlinux?)",
        [b'!', b'<', b'a', b'r', ..] => "an ar archive (a package?)",
        [b'B', b'Z', b'h', ..] => "compressed with bzip2",
        [b'0', b'7', b'0', b'7', ..] => "a cpio archive (an initramfs?)",
        [0x27, 0x05, 0x19, 0x56, ..] => "a U-Boot image (uImage)",
        [0xd0, 0x0d, 0xfe, 0xed, ..] => "a device tree, or a FIT image",
        [0x02, 0x21, 0x4c, 0x18, ..] => "compressed with LZ4",
        [0x5d, 0, 0, ..] => "compressed with LZMA",
        [0x89, b'L', b'Z', b'O', ..] => "compressed with LZO",
        // With an EFI stub it begins with MZ too.
        _ if start.get(0x202..0x206) == Some(b"HdrS") => "a kernel for x86",
        [b'M', b'Z', ..] => "an EFI program for another architecture",
        _ if is_text(start) => "a text file",
        _ => "",
    };
    if known.is_empty() {
        let bytes: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        return format!("no kernel: it starts with {}", bytes.join(" "));
    }
    known.to_owned()
}

/// Whether the first bytes of a file are text.
fn is_text(start: &[u8]) -> bool {
    let head = start.get(..start.len().min(512)).unwrap_or_default();
    head.iter()
        .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e))
}

/// The release in the banner `Linux version <release> (…`.
pub(super) fn release_in(image: &[u8]) -> Option<String> {
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
