// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Requests of a client, checked as far as that needs no device: layout, sizes, flags, descriptors.

use rustix::io::Errno;
use serde_json::{Map, Value};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_TYPE_MASK,
};
use zerocopy::native_endian::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::wire::{self, Header, command};

#[cfg(test)]
mod tests;

/// A well-formed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Negotiation: the client's major version is known and its JSON is well-formed.
    Version,
    /// Read `count` bytes of a region, at most [`wire::MAX_DATA_TRANSFER`].
    Read(wire::RegionAccess),
    /// Write the bytes to a region; there are `count` of them.
    Write(wire::RegionAccess, &'a [u8]),
    /// Write several times, in order; each count is at most eight.
    WriteMulti(&'a [wire::WriteOne]),
    /// A command without effect on the registers, of the exact size that the `vfio_user` crate expects.
    Forward(Forward),
}

/// The commands that the `vfio_user` crate answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// DMA_MAP with its file descriptor.
    DmaMap,
    /// DMA_UNMAP of one range, or of all.
    DmaUnmap,
    /// DEVICE_GET_INFO.
    Info,
    /// DEVICE_GET_REGION_INFO.
    RegionInfo,
    /// DEVICE_GET_IRQ_INFO.
    IrqInfo,
    /// DEVICE_SET_IRQS with as many descriptors as vectors, or none.
    SetIrqs,
    /// DEVICE_RESET.
    Reset,
}

impl Forward {
    /// Whether the command only asks: without a reply it is pointless, and the crate takes that for an error.
    #[must_use]
    pub fn only_asks(self) -> bool {
        matches!(self, Self::Info | Self::RegionInfo | Self::IrqInfo)
    }
}

/// Checks a whole message.
///
/// # Errors
/// The errno for the reply: `EINVAL` for what contradicts the protocol, `EOPNOTSUPP` for what the server does not
/// offer, `E2BIG` for more data than it offered to transfer.
pub fn parse<'a>(header: &Header, payload: &'a [u8], fds: usize) -> Result<Request<'a>, Errno> {
    let number = header.command.get();
    if fds > 0 && !matches!(number, command::DMA_MAP | command::DEVICE_SET_IRQS) {
        return Err(Errno::INVAL);
    }
    match number {
        command::VERSION => version(payload),
        command::REGION_READ => {
            let access = *exact::<wire::RegionAccess>(payload)?;
            if access.count.get() > wire::MAX_DATA_TRANSFER {
                return Err(Errno::TOOBIG);
            }
            Ok(Request::Read(access))
        }
        command::REGION_WRITE => {
            let (access, data) = prefix::<wire::RegionAccess>(payload)?;
            if u32::try_from(data.len()) != Ok(access.count.get()) {
                return Err(Errno::INVAL);
            }
            Ok(Request::Write(*access, data))
        }
        command::REGION_WRITE_MULTI => {
            let (count, data) = prefix::<U64>(payload)?;
            let writes = <[wire::WriteOne]>::ref_from_bytes(data).map_err(|_| Errno::INVAL)?;
            let fits = writes.iter().all(|write| write.access.count.get() <= 8);
            if u64::try_from(writes.len()) != Ok(count.get()) || !fits {
                return Err(Errno::INVAL);
            }
            Ok(Request::WriteMulti(writes))
        }
        command::DMA_MAP => {
            exact::<wire::DmaMap>(payload)?;
            if fds > 1 {
                return Err(Errno::INVAL);
            }
            Ok(Request::Forward(Forward::DmaMap))
        }
        command::DMA_UNMAP => {
            // A dirty bitmap request is longer than the structure, so its flag is looked at first.
            let (unmap, rest) = prefix::<wire::DmaUnmap>(payload)?;
            match (unmap.flags.get(), unmap.address.get(), unmap.size.get()) {
                (flags, _, _) if flags & wire::UNMAP_DIRTY_BITMAP != 0 => Err(Errno::OPNOTSUPP),
                _ if !rest.is_empty() => Err(Errno::INVAL),
                (0, _, _) | (wire::UNMAP_ALL, 0, 0) => Ok(Request::Forward(Forward::DmaUnmap)),
                _ => Err(Errno::INVAL),
            }
        }
        command::DEVICE_GET_INFO => {
            let info = exact::<wire::DeviceInfo>(payload)?;
            room::<wire::DeviceInfo>(info.argsz.get())?;
            Ok(Request::Forward(Forward::Info))
        }
        command::DEVICE_GET_REGION_INFO => {
            let info = exact::<wire::RegionInfo>(payload)?;
            room::<wire::RegionInfo>(info.argsz.get())?;
            Ok(Request::Forward(Forward::RegionInfo))
        }
        command::DEVICE_GET_IRQ_INFO => {
            let info = exact::<wire::IrqInfo>(payload)?;
            room::<wire::IrqInfo>(info.argsz.get())?;
            Ok(Request::Forward(Forward::IrqInfo))
        }
        command::DEVICE_SET_IRQS => set_irqs(payload, fds),
        command::DEVICE_RESET if payload.is_empty() => Ok(Request::Forward(Forward::Reset)),
        command::DEVICE_RESET => Err(Errno::INVAL),
        _ => Err(Errno::OPNOTSUPP),
    }
}

fn version(payload: &[u8]) -> Result<Request<'_>, Errno> {
    let (version, data) = prefix::<wire::Version>(payload)?;
    if version.major.get() != 0 {
        return Err(Errno::OPNOTSUPP);
    }
    if let Some((nul, json)) = data.split_last() {
        if *nul != 0 {
            return Err(Errno::INVAL);
        }
        // Nothing is sent to the client unasked, so what it can take does not matter, only that it is well-formed.
        let data: Map<String, Value> = serde_json::from_slice(json).map_err(|_| Errno::INVAL)?;
        if data
            .get("capabilities")
            .is_some_and(|capabilities| !capabilities.is_object())
        {
            return Err(Errno::INVAL);
        }
        tracing::debug!(minor = version.minor.get(), ?data, "client's version");
    }
    Ok(Request::Version)
}

fn set_irqs(payload: &[u8], fds: usize) -> Result<Request<'_>, Errno> {
    let (set, rest) = prefix::<wire::SetIrqs>(payload)?;
    match set.flags.get() & VFIO_IRQ_SET_DATA_TYPE_MASK {
        VFIO_IRQ_SET_DATA_BOOL => Err(Errno::OPNOTSUPP),
        _ if !rest.is_empty() => Err(Errno::INVAL),
        VFIO_IRQ_SET_DATA_NONE if fds == 0 => Ok(Request::Forward(Forward::SetIrqs)),
        // No descriptor at all takes the descriptors of these vectors away.
        VFIO_IRQ_SET_DATA_EVENTFD if fds == 0 || u32::try_from(fds) == Ok(set.count.get()) => {
            Ok(Request::Forward(Forward::SetIrqs))
        }
        _ => Err(Errno::INVAL),
    }
}

fn exact<T: FromBytes + Immutable + KnownLayout + Unaligned>(payload: &[u8]) -> Result<&T, Errno> {
    T::ref_from_bytes(payload).map_err(|_| Errno::INVAL)
}

fn prefix<T: FromBytes + Immutable + KnownLayout + Unaligned>(payload: &[u8]) -> Result<(&T, &[u8]), Errno> {
    T::ref_from_prefix(payload).map_err(|_| Errno::INVAL)
}

/// `argsz` of a question is the room that the client has for the answer.
fn room<T>(argsz: u32) -> Result<(), Errno> {
    if usize::try_from(argsz).is_ok_and(|argsz| argsz >= size_of::<T>()) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}
