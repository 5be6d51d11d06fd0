// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::io::Write;

use host_guard::file::read_stream;

use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn name_and_first_bytes_say_the_same() {
    let packed = gzip(b"plain");
    let named = Compression::of_suffix("gz").unwrap();
    assert_eq!(Compression::of_magic(&packed), Some(named));
    let plain = read_stream(named.reader(packed.as_slice()).unwrap(), 5).unwrap();
    assert_eq!(plain, b"plain");
    assert_eq!(Compression::of_suffix("bz2"), None);
    assert_eq!(Compression::of_magic(b"plain"), None);
}

#[test]
fn what_is_too_large_is_refused_rather_than_cut() {
    let packed = gzip(&vec![0; 3 << 20]);
    let reader = |packed| Compression::Gzip.reader(packed).unwrap();
    let error = read_stream(reader(packed.as_slice()), (3 << 20) - 1).unwrap_err();
    assert_eq!(error.to_string(), "larger than 2 MiB, the most that is read");
    assert_eq!(
        read_stream(reader(packed.as_slice()), 3 << 20).unwrap().len(),
        3 << 20
    );
}

#[test]
fn a_stream_that_is_none_is_an_error() {
    assert!(Compression::Zstd.reader(&b"plain"[..]).is_err());
    let reader = Compression::Xz.reader(&b"plain"[..]).unwrap();
    assert!(read_stream(reader, 100).is_err());
}
