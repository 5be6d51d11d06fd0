// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Every row of every table obeys its access rule: the first and the last register of it, with any value.

use proptest::prelude::*;
use smmu_emu::regs::{AccessRule, Row};
use smmu_emu::spec::FRAMES;
use smmu_emu::testing::{At, Bench, Cb, Gr0, Gr1, Page};

/// Every optional feature that a register depends on.
const FULL: &str = "preset = \"smmuv2-generic\"\nextended_stream_ids = true\nstream_match_groups = 128\n\
    context_banks = 128\nextended_stream_match_groups = 1024\npmu_groups = 128\npmu_counters = 2\n\
    hardware_update = true\nhierarchy_disable = true";
const MMU_500: &str = "preset = \"mmu-500\"";
const ADRENO: &str = "preset = \"qcom-x1e-adreno\"";

/// A machine that has the registers of a frame, and the address of one of a row's registers.
fn machine(frame: &str, row: &Row, last: bool) -> (Bench, At) {
    let count = match row.name {
        // Qualcomm's parts alone have more.
        "SMRn" | "S2CRn" => 128,
        _ => u32::from(row.count),
    };
    let index = if last { count - 1 } else { 0 };
    let offset = u64::from(row.offset + row.width * index);
    let mut bench = Bench::new(match frame {
        "GID" => MMU_500,
        "PRR" => ADRENO,
        _ => FULL,
    });
    let at = match frame {
        "GR0" => Gr0(offset),
        "GR1" => Gr1(offset),
        "CB" => Cb(if last { 127 } else { 0 }, offset),
        "GID" => Page(2, offset),
        "PM" => Page(3, offset),
        "EXSMR" | "PRR" => Page(6, offset),
        "EXS2CR" => Page(7, offset),
        "SSD" => Page(5, offset),
        "COMPINDEX" => Page(23, offset),
        _ => panic!("{frame}: a new frame needs its page here"),
    };
    if frame.starts_with("EXS") {
        bench.w(Gr0(8), 1 << 31);
    }
    (bench, at)
}

fn read(bench: &mut Bench, at: At, row: &Row) -> u64 {
    if row.width == 8 {
        bench.r64(at)
    } else {
        bench.r(at).into()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a register of 32 bits takes 32 of them"
)]
fn write(bench: &mut Bench, at: At, row: &Row, value: u64) {
    if row.width == 8 {
        bench.w64(at, value)
    } else {
        bench.w(at, value as u32)
    }
}

/// Bits that software can write in the machine of a row, and the bits that read one whatever is written.
fn bits(row: &Row) -> (u64, u64) {
    match row.name {
        // Behaviours 13 and 20: one interrupt per bank, and no MMU-500.
        "CBARn" => (row.write & 0x00ff_ffff, 0),
        // NSSTATE is SMMUv1's.
        "CBn_FSYNR0" => (row.write & !0x80, 0),
        "sACR" | "CBn_ACTLR" => (0, 0),
        // P is a trigger.
        "PMCR" => (1, 0),
        // CGNC.
        "PMCGCRn" => (row.write, 2 << 24),
        _ => (row.write, 0),
    }
}

fn check(frame: &str, row: &Row, last: bool, value: u64) -> Result<(), TestCaseError> {
    let name = row.name;
    let (mut bench, at) = machine(frame, row, last);
    let before = read(&mut bench, at, row);
    write(&mut bench, at, row, value);
    let after = read(&mut bench, at, row);
    let hidden = row.secure || (frame == "CB" && row.offset >= 0xe00);
    let (writable, fixed) = bits(row);
    let expected = match row.access {
        // Secure software's alone; and no counter group is assigned to a bank.
        _ if hidden => 0,
        // Behaviour 21: what triggers does not echo.
        AccessRule::Wo | AccessRule::Raz => 0,
        AccessRule::Ro => before,
        // Nothing was set.
        AccessRule::W1c => 0,
        AccessRule::Rw | AccessRule::W1s => value & writable | fixed,
    };
    prop_assert_eq!(
        after,
        expected,
        "{}: {:#x} reads back as {:#x}",
        name,
        value,
        after
    );
    if row.access == AccessRule::Rw && !hidden {
        write(&mut bench, at, row, 0);
        prop_assert_eq!(read(&mut bench, at, row), fixed, "{}: zeros do not stick", name);
    }
    Ok(())
}

/// Behaviours 6, 13, 20 and 21: also every field of several formats, one interrupt per bank, and triggers read zero.
#[test]
fn all_ones_read_back_the_write_mask() {
    for (frame, rows) in FRAMES {
        for row in rows {
            for last in [false, true] {
                check(frame, row, last, u64::MAX).expect(row.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_reads_back_its_writable_bits(
        pick in any::<proptest::sample::Index>(),
        last in any::<bool>(),
        value in any::<u64>(),
    ) {
        let rows: Vec<_> = FRAMES
            .into_iter()
            .flat_map(|(frame, rows)| rows.iter().map(move |row| (frame, row)))
            .collect();
        let (frame, row) = *pick.get(&rows);
        let value = if row.width == 8 { value } else { value & u64::from(u32::MAX) };
        check(frame, row, last, value)?;
    }

    /// Behaviours 39 and 41: halves are merged in either order, and no other width changes anything.
    #[test]
    fn halves_are_merged_and_other_widths_are_not(
        pick in any::<proptest::sample::Index>(),
        values in any::<(u32, u32)>(),
        high_first in any::<bool>(),
        width in prop_oneof![Just(1_usize), Just(2), Just(3), Just(5), Just(16)],
        shift in 0_u64..8,
    ) {
        let rows: Vec<_> = FRAMES
            .into_iter()
            .flat_map(|(frame, rows)| rows.iter().map(move |row| (frame, row)))
            .filter(|(_, row)| row.width == 8 && row.access == AccessRule::Rw && !row.secure)
            .collect();
        let (frame, row) = *pick.get(&rows);
        let (mut bench, at) = machine(frame, row, false);
        let offset = bench.offset(at);
        let (low, high) = values;
        let mut halves = [(offset, low), (offset + 4, high)];
        if high_first {
            halves.reverse();
        }
        for (offset, half) in halves {
            bench.smmu.write(&mut bench.host, offset, &half.to_le_bytes());
        }
        let whole = u64::from(high) << 32 | u64::from(low);
        prop_assert_eq!(bench.r64(at), whole);
        bench.smmu.write(&mut bench.host, offset + shift, &vec![0xff; width]);
        prop_assert_eq!(bench.r64(at), whole);
    }
}
