// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The life of a transaction: stream, context bank, stage 1, physical address or fault.

use crate::Smmu;
use crate::env::Env;
use crate::fault::{ContextCause, ContextFault, Fault};
use crate::regime;
use crate::spec::bank::Format;
use crate::spec::gr1::BankType;
use crate::stream::{self, Route};
use crate::walk::{self, Leaf, Physical, Stages, WalkFault};

/// What a client wants to do at an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Privileged rather than unprivileged (PNU).
    pub privileged: bool,
    /// Write rather than read (WNR).
    pub write: bool,
    /// Instruction fetch rather than data (IND); reads only.
    pub instruction: bool,
}

/// One access of a client, as it arrives at the SMMU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Stream ID. Bits that the implementation does not have are ignored.
    pub stream_id: u16,
    /// Bus address, of which the lower 49 bits count.
    pub address: u64,
    /// What the client wants.
    pub intent: Intent,
}

/// Where a transaction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address.
    pub address: u64,
    /// Bytes from the address on for which the same translation holds.
    pub length: u64,
    /// Memory attributes, a byte of MAIR; 0 for a transaction that was not translated.
    pub attributes: u8,
    /// The context bank that translated it; `None` for bypass.
    pub bank: Option<u8>,
}

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The access goes to memory.
    Proceed(Translation),
    /// The access ends with a bus error.
    Abort,
    /// The access seems to succeed: a read returns zero, a write is dropped (RAZ/WI).
    Ignore,
}

/// Translates a complete address in a context bank.
type Walker = fn(&Smmu, &dyn Env, u8, u64, Intent) -> Result<Leaf, WalkFault>;

/// Bits of a bus address (IDR2.UBS = 5).
const BUS_BITS: u32 = 49;

impl Smmu {
    /// Translates an access without recording a fault.
    ///
    /// # Errors
    /// The [`Fault`] that the access takes.
    pub fn translate(&self, env: &dyn Env, transaction: &Transaction) -> Result<Translation, Fault> {
        self.resolve(env, transaction, Self::translate_in)
    }

    /// Translates an access, its address by `walk`.
    fn resolve(&self, env: &dyn Env, transaction: &Transaction, walk: Walker) -> Result<Translation, Fault> {
        let transaction = Transaction {
            stream_id: transaction.stream_id & self.stream_id_mask(),
            address: transaction.address & ((1 << BUS_BITS) - 1),
            ..*transaction
        };
        let (bank, intent) = match stream::route(&self.registers, &self.geometry, &transaction)? {
            Route::Bypass => return Ok(self.bypass(transaction.address)),
            Route::Bank(bank, intent) => (bank, intent),
        };
        // A recorded fault ends later transactions too, unless HUPCF (§3.7.3 CheckForFaultsInBank).
        if !self.registers.context_faults(bank).is_empty() && !self.registers.sctlr(bank).hupcf() {
            return Err(Fault::Blocked { bank });
        }
        let fault = |WalkFault { cause, level, .. }| {
            Fault::Context(ContextFault {
                bank,
                cause,
                level,
                intent,
                transaction,
            })
        };
        let sep = self.registers.tcr2(bank).sep().value();
        // A stage 2 bank has no TCR2: intermediate addresses have no sign.
        let stage2 = self.registers.cbar(bank).kind() == BankType::Stage2;
        let address = match self.registers.format(bank) {
            Format::AArch64 if self.registers.sctlr(bank).m() && !stage2 => {
                regime::extended(transaction.address, sep)
            }
            _ => Some(transaction.address),
        };
        let unreachable = || fault(WalkFault::stage1(ContextCause::Translation, 0));
        let address = address.ok_or_else(unreachable)?;
        let leaf = walk(self, env, bank, address, intent).map_err(fault)?;
        let length = leaf.size - leaf.address % leaf.size;
        Ok(Translation {
            address: leaf.address,
            length,
            attributes: leaf.attributes,
            bank: Some(bank),
        })
    }

    /// Carries out an access: translates it, and records the fault if there is one.
    pub fn transact(&mut self, env: &mut dyn Env, transaction: &Transaction) -> Response {
        match self.resolve(env, transaction, Self::access_in) {
            Ok(translation) => Response::Proceed(translation),
            Err(fault) => self.record(env, &fault),
        }
    }

    /// Translates a complete address in a context bank, through every stage that it has.
    pub(crate) fn translate_in(
        &self,
        env: &dyn Env,
        bank: u8,
        address: u64,
        intent: Intent,
    ) -> Result<Leaf, WalkFault> {
        let regime = regime::decode(&self.registers, &self.geometry, bank);
        walk::translate(&regime, Physical::read_only(env), address, intent, Stages::All)
    }

    /// The same for an access that takes place: hardware updates the descriptors if the bank asks for that.
    pub(crate) fn access_in(
        &self,
        env: &dyn Env,
        bank: u8,
        address: u64,
        intent: Intent,
    ) -> Result<Leaf, WalkFault> {
        let regime = regime::decode(&self.registers, &self.geometry, bank);
        walk::translate(&regime, Physical::updated(env), address, intent, Stages::All)
    }

    /// [`Smmu::translate_in`] through stage 1 alone, for operations that ask for that.
    pub(crate) fn translate_stage1_in(
        &self,
        env: &dyn Env,
        bank: u8,
        address: u64,
        intent: Intent,
    ) -> Result<Leaf, WalkFault> {
        let regime = regime::decode(&self.registers, &self.geometry, bank);
        walk::translate(&regime, Physical::read_only(env), address, intent, Stages::First)
    }

    /// Bypass drops the address bits above the output size (§1.6.2).
    fn bypass(&self, address: u64) -> Translation {
        let size = 1 << self.output_bits();
        let address = address & (size - 1);
        Translation {
            address,
            length: size - address,
            attributes: 0,
            bank: None,
        }
    }

    fn output_bits(&self) -> u32 {
        self.geometry.address_bits.into()
    }

    fn stream_id_mask(&self) -> u16 {
        if self.registers.scr0().exidenable() {
            u16::MAX
        } else {
            (1 << self.geometry.stream_id_bits) - 1
        }
    }
}

impl Response {
    /// What the client sees of a fault: an abort if the fault's enable bit says so.
    pub(crate) const fn for_fault(abort: bool) -> Self {
        if abort { Self::Abort } else { Self::Ignore }
    }
}
