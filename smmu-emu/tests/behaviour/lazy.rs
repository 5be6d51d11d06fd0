// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TLB maintenance that takes effect with the right synchronisation (`tlb = "lazy"`, IHI 0062D §5.4.2).

use smmu_emu::testing::fields::{cba2r, cbar, sctlr, tcr2};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{Response, State, Transaction};

const CONFIG: &str = "preset = \"smmuv2-generic\"\ntlb = \"lazy\"";
/// Private to an ASID.
const NG: u64 = 1 << 11;
const PAGE: u64 = 0x40_0000;
/// Shift of the ASID in TLBIVA.
const ASID: u32 = 48;

/// Banks 0 and 1 have the VMID 1, and ASIDs 7 and 8; streams have the numbers of their banks.
struct Machine {
    bench: Bench,
    tables: Tables,
}

impl Machine {
    fn with_plan(config: &str, plan: &str) -> Self {
        let mut bench = Bench::with_plan(config, plan);
        let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
        for page in 0..4 {
            let address = PAGE + (page << 12);
            tables.map(&bench.host.memory, address, 0x1000_0000, 3, NG | Tables::USER_RW);
        }
        for bank in 0..2 {
            bench.w(("CBA2Rn", bank), cba2r::VA64);
            bench.w(("CBARn", bank), cbar::KIND(1) | cbar::VMID(1));
            bench.w(("CBn_TCR2", bank), tcr2::AS | tcr2::PASIZE(5));
            bench.w(("CBn_TCR", bank), tables.tcr());
            bench.w64(("CBn_TTBR0", bank), tables.root() | (7 + bank) << ASID);
            bench.w(("CBn_SCTLR", bank), sctlr::CFRE | sctlr::M);
            let number = u32::try_from(bank).expect("small");
            bench.w(("S2CRn", bank), number);
            bench.w(("SMRn", bank), 1 << 31 | number);
        }
        bench.w("sCR0", 0);
        Self { bench, tables }
    }

    /// Everything is in the TLB, and nothing in the tables any more.
    fn stale(plan: &str) -> Self {
        let mut machine = Self::with_plan(CONFIG, plan);
        assert_eq!(machine.known(), [true; 4]);
        for page in 0..4 {
            let memory = &machine.bench.host.memory;
            memory.set(machine.tables.entry(memory, PAGE + (page << 12), 3), 0);
        }
        machine
    }

    fn translates(&mut self, stream_id: u16, address: u64) -> bool {
        let response = self.bench.transact(Transaction {
            stream_id,
            address,
            ..Transaction::default()
        });
        self.bench.w(("CBn_FSR", stream_id.into()), u32::MAX);
        matches!(response, Response::Proceed(_))
    }

    /// Whether the first two pages still translate, for stream 0 and for stream 1.
    fn known(&mut self) -> [bool; 4] {
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(stream, page)| self.translates(stream, PAGE + (page << 12)))
    }

    /// TLBIVA of one page, in the bank and for its ASID.
    fn invalidate(&mut self, bank: u64, page: u64) {
        let value = ((PAGE >> 12) + page) | ((7 + bank) << ASID);
        self.bench.w64(("CBn_TLBIVA", bank), value);
    }
}

#[test]
fn maintenance_waits_for_a_sync_that_covers_it() {
    let mut machine = Machine::stale("");
    machine.invalidate(0, 0);
    machine.invalidate(1, 1);
    assert_eq!(machine.known(), [true; 4], "no sync");
    machine.bench.r(("CBn_TLBSTATUS", 0));
    assert_eq!(machine.known(), [true; 4], "a status starts nothing");
    machine.bench.w(("CBn_TLBSYNC", 0), 0);
    assert_eq!(
        machine.known(),
        [false, true, true, true],
        "the other bank's operations wait for its own sync"
    );
    machine.bench.w("sTLBGSYNC", 0);
    assert_eq!(
        machine.known(),
        [false, true, true, false],
        "the global one covers the operations of banks"
    );
    // A bank's sync does not cover an operation of a global register, as Linux' stage 2 domains have it.
    machine.bench.w("TLBIVMID", 1);
    machine.bench.w(("CBn_TLBSYNC", 0), 0);
    machine.bench.w(("CBn_TLBSYNC", 1), 0);
    assert_eq!(machine.known(), [false, true, true, false], "the wrong scope");
    machine.bench.w("sTLBGSYNC", 0);
    assert_eq!(machine.known(), [false; 4]);
}

/// An operation is for the regime, VMID and ASID that the bank had when it was written.
#[test]
fn an_operation_is_decoded_when_it_is_written() {
    let mut machine = Machine::stale("");
    machine.bench.w(("CBn_TLBIASID", 0), 7);
    machine.bench.w(("CBARn", 0), cbar::KIND(1) | cbar::VMID(9));
    machine.bench.w(("CBn_TLBSYNC", 0), 0);
    machine.bench.w(("CBARn", 0), cbar::KIND(1) | cbar::VMID(1));
    assert_eq!(machine.known(), [false, false, true, true]);
}

/// A client may write as many operations as it likes: what waits is bounded, and nothing is lost.
#[test]
fn so_many_operations_wait() {
    let mut machine = Machine::stale("");
    machine.invalidate(0, 0);
    for _ in 0..1023 {
        machine.invalidate(1, 2);
    }
    assert_eq!(machine.known(), [true; 4]);
    machine.invalidate(1, 1);
    assert_eq!(
        machine.known(),
        [false, true, true, true],
        "one more: the oldest takes effect"
    );
    machine.bench.w("sTLBGSYNC", 0);
    assert_eq!(machine.known(), [false, true, true, false]);
}

#[test]
fn a_reset_forgets_what_waits() {
    let mut machine = Machine::stale("");
    machine.invalidate(0, 0);
    let pending = |machine: &Machine| {
        let saved = machine.bench.smmu.save(&machine.bench.host);
        let value = serde_json::to_value(&saved).expect("plain data");
        value["tlb"]["pending"].as_array().map(Vec::len)
    };
    assert_eq!(pending(&machine), Some(1));
    machine.bench.smmu.reset(&mut machine.bench.host);
    assert_eq!(pending(&machine), Some(0));
}

/// Rules that lose or spoil an invalidation hit when it takes effect.
#[test]
fn rules_hit_when_it_takes_effect() {
    for kind in ["lost-invalidation", "stale-tlb"] {
        let mut machine = Machine::stale(&format!("[[injection]]\nkind = \"{kind}\"\ntimes = 1"));
        machine.invalidate(0, 0);
        machine.invalidate(0, 1);
        assert!(machine.bench.host.injected.is_empty(), "{kind}");
        machine.bench.w(("CBn_TLBSYNC", 0), 0);
        assert_eq!(machine.known(), [true, false, true, true], "{kind}");
        let hit = machine.bench.host.injected[0].at;
        assert_eq!((hit.register, hit.index), (Some("CBn_TLBIVA"), Some(0)), "{kind}");
    }
}

#[test]
fn what_waits_is_part_of_the_state() {
    let mut machine = Machine::stale("");
    machine.invalidate(0, 0);
    machine.bench.w("TLBIVMID", 9);
    machine.bench.w(("CBn_TLBIASID", 1), 8);
    let saved = machine.bench.smmu.save(&machine.bench.host);
    let text = serde_json::to_string(&saved).expect("plain data");
    let read: State = serde_json::from_str(&text).expect("its own");
    machine.bench.w("sTLBGSYNC", 0);
    assert_eq!(machine.known(), [false, true, false, false]);
    machine
        .bench
        .smmu
        .restore(&mut machine.bench.host, &read)
        .expect("its own state");
    assert_eq!(machine.bench.smmu.save(&machine.bench.host), saved);
    assert_eq!(machine.known(), [true; 4]);
    machine.bench.w(("CBn_TLBSYNC", 1), 0);
    assert_eq!(machine.known(), [true, true, false, false]);
    // Registers that maintain nothing, and more than can wait.
    for spoil in [
        |value: &mut serde_json::Value| value[0]["register"] = "CBn_SCTLR".into(),
        |value: &mut serde_json::Value| value[0]["bank"] = serde_json::Value::Null,
        |value: &mut serde_json::Value| {
            let one = value[0].clone();
            *value = vec![one; 1025].into();
        },
    ] {
        let mut value = serde_json::to_value(&saved).expect("plain data");
        spoil(&mut value["tlb"]["pending"]);
        let spoilt: State = serde_json::from_value(value).expect("the form of a state");
        assert!(machine.bench.smmu.check_state(&spoilt).is_err());
    }
}
