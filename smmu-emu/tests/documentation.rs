// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `docs/registers.md` is written from the tables. `UPDATE_DOCS=1 cargo test -p smmu-emu --test documentation` renews
//! it.

use std::fmt::Write;
use std::path::Path;

use smmu_emu::regs::{Access, Row};
use smmu_emu::spec::FRAMES;
use smmu_emu::{BusError, Config, Env, Line, Plan, Smmu};

const HEAD: &str = "# Registers

Written from the tables in `smmu-emu/src/spec/` by a test (`smmu-emu/tests/documentation.rs`); do not edit.

Names are those of IHI 0062 issue D without `SMMU_`; an `n` is the number of a stream-matching group or context bank.
Offsets are from the start of the frame: GR0 is page 0, GR1 page 1, context bank n page NUMPAGE + n. \"Writable\" and \"reset\" are
those of a full configuration; identification registers and the bits of absent features follow the configuration
(`smmu-emu/src/identity.rs`, `smmu-emu/src/options.rs`). What no row covers reads as zero and ignores writes.
";

const FRAME_TITLES: [&str; 3] = ["GR0: global space 0", "GR1: global space 1", "CB: a context bank"];

fn line(row: &Row) -> String {
    let access = match row.access {
        Access::Ro => "RO",
        Access::Rw => "RW",
        Access::W1c => "W1C",
        Access::Wo => "WO",
        Access::Raz => "RAZ/WI",
    };
    let digits = usize::try_from(row.width * 2).unwrap_or(8);
    let bits = |value: u64| {
        if value == 0 {
            String::from("–")
        } else {
            format!("`{value:0digits$x}`")
        }
    };
    let array = if row.count == 1 {
        String::new()
    } else {
        format!(" × {}", row.count)
    };
    let Row {
        offset,
        name,
        width,
        doc,
        ..
    } = row;
    let (write, reset) = (bits(row.write), bits(row.reset));
    format!(
        "| `{offset:03x}` | {name} | {}{array} | {access} | {write} | {reset} |{doc} |\n",
        width * 8
    )
}

const CAPABILITIES: &str = "
## What the presets advertise

Each number can be changed in the configuration, as far as `Config` has a field for it.

| field | mmu-500 | mmu-500-ats | smmuv2-generic | what follows |
| --- | --- | --- | --- | --- |
";

/// Register, its offset, field, top bit, bottom bit, consequence.
const FIELDS: &[(&str, u64, &str, u32, u32, &str)] = &[
    ("IDR0", 0x20, "S1TS", 30, 30, "stage 1"),
    ("IDR0", 0x20, "S2TS", 29, 29, "stage 2"),
    ("IDR0", 0x20, "NTS", 28, 28, "stage 1 nested in stage 2"),
    (
        "IDR0",
        0x20,
        "SMS",
        27,
        27,
        "stream matching; 0 is stream indexing (`stream_match_groups = 0`)",
    ),
    (
        "IDR0",
        0x20,
        "ATOSNS",
        26,
        26,
        "1: **no** address translation operations (`ats`)",
    ),
    (
        "IDR0",
        0x20,
        "PTFS",
        25,
        24,
        "0: AArch32 short and long descriptors",
    ),
    (
        "IDR0",
        0x20,
        "NUMIRPT",
        23,
        16,
        "1: one interrupt per context bank",
    ),
    (
        "IDR0",
        0x20,
        "CTTW",
        14,
        14,
        "table walks are coherent (`coherent_walk`)",
    ),
    ("IDR0", 0x20, "BTM", 13, 13, "broadcast TLB maintenance"),
    (
        "IDR0",
        0x20,
        "NUMSIDB",
        12,
        9,
        "bits of a stream ID (`stream_id_bits`)",
    ),
    (
        "IDR0",
        0x20,
        "EXIDS",
        8,
        8,
        "16-bit stream IDs (`extended_stream_ids`)",
    ),
    (
        "IDR0",
        0x20,
        "NUMSMRG",
        7,
        0,
        "stream-matching groups (`stream_match_groups`)",
    ),
    (
        "IDR1",
        0x24,
        "PAGESIZE",
        31,
        31,
        "1: register pages of 64 KiB (`page_size`)",
    ),
    (
        "IDR1",
        0x24,
        "NUMPAGENDXB",
        30,
        28,
        "2^(n+1) pages in each half of the register space",
    ),
    (
        "IDR1",
        0x24,
        "HAFDBS",
        25,
        24,
        "2: hardware updates access flags and dirty states (`hardware_update`)",
    ),
    (
        "IDR1",
        0x24,
        "NUMS2CB",
        23,
        16,
        "banks with stage 2 only (`stage2_only_banks`)",
    ),
    (
        "IDR1",
        0x24,
        "SMCD",
        15,
        15,
        "conflicting stream matches are detected for certain; the model always does",
    ),
    ("IDR1", 0x24, "NUMCB", 7, 0, "context banks (`context_banks`)"),
    (
        "IDR2",
        0x28,
        "HADS",
        28,
        28,
        "attributes of table descriptors can be disabled (`hierarchy_disable`)",
    ),
    ("IDR2", 0x28, "VMID16S", 15, 15, "16-bit VMIDs (`vmid16`)"),
    (
        "IDR2",
        0x28,
        "PTFSv8_64kB",
        14,
        14,
        "granule of 64 KiB (`granule_64k`)",
    ),
    (
        "IDR2",
        0x28,
        "PTFSv8_16kB",
        13,
        13,
        "granule of 16 KiB (`granule_16k`)",
    ),
    (
        "IDR2",
        0x28,
        "PTFSv8_4kB",
        12,
        12,
        "granule of 4 KiB (`granule_4k`)",
    ),
    ("IDR2", 0x28, "UBS", 11, 8, "5: bus addresses of 49 bits"),
    (
        "IDR2",
        0x28,
        "OAS",
        7,
        4,
        "5: physical addresses of 48 bits (`address_bits`)",
    ),
    (
        "IDR2",
        0x28,
        "IAS",
        3,
        0,
        "5: intermediate addresses of 48 bits (`address_bits`)",
    ),
    (
        "IDR7",
        0x3c,
        "MAJOR",
        7,
        4,
        "2 and later: `sACR.CACHE_LOCK` guards `CBn_ACTLR`",
    ),
];

struct Nothing;

impl Env for Nothing {
    fn now(&self) -> u64 {
        0
    }
    fn read_memory(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> {
        Err(BusError)
    }
    fn set_line(&mut self, _: Line, _: bool) {}
    fn random(&mut self) -> u64 {
        0
    }
}

fn capabilities() -> String {
    let mut presets = ["mmu-500", "mmu-500-ats", "smmuv2-generic"].map(|preset| {
        let config: Config = toml::from_str(&format!("preset = \"{preset}\"")).expect("a preset");
        Smmu::new(&config, Plan::default()).expect("presets are valid")
    });
    let lines = FIELDS
        .iter()
        .map(|(register, offset, field, high, low, meaning)| {
            let values = presets.each_mut().map(|smmu| {
                let mut data = [0; 4];
                smmu.read(&mut Nothing, *offset, &mut data);
                (u64::from(u32::from_le_bytes(data)) >> low & ((1 << (high - low + 1)) - 1)).to_string()
            });
            format!("| {register}.{field} | {} | {meaning} |\n", values.join(" | "))
        });
    lines.collect()
}

#[test]
fn register_documentation_is_current() {
    let mut text = String::from(HEAD);
    text.push_str(CAPABILITIES);
    text.push_str(&capabilities());
    for ((_, rows), title) in FRAMES.into_iter().zip(FRAME_TITLES) {
        write!(
            text,
            "\n## {title}\n\n| offset | name | bits | access | writable | reset | |\n"
        )
        .expect("a string takes all");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        text.extend(rows.iter().map(line));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/registers.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/registers.md can be written");
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == text,
        "docs/registers.md is out of date: UPDATE_DOCS=1 cargo test -p smmu-emu --test documentation"
    );
}
