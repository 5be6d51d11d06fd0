// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults: what goes wrong, and where. Every kind is a row of [`KINDS`].

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::fields::{check_bank, check_fields, check_register};
use super::number::Number;
#[cfg(feature = "serde")]
use super::number::narrow;
use super::problem::Problem;
use super::when::rule;
use crate::arch::frame::Frame;
use crate::arch::line::LineKind;
use crate::arch::stage::Stage;
use crate::config::{Geometry, TlbMode};

/// Kind of an injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum InjectionKind {
    /// An access in a context bank takes a translation fault.
    Unmapped,
    /// An access in a context bank takes a permission fault.
    Permission,
    /// Memory does not answer the read of a descriptor.
    WalkAbort,
    /// A descriptor is not read as it is.
    WalkCorrupt,
    /// No stream-matching group matches an access.
    UnknownStream,
    /// Several stream-matching groups match an access.
    StreamConflict,
    /// TLB entries outlast an invalidation that is for them.
    StaleTlb,
    /// A TLB invalidation does nothing.
    LostInvalidation,
    /// Registers read as all-ones and take no writes, as those of a block without power.
    RegisterOnes,
    /// A register is not read as it is.
    RegisterValue,
    /// An interrupt does not arrive.
    InterruptLost,
    /// A line stays high when its cause is gone.
    InterruptStuck,
}

/// The kind of access that a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum AccessType {
    /// Reads of data, or of registers.
    Read,
    /// Writes.
    Write,
    /// Instruction fetches.
    Fetch,
}

rule! {
    /// A rule that makes something go wrong. Which fields go with which kind: [`KINDS`].
    pub struct InjectionRule {
        /// Kind of the injection.
        pub kind: InjectionKind,
        /// First bus address that the rule is for; with `size`. All addresses if absent.
        pub address: Option<Number>,
        /// Bytes from `address` on; 4096 if absent.
        pub size: Option<Number>,
        /// Only accesses of this stream.
        pub stream: Option<u16> by "narrow",
        /// Only accesses that this context bank translates.
        pub bank: Option<u8> by "narrow",
        /// Only accesses of this kind.
        pub access: Option<AccessType>,
        /// Level of the descriptor, 0 to 3; for `unmapped` and `permission` the level that is reported, 3 if absent;
        /// for `stale-tlb` that of the tables.
        pub level: Option<u8> by "narrow",
        /// Only descriptors or entries of this stage.
        pub stage: Option<Stage>,
        /// Only the descriptor at this physical address.
        pub descriptor: Option<Number>,
        /// Bits of the descriptor to turn over.
        pub xor: Option<Number>,
        /// Value that is read instead.
        pub value: Option<Number>,
        /// Bits of `value` that count; all if absent.
        pub mask: Option<Number>,
        /// Only entries with this ASID.
        pub asid: Option<u16> by "narrow",
        /// Only entries with this VMID.
        pub vmid: Option<u16> by "narrow",
        /// The specification's name of a register without `SMMU_`, such as `sCR0` or `CBn_TLBIVA`.
        pub register: Option<String>,
        /// Only registers of this frame: `gr0`, `gr1`, `gid`, `pm`, `exsmr`, `exs2cr`, or `cb` and the number of a
        /// bank.
        pub frame: Option<Frame>,
        /// Kind of line; every line if absent.
        pub line: Option<LineKind>,
        /// The `n` of the register, or the bank or counter group of the line; all if absent.
        pub index: Option<u16> by "narrow",
    }
}

/// Description of a kind.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KindRow {
    /// The kind.
    pub kind: InjectionKind,
    /// As it is written.
    pub name: &'static str,
    /// The fields that go with it, apart from those of [`super::When`].
    pub takes: &'static [&'static str],
    /// The fields of which one has to be given.
    pub needs: &'static [&'static str],
    /// The operation that is counted.
    pub operation: &'static str,
    /// Effect on an operation that is hit.
    pub effect: &'static str,
}

const TRANSACTION: &[&str] = &["address", "size", "stream", "access"];
const IN_BANK: &[&str] = &["address", "size", "stream", "access", "bank", "level"];
const WALK: &[&str] = &[
    "address",
    "size",
    "stream",
    "access",
    "bank",
    "level",
    "stage",
    "descriptor",
];
const CORRUPT: &[&str] = &[
    "address",
    "size",
    "stream",
    "access",
    "bank",
    "level",
    "stage",
    "descriptor",
    "xor",
    "value",
    "mask",
];
const LINE: &[&str] = &["line", "index"];

/// Every kind, in the order of [`InjectionKind`].
pub const KINDS: &[KindRow] = &[
    KindRow {
        kind: InjectionKind::Unmapped,
        name: "unmapped",
        takes: IN_BANK,
        needs: &[],
        operation: "an access that enters a context bank; without `stream` also an address translation operation",
        effect: "translation fault, as if nothing were mapped (FSR.TF)",
    },
    KindRow {
        kind: InjectionKind::Permission,
        name: "permission",
        takes: IN_BANK,
        needs: &[],
        operation: "an access that enters a context bank; without `stream` also an address translation operation",
        effect: "permission fault, as if the mapping forbade the access (FSR.PF)",
    },
    KindRow {
        kind: InjectionKind::WalkAbort,
        name: "walk-abort",
        takes: WALK,
        needs: &[],
        operation: "the read of a descriptor",
        effect: "external abort on the walk (FSR.EF, FSYNR0.PTWF)",
    },
    KindRow {
        kind: InjectionKind::WalkCorrupt,
        name: "walk-corrupt",
        takes: CORRUPT,
        needs: &["xor", "value"],
        operation: "the read of a descriptor",
        effect: "the walk goes on with another value, which the TLB may keep: bits turned over (`xor`), or replaced \
                 (`value`, `mask`); the descriptor counts as a little-endian number",
    },
    KindRow {
        kind: InjectionKind::UnknownStream,
        name: "unknown-stream",
        takes: TRANSACTION,
        needs: &[],
        operation: "an access, unless sCR0.CLIENTPD",
        effect: "the stream matches no group: sGFSR.USF if sCR0.USFCFG, else bypass",
    },
    KindRow {
        kind: InjectionKind::StreamConflict,
        name: "stream-conflict",
        takes: TRANSACTION,
        needs: &[],
        operation: "an access, unless sCR0.CLIENTPD",
        effect: "the stream matches several groups: sGFSR.SMCF if sCR0.SMCFCFG, else bypass",
    },
    KindRow {
        kind: InjectionKind::StaleTlb,
        name: "stale-tlb",
        takes: &["address", "size", "asid", "vmid", "stage", "level"],
        needs: &[],
        operation: "an invalidation, of any kind, that would drop entries that the rule is for: blocks and pages, or \
                    with `level` the tables of that level (walk cache)",
        effect: "these stay in the TLB",
    },
    KindRow {
        kind: InjectionKind::LostInvalidation,
        name: "lost-invalidation",
        takes: &["register", "index"],
        needs: &[],
        operation: "a write of a TLBI register that starts an invalidation",
        effect: "the TLB keeps what it has",
    },
    KindRow {
        kind: InjectionKind::RegisterOnes,
        name: "register-ones",
        takes: &["register", "index", "frame", "access"],
        needs: &[],
        operation: "a register access",
        effect: "a read returns all-ones, a write is lost, neither has a side effect: a block without power",
    },
    KindRow {
        kind: InjectionKind::RegisterValue,
        name: "register-value",
        takes: &["register", "index", "value", "mask"],
        needs: &["value"],
        operation: "a read of the register",
        effect: "it returns `value` in the bits of `mask`; the register itself stays as it is",
    },
    KindRow {
        kind: InjectionKind::InterruptLost,
        name: "interrupt-lost",
        takes: LINE,
        needs: &[],
        operation: "a line that goes high, or asks again",
        effect: "no interrupt is delivered",
    },
    KindRow {
        kind: InjectionKind::InterruptStuck,
        name: "interrupt-stuck",
        takes: LINE,
        needs: &[],
        operation: "a line whose cause goes",
        effect: "it stays high: one more interrupt, without a cause",
    },
];

const _: () = {
    let mut i = 0;
    while i < KINDS.len() {
        assert!(
            KINDS[i].kind as usize == i,
            "the rows are not in the order of the kinds"
        );
        i += 1;
    }
    assert!(
        KINDS.len() == InjectionKind::InterruptStuck as usize + 1,
        "a kind has no row"
    );
};

impl InjectionKind {
    /// The row of the kind.
    #[must_use]
    pub const fn row(self) -> &'static KindRow {
        &KINDS[self as usize]
    }
}

impl InjectionRule {
    pub(super) fn validate(&self, geometry: &Geometry) -> Result<(), Problem> {
        let row = self.kind.row();
        let given: Vec<_> = self.given().collect();
        check_fields(given.iter().copied(), row.takes, "kind", row.name)?;
        if let [first, ..] = row.needs
            && row.needs.iter().filter(|field| given.contains(field)).count() != 1
        {
            let names = row.needs.join("` or `");
            return Err(Problem::new(
                first,
                format!("is wanted by kind \"{}\": give `{names}`", row.name),
            ));
        }
        check_bank(self.bank, geometry)?;
        if self.register.is_some() || self.kind == InjectionKind::RegisterValue {
            check_register(self.register.as_deref())?;
        }
        if self.size == Some(Number(0)) {
            return Err(Problem::new("size", "must be 1 or more"));
        }
        if self.size.is_some() && self.address.is_none() {
            return Err(Problem::new("size", "is that of `address` and needs it"));
        }
        if self.mask.is_some() && self.value.is_none() {
            return Err(Problem::new("mask", "is that of `value` and needs it"));
        }
        if self.level.is_some_and(|level| level > 3) {
            return Err(Problem::new("level", "must be 0 to 3"));
        }
        let fetch = self.access == Some(AccessType::Fetch);
        if fetch && self.kind == InjectionKind::RegisterOnes {
            return Err(Problem::new(
                "access",
                "must be read or write: registers are not fetched",
            ));
        }
        if self.kind == InjectionKind::StaleTlb && geometry.tlb == TlbMode::Off {
            return Err(Problem::new(
                "kind",
                "is \"stale-tlb\", but there is no TLB (`tlb` = \"off\")",
            ));
        }
        Ok(())
    }
}
