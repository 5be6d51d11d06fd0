// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TLB maintenance as software sees it: which entries each register drops, and what may be kept at all.

use smmu_emu::testing::fields::{cba2r, cbar, scr0, sctlr, smr, tcr2};
use smmu_emu::testing::{At, Bench, Cb, Gr0, High, Tables};
use smmu_emu::{Intent, Response, Transaction};

const STRICT: &str = "preset = \"smmuv2-generic\"\ntlb = \"strict-stale\"";
const NORMAL: &str = "preset = \"smmuv2-generic\"\ntlb = \"normal\"";

/// nG, AF, readable and writable by all.
const PRIVATE: u64 = 1 << 11 | Tables::USER_RW;
/// AF, readable and writable by all; nG = 0.
const GLOBAL: u64 = Tables::USER_RW;

const PAGE: u64 = 0x40_0000;
const GLOBAL_PAGE: u64 = 0x40_1000;
const BLOCK: u64 = 0x60_0000;

/// Bank, CBAR, ASID; stream n goes to bank n. Bank 4 is stage 2's, bank 5 a hypervisor's.
const BANKS: [(u64, u32, u64); 6] = [
    (0, 1 << 16 | 1, 7),
    (1, 1 << 16 | 1, 7),
    (2, 1 << 16 | 1, 8),
    (3, 1 << 16 | 2, 7),
    (4, 1, 0),
    (5, 1 << 16 | 1 << 10, 0),
];

struct Machine {
    bench: Bench,
    tables: Tables,
}

impl Machine {
    fn new(config: &str) -> Self {
        let mut bench = Bench::new(config);
        let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
        tables.map(&bench.host.memory, PAGE, 0x1000_0000, 3, PRIVATE);
        tables.map(&bench.host.memory, GLOBAL_PAGE, 0x1000_1000, 3, GLOBAL);
        tables.map(&bench.host.memory, BLOCK, 0x2000_0000, 2, PRIVATE);
        for (bank, cbar, asid) in BANKS {
            bench.w(("CBA2Rn", bank), cba2r::VA64);
            bench.w(("CBARn", bank), cbar);
            bench.w(("CBn_TCR2", bank), tcr2::AS | tcr2::PASIZE(5));
            bench.w(("CBn_TCR", bank), tables.tcr());
            bench.w64(("CBn_TTBR0", bank), tables.root() | asid << 48);
            bench.w(("CBn_SCTLR", bank), sctlr::CFRE | sctlr::M);
            bench.w(("SMRn", bank), 1 << 31 | u32::try_from(bank).expect("small"));
            bench.w(("S2CRn", bank), u32::try_from(bank).expect("small"));
        }
        bench.w("sCR0", 0);
        Self { bench, tables }
    }

    fn access(&mut self, stream_id: u16, address: u64, write: bool) -> Option<u64> {
        let transaction = Transaction {
            stream_id,
            address,
            intent: Intent {
                write,
                ..Intent::default()
            },
        };
        let response = self.bench.transact(transaction);
        // Clears the fault if there was one, so that the next access is not blocked by it.
        self.bench.w(("CBn_FSR", stream_id.into()), u32::MAX);
        match response {
            Response::Proceed(translation) => Some(translation.address),
            _ => None,
        }
    }

    fn read(&mut self, stream_id: u16, address: u64) -> Option<u64> {
        self.access(stream_id, address, false)
    }

    /// Memory reads that an access makes.
    fn reads(&mut self, stream_id: u16, address: u64) -> u32 {
        self.bench.host.memory.take_reads();
        self.read(stream_id, address);
        self.bench.host.memory.reads()
    }

    /// The entries under observation that still translate.
    fn known(&mut self) -> String {
        let observed = [
            ('a', 0, PAGE),
            ('b', 0, GLOBAL_PAGE),
            ('c', 0, BLOCK),
            ('d', 2, PAGE),
            ('e', 3, PAGE),
            ('h', 5, PAGE),
        ];
        observed
            .into_iter()
            .filter(|(_, stream, address)| self.read(*stream, *address).is_some())
            .map(|(name, ..)| name)
            .collect()
    }

    /// Everything is known and then gone from the tables.
    fn stale() -> Self {
        let mut machine = Self::new(STRICT);
        assert_eq!(machine.known(), "abcdeh");
        for (address, level) in [(PAGE, 3), (GLOBAL_PAGE, 3), (BLOCK, 2)] {
            let entry = machine.tables.entry(&machine.bench.host.memory, address, level);
            machine.bench.host.memory.set(entry, 0);
        }
        machine
    }
}

/// Behaviour 44, and each register: what is left after it, of a page (a), a global page (b), a block (c), the page
/// under another ASID (d), under another VMID (e), and of the hypervisor (h).
#[test]
fn what_each_register_drops() {
    let seven = 7 << 48;
    let rows: [(&str, At, u64, &str); 29] = [
        ("TLBIVA", Cb(1, 0x600), 0x400 | seven, "bcdeh"),
        ("TLBIVA, other ASID", Cb(1, 0x600), 0x400 | 9 << 48, "abcdeh"),
        (
            "TLBIVA, global page, other ASID",
            Cb(1, 0x600),
            0x401 | 9 << 48,
            "acdeh",
        ),
        ("TLBIVA, inside a block", Cb(1, 0x600), 0x655 | seven, "abdeh"),
        ("TLBIVA, other page", Cb(1, 0x600), 0x402 | seven, "abcdeh"),
        ("TLBIVA, other VMID", Cb(3, 0x600), 0x400 | seven, "abcdh"),
        (
            "TLBIVA, ASID of 16 bits",
            Cb(1, 0x600),
            0x400 | 0x107 << 48,
            "abcdeh",
        ),
        ("TLBIVAA", Cb(1, 0x608), 0x400, "bceh"),
        ("TLBIVAL", Cb(1, 0x620), 0x400 | seven, "bcdeh"),
        ("TLBIVAAL", Cb(1, 0x628), 0x400, "bceh"),
        ("TLBIASID", Cb(1, 0x610), 7, "bdeh"),
        ("TLBIASID, other", Cb(1, 0x610), 9, "abcdeh"),
        ("TLBIALL", Cb(1, 0x618), 0, "eh"),
        ("TLBIALL of stage 2", Cb(4, 0x618), 0, "eh"),
        ("TLBIIPAS2", Cb(4, 0x630), 0x400, "abcdeh"),
        ("TLBIIPAS2L", Cb(4, 0x638), 0x400, "abcdeh"),
        ("TLBIASID of a stage 2 bank", Cb(4, 0x610), 7, "abcdeh"),
        ("TLBIVA of a hypervisor", Cb(5, 0x600), 0x400 | 9 << 48, "abcde"),
        ("TLBIALL of a hypervisor", Cb(5, 0x618), 0, "abcde"),
        ("TLBIVMID", Gr0(0x64), 1, "eh"),
        ("TLBIVMID, other", Gr0(0x64), 2, "abcdh"),
        ("TLBIVMID, 8 bits", Gr0(0x64), 0x101, "eh"),
        ("TLBIVMIDS1", Gr0(0xb8), 1, "eh"),
        ("TLBIALLNSNH", Gr0(0x68), 0xffff_ffff, "h"),
        ("TLBIALLH", Gr0(0x6c), 0xffff_ffff, "abcde"),
        ("TLBIVAH", Gr0(0x78), PAGE, "abcde"),
        ("TLBIVAH64", Gr0(0xc0), PAGE >> 12, "abcde"),
        ("TLBIVALH64", Gr0(0xb0), PAGE >> 12, "abcde"),
        ("TLBSYNC alone", Cb(1, 0x7f0), 0, "abcdeh"),
    ];
    for (name, at, value, left) in rows {
        let mut machine = Machine::stale();
        match at {
            Gr0(0xb0 | 0xc0) | Cb(_, 0x600 | 0x608 | 0x620 | 0x628 | 0x630 | 0x638) => {
                machine.bench.w64(at, value)
            }
            _ => machine.bench.w(at, u32::try_from(value).expect("32 bits")),
        }
        assert_eq!(machine.known(), left, "{name}");
    }
}

/// Behaviour 40.
#[test]
fn halves_of_an_operation_by_address() {
    let mut machine = Machine::stale();
    machine.bench.w(High(("CBn_TLBIVA", 1)), 7 << 16);
    assert_eq!(machine.known(), "abcdeh", "the upper half does nothing");
    machine.bench.w(("CBn_TLBIVA", 1), 0x400);
    assert_eq!(machine.known(), "abcdeh", "the ASID is zero");
    machine.bench.w(("CBn_TLBIVA", 1), 0x401);
    assert_eq!(machine.known(), "acdeh", "the lower half acts");
}

/// Behaviour 42.
#[test]
fn vmids_of_16_bits() {
    let mut machine = Machine::new(STRICT);
    machine.bench.w("sCR0", scr0::VMID16EN);
    machine.bench.w(("CBA2Rn", 0), cba2r::VMID16(0x101) | cba2r::VA64);
    machine.bench.w(("CBA2Rn", 3), cba2r::VMID16(1) | cba2r::VA64);
    assert!(machine.read(0, PAGE).is_some() && machine.read(3, PAGE).is_some());
    machine.tables.unmap(&machine.bench.host.memory, PAGE);
    machine.bench.w("TLBIVMID", 0x101);
    assert_eq!(machine.read(0, PAGE), None);
    assert!(machine.read(3, PAGE).is_some(), "CBAR.VMID is not what counts");
    machine.bench.w("TLBIVMID", 1);
    assert_eq!(machine.read(3, PAGE), None);
}

/// Behaviour 45: a translation or access flag fault is not kept, a mapping that denies access is.
#[test]
fn what_may_be_kept() {
    let mut machine = Machine::new(STRICT);
    let ram = &machine.bench.host.memory;
    machine
        .tables
        .map(ram, 0x40_2000, 0x3000, 3, PRIVATE & !(1 << 10));
    machine.tables.map(ram, 0x40_3000, 0x4000, 3, PRIVATE | 1 << 7);
    assert_eq!(machine.read(0, 0x40_2000), None, "access flag");
    assert_eq!(machine.read(0, 0x40_5000), None, "nothing mapped");
    assert_eq!(machine.access(0, 0x40_3000, true), None, "read-only");
    let ram = &machine.bench.host.memory;
    for page in [0x40_2000, 0x40_3000, 0x40_5000] {
        machine.tables.map(ram, page, page, 3, PRIVATE);
    }
    assert_eq!(machine.read(0, 0x40_2000), Some(0x40_2000));
    assert_eq!(machine.read(0, 0x40_5000), Some(0x40_5000));
    assert_eq!(machine.access(0, 0x40_3000, true), None);
    assert_eq!(machine.read(0, 0x40_3000), Some(0x4000), "stale");
    machine.bench.w64(("CBn_TLBIVAL", 0), 0x403 | 7 << 48);
    assert_eq!(machine.access(0, 0x40_3000, true), Some(0x40_3000));
}

/// Behaviour 46: maintenance works in a bank that is off, and SCTLR.M is not kept.
#[test]
fn a_bank_that_is_off() {
    let mut machine = Machine::stale();
    machine.bench.w(("CBn_SCTLR", 0), 0);
    assert_eq!(machine.read(0, PAGE), Some(PAGE), "not translated");
    machine.bench.w(("CBn_SCTLR", 0), sctlr::CFRE | sctlr::M);
    assert_eq!(machine.known(), "abcdeh");
    machine.bench.w(("CBn_SCTLR", 1), 0);
    machine.bench.w(("CBn_TLBIASID", 1), 7);
    machine.bench.w(("CBn_TLBSYNC", 1), 0);
    assert_eq!(machine.bench.r(("CBn_TLBSTATUS", 1)), 0);
    assert_eq!(machine.known(), "bdeh");
}

/// Behaviour 46: the configuration itself is never kept: a live change of TTBR0 counts at the next walk.
#[test]
fn a_live_change_of_tables() {
    let mut machine = Machine::new(STRICT);
    assert_eq!(machine.read(0, PAGE), Some(0x1000_0000));
    let mut other = Tables::of_bits_at(&machine.bench.host.memory, 12, 48, 0xa000_0000);
    other.map(&machine.bench.host.memory, PAGE, 0x5000_0000, 3, PRIVATE);
    machine.bench.w64(("CBn_TTBR0", 0), other.root() | 9 << 48);
    assert_eq!(machine.read(0, PAGE), Some(0x5000_0000), "another ASID");
    machine.bench.w64(("CBn_TTBR0", 0), other.root() | 7 << 48);
    assert_eq!(
        machine.read(0, PAGE),
        Some(0x1000_0000),
        "the same ASID: software has to invalidate"
    );
    machine.bench.w(("CBn_TLBIASID", 0), 7);
    assert_eq!(machine.read(0, PAGE), Some(0x5000_0000));
}

/// Behaviour 44: tables on the way are kept as well; operations for the last level leave them.
#[test]
fn tables_are_kept() {
    let mut machine = Machine::new(NORMAL);
    assert_eq!(machine.reads(0, PAGE), 4);
    assert_eq!(machine.reads(0, PAGE), 0);
    assert_eq!(machine.reads(0, GLOBAL_PAGE), 1, "the last table is known");
    assert_eq!(machine.reads(0, BLOCK), 1, "as is the one above");
    machine.bench.w64(("CBn_TLBIVAL", 0), 0x400 | 7 << 48);
    assert_eq!(machine.reads(0, PAGE), 1);
    machine.bench.w64(("CBn_TLBIVA", 0), 0x400 | 7 << 48);
    assert_eq!(machine.reads(0, PAGE), 4);
    machine.bench.w64(("CBn_TLBIVA", 0), 0x400 | 9 << 48);
    machine.bench.w64(("CBn_TLBIVAL", 0), 0x400 | 7 << 48);
    assert_eq!(machine.reads(0, PAGE), 1, "tables are the ASID's");
}

/// Behaviour 45: of a walk that ends in a fault, not even the tables are kept.
#[test]
fn a_walk_that_faults_leaves_nothing() {
    let mut machine = Machine::new(STRICT);
    machine.tables.unmap(&machine.bench.host.memory, PAGE);
    assert_eq!((machine.reads(0, PAGE), machine.reads(0, PAGE)), (4, 4));
}

#[test]
fn operations_use_the_tlb() {
    let mut machine = Machine::new(STRICT);
    let par = |machine: &mut Machine| {
        machine.bench.w64(("CBn_ATS1UR", 0), PAGE);
        machine.bench.r64(("CBn_PAR", 0)) & 0xffff_ffff_f001
    };
    assert_eq!(par(&mut machine), 0x1000_0000);
    assert_eq!(machine.reads(0, PAGE), 4, "nothing was added");
    machine.tables.unmap(&machine.bench.host.memory, PAGE);
    assert_eq!(par(&mut machine), 0x1000_0000);
    machine.bench.w(("CBn_TLBIASID", 0), 7);
    assert_eq!(par(&mut machine) & 1, 1);
}

/// TCR2.TBI0: the top byte is no part of an entry.
#[test]
fn a_top_byte_that_is_ignored() {
    let mut machine = Machine::new(STRICT);
    machine
        .bench
        .w(("CBn_TCR2", 0), tcr2::TBI0 | tcr2::AS | tcr2::PASIZE(5));
    assert!(machine.read(0, PAGE).is_some());
    machine.tables.unmap(&machine.bench.host.memory, PAGE);
    let fails = |machine: &mut Machine| {
        machine.bench.w64(("CBn_ATS1UR", 0), 0xab << 56 | PAGE);
        machine.bench.r64(("CBn_PAR", 0)) & 1 == 1
    };
    assert!(!fails(&mut machine));
    machine.bench.w64(("CBn_TLBIVAL", 0), PAGE >> 12 | 7 << 48);
    assert!(fails(&mut machine));
}

#[test]
fn modes() {
    let mut machine = Machine::new("preset = \"smmuv2-generic\"\ntlb = \"off\"");
    assert_eq!((machine.reads(0, PAGE), machine.reads(0, PAGE)), (4, 4));

    let mut machine = Machine::new("preset = \"smmuv2-generic\"\ntlb = \"normal\"\ntlb_entries = 2");
    assert_eq!(
        (
            machine.reads(0, PAGE),
            machine.reads(0, GLOBAL_PAGE),
            machine.reads(0, BLOCK)
        ),
        (4, 1, 3)
    );
    assert_eq!(
        (machine.reads(0, BLOCK), machine.reads(0, GLOBAL_PAGE)),
        (0, 0),
        "the latest two"
    );
    assert!(machine.reads(0, PAGE) > 0);

    let mut machine = Machine::new(&format!("{STRICT}\ntlb_entries = 2"));
    assert_eq!(machine.reads(0, PAGE), 4);
    assert!(machine.reads(0, GLOBAL_PAGE) > 0 && machine.reads(0, BLOCK) > 0);
    assert_eq!(
        (machine.reads(0, PAGE), machine.reads(0, GLOBAL_PAGE)),
        (0, 0),
        "the first two"
    );
    assert!(machine.reads(0, BLOCK) > 0);
    machine.bench.w(("CBn_TLBIASID", 0), 7);
    assert!(machine.reads(0, BLOCK) > 0);
    assert_eq!(machine.reads(0, BLOCK), 0, "in the place of what was invalidated");
}

/// Behaviour 59: nor is the TLB retained.
#[test]
fn reset_empties_the_tlb() {
    let mut machine = Machine::stale();
    machine.bench.smmu.reset(&mut machine.bench.host);
    let Machine { mut bench, .. } = machine;
    let tables = Tables::of_bits_at(&bench.host.memory, 12, 48, 0xb000_0000);
    bench.w(("CBA2Rn", 0), cba2r::VA64);
    bench.w(("CBARn", 0), cbar::KIND(1) | cbar::VMID(1));
    bench.w(("CBn_TCR2", 0), tcr2::AS | tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 0), tables.tcr());
    bench.w64(("CBn_TTBR0", 0), tables.root() | 7 << 48);
    bench.w(("CBn_SCTLR", 0), sctlr::CFRE | sctlr::M);
    bench.w(("SMRn", 0), smr::VALID);
    bench.w("sCR0", 0);
    let mut machine = Machine { bench, tables };
    assert_eq!(machine.read(0, PAGE), None);
}
