// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Sparse physical memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::{BusError, Memory};

/// log2 of a page's bytes.
const SHIFT: u32 = 12;
const PAGE: usize = 1 << SHIFT;

/// Sparse physical memory in pages of 4 KiB, at most [`Ram::PAGES`] of them. Little-endian.
#[derive(Clone, Debug, Default)]
pub struct Ram {
    /// Contents by page number.
    pages: RefCell<BTreeMap<u64, Box<[u8; PAGE]>>>,
    /// Whether an address without a page reads as zero. Otherwise it is a bus error.
    zeroed: bool,
    /// Bytes after which memory repeats, and the first address that has none.
    wraps: Option<(u64, u64)>,
    /// Numbers of pages that do not answer.
    dead: RefCell<BTreeSet<u64>>,
    reads: Cell<u32>,
    lost_races: Cell<u32>,
}

impl Ram {
    /// The bound: 128 MiB. A test that needs more has a fault.
    pub const PAGES: usize = 1 << 15;

    /// No memory: every address is a bus error until [`Ram::add`] or a write makes a page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Zeros at every address.
    #[must_use]
    pub fn zeroed() -> Self {
        Self {
            zeroed: true,
            ..Self::default()
        }
    }

    /// Words that repeat at every address below `end`; what is written shows in every copy.
    #[must_use]
    pub fn repeating(words: &[u64], end: u64) -> Self {
        let ram = Self {
            wraps: Some((8 * words.len() as u64, end)),
            ..Self::default()
        };
        for (at, word) in (0..).step_by(8).zip(words) {
            ram.set(at, *word);
        }
        ram
    }

    /// Adds zeroed pages for `size` bytes from an address on; those that exist stay as they are.
    ///
    /// # Panics
    /// At the bound of [`Ram::PAGES`].
    pub fn add(&self, address: u64, size: u64) {
        for page in address >> SHIFT..(address + size).div_ceil(PAGE as u64) {
            self.page(page, |_| ());
        }
    }

    /// Runs `with` on a page, which is made if need be.
    fn page<R>(&self, number: u64, with: impl FnOnce(&mut [u8; PAGE]) -> R) -> R {
        let mut pages = self.pages.borrow_mut();
        let count = pages.len();
        let page = pages.entry(number).or_insert_with(|| {
            assert!(
                count < Self::PAGES,
                "a test's memory has {} pages at most",
                Self::PAGES
            );
            Box::new([0; PAGE])
        });
        with(page)
    }

    /// Page and offset of an address; `None` if memory has an end and it is beyond.
    fn place(&self, address: u64) -> Option<(u64, usize)> {
        let address = match self.wraps {
            Some((_, end)) if address >= end => return None,
            Some((size, _)) => address.checked_rem(size)?,
            None => address,
        };
        let offset = usize::try_from(address % PAGE as u64).ok()?;
        Some((address >> SHIFT, offset))
    }

    fn copy(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        let (page, offset) = self.place(address).ok_or(BusError)?;
        if self.dead.borrow().contains(&page) {
            return Err(BusError);
        }
        match self.pages.borrow().get(&page) {
            Some(page) => data.copy_from_slice(page.get(offset..offset + data.len()).ok_or(BusError)?),
            None if self.zeroed => data.fill(0),
            None => return Err(BusError),
        }
        Ok(())
    }

    fn store(&self, address: u64, data: &[u8]) {
        let (page, offset) = self.place(address).expect("memory ends before the address");
        self.page(page, |page| {
            page[offset..offset + data.len()].copy_from_slice(data)
        });
    }

    /// The word of eight bytes at an address.
    ///
    /// # Panics
    /// There is no memory.
    #[must_use]
    pub fn get(&self, address: u64) -> u64 {
        let mut word = [0; 8];
        self.copy(address, &mut word).expect("there is memory");
        u64::from_le_bytes(word)
    }

    /// Writes a word of eight bytes, and makes its page if need be.
    ///
    /// # Panics
    /// Beyond the end of memory, across pages, or at the bound of [`Ram::PAGES`].
    pub fn set(&self, address: u64, value: u64) {
        self.store(address, &value.to_le_bytes());
    }

    /// Writes a word of four bytes as [`Ram::set`] does.
    ///
    /// # Panics
    /// As [`Ram::set`].
    pub fn set32(&self, address: u64, value: u32) {
        self.store(address, &value.to_le_bytes());
    }

    /// Drops all pages.
    pub fn clear(&self) {
        self.pages.borrow_mut().clear();
    }

    /// Makes the page of an address refuse every access.
    pub fn kill(&self, address: u64) {
        self.dead.borrow_mut().insert(address >> SHIFT);
    }

    /// Makes all pages answer again.
    pub fn revive(&self) {
        self.dead.borrow_mut().clear();
    }

    /// Makes this many compare-exchanges find another value than they expect.
    pub fn lose_races(&self, count: u32) {
        self.lost_races.set(count);
    }

    /// Number of the SMMU's reads since the last call.
    pub fn take_reads(&self) -> u32 {
        self.reads.take()
    }

    /// Number of the SMMU's reads since the last [`Ram::take_reads`].
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.reads.get()
    }
}

impl Memory for Ram {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        let aligned = address.is_multiple_of(data.len() as u64);
        assert!(
            aligned,
            "a descriptor is read at {address:#x}, across its alignment"
        );
        self.reads.set(self.reads.get() + 1);
        self.copy(address, data)
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        let mut word = [0; 8];
        self.copy(address, &mut word)?;
        let found = u64::from_le_bytes(word);
        if self.lost_races.get() > 0 {
            self.lost_races.set(self.lost_races.get() - 1);
            return Ok(!old);
        }
        if found == old {
            self.set(address, new);
        }
        Ok(found)
    }
}
