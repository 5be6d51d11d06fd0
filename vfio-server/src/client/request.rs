// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Requests of a client, checked as far as that needs no device: layout, sizes, flags, descriptors.

use rustix::io::Errno;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
    VFIO_IRQ_SET_DATA_TYPE_MASK,
};
use zerocopy::native_endian::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::version;
use super::wire::{self, Header, command, prefix};

#[cfg(test)]
mod tests;

/// A well-formed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Negotiation: the client's major version is known, and its capabilities are valid.
    Version,
    /// Read `count` bytes of a region, at most [`wire::MAX_DATA_TRANSFER`].
    Read(wire::RegionAccess),
    /// Write the bytes to a region; there are `count` of them.
    Write(wire::RegionAccess, &'a [u8]),
    /// Write several times, in order; each count is at most eight.
    WriteMulti(&'a [wire::WriteOne]),
    /// Trigger those interrupts of `count` whose byte is not 0 (SET_IRQS with `DATA_BOOL`); there are `count` bytes.
    Trigger(wire::SetIrqs, &'a [u8]),
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
    /// DEVICE_SET_IRQS with as many descriptors as vectors, or none; without booleans.
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
        command::VERSION => version::check(payload).map(|()| Request::Version),
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
            let map = exact::<wire::DmaMap>(payload)?;
            room::<wire::DmaMap>(map.argsz.get())?;
            if fds > 1 || map.flags.get() & !wire::MAP_READ_WRITE != 0 {
                return Err(Errno::INVAL);
            }
            Ok(Request::Forward(Forward::DmaMap))
        }
        command::DMA_UNMAP => {
            let unmap = exact::<wire::DmaUnmap>(payload)?;
            room::<wire::DmaUnmap>(unmap.argsz.get())?;
            match (unmap.flags.get(), unmap.address.get(), unmap.size.get()) {
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
        command::DEVICE_GET_REGION_IO_FDS
        | command::DEVICE_FEATURE
        | command::MIG_DATA_READ
        | command::MIG_DATA_WRITE => Err(Errno::OPNOTSUPP),
        // Numbers of no command, and the server's own commands.
        _ => Err(Errno::INVAL),
    }
}

fn set_irqs(payload: &[u8], fds: usize) -> Result<Request<'_>, Errno> {
    const DISABLE: u32 = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    const TRIGGER_CHOSEN: u32 = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    let (set, data) = prefix::<wire::SetIrqs>(payload)?;
    // Descriptors may count as data: a client with the ioctl's structure has four bytes for each.
    if usize::try_from(set.argsz.get()).is_ok_and(|argsz| argsz < payload.len()) {
        return Err(Errno::INVAL);
    }
    let (flags, count) = (set.flags.get(), set.count.get());
    if count == 0 && (set.start.get(), flags) != (0, DISABLE) {
        return Err(Errno::INVAL);
    }
    let is_count = |length: usize| u32::try_from(length) == Ok(count);
    match flags & VFIO_IRQ_SET_DATA_TYPE_MASK {
        VFIO_IRQ_SET_DATA_BOOL if flags == TRIGGER_CHOSEN && fds == 0 && is_count(data.len()) => {
            Ok(Request::Trigger(*set, data))
        }
        _ if !data.is_empty() => Err(Errno::INVAL),
        VFIO_IRQ_SET_DATA_NONE if fds == 0 => Ok(Request::Forward(Forward::SetIrqs)),
        // No descriptor at all takes the descriptors of these vectors away.
        VFIO_IRQ_SET_DATA_EVENTFD if fds == 0 || is_count(fds) => Ok(Request::Forward(Forward::SetIrqs)),
        _ => Err(Errno::INVAL),
    }
}

fn exact<T: FromBytes + Immutable + KnownLayout + Unaligned>(payload: &[u8]) -> Result<&T, Errno> {
    T::ref_from_bytes(payload).map_err(|_| Errno::INVAL)
}

/// Checks that `argsz` is at least the structure's size: the room that the client has for a reply, or the size of a
/// request without a reply.
fn room<T>(argsz: u32) -> Result<(), Errno> {
    if usize::try_from(argsz).is_ok_and(|argsz| argsz >= size_of::<T>()) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}
