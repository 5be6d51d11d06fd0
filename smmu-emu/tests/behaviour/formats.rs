// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Table formats that an implementation does not have, and what the TLB holds of another format.

use smmu_emu::testing::fields::{cba2r, cbar, sctlr, tcr_stage2, tcr2};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{Response, Transaction};

const VA64: u32 = 1;
const EAE: u32 = 1 << 31;

/// Stream n goes to bank n, which has stage 1 with VMID 1 and ASID 7.
fn bench(config: &str) -> (Bench, Tables) {
    let mut bench = Bench::new(config);
    let tables = Tables::of_bits(&bench.host.memory, 12, 39);
    for bank in [0, 1] {
        let stream = u32::try_from(bank).expect("small");
        bench.w(("S2CRn", bank), stream);
        bench.w(("SMRn", bank), 1 << 31 | stream);
        bench.w(("CBARn", bank), cbar::KIND(1) | cbar::VMID(1));
        bench.w(("CBA2Rn", bank), cba2r::VA64);
        bench.w(("CBn_TCR2", bank), tcr2::SEP(7) | tcr2::PASIZE(5));
        bench.w(("CBn_TCR", bank), tables.tcr());
        bench.w64(("CBn_TTBR0", bank), tables.root() | 7 << 48);
        bench.w(("CBn_SCTLR", bank), sctlr::CFRE | sctlr::M);
    }
    bench.w("sCR0", 0);
    (bench, tables)
}

fn read(bench: &mut Bench, stream_id: u16, address: u64) -> Option<u64> {
    match bench.transact(Transaction {
        stream_id,
        address,
        ..Transaction::default()
    }) {
        Response::Proceed(translation) => Some(translation.address),
        Response::Abort => None,
        other => panic!("{other:?}"),
    }
}

/// Behaviour 53: AArch32 has 32 bits of input, whatever the TLB holds for the same VMID and ASID.
#[test]
fn an_entry_of_aarch64_does_not_widen_aarch32() {
    for eae in [EAE, 0] {
        let (mut bench, mut tables) = bench("preset = \"smmuv2-generic\"\ntlb = \"strict-stale\"");
        tables.map(
            &bench.host.memory,
            0x1_0000_1000,
            0x5000,
            3,
            Tables::USER_RW | 1 << 11,
        );
        assert_eq!(read(&mut bench, 0, 0x1_0000_1000), Some(0x5000));
        assert_eq!(read(&mut bench, 1, 0x1_0000_1000), Some(0x5000));
        bench.w(("CBA2Rn", 1), 0);
        bench.w(("CBn_TCR", 1), eae);
        bench.w(("CBn_CONTEXTIDR", 1), 7);
        assert_eq!(read(&mut bench, 1, 0x1_0000_1000), None);
        assert_eq!(
            (bench.r(("CBn_FSR", 1)) & 2, bench.r(("CBn_FSYNR0", 1)) & 3),
            (2, 1),
            "TF at level 1"
        );
        assert_eq!(
            read(&mut bench, 0, 0x1_0000_1000),
            Some(0x5000),
            "it is still there"
        );
    }
}

/// An entry of AArch64 leaves stage 2 of AArch32 at 40 bits of input.
#[test]
fn an_entry_of_aarch64_does_not_widen_stage_2_of_aarch32() {
    let (mut bench, mut tables) = bench("preset = \"smmuv2-generic\"\ntlb = \"strict-stale\"");
    tables = Tables::of_bits_at(&bench.host.memory, 12, 44, tables.root() + (1 << 30));
    let ipa = 1 << 40 | 0x1000;
    tables.map(&bench.host.memory, ipa, 0x5000, 3, 3 << 6 | 1 << 10 | 0xf << 2);
    bench.w(("CBARn", 0), cbar::VMID(1));
    bench.w(
        ("CBn_TCR", 0),
        tcr_stage2::PASIZE(5) | tcr_stage2::SL0(2) | tcr_stage2::T0SZ(20),
    );
    bench.w64(("CBn_TTBR0", 0), tables.root());
    assert_eq!(read(&mut bench, 0, ipa), Some(0x5000));
    bench.w(("CBA2Rn", 0), 0);
    bench.w(("CBn_TCR", 0), 1 << 6);
    assert_eq!(read(&mut bench, 0, ipa), None);
    assert_eq!(
        (bench.r(("CBn_FSR", 0)) & 2, bench.r(("CBn_FSYNR0", 0)) & 3),
        (2, 1),
        "TF at level 1"
    );
}

/// IDR0.PTFS = 1: TCR.EAE counts as 1. Behaviour 18.
#[test]
fn without_short_descriptors_aarch32_is_long() {
    let (mut bench, _) = bench("aarch32_short = false");
    bench.w(("CBA2Rn", 0), 0);
    bench.w(("CBn_TCR", 0), 0);
    assert_eq!(read(&mut bench, 0, 0x1000), None);
    assert_eq!(bench.r(("CBn_FSR", 0)) >> 9 & 3, 1, "FSR.FORMAT");
}

/// IDR0.PTFS and IDR2.PTFSv8: where there is one format, CBA2R.VA64 cannot be changed. Behaviour 18.
#[test]
fn va64_is_fixed_where_there_is_one_format() {
    for (config, fixed) in [
        ("", None),
        ("aarch32_short = false\naarch32_long = false", Some(1)),
        (
            "granule_4k = false\ngranule_16k = false\ngranule_64k = false",
            Some(0),
        ),
    ] {
        let mut bench = Bench::new(&format!("preset = \"smmuv2-generic\"\n{config}"));
        for written in [0, VA64] {
            bench.w(("CBA2Rn", 0), written);
            assert_eq!(
                bench.r(("CBA2Rn", 0)) & VA64,
                fixed.unwrap_or(written),
                "{config}"
            );
        }
    }
}

/// IDR2.IAS limits what stage 1 of a nested translation puts out, IDR2.OAS what stage 2 does.
#[test]
fn intermediate_addresses_have_a_size_of_their_own() {
    const STAGE2: u64 = 0xa000_0000;
    for (ias, reached) in [(40, false), (48, true)] {
        let (mut bench, mut tables) = bench(&format!(
            "preset = \"smmuv2-generic\"\naddress_bits = 48\ninput_bits = {ias}"
        ));
        let hap = 3 << 6 | 1 << 10 | 0xf << 2;
        let mut stage2 = Tables::of_bits_at(&bench.host.memory, 12, 48, STAGE2);
        tables.map(&bench.host.memory, 0x1000, 1 << 40, 3, Tables::USER_RW);
        stage2.map(&bench.host.memory, 1 << 40, 0x5000, 3, hap);
        stage2.map(&bench.host.memory, 0x8000_0000, 0x8000_0000, 1, hap);
        bench.w(("CBARn", 0), cbar::KIND(3) | cbar::CBNDX(2) | cbar::VMID(1));
        bench.w(("CBARn", 2), cbar::VMID(1));
        bench.w(("CBA2Rn", 2), cba2r::VA64);
        bench.w(
            ("CBn_TCR", 2),
            tcr_stage2::PASIZE(5) | tcr_stage2::SL0(2) | tcr_stage2::T0SZ(16),
        );
        bench.w64(("CBn_TTBR0", 2), STAGE2);
        bench.w(("CBn_SCTLR", 2), sctlr::CFRE | sctlr::M);
        assert_eq!(read(&mut bench, 0, 0x1000), reached.then_some(0x5000), "{ias}");
        if !reached {
            assert_eq!(bench.r(("CBn_FSR", 0)) & 0xff, 1 << 7, "ASF in the stage 1 bank");
        }
    }
}
