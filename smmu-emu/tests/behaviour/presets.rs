// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Presets as a driver sees them: the numbers that Linux logs on the part, or the part's reset values.

use smmu_emu::testing::fields::{cbar, s2cr, scr0, smr};
use smmu_emu::testing::{Bench, Cb, Gr0, Gr1, Page};
use smmu_emu::{Config, Preset, Transaction};

fn bench(preset: &str) -> Bench {
    Bench::new(&format!("preset = \"{preset}\""))
}

#[test]
fn names_are_those_of_a_configuration() {
    for preset in Preset::ALL {
        let text = format!("preset = \"{}\"", preset.name());
        let config: Config = toml::from_str(&text).expect("the name of a preset");
        assert_eq!(config.preset, preset);
        config.validate().expect("presets are valid");
    }
}

/// IDR0, IDR1, IDR2, IDR7 and bytes of registers.
#[test]
fn identification_registers() {
    let expected = [
        ("mmu-500", [0x7c01_3e30, 0x3000_0f10, 0x0000_5555, 0x21], 0x2_0000),
        (
            "mmu-500-ats",
            [0x7801_3e30, 0x3000_0f10, 0x0000_5555, 0x21],
            0x2_0000,
        ),
        ("mmu-401", [0x2d01_7e20, 0x2004_0004, 0x0000_0022, 0], 0x1_0000),
        (
            "smmuv2-generic",
            [0x7801_ff30, 0x3200_8010, 0x1100_f555, 0],
            0x2_0000,
        ),
        (
            "qcom-x1e-adreno",
            [0x4c01_7e18, 0x4000_0f19, 0x0000_5511, 0x21],
            0x4_0000,
        ),
        (
            "tegra-mmu-500",
            [0x7c01_3e80, 0xd000_0f40, 0x0000_5555, 0x21],
            0x80_0000,
        ),
    ];
    assert_eq!(expected.map(|(name, ..)| name), Preset::ALL.map(Preset::name));
    for (name, registers, space) in expected {
        let mut bench = bench(name);
        let read = [0x20, 0x24, 0x28, 0x3c].map(|at| bench.r(Gr0(at)));
        assert_eq!(read, registers, "{name}: {read:#010x?}");
        assert_eq!(bench.smmu.geometry().register_space(), space, "{name}");
    }
}

#[test]
fn mmu_401_is_of_version_1() {
    let mut bench = bench("mmu-401");
    for at in [Gr1(0x800), Cb(0, 0x10), Cb(0, 0x38), Cb(0, 0x800)] {
        bench.w(at, u32::MAX);
        assert_eq!(bench.r(at), 0, "{at:?} is not there");
    }
    // The type of a bank of one stage is fixed; the VMID is not.
    bench.w(("CBARn", 0), cbar::KIND(1) | cbar::VMID(66));
    assert_eq!(bench.r(("CBARn", 0)), 0x42, "stage 2");
}

/// Behaviour 15: stage 2 banks are the lowest.
#[test]
fn types_of_single_stage_banks_are_fixed() {
    for (config, bank, kind) in [
        ("preset = \"smmuv2-generic\"\nstage2_only_banks = 2", 1, 0),
        ("preset = \"smmuv2-generic\"\nstage1 = false", 7, 0),
        ("preset = \"smmuv2-generic\"\nstage2 = false", 7, 1),
    ] {
        let mut bench = Bench::new(config);
        assert_eq!(bench.r(("CBARn", bank)) >> 16 & 3, kind, "{config}");
        for written in 0..4 {
            bench.w(("CBARn", bank), written << 16 | 0x55);
            assert_eq!(bench.r(("CBARn", bank)), kind << 16 | 0x55, "{config}");
        }
    }
}

/// Behaviours 15, 17, 18 and 19: what the features of IDR0 depend on.
#[test]
fn features_of_idr0() {
    let idr0 = |fields: &str| Bench::new(&format!("preset = \"smmuv2-generic\"\n{fields}")).r("IDR0");
    for (fields, bits, value) in [
        ("", 0x7f00_4000, 0x7800_4000),
        ("stage1 = false", 0x7000_0000, 0x2000_0000),
        ("stage2 = false", 0x7000_0000, 0x4000_0000),
        ("nested = false", 0x7000_0000, 0x6000_0000),
        ("stage1 = false", 1 << 26, 1 << 26),
        ("ats = false", 1 << 26, 1 << 26),
        ("aarch32_short = false", 3 << 24, 1 << 24),
        ("aarch32_short = false\naarch32_long = false", 3 << 24, 2 << 24),
        ("coherent_walk = false", 1 << 14, 0),
        ("extended_stream_match_groups = 200", 1 << 15, 1 << 15),
        ("extended_stream_ids = true", 1 << 8, 1 << 8),
    ] {
        assert_eq!(idr0(fields) & bits, value, "{fields}");
    }
    let mut bench = Bench::new("stage1 = false\ncontext_banks = 5");
    assert_eq!(bench.r("IDR1") >> 16 & 0xff, 5, "NUMS2CB is every bank");
    let mut bench = Bench::new("address_bits = 44\ninput_bits = 40");
    assert_eq!(bench.r("IDR2") & 0xff, 0x42, "OAS and IAS");
    let mut bench = Bench::new("extended_stream_match_groups = 777");
    assert_eq!(bench.r("IDR2") >> 16 & 0x7ff, 777, "EXNUMSMRG");
}

#[test]
fn pages_of_mmu_500_and_of_nothing() {
    for preset in Preset::ALL {
        let mut bench = bench(preset.name());
        let mmu_500 = bench.smmu.geometry().is_mmu_500();
        assert_eq!(
            bench.r("TBU_PWR_STATUS"),
            u32::from(mmu_500),
            "TBU_PWR_STATUS, {preset:?}"
        );
    }
    // The security determination table (pages 4 and 5), extended groups, compressed indexing (pages 8 to 23): no width
    // of access finds anything, also as Secure software.
    for preset in Preset::ALL {
        let name = preset.name();
        let mut bench = Bench::new(&format!(
            "preset = \"{name}\"\ncontext_banks = 33\nsecure_state = true"
        ));
        for page in 4..24 {
            for offset in [0, 0x7fc, 0xffc] {
                if preset == Preset::QcomX1eAdreno && page == 6 {
                    continue;
                }
                let at = Page(page, offset);
                bench.w(at, u32::MAX);
                bench.secure_w(at, u32::MAX);
                assert_eq!((bench.r(at), bench.secure_r(at)), (0, 0), "{name}, page {page}");
                let seen = bench
                    .host
                    .accesses
                    .last()
                    .map(|access| (access.name, access.index));
                let word = u16::try_from(offset / 4).expect("small");
                let number = u16::try_from(page).expect("small") * 1024 + word;
                match page {
                    4 | 5 => assert_eq!(seen, Some(("SSDRn", number - 4096))),
                    6 | 7 => {}
                    _ => assert_eq!(seen, Some(("COMPINDEXn", number - 8192))),
                }
                let at = bench.offset(at) + 1;
                bench.smmu.write(&mut bench.host, at, &[0xff]);
                let mut byte = [0xa5];
                bench.smmu.read(&mut bench.host, at, &mut byte);
                assert_eq!(byte, [0], "{name}, page {page}");
            }
        }
    }
}

/// Behaviour 14: the offsets scale with the size of a page.
#[test]
fn tegra_has_pages_of_64k_and_128_groups() {
    let mut bench = bench("tegra-mmu-500");
    for (at, offset) in [(Gr1(0), 0x1_0000), (Cb(0, 0), 64 << 16), (Cb(63, 0), 127 << 16)] {
        assert_eq!(bench.offset(at), offset);
    }
    // Behaviour 58: group 127 is the last one, and matches.
    bench.w(("SMRn", 127), smr::VALID | smr::ID(1));
    bench.w(("S2CRn", 127), s2cr::KIND(1));
    for beyond in [0xa00, 0xbfc, 0xe00, 0xfcc] {
        bench.w(Gr0(beyond), u32::MAX);
        assert_eq!(bench.r(Gr0(beyond)), 0, "{beyond:#x}");
    }
    bench.w("sCR0", scr0::USFCFG);
    for (stream_id, passes) in [(1, true), (2, false)] {
        let stream = Transaction {
            stream_id,
            ..Transaction::default()
        };
        assert_eq!(bench.smmu.translate(&bench.host, &stream).is_ok(), passes);
    }
    bench.w(("CBn_TCR", 63), 9);
    assert_eq!(
        (bench.r(("SMRn", 127)), bench.r(("CBn_TCR", 63))),
        (0x8000_0001, 9)
    );
}

/// Writes of `qcom_smmu_set_actlr_dev` and `qcom_adreno_smmu_set_prr_addr`.
#[test]
fn qualcomm_has_registers_of_its_own() {
    for (preset, kept) in [("qcom-x1e-adreno", 0x323), ("mmu-500", 0x003)] {
        let mut bench = bench(preset);
        // The lock of MMU-500 guards these bits too.
        bench.w(("CBn_ACTLR", 2), u32::MAX);
        assert_eq!(bench.r(("CBn_ACTLR", 2)), 3, "{preset}");
        bench.w("sACR", 0);
        bench.w(("CBn_ACTLR", 2), u32::MAX);
        assert_eq!(bench.r(("CBn_ACTLR", 2)), kept, "{preset}");
        let prr = if kept == 3 { 0 } else { 0x1234_5000 };
        bench.w(Page(6, 8), 0x1234_5000);
        assert_eq!(bench.r(Page(6, 8)), prr, "{preset}");
        // The rest of page 2 is empty: a TBU's halt and translation operations, and what `qcom_iommu` selects
        // interrupts by, are blocks of their own outside the SMMU. So is offset 0 of it, with MMU-500's one bit.
        for at in (0..0x1000).step_by(4).filter(|at| ![0x100, 0x204].contains(at)) {
            bench.w(Page(2, at), u32::MAX);
            assert_eq!(bench.r(Page(2, at)), u32::from(at == 0), "{preset}, {at:#x}");
        }
    }
}
