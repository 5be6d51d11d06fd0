// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Guest memory as a device behind one stream sees it: vm-memory's [`GuestMemory`], so that the device crates of
//! rust-vmm (`virtio-queue` and what builds on it) work through the SMMU.
//!
//! A [`View`] is for one request of a device, say for one descriptor chain. The slices that it gives out point into
//! guest memory and may be used as long as it lives; so all of its accesses are under way together ([`Tbu::batch`]),
//! and a TLB synchronisation does not read idle before the view is dropped. A view translates no more than it is asked
//! for, page by page; a device bounds the length of a request.
//!
//! An access that ends with anything but memory is an error: [`GuestMemoryError::IOError`] around a [`Refused`]. Two of
//! its kinds are more than a bus error:
//!
//! - A view cannot wait, so a stalled transaction is refused too. [`View::take_stall`] has the token. The caller drops
//!   the view, asks [`Smmu::resume`] until software has decided, and then does the request again, or gives it up. The
//!   stall itself is no access under way: once the view is gone, no synchronisation waits for it.
//! - RAZ/WI (`CFRE` or `GFRE` = 0) is refused as well, rather than answered with zeros: a slice of zeros would have to
//!   be memory of the guest, and one that takes writes and drops them does not exist. A device that has to read zeros
//!   can tell it by [`Refused::Ignored`].

use core::cell::RefCell;
use core::fmt;
use core::iter::FusedIterator;
use std::io;

use thiserror::Error;
use vm_memory::bitmap::BS;
use vm_memory::guest_memory::GuestMemorySliceIterator;
use vm_memory::{
    GuestAddress, GuestMemory, GuestMemoryBackend, GuestMemoryError, GuestMemoryRegion, MemoryRegionAddress,
    Permissions, VolatileSlice,
};

use crate::arch::response::{Response, Stall};
use crate::arch::transaction::{BUS_BITS, Intent, Transaction};
use crate::dma::tbu::{Batch, Tbu};
use crate::host::emit::emit;
use crate::host::env::Env;
use crate::host::events::{Event, NoMemory};

#[cfg(doc)]
use crate::device::smmu::Smmu;

/// Reason for which an access through a view reaches no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// It ends with a bus error.
    #[error("the SMMU aborts the access")]
    Aborted,
    /// It seems to succeed: a read returns zero, a write is dropped.
    #[error("the SMMU lets the access read as zero and drops what it writes")]
    Ignored,
    /// It waits for software, see [`View::take_stall`].
    #[error("the SMMU stalls the access")]
    Stalled,
}

/// Guest memory through one stream, for one request.
pub struct View<'a, M: ?Sized> {
    memory: &'a M,
    /// Memory to which writes go.
    writable: &'a M,
    stream_id: u16,
    /// Of the accesses, but for whether they write.
    intent: Intent,
    port: RefCell<Port<'a>>,
}

/// Translating half of a view. The trait asks with `&self`.
struct Port<'a> {
    batch: Batch<'a>,
    env: &'a mut dyn Env,
    stalled: Option<Stall>,
}

impl<'a, M: ?Sized> View<'a, M> {
    /// The view of a stream into physical memory, whose accesses are privileged or not and data or instructions as
    /// `intent` says; each access itself says whether it writes.
    pub fn new(
        tbu: &'a mut Tbu,
        env: &'a mut dyn Env,
        memory: &'a M,
        stream_id: u16,
        intent: Intent,
    ) -> Self {
        Self {
            memory,
            writable: memory,
            stream_id,
            intent,
            port: RefCell::new(Port {
                batch: tbu.start_batch(),
                env,
                stalled: None,
            }),
        }
    }

    /// Lets writes reach only this part of the memory: what else there is can be read.
    #[must_use]
    pub fn writes_to(self, writable: &'a M) -> Self {
        Self { writable, ..self }
    }

    /// Memory to which accesses of this kind go.
    fn memory(&self, access: Permissions) -> &'a M {
        if access.has_write() {
            self.writable
        } else {
            self.memory
        }
    }

    /// Whether a transaction has stalled.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.port.borrow().stalled.is_some()
    }

    /// Takes the transaction that stalled last, if one did.
    #[must_use]
    pub fn take_stall(&self) -> Option<Stall> {
        self.port.borrow_mut().stalled.take()
    }

    /// Whether a context bank of the stream holds a fault and lets no access through until software has handled it
    /// (SCTLR.HUPCF = 0): whatever is asked for now fails or stalls. Has no side effects.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        let port = self.port.borrow();
        port.batch.is_blocked(port.env, &self.transaction(0, false))
    }

    fn transaction(&self, address: u64, write: bool) -> Transaction {
        Transaction {
            stream_id: self.stream_id,
            address,
            intent: Intent { write, ..self.intent },
        }
    }

    /// Translates an address for every kind of access that is asked for. Returns the physical address and how far it
    /// holds.
    #[inline]
    fn translate(&self, address: u64, access: Permissions) -> Result<(u64, u64), Refused> {
        let mut port = self.port.borrow_mut();
        let mut found = (0, u64::MAX);
        for write in kinds(access) {
            let (address, length) = port.translate(&self.transaction(address, *write))?;
            found = (address, length.min(found.1));
        }
        Ok(found)
    }
}

impl Port<'_> {
    #[inline]
    fn translate(&mut self, transaction: &Transaction) -> Result<(u64, u64), Refused> {
        let Self { batch, env, stalled } = self;
        batch
            .access(*env, transaction, |to| (to.address, to.length))
            .map_err(|response| match response {
                Response::Stall(stall) => {
                    *stalled = Some(stall);
                    Refused::Stalled
                }
                Response::Ignore => Refused::Ignored,
                Response::Abort | Response::Proceed(_) => Refused::Aborted,
            })
    }
}

/// The transactions of an access: writes or not. The SMMU knows no access that does neither, and takes it for a read.
#[inline]
const fn kinds(access: Permissions) -> &'static [bool] {
    match access {
        Permissions::No | Permissions::Read => &[false],
        Permissions::Write => &[true],
        Permissions::ReadWrite => &[false, true],
    }
}

impl<M: GuestMemoryBackend + ?Sized> GuestMemory for View<'_, M> {
    type PhysicalMemory = M;
    type Bitmap = <M::R as GuestMemoryRegion>::B;

    /// Has no side effects: records no fault, keeps no translation, counts no event.
    fn check_range(&self, address: GuestAddress, count: usize, access: Permissions) -> bool {
        let port = self.port.borrow();
        let (mut at, mut left) = (address.0, count as u64);
        // The last byte counts: an access may end with the address space.
        if left >> BUS_BITS != 0 || at.checked_add(left.saturating_sub(1)).is_none() {
            return false;
        }
        while left > 0 {
            let mut length = left;
            for write in kinds(access) {
                // The lock is taken anew for every page: others come between.
                let Some((physical, holds)) = port.batch.look(port.env, &self.transaction(at, *write)) else {
                    return false;
                };
                length = length.min(holds);
                let Ok(size) = usize::try_from(length) else {
                    return false;
                };
                if !self.memory(access).check_range(GuestAddress(physical), size) {
                    return false;
                }
            }
            at = at.wrapping_add(length);
            left -= length;
        }
        true
    }

    /// Translates page by page, as the iterator goes on: a fault in the middle is recorded when it is reached, and what
    /// comes before has been given out.
    fn get_slices<'s>(
        &'s self,
        address: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> Result<impl GuestMemorySliceIterator<'s, BS<'s, Self::Bitmap>>, GuestMemoryError> {
        Ok(Slices {
            view: self,
            address: address.0,
            left: count,
            access,
        })
    }
}

/// The slices of an access.
#[derive(Debug)]
struct Slices<'s, 'a, M: ?Sized> {
    view: &'s View<'a, M>,
    address: u64,
    /// Bytes to come; 0 after an error.
    left: usize,
    access: Permissions,
}

type Slice<'s, M> = VolatileSlice<'s, BS<'s, <<M as GuestMemoryBackend>::R as GuestMemoryRegion>::B>>;

impl<'s, M: GuestMemoryBackend + ?Sized> Slices<'s, '_, M> {
    /// Tells of an access that met no memory.
    #[cold]
    fn no_memory(&self, physical: GuestAddress) -> GuestMemoryError {
        let transaction = self.view.transaction(self.address, self.access.has_write());
        let mut port = self.view.port.borrow_mut();
        emit(port.env, || {
            Event::NoMemory(NoMemory {
                transaction,
                address: physical.0,
            })
        });
        GuestMemoryError::InvalidGuestAddress(physical)
    }

    #[inline]
    fn slice(&mut self) -> Result<Slice<'s, M>, GuestMemoryError> {
        let (physical, holds) = self
            .view
            .translate(self.address, self.access)
            .map_err(|refused| GuestMemoryError::IOError(io::Error::other(refused)))?;
        let physical = GuestAddress(physical);
        let region = self
            .view
            .memory(self.access)
            .find_region(physical)
            .ok_or_else(|| self.no_memory(physical))?;
        let offset = physical.0 - region.start_addr().0;
        let length = usize::try_from(holds.min(region.len() - offset))
            .unwrap_or(usize::MAX)
            .min(self.left);
        let slice = region.get_slice(MemoryRegionAddress(offset), length)?;
        self.left -= length;
        self.address = match self.address.checked_add(length as u64) {
            Some(next) => next,
            None if self.left == 0 => 0,
            None => return Err(GuestMemoryError::GuestAddressOverflow),
        };
        Ok(slice)
    }
}

impl<'s, M: GuestMemoryBackend + ?Sized> Iterator for Slices<'s, '_, M> {
    type Item = Result<Slice<'s, M>, GuestMemoryError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let slice = self.slice();
        if slice.is_err() {
            self.left = 0;
        }
        Some(slice)
    }
}

impl<M: GuestMemoryBackend + ?Sized> FusedIterator for Slices<'_, '_, M> {}

impl<'s, M: GuestMemoryBackend + ?Sized> GuestMemorySliceIterator<'s, BS<'s, <M::R as GuestMemoryRegion>::B>>
    for Slices<'s, '_, M>
{
}

impl<M: ?Sized> fmt::Debug for View<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("stream_id", &self.stream_id)
            .field("intent", &self.intent)
            .finish_non_exhaustive()
    }
}
