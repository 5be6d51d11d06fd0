// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The driver's side for tests: rings in memory, parts of which can be made to fault or to stall.

use std::cell::{Cell, RefCell};
use std::iter::FusedIterator;
use std::ops::Range;

use vm_memory::guest_memory::GuestMemorySliceIterator;
use vm_memory::{
    Bytes, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryMmap, Permissions, VolatileSlice,
};

use super::ring::{Handler, Next, Ring, Setup};
use super::{Dma, State};

/// Bytes of memory, from 0 on.
pub const RAM: u64 = 4 << 20;
const PAGE: u64 = 4096;
pub const DESCRIPTORS: u64 = 0x1000;
pub const AVAILABLE: u64 = 0x2000;
pub const USED: u64 = 0x3000;
/// Free for buffers.
pub const BUFFERS: u64 = 0x1_0000;
pub const SIZE: u16 = 16;
/// Flags of a descriptor.
pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// Memory as a stream sees it.
#[derive(Debug)]
pub struct Memory {
    pub ram: GuestMemoryMmap,
    /// Accesses to it fail.
    pub hole: RefCell<Range<u64>>,
    /// Accesses to it stall.
    pub stalls: RefCell<Range<u64>>,
    /// A bank holds a fault.
    pub blocked: Cell<bool>,
    /// All stall after this many slices more.
    pub stalls_after: Cell<u64>,
    /// Bytes that the driver writes before the slice after this many more.
    pub then: RefCell<Option<(u64, u64, Vec<u8>)>>,
    /// Slices given out or refused so far.
    pub slices: Cell<u64>,
    /// Number of accesses that stalled in the last batch.
    pub stalled: Cell<u32>,
}

impl Memory {
    fn new() -> Self {
        let ram = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), usize::try_from(RAM).unwrap())]);
        Self {
            ram: ram.unwrap(),
            hole: RefCell::new(0..0),
            stalls: RefCell::new(0..0),
            blocked: Cell::new(false),
            stalls_after: Cell::new(u64::MAX),
            then: RefCell::default(),
            slices: Cell::new(0),
            stalled: Cell::new(0),
        }
    }

    /// Makes one access, to a page.
    fn slice(
        &self,
        address: u64,
        count: usize,
        access: Permissions,
    ) -> Result<VolatileSlice<'_>, GuestMemoryError> {
        self.slices.set(self.slices.get() + 1);
        match self.then.take() {
            Some((0, to, bytes)) => self.ram.write_slice(&bytes, GuestAddress(to)).unwrap(),
            then => {
                _ = self
                    .then
                    .replace(then.map(|(after, to, bytes)| (after - 1, to, bytes)))
            }
        }
        let late = self.stalls_after.get() == 0;
        self.stalls_after.set(self.stalls_after.get().saturating_sub(1));
        let end = address.saturating_add(count as u64);
        let meets = |range: &Range<u64>| address < range.end && range.start < end;
        let stalls = late || meets(&self.stalls.borrow());
        self.stalled.set(self.stalled.get() + u32::from(stalls));
        let error = || GuestMemoryError::InvalidGuestAddress(GuestAddress(address));
        if stalls || meets(&self.hole.borrow()) {
            return Err(error());
        }
        GuestMemory::get_slices(&self.ram, GuestAddress(address), count, access)?
            .next()
            .ok_or_else(error)?
    }
}

/// The pages of an access, as it goes on: as a view of the SMMU gives them out.
struct Pages<'a> {
    memory: &'a Memory,
    address: u64,
    left: usize,
    access: Permissions,
}

impl<'a> Iterator for Pages<'a> {
    type Item = Result<VolatileSlice<'a>, GuestMemoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let page = usize::try_from(PAGE - self.address % PAGE)
            .unwrap()
            .min(self.left);
        if page == 0 {
            return None;
        }
        let slice = self.memory.slice(self.address, page, self.access);
        self.left = if slice.is_ok() { self.left - page } else { 0 };
        self.address = self.address.wrapping_add(page as u64);
        Some(slice)
    }
}

impl FusedIterator for Pages<'_> {}

impl<'a> GuestMemorySliceIterator<'a, ()> for Pages<'a> {}

impl GuestMemory for Memory {
    type PhysicalMemory = GuestMemoryMmap;
    type Bitmap = ();

    fn check_range(&self, address: GuestAddress, count: usize, access: Permissions) -> bool {
        GuestMemory::check_range(&self.ram, address, count, access)
    }

    fn get_slices<'a>(
        &'a self,
        address: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> Result<impl GuestMemorySliceIterator<'a, ()>, GuestMemoryError> {
        Ok(Pages {
            memory: self,
            address: address.0,
            left: count,
            access,
        })
    }
}

impl Dma for Memory {
    fn is_stalled(&self) -> bool {
        self.stalled.get() > 0
    }

    fn is_blocked(&self) -> bool {
        self.blocked.get()
    }
}

/// End of a run of batches.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The queue waits.
    Waits,
    /// An access stalls.
    Stalls,
    /// The device needs a reset.
    Broken(String),
}

pub struct Driver<H: Handler> {
    pub memory: Memory,
    pub ring: Ring<H>,
    pub state: State,
    /// Interrupts so far.
    pub interrupts: u32,
    /// Jobs so far.
    pub jobs: u32,
    /// Result of a batch in which an access stalled.
    held: Option<Next<H::Job>>,
    free: u16,
    available: u16,
    seen: u16,
}

impl<H: Handler> Driver<H> {
    /// A driver that has started a device of one queue.
    pub fn new(handler: H, event_idx: bool) -> Self {
        let mut ring = Ring::new(0, 256, handler).unwrap();
        ring.set_up(&setup(event_idx)).unwrap();
        let state = State::default();
        state.set_status(0xf);
        Self {
            memory: Memory::new(),
            ring,
            state,
            interrupts: 0,
            jobs: 0,
            held: None,
            free: 0,
            available: 0,
            seen: 0,
        }
    }

    pub fn put(&self, address: u64, bytes: &[u8]) {
        self.memory.ram.write_slice(bytes, GuestAddress(address)).unwrap();
    }

    pub fn get(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.memory
            .ram
            .read_slice(&mut bytes, GuestAddress(address))
            .unwrap();
        bytes
    }

    fn half(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.get(address, 2).try_into().unwrap())
    }

    /// A descriptor of a table.
    pub fn descriptor(&self, table: u64, index: u16, (address, length): (u64, u32), flags: u16, next: u16) {
        let mut bytes = address.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        self.put(table + 16 * u64::from(index), &bytes);
    }

    /// Makes a chain available.
    pub fn offer(&mut self, head: u16) {
        self.put(
            AVAILABLE + 4 + 2 * u64::from(self.available % SIZE),
            &head.to_le_bytes(),
        );
        self.available = self.available.wrapping_add(1);
        self.put(AVAILABLE + 2, &self.available.to_le_bytes());
    }

    /// Makes a chain of these buffers available.
    pub fn chain(&mut self, readable: &[(u64, u32)], writable: &[(u64, u32)]) {
        let head = self.free;
        let mut left = readable.len() + writable.len();
        for (number, buffer) in readable.iter().chain(writable).enumerate() {
            left -= 1;
            let next = (self.free + 1) % SIZE;
            let write = if number < readable.len() { 0 } else { WRITE };
            let more = if left > 0 { NEXT } else { 0 };
            self.descriptor(DESCRIPTORS, self.free, *buffer, write | more, next);
            self.free = next;
        }
        self.offer(head);
    }

    /// After how many used buffers the next interrupt comes.
    pub fn set_used_event(&self, index: u16) {
        self.put(AVAILABLE + 4 + 2 * u64::from(SIZE), &index.to_le_bytes());
    }

    /// Runs batches until nothing is left to do. As a port does, every batch has a view of its own, and one in which an
    /// access stalls is run again.
    pub fn run(&mut self) -> End {
        for _ in 0..1000 {
            self.memory.stalled.set(0);
            let turn = self.ring.run(&self.memory, &self.state);
            self.interrupts += u32::from(turn.interrupt);
            if self.memory.is_stalled() {
                self.held = Some(turn.next);
                return End::Stalls;
            }
            if let Some(end) = self.follow(turn.next) {
                return end;
            }
        }
        panic!("it does not end");
    }

    /// Software terminates the access that stalled last: what the batch returned counts. Returns what is wrong then.
    pub fn terminate(&mut self) -> Option<End> {
        let next = self.held.take().expect("an access has stalled");
        self.follow(next).filter(|end| *end != End::Waits)
    }

    fn follow(&mut self, next: Next<H::Job>) -> Option<End> {
        match next {
            Next::Wait => return Some(End::Waits),
            Next::Batch | Next::Retry(_) | Next::Settle => {}
            Next::Work(ticket, job) => {
                self.jobs += 1;
                let worked = H::work(job);
                self.ring.finish(ticket, worked);
            }
            Next::Stalled(generation) => {
                let problem = self.ring.terminated(generation, &self.state)?;
                return Some(End::Broken(problem.to_string()));
            }
            Next::Broken(problem) => return Some(End::Broken(problem.to_string())),
        }
        None
    }

    /// Resets the device and starts it again, with empty rings.
    pub fn restart(&mut self, event_idx: bool) {
        self.ring.stop();
        self.state.reset();
        self.put(AVAILABLE, &[0; 4]);
        self.put(USED, &[0; 4]);
        (self.free, self.available, self.seen) = (0, 0, 0);
        self.ring.set_up(&setup(event_idx)).unwrap();
        self.state.set_status(0xf);
    }

    /// The next used chain: its head and length.
    pub fn used(&mut self) -> Option<(u32, u32)> {
        if self.half(USED + 2) == self.seen {
            return None;
        }
        let at = USED + 4 + 8 * u64::from(self.seen % SIZE);
        self.seen = self.seen.wrapping_add(1);
        let word = |at| u32::from_le_bytes(self.get(at, 4).try_into().unwrap());
        Some((word(at), word(at + 4)))
    }

    pub fn needs_reset(&self) -> bool {
        self.state.status() & 0x40 != 0
    }
}

pub fn setup(event_idx: bool) -> Setup {
    Setup {
        size: SIZE.into(),
        descriptors: DESCRIPTORS,
        available: AVAILABLE,
        used: USED,
        event_idx,
    }
}
