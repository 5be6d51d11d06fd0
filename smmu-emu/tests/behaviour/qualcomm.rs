// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Qualcomm's SMMUs: what their hypervisor and firmware leave, more groups, narrower buses.

use smmu_emu::Transaction;
use smmu_emu::fault::GlobalCause;
use smmu_emu::testing::fields::{s2cr, sctlr, smr, tcr2};
use smmu_emu::testing::{Bench, Gr0, Tables};

use crate::streams::Fate::{Bank, Bypass, Fault as Faults};
use crate::streams::{S2CR, SMR, USFCFG, bench, fate, group};

/// Firmware of sc8280xp leaves groups live beyond those that Linux uses, of any type.
#[test]
fn live_groups_stand_anywhere() {
    let mut bench = Bench::new(
        "preset = \"qcom-x1e-adreno\"\nstream_match_groups = 172\n\
         live_groups = [{ group = 171, stream_id = 0x2a02 }, { group = 3, stream_id = 4, kind = \"fault\" },\n\
         { stream_id = 5, kind = \"translate\", context_bank = 6 }]",
    );
    let groups = [2, 3, 171, 0, 170].map(|n| (bench.r(("SMRn", n)), bench.r(("S2CRn", n))));
    assert_eq!(
        groups,
        [
            (0x8000_0005, 0x0000_0006),
            (0x8000_0004, 0x0002_00ff),
            (0x8000_2a02, 0x0001_00ff),
            (0, 0),
            (0, 0)
        ]
    );
    bench.w("sCR0", USFCFG);
    // An older Linux gave the stream a group of its own.
    group(&mut bench, 0, 0x2a02, 0, 2);
    assert_eq!(
        fate(&bench, 0x2a02),
        Faults(GlobalCause::StreamMatchConflict, false)
    );
    assert_eq!(fate(&bench, 4), Faults(GlobalCause::InvalidContext, false));
}

/// `qcom_smmu_cfg_probe` uses all groups of sc8280xp: they go on where the architecture has none.
#[test]
fn qualcomm_has_up_to_244_groups() {
    for groups in [172, 244] {
        let mut bench = bench(
            &format!("preset = \"qcom-x1e-adreno\"\nstream_match_groups = {groups}"),
            USFCFG,
        );
        assert_eq!(bench.r("IDR0") & 0xff, groups, "NUMSMRG");
        let last = u64::from(groups) - 1;
        assert_eq!(
            [bench.offset(("SMRn", last)), bench.offset(("S2CRn", last))],
            [0x800 + 4 * last, 0xc00 + 4 * last]
        );
        bench.w(("SMRn", last), smr::VALID | smr::ID(9));
        bench.w(("S2CRn", last), 1 << 16);
        assert_eq!(fate(&bench, 9), Bypass);
        for beyond in [Gr0(SMR + 4 * (last + 1)), Gr0(S2CR + 4 * (last + 1))] {
            let before = bench.r(beyond);
            bench.w(beyond, u32::MAX);
            let there = groups == 244 && beyond == Gr0(0xfd0);
            assert_eq!((before, bench.r(beyond)), if there { (4, 4) } else { (0, 0) });
        }
    }
}

/// `qcom_smmu_cfg_probe` finds the hypervisor of sc8280xp by a bypass that reads back as a fault; Linux then writes a
/// bypass to block a stream, and has a bank with translation off for one that bypasses.
#[test]
fn a_hypervisor_filters_s2cr() {
    let mut bench = bench("preset = \"qcom-x1e-adreno\"\nfiltered_s2cr = true", USFCFG);
    bench.w(("S2CRn", 23), s2cr::KIND(1) | s2cr::CBNDX(0xff));
    assert_eq!(bench.r(("S2CRn", 23)), s2cr::KIND(2) | s2cr::CBNDX(0xff));
    group(&mut bench, 0, 5, 0, 3);
    assert_eq!(fate(&bench, 5), Bank(3));
    bench.w(("S2CRn", 0), s2cr::KIND(2));
    assert_eq!((bench.r(("S2CRn", 0)), fate(&bench, 5)), (3, Bank(3)), "ignored");
    bench.w(("S2CRn", 0), s2cr::KIND(1));
    assert_eq!(fate(&bench, 5), Faults(GlobalCause::InvalidContext, false));
    let mut secure = Bench::new("preset = \"qcom-x1e-adreno\"\nfiltered_s2cr = true\nsecure_state = true");
    for kind in [1, 2, 0] {
        secure.secure_w(("S2CRn", 0), s2cr::KIND(kind));
        assert_eq!(secure.r(("S2CRn", 0)), s2cr::KIND(kind), "Secure software");
    }
}

/// U-Boot takes a bank of type 1 with VMID 0xff for a free one, as Gunyah leaves them.
#[test]
fn banks_are_as_a_hypervisor_leaves_them() {
    for (config, cbar) in [
        ("preset = \"qcom-x1e-adreno\"", 0x0001_0000),
        ("preset = \"qcom-x1e-adreno\"\ncbar_reset = 0x100ff", 0x0001_00ff),
        ("cbar_reset = 0", 0),
        ("", 0x0002_0000),
    ] {
        let mut bench = Bench::new(config);
        for _ in 0..2 {
            assert_eq!(
                [0, 15].map(|bank| bench.r(("CBARn", bank))),
                [cbar; 2],
                "{config}"
            );
            bench.w(("CBARn", 15), 0x0001_0055);
            bench.smmu.reset(&mut bench.host);
        }
    }
}

/// The bus of the apps SMMUs has 36 bits, that of MSM8998's multimedia 32: TCR2.SEP = 7, as Linux writes it, extends
/// with zeros below 49 bits, and only SEP below the bus makes a sign.
#[test]
fn narrow_buses() {
    const PAGE: u64 = 0x8_0000_1000;
    for (bits, sep, expected) in [
        (49, 7, Some(0x5000)),
        (36, 7, Some(0x5000)),
        // Bit 35 is the sign: no table for the upper half.
        (36, 1, None),
        (36, 2, Some(0x5000)),
        // The bus does not carry bit 35.
        (32, 7, Some(0x6000)),
    ] {
        let mut bench = Bench::new(&format!("preset = \"smmuv2-generic\"\nbus_bits = {bits}"));
        let encoding = match bits {
            32 => 0,
            36 => 1,
            _ => 5,
        };
        assert_eq!(bench.r("IDR2") >> 8 & 0xf, encoding, "UBS of {bits}");
        let mut tables = Tables::of_bits(&bench.host.memory, 12, 39);
        tables.map(&bench.host.memory, PAGE, 0x5000, 3, Tables::USER_RW);
        tables.map(&bench.host.memory, PAGE & 0xffff_ffff, 0x6000, 3, Tables::USER_RW);
        bench.stage1(1, &tables, 0, sctlr::M);
        bench.w(("CBn_TCR2", 1), tcr2::SEP(sep) | tcr2::PASIZE(5));
        bench.route(1, 1);
        bench.w("sCR0", USFCFG);
        let access = |address| Transaction {
            stream_id: 1,
            address,
            ..Transaction::default()
        };
        let found = bench.smmu.translate(&bench.host, &access(PAGE));
        assert_eq!(
            found.map(|translation| translation.address).ok(),
            expected,
            "{bits} bits, SEP {sep}"
        );
        // What bypasses ends with the bus, too.
        bench.w(("S2CRn", 0), s2cr::KIND(1));
        let to = bench
            .smmu
            .translate(&bench.host, &access(u64::MAX - 0xfff))
            .expect("bypasses");
        let last = (1_u64 << bits.min(48)) - 0x1000;
        assert_eq!((to.address, to.length), (last, 0x1000), "{bits} bits");
    }
}
