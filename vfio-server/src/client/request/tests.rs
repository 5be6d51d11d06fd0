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
fn version_needs_its_four_bytes_and_major_0() {
    for length in 0..4 {
        assert_eq!(parsed(1, &[0; 4][..length], 0), Err(Errno::INVAL));
    }
    assert_eq!(parsed(1, &[1, 0, 0, 0], 0), Err(Errno::OPNOTSUPP));
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
            // argsz of the questions, DATA_NONE of SET_IRQS, no flag of DMA_UNMAP
            let (first, second) = if command == command::DEVICE_SET_IRQS {
                (20, 1)
            } else {
                (40, 0)
            };
            payload.iter_mut().take(1).for_each(|byte| *byte = first);
            payload.iter_mut().skip(4).take(1).for_each(|byte| *byte = second);
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

#[test]
fn answers_need_room() {
    assert_eq!(parsed(4, &words(&[15, 0, 0, 0]), 0), Err(Errno::INVAL));
    assert_eq!(
        parsed(5, &words(&[31, 0, 0, 0, 0, 0, 0, 0]), 0),
        Err(Errno::INVAL)
    );
    assert_eq!(parsed(7, &words(&[15, 0, 0, 0]), 0), Err(Errno::INVAL));
}

#[test]
fn unmap_takes_a_range_or_all_and_no_dirty_bitmap() {
    let unmap = |flags, address, size| words(&[24, flags, address, 0, size, 0]);
    let ok = Ok(Request::Forward(Forward::DmaUnmap));
    assert_eq!(parsed(3, &unmap(0, 4096, 4096), 0), ok);
    assert_eq!(parsed(3, &unmap(2, 0, 0), 0), ok);
    assert_eq!(parsed(3, &unmap(2, 4096, 4096), 0), Err(Errno::INVAL));
    assert_eq!(parsed(3, &unmap(4, 4096, 4096), 0), Err(Errno::INVAL));
    assert_eq!(parsed(3, &unmap(1, 4096, 4096), 0), Err(Errno::OPNOTSUPP));
    let with_bitmap = [unmap(1, 4096, 4096), vec![0; 24]].concat();
    assert_eq!(parsed(3, &with_bitmap, 0), Err(Errno::OPNOTSUPP));
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
    assert_eq!(parsed(8, &set(0x22, 3), 0), Err(Errno::OPNOTSUPP));
    assert_eq!(
        parsed(8, &[set(0x22, 3), vec![1; 3]].concat(), 0),
        Err(Errno::OPNOTSUPP)
    );
    assert_eq!(parsed(8, &set(0x20, 3), 0), Err(Errno::INVAL));
    assert_eq!(parsed(8, &set(0x25, 3), 3), Err(Errno::INVAL));
    assert_eq!(parsed(4, &words(&[16, 0, 0, 0]), 1), Err(Errno::INVAL));
    assert_eq!(parsed(13, &[], 1), Err(Errno::INVAL));
}

#[test]
fn the_rest_is_not_offered() {
    for command in [0, 6, 11, 12, 14, 16, 17, 18, 1000, u16::MAX] {
        assert_eq!(
            parsed(command, &[0; 64], 0),
            Err(Errno::OPNOTSUPP),
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
            Ok(Request::Version | Request::Forward(_)) | Err(_) => {}
        }
    }
}
