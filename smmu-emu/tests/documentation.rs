// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `docs/registers.md` is written from the tables. `UPDATE_DOCS=1 cargo test -p smmu-emu --test documentation` renews
//! it.

use std::fmt::Write;
use std::path::Path;

use smmu_emu::regs::{AccessRule, Row};
use smmu_emu::spec::FRAMES;

const HEAD: &str = "# Registers

Written from the tables in `smmu-emu/src/spec/` by a test (`smmu-emu/tests/documentation.rs`); do not edit.

Names are those of IHI 0062 issue D without `SMMU_`; an `n` is the number of a stream-matching group or context bank.
Offsets are from the start of the frame: GR0 is page 0, GR1 page 1, context bank n page NUMPAGE + n. \"Writable\" and \
\"reset\" are
those of a full configuration; identification registers and the bits of absent features follow the configuration
([presets](presets.md), `smmu-emu/src/registers/identity.rs`, `smmu-emu/src/registers/options.rs`). An \
offset without a row reads as zero and ignores writes.

- Fields: the type that names the fields, in `smmu-emu/src/spec/`; of several, the first that applies to the bank and \
the value.
- Needs: the features without any of which the register reads as zero and ignores writes \
([`Features`](../smmu-emu/src/spec/effect.rs)).
  MONITOR is there with `pmu_groups`, EXTENDED_GROUPS with `extended_stream_match_groups` once sCR2.EXSMRGENABLE is set.
- Secure (with `secure_state`): \"only\", a register of Secure software, RAZ/WI to others; \"copy\", Secure software \
has a copy of
  its own; an alias shows the register that is named.
- Effect: what an access does beyond its access rule ([`Effect`](../smmu-emu/src/spec/effect.rs)).
";

const FRAME_TITLES: [&str; 10] = [
    "GR0: global space 0",
    "GR1: global space 1",
    "CB: a context bank",
    "GID: MMU-500's own page, global page 2",
    "PM: performance monitor, global page 3",
    "EXSMR: extended stream matching, global page 6",
    "EXS2CR: extended stream to context, global page 7",
    "PRR: Qualcomm's GPUs, global page 6",
    "SSD: security determination table, global pages 4 and 5",
    "COMPINDEX: compressed indexing, global pages 8 to 23",
];

/// A cell that may be empty.
fn cell(text: String) -> String {
    if text.is_empty() { "–".into() } else { text }
}

fn line(rows: &[Row], row: &Row) -> String {
    let access = match row.access {
        AccessRule::Ro => "RO",
        AccessRule::Rw => "RW",
        AccessRule::W1c => "W1C",
        AccessRule::W1s => "W1S",
        AccessRule::Wo => "WO",
        AccessRule::Raz => "RAZ/WI",
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
    let behind = row.alias.map(|at| format!("alias of {}", rows[at].name));
    let only = row.secure.then(|| String::from("only"));
    let copy = row.banked.then(|| String::from("copy"));
    let secure: Vec<String> = [only, copy, behind].into_iter().flatten().collect();
    let fields: Vec<&str> = row.formats.iter().map(|format| format.name).collect();
    let needs: Vec<&str> = row.needs.iter_names().map(|(name, _)| name).collect();
    let Row {
        offset,
        name,
        width,
        doc,
        effect,
        ..
    } = row;
    let (write, reset) = (bits(row.write), bits(row.reset));
    let (fields, needs, secure) = (
        cell(fields.join(", ")),
        cell(needs.join(", ")),
        cell(secure.join(", ")),
    );
    format!(
        "| `{offset:03x}` | {name} | {}{array} | {access} | {write} | {reset} | {fields} | {needs} | {secure} | \
         {effect} |{doc} |\n",
        width * 8
    )
}

#[test]
fn register_documentation_is_current() {
    let mut text = String::from(HEAD);
    for ((_, rows), title) in FRAMES.into_iter().zip(FRAME_TITLES) {
        write!(
            text,
            "\n## {title}\n\n\
             | offset | name | bits | access | writable | reset | fields | needs | Secure | effect | |\n"
        )
        .expect("a string takes all");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        text.extend(rows.iter().map(|row| line(rows, row)));
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
