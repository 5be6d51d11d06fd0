// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU behind its lock, with a TBU.

use std::collections::VecDeque;

use smmu_emu::injected::{Injected, Injection};
use smmu_emu::plan::InjectionKind;
use smmu_emu::testing::{Host, Locate, Ram};
use smmu_emu::{Config, Intent, Plan, Response, Smmu, SmmuHandle, Tbu, Transaction};

use super::input::Input;

/// First address of memory, unless memory is everywhere.
pub const BASE: u64 = 0x9000_0000;
/// A mark that rules may name.
pub const MARK: &str = "m";

/// Treatment of writes of TLB maintenance registers that a rule loses in another machine.
#[derive(Default)]
pub enum Losses {
    /// Neither notes nor follows.
    #[default]
    Ignored,
    /// Notes for each register write whether a rule lost an invalidation.
    Noted(VecDeque<bool>),
    /// Leaves out the invalidations that were lost in the other machine.
    Followed(VecDeque<bool>),
}

/// An SMMU, its host, and a client's TBU.
pub struct Machine {
    pub smmu: SmmuHandle,
    tbu: Tbu,
    pub host: Host,
    pub losses: Losses,
}

impl Machine {
    pub fn new(config: &str, memory: Ram) -> Self {
        let config: Config = toml::from_str(config).expect("a configuration of the harness");
        let smmu = Smmu::new(&config, Plan::default()).expect("it is valid");
        let smmu = SmmuHandle::new(smmu);
        Self {
            tbu: Tbu::new(&smmu),
            smmu,
            host: Host::quiet(memory),
            losses: Losses::default(),
        }
    }

    /// Puts the rules of a plan in the place of all that there are.
    pub fn set_plan(&mut self, plan: Plan) {
        self.smmu
            .lock()
            .replace_plan(plan)
            .expect("a plan that was validated");
    }

    pub fn offset(&self, register: impl Locate) -> u64 {
        register.locate(self.smmu.lock().geometry())
    }

    pub fn w(&mut self, register: impl Locate, value: u32) {
        self.write(register, &value.to_le_bytes());
    }

    pub fn w64(&mut self, register: impl Locate, value: u64) {
        self.write(register, &value.to_le_bytes());
    }

    fn write(&mut self, register: impl Locate, data: &[u8]) {
        let offset = self.offset(register);
        if let Losses::Followed(lost) = &mut self.losses
            && lost.pop_front() == Some(true)
        {
            // A VMID of no bank: a register is written and the TLB keeps what it has.
            let unused = self.offset("TLBIVMID");
            self.smmu.lock().write(&mut self.host, unused, &[0xee, 0, 0, 0]);
            return;
        }
        let before = self.host.injected.len();
        self.smmu.lock().write(&mut self.host, offset, data);
        if let Losses::Noted(lost) = &mut self.losses {
            let hits = self.host.injected.get(before..).unwrap_or_default();
            let is_loss = |hit: &Injected| hit.what == Injection::Error(InjectionKind::LostInvalidation);
            lost.push_back(hits.iter().any(is_loss));
        }
    }

    pub fn r(&mut self, register: impl Locate) -> u32 {
        let mut data = [0; 4];
        let offset = self.offset(register);
        self.smmu.lock().read(&mut self.host, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// Reads as Secure software, which no configuration hides anything from.
    pub fn secure_r(&mut self, register: impl Locate) -> u32 {
        let mut data = [0; 4];
        let offset = self.offset(register);
        self.smmu.lock().read_secure(&mut self.host, offset, &mut data);
        u32::from_le_bytes(data)
    }

    /// An access, which has to be what a look without side effects says; but if hardware updates descriptors, an update
    /// may change one that the same access reads later, and no rule hits a look.
    pub fn transact(&mut self, transaction: &Transaction) -> Response {
        let mut smmu = self.smmu.lock();
        let before = self.host.injected.len();
        let looked = smmu.translate(&self.host, transaction);
        let response = smmu.transact(&mut self.host, transaction);
        let geometry = smmu.geometry();
        let proceeds = match &response {
            Response::Proceed(translation) => {
                let bits = geometry.address_bits;
                assert_eq!(translation.address >> bits, 0, "fits the output size");
                assert!(translation.length > 0);
                Some(*translation)
            }
            Response::Abort | Response::Ignore | Response::Stall(_) => None,
        };
        let of_line = |hit: &Injected| hit.at.line.is_some();
        let undisturbed = self.host.injected.iter().skip(before).all(of_line);
        if !geometry.hardware_update && undisturbed {
            assert_eq!(looked.ok(), proceeds, "{looked:?} {response:?}");
        }
        response
    }

    /// An access through a unit that keeps translations of its own.
    pub fn transact_through_tbu(&mut self, transaction: &Transaction) -> Response {
        self.tbu
            .access(&mut self.host, transaction, |translation| *translation)
            .map_or_else(|response| response, Response::Proceed)
    }

    /// Waits for a TLB sync of everything and of bank 0, which end at once unless a rule is in the way.
    pub fn sync(&mut self) {
        self.w("sTLBGSYNC", 0);
        let global = self.r("sTLBGSTATUS");
        self.w(("CBn_TLBSYNC", 0), 0);
        let of_bank = self.r(("CBn_TLBSTATUS", 0));
        let idle = global | of_bank == 0;
        assert!(idle || !self.host.injected.is_empty(), "nothing delays a sync");
    }

    /// Lets time pass, in nanoseconds; interrupts that are due arrive.
    pub fn elapse(&mut self, time: u64) {
        self.host.time.set(self.host.time.get().saturating_add(time));
        self.smmu.lock().elapse(&mut self.host);
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
