// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The access rules of every register, and of everything between registers.

use smmu_emu::testing::fields::{cba2r, s2cr, scr0, sctlr, smr, tcr32};
use smmu_emu::testing::{Bench, Cb, Gr0, Gr1, High, Page};
use smmu_emu::{Access, AccessKind, Frame};

/// Every optional feature that a register depends on.
const FULL: &str = "preset = \"smmuv2-generic\"\nextended_stream_ids = true\nstream_match_groups = 128\n\
                    context_banks = 128\nhardware_update = true\nhierarchy_disable = true";
const MMU_500: &str = "preset = \"mmu-500\"";

#[test]
fn write_one_to_clear_clears_exactly_what_was_written() {
    // Behaviours 22 and 38. FSRRESTORE sets what FSR then loses bit by bit.
    for (status, restore, all) in [
        (Gr0(0x48), Gr0(0x4c), 0x8000_017f_u32),
        (Cb(3, 0x58), Cb(3, 0x5c), 0x8000_01fe),
    ] {
        let mut bench = Bench::new(FULL);
        bench.w(restore, u32::MAX);
        assert_eq!(bench.r(status), all, "{status:?}: what can be restored");
        bench.w(status, 0);
        assert_eq!(bench.r(status), all, "{status:?}: writing zero clears nothing");
        let mut left = all;
        for bit in (0..32).filter(|bit| all >> bit & 1 == 1) {
            left &= !(1 << bit);
            bench.w(status, 1 << bit);
            assert_eq!(bench.r(status), left, "{status:?}: bit {bit}");
        }
    }
}

#[test]
fn fault_format_follows_the_bank_and_is_no_fault() {
    // Behaviour 23.
    let mut bench = Bench::new(FULL);
    assert_eq!(bench.r(("CBn_FSR", 1)), 0);
    bench.w(("CBn_TCR", 1), tcr32::EAE);
    assert_eq!(bench.r(("CBn_FSR", 1)), 0x200);
    bench.w(("CBn_TCR", 1), 0);
    bench.w(("CBARn", 1), 0);
    assert_eq!(
        bench.r(("CBn_FSR", 1)),
        0x200,
        "a stage 2 bank has long descriptors"
    );
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    assert_eq!(bench.r(("CBn_FSR", 1)), 0x400);
    bench.w(("CBn_FSR", 1), u32::MAX);
    assert_eq!(bench.r(("CBn_FSR", 1)), 0x400, "cannot be cleared");
    bench.w(("CBn_SCTLR", 1), sctlr::CFIE);
    assert!(bench.host.line_calls.is_empty(), "raises no interrupt");
}

#[test]
fn halves_of_64_bit_registers() {
    // Behaviour 39: 64 bits, or two halves in either order, and each half on its own.
    for at in [Cb(2, 0x20), Cb(2, 0x28), Cb(2, 0x60), Cb(2, 0x50), Gr0(0x40)] {
        let high = match at {
            Gr0(offset) => Gr0(offset + 4),
            Gr1(offset) => Gr1(offset + 4),
            Cb(bank, offset) => Cb(bank, offset + 4),
            Page(page, offset) => Page(page, offset + 4),
        };
        let mut bench = Bench::new(FULL);
        bench.w64(at, 0x0123_4567_89ab_cdef);
        assert_eq!((bench.r(at), bench.r(high)), (0x89ab_cdef, 0x0123_4567));
        bench.w(high, 0x1111_2222);
        assert_eq!(bench.r64(at), 0x1111_2222_89ab_cdef);
        bench.w(at, 0x3333_4444);
        assert_eq!(bench.r64(at), 0x1111_2222_3333_4444);
    }
}

#[test]
fn other_widths_read_zero_and_change_nothing() {
    // Behaviour 41: in particular, a byte must not clear a fault or start anything.
    let mut bench = Bench::new(FULL);
    bench.w(("CBn_FSRRESTORE", 0), 0x1fe);
    bench.w64(("CBn_TTBR0", 0), u64::MAX);
    for width in [0, 1, 2, 3, 5, 7, 8, 9, 16, 4096] {
        for offset in [0x58, 0x20, 0x24, 0x00, 0x7f0, 0x800] {
            let at = bench.offset(Cb(0, offset));
            if width == 8 && offset % 8 == 0 && offset != 0x58 && offset != 0 && offset != 0x7f0 {
                continue;
            }
            let ones = vec![0xff; width];
            let mut data = vec![0xa5; width];
            bench.smmu.write(&mut bench.host, at, &ones);
            bench.smmu.read(&mut bench.host, at, &mut data);
            assert!(data.iter().all(|&byte| byte == 0), "{width} bytes at {offset:#x}");
        }
    }
    assert_eq!(bench.r(("CBn_FSR", 0)), 0x1fe);
    assert_eq!(bench.r64(("CBn_TTBR0", 0)), u64::MAX);
    // Misaligned.
    for offset in [0x59, 0x5a, 0x5b, 0x22] {
        let at = bench.offset(Cb(0, offset));
        bench.smmu.write(&mut bench.host, at, &[0xff; 4]);
        let mut data = [0xa5; 4];
        bench.smmu.read(&mut bench.host, at, &mut data);
        assert_eq!(data, [0; 4]);
    }
    assert_eq!(bench.r(("CBn_FSR", 0)), 0x1fe);
}

#[test]
fn holes_and_pages_without_registers() {
    // Behaviour 13: bank pages that do not exist, up to the end of the space, and global pages 2 and above.
    for size in ["4k", "64k"] {
        let mut bench = Bench::new(&format!("{MMU_500}\ncontext_banks = 5\npage_size = \"{size}\""));
        let step = if size == "4k" { 0x1000 } else { 0x1_0000 };
        let top = bench.smmu.geometry().register_space();
        assert_eq!(top, 32 * step);
        // Page 2 is MMU-500's own.
        for page in (3..16).chain(16 + 5..34) {
            for offset in [0, 0x20, 0x58, 0x7f0, 0xffc, step - 4] {
                let at = page * step + offset;
                bench.smmu.write(&mut bench.host, at, &[0xff; 4]);
                let mut data = [0xa5; 4];
                bench.smmu.read(&mut bench.host, at, &mut data);
                assert_eq!(data, [0; 4], "{at:#x}");
            }
        }
        let mut data = [0xa5; 4];
        bench.smmu.read(&mut bench.host, u64::MAX - 3, &mut data);
        assert_eq!(data, [0; 4]);
        assert!(
            bench
                .host
                .accesses
                .iter()
                .all(|access| [Access::RESERVED, "COMPINDEXn"].contains(&access.name))
        );
        // The last bank that exists does answer.
        bench.w(("CBn_TCR", 4), 7);
        assert_eq!(bench.r(("CBn_TCR", 4)), 7);
        assert_eq!(bench.r(("CBn_TCR", 5)), 0);
    }
}

#[test]
fn registers_of_missing_groups_and_banks() {
    let mut bench = Bench::new("preset = \"mmu-500\"\ncontext_banks = 3\nstream_match_groups = 4");
    for at in [
        Gr0(0x810),
        Gr0(0xc10),
        Gr0(0x9fc),
        Gr1(0x00c),
        Gr1(0x40c),
        Gr1(0x80c),
    ] {
        bench.w(at, u32::MAX);
        assert_eq!(bench.r(at), 0, "{at:?}");
    }
    for at in [Gr0(0x80c), Gr0(0xc0c), Gr1(0x008), Gr1(0x408), Gr1(0x808)] {
        bench.w(at, 1);
        assert_eq!(bench.r(at), 1, "{at:?}");
    }
}

/// Behaviour 15.
#[test]
fn stage_2_banks_lack_stage_1_registers() {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"\nstage2_only_banks = 2");
    for offset in [0x010, 0x028, 0x034, 0x038, 0x03c, 0x050] {
        for (bank, expected) in [(1, 0), (2, 1)] {
            bench.w(Cb(bank, offset), 1);
            assert_eq!(
                bench.r(Cb(bank, offset)),
                expected,
                "bank {bank}, offset {offset:#x}"
            );
        }
    }
    bench.w64(("CBn_TTBR0", 1), 5);
    assert_eq!(bench.r64(("CBn_TTBR0", 1)), 5, "TTBR0 is there");
}

#[test]
fn identification_of_mmu_500() {
    let mut bench = Bench::new(MMU_500);
    let expected = [
        (0x000, 0x0020_0001),
        (0x010, 0x0400_001c),
        (0x020, 0x7c01_3e30),
        (0x024, 0x3000_0f10),
        (0x028, 0x0000_5555),
        (0x02c, 0),
        (0x038, 0),
        (0x03c, 0x21),
        (0xfd0, 0x04),
        (0xfe0, 0x81),
        (0xfe4, 0xb4),
        (0xfe8, 0x1b),
        (0xfec, 0),
        (0xff0, 0x0d),
        (0xff4, 0xf0),
        (0xff8, 0x05),
        (0xffc, 0xb1),
    ];
    for (offset, value) in expected {
        assert_eq!(bench.r(Gr0(offset)), value, "{offset:#x}");
    }
    assert_eq!(bench.r(("CBARn", 15)), 0x0002_0000, "CBAR");
    assert_eq!(bench.r(("CBn_ACTLR", 15)), 3, "ACTLR");
    // With address translation operations, only ATOSNS differs.
    let mut bench = Bench::new("preset = \"mmu-500-ats\"");
    assert_eq!(bench.r("IDR0"), 0x7801_3e30);
}

#[test]
fn identification_follows_the_configuration() {
    let mut bench = Bench::new(
        "preset = \"smmuv2-generic\"\ncontext_banks = 33\nstage2_only_banks = 4\nstream_match_groups = 9\n\
         extended_stream_match_groups = 0\nhardware_update = false\nhierarchy_disable = false\npage_size = \"64k\"\n\
         address_bits = 44\ngranule_16k = false\ncoherent_walk = false\nvmid16 = false",
    );
    assert_eq!(bench.r("IDR0"), 0x7801_3f09);
    assert_eq!(bench.r("IDR1"), 0xd004_8021);
    assert_eq!(bench.r("IDR2"), 0x0000_5544);
    assert_eq!(bench.r("IDR7"), 0);
}

#[test]
fn scr0_of_mmu_500_has_fixed_bits() {
    // Behaviours 7 and 8.
    let mut bench = Bench::new(MMU_500);
    bench.w("sCR0", u32::MAX);
    assert_eq!(
        bench.r("sCR0"),
        0x0fff_fcc7,
        "no VMID16EN, EXIDENABLE, GSE, STALLD, GCFGFIE, GCFGFRE, NSCFG"
    );
    bench.w("sCR0", 0);
    assert_eq!(bench.r("sCR0"), 0x0020_0000, "SMCFCFG stays");
}

#[test]
fn vmids_of_16_bits_need_the_feature() {
    // Behaviour 42.
    let mut bench = Bench::new(MMU_500);
    bench.w(("CBA2Rn", 0), u32::MAX);
    assert_eq!(bench.r(("CBA2Rn", 0)), 1);
    bench.w("sCR0", scr0::VMID16EN);
    assert_eq!(bench.r("sCR0") >> 31, 0, "VMID16EN");
    // Linux writes VMID16 of stage 1 banks too: the ASID.
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    bench.w("sCR0", scr0::VMID16EN | scr0::CLIENTPD);
    bench.w(("CBA2Rn", 2), cba2r::VMID16(2) | cba2r::VA64);
    assert_eq!((bench.r("sCR0") >> 31, bench.r(("CBA2Rn", 2))), (1, 0x0002_0001));
}

#[test]
fn actlr_is_locked_until_sacr_unlocks_it() {
    // Behaviour 57.
    let mut bench = Bench::new(MMU_500);
    bench.w(("CBn_ACTLR", 0), 0);
    assert_eq!(bench.r(("CBn_ACTLR", 0)), 3);
    bench.w("sACR", 0x051c);
    assert_eq!(bench.r("sACR"), 0x051c);
    bench.w(("CBn_ACTLR", 0), 1);
    assert_eq!(bench.r(("CBn_ACTLR", 0)), 1);
    bench.w("sACR", 0x0400_051c);
    bench.w(("CBn_ACTLR", 0), 2);
    assert_eq!(bench.r(("CBn_ACTLR", 0)), 1);
}

#[test]
fn stream_match_registers_keep_what_an_implementation_has() {
    // Behaviours 1 and 2.
    let mut bench = Bench::new("preset = \"mmu-500\"\nstream_id_bits = 10");
    bench.w(("SMRn", 1), 0x7fff);
    assert_eq!(bench.r(("SMRn", 1)), 0x3ff);
    bench.w(("SMRn", 1), 0x7fff_0000);
    assert_eq!(
        bench.r(("SMRn", 1)),
        0x03ff_0000,
        "the probe of masks finds no VALID bit"
    );
    bench.w(("SMRn", 1), u32::MAX);
    assert_eq!(bench.r(("SMRn", 1)), 0x83ff_03ff, "bit 15 is reserved");
    // Behaviour 3: with extended IDs the word is kept whole, whichever format is in force.
    let mut bench = Bench::new(FULL);
    bench.w(("SMRn", 1), u32::MAX);
    assert_eq!(bench.r(("SMRn", 1)), u32::MAX);
    bench.w("sCR0", scr0::EXIDENABLE);
    assert_eq!(bench.r(("SMRn", 1)), u32::MAX);
}

#[test]
fn registers_of_several_formats_keep_every_field() {
    // Behaviours 5 and 6.
    let mut bench = Bench::new(FULL);
    for kind in 0..4 {
        let value = 0x3ffc_ffff | kind << 16;
        bench.w(("S2CRn", 0), value);
        assert_eq!(bench.r(("S2CRn", 0)), value, "S2CR type {kind}");
        let value = 0x00fc_ffff | kind << 16;
        bench.w(("CBARn", 0), value);
        assert_eq!(bench.r(("CBARn", 0)), value, "CBAR type {kind}");
    }
    // qcom_smmu_cfg_probe: BYPASS with bank 0xff reads back.
    bench.w(("S2CRn", 127), s2cr::KIND(1) | s2cr::CBNDX(255));
    assert_eq!(bench.r(("S2CRn", 127)), 0x0001_00ff);
}

#[test]
fn tlb_maintenance_is_accepted_with_translation_off() {
    // Behaviours 43 and 46: any value triggers, and a sync without a delay is done at once.
    let mut bench = Bench::new(MMU_500);
    for (trigger, status) in [(Gr0(0x70), Gr0(0x74)), (Cb(4, 0x7f0), Cb(4, 0x7f4))] {
        for value in [0, 1, u32::MAX] {
            bench.w(trigger, value);
            assert_eq!((bench.r(status), bench.r(trigger)), (0, 0));
        }
    }
    for offset in [0x600, 0x608, 0x620, 0x628, 0x630, 0x638] {
        bench.w64(Cb(4, offset), u64::MAX);
        bench.w(Cb(4, offset), u32::MAX);
        assert_eq!(bench.r64(Cb(4, offset)), 0);
    }
}

#[test]
fn resume_without_a_stall_is_ignored() {
    // Behaviour 28: qcom_iommu writes it unconditionally.
    let mut bench = Bench::new(MMU_500);
    bench.w(("CBn_FSRRESTORE", 0), 2);
    for value in [0, 1] {
        bench.w(("CBn_RESUME", 0), value);
        assert_eq!((bench.r(("CBn_FSR", 0)), bench.r(("CBn_RESUME", 0))), (2, 0));
    }
}

#[test]
fn accesses_are_reported_after_they_took_effect() {
    let mut bench = Bench::new(MMU_500);
    bench.w(("SMRn", 2), smr::VALID | smr::ID(66));
    bench.r(("CBFRSYNRAn", 2));
    bench.w(High(("CBn_TTBR0", 3)), 0x1234);
    bench.r64(("CBn_TTBR0", 3));
    let offset = bench.offset(("CBn_SCTLR", 3));
    let access = |name, frame, index, kind, width, value, offset| Access {
        name,
        frame,
        index,
        kind,
        width,
        value,
        offset,
    };
    let expected = [
        access("SMRn", Frame::Gr0, 2, AccessKind::Write, 4, 0x8000_0042, 0x808),
        access("CBFRSYNRAn", Frame::Gr1, 2, AccessKind::Read, 4, 0, 0x1408),
        access(
            "CBn_TTBR0",
            Frame::Context(3),
            3,
            AccessKind::Write,
            4,
            0x1234,
            offset + 0x24,
        ),
        access(
            "CBn_TTBR0",
            Frame::Context(3),
            3,
            AccessKind::Read,
            8,
            0x1234_0000_0000,
            offset + 0x20,
        ),
    ];
    assert_eq!(bench.host.accesses, expected);
}

#[test]
fn reset_restores_every_register() {
    // Behaviour 59: a host that cuts the power resets, and nothing is retained.
    for config in [FULL, MMU_500] {
        let mut used = Bench::new(config);
        let top = used.smmu.geometry().register_space();
        for at in (0..top).step_by(4) {
            used.smmu.write(&mut used.host, at, &[0xff; 4]);
        }
        used.smmu.reset(&mut used.host);
        let mut fresh = Bench::new(config);
        for at in (0..top).step_by(4) {
            let (mut a, mut b) = ([0; 4], [0; 4]);
            used.smmu.read(&mut used.host, at, &mut a);
            fresh.smmu.read(&mut fresh.host, at, &mut b);
            assert_eq!(a, b, "{at:#x}");
        }
        assert!(used.smmu.lines().all(|line| !used.host.line(line)));
    }
}

#[test]
fn stall_disable_keeps_the_bit_that_it_overrides() {
    // Behaviour 60.
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    bench.w("sCR0", scr0::STALLD | scr0::CLIENTPD);
    bench.w(("CBn_SCTLR", 2), sctlr::CFCFG);
    assert_eq!((bench.r("sCR0") >> 8 & 1, bench.r(("CBn_SCTLR", 2))), (1, 1 << 7));
}
