// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From the registers of a context bank to its regime.

use arbitrary_int::traits::Integer;

use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::spec::bank::Format;
use crate::spec::cb::Cb;
use crate::spec::gr1::BankType;
use crate::spec::ident::address_bits;
use crate::translate::regime::{
    BankRegime, Granule, Limits, LongStage1, Off, ShortStage1, ShortTree, Stage1, Stage2, Stage2Tables, Tree,
};
use crate::translate::walk::{Attributes, PermissionRules};

/// Bits of a physical or intermediate address in AArch32, long format.
const LPAE_BITS: u32 = 40;
/// TTBRn bits that hold an address, long formats.
const TTBR_ADDRESS: u64 = 0x0000_ffff_ffff_ffff;

/// Reads the regime of a bank.
pub(crate) fn decode(registers: &Registers, geometry: &Geometry, bank: u8) -> BankRegime {
    let decoder = Decoder {
        registers,
        geometry,
        bank,
        implemented_bits: geometry.address_bits.into(),
    };
    let cbar = registers.cbar(bank);
    match cbar.kind() {
        BankType::Stage2 => BankRegime {
            stage1: None,
            stage2: decoder.stage2(),
        },
        BankType::Stage1 => {
            let shareability = Attributes::shareability_of_config(cbar.bpshcfg().value());
            let attributes = Attributes::from_memattr(cbar.memattr().value(), shareability);
            BankRegime {
                stage1: Some(decoder.stage1()),
                stage2: Stage2::Bypassed(Some(attributes)),
            }
        }
        BankType::Stage1WithFault => BankRegime {
            stage1: Some(decoder.stage1()),
            stage2: Stage2::Bypassed(None),
        },
        BankType::Nested => BankRegime {
            // Stage 1 puts out intermediate addresses (IDR2.IAS).
            stage1: Some(
                Decoder {
                    implemented_bits: geometry.input_bits.into(),
                    ..decoder
                }
                .stage1(),
            ),
            stage2: Decoder {
                bank: cbar.cbndx(),
                ..decoder
            }
            .stage2(),
        },
    }
}

/// The registers of one bank.
#[derive(Clone, Copy)]
struct Decoder<'a> {
    registers: &'a Registers,
    geometry: &'a Geometry,
    bank: u8,
    /// Bits of an output address at most.
    implemented_bits: u32,
}

impl Decoder<'_> {
    /// An output size that the bank chooses, as far as it is implemented.
    fn output_bits(&self, pasize: u8) -> u32 {
        let implemented = self.implemented_bits;
        address_bits(pasize).map_or(implemented, |bits| implemented.min(bits.into()))
    }

    fn ttbr(&self, register: Cb) -> u64 {
        self.registers.bank(self.bank, register)
    }

    fn off(&self, input_bits: u32) -> Off {
        let sctlr = self.registers.sctlr(self.bank);
        let shareability = Attributes::shareability_of_config(sctlr.shcfg().value());
        let narrow = self.registers.format(self.bank) != Format::AArch64;
        let limit = if narrow { LPAE_BITS } else { u64::BITS };
        Off {
            input_bits,
            output_bits: self.implemented_bits.min(limit),
            attributes: sctlr
                .mtcfg()
                .then(|| Attributes::from_memattr(sctlr.memattr().value(), shareability)),
        }
    }

    fn limits(&self, output_bits: u32, (ha, hd): (bool, bool)) -> Limits {
        let sctlr = self.registers.sctlr(self.bank);
        let aarch64 = self.registers.cba2r(self.bank).va64();
        let updates = self.geometry.hardware_update && aarch64 && ha;
        Limits {
            last_input: u64::MAX,
            output_bits,
            fault_level: u32::from(!aarch64),
            big_endian: sctlr.e(),
            access_flag_faults: !sctlr.affd(),
            update_access_flag: updates,
            update_dirty: updates && hd,
        }
    }

    fn rules(&self) -> PermissionRules {
        let sctlr = self.registers.sctlr(self.bank);
        let cbar = self.registers.cbar(self.bank);
        PermissionRules {
            aarch64: self.registers.cba2r(self.bank).va64(),
            hypervisor: cbar.kind() == BankType::Stage1 && cbar.hypc(),
            write_implies_execute_never: sctlr.wxn(),
            user_write_implies_privileged_execute_never: sctlr.uwxn(),
        }
    }

    fn mair(&self) -> u64 {
        self.ttbr(Cb::Mair1) << 32 | self.ttbr(Cb::Mair0)
    }

    fn stage1(&self) -> Stage1 {
        let format = self.registers.format(self.bank);
        match (self.registers.sctlr(self.bank).m(), format) {
            (false, Format::AArch64) => Stage1::Off(self.off(u64::BITS)),
            (false, Format::Short | Format::Long) => Stage1::Off(self.off(u32::BITS)),
            (true, Format::AArch64) => Stage1::Long(self.aarch64()),
            (true, Format::Long) => Stage1::Long(self.lpae()),
            (true, Format::Short) => Stage1::Short(self.short()),
        }
    }

    fn aarch64(&self) -> LongStage1 {
        let (tcr, tcr2) = (self.registers.tcr(self.bank), self.registers.tcr2(self.bank));
        let rules = self.rules();
        let hierarchy_off = |had: bool| self.geometry.hierarchy_disable && had;
        let tree = |size: u8, disabled: bool, upper: bool, ttbr, granule, had| {
            if disabled || !(16..=39).contains(&size) {
                return Tree::NONE;
            }
            let bits = 64 - u32::from(size);
            let range = if upper {
                (u64::MAX << bits, u64::MAX)
            } else {
                (0, (1 << bits) - 1)
            };
            Tree::stage1(range, self.ttbr(ttbr), bits, granule, !hierarchy_off(had))
        };
        let lower_granule = Granule::of_tg0(tcr.tg0().value(), self.geometry);
        let upper_granule = Granule::of_tg1(tcr.tg1().value(), self.geometry);
        // A hypervisor context has TTBR0 alone.
        let no_upper = tcr.epd1() || rules.hypervisor;
        LongStage1 {
            trees: [
                tree(
                    tcr.t0sz().value(),
                    tcr.epd0() && !rules.hypervisor,
                    false,
                    Cb::Ttbr0,
                    lower_granule,
                    tcr2.had0(),
                ),
                tree(
                    tcr.t1sz().value(),
                    no_upper,
                    true,
                    Cb::Ttbr1,
                    upper_granule,
                    tcr2.had1(),
                ),
            ],
            ignores_top_byte: [tcr2.tbi0(), tcr2.tbi1() && !rules.hypervisor],
            limits: self.limits(self.output_bits(tcr2.pasize().as_u8()), (tcr2.ha(), tcr2.hd())),
            mair: self.mair(),
            rules,
        }
    }

    /// AArch32: T0SZ and T1SZ have three bits, and a size of zero leaves a half what the other does not take.
    fn lpae(&self) -> LongStage1 {
        const ALL: u64 = u32::MAX as u64;
        let tcr = self.registers.tcr32(self.bank);
        let rules = self.rules();
        let (size0, size1) = (u32::from(tcr.t0sz().value()), u32::from(tcr.t1sz().value()));
        let size1 = if rules.hypervisor { 0 } else { size1 };
        let upper = match (size0, size1) {
            (0, 0) => None,
            (_, 0) if rules.hypervisor => None,
            (_, 0) => Some((ALL >> size0) + 1),
            _ => Some(ALL - (ALL >> size1)),
        };
        let last = match upper {
            Some(upper) if size0 == 0 => upper - 1,
            _ => ALL >> size0,
        };
        let tree = |range, ttbr, size| Tree::stage1(range, self.ttbr(ttbr), 32 - size, Granule::Size4K, true);
        let lower = (!tcr.epd0() || rules.hypervisor).then(|| tree((0, last), Cb::Ttbr0, size0));
        let upper = upper
            .filter(|_| !tcr.epd1())
            .map(|first| tree((first, ALL), Cb::Ttbr1, size1));
        LongStage1 {
            trees: [lower.unwrap_or(Tree::NONE), upper.unwrap_or(Tree::NONE)],
            ignores_top_byte: [false; 2],
            limits: Limits {
                last_input: ALL,
                ..self.limits(self.implemented_bits.min(LPAE_BITS), (false, false))
            },
            mair: self.mair(),
            rules,
        }
    }

    fn short(&self) -> ShortStage1 {
        const ALL: u64 = u32::MAX as u64;
        let (tcr, sctlr) = (self.registers.tcr32(self.bank), self.registers.sctlr(self.bank));
        let n = u32::from(tcr.t0sz().value());
        let tree = |first: u64, last: u64, disabled: bool, ttbr, n: u32| {
            let alignment = 14 - n;
            let base = (self.ttbr(ttbr) & ALL) >> alignment << alignment;
            if disabled {
                ShortTree {
                    first: 1,
                    last: 0,
                    base,
                }
            } else {
                ShortTree { first, last, base }
            }
        };
        ShortStage1 {
            trees: [
                tree(0, ALL >> n, tcr.pd0(), Cb::Ttbr0, n),
                // With N = 0 this range is empty.
                tree((ALL >> n) + 1, ALL, tcr.pd1(), Cb::Ttbr1, 0),
            ],
            output_bits: self.implemented_bits.min(LPAE_BITS),
            big_endian: sctlr.e(),
            access_flag: sctlr.afe(),
            access_flag_faults: !sctlr.affd(),
            remap: sctlr.tre(),
            prrr_nmrr: self.mair(),
            rules: PermissionRules {
                hypervisor: false,
                ..self.rules()
            },
        }
    }

    fn stage2(&self) -> Stage2 {
        let sctlr = self.registers.sctlr(self.bank);
        if !sctlr.m() {
            return Stage2::Off(self.off(u64::BITS));
        }
        let tcr = self.registers.tcr_stage2(self.bank);
        let aarch64 = self.registers.cba2r(self.bank).va64();
        let implemented = self.implemented_bits;
        let granule = if aarch64 {
            Granule::of_tg0(tcr.tg0().value(), self.geometry)
        } else {
            Granule::Size4K
        };
        let bits = if aarch64 {
            let size = tcr.t0sz().value();
            (16..=39).contains(&size).then(|| 64 - u32::from(size))
        } else {
            // Signed, of four bits: 0b1000 to 0b0111 are 40 to 25 bits.
            let size = u32::from(tcr.t0sz_signed().value());
            Some(32 - (size & 7) + (size & 8))
        };
        let first_level = first_level(granule, tcr.sl0().value(), aarch64.then_some(implemented));
        let tree = bits
            .zip(first_level)
            .map(|(bits, level)| Tree::stage2(self.ttbr(Cb::Ttbr0), bits, granule, level));
        let output_bits = if aarch64 {
            self.output_bits(tcr.pasize().as_u8())
        } else {
            implemented.min(LPAE_BITS)
        };
        Stage2::On(Stage2Tables {
            tree: tree.unwrap_or(Tree::NONE),
            limits: Limits {
                last_input: if aarch64 { u64::MAX } else { (1 << LPAE_BITS) - 1 },
                ..self.limits(output_bits, (tcr.ha(), tcr.hd()))
            },
            aarch64,
            protected_walks: sctlr.ptw(),
        })
    }
}

/// Level of stage 2's first table by SL0. The highest level needs an output of some size, in AArch64; AArch32 has no
/// level 0.
fn first_level(granule: Granule, sl0: u8, aarch64_output: Option<u32>) -> Option<u32> {
    let needs = |bits: u32| aarch64_output.is_some_and(|output| output >= bits);
    match (granule, sl0) {
        (Granule::Size4K, 0) => Some(2),
        (Granule::Size4K, 1) => Some(1),
        (Granule::Size4K, 2) if needs(44) => Some(0),
        (Granule::Size16K | Granule::Size64K, 0) => Some(3),
        (Granule::Size16K | Granule::Size64K, 1) => Some(2),
        (Granule::Size16K, 2) if needs(42) => Some(1),
        (Granule::Size64K, 2) if needs(44) => Some(1),
        _ => None,
    }
}

impl Granule {
    /// The granule that TG0 or TG1 names if it is implemented, or else the smallest that is: an implementation picks
    /// one for a reserved or missing encoding.
    fn chosen(named: Option<Self>, geometry: &Geometry) -> Self {
        let has = |granule: &Self| match granule {
            Self::Size4K => geometry.granule_4k,
            Self::Size16K => geometry.granule_16k,
            Self::Size64K => geometry.granule_64k,
        };
        let smallest = [Self::Size4K, Self::Size16K, Self::Size64K].into_iter().find(has);
        named.filter(has).or(smallest).unwrap_or(Self::Size4K)
    }

    /// TG0; TG1 counts differently.
    fn of_tg0(tg0: u8, geometry: &Geometry) -> Self {
        let named = [Some(Self::Size4K), Some(Self::Size64K), Some(Self::Size16K), None];
        Self::chosen(named.get(usize::from(tg0)).copied().flatten(), geometry)
    }

    fn of_tg1(tg1: u8, geometry: &Geometry) -> Self {
        let named = [None, Some(Self::Size16K), Some(Self::Size4K), Some(Self::Size64K)];
        Self::chosen(named.get(usize::from(tg1)).copied().flatten(), geometry)
    }
}

impl Tree {
    /// Serves no address: walks disabled, or sizes that the architecture does not have.
    const NONE: Self = Self {
        first: 1,
        last: 0,
        base: 0,
        bits: 1,
        granule: Granule::Size4K,
        first_level: 3,
        hierarchy: false,
    };

    /// Tables for an input of `bits`. What TTBR holds below the first table's alignment does not count.
    fn new(range: (u64, u64), ttbr: u64, bits: u32, granule: Granule, first_level: u32) -> Self {
        let (first, last) = range;
        let covered = granule.shift() + (granule.shift() - 3) * (3 - first_level);
        let alignment = bits - covered + 3;
        Self {
            first,
            last,
            base: (ttbr & TTBR_ADDRESS) >> alignment << alignment,
            bits,
            granule,
            first_level,
            hierarchy: true,
        }
    }

    /// Stage 1: the first table is the one whose level the input reaches.
    fn stage1(range: (u64, u64), ttbr: u64, bits: u32, granule: Granule, hierarchy: bool) -> Self {
        let levels = (bits - granule.shift()).div_ceil(granule.shift() - 3);
        Self {
            hierarchy,
            ..Self::new(range, ttbr, bits, granule, 4 - levels)
        }
    }

    /// Stage 2: software chooses the first level, and up to 16 tables may stand side by side there.
    fn stage2(ttbr: u64, bits: u32, granule: Granule, first_level: u32) -> Self {
        let stride = granule.shift() - 3;
        let below = granule.shift() + stride * (3 - first_level);
        if !(below + 1..=below + stride + 4).contains(&bits) {
            return Self::NONE;
        }
        Self {
            hierarchy: false,
            ..Self::new((0, (1 << bits) - 1), ttbr, bits, granule, first_level)
        }
    }
}
