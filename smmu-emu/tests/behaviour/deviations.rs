// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Parts of the architecture that the model leaves out, as `docs/deviations.md` has it: bits that are kept and change
//! nothing, bits that are not there, faults that nothing raises.

use smmu_emu::testing::fields::{cba2r, cbar, scr0, sctlr, tcr_stage2, tcr2};
use smmu_emu::testing::{At, Bench, Cb, Gr0, Gr1, Page, Tables};
use smmu_emu::{Intent, Line, Preset, Response, Transaction};

const PAGE: u64 = 0x40_1000;
/// Stream and group 1 are translated by bank 1, stage 1; 2 by bank 2, stage 2; 3 bypasses.
const STREAMS: [u16; 3] = [1, 2, 3];

fn machine(config: &str) -> Bench {
    let mut bench = Bench::new(config);
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 39);
    tables.map(&bench.host.memory, PAGE, 0x5000, 3, Tables::USER_RW | 1 << 11);
    let mut stage2 = Tables::of_bits_at(&bench.host.memory, 12, 39, 0xa000_0000);
    stage2.map(&bench.host.memory, PAGE, 0x6000, 3, 1 << 10 | 3 << 6 | 0xf << 2);
    for bank in [1, 2] {
        bench.w(("CBA2Rn", bank), cba2r::VA64);
    }
    bench.w(("CBARn", 1), cbar::KIND(1) | cbar::VMID(7));
    bench.w(("CBn_TCR2", 1), tcr2::SEP(7) | tcr2::AS | tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 1), tables.tcr());
    bench.w64(("CBn_TTBR0", 1), tables.root() | 9 << 48);
    bench.w(("CBARn", 2), cbar::VMID(7));
    bench.w(
        ("CBn_TCR", 2),
        tcr_stage2::PASIZE(5) | tcr_stage2::SL0(1) | tcr_stage2::T0SZ(25),
    );
    bench.w64(("CBn_TTBR0", 2), stage2.root());
    for bank in [1, 2] {
        bench.w(("CBn_SCTLR", bank), sctlr::CFIE | sctlr::CFRE | sctlr::M);
    }
    for (group, s2cr) in [(1, 1), (2, 2), (3, 1 << 16)] {
        bench.w(("S2CRn", group), s2cr);
        bench.w(("SMRn", group), 1 << 31 | u32::try_from(group).expect("small"));
    }
    bench.w("sCR0", scr0::USFCFG);
    bench
}

/// Outcome of a read by each stream, and the number of reads of memory for it.
fn outcome(bench: &mut Bench) -> Vec<(Response, u32)> {
    STREAMS
        .into_iter()
        .map(|stream_id| {
            bench.host.memory.take_reads();
            let response = bench.transact(Transaction {
                stream_id,
                address: PAGE + 8,
                intent: Intent::default(),
            });
            (response, bench.host.memory.reads())
        })
        .collect()
}

/// The bits of each register are kept, alone and together, and every stream fares as without them.
fn change_nothing(config: &str, registers: &[(At, u32)]) {
    let before = outcome(&mut machine(config));
    assert!(
        before
            .iter()
            .all(|(response, _)| matches!(response, Response::Proceed(_))),
        "{before:?}"
    );
    let mut together = machine(config);
    for &(at, bits) in registers {
        for bench in [&mut machine(config), &mut together] {
            let old = bench.r(at);
            bench.w(at, old | bits);
            assert_eq!(bench.r(at), old | bits, "{at:?} keeps {bits:#x}");
            assert_eq!(outcome(bench), before, "{at:?} {bits:#x}");
        }
    }
}

const GENERIC: &str = "preset = \"smmuv2-generic\"";

#[test]
fn barriers_and_cache_maintenance() {
    let registers = [
        // FB and BSU of sCR0, of a group that bypasses, of CBAR, of stage 2's SCTLR.
        (Gr0(0), 7 << 13),
        (Gr0(0xc0c), 7 << 24),
        (Gr1(4), 3 << 18 | 1 << 11),
        (Cb(2, 0), 1 << 21 | 3 << 14),
        // UCI.
        (Cb(1, 0), 1 << 30),
    ];
    change_nothing(GENERIC, &registers);
}

#[test]
fn security_attributes_and_vmids_of_bypass() {
    let registers = [
        // NSCFG of S2CR and SCTLR, NSCFG0 and NSCFG1 of TCR2.
        (Gr0(0xc04), 3 << 18),
        (Gr0(0xc0c), 3 << 18),
        (Cb(1, 0), 3 << 28),
        (Cb(1, 0x10), 1 << 30 | 1 << 14),
        // BPVMID of sCR2 and the VMID of a group that bypasses.
        (Gr0(8), 0xff),
        (Gr0(0xc0c), 0xff),
    ];
    change_nothing(GENERIC, &registers);
}

#[test]
fn caches_and_prefetching_of_mmu_500() {
    let sacr = 0x0b01_071c;
    for (preset, actlr) in [("mmu-500", 3), ("qcom-x1e-adreno", 0x323)] {
        for tlb in ["off", "normal"] {
            let config = format!("preset = \"{preset}\"\nstage2 = true\ntlb = \"{tlb}\"");
            for (off, on) in [(0, 0), (sacr, actlr), (sacr, 0), (0, actlr)] {
                let mut bench = machine(&config);
                let before = outcome(&mut machine(&config));
                bench.w("sACR", off);
                bench.w(("CBn_ACTLR", 1), on);
                bench.w(("CBn_ACTLR", 2), on);
                assert_eq!(
                    (bench.r("sACR"), bench.r(("CBn_ACTLR", 1))),
                    (off, on),
                    "{config}"
                );
                assert_eq!(outcome(&mut bench), before, "{config} {off:#x} {on:#x}");
                let again = outcome(&mut bench);
                assert!(
                    tlb == "off" || again.iter().all(|&(_, reads)| reads == 0),
                    "CMTLB = 0 does not bypass the TLB"
                );
            }
        }
    }
}

/// BTM says that there is broadcast TLB maintenance, but nothing broadcasts; maintenance by register takes no notice of
/// what makes ASIDs and VMIDs private, or of PTM.
#[test]
fn broadcast_maintenance_never_comes() {
    for (scr0, sctlr) in [(0, 0), (3 << 11, 0), (0, 1 << 12), (3 << 11, 1 << 12)] {
        for (at, value) in [(Cb(1, 0x610), 9), (Gr0(0x64), 7), (Gr0(0x68), 0)] {
            let mut bench = machine("preset = \"smmuv2-generic\"\ntlb = \"strict-stale\"");
            assert_eq!(bench.r("IDR0") >> 13 & 1, 1, "BTM");
            bench.w("sCR0", 1 << 10 | scr0);
            bench.w(("CBn_SCTLR", 1), 0x61 | sctlr);
            assert_eq!(
                (bench.r("sCR0"), bench.r(("CBn_SCTLR", 1))),
                (1 << 10 | scr0, 0x61 | sctlr)
            );
            outcome(&mut bench);
            assert_eq!(outcome(&mut bench)[0].1, 0, "kept");
            bench.w(at, value);
            assert!(outcome(&mut bench)[0].1 > 0, "{at:?} {scr0:#x} {sctlr:#x}");
        }
    }
}

#[test]
fn fields_that_read_zero() {
    for preset in Preset::ALL {
        for secure in [false, true] {
            let config = format!("preset = \"{}\"\nsecure_state = {secure}", preset.name());
            let mut bench = Bench::new(&config);
            // HYPMODE and NSCFG; SSD_Index; MONC.
            for (at, bits) in [
                (Gr0(0), 7 << 28),
                (Gr0(0x54), 0xffff << 16),
                (Gr1(0x400), 0xffff << 16),
                (Gr1(0x800), 2),
            ] {
                bench.w(at, u32::MAX);
                assert_eq!(bench.r(at) & bits, 0, "{at:?} of {config}");
                bench.secure_w(at, u32::MAX);
                assert_eq!(bench.secure_r(at) & bits, 0, "{at:?} of {config}");
            }
        }
    }
}

/// Behaviour 20: one interrupt per bank in version 2, whatever is written to IRPTNDX.
#[test]
fn interrupts_are_not_assigned() {
    for preset in Preset::ALL.into_iter().filter(|preset| *preset != Preset::Mmu401) {
        let mut bench = Bench::new(&format!("preset = \"{}\"", preset.name()));
        let name = preset.name();
        assert_eq!(bench.r("IDR0") >> 16 & 0xff, 1, "NUMIRPT of {name}");
        let banks = bench.smmu.context_banks();
        assert_eq!(bench.smmu.lines().count(), usize::from(banks) + 1, "{name}");
        for bank in [0, banks - 1] {
            let at = Gr1(4 * u64::from(bank));
            let other = u32::from(bank ^ 1) << 24;
            bench.w(at, 1 << 16 | other);
            assert_eq!(bench.r(at) >> 24, 0, "IRPTNDX of {name}");
            bench.w(("CBn_SCTLR", bank.into()), 1 << 6);
            bench.host.line_calls.clear();
            bench.w(("CBn_FSRRESTORE", bank.into()), 2);
            let own = Line::Context(u8::try_from(bank).expect("banks have small numbers"));
            assert_eq!(bench.host.line_calls, [(own, true)], "{name}");
        }
    }
}

/// UUT, TLBLKF and TLBMCF of FSR, asynchronous faults of FSYNR0; UUT, EF, CAF and UCIF of sGFSR.
#[test]
fn faults_that_nothing_raises() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut seen = (0, 0);
    for round in 0..300 {
        let preset = Preset::ALL[round % Preset::ALL.len()];
        let mut bench = machine_of_garbage(preset, &mut random);
        for _ in 0..40 {
            let value = random();
            bench.transact(Transaction {
                stream_id: u16::try_from(value % 5).expect("small"),
                address: random() >> (24 + (value >> 8 & 15)),
                intent: Intent {
                    privileged: value >> 16 & 1 == 1,
                    write: value >> 17 & 1 == 1,
                    instruction: value >> 18 & 1 == 1,
                },
            });
            // What no register answers is no configuration access fault.
            bench.w(Page(0, 0x200), u32::MAX);
            bench.r(Gr1(0xf00));
            let sgfsr = bench.r("sGFSR");
            assert_eq!(sgfsr & (1 << 8 | 1 << 6 | 1 << 5 | 1 << 4), 0, "sGFSR");
            seen.0 |= sgfsr;
            for bank in 0..4 {
                let fsr = bench.r(("CBn_FSR", bank));
                assert_eq!(fsr & (1 << 8 | 1 << 6 | 1 << 5), 0, "FSR");
                assert_eq!(bench.r(("CBn_FSYNR0", bank)) >> 11 & 1, 0, "FSYNR0.AFR");
                seen.1 |= fsr;
                bench.w(("CBn_FSR", bank), u32::MAX);
            }
        }
    }
    assert_eq!(seen.0, 1 << 31 | 0xf, "every fault that there is was met");
    assert_eq!(seen.1 & 0x9e, 0x9e, "ASF, EF, PF, AFF and TF too: {:#x}", seen.1);
}

/// Four banks and groups with anything in them, over tables with anything in them.
fn machine_of_garbage(preset: Preset, random: &mut impl FnMut() -> u64) -> Bench {
    let mut bench = Bench::new(&format!("preset = \"{}\"", preset.name()));
    // Four tables that point at one another, and now and then elsewhere.
    for word in 0..0x800 {
        let value = random();
        let elsewhere = if value >> 32 & 3 == 0 {
            random() & 0xffff_ffff_f000
        } else {
            0
        };
        let descriptor = value & 0x7ff0_0000_0000_0ffc | 0x9000_0000 | value & 0x3000 | elsewhere | 3;
        bench.host.memory.set(0x9000_0000 + 8 * word, descriptor);
    }
    for bank in 0..4 {
        let value = random();
        let low = |shift: u32, mask: u64| u32::try_from(value >> shift & mask).expect("masked");
        bench.w(("CBARn", bank), low(0, 3) << 16 | low(2, 3) << 8);
        bench.w(("CBA2Rn", bank), low(4, 1));
        bench.w(("CBn_TCR2", bank), low(5, 7));
        bench.w(("CBn_MAIR0", bank), 0xff);
        bench.w(
            ("CBn_TCR", bank),
            low(8, 1) << 31 | low(9, 7) << 16 | low(12, 3) << 6 | (16 + low(14, 0xf)),
        );
        bench.w64(("CBn_TTBR0", bank), 0x9000_0000);
        bench.w64(("CBn_TTBR1", bank), 0x9000_1000);
        // On, HUPCF, no stalls.
        bench.w(("CBn_SCTLR", bank), sctlr::HUPCF | sctlr::M);
        bench.w(("S2CRn", bank), low(24, 7) | u32::from(low(27, 7) == 0) << 17);
        bench.w(("SMRn", bank), 1 << 31 | low(30, 3));
    }
    bench.w("sCR0", scr0::SMCFCFG | scr0::USFCFG);
    bench
}

/// Cavium's parts have CFCFG and HUPCF fixed (`fixed_hupcf`); no preset does.
#[test]
fn fault_handling_is_configurable_everywhere() {
    for preset in Preset::ALL {
        let mut bench = Bench::new(&format!("preset = \"{}\"", preset.name()));
        for bits in [3 << 7, 1 << 8, 1 << 7, 0] {
            bench.w(("CBn_SCTLR", 0), bits);
            assert_eq!(bench.r(("CBn_SCTLR", 0)), bits, "{}", preset.name());
        }
    }
}
