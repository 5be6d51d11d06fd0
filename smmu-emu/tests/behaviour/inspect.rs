// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Looking from outside: the registers of every frame, the TLB, the way of an address.

use smmu_emu::Stage;
use smmu_emu::inspect::{DescriptorKind, Held, Step};
use smmu_emu::testing::fields::{cba2r, cbar, sctlr, tcr_stage2, tcr2};
use smmu_emu::testing::{Bench, Gr0, Tables};
use smmu_emu::{Frame, Intent, Transaction};

#[test]
fn every_frame_is_where_a_read_finds_it() {
    let configs = [
        ("preset = \"mmu-500\"\npmu_groups = 2", vec!["gid", "pm"]),
        ("preset = \"qcom-x1e-adreno\"", vec!["gid", "exsmr"]),
        (
            "preset = \"smmuv2-generic\"\nextended_stream_match_groups = 200",
            vec!["exsmr", "exs2cr"],
        ),
    ];
    for (config, pages) in configs {
        let mut bench = Bench::new(config);
        // EXSMRGENABLE.
        bench.w("sCR2", 1 << 31);
        for page in pages {
            let frame: Frame = page.parse().expect(page);
            let registers: Vec<_> = bench.smmu.registers_of(frame).collect();
            assert!(!registers.is_empty(), "{config}: {page}");
            for register in registers {
                let mut data = [0; 8];
                let width = usize::try_from(register.row.width).expect("small");
                let peeked = bench.smmu.peek(&bench.host, &register);
                bench
                    .smmu
                    .read(&mut bench.host, register.offset, &mut data[..width]);
                assert_eq!(peeked, u64::from_le_bytes(data), "{register:?}");
                let found = bench.smmu.register(register.row.name, register.index);
                assert_eq!(
                    found.map(|found| found.offset),
                    Some(register.offset),
                    "{register:?}"
                );
            }
        }
    }
}

#[test]
fn secure_software_has_registers_of_its_own() {
    let mut bench = Bench::new("preset = \"mmu-500\"");
    assert_eq!(
        bench.smmu.secure_registers().count(),
        0,
        "there is no Secure state"
    );
    bench = Bench::new("preset = \"mmu-500\"\nsecure_state = true");
    bench.secure_w("sGFSRRESTORE", 1 << 1);
    let secure: Vec<_> = bench.smmu.secure_registers().collect();
    let named = |name: &str| {
        secure
            .iter()
            .find(|register| register.row.name == name)
            .expect("it is there")
    };
    for name in ["sCR0", "SCR1", "sGFSR", "NSCR0"] {
        let register = *named(name);
        let value = bench.secure_r(Gr0(register.offset));
        assert_eq!(
            bench.smmu.peek(&bench.host, &register),
            u64::from(value),
            "{name}"
        );
    }
    assert_eq!(
        bench.smmu.peek(&bench.host, named("sGFSR")),
        2,
        "restored by Secure software"
    );
    let shared = bench.smmu.register("sGFSR", 0).expect("it is there");
    assert_eq!(bench.smmu.peek(&bench.host, &shared), 0, "the other copy");
    assert!(
        bench
            .smmu
            .register("SCR1", 0)
            .is_some_and(|register| register.secure)
    );
}

#[test]
fn frames_are_written_by_name() {
    for name in [
        "gr0", "gr1", "gid", "pm", "exsmr", "exs2cr", "page9", "cb0", "cb127",
    ] {
        assert_eq!(name.parse::<Frame>().expect(name).to_string(), name);
    }
    for name in ["", "cb", "cb-1", "cb+1", "cb99999", "gr2", "outside"] {
        assert!(name.parse::<Frame>().is_err(), "{name}");
    }
}

/// Stream 1 goes to bank 3, which is nested in bank 2 where stage 2 maps the same addresses.
fn nested() -> (Bench, Tables) {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"\ntlb = \"normal\"");
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW | 1 << 11);
    let mut behind = Tables::of_bits_at(&bench.host.memory, 12, 39, 0xa000_0000);
    // Stage 2: AF, S2AP read and write, Normal memory.
    for block in [0, 0x8000_0000, 0x9000_0000] {
        behind.map(&bench.host.memory, block, block, 2, 1 << 10 | 3 << 6 | 0xf << 2);
    }
    bench.route(1, 3);
    bench.w(("CBARn", 3), cbar::KIND(3) | cbar::CBNDX(2));
    bench.w(("CBARn", 2), cbar::VMID(9));
    bench.w(("CBA2Rn", 3), cba2r::VA64);
    bench.w(("CBA2Rn", 2), cba2r::VA64);
    bench.w(("CBn_TCR2", 3), tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 3), tables.tcr());
    bench.w64(("CBn_TTBR0", 3), tables.root() | 7 << 48);
    // T0SZ 25, SL0 for a start at level 1, 40 bits out.
    bench.w(
        ("CBn_TCR", 2),
        tcr_stage2::PASIZE(2) | tcr_stage2::SL0(1) | tcr_stage2::T0SZ(25),
    );
    bench.w64(("CBn_TTBR0", 2), behind.root());
    bench.w(("CBn_SCTLR", 2), sctlr::M);
    bench.w(("CBn_SCTLR", 3), sctlr::CFRE | sctlr::M);
    bench.w("sCR0", 0);
    (bench, tables)
}

fn read(address: u64) -> Transaction {
    Transaction {
        stream_id: 1,
        address,
        intent: Intent::default(),
    }
}

#[test]
fn the_way_of_an_address_from_memory_and_from_the_tlb() {
    let (mut bench, mut tables) = nested();
    let explained = bench.smmu.explain(&bench.host, &read(0x1234));
    assert_eq!(
        explained.result.map(|to| (to.address, to.bank)),
        Ok((0x5234, Some(3)))
    );
    assert_eq!(explained.result, bench.smmu.translate(&bench.host, &read(0x1234)));
    let of_stage1: Vec<_> = explained
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Read {
                stage: Stage::First,
                level,
                address,
                value,
                kind,
            } => Some((*level, *address, *value, *kind)),
            _ => None,
        })
        .collect();
    assert_eq!(of_stage1.len(), 4);
    for ((level, address, value, kind), wanted) in of_stage1.into_iter().zip(0..) {
        assert_eq!(
            (level, address),
            (wanted, tables.entry(&bench.host.memory, 0x1234, wanted))
        );
        assert_eq!(value, bench.host.memory.get(address));
        let page = if wanted == 3 {
            DescriptorKind::Page
        } else {
            DescriptorKind::Table
        };
        assert_eq!(kind, page);
    }
    let second = |step: &&Step| {
        matches!(
            step,
            Step::Read {
                stage: Stage::Second,
                ..
            }
        )
    };
    assert!(
        explained.steps.iter().filter(second).count() >= 4,
        "each of them behind stage 2"
    );
    let last = explained.steps.last().expect("there are steps");
    assert!(
        matches!(
            last,
            Step::Leaf {
                stage: Stage::Second,
                kept: false,
                input: 0x5234,
                output: 0x5234,
                ..
            }
        ),
        "{last:?}"
    );
    assert_eq!(
        bench.smmu.tlb_entries().count(),
        0,
        "looking leaves nothing behind"
    );
    bench.transact(read(0x1234));
    let explained = bench.smmu.explain(&bench.host, &read(0x1ff8));
    let shown: Vec<_> = explained
        .steps
        .iter()
        .map(|step| match step {
            Step::Leaf {
                stage,
                kept,
                permissions,
                ..
            } => (*stage, *kept, permissions.names().any(|name| name == "USER_READ")),
            other => panic!("{other:?}: nothing has to be read"),
        })
        .collect();
    assert_eq!(shown, [(Stage::First, true, true), (Stage::Second, true, true)]);
    let explained = bench.smmu.explain(&bench.host, &read(0x2000));
    assert!(explained.result.is_err());
    let [Step::Table { level: 3, .. }, rest @ ..] = explained.steps.as_slice() else {
        panic!("{:?}: starts at the table that is known", explained.steps);
    };
    assert!(
        matches!(
            rest.last(),
            Some(Step::Read {
                level: 3,
                value: 0,
                kind: DescriptorKind::Invalid,
                ..
            })
        ),
        "{rest:?}"
    );
}

#[test]
fn what_the_tlb_holds() {
    let (mut bench, _) = nested();
    bench.transact(read(0x1234));
    let entries: Vec<_> = bench.smmu.tlb_entries().collect();
    let leaves: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.held {
            Held::Leaf { output, level, .. } => {
                Some((entry.regime.stage(), entry.asid, entry.address, *output, *level))
            }
            Held::Table { .. } => None,
        })
        .collect();
    assert!(
        leaves.contains(&(Stage::First, Some(7), 0x1000, 0x5000, 3)),
        "{leaves:?}"
    );
    assert!(leaves.contains(&(Stage::Second, None, 0, 0, 2)), "{leaves:?}");
    let tables = entries
        .iter()
        .filter(|entry| matches!(entry.held, Held::Table { .. }));
    assert!(tables.clone().any(|entry| entry.asid == Some(7)), "{entries:?}");
    assert!(
        entries
            .iter()
            .all(|entry| entry.regime.stage() == Stage::First || entry.vmid == 9)
    );
    // TLBIALL of bank 3: stage 2 stays.
    bench.w(("CBn_TLBIALL", 3), 0);
    assert!(
        bench
            .smmu
            .tlb_entries()
            .all(|entry| entry.regime.stage() == Stage::Second)
    );
    assert!(bench.smmu.tlb_entries().count() > 0);
}
