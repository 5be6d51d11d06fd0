// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults of the plan in translation: what software and clients see of each kind.

use smmu_emu::injected::Injection;
use smmu_emu::plan::InjectionKind;
use smmu_emu::testing::fields::{scr0, sctlr};
use smmu_emu::testing::{Bench, Cb, Tables};
use smmu_emu::{Intent, Plan, Response, Transaction};

const TF: u32 = 1 << 1;
const PF: u32 = 1 << 3;
const EF: u32 = 1 << 4;
const USF: u32 = 1 << 1;
const SMCF: u32 = 1 << 2;
const PTWF: u32 = 1 << 10;

/// Stream 1 goes to bank 3, where 0x1000 and 0x2000 are mapped.
struct Machine {
    bench: Bench,
    tables: Tables,
}

impl Machine {
    fn new(tlb: &str, rule: &str) -> Self {
        let config = format!("preset = \"smmuv2-generic\"\ntlb = \"{tlb}\"");
        let mut bench = Bench::with_plan(&config, &format!("[[fault]]\n{rule}"));
        let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
        tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW | 1 << 11);
        tables.map(&bench.host.memory, 0x2000, 0x6000, 3, Tables::USER_RW | 1 << 11);
        bench.route(1, 3);
        bench.stage1(3, &tables, 7, sctlr::CFRE | sctlr::M);
        // GFRE, USFCFG, SMCFCFG.
        bench.w("sCR0", scr0::SMCFCFG | scr0::USFCFG | scr0::GFRE);
        Self { bench, tables }
    }

    fn strict(rule: &str) -> Self {
        Self::new("strict-stale", rule)
    }

    fn access(&mut self, stream_id: u16, address: u64, write: bool) -> Option<u64> {
        let intent = Intent {
            write,
            ..Intent::default()
        };
        let transaction = Transaction {
            stream_id,
            address,
            intent,
        };
        match self.bench.transact(transaction) {
            Response::Proceed(translation) => Some(translation.address),
            _ => None,
        }
    }

    fn read(&mut self, address: u64) -> Option<u64> {
        self.access(1, address, false)
    }

    /// FSR of the bank, which it clears.
    fn fsr(&mut self) -> u32 {
        let fsr = self.bench.r(("CBn_FSR", 3)) & 0x1ff;
        self.bench.w(("CBn_FSR", 3), u32::MAX);
        fsr
    }

    fn gfsr(&mut self) -> u32 {
        let gfsr = self.bench.r("sGFSR");
        self.bench.w("sGFSR", u32::MAX);
        gfsr
    }

    /// Operation numbers of the hits so far.
    fn hits(&self) -> Vec<u64> {
        self.bench.host.injected.iter().map(|hit| hit.operation).collect()
    }
}

#[test]
fn an_address_that_is_not_mapped_for_a_stream_and_kind_of_access() {
    let mut machine =
        Machine::strict("kind = \"unmapped\"\naddress = 0x1000\nstream = 1\naccess = \"write\"\nlevel = 2");
    assert_eq!(machine.read(0x1004), Some(0x5004), "reads are not meant");
    assert_eq!(
        machine.access(1, 0x2000, true),
        Some(0x6000),
        "nor is the next page"
    );
    assert_eq!(machine.access(1, 0x1ffc, true), None);
    assert_eq!(machine.bench.r64(("CBn_FAR", 3)), 0x1ffc, "FAR");
    assert_eq!(machine.bench.r(("CBn_FSYNR0", 3)) & 3, 2, "FSYNR0.PLVL");
    assert_eq!(machine.fsr(), TF);
    assert_eq!(machine.hits(), [1]);
    let hit = machine.bench.host.injected[0];
    assert_eq!(
        (hit.what, hit.rule),
        (Injection::Error(InjectionKind::Unmapped), 1)
    );
    assert_eq!(
        (hit.at.bank, hit.at.stream, hit.at.address),
        (Some(3), Some(1), Some(0x1ffc))
    );
}

#[test]
fn a_permission_fault_that_a_full_tlb_does_not_hide() {
    let mut machine = Machine::strict("kind = \"permission\"\naddress = \"0x2000\"\nsize = 0x800\nnth = 3");
    for _ in 0..2 {
        assert_eq!(machine.read(0x2000), Some(0x6000));
        assert_eq!(machine.read(0x2800), Some(0x6800), "beyond the size");
    }
    assert_eq!(machine.read(0x27ff), None);
    assert_eq!(machine.fsr(), PF);
    assert_eq!(machine.read(0x2000), Some(0x6000), "once");
    assert_eq!(machine.hits(), [3]);
}

#[test]
fn a_blocked_bank_asks_no_rule() {
    let mut machine = Machine::strict("kind = \"unmapped\"\naddress = 0x1000");
    assert_eq!(machine.read(0x1000), None);
    assert_eq!(machine.read(0x1000), None, "the bank holds the fault");
    assert_eq!(machine.hits(), [1]);
    assert_eq!(machine.fsr(), TF);
}

#[test]
fn address_translation_operations_fault_too_unless_a_stream_is_named() {
    let par = |rule: &str| {
        let mut machine = Machine::strict(rule);
        machine.bench.w64(("CBn_ATS1PR", 3), 0x1000);
        machine.bench.r64(("CBn_PAR", 3))
    };
    assert_eq!(par("kind = \"unmapped\"") & 0x3, 0b11, "F and TF");
    assert_eq!(par("kind = \"unmapped\"\nstream = 1") & 1, 0);
    assert_eq!(par("kind = \"walk-abort\"\nlevel = 3") >> 4 & 1, 1, "EF");
}

#[test]
fn memory_that_does_not_answer_a_walk_at_a_level() {
    for level in 0..4 {
        let mut machine = Machine::strict(&format!(
            "kind = \"walk-abort\"\nlevel = {level}\nstage = 1\ntimes = 1"
        ));
        assert_eq!(machine.read(0x1000), None, "level {level}");
        assert_eq!(
            machine.bench.r(("CBn_FSYNR0", 3)) & (PTWF | 3),
            PTWF | level,
            "FSYNR0"
        );
        assert_eq!(machine.fsr(), EF);
        assert_eq!(machine.read(0x1000), Some(0x5000));
        assert_eq!(machine.hits(), [1]);
    }
    let mut machine = Machine::strict("kind = \"walk-abort\"\nstage = 2");
    assert_eq!(machine.read(0x1000), Some(0x5000), "there is no stage 2");
}

#[test]
fn a_descriptor_that_is_read_as_another() {
    let mut machine =
        Machine::strict("kind = \"walk-corrupt\"\nlevel = 3\naddress = 0x1000\nxor = 0x8000\ntimes = 1");
    assert_eq!(machine.read(0x1000), Some(0xd000));
    assert_eq!(machine.read(0x1000), Some(0xd000), "the TLB keeps it");
    machine.bench.w(("CBn_TLBIALL", 3), 0);
    assert_eq!(machine.read(0x1000), Some(0x5000));
    let mut machine = Machine::strict("kind = \"walk-corrupt\"\nlevel = 1\nvalue = 0");
    assert_eq!(machine.read(0x1000), None);
    assert_eq!(machine.bench.r(("CBn_FSYNR0", 3)) & 3, 1, "FSYNR0.PLVL");
    assert_eq!(machine.fsr(), TF);
    let at = machine.tables.entry(&machine.bench.host.memory, 0x2000, 3);
    let rule =
        format!("kind = \"walk-corrupt\"\ndescriptor = {at}\nvalue = \"0x7000\"\nmask = \"0xfffff000\"");
    let mut machine = Machine::strict(&rule);
    assert_eq!(
        (machine.read(0x2010), machine.read(0x1000)),
        (Some(0x7010), Some(0x5000))
    );
    assert_eq!(machine.bench.host.injected[0].at.descriptor, Some(at));
}

#[test]
fn a_stream_that_nobody_knows_and_one_that_several_claim() {
    for (kind, bit) in [("unknown-stream", USF), ("stream-conflict", SMCF)] {
        let mut machine = Machine::strict(&format!("kind = \"{kind}\"\nstream = 1\nnth = 2"));
        assert_eq!(machine.read(0x1000), Some(0x5000));
        assert_eq!(machine.read(0x1000), None, "{kind}");
        assert_eq!(machine.gfsr(), bit);
        assert_eq!(machine.bench.r("sGFSYNR1") & 0xffff, 1, "sGFSYNR1.STREAMID");
        assert_eq!(machine.read(0x1000), Some(0x5000));
        // CLIENTPD: the stream table is not looked at.
        machine.bench.w("sCR0", scr0::CLIENTPD);
        assert_eq!(machine.read(0x1000), Some(0x1000));
        // Neither USFCFG nor SMCFCFG: bypass.
        let mut machine = Machine::strict(&format!("kind = \"{kind}\"\nstream = 1"));
        machine.bench.w("sCR0", 0);
        assert_eq!((machine.read(0x1000), machine.gfsr()), (Some(0x1000), 0));
    }
}

/// Unmaps the first page, invalidates by a register of the bank, and says whether the page is still known.
fn is_stale_after(machine: &mut Machine, offset: u64, value: u64) -> bool {
    assert_eq!(
        (machine.read(0x1000), machine.read(0x2000)),
        (Some(0x5000), Some(0x6000))
    );
    machine.tables.unmap(&machine.bench.host.memory, 0x1000);
    machine.tables.unmap(&machine.bench.host.memory, 0x2000);
    if offset > 0x608 {
        machine
            .bench
            .w(Cb(3, offset), u32::try_from(value).expect("an ASID"));
    } else {
        machine.bench.w64(Cb(3, offset), value);
    }
    let stale = machine.read(0x1000).is_some();
    machine.fsr();
    stale
}

#[test]
fn a_tlb_entry_outlasts_every_kind_of_invalidation() {
    // TLBIVA, TLBIVAA, TLBIASID, TLBIALL.
    let operations = [(0x600, 1 | 7 << 48), (0x608, 1), (0x610, 7), (0x618, 0)];
    for (offset, value) in operations {
        let mut machine = Machine::strict("kind = \"stale-tlb\"\naddress = 0x1000\nasid = 7");
        assert!(is_stale_after(&mut machine, offset, value), "{offset:#x}");
        assert_eq!(machine.hits(), [1], "{offset:#x}");
        if offset > 0x608 {
            assert_eq!(machine.read(0x2000), None, "the other page is gone");
            machine.fsr();
        }
        let mut machine = Machine::strict("kind = \"stale-tlb\"\naddress = 0x1000\nasid = 8");
        assert!(!is_stale_after(&mut machine, offset, value), "{offset:#x}");
        assert_eq!(machine.hits(), [0_u64; 0], "another ASID");
    }
    let mut machine = Machine::strict("kind = \"stale-tlb\"\naddress = 0x1000\ntimes = 1");
    assert!(is_stale_after(&mut machine, 0x618, 0));
    machine.bench.w(("CBn_TLBIALL", 3), 0);
    assert_eq!(machine.read(0x1000), None, "the second invalidation takes it");
}

/// Tegra194 and Tegra234 may keep a table in the walk cache that a block has replaced, which is why
/// `nvidia_smmu_init_context` maps pages alone.
#[test]
fn a_table_outlasts_an_invalidation() {
    for (rule, expected) in [
        // The old table still has the page.
        ("level = 3", Some(0x5000)),
        (
            "level = 3\naddress = 0\nsize = 0x200000\nasid = 7\nstage = 1",
            Some(0x5000),
        ),
        ("level = 2", Some(0x4000_1000)),
        ("level = 3\nasid = 8", Some(0x4000_1000)),
        ("address = 0x8000", Some(0x4000_1000)),
    ] {
        let mut machine = Machine::strict(&format!("kind = \"stale-tlb\"\n{rule}"));
        assert_eq!(machine.read(0x1000), Some(0x5000), "{rule}");
        // A block comes to where the table was, and software invalidates as for a table.
        let memory = &machine.bench.host.memory;
        let entry = machine.tables.entry(memory, 0x1000, 2);
        memory.set(entry, 0x4000_0000 | 1 << 11 | 1 << 10 | 1 << 6 | 1);
        machine.bench.w64(("CBn_TLBIVA", 3), 1 | 7 << 48);
        assert_eq!(machine.read(0x1000), expected, "{rule}");
    }
}

#[test]
fn an_invalidation_that_does_nothing() {
    let rule = "kind = \"lost-invalidation\"\nregister = \"CBn_TLBIALL\"\nindex = 3\nnth = 1";
    let mut machine = Machine::strict(rule);
    assert!(is_stale_after(&mut machine, 0x618, 0));
    assert_eq!(machine.bench.host.injected[0].at.register, Some("CBn_TLBIALL"));
    machine.bench.w(("CBn_TLBIALL", 3), 0);
    assert_eq!(machine.read(0x1000), None);
    let mut machine = Machine::strict(rule);
    assert!(!is_stale_after(&mut machine, 0x608, 1), "another register");
}

#[test]
fn rules_follow_marks_and_come_and_go() {
    let mut machine = Machine::strict("kind = \"unmapped\"\nafter = \"a\"\nbefore = \"b\"");
    assert!(machine.read(0x1000).is_some());
    machine.bench.host.marks.insert("a".into());
    assert_eq!(machine.read(0x1000), None);
    machine.fsr();
    machine.bench.host.marks.insert("b".into());
    assert!(machine.read(0x1000).is_some());
    let plan: Plan = toml::from_str("[[fault]]\nkind = \"permission\"").expect("valid");
    let rule = plan.injections[0].clone();
    let number = machine.bench.smmu.add_injection(rule).expect("valid");
    assert_eq!((number, machine.read(0x1000)), (2, None));
    machine.fsr();
    assert!(
        machine
            .bench
            .smmu
            .remove_rule(smmu_emu::plan::Family::Injection, number)
    );
    assert!(machine.read(0x1000).is_some());
}

#[test]
fn wrong_faults_name_the_field() {
    let wrong = [
        "kind = \"unmapped\"\nregister = \"sCR0\"",
        "kind = \"unmapped\"\nsize = 1",
        "kind = \"unmapped\"\naddress = 1\nsize = 0",
        "kind = \"unmapped\"\nbank = 200",
        "kind = \"walk-abort\"\nlevel = 4",
        "kind = \"walk-corrupt\"",
        "kind = \"walk-corrupt\"\nxor = 1\nvalue = 1",
        "kind = \"walk-corrupt\"\nxor = 1\nmask = 1",
        "kind = \"register-value\"\nvalue = 1",
        "kind = \"register-value\"\nregister = \"IDR0\"",
        "kind = \"register-ones\"\nregister = \"SCR0\"",
        "kind = \"register-ones\"\naccess = \"fetch\"",
        "kind = \"interrupt-lost\"\nbank = 1",
        "kind = \"stale-tlb\"",
        "kind = \"unmapped\"\nnth = 0",
        "kind = \"unmapped\"\nnth = 1\nspace = 1",
        "kind = \"unmapped\"\nverbose = 3",
    ];
    let config: smmu_emu::Config = toml::from_str("tlb = \"off\"").expect("valid");
    let messages = wrong.map(|rule| {
        let plan: Plan = toml::from_str(&format!("[[fault]]\n{rule}")).expect("it is valid TOML for a plan");
        let error = smmu_emu::Smmu::new(&config, plan).map(|_| ()).expect_err(rule);
        format!("{}\n    {error}\n", rule.replace('\n', ", "))
    });
    insta::assert_snapshot!(messages.concat());
    for unreadable in [
        "kind = \"none\"",
        "kind = \"unmapped\"\naddres = 1",
        "kind = \"unmapped\"\naddress = -1",
        "kind = \"unmapped\"\naddress = \"0xg\"",
        "kind = \"unmapped\"\nstream = 0x10000",
        "kind = \"walk-abort\"\nstage = 3",
        "kind = \"register-ones\"\nframe = \"cb-1\"",
    ] {
        let plan = toml::from_str::<Plan>(&format!("[[fault]]\n{unreadable}"));
        assert!(plan.is_err(), "{unreadable}");
    }
}
