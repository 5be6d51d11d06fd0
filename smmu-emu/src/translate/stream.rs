// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stream matching: from a stream ID to what happens to its transactions (IHI 0062D §2.4).

use arbitrary_int::u4;

use crate::arch::fault::{GlobalCause, GlobalFault};
use crate::arch::transaction::{Intent, Transaction, Translation};
use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::registers::secure;
use crate::spec::global::{InstructionConfig, PrivilegeConfig, S2cr, StreamType};
use crate::spec::gr1::BankType;
use crate::translate::walk::Attributes;

/// Destination of the transactions of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Not translated; the memory type is that of [`StreamFate::Bypass`].
    Bypass(u8),
    /// Translated by this context bank, as this kind of access.
    Bank(u8, Intent),
}

/// Fate of the transactions of a stream, whatever kind of access they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamFate {
    /// They are not translated. Their memory type is this byte of MAIR; 0 if they keep their own, which the model does
    /// not know.
    Bypass(u8),
    /// They are translated, as this register says.
    Translate(S2cr),
}

impl StreamFate {
    /// The route of one of them.
    pub(crate) fn route(self, intent: Intent) -> Route {
        match self {
            Self::Bypass(attributes) => Route::Bypass(attributes),
            Self::Translate(s2cr) => Route::Bank(s2cr.cbndx(), overridden(s2cr, intent)),
        }
    }
}

/// The transaction without the bits of stream ID and address that the bus does not carry.
pub(crate) fn arriving(registers: &Registers, geometry: &Geometry, transaction: &Transaction) -> Transaction {
    let stream_ids = if registers.scr0().exidenable() {
        u16::MAX
    } else {
        (1 << geometry.stream_id_bits) - 1
    };
    Transaction {
        stream_id: transaction.stream_id & stream_ids,
        address: transaction.address & ((1 << geometry.bus_bits) - 1),
        ..*transaction
    }
}

/// The translation of a transaction that bypasses the SMMU: it drops the address bits above the output size (§1.6.2).
pub(crate) fn bypass(geometry: &Geometry, address: u64, attributes: u8) -> Translation {
    let size = 1 << geometry.address_bits.min(geometry.bus_bits);
    let address = address & (size - 1);
    Translation {
        address,
        length: size - address,
        attributes,
        bank: None,
    }
}

/// Match of a stream ID in the stream table.
enum Match {
    None,
    One(S2cr),
    Several,
}

/// Finds where a transaction goes, or says which global fault it takes.
///
/// # Errors
/// The fault, in the order that §2.4.2 and §3.8.4 give.
pub(crate) fn find(
    registers: &Registers,
    geometry: &Geometry,
    transaction: &Transaction,
) -> Result<StreamFate, GlobalFault> {
    find_among(registers, geometry, transaction, None)
}

/// Does as [`find`], where the stream table may be said to match none or several, whatever stands in it.
///
/// # Errors
/// As [`find`].
pub(crate) fn find_among(
    registers: &Registers,
    geometry: &Geometry,
    transaction: &Transaction,
    injected: Option<GlobalCause>,
) -> Result<StreamFate, GlobalFault> {
    let scr0 = registers.scr0();
    let fault = |cause, nested| GlobalFault {
        cause,
        nested,
        transaction: *transaction,
    };
    if scr0.clientpd() {
        return Ok(bypassed(scr0.mtcfg(), scr0.memattr()));
    }
    let matched = match injected {
        None => matching(registers, geometry, transaction.stream_id),
        Some(GlobalCause::StreamMatchConflict) => Match::Several,
        Some(_) => Match::None,
    };
    let s2cr = match matched {
        Match::One(s2cr) => s2cr,
        Match::None if scr0.usfcfg() => return Err(fault(GlobalCause::UnidentifiedStream, false)),
        Match::Several if scr0.smcfcfg() => return Err(fault(GlobalCause::StreamMatchConflict, false)),
        Match::None | Match::Several => return Ok(bypassed(scr0.mtcfg(), scr0.memattr())),
    };
    match s2cr.kind() {
        Ok(StreamType::Bypass) => Ok(bypassed(s2cr.mtcfg(), s2cr.memattr())),
        // The reserved type is treated as a fault.
        Ok(StreamType::Fault) | Err(_) => Err(fault(GlobalCause::InvalidContext, false)),
        Ok(StreamType::Translate) => {
            check_bank(registers, geometry, s2cr.cbndx()).map_err(|(cause, nested)| fault(cause, nested))?;
            Ok(StreamFate::Translate(s2cr))
        }
    }
}

/// Bypass with the memory type that sCR0 or S2CR chooses (MTCFG, MemAttr).
fn bypassed(mtcfg: bool, memattr: u4) -> StreamFate {
    // Allocation hints and shareability are not carried to the result.
    let attributes = Attributes::from_memattr(memattr.value(), 0);
    StreamFate::Bypass(if mtcfg { attributes.mair } else { 0 })
}

fn matching(registers: &Registers, geometry: &Geometry, stream_id: u16) -> Match {
    if geometry.stream_match_groups == 0 {
        let known = stream_id < geometry.stream_to_context_count();
        return if known {
            Match::One(registers.s2cr(stream_id))
        } else {
            Match::None
        };
    }
    let extended = registers.scr0().exidenable();
    let mut matching = (0..secure::groups(registers, geometry)).filter(|&group| {
        let smr = registers.smr(group);
        let (valid, id, mask) = if extended {
            (registers.s2cr(group).exidvalid(), smr.exid(), smr.exmask())
        } else {
            (smr.valid(), smr.id().value(), smr.mask().value())
        };
        valid && (stream_id ^ id) & !mask == 0
    });
    match (matching.next(), matching.next()) {
        (None, _) => Match::None,
        (Some(group), None) => Match::One(registers.s2cr(group)),
        (Some(_), Some(_)) => Match::Several,
    }
}

/// Whether a bank may translate, in the order of CheckBankValidity (§3.8.4). The flag is `sGFSYNR0.Nested`, which is
/// set for an unusable type even where nothing is nested.
pub(crate) fn check_bank(
    registers: &Registers,
    geometry: &Geometry,
    bank: u8,
) -> Result<(), (GlobalCause, bool)> {
    let missing = |bank: u8| u16::from(bank) >= secure::banks(registers, geometry);
    if missing(bank) {
        return Err((GlobalCause::UnimplementedBank, false));
    }
    let cbar = registers.cbar(bank);
    let supported = match cbar.kind() {
        BankType::Stage2 => geometry.stage2,
        BankType::Stage1 | BankType::Stage1WithFault => geometry.has_stage1(bank),
        BankType::Nested => geometry.nested && geometry.has_stage1(bank),
    };
    if !supported {
        return Err((GlobalCause::InvalidContext, true));
    }
    match cbar.kind() {
        BankType::Stage2 | BankType::Stage1 => Ok(()),
        BankType::Stage1WithFault => Err((GlobalCause::InvalidContext, true)),
        BankType::Nested => {
            let second = cbar.cbndx();
            if missing(second) {
                return Err((GlobalCause::UnimplementedBank, true));
            }
            let narrower = registers.cba2r(bank).va64() && !registers.cba2r(second).va64();
            if registers.cbar(second).kind() != BankType::Stage2 || narrower {
                return Err((GlobalCause::InvalidContext, true));
            }
            Ok(())
        }
    }
}

/// The access after S2CR's overrides, which come before permission checks and fault records (§3.4).
fn overridden(s2cr: S2cr, intent: Intent) -> Intent {
    let privileged = match s2cr.privcfg() {
        PrivilegeConfig::Default | PrivilegeConfig::Dipan => intent.privileged,
        PrivilegeConfig::Unprivileged => false,
        PrivilegeConfig::Privileged => true,
    };
    let instruction = match s2cr.instcfg() {
        Ok(InstructionConfig::Data) => false,
        Ok(InstructionConfig::Instruction) => true,
        Ok(InstructionConfig::Default) | Err(_) => intent.instruction,
    };
    // Only a read can fetch.
    Intent {
        privileged,
        instruction: instruction && !intent.write,
        ..intent
    }
}
