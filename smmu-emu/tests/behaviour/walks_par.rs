// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! PAR and GPAR of every format. AArch64 alone is in `ats.rs`.

use smmu_emu::testing::fields::{cba2r, cbar, sctlr, tcr_stage2, tcr2, tcr64};
use smmu_emu::testing::{Bench, Cb, Gr0, Tables};

const PR: u64 = 0x800;
const UW: u64 = 0x818;
const GATS1PR: u64 = 0x110;
const GATS12PR: u64 = 0x130;

/// Bank 1: AArch32 stage 1 over a table at 0x9000_0000.
fn aarch32(tcr: u32) -> Bench {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    bench.w(("CBARn", 1), cbar::KIND(1) | cbar::MEMATTR(15) | cbar::BPSHCFG(3));
    bench.w(("CBA2Rn", 1), 0);
    bench.w(("CBn_TCR", 1), tcr);
    bench.w64(("CBn_TTBR0", 1), 0x9000_0000);
    bench.w(("CBn_MAIR0", 1), 0x0000_04bb);
    bench.w(("CBn_SCTLR", 1), sctlr::M);
    bench.host.memory.add(0x9000_0000, 0x1_0000);
    bench
}

fn ask(bench: &mut Bench, operation: u64, address: u32) -> u64 {
    bench.w(Cb(1, operation), address);
    assert_eq!(bench.r(("CBn_ATSR", 1)), 0);
    bench.r64(("CBn_PAR", 1))
}

/// Behaviours 55 and 34.
#[test]
fn long_descriptors_of_aarch32() {
    let mut bench = aarch32(1 << 31);
    bench.host.memory.set(0x9000_0008, 0x9000_1003);
    bench.host.memory.set(0x9000_1000, 0x9000_2003);
    // A page, outer shareable, AttrIndx 0; one that is inner shareable Device memory.
    bench
        .host
        .memory
        .set(0x9000_2008, 0xfe_dcba_9000 | 1 << 10 | 2 << 8 | 3);
    bench
        .host
        .memory
        .set(0x9000_2010, 0x1000 | 1 << 10 | 3 << 8 | 1 << 2 | 3);
    assert_eq!(ask(&mut bench, PR, 0x4000_1abc), 0xbb00_00fe_dcba_9900);
    assert_eq!(ask(&mut bench, PR, 0x4000_2000), 0x0400_0000_0000_1900);
    assert_eq!(ask(&mut bench, UW, 0x4000_1000), 3 << 32 | 1 << 8 | 8 | 1);
    assert_eq!(ask(&mut bench, PR, 0x4000_3000), 3 << 32 | 1 << 8 | 2 | 1);
    assert_eq!(ask(&mut bench, PR, 0x4020_0000), 2 << 32 | 1 << 8 | 2 | 1);
    assert_eq!(ask(&mut bench, PR, 0), 1 << 32 | 1 << 8 | 2 | 1);
    assert_eq!(bench.r(("CBn_FSR", 1)), 0x200, "nothing is recorded");
}

/// Behaviour 55: the layout of short descriptors.
#[test]
fn short_descriptors() {
    let mut bench = aarch32(0);
    // Index, descriptor: sections with TEX, C, B and S, everyone writes; a supersection; a section for the privileged.
    for (index, descriptor) in [
        (0_u64, 0xabc0_0c02_u32),
        (1, 0xabc0_0c06),
        (2, 0xabc0_1c02),
        (3, 0xabc1_1c0e),
        (4, 0xabc0_0c0a),
        (5, 0xabc0_0c0e),
        (6, 0xabc0_5c0a),
        (7, 0xabc0_0402),
        (16, 0xcd95_0d02),
    ] {
        let at = 0x9000_0000 + 4 * index;
        let pair = u64::from(descriptor) << (32 * (index & 1));
        let other = bench.host.memory.get(at & !7) & !(0xffff_ffff << (32 * (index & 1)));
        bench.host.memory.set(at & !7, other | pair);
    }
    for (address, par, what) in [
        (
            0x0001_2345,
            0xabc1_2090,
            "strongly ordered, outer shareable as all Device memory",
        ),
        (0x0010_0000, 0xabc0_00b0, "Device"),
        (0x0020_0000, 0xabc0_0080, "Non-cacheable"),
        (
            0x0030_0000,
            0xabc0_04d4,
            "write-back, write-allocate, inner shareable",
        ),
        (0x0040_0000, 0xabc0_0068, "write-through"),
        (0x0050_0000, 0xabc0_007c, "write-back"),
        (
            0x0060_0000,
            0xabc0_0064,
            "outer write-back and write-allocate, inner write-through",
        ),
        // Address bits 31 to 24, then 39 to 32.
        (0x010a_bcde, 0xcd89_0092, "a supersection"),
        (0x0200_0000, 1 << 32 | 2 | 1, "a hole: no FORMAT"),
    ] {
        assert_eq!(ask(&mut bench, PR, address), par, "{what}");
    }
    assert_eq!(ask(&mut bench, UW, 0x0070_0000), 1 << 32 | 8 | 1);
}

/// Behaviour 55: stage 1 in bank 1, stage 2 in bank 2.
#[test]
fn nested() {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    let mut stage2 = Tables::of_bits_at(&bench.host.memory, 12, 39, 0xa000_0000);
    let mut stage1 = Tables::of_bits(&bench.host.memory, 12, 39);
    stage1.map(&bench.host.memory, 0x1000, 0x12_3456_7000, 3, Tables::USER_RW);
    let hap = 3 << 6 | 1 << 10 | 0xf << 2;
    stage2.map(&bench.host.memory, 0x8000_0000, 0x8000_0000, 1, hap);
    bench.w(("CBARn", 1), cbar::KIND(3) | cbar::CBNDX(2));
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    bench.w(("CBn_TCR2", 1), tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 1), tcr64::EPD1 | tcr64::T0SZ(25));
    bench.w64(("CBn_TTBR0", 1), stage1.root());
    bench.w(("CBn_MAIR0", 1), 0xff);
    bench.w(("CBn_SCTLR", 1), sctlr::M);
    bench.w(("CBARn", 2), 0);
    bench.w(("CBA2Rn", 2), cba2r::VA64);
    bench.w(
        ("CBn_TCR", 2),
        tcr_stage2::PASIZE(5) | tcr_stage2::SL0(1) | tcr_stage2::T0SZ(25),
    );
    bench.w64(("CBn_TTBR0", 2), 0xa000_0000);
    bench.w(("CBn_SCTLR", 2), sctlr::M);
    let global = |bench: &mut Bench, operation| {
        bench.w64(Gr0(operation), 0x1001);
        bench.r64("GPAR")
    };
    // One stage: an intermediate address. Both: a fault of stage 2, until it maps that.
    assert_eq!(ask(&mut bench, PR, 0x1000), 0xff00_0012_3456_7800);
    assert_eq!(global(&mut bench, GATS1PR), 0xff00_0012_3456_7800);
    assert_eq!(
        global(&mut bench, GATS12PR),
        1 << 35 | 1 << 32 | 2 << 8 | 2 | 1,
        "STAGE"
    );
    stage2.map(&bench.host.memory, 0x12_3456_7000, 0xabc_def0_1000, 3, hap);
    assert_eq!(global(&mut bench, GATS12PR), 0xff00_0abc_def0_1800);
    // The walk of stage 1 alone goes through stage 2 too: there the bank's operation is terminated.
    bench.w64(("CBn_TTBR0", 1), 0x4000_0000);
    let fault = 1 << 35 | 1 << 32 | 2 << 8 | 2 | 1;
    assert_eq!(global(&mut bench, GATS1PR), fault);
    assert_eq!(ask(&mut bench, PR, 0x1000), fault | 1 << 31, "ATOT");
}

/// A stage 2 bank has no operations of its own.
#[test]
fn stage2_banks_have_none() {
    let mut bench = aarch32(0);
    bench.w(("CBARn", 1), 0);
    bench.w64(("CBn_PAR", 1), 0xabc);
    assert_eq!(ask(&mut bench, PR, 0x1000), 0xabc);
}
