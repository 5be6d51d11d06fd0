// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;
use rustix::io::Errno;

use super::*;

/// A header as the specification draws it, byte by byte.
fn header(id: u16, command: u16, size: u32, flags: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(id.to_ne_bytes());
    bytes.extend(command.to_ne_bytes());
    bytes.extend(size.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes
}

#[test]
fn structures_have_the_sizes_of_the_protocol() {
    assert_eq!(HEADER_SIZE, 16);
    assert_eq!(size_of::<Version>(), 4);
    assert_eq!(size_of::<DmaMap>(), 32);
    assert_eq!(size_of::<DmaUnmap>(), 24);
    assert_eq!(size_of::<DeviceInfo>(), 16);
    assert_eq!(size_of::<RegionInfo>(), 32);
    assert_eq!(size_of::<IrqInfo>(), 16);
    assert_eq!(size_of::<SetIrqs>(), 20);
    assert_eq!(size_of::<RegionAccess>(), 16);
    assert_eq!(size_of::<WriteOne>(), 24);
}

#[test]
fn a_message_is_found_as_soon_as_it_is_whole() {
    let mut bytes = header(7, command::REGION_READ, 32, 0);
    bytes.extend([0xaa; 16]);
    bytes.extend([0xbb; 5]);
    for cut in 0..32 {
        let need = if cut < 16 { 16 } else { 32 };
        assert_eq!(decode(&bytes[..cut]), Ok(Decoded::Need(need)), "{cut} bytes");
    }
    match decode(&bytes) {
        Ok(Decoded::Frame(header, payload)) => {
            assert_eq!(header.message_id.get(), 7);
            assert_eq!(header.command.get(), command::REGION_READ);
            assert_eq!(payload, [0xaa; 16]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_at_the_header() {
    for size in 0..16 {
        let expected = FramingError::TooShort { size, command: 3 };
        assert_eq!(decode(&header(0, 3, size, 0)), Err(expected));
    }
    let longest = u32::try_from(MAX_MESSAGE_SIZE).unwrap();
    assert_eq!(
        decode(&header(0, 10, longest, 0)),
        Ok(Decoded::Need(MAX_MESSAGE_SIZE))
    );
    for size in [longest + 1, u32::MAX] {
        assert_eq!(
            decode(&header(0, 10, size, 0)),
            Err(FramingError::TooLong { size, command: 10 })
        );
    }
}

#[test]
fn type_bits_are_the_low_four() {
    let of = |flags| {
        Header {
            flags: U32::new(flags),
            ..Header::default()
        }
        .message_type()
    };
    assert_eq!(of(0), MessageType::Command);
    assert_eq!(of(FLAG_NO_REPLY), MessageType::Command);
    assert_eq!(of(1), MessageType::Reply);
    assert_eq!(of(0x31), MessageType::Reply);
    assert_eq!(of(2), MessageType::Unknown);
    assert_eq!(of(15), MessageType::Unknown);
}

#[test]
fn replies_echo_the_command() {
    let Ok(Decoded::Frame(request, _)) = decode(&header(0x1234, 9, 16, FLAG_NO_REPLY)) else {
        panic!()
    };
    let reply = request.reply(20);
    assert_eq!((reply.message_id.get(), reply.command.get()), (0x1234, 9));
    assert_eq!(
        (reply.message_size.get(), reply.flags.get(), reply.error.get()),
        (36, 1, 0)
    );
    let error = request.error_reply(Errno::EXIST);
    assert_eq!((error.message_id.get(), error.command.get()), (0x1234, 9));
    assert_eq!(
        (error.message_size.get(), error.flags.get(), error.error.get()),
        (16, 0x21, 17)
    );
}

proptest! {
    #[test]
    fn any_bytes_decode_to_something_within_them(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match decode(&bytes) {
            Ok(Decoded::Need(need)) => prop_assert!(need > bytes.len() && need <= MAX_MESSAGE_SIZE),
            Ok(Decoded::Frame(header, payload)) => {
                prop_assert_eq!(header.message_size.get() as usize, HEADER_SIZE + payload.len());
                prop_assert!(HEADER_SIZE + payload.len() <= bytes.len());
            }
            Err(_) => prop_assert!(bytes.len() >= HEADER_SIZE),
        }
    }
}
