// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The vfio-user wire format: message layouts and the frame decoder; types and checks, no I/O.
//!
//! Fields are in the byte order of the host, as QEMU and the `vfio_user` crate send them. Sizes of payloads leave
//! out the 16-byte header unless a name says otherwise.

use rustix::io::Errno;
use thiserror::Error;
use zerocopy::native_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[cfg(test)]
mod tests;

/// Bytes of a message header.
pub const HEADER_SIZE: usize = size_of::<Header>();
/// The most data bytes that one region access may carry; offered to the client as `max_data_xfer_size`.
pub const MAX_DATA_TRANSFER: u32 = 1 << 20;
/// The longest message that a client may send, header included: a region write of [`MAX_DATA_TRANSFER`] bytes.
pub const MAX_MESSAGE_SIZE: usize = HEADER_SIZE + size_of::<RegionAccess>() + MAX_DATA_TRANSFER as usize;
/// The most file descriptors in one message; offered to the client as `max_msg_fds`. QEMU refuses more than 16.
pub const MAX_MESSAGE_FDS: usize = 16;

/// The first 16 bytes of every message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Chosen by the sender of a command, echoed in its reply.
    pub message_id: U16,
    /// One of [`command`].
    pub command: U16,
    /// Bytes of the whole message, header included.
    pub message_size: U32,
    /// Bits 3:0 the type, bit 4 `No_reply`, bit 5 `Error`.
    pub flags: U32,
    /// errno of a reply with the `Error` bit.
    pub error: U32,
}

/// Flag of a reply.
pub const FLAG_REPLY: u32 = 1;
/// Flag of a command that must not be answered.
pub const FLAG_NO_REPLY: u32 = 1 << 4;
/// Flag of a reply that reports an errno.
pub const FLAG_ERROR: u32 = 1 << 5;

/// Type bits of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// A request.
    Command,
    /// An answer; clients have nothing to answer, because this server never sends commands.
    Reply,
    /// Neither.
    Unknown,
}

impl Header {
    /// The type bits.
    #[must_use]
    pub fn message_type(&self) -> MessageType {
        match self.flags.get() & 0xf {
            0 => MessageType::Command,
            FLAG_REPLY => MessageType::Reply,
            _ => MessageType::Unknown,
        }
    }

    /// Whether the sender wants no answer, not even an error.
    #[must_use]
    pub fn no_reply(&self) -> bool {
        self.flags.get() & FLAG_NO_REPLY != 0
    }

    /// The header of a successful reply with `payload` bytes after it.
    #[must_use]
    pub fn reply(&self, payload: usize) -> Self {
        let size = HEADER_SIZE.saturating_add(payload);
        Self {
            message_size: U32::new(u32::try_from(size).unwrap_or(u32::MAX)),
            flags: U32::new(FLAG_REPLY),
            error: U32::ZERO,
            ..*self
        }
    }

    /// The header-only reply that reports an errno.
    #[must_use]
    pub fn error_reply(&self, errno: Errno) -> Self {
        Self {
            flags: U32::new(FLAG_REPLY | FLAG_ERROR),
            error: U32::new(errno.raw_os_error().unsigned_abs()),
            ..self.reply(0)
        }
    }
}

/// Command numbers as QEMU and the specification have them.
pub mod command {
    /// Negotiation; the first message of a client.
    pub const VERSION: u16 = 1;
    /// Makes a range of guest memory known.
    pub const DMA_MAP: u16 = 2;
    /// Takes a range of guest memory back.
    pub const DMA_UNMAP: u16 = 3;
    /// Number of regions and interrupts.
    pub const DEVICE_GET_INFO: u16 = 4;
    /// Size and rights of a region.
    pub const DEVICE_GET_REGION_INFO: u16 = 5;
    /// Event descriptors in the place of region accesses; not offered by this server.
    pub const DEVICE_GET_REGION_IO_FDS: u16 = 6;
    /// Number of vectors of an interrupt kind.
    pub const DEVICE_GET_IRQ_INFO: u16 = 7;
    /// Assigns event descriptors to vectors.
    pub const DEVICE_SET_IRQS: u16 = 8;
    /// Reads a region.
    pub const REGION_READ: u16 = 9;
    /// Writes a region.
    pub const REGION_WRITE: u16 = 10;
    /// Resets the function.
    pub const DEVICE_RESET: u16 = 13;
    /// Several writes of at most eight bytes in one message.
    pub const REGION_WRITE_MULTI: u16 = 15;
    /// Optional features, such as migration; not offered by this server.
    pub const DEVICE_FEATURE: u16 = 16;
    /// Reads the state of a device that migrates; not offered by this server.
    pub const MIG_DATA_READ: u16 = 17;
    /// Writes the state of a device that migrates; not offered by this server.
    pub const MIG_DATA_WRITE: u16 = 18;
}

/// Start of a VERSION payload; JSON with a terminating NUL may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Version {
    /// Incompatible changes of the protocol; 0.
    pub major: U16,
    /// Compatible changes of the protocol; QEMU knows 0.
    pub minor: U16,
}

/// Payload of DMA_MAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DmaMap {
    /// Size of this structure.
    pub argsz: U32,
    /// Bits of [`MAP_READ_WRITE`].
    pub flags: U32,
    /// Offset of the range in the file of the descriptor.
    pub offset: U64,
    /// Guest physical address.
    pub address: U64,
    /// Bytes.
    pub size: U64,
}

/// Flags of [`DmaMap`]: bit 0 readable, bit 1 writable.
pub const MAP_READ_WRITE: u32 = 3;

/// Payload of DMA_UNMAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DmaUnmap {
    /// Room for the reply, which is this structure.
    pub argsz: U32,
    /// 0 or [`UNMAP_ALL`].
    pub flags: U32,
    /// Guest physical address.
    pub address: U64,
    /// Bytes.
    pub size: U64,
}

/// Flag of [`DmaUnmap`]: every range; address and size are 0.
pub const UNMAP_ALL: u32 = 1 << 1;

/// Payload of DEVICE_GET_INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DeviceInfo {
    /// Room for the answer.
    pub argsz: U32,
    /// Kind of device.
    pub flags: U32,
    /// Number of regions.
    pub num_regions: U32,
    /// Number of interrupt kinds.
    pub num_irqs: U32,
}

/// Payload of DEVICE_GET_REGION_INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RegionInfo {
    /// Room for the answer.
    pub argsz: U32,
    /// Rights.
    pub flags: U32,
    /// Number of the region.
    pub index: U32,
    /// Offset of the first capability.
    pub cap_offset: U32,
    /// Bytes.
    pub size: U64,
    /// Offset to use with mmap.
    pub offset: U64,
}

/// Payload of DEVICE_GET_IRQ_INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct IrqInfo {
    /// Room for the answer.
    pub argsz: U32,
    /// Properties.
    pub flags: U32,
    /// Kind of interrupt.
    pub index: U32,
    /// Number of vectors.
    pub count: U32,
}

/// Payload of DEVICE_SET_IRQS without the booleans of `DATA_BOOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SetIrqs {
    /// Size of this structure and its data.
    pub argsz: U32,
    /// Data kind and action.
    pub flags: U32,
    /// Kind of interrupt.
    pub index: U32,
    /// First vector.
    pub start: U32,
    /// Number of vectors.
    pub count: U32,
}

/// Start of REGION_READ and REGION_WRITE payloads and of their replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RegionAccess {
    /// Byte offset in the region.
    pub offset: U64,
    /// Number of the region.
    pub region: U32,
    /// Bytes to transfer.
    pub count: U32,
}

/// One write of a REGION_WRITE_MULTI message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct WriteOne {
    /// Target of the write, and number of bytes in `data`.
    pub access: RegionAccess,
    /// The bytes; the first `access.count` count.
    pub data: [u8; 8],
}

/// Takes a structure from the front of a payload; returns it and the rest.
///
/// # Errors
/// `EINVAL` if the payload is shorter.
pub fn prefix<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    payload: &[u8],
) -> Result<(&T, &[u8]), Errno> {
    T::ref_from_prefix(payload).map_err(|_| Errno::INVAL)
}

/// A header that makes it impossible to find the next message: the connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FramingError {
    /// Shorter than its own header.
    #[error("message of {size} bytes is shorter than its header of {HEADER_SIZE} (command {command})")]
    TooShort {
        /// Fields of the header.
        size: u32,
        /// The command of the header.
        command: u16,
    },
    /// Longer than anything that the server takes.
    #[error(
        "message of {size} bytes is longer than the {MAX_MESSAGE_SIZE} that the server takes (command {command})"
    )]
    TooLong {
        /// Size in the header, in bytes.
        size: u32,
        /// The command of the header.
        command: u16,
    },
}

/// First bytes of a stream, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Not a whole message yet: so many bytes from its beginning are needed to go on.
    Need(usize),
    /// One whole message.
    Frame(Header, &'a [u8]),
}

/// Looks for one message at the start of `bytes`.
///
/// # Errors
/// [`FramingError`] if the header's size cannot be believed.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, FramingError> {
    let Ok((header, rest)) = Header::read_from_prefix(bytes) else {
        return Ok(Decoded::Need(HEADER_SIZE));
    };
    let (size, command) = (header.message_size.get(), header.command.get());
    let total = usize::try_from(size).unwrap_or(usize::MAX);
    let Some(payload) = total.checked_sub(HEADER_SIZE) else {
        return Err(FramingError::TooShort { size, command });
    };
    if total > MAX_MESSAGE_SIZE {
        return Err(FramingError::TooLong { size, command });
    }
    Ok(rest
        .get(..payload)
        .map_or(Decoded::Need(total), |payload| Decoded::Frame(header, payload)))
}
