// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::failure::UNSUPP;
use host_guard::confine::Places;

use super::*;
use crate::devices::virtio::testing::{BUFFERS, DESCRIPTORS, Driver, End, INDIRECT, NEXT, RAM, WRITE};

mod files;
mod random;

const HEADER: u64 = BUFFERS;
const STATUS: u64 = BUFFERS + 0x100;
const DATA: u64 = BUFFERS + 0x1000;
const SECTORS: u64 = 400;

struct Disks {
    driver: Driver<Blk>,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn content(sector: u64) -> Vec<u8> {
    (0..SECTOR)
        .map(|at| (sector * 7 + at * 3).to_le_bytes()[0])
        .collect()
}

impl Disks {
    fn new(read_only: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let mut file = File::create(&path).unwrap();
        (0..SECTORS).for_each(|sector| file.write_all(&content(sector)).unwrap());
        drop(file);
        let image = Image::open(&path, read_only, &Places::anywhere()).unwrap();
        let disk = Disk::new("disk", &Arc::new(Complaints::new("disk")));
        Self {
            driver: Driver::new(Blk::new(&disk, &image), true),
            path,
            _directory: directory,
        }
    }

    fn header(&self, kind: u32, sector: u64) {
        let mut header = kind.to_le_bytes().to_vec();
        header.extend([0; 4]);
        header.extend(sector.to_le_bytes());
        self.driver.put(HEADER, &header);
        self.driver.put(STATUS, &[0xff]);
    }

    /// Does a request whose data is at [`DATA`]; returns length and status.
    fn request(&mut self, kind: u32, sector: u64, length: u32) -> (u32, u8) {
        self.header(kind, sector);
        let (header, data, status) = ((HEADER, 16), (DATA, length), (STATUS, 1));
        if kind == VIRTIO_BLK_T_IN || kind == VIRTIO_BLK_T_GET_ID {
            self.driver.chain(&[header], &[data, status]);
        } else if length == 0 {
            self.driver.chain(&[header], &[status]);
        } else {
            self.driver.chain(&[header, data], &[status]);
        }
        assert_eq!(self.driver.run(), End::Waits);
        self.answer()
    }

    fn answer(&mut self) -> (u32, u8) {
        let (_, length) = self.driver.used().expect("used");
        (length, self.driver.get(STATUS, 1)[0])
    }

    fn on_disk(&self, sector: u64) -> Vec<u8> {
        let mut file = File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(sector * SECTOR)).unwrap();
        let mut bytes = vec![0; 512];
        file.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn complaints(&mut self) -> u64 {
        self.driver.ring.handler().disk.complaints.total()
    }
}

#[test]
fn sectors_are_read_and_written() {
    let mut disks = Disks::new(false);
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 5, 1024), (1025, OK));
    assert_eq!(disks.driver.get(DATA, 512), content(5));
    assert_eq!(disks.driver.get(DATA + 512, 512), content(6));
    disks.driver.put(DATA, &content(40));
    assert_eq!(disks.request(VIRTIO_BLK_T_OUT, 63, 512), (1, OK));
    assert_eq!(disks.on_disk(63), content(40));
    assert_eq!(disks.on_disk(62), content(62));
    // Where the last request ended, and elsewhere.
    for sector in [7, 8, 3] {
        assert_eq!(disks.request(VIRTIO_BLK_T_IN, sector, 512), (513, OK));
        assert_eq!(disks.driver.get(DATA, 512), content(sector));
    }
    assert_eq!(disks.complaints(), 0);
}

#[test]
fn a_request_of_many_parts_in_an_indirect_table() {
    let mut disks = Disks::new(false);
    disks.header(VIRTIO_BLK_T_IN, 9);
    let table = BUFFERS + 0x8_0000;
    // The header and the status share buffers with others; one buffer is empty.
    let parts = [
        (HEADER, 10, 0),
        (HEADER + 10, 6, 0),
        (DATA, 100, WRITE),
        (DATA, 0, WRITE),
        (DATA + 100, 412, WRITE),
        (DATA + 512, 513, WRITE),
    ];
    for (number, (address, length, flags)) in (0..).zip(parts) {
        let next = if number == 5 { 0 } else { NEXT };
        disks
            .driver
            .descriptor(table, number, (address, length), flags | next, number + 1);
    }
    disks
        .driver
        .descriptor(DESCRIPTORS, 3, (table, 16 * 6), INDIRECT, 0);
    disks.driver.offer(3);
    assert_eq!(disks.driver.run(), End::Waits);
    assert_eq!(disks.driver.used(), Some((3, 1025)));
    assert_eq!(disks.driver.get(DATA, 512), content(9));
    assert_eq!(disks.driver.get(DATA + 512, 512), content(10));
    assert_eq!(disks.driver.get(DATA + 1024, 1), [OK]);
}

#[test]
fn a_request_longer_than_the_buffer() {
    let mut disks = Disks::new(false);
    let sectors: Vec<u8> = (20..320).flat_map(content).collect();
    let parts = [1, 4095, 100_000, 49_502, 1];
    assert_eq!(parts.iter().sum::<u32>() as usize, sectors.len() - 1);
    let mut at = DATA;
    let mut buffers: Vec<(u64, u32)> = Vec::new();
    for length in parts {
        buffers.push((at, length));
        at += u64::from(length) + 3;
    }
    buffers.push((at, 1));
    disks.header(VIRTIO_BLK_T_IN, 20);
    disks
        .driver
        .chain(&[(HEADER, 16)], &[buffers.as_slice(), &[(STATUS, 1)]].concat());
    assert_eq!(disks.driver.run(), End::Waits);
    assert_eq!(disks.answer(), (300 * 512 + 1, OK));
    let read = |disks: &Disks| -> Vec<u8> {
        let part = |(address, length): &(u64, u32)| disks.driver.get(*address, *length as usize);
        buffers.iter().flat_map(part).collect()
    };
    assert!(read(&disks) == sectors);
    disks.header(VIRTIO_BLK_T_OUT, 60);
    disks
        .driver
        .chain(&[&[(HEADER, 16)], buffers.as_slice()].concat(), &[(STATUS, 1)]);
    assert_eq!(disks.driver.run(), End::Waits);
    assert_eq!(disks.answer(), (1, OK));
    let written: Vec<u8> = (60..360).flat_map(|sector| disks.on_disk(sector)).collect();
    assert!(written == sectors);
    assert_eq!(
        (disks.on_disk(59), disks.on_disk(360)),
        (content(59), content(360))
    );
}

#[test]
fn what_a_disk_cannot_do_fails() {
    let mut disks = Disks::new(false);
    for (kind, sector, length, status) in [
        (VIRTIO_BLK_T_IN, SECTORS, 512, IOERR),
        (VIRTIO_BLK_T_IN, SECTORS - 1, 1024, IOERR),
        (VIRTIO_BLK_T_IN, u64::MAX, 512, IOERR),
        (VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, IOERR),
        (VIRTIO_BLK_T_OUT, u64::MAX / 512, 512, IOERR),
        (VIRTIO_BLK_T_IN, 0, 511, IOERR),
        (VIRTIO_BLK_T_OUT, 0, 513, IOERR),
        (VIRTIO_BLK_T_DISCARD, 0, 15, IOERR),
        (VIRTIO_BLK_T_DISCARD, 0, 16 * 17, IOERR),
        (3, 0, 0, UNSUPP),
        (u32::MAX, 0, 512, UNSUPP),
    ] {
        let answer = disks.request(kind, sector, length);
        assert_eq!(answer, (0, status), "{kind} {sector} {length}");
    }
    assert_eq!(disks.complaints(), 11);
    assert!(!disks.driver.needs_reset());
    assert_eq!(
        (0..SECTORS)
            .map(|sector| disks.on_disk(sector))
            .collect::<Vec<_>>(),
        (0..SECTORS).map(content).collect::<Vec<_>>()
    );
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 0, 512), (513, OK));
}

#[test]
fn a_read_only_disk_is_not_written() {
    let mut disks = Disks::new(true);
    assert_eq!(disks.request(VIRTIO_BLK_T_OUT, 1, 512), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_WRITE_ZEROES, 1, 16), (0, UNSUPP));
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 1, 512), (513, OK));
    let image = Arc::clone(&disks.driver.ring.handler().image);
    let features = identity(&image, 1).features;
    assert_eq!(features >> VIRTIO_BLK_F_RO & 1, 1);
    assert_eq!(features >> VIRTIO_BLK_F_DISCARD & 1, 0);
}

#[test]
fn flush_and_get_id() {
    let mut disks = Disks::new(false);
    assert_eq!(disks.request(VIRTIO_BLK_T_FLUSH, 0, 0), (1, OK));
    assert_eq!(disks.request(VIRTIO_BLK_T_GET_ID, 0, 20), (21, OK));
    assert_eq!(
        &disks.driver.get(DATA, 20),
        b"disk\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    );
}

/// A range of DISCARD or WRITE_ZEROES.
fn range(sector: u64, count: u32, flags: u32) -> Vec<u8> {
    let mut range = sector.to_le_bytes().to_vec();
    range.extend(count.to_le_bytes());
    range.extend(flags.to_le_bytes());
    range
}

#[test]
fn ranges_are_zeroed() {
    let mut disks = Disks::new(false);
    for (kind, flags, status) in [
        (VIRTIO_BLK_T_DISCARD, 0, OK),
        (VIRTIO_BLK_T_DISCARD, 1, UNSUPP),
        (VIRTIO_BLK_T_WRITE_ZEROES, 0, OK),
        (VIRTIO_BLK_T_WRITE_ZEROES, 1, OK),
        (VIRTIO_BLK_T_WRITE_ZEROES, 2, UNSUPP),
    ] {
        File::options()
            .write(true)
            .open(&disks.path)
            .unwrap()
            .write_all(&content(1).repeat(64))
            .unwrap();
        disks
            .driver
            .put(DATA, &[range(8, 2, flags), range(20, 1, flags)].concat());
        let (_, answer) = disks.request(kind, 0, 32);
        assert_eq!(answer, status, "{kind} {flags}");
        for sector in [8, 9, 20] {
            assert_eq!(
                disks.on_disk(sector) == [0; 512],
                status == OK,
                "{kind} {flags} {sector}"
            );
        }
        assert_eq!((disks.on_disk(10), disks.on_disk(7)), (content(1), content(1)));
    }
    disks.driver.put(DATA, &range(SECTORS - 1, 2, 0));
    assert_eq!(disks.request(VIRTIO_BLK_T_DISCARD, 0, 16), (0, IOERR));
    disks.driver.put(DATA, &range(u64::MAX, 2, 0));
    assert_eq!(disks.request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), (0, IOERR));
    assert_eq!(
        File::open(&disks.path).unwrap().metadata().unwrap().len(),
        SECTORS * SECTOR
    );
}

#[test]
fn an_image_that_shrinks_fails_requests() {
    let mut disks = Disks::new(false);
    File::options()
        .write(true)
        .open(&disks.path)
        .unwrap()
        .set_len(512 * 10 + 100)
        .unwrap();
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 9, 512), (513, OK));
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 10, 512), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 30, 512), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_OUT, 30, 512), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_OUT, 9, 512), (1, OK));
    for (sector, status) in [(8, OK), (9, IOERR), (30, IOERR)] {
        disks.driver.put(DATA, &range(sector, 2, 0));
        for kind in [VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES] {
            assert_eq!(disks.request(kind, 0, 16), (1, status), "{kind} {sector}");
        }
    }
    assert_eq!(
        File::open(&disks.path).unwrap().metadata().unwrap().len(),
        512 * 10 + 100
    );
}

#[test]
fn chains_that_cannot_be_answered_need_a_reset() {
    type Chain = &'static [(u64, u32, u16, u16)];
    let chains: [(&str, Chain); 10] = [
        ("no status", &[(HEADER, 16, 0, 0)]),
        ("an empty status", &[(HEADER, 16, NEXT, 1), (STATUS, 0, WRITE, 0)]),
        (
            "the wrong order",
            &[(STATUS, 1, WRITE | NEXT, 1), (HEADER, 16, 0, 0)],
        ),
        ("a loop", &[(HEADER, 16, NEXT, 1), (DATA, 512, NEXT, 0)]),
        (
            "an index beyond the table",
            &[(HEADER, 16, NEXT, 1), (DATA, 512, WRITE | NEXT, 16)],
        ),
        ("a table of half a descriptor", &[(DATA, 24, INDIRECT, 0)]),
        ("an empty table", &[(DATA, 0, INDIRECT, 0)]),
        ("a table beyond memory", &[(RAM, 32, INDIRECT, 0)]),
        (
            "more than 4 GiB",
            &[
                (HEADER, u32::MAX, NEXT, 1),
                (DATA, u32::MAX, NEXT, 2),
                (STATUS, 1, WRITE, 0),
            ],
        ),
        (
            "a status beyond memory",
            &[(HEADER, 16, NEXT, 1), (RAM, 1, WRITE, 0)],
        ),
    ];
    for (what, chain) in chains {
        let mut disks = Disks::new(false);
        disks.header(VIRTIO_BLK_T_IN, 0);
        for (number, (address, length, flags, next)) in (0..).zip(chain) {
            disks
                .driver
                .descriptor(DESCRIPTORS, number, (*address, *length), *flags, *next);
        }
        disks.driver.offer(0);
        assert!(matches!(disks.driver.run(), End::Broken(_)), "{what}");
        assert!(
            disks.driver.needs_reset() && disks.driver.state.interrupt() == 2,
            "{what}"
        );
        assert_eq!(
            (disks.driver.used(), disks.driver.interrupts),
            (None, 1),
            "{what}"
        );
        // It does nothing more.
        assert_eq!(disks.driver.run(), End::Waits, "{what}");
    }
}

#[test]
fn a_huge_table_ends() {
    let mut disks = Disks::new(false);
    let table = BUFFERS + 0x8_0000;
    for number in 0..300 {
        disks
            .driver
            .descriptor(table, number, (DATA, 1), NEXT | WRITE, number + 1);
    }
    disks
        .driver
        .descriptor(DESCRIPTORS, 0, (table, 0xffff * 16), INDIRECT, 0);
    disks.driver.offer(0);
    assert!(matches!(disks.driver.run(), End::Broken(problem) if problem.contains("loop")));
}

#[test]
fn a_request_longer_than_any_fails() {
    let mut disks = Disks::new(false);
    assert_eq!(
        disks.request(VIRTIO_BLK_T_IN, 0, u32::MAX - 511 - 512),
        (0, IOERR)
    );
}

#[test]
fn data_that_is_not_mapped_fails_the_request() {
    let mut disks = Disks::new(false);
    disks.driver.memory.hole.replace(DATA..DATA + 1);
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 0, 512), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_OUT, 0, 512), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_GET_ID, 0, 20), (0, IOERR));
    assert_eq!(disks.request(VIRTIO_BLK_T_DISCARD, 0, 16), (0, IOERR));
    disks.driver.memory.hole.replace(HEADER..HEADER + 1);
    assert_eq!(disks.request(VIRTIO_BLK_T_IN, 0, 512), (0, IOERR));
    assert!(!disks.driver.needs_reset());
    assert_eq!(disks.on_disk(0), content(0));
}

#[test]
fn a_stalled_request_is_done_again_or_fails() {
    let mut disks = Disks::new(false);
    for (goes_on, answer) in [(true, (513, OK)), (false, (0, IOERR))] {
        disks.header(VIRTIO_BLK_T_IN, 4);
        disks.driver.memory.stalls.replace(DATA + 100..DATA + 101);
        disks
            .driver
            .chain(&[(HEADER, 16)], &[(DATA, 100), (DATA + 100, 412), (STATUS, 1)]);
        assert_eq!(disks.driver.run(), End::Stalls);
        assert_eq!(disks.driver.run(), End::Stalls);
        assert_eq!(disks.driver.used(), None);
        if goes_on {
            disks.driver.memory.stalls.replace(0..0);
        } else {
            assert_eq!(disks.driver.terminate(), None);
        }
        assert_eq!(disks.driver.run(), End::Waits);
        assert_eq!(disks.answer(), answer);
    }
    assert_eq!(disks.complaints(), 1);
}

#[test]
fn the_configuration_space_is_that_of_virtio() {
    let config = config(0x1_0000_0002, 3);
    assert_eq!(config.len(), 60);
    assert_eq!(config[..8], 0x1_0000_0002_u64.to_le_bytes());
    assert_eq!(config[8..12], (1_u32 << 20).to_le_bytes());
    assert_eq!(config[12..16], 254_u32.to_le_bytes());
    assert_eq!(config[20..24], 512_u32.to_le_bytes());
    assert_eq!(config[34..36], 3_u16.to_le_bytes());
    let word = |at: usize| u32::from_le_bytes(config[at..at + 4].try_into().unwrap());
    assert_eq!(
        [36, 40, 44, 48, 52, 56].map(word),
        [1 << 21, 16, 1, 1 << 21, 16, 1]
    );
}
