// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::maintenance::Asids;
use super::*;
use crate::Config;
use crate::registers::file::Registers;
use crate::spec::cb::Cb;
use crate::spec::effect::{BankMaintenance, Maintenance};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::Gr1;
use crate::translate::walk::Permissions;

fn registers() -> Registers {
    Registers::new(&Config::default().validate().expect("the default is valid"))
}

const EL10: Tag = Tag {
    space: Space::El10,
    vmid: 1,
    asid: 7,
};
const STAGE2: Tag = Tag {
    space: Space::Stage2,
    vmid: 1,
    asid: 0,
};

fn leaf(size: u64, global: bool) -> Leaf {
    Leaf {
        address: 0x8000_0000,
        size,
        level: 3,
        attributes: 0,
        shareability: 0,
        permissions: Permissions::all(),
        global,
    }
}

fn with(entries: &[(Tag, u64, Leaf)]) -> Tlb {
    let mut tlb = Tlb::new(TlbMode::StrictStale, 1 << 12);
    tlb.fill(&mut Fills {
        walked: true,
        leaves: entries.to_vec(),
        tables: Vec::new(),
    });
    tlb
}

/// Behaviours 44 and 45: what drops entries of stage 2, and of both.
#[test]
fn both_stages() {
    let operation = |space, address, asids| Invalidation::Address {
        space,
        vmid: 1,
        asids,
        address,
        last_level: true,
    };
    for (invalidation, left) in [
        (Invalidation::BothStages(1), (false, false)),
        (Invalidation::BothStages(2), (true, true)),
        (Invalidation::Vmid(Space::El10, 1), (false, true)),
        (Invalidation::NonHyp, (false, false)),
        (Invalidation::Space(Space::Hyp), (true, true)),
        (Invalidation::Asid(EL10), (false, true)),
        (operation(Space::Stage2, 0x1000, Asids::All), (true, false)),
        (operation(Space::El10, 0x1000, Asids::One(7)), (false, true)),
    ] {
        let mut tlb = with(&[
            (EL10, 0x1000, leaf(0x1000, false)),
            (STAGE2, 0x1000, leaf(0x1000, true)),
        ]);
        tlb.invalidate(invalidation);
        let found = (
            tlb.leaf(EL10, 0x1000).is_some(),
            tlb.leaf(STAGE2, 0x1000).is_some(),
        );
        assert_eq!(found, left, "{invalidation:?}");
    }
}

/// Behaviour 44: an entry of 64 KiB or 16 KiB goes whichever of its 4 KiB pages is named.
#[test]
fn large_pages_ignore_low_address_bits() {
    for (size, named, hit) in [
        (1 << 16, 0x1_f000, true),
        (1 << 16, 0x2_0000, false),
        (1 << 14, 0x1_3000, true),
        (1 << 14, 0x1_4000, false),
        (1 << 30, 0x3fff_f000, true),
    ] {
        let mut tlb = with(&[(EL10, 0x1_0000, leaf(size, false))]);
        tlb.invalidate(Invalidation::Address {
            space: Space::El10,
            vmid: 1,
            asids: Asids::One(7),
            address: named,
            last_level: true,
        });
        assert_eq!(tlb.leaf(EL10, 0x1_0000).is_none(), hit, "{size:#x} {named:#x}");
    }
}

#[test]
fn a_hit_adds_the_offset() {
    let tlb = with(&[(
        EL10,
        0x1_2345,
        Leaf {
            address: 0x8000_2345,
            ..leaf(1 << 16, false)
        },
    )]);
    assert_eq!(
        tlb.leaf(EL10, 0x1_fffe).map(|leaf| leaf.address),
        Some(0x8000_fffe)
    );
    assert_eq!(tlb.leaf(EL10, 0x2_0000), None);
    assert_eq!(tlb.leaf(Tag { asid: 8, ..EL10 }, 0x1_0000), None);
    let tlb = with(&[(EL10, 0x1_0000, leaf(1 << 12, true))]);
    assert!(tlb.leaf(Tag { asid: 8, ..EL10 }, 0x1_0000).is_some(), "global");
    assert!(
        tlb.leaf(Tag { vmid: 2, ..EL10 }, 0x1_0000).is_none(),
        "of the VMID"
    );
}

/// More ASIDs and VMIDs than are remembered: everything goes, nothing stays that should have gone.
#[test]
fn floors_are_bounded() {
    for by_asid in [true, false] {
        let tag = |n| Tag {
            vmid: n,
            asid: n,
            ..EL10
        };
        let entries: Vec<_> = (0..2000).map(|n| (tag(n), 0x1000, leaf(0x1000, false))).collect();
        let mut tlb = with(&entries);
        for n in 0..2000 {
            tlb.invalidate(if by_asid {
                Invalidation::Asid(tag(n))
            } else {
                Invalidation::BothStages(n)
            });
            assert_eq!(tlb.leaf(tag(n), 0x1000), None, "{n}");
        }
        tlb.fill(&mut Fills {
            walked: true,
            leaves: entries,
            tables: Vec::new(),
        });
        assert!(
            (0..2000).all(|n| tlb.leaf(tag(n), 0x1000).is_some()),
            "and later ones count"
        );
    }
}

/// Many address spaces at one address: a chain stays short where entries may go.
#[test]
fn chains_are_bounded() {
    let mut tlb = Tlb::new(TlbMode::Normal, 1 << 12);
    let tag = |asid| Tag { asid, ..EL10 };
    tlb.fill(&mut Fills {
        walked: true,
        leaves: (0..1000)
            .map(|asid| (tag(asid), 0x1000, leaf(0x1000, false)))
            .collect(),
        tables: Vec::new(),
    });
    let kept = (0..1000)
        .filter(|&asid| tlb.leaf(tag(asid), 0x1000).is_some())
        .count();
    assert_eq!(kept, 32);
    assert!(tlb.leaf(tag(999), 0x1000).is_some(), "the latest");
}

/// Many address spaces at one address, where no entry may go: a chain ends growing, and one invalidation empties it in
/// one pass.
#[test]
fn long_chains_are_bounded_and_emptied_at_once() {
    let tag = |asid| Tag { asid, ..EL10 };
    let entries: Vec<_> = (0..60_000)
        .map(|asid| (tag(asid), 0x1000, leaf(0x1000, false)))
        .collect();
    let mut tlb = Tlb::new(TlbMode::StrictStale, 1 << 16);
    tlb.fill(&mut Fills {
        walked: true,
        leaves: entries,
        tables: Vec::new(),
    });
    let kept = |tlb: &Tlb| {
        (0..5000)
            .filter(|&asid| tlb.leaf(tag(asid), 0x1000).is_some())
            .count()
    };
    assert_eq!(kept(&tlb), 4096);
    tlb.invalidate(Invalidation::Address {
        space: Space::El10,
        vmid: 1,
        asids: Asids::One(5),
        address: 0x1000,
        last_level: true,
    });
    assert_eq!(kept(&tlb), 4095);
    tlb.invalidate(Invalidation::Address {
        space: Space::El10,
        vmid: 1,
        asids: Asids::All,
        address: 0x1000,
        last_level: true,
    });
    assert_eq!((kept(&tlb), tlb.entries().count()), (0, 0));
    tlb.fill(&mut Fills {
        walked: true,
        leaves: vec![(tag(1), 0x1000, leaf(0x1000, false))],
        tables: Vec::new(),
    });
    assert_eq!(kept(&tlb), 1, "there is room again");
}

fn bank(tcr: u64, cba2r: u64, cbar: u64) -> Registers {
    let mut registers = registers();
    registers.gr1.set(Gr1::Cba2r, 0, cba2r);
    registers.gr1.set(Gr1::Cbar, 0, cbar);
    registers.set_bank(0, Cb::Tcr, tcr);
    registers.set_bank(0, Cb::Ttbr0, 0x1234 << 48);
    registers.set_bank(0, Cb::Ttbr1, 0x5678 << 48);
    registers.set_bank(0, Cb::ContextIdr, 0xabcd_ef9a);
    registers
}

/// Behaviour 50, and where the ASID is in each format.
#[test]
fn the_asid_of_a_bank() {
    let (long, a1) = (1 << 31, 1 << 22);
    for (tcr, cba2r, tcr2, asid) in [
        (0, 1, 1 << 4, 0x1234),
        (0, 1, 0, 0x34),
        (a1, 1, 1 << 4, 0x5678),
        (long, 0, 1 << 4, 0x34),
        (long | a1, 0, 0, 0x78),
        (0, 0, 0, 0x9a),
        (a1, 0, 0, 0x9a),
    ] {
        let mut registers = bank(tcr, cba2r, 1 << 16 | 5);
        registers.set_bank(0, Cb::Tcr2, tcr2);
        let expected = Tag {
            space: Space::El10,
            vmid: 5,
            asid,
        };
        assert_eq!(Tag::of(&registers, 0), expected, "{tcr:#x} {cba2r} {tcr2:#x}");
    }
}

/// Behaviour 42.
#[test]
fn the_vmid_of_a_bank() {
    let mut registers = bank(0, 0x4321 << 16 | 1, 3 << 16 | 5);
    assert_eq!(Tag::of(&registers, 0).vmid, 5);
    registers.gr0.set(Gr0::Scr0, 0, 1 << 31);
    assert_eq!(Tag::of(&registers, 0).vmid, 0x4321);
    assert_eq!(
        decode(&registers, Maintenance::Vmid, 0x4321),
        Invalidation::BothStages(0x4321)
    );
}

/// Behaviour 40: an AArch32 bank has its ASID in bits 7 to 0 of the lower half and sees no upper half.
#[test]
fn operations_of_aarch32_banks() {
    let registers = bank(1 << 31, 0, 1 << 16 | 5);
    let value = 0x00ff_0001_8765_4f21;
    let by_address = |any_asid, last_level| match decode_bank(
        &registers,
        BankMaintenance::Address { any_asid, last_level },
        0,
        value,
    ) {
        Some(Invalidation::Address {
            asids,
            address,
            last_level,
            ..
        }) => (asids, address, last_level),
        other => panic!("{other:?}"),
    };
    assert_eq!(by_address(false, false), (Asids::One(0x21), 0x8765_4000, false));
    assert_eq!(by_address(false, true), (Asids::One(0x21), 0x8765_4000, true));
    assert_eq!(by_address(true, true), (Asids::All, 0x8765_4000, true));
    let stage2 = bank(0, 0, 5);
    let operation = decode_bank(
        &stage2,
        BankMaintenance::Intermediate { last_level: false },
        0,
        0xffff_000f_0765_4321,
    );
    assert!(matches!(
        operation,
        Some(Invalidation::Address {
            address: 0x76_5432_1000,
            ..
        })
    ));
}

/// Address\[55:12\] of an AArch64 bank extends from bit 55, whatever TCR2.SEP says.
#[test]
fn addresses_of_aarch64_banks() {
    let registers = bank(0, 1, 1 << 16 | 5);
    for (value, expected) in [
        (0x0007_f800_0000_0001, 0xff80_0000_0000_1000),
        (0x0007_0800_0000_0001, 0xff80_0000_0000_1000),
        (0x0007_0400_0000_0001, 0x0040_0000_0000_1000),
    ] {
        let by_address = BankMaintenance::Address {
            any_asid: false,
            last_level: false,
        };
        let operation = decode_bank(&registers, by_address, 0, value);
        let found = match operation {
            Some(Invalidation::Address {
                address,
                asids: Asids::One(7),
                ..
            }) => address,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
    }
}
