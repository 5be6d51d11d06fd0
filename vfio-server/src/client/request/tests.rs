// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

fn header(command: u16) -> Header {
    Header {
        command: command.into(),
        ..Header::default()
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn parsed(command: u16, payload: &[u8], fds: usize) -> Result<Request<'_>, Errno> {
    parse(&header(command), payload, fds)
}

#[test]
fn version_data_is_optional_and_otherwise_json_with_a_nul() {
    let version = |text: &[u8]| [&[0, 0, 0, 0], text].concat();
    for text in [
        &b""[..],
        b"{}\0",
        b"{\"capabilities\":{}}\0",
        b"{\"capabilities\":{\"max_msg_fds\":8,\"unknown\":[1]},\"more\":1}\0",
    ] {
        assert_eq!(parsed(1, &version(text), 0), Ok(Request::Version), "{text:?}");
    }
    for text in [
        &b"{}"[..],
        b"\0",
        b"{\0",
        b"{}\0\0",
        b"[]\0",
        b"{\"capabilities\":3}\0",
        b"\xff\0",
    ] {
        assert_eq!(parsed(1, &version(text), 0), Err(Errno::INVAL), "{text:?}");
    }
    let deep = [b"{\"capabilities\":".as_slice(), &[b'['; 100_000], b"\0"].concat();
    assert_eq!(parsed(1, &version(&deep), 0), Err(Errno::INVAL));
}

#[test]
fn capabilities_have_the_type_and_range_of_the_specification() {
    let version = |capabilities: &str| {
        let text = format!("{{\"capabilities\":{{{capabilities}}}}}\0");
        let payload = [&[0; 4], text.as_bytes()].concat();
        parsed(1, &payload, 0).map(|request| assert_eq!(request, Request::Version))
    };
    for (name, good, bad) in [
        ("max_msg_fds", "1024", "1025 -1 1.5 \"8\" null true"),
        ("max_data_xfer_size", "1048576", "-1 \"1\" [] null"),
        ("max_dma_maps", "65535", "-1 {} false null"),
        ("pgsizes", "69632", "0 4095 -4096 \"4096\" null"),
        ("write_multiple", "false", "0 1 \"true\" null"),
        (
            "twin_socket",
            "{\"supported\":true}",
            "true [] {\"supported\":1} null",
        ),
        (
            "migration",
            "{\"pgsize\":4096,\"max_bitmap_size\":1}",
            "\"23\" [] {\"pgsize\":\"x\"} null",
        ),
        (
            "migration",
            "{\"pgsize\":65536}",
            "{\"pgsize\":4095} {\"pgsize\":12288} {\"max_bitmap_size\":-1}",
        ),
    ] {
        assert_eq!(version(&format!("\"{name}\":{good}")), Ok(()), "{name}: {good}");
        for bad in bad.split(' ') {
            assert_eq!(
                version(&format!("\"{name}\":{bad}")),
                Err(Errno::INVAL),
                "{name}: {bad}"
            );
        }
    }
}

#[test]
fn version_needs_its_four_bytes_and_major_0() {
    for length in 0..4 {
        assert_eq!(parsed(1, &[0; 4][..length], 0), Err(Errno::INVAL));
    }
    assert_eq!(parsed(1, &[1, 0, 0, 0], 0), Err(Errno::INVAL));
    assert_eq!(parsed(1, &[0, 0, 9, 9], 0), Ok(Request::Version));
}

#[test]
fn region_accesses_carry_what_they_say() {
    let access = |count| words(&[0x10, 0, 2, count]);
    assert!(matches!(parsed(9, &access(4), 0), Ok(Request::Read(access)) if access.region.get() == 2));
    assert!(matches!(parsed(9, &access(1 << 20), 0), Ok(Request::Read(_))));
    assert_eq!(parsed(9, &access((1 << 20) + 1), 0), Err(Errno::TOOBIG));
    assert_eq!(parsed(9, &access(u32::MAX), 0), Err(Errno::TOOBIG));
    assert_eq!(parsed(9, &access(4)[..15], 0), Err(Errno::INVAL));
    assert_eq!(parsed(9, &[access(4), vec![0]].concat(), 0), Err(Errno::INVAL));
    let write = |count, data: &[u8]| [access(count), data.to_vec()].concat();
    assert!(matches!(
        parsed(10, &write(3, &[7, 8, 9]), 0),
        Ok(Request::Write(_, [7, 8, 9]))
    ));
    assert_eq!(parsed(10, &write(4, &[7, 8, 9]), 0), Err(Errno::INVAL));
    assert_eq!(parsed(10, &write(2, &[7, 8, 9]), 0), Err(Errno::INVAL));
    assert_eq!(parsed(10, &write(u32::MAX, &[]), 0), Err(Errno::INVAL));
}

#[test]
fn several_writes_are_counted() {
    let one = |count| words(&[0x10, 0, 0, count, 0x11, 0x22]);
    let multi = |n: u64, writes: &[Vec<u8>]| [n.to_ne_bytes().to_vec(), writes.concat()].concat();
    match parsed(15, &multi(2, &[one(4), one(8)]), 0) {
        Ok(Request::WriteMulti([first, second])) => {
            assert_eq!((first.access.count.get(), second.access.count.get()), (4, 8));
            assert_eq!(first.data, [0x11, 0, 0, 0, 0x22, 0, 0, 0]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        parsed(15, &multi(0, &[]), 0),
        Ok(Request::WriteMulti([]))
    ));
    assert_eq!(parsed(15, &multi(3, &[one(4), one(8)]), 0), Err(Errno::INVAL));
    assert_eq!(parsed(15, &multi(u64::MAX, &[one(4)]), 0), Err(Errno::INVAL));
    assert_eq!(parsed(15, &multi(1, &[one(9)]), 0), Err(Errno::INVAL));
    assert_eq!(parsed(15, &multi(1, &[one(u32::MAX)]), 0), Err(Errno::INVAL));
    assert_eq!(
        parsed(15, &multi(1, &[one(4)[..23].to_vec()]), 0),
        Err(Errno::INVAL)
    );
    assert_eq!(parsed(15, &[0; 7], 0), Err(Errno::INVAL));
}

#[test]
fn forwarded_requests_have_exactly_the_size_that_the_crate_reads() {
    for (command, size, expected) in [
        (command::DMA_MAP, 32, Forward::DmaMap),
        (command::DMA_UNMAP, 24, Forward::DmaUnmap),
        (command::DEVICE_GET_INFO, 16, Forward::Info),
        (command::DEVICE_GET_REGION_INFO, 32, Forward::RegionInfo),
        (command::DEVICE_GET_IRQ_INFO, 16, Forward::IrqInfo),
        (command::DEVICE_SET_IRQS, 20, Forward::SetIrqs),
        (command::DEVICE_RESET, 0, Forward::Reset),
    ] {
        for length in 0..100 {
            let mut payload = vec![0; length];
            // argsz, and the flags: DATA_NONE and ACTION_TRIGGER of SET_IRQS, none of the others
            let flags = if command == command::DEVICE_SET_IRQS {
                0x21
            } else {
                0
            };
            payload.iter_mut().take(1).for_each(|byte| *byte = 100);
            payload.iter_mut().skip(4).take(1).for_each(|byte| *byte = flags);
            let wanted = if length == size {
                Ok(Request::Forward(expected))
            } else {
                Err(Errno::INVAL)
            };
            assert_eq!(
                parsed(command, &payload, 0),
                wanted,
                "{expected:?} with {length} bytes"
            );
        }
    }
}

/// Payload sizes of requests that begin with argsz and have no data, by command.
const WITH_ARGSZ: [(u16, u32); 6] = [(2, 32), (3, 24), (4, 16), (5, 32), (7, 16), (8, 20)];

#[test]
fn argsz_is_the_size_of_the_structure_or_more() {
    for (command, size) in WITH_ARGSZ {
        let with = |argsz: u32| {
            let flags = if command == command::DEVICE_SET_IRQS {
                0x21
            } else {
                0
            };
            let rest = vec![0; usize::try_from(size).unwrap() - 8];
            parsed(command, &[words(&[argsz, flags]), rest].concat(), 0).map(|_| ())
        };
        for argsz in [size, size + 1, size + 64, u32::MAX] {
            assert_eq!(with(argsz), Ok(()), "command {command}, argsz {argsz}");
        }
        for argsz in [0, 3, 8, size - 1] {
            assert_eq!(with(argsz), Err(Errno::INVAL), "command {command}, argsz {argsz}");
        }
    }
}

#[test]
fn map_has_no_flags_but_readable_and_writable() {
    let map = |flags| words(&[32, flags, 0, 0, 0, 0, 4096, 0]);
    for flags in 0..4 {
        assert_eq!(parsed(2, &map(flags), 1), Ok(Request::Forward(Forward::DmaMap)));
    }
    for flags in [4, 7, 8, 0x8000_0003] {
        assert_eq!(parsed(2, &map(flags), 1), Err(Errno::INVAL), "flags {flags:#x}");
    }
}

#[test]
fn unmap_takes_a_range_or_all_and_no_dirty_bitmap() {
    let unmap = |flags, address, size| words(&[24, flags, address, 0, size, 0]);
    let ok = Ok(Request::Forward(Forward::DmaUnmap));
    assert_eq!(parsed(3, &unmap(0, 4096, 4096), 0), ok);
    assert_eq!(parsed(3, &unmap(2, 0, 0), 0), ok);
    assert_eq!(parsed(3, &unmap(2, 4096, 4096), 0), Err(Errno::INVAL));
    for flags in [1, 3, 4] {
        assert_eq!(
            parsed(3, &unmap(flags, 0, 0), 0),
            Err(Errno::INVAL),
            "flags {flags}"
        );
    }
    let with_bitmap = [unmap(1, 4096, 4096), vec![0; 24]].concat();
    assert_eq!(parsed(3, &with_bitmap, 0), Err(Errno::INVAL));
}

#[test]
fn descriptors_come_with_the_two_requests_that_take_them() {
    let map = words(&[32, 3, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parsed(2, &map, 1), Ok(Request::Forward(Forward::DmaMap)));
    assert_eq!(parsed(2, &map, 0), Ok(Request::Forward(Forward::DmaMap)));
    assert_eq!(parsed(2, &map, 2), Err(Errno::INVAL));
    let set = |flags, count| words(&[20, flags, 2, 0, count]);
    let ok = Ok(Request::Forward(Forward::SetIrqs));
    assert_eq!(parsed(8, &set(0x24, 3), 3), ok);
    assert_eq!(parsed(8, &set(0x24, 3), 0), ok);
    assert_eq!(parsed(8, &set(0x24, 3), 2), Err(Errno::INVAL));
    assert_eq!(parsed(8, &set(0x24, u32::MAX), 2), Err(Errno::INVAL));
    assert_eq!(parsed(8, &set(0x21, 3), 0), ok);
    assert_eq!(parsed(8, &set(0x21, 3), 3), Err(Errno::INVAL));
    assert_eq!(parsed(8, &set(0x20, 3), 0), Err(Errno::INVAL));
    assert_eq!(parsed(8, &set(0x25, 3), 3), Err(Errno::INVAL));
    assert_eq!(parsed(4, &words(&[16, 0, 0, 0]), 1), Err(Errno::INVAL));
    assert_eq!(parsed(13, &[], 1), Err(Errno::INVAL));
}

#[test]
fn booleans_trigger_as_many_vectors_as_there_are() {
    let set = |argsz, flags, start, count, data: &[u8]| {
        [words(&[argsz, flags, 2, start, count]), data.to_vec()].concat()
    };
    let payload = set(23, 0x22, 5, 3, &[0, 1, 2]);
    match parsed(8, &payload, 0) {
        Ok(Request::Trigger(set, [0, 1, 2])) => assert_eq!((set.start.get(), set.count.get()), (5, 3)),
        other => panic!("{other:?}"),
    }
    assert_eq!(parsed(8, &payload, 1), Err(Errno::INVAL), "a descriptor");
    for (wrong, what) in [
        (set(22, 0x22, 5, 3, &[0, 1]), "too few"),
        (set(24, 0x22, 5, 3, &[0, 1, 1, 1]), "too many"),
        (set(20, 0x22, 5, 3, &[]), "none"),
        (set(20, 0x22, 5, u32::MAX, &[]), "4 Gi"),
        (set(20, 0x22, 5, 0, &[]), "a count of 0"),
        (set(22, 0x22, 5, 3, &[0, 1, 2]), "argsz without one of them"),
        (set(23, 0x0a, 5, 3, &[0, 1, 2]), "MASK"),
        (set(23, 0x12, 5, 3, &[0, 1, 2]), "UNMASK"),
        (set(23, 0x23, 5, 3, &[0, 1, 2]), "two kinds of data"),
        (set(23, 0x21, 5, 3, &[0, 1, 2]), "DATA_NONE"),
        (set(23, 0x24, 5, 3, &[0, 1, 2]), "DATA_EVENTFD"),
    ] {
        assert_eq!(parsed(8, &wrong, 0), Err(Errno::INVAL), "{what}");
    }
}

#[test]
fn a_count_of_0_disables_all_and_does_nothing_else() {
    let set = |flags, start| words(&[20, flags, 2, start, 0]);
    assert_eq!(
        parsed(8, &set(0x21, 0), 0),
        Ok(Request::Forward(Forward::SetIrqs))
    );
    for (flags, start) in [(0x21, 1), (0x24, 0), (0x22, 0), (0x09, 0), (0x11, 0), (0x01, 0)] {
        assert_eq!(
            parsed(8, &set(flags, start), 0),
            Err(Errno::INVAL),
            "flags {flags:#x} from {start}"
        );
    }
}

#[test]
fn optional_commands_are_not_offered_and_others_unknown() {
    for command in [6, 16, 17, 18] {
        assert_eq!(
            parsed(command, &[0; 64], 0),
            Err(Errno::OPNOTSUPP),
            "command {command}"
        );
    }
    for command in [0, 11, 12, 14, 19, 1000, u16::MAX] {
        assert_eq!(
            parsed(command, &[0; 64], 0),
            Err(Errno::INVAL),
            "command {command}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_data_stays_within_the_payload(
        command in 0_u16..20,
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        fds in 0_usize..20,
    ) {
        match parsed(command, &payload, fds) {
            Ok(Request::Write(access, data)) => prop_assert_eq!(access.count.get() as usize, data.len()),
            Ok(Request::Read(access)) => prop_assert!(access.count.get() <= wire::MAX_DATA_TRANSFER),
            Ok(Request::WriteMulti(writes)) => prop_assert_eq!(8 + writes.len() * 24, payload.len()),
            Ok(Request::Trigger(set, chosen)) => prop_assert_eq!(set.count.get() as usize, chosen.len()),
            Ok(Request::Version | Request::Forward(_)) | Err(_) => {}
        }
    }
}
