// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! MMU-401, an SMMUv1: interrupts that software assigns, size of the registers, conflicts, fault records.

use smmu_emu::testing::fields::{cbar, s2cr, scr0, sctlr, smr};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{Intent, Line, Response, Transaction};

const STAGE2_TABLES: u64 = 0xa000_0000;
/// In the second megabyte of a level 2 table that is there.
const UNMAPPED: u64 = 0x8020_0000;

/// Streams 0 to 3 are translated by banks 0 to 3, whose stage 2 maps one page.
fn machine(config: &str) -> Bench {
    let mut bench = Bench::new(&format!("preset = \"mmu-401\"\n{config}"));
    let mut tables = Tables::of_bits_at(&bench.host.memory, 12, 39, STAGE2_TABLES);
    tables.map(
        &bench.host.memory,
        0x8000_0000,
        0x5000,
        3,
        1 << 10 | 3 << 6 | 0xf << 2,
    );
    for bank in 0..4 {
        let number = u32::try_from(bank).expect("small");
        bench.w(("CBn_TCR", bank), 1 << 6 | 25);
        bench.w64(("CBn_TTBR0", bank), STAGE2_TABLES);
        bench.w(("CBn_SCTLR", bank), sctlr::CFIE | sctlr::CFRE | sctlr::M);
        bench.w(("S2CRn", bank), s2cr::CBNDX(number));
        bench.w(("SMRn", bank), smr::VALID | smr::ID(number));
    }
    bench.w("sCR0", scr0::USFCFG);
    bench
}

/// A read of what is not mapped.
fn fault(bench: &mut Bench, stream_id: u16) {
    let response = bench.transact(Transaction {
        stream_id,
        address: UNMAPPED,
        intent: Intent::default(),
    });
    assert_eq!(response, Response::Abort);
}

/// Levels of lines that the host was told since the last call.
fn told(bench: &mut Bench) -> Vec<(Line, bool)> {
    std::mem::take(&mut bench.host.line_calls)
}

/// Juno's display: fsr 0x2, fsynr 0x182. Version 1 has no FORMAT; NSATTR and NSSTATE say that the stream is Non-secure.
#[test]
fn a_fault_is_recorded_as_on_juno() {
    let mut bench = machine("");
    fault(&mut bench, 0);
    assert_eq!(bench.r(("CBn_FSR", 0)), 0x2);
    assert_eq!(bench.r(("CBn_FSYNR0", 0)), 0x182);
    bench.w(("CBn_FSYNR0", 0), u32::MAX);
    assert_eq!(bench.r(("CBn_FSYNR0", 0)), 0x00ff_0dff, "NSSTATE can be restored");
    let mut version_2 = Bench::new("preset = \"mmu-500\"");
    version_2.w(("CBn_FSYNR0", 0), u32::MAX);
    assert_eq!(version_2.r(("CBn_FSYNR0", 0)), 0x00ff_0d7f);
}

/// Xen on Juno: GFSR 0x4, GFSYNR0 0x6 for a privileged write; it leaves SMCFCFG alone.
#[test]
fn a_stream_match_conflict_faults() {
    let mut bench = machine("");
    bench.w(("SMRn", 9), smr::VALID | smr::ID(0));
    bench.transact(Transaction {
        stream_id: 0,
        address: 0x8000_0000,
        intent: Intent {
            privileged: true,
            write: true,
            instruction: false,
        },
    });
    assert_eq!((bench.r("sGFSR"), bench.r("sGFSYNR0")), (0x4, 0x6));
    for (config, reads) in [
        ("preset = \"mmu-401\"", [1, 1]),
        ("preset = \"mmu-401\"\nconflict_faults = false", [0, 1]),
        ("preset = \"mmu-500\"", [1, 1]),
        ("preset = \"smmuv2-generic\"", [0, 1]),
        ("preset = \"smmuv2-generic\"\nconflict_faults = true", [1, 1]),
    ] {
        let mut bench = Bench::new(config);
        let found = [0, scr0::SMCFCFG].map(|value| {
            bench.w("sCR0", value);
            bench.r("sCR0") >> 21 & 1
        });
        assert_eq!(found, reads, "{config}");
    }
}

/// `arm_smmu_init_domain_context`: the first domain has bank 0, IRPTNDX 1, and requests the second context interrupt.
#[test]
fn a_bank_has_the_interrupt_that_software_assigned() {
    let mut bench = machine("context_interrupts = 4");
    assert_eq!(bench.r("IDR0") >> 16 & 0xff, 4, "NUMIRPT");
    let lines: Vec<Line> = bench.smmu.lines().collect();
    assert_eq!((lines.len(), lines[4]), (5, Line::Context(3)));
    bench.w(("CBARn", 0), cbar::IRPTNDX(1));
    bench.w(("CBARn", 1), cbar::IRPTNDX(2));
    assert_eq!(bench.r(("CBARn", 0)), cbar::IRPTNDX(1));
    assert_eq!(told(&mut bench), []);
    fault(&mut bench, 0);
    assert_eq!(told(&mut bench), [(Line::Context(1), true)]);
    // Assigned anew while it asks.
    bench.w(("CBARn", 0), cbar::IRPTNDX(2));
    assert_eq!(
        told(&mut bench),
        [(Line::Context(1), false), (Line::Context(2), true)]
    );
    // Two banks on one line: it is high until neither asks.
    fault(&mut bench, 1);
    assert_eq!(told(&mut bench), []);
    bench.w(("CBn_FSR", 0), 2);
    assert_eq!(told(&mut bench), [(Line::Context(2), true)], "bank 1 asks on");
    bench.w(("CBn_SCTLR", 1), sctlr::CFRE | sctlr::M);
    assert_eq!(told(&mut bench), [(Line::Context(2), false)]);
    // An interrupt that is not there.
    bench.w(("CBARn", 2), cbar::IRPTNDX(4));
    fault(&mut bench, 2);
    assert_eq!(told(&mut bench), []);
    bench.w(("CBARn", 2), cbar::IRPTNDX(3));
    assert_eq!(told(&mut bench), [(Line::Context(3), true)]);
    bench.smmu.reset(&mut bench.host);
    assert_eq!(told(&mut bench), [(Line::Context(3), false)]);
}

/// Juno has one interrupt for all banks.
#[test]
fn all_banks_share_one_interrupt() {
    let mut bench = machine("");
    assert_eq!(bench.r("IDR0") >> 16 & 0xff, 1, "NUMIRPT");
    for stream in [0, 3] {
        fault(&mut bench, stream);
    }
    assert_eq!(told(&mut bench), [(Line::Context(0), true)]);
    bench.w(("CBn_FSR", 3), 2);
    bench.w(("CBn_FSR", 0), 2);
    assert_eq!(
        told(&mut bench),
        [(Line::Context(0), true), (Line::Context(0), false)]
    );
}

/// Each of Juno's nodes has 64 KiB of registers: bank 0 is at half of that.
#[test]
fn registers_have_64_kib() {
    let bench = machine("");
    assert_eq!(bench.smmu.geometry().register_space(), 0x1_0000);
    assert_eq!(bench.offset(("CBn_SCTLR", 0)), 0x8000);
    for (config, space) in [
        ("preset = \"mmu-401\"\ncontext_banks = 9", 0x2_0000),
        ("preset = \"mmu-401\"\nregister_pages = 32", 0x4_0000),
        ("register_pages = 256\npage_size = \"64k\"", 0x200_0000),
    ] {
        assert_eq!(
            Bench::new(config).smmu.geometry().register_space(),
            space,
            "{config}"
        );
    }
}
