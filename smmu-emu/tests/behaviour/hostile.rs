// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A guest may do anything: no sequence of accesses panics, and what holds for every state holds afterwards.

use proptest::prelude::*;
use smmu_emu::testing::{Bench, Host};
use smmu_emu::{Intent, Response, Transaction};

#[derive(Clone, Debug)]
enum Op {
    Read { offset: u64, len: usize },
    Write { offset: u64, data: Vec<u8> },
    SecureRead { offset: u64, len: usize },
    SecureWrite { offset: u64, data: Vec<u8> },
    Transact(Transaction),
    Resume,
    Time(u64),
    Mark,
    Reset,
}

const CONFIGS: [&str; 11] = [
    "preset = \"smmuv2-generic\"\ncontext_banks = 3\nstream_match_groups = 3\ntlb = \"strict-stale\"\npmu_groups = 2\n\
     pmu_counters = 2",
    "preset = \"qcom-x1e-adreno\"\ntlb = \"normal\"",
    "preset = \"tegra-mmu-500\"",
    "preset = \"mmu-500\"\ncontext_banks = 3\nstream_match_groups = 4",
    "preset = \"mmu-500-ats\"\ncontext_banks = 2\nstream_match_groups = 2\nstream_id_bits = 3",
    "preset = \"smmuv2-generic\"\ncontext_banks = 4\nstage2_only_banks = 2\nextended_stream_ids = true\n\
     stream_match_groups = 3",
    "preset = \"smmuv2-generic\"\ncontext_banks = 1\nstream_match_groups = 0\nstream_id_bits = 2\naddress_bits = 32",
    "preset = \"mmu-401\"\nsecure_state = true",
    "preset = \"mmu-500\"\nsecure_state = true\ncontext_banks = 2\nstream_match_groups = 3\npmu_groups = 3\n\
     pmu_counters = 15",
    "preset = \"smmuv2-generic\"\nextended_stream_match_groups = 40\nstream_match_groups = 3\npmu_groups = 128\n\
     pmu_counters = 2\nextended_stream_ids = true",
    "preset = \"smmuv2-generic\"\ncontext_banks = 128\npage_size = \"64k\"\ngranule_4k = false\ngranule_64k = false",
];

const ATS_DELAY: &str = "[[delay]]\nsite = \"ats\"\npolls = 2\nprobability = 50\n";
const SYNC_DELAYS: &str = "[[delay]]\nsite = \"context-sync\"\ntime_us = { min = 0, max = 3 }\n\
    [[delay]]\nsite = \"global-sync\"\nuntil = \"m\"\nat_most_us = 5";

/// A machine with delays at every site that the model has.
fn delayed(config: &str) -> Bench {
    let ats = if ["\"mmu-500\"", "mmu-401", "qcom", "tegra"]
        .iter()
        .any(|preset| config.contains(preset))
    {
        ""
    } else {
        ATS_DELAY
    };
    Bench::with_plan(config, &format!("{ats}{SYNC_DELAYS}"))
}

/// Offsets that hit registers often: page numbers and register offsets that exist somewhere.
fn offset() -> impl Strategy<Value = u64> {
    let pages = prop_oneof![Just(0_u64), Just(1), Just(3), 16_u64..20, 0_u64..40];
    let registers = prop_oneof![
        proptest::sample::select(vec![
            0x0, 0x4, 0x8, 0x10, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x38, 0x3c, 0x40, 0x48, 0x4c, 0x50, 0x54,
            0x58, 0x5c, 0x60, 0x68, 0x70, 0x74, 0x100, 0x110, 0x180, 0x188, 0x400, 0x404, 0x600, 0x7f0,
            0x7f4, 0x800, 0x804, 0x808, 0x810, 0x818, 0x8f0, 0xc00, 0xc04,
        ]),
        0_u64..0x1000,
    ];
    prop_oneof![
        9 => (pages, registers, prop_oneof![4 => Just(12), 1 => Just(16)])
            .prop_map(|(page, reg, shift)| (page << shift) + reg),
        1 => any::<u64>(),
    ]
}

/// Values that mean something: bits set one by one, tables in memory, or noise.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0_u32..64).prop_map(|bit| 1 << bit),
        (0_u64..8).prop_map(|page| 0x9000_0000 + (page << 12)),
        Just(0x1067),
        Just(0x0001_0000),
        Just(0x8000_0001),
        Just(0x19),
        Just(0),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let width = || prop_oneof![8 => Just(4_usize), 4 => Just(8), 1 => 0_usize..20];
    let intent = any::<(bool, bool, bool)>().prop_map(|(privileged, write, instruction)| Intent {
        privileged,
        write,
        instruction,
    });
    prop_oneof![
        4 => (offset(), width()).prop_map(|(offset, len)| Op::Read { offset, len }),
        8 => (offset(), width(), value()).prop_map(|(offset, len, value)| {
            Op::Write { offset, data: value.to_le_bytes().into_iter().cycle().take(len).collect() }
        }),
        1 => (offset(), width()).prop_map(|(offset, len)| Op::SecureRead { offset, len }),
        2 => (offset(), width(), value()).prop_map(|(offset, len, value)| {
            Op::SecureWrite { offset, data: value.to_le_bytes().into_iter().cycle().take(len).collect() }
        }),
        3 => (prop_oneof![0_u16..6, any::<u16>()], prop_oneof![0_u64..0x4000, any::<u64>()], intent)
            .prop_map(|(stream_id, address, intent)| Op::Transact(Transaction { stream_id, address, intent })),
        1 => (0_u64..10_000).prop_map(Op::Time),
        3 => Just(Op::Resume),
        1 => Just(Op::Mark),
        1 => Just(Op::Reset),
    ]
}

/// Eight pages of memory that hold plausible descriptors pointing at each other.
fn fill(host: &mut Host, seed: &[u64]) {
    for page in 0..8_u64 {
        for (slot, word) in seed.iter().enumerate() {
            let next = 0x9000_0000 + ((word >> 3 & 7) << 12);
            host.memory.set(
                0x9000_0000 + (page << 12) + 8 * slot as u64,
                word & 0xfff8_0000_0000_0fc3 | next,
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_accesses_panics(
        config in 0..CONFIGS.len(),
        seed in proptest::collection::vec(any::<u64>(), 1..16),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut bench = delayed(CONFIGS[config]);
        fill(&mut bench.host, &seed);
        let mut waiting = Vec::new();
        for op in ops {
            match op {
                Op::Read { offset, len } => {
                    let mut data = vec![0xa5; len];
                    bench.smmu.read(&mut bench.host, offset, &mut data);
                }
                Op::Write { offset, data } => {
                    bench.smmu.write(&mut bench.host, offset, &data);
                }
                Op::SecureRead { offset, len } => {
                    let mut data = vec![0xa5; len];
                    bench.smmu.read_secure(&mut bench.host, offset, &mut data);
                }
                Op::SecureWrite { offset, data } => {
                    bench.smmu.write_secure(&mut bench.host, offset, &data);
                }
                Op::Transact(transaction) => {
                    match bench.transact(transaction) {
                        Response::Proceed(translation) => {
                            let bits = bench.smmu.geometry().address_bits;
                            prop_assert_eq!(translation.address >> bits, 0, "fits the output size");
                            prop_assert!(translation.length > 0);
                        }
                        Response::Stall(stall) => waiting.push(stall),
                        Response::Abort | Response::Ignore => {}
                    }
                }
                Op::Resume => {
                    for stall in std::mem::take(&mut waiting) {
                        if let Response::Stall(stall) = bench.smmu.resume(&mut bench.host, stall) {
                            waiting.push(stall);
                        }
                    }
                }
                Op::Time(step) => bench.host.time.set(bench.host.time.get() + step),
                Op::Mark => { bench.host.marks.insert("m".into()); }
                Op::Reset => bench.smmu.reset(&mut bench.host),
            }
            // A line is high exactly if its registers say so.
            let faults = bench.secure_r(("CBn_FSR", 0)) & 0x8000_01fe != 0;
            let enabled = bench.secure_r(("CBn_SCTLR", 0)) >> 6 & 1 == 1;
            prop_assert_eq!(bench.host.line(smmu_emu::Line::Context(0)), faults && enabled);
        }
    }

    #[test]
    fn reading_twice_reads_the_same(
        config in 0..CONFIGS.len(),
        ops in proptest::collection::vec((offset(), value()), 0..60),
    ) {
        let mut bench = Bench::new(CONFIGS[config]);
        for (offset, value) in ops {
            bench.smmu.write(&mut bench.host, offset, &value.to_le_bytes()[..4]);
        }
        for offset in (0..0x2000).chain(0x1_0000..0x1_3000).step_by(4) {
            let (mut a, mut b) = ([0; 4], [0; 4]);
            bench.smmu.read(&mut bench.host, offset, &mut a);
            bench.smmu.read(&mut bench.host, offset, &mut b);
            prop_assert_eq!(a, b, "{:#x}", offset);
        }
    }
}
