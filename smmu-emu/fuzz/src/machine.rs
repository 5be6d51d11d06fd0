// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What is around the SMMU.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use smmu_emu::{
    BusError, Config, Env, Intent, Line, Memory, Plan, Response, Smmu, SmmuHandle, Tbu, Transaction,
};

use super::input::Input;

/// Where memory begins, unless it is everywhere.
pub const BASE: u64 = 0x9000_0000;

pub struct Outside {
    pub time: u64,
    pub mark: bool,
    /// Memory from `BASE` on, word by word.
    pub words: RefCell<Vec<u64>>,
    /// Memory repeats at every address below 1 TiB.
    pub everywhere: bool,
    /// How often memory was read.
    pub reads: Cell<u32>,
    pub lines: BTreeMap<Line, bool>,
}

impl Outside {
    pub fn new(words: Vec<u64>, everywhere: bool) -> Self {
        Self {
            time: 0,
            mark: false,
            words: RefCell::new(words),
            everywhere,
            reads: Cell::new(0),
            lines: BTreeMap::new(),
        }
    }

    fn index(&self, address: u64) -> Result<usize, BusError> {
        let count = self.words.borrow().len();
        if self.everywhere {
            let word = usize::try_from(address >> 3).map_err(|_| BusError)?;
            return if address >> 40 == 0 {
                word.checked_rem(count).ok_or(BusError)
            } else {
                Err(BusError)
            };
        }
        let word = address.checked_sub(BASE).ok_or(BusError)? >> 3;
        usize::try_from(word)
            .ok()
            .filter(|word| *word < count)
            .ok_or(BusError)
    }

    pub fn word(&self, address: u64) -> u64 {
        self.index(address).map_or(0, |at| self.words.borrow()[at])
    }

    pub fn set_word(&self, address: u64, value: u64) {
        if let Ok(at) = self.index(address) {
            self.words.borrow_mut()[at] = value;
        }
    }
}

impl Memory for Outside {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.reads.set(self.reads.get() + 1);
        assert!(
            address.is_multiple_of(data.len() as u64),
            "descriptors are aligned"
        );
        let word = self.words.borrow()[self.index(address)?].to_le_bytes();
        let at = usize::try_from(address & 7).map_err(|_| BusError)?;
        data.copy_from_slice(word.get(at..at + data.len()).ok_or(BusError)?);
        Ok(())
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        let at = self.index(address)?;
        let found = self.words.borrow()[at];
        if found == old {
            self.words.borrow_mut()[at] = new;
        }
        Ok(found)
    }
}

impl Env for Outside {
    fn now(&self) -> u64 {
        self.time
    }

    fn set_line(&mut self, line: Line, level: bool) {
        self.lines.insert(line, level);
    }

    fn mark(&self, name: &str) -> bool {
        name == "m" && self.mark
    }
}

/// An SMMU and what is around it.
pub struct Machine {
    pub smmu: SmmuHandle,
    tbu: Tbu,
    pub outside: Outside,
    pub page_shift: u32,
}

impl Machine {
    pub fn new(config: &str, plan: &str, outside: Outside) -> Self {
        let config: Config = toml::from_str(config).expect("a configuration of the harness");
        let plan: Plan = toml::from_str(plan).expect("a plan of the harness");
        let smmu = Smmu::new(&config, plan).expect("they are valid");
        let page_shift = smmu.geometry().page_size.shift();
        let smmu = SmmuHandle::new(smmu);
        Self {
            page_shift,
            tbu: Tbu::new(&smmu),
            smmu,
            outside,
        }
    }

    /// Offset of a register in page `page`.
    pub fn at(&self, page: u64, register: u64) -> u64 {
        (page << self.page_shift) + register
    }

    /// Offset of a register of a context bank.
    pub fn bank(&self, bank: u64, register: u64) -> u64 {
        let pages = self.smmu.lock().geometry().page_count();
        self.at(pages + bank, register)
    }

    pub fn w(&mut self, offset: u64, value: u32) {
        self.smmu
            .lock()
            .write(&mut self.outside, offset, &value.to_le_bytes());
    }

    pub fn w64(&mut self, offset: u64, value: u64) {
        self.smmu
            .lock()
            .write(&mut self.outside, offset, &value.to_le_bytes());
    }

    pub fn r(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.smmu.lock().read(&mut self.outside, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// Reads as Secure software, which no configuration hides anything from.
    pub fn secure_r(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.smmu.lock().read_secure(&mut self.outside, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// An access, which has to be what a look without side effects says; but if hardware updates descriptors, an update
    /// may change one that the same access reads later.
    pub fn transact(&mut self, transaction: &Transaction) -> Response {
        let mut smmu = self.smmu.lock();
        let looked = smmu.translate(&self.outside, transaction);
        let response = smmu.transact(&mut self.outside, transaction);
        let geometry = smmu.geometry();
        let proceeds = match response {
            Response::Proceed(translation) => {
                let bits = geometry.address_bits;
                assert_eq!(translation.address >> bits, 0, "fits the output size");
                assert!(translation.length > 0);
                Some(translation)
            }
            Response::Abort | Response::Ignore | Response::Stall(_) => None,
        };
        if !geometry.hardware_update {
            assert_eq!(looked.ok(), proceeds, "{looked:?} {response:?}");
        }
        response
    }

    /// An access through a unit that keeps translations of its own.
    pub fn transact_through_tbu(&mut self, transaction: &Transaction) -> Response {
        self.tbu
            .access(&mut self.outside, transaction, |translation| *translation)
            .map_or_else(|response| response, Response::Proceed)
    }
}

/// A kind of access.
pub fn intent(bits: u8) -> Intent {
    Intent {
        privileged: bits & 1 != 0,
        write: bits & 2 != 0,
        instruction: bits & 4 != 0,
    }
}

/// The next transaction: a few streams and low addresses mostly.
pub fn transaction(input: &mut Input<'_>) -> Option<Transaction> {
    let bits = input.u8()?;
    let stream_id = if bits & 0x80 == 0 {
        (bits >> 3 & 7).into()
    } else {
        input.u16()?
    };
    let address = if bits & 0x40 == 0 {
        u64::from(input.u16()?) << 3
    } else {
        input.u64()?
    };
    Some(Transaction {
        stream_id,
        address,
        intent: intent(bits),
    })
}
