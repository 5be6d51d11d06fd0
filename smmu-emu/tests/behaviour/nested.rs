// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Nested translation from registers and real tables to what the client sees and software reads.

use smmu_emu::testing::fields::{cba2r, cbar, sctlr, smr, tcr_stage2, tcr2, tcr64};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{Intent, Line, Response, Stall, Transaction};

const CFRE: u32 = 1 << 5;
const CFIE: u32 = 1 << 6;
const CFCFG: u32 = 1 << 7;
/// AF, HAP = read and write, Normal write-back.
const HAP: u64 = 3 << 6 | 1 << 10 | 0xf << 2;
const STAGE2_TABLES: u64 = 0xa000_0000;
const IPA: u64 = 0x12_3456_7000;

struct World {
    bench: Bench,
    stage1: Tables,
    stage2: Tables,
}

/// Stream 1 goes to bank 1, nested in bank 2; stream 2 to bank 2. Virtual page 0x1000 is `IPA`, which stage 2 does not
/// map; stage 1's tables it maps onto themselves.
fn world(config: &str, first: u32, second: u32) -> World {
    let mut bench = Bench::new(&format!("preset = \"smmuv2-generic\"\n{config}"));
    let mut stage2 = Tables::of_bits_at(&bench.host.memory, 12, 39, STAGE2_TABLES);
    let mut stage1 = Tables::of_bits(&bench.host.memory, 12, 39);
    stage1.map(&bench.host.memory, 0x1000, IPA, 3, Tables::USER_RW);
    stage2.map(&bench.host.memory, 0x8000_0000, 0x8000_0000, 1, HAP);
    bench.w(("CBARn", 1), cbar::KIND(3) | cbar::CBNDX(2) | cbar::VMID(7));
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    bench.w(("CBn_TCR2", 1), tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 1), tcr64::EPD1 | tcr64::T0SZ(25));
    bench.w64(("CBn_TTBR0", 1), stage1.root());
    bench.w(("CBn_MAIR0", 1), 0xff);
    bench.w(("CBn_SCTLR", 1), 1 | CFIE | first);
    bench.w(("CBARn", 2), cbar::VMID(7));
    bench.w(("CBA2Rn", 2), cba2r::VA64);
    bench.w(
        ("CBn_TCR", 2),
        tcr_stage2::PASIZE(5) | tcr_stage2::SL0(1) | tcr_stage2::T0SZ(25),
    );
    bench.w64(("CBn_TTBR0", 2), STAGE2_TABLES);
    bench.w(("CBn_SCTLR", 2), 1 | CFIE | second);
    for n in [1, 2] {
        bench.w(("S2CRn", n), u32::try_from(n).expect("small"));
        bench.w(("SMRn", n), 1 << 31 | u32::try_from(n).expect("small"));
    }
    bench.w("sCR0", 0);
    bench.host.resumed.clear();
    World {
        bench,
        stage1,
        stage2,
    }
}

impl World {
    fn map_ipa(&mut self, pa: u64) {
        self.stage2.map(&self.bench.host.memory, IPA, pa, 3, HAP);
    }

    fn access(&mut self, stream_id: u16, address: u64) -> Response {
        self.bench.transact(Transaction {
            stream_id,
            address,
            intent: Intent::default(),
        })
    }

    fn address(&mut self, address: u64) -> u64 {
        proceeds(self.access(1, address))
    }
}

fn proceeds(response: Response) -> u64 {
    match response {
        Response::Proceed(translation) => translation.address,
        other => panic!("{other:?} is no translation"),
    }
}

fn stalled(response: Response) -> Stall {
    match response {
        Response::Stall(stall) => stall,
        other => panic!("{other:?} does not wait"),
    }
}

/// Behaviour 37: each stage's fault is in its own bank, whose CFRE decides.
#[test]
fn stage_1_fault_is_of_the_stage_1_bank() {
    for (first, second, response) in [(CFRE, 0, Response::Abort), (0, CFRE, Response::Ignore)] {
        let mut world = world("", first, second);
        assert_eq!(world.access(1, 0x2000), response);
        let bench = &mut world.bench;
        assert_eq!((bench.r(("CBn_FSR", 1)), bench.r(("CBn_FSR", 2))), (0x402, 0x400));
        assert_eq!(bench.r64(("CBn_FAR", 1)), 0x2000);
        assert_eq!(bench.r(("CBn_FSYNR0", 1)) & 0xffff, 3, "PLVL");
        assert!(bench.host.line(Line::Context(1)) && !bench.host.line(Line::Context(2)));
    }
}

/// Behaviours 36 and 37.
#[test]
fn stage_2_fault_is_of_the_stage_2_bank() {
    for (first, second, response) in [(0, CFRE, Response::Abort), (CFRE, 0, Response::Ignore)] {
        let mut world = world("", first, second);
        assert_eq!(world.access(1, 0x1abc), response);
        let bench = &mut world.bench;
        assert_eq!((bench.r(("CBn_FSR", 1)), bench.r(("CBn_FSR", 2))), (0x400, 0x402));
        assert_eq!(bench.r64(("CBn_FAR", 2)), 0x1abc, "FAR is the virtual address");
        assert_eq!(bench.r64(("CBn_IPAFAR", 2)), IPA, "IPAFAR");
        assert_eq!(
            bench.r(("CBn_FSYNR0", 2)),
            1 << 16 | 1 << 2 | 1,
            "S1CBNDX, NESTED, PLVL: the table of 1 GiB is missing"
        );
        assert_eq!(bench.r(("CBFRSYNRAn", 2)), 1, "CBFRSYNRA");
        assert!(!bench.host.line(Line::Context(1)) && bench.host.line(Line::Context(2)));
    }
}

/// Behaviour 35: stage 2 does not map stage 1's table.
#[test]
fn stage_2_fault_in_the_walk_of_stage_1() {
    let mut world = world("", 0, CFRE);
    world.bench.w64(("CBn_TTBR0", 1), 0x4000_0000);
    assert_eq!(world.access(1, 0x1000), Response::Abort);
    assert_eq!(world.bench.r(("CBn_FSR", 2)), 0x402);
    assert_eq!(
        world.bench.r(("CBn_FSYNR0", 2)),
        1 << 16 | 1 << 3 | 1 << 2 | 1,
        "S1PTWF, not PTWF"
    );
    assert_eq!(world.bench.r64(("CBn_IPAFAR", 2)), 0x4000_0000);
}

/// Behaviour 36: FAR of a stage 2 bank on its own is the intermediate address.
#[test]
fn fault_of_stage_2_alone() {
    let mut world = world("", 0, CFRE);
    assert_eq!(proceeds(world.access(2, 0x8000_1234)), 0x8000_1234);
    assert_eq!(world.access(2, IPA | 0x123), Response::Abort);
    assert_eq!(world.bench.r64(("CBn_FAR", 2)), IPA | 0x123);
    assert_eq!(
        world.bench.r(("CBn_FSYNR0", 2)) & 0x40f,
        1,
        "neither NESTED nor S1PTWF"
    );
    assert_eq!(world.bench.r(("CBn_FSR", 2)), 0x402);
}

/// Behaviours 26 and 28: the stage 2 bank's RESUME lets the transaction walk both stages again.
#[test]
fn stall_of_stage_2() {
    let mut world = world("", CFRE, CFRE | CFCFG);
    let stall = stalled(world.access(1, 0x1abc));
    assert_eq!(stall.bank(), 2);
    assert_eq!(world.bench.r(("CBn_FSR", 2)), 1 << 30 | 0x402);
    world
        .stage1
        .map(&world.bench.host.memory, 0x1000, IPA + 0x1000, 3, Tables::USER_RW);
    world
        .stage2
        .map(&world.bench.host.memory, IPA + 0x1000, 0x7000, 3, HAP);
    world.bench.w(("CBn_FSR", 2), 0x402);
    world.bench.w(("CBn_RESUME", 2), 0);
    assert_eq!(world.bench.host.resumed, [2]);
    let response = world.bench.smmu.resume(&mut world.bench.host, stall);
    assert_eq!(proceeds(response), 0x7abc);
}

/// Behaviour 56: an operation waits for the stage 2 bank that its walk stalls in.
#[test]
fn operation_behind_a_stall_of_stage_2() {
    let mut world = world("", CFRE, CFRE | CFCFG);
    world.bench.w64(("CBn_TTBR0", 1), 0x4000_0000);
    world.bench.w64(("CBn_ATS1PR", 1), 0x1000);
    assert_eq!(world.bench.r(("CBn_ATSR", 1)), 1, "ACTIVE");
    assert_eq!(world.bench.r(("CBn_FSR", 2)) & (1 << 30 | 2), 1 << 30 | 2);
    world.bench.w64(("CBn_TTBR0", 1), world.stage1.root());
    assert_eq!(world.bench.r(("CBn_ATSR", 1)), 1, "until RESUME");
    let recorded = world.bench.r(("CBn_FSR", 2));
    world.bench.w(("CBn_FSR", 2), recorded);
    world.bench.w(("CBn_RESUME", 2), 0);
    assert_eq!(world.bench.r(("CBn_ATSR", 1)), 0);
    assert_eq!(world.bench.r64(("CBn_PAR", 1)), 0xff00_0000_0000_0800 | IPA);
}

/// Behaviour 47: what waits for the stage 2 bank does not go on untranslated when its stage 1 bank is turned off.
#[test]
fn stage_1_off_under_a_stall_of_stage_2() {
    let mut world = world("", CFRE, CFRE | CFCFG);
    let stall = stalled(world.access(1, 0x1000));
    world
        .stage2
        .map(&world.bench.host.memory, 0x1000, 0x66000, 3, HAP);
    world.bench.w(("CBn_SCTLR", 1), sctlr::CFRE);
    world.bench.w(("CBn_FSR", 2), 0x402);
    world.bench.w(("CBn_RESUME", 2), 0);
    let response = world.bench.smmu.resume(&mut world.bench.host, stall);
    assert_eq!(response, Response::Abort);
}

/// An operation is no transaction: it tells where the address leads by the registers as they are when it runs again.
#[test]
fn stage_1_off_under_an_operation() {
    let mut world = world("", CFRE, CFRE | CFCFG);
    // Stage 2 does not map the tables.
    world.bench.w64(("CBn_TTBR0", 1), 0x4000_0000);
    world.bench.w64(("CBn_ATS1PR", 1), 0x1000);
    world.bench.w(("CBn_SCTLR", 1), sctlr::CFRE);
    assert_eq!(world.bench.r(("CBn_ATSR", 1)), 1, "ACTIVE until RESUME");
    world.bench.w(("CBn_FSR", 2), 0x402);
    world.bench.w(("CBn_RESUME", 2), 0);
    assert_eq!(world.bench.r(("CBn_ATSR", 1)), 0);
    assert_eq!(world.bench.r64(("CBn_PAR", 1)) & 0xffff_ffff_f001, 0x1000);
}

/// Behaviour 45: a stage 2 entry outlives its descriptor until the VMID, or both stages one by one, are invalidated.
#[test]
fn stale_entries_of_stage_2() {
    let mut world = world("tlb = \"strict-stale\"", CFRE, CFRE);
    world.map_ipa(0x5000);
    assert_eq!(world.address(0x1008), 0x5008);
    world.map_ipa(0x6000);
    assert_eq!(world.address(0x1008), 0x5008, "nothing was invalidated");
    world.bench.w("TLBIVMIDS1", 7);
    assert_eq!(world.address(0x1008), 0x5008, "TLBIVMIDS1 leaves stage 2");
    world.bench.w("TLBIVMID", 8);
    assert_eq!(world.address(0x1008), 0x5008, "another VMID");
    world.bench.w("TLBIVMID", 7);
    assert_eq!(world.address(0x1008), 0x6008, "TLBIVMID");
    world.map_ipa(0x7000);
    world.bench.w64(("CBn_TLBIIPAS2", 2), IPA >> 12);
    world.bench.w("TLBIVMIDS1", 7);
    assert_eq!(world.address(0x1008), 0x7008, "TLBIIPAS2, then TLBIVMIDS1");
}

/// Configured tables' memory attributes and allocation hints change no translation.
#[test]
fn attributes_of_walks_are_ignored() {
    let mut world = world("", CFRE, CFRE);
    world.map_ipa(0x5000);
    let (first, second) = (world.bench.r(("CBn_TCR", 1)), world.bench.r(("CBn_TCR", 2)));
    let plain = world.access(1, 0x1000);
    assert_eq!(proceeds(world.access(1, 0x1000)), 0x5000);
    for bits in 0..64 {
        world.bench.w(("CBn_TCR", 1), first | bits << 8);
        world.bench.w(("CBn_TCR", 2), second | bits << 8);
        assert_eq!(world.access(1, 0x1000), plain, "IRGN, ORGN and SH: {bits:#x}");
    }
}

/// Behaviour 36: MMU-401 translates by stage 2 alone, with both of its granules.
#[test]
fn mmu_401_translates_stage_2() {
    for (granule, tg0, sl0) in [(12, 0, 1), (16, 1, 1)] {
        let mut bench = Bench::new("preset = \"mmu-401\"");
        let mut tables = Tables::of_bits_at(&bench.host.memory, granule, 39, STAGE2_TABLES);
        tables.map(&bench.host.memory, 0x8000_0000, 0x5_0000, 3, HAP);
        bench.w(("CBARn", 0), 0);
        bench.w(("CBA2Rn", 0), cba2r::VA64);
        bench.w(("CBn_TCR", 0), tg0 << 14 | sl0 << 6 | 25);
        bench.w64(("CBn_TTBR0", 0), STAGE2_TABLES);
        bench.w(("CBn_SCTLR", 0), sctlr::CFRE | sctlr::M);
        bench.w(("S2CRn", 0), 0);
        bench.w(("SMRn", 0), smr::VALID | smr::ID(1));
        bench.w("sCR0", 0);
        let mut access = |address| {
            bench.transact(Transaction {
                stream_id: 1,
                address,
                intent: Intent::default(),
            })
        };
        assert_eq!(proceeds(access(0x8000_0123)), 0x5_0123, "{granule}");
        assert_eq!(access(0x9000_0000), Response::Abort);
        assert_eq!(bench.r64(("CBn_FAR", 0)), 0x9000_0000);
        assert_eq!(bench.r(("CBn_FSR", 0)) & 0x1fe, 2);
    }
}

/// Behaviour 40: what is no part of an operation's address is none of its fault record's either.
#[test]
fn far_of_an_operation_has_the_bits_of_its_format() {
    for (va64, tcr, expected) in [(1, 1 << 23 | 25, 0x3_0000_1000), (0, 1 << 31, 0x1000)] {
        let mut world = world("", CFRE, CFRE);
        // Stage 2 does not map the first table.
        world.bench.w64(("CBn_TTBR0", 1), IPA);
        world.bench.w(("CBn_TCR", 1), tcr);
        world.bench.w(("CBA2Rn", 1), va64);
        world.bench.w64(("CBn_ATS1UR", 1), 0x3_0000_1abc);
        assert_eq!(world.bench.r(("CBn_FSR", 2)) & 0xff, 2, "TF");
        assert_eq!(world.bench.r64(("CBn_FAR", 2)), expected, "FAR");
    }
}
