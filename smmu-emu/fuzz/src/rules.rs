// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Rules of a plan from a fuzzer's bytes. Kinds, sites and their fields are read from the model's own tables, so that a
//! new one takes part at once.

use std::fmt::Write;

use smmu_emu::plan::{InjectionKind, KINDS, KindRow};
use smmu_emu::{Geometry, Plan, Site};

use super::input::Input;
use super::machine::MARK;

/// Rules that a harness can do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowed {
    /// All: nothing is compared.
    Every,
    /// Rules whose operations are the same ones with and without a TLB; and rules for descriptors that act as other
    /// contents of memory would, from the start and for every access.
    OfAnyTlb,
    /// Rules that hit alike in two models with equal TLBs, one of which is spared the invalidations that the other
    /// loses.
    OfEqualTlbs,
}

/// Names of addresses, for rules: what a harness uses.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// Bus addresses by number.
    pub address: &'a dyn Fn(u8) -> u64,
    /// Stream IDs by number.
    pub stream: &'a dyn Fn(u8) -> u16,
    /// Addresses of descriptors by number.
    pub descriptor: &'a dyn Fn(u8) -> u64,
}

/// Registers that the harnesses use.
const REGISTERS: [&str; 16] = [
    "sCR0",
    "sGFSR",
    "SMRn",
    "S2CRn",
    "sTLBGSTATUS",
    "sTLBGSYNC",
    "TLBIVMID",
    "TLBIVMIDS1",
    "CBn_SCTLR",
    "CBn_FSR",
    "CBn_FSYNR0",
    "CBn_TLBIVA",
    "CBn_TLBIVAAL",
    "CBn_PAR",
    "CBn_TTBR0",
    "CBn_TLBIIPAS2",
];

/// A plan of up to six rules, as TOML. Of rules that an SMMU of this geometry cannot have, nothing is left.
pub fn plan(input: &mut Input<'_>, geometry: &Geometry, allowed: Allowed, names: Names<'_>) -> Option<Plan> {
    let seed = input.u16()?;
    let count = input.u8()? % 6 + 1;
    let mut plan = Plan {
        seed: seed.into(),
        ..Plan::default()
    };
    for _ in 0..count {
        let text = rule(input, allowed, names)?;
        let one: Plan = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        if one.validate(geometry).is_ok() {
            plan.delays.extend(one.delays);
            plan.injections.extend(one.injections);
        }
    }
    Some(plan)
}

fn rule(input: &mut Input<'_>, allowed: Allowed, names: Names<'_>) -> Option<String> {
    let choice = usize::from(input.u8()?) % (KINDS.len() + Site::ALL.len());
    let (which, bits) = (input.u8()?, input.u16()?);
    let Some(row) = KINDS.get(choice) else {
        return delay(input, allowed, choice - KINDS.len(), which, bits, names);
    };
    let mut text = String::from("[[injection]]\n");
    let walks = matches!(row.kind, InjectionKind::WalkAbort | InjectionKind::WalkCorrupt);
    let registers = matches!(
        row.kind,
        InjectionKind::RegisterOnes | InjectionKind::RegisterValue
    );
    let fits = match allowed {
        Allowed::Every | Allowed::OfAnyTlb => true,
        Allowed::OfEqualTlbs => !registers && row.kind != InjectionKind::StaleTlb,
    };
    let row = if fits {
        row
    } else {
        InjectionKind::LostInvalidation.row()
    };
    writeln!(text, "kind = \"{}\"", row.name).ok()?;
    if walks && allowed == Allowed::OfAnyTlb {
        as_memory(&mut text, row, input, which, bits, names)?;
        return Some(text);
    }
    for (n, field) in row.takes.iter().enumerate() {
        // `xor` or else `value`: one of them is needed, and both are refused.
        let wanted = match *field {
            "xor" => which & 1 == 0,
            "value" => which & 1 == 1 || !row.takes.contains(&"xor"),
            "mask" => (which & 1 == 1 || !row.takes.contains(&"xor")) && which & 2 == 0,
            "size" => row.takes.first() == Some(&"address") && bits & 1 == 1 && which & 4 == 0,
            _ => bits >> n & 1 == 1,
        };
        if wanted {
            field_of(&mut text, field, input, names)?;
        }
    }
    when(&mut text, input)?;
    Some(text)
}

/// A rule for descriptors that is like other contents of memory: unconditional, narrowed by the descriptor alone. A
/// corruption leaves alone what leads elsewhere or covers more: software would have to invalidate other addresses.
fn as_memory(
    text: &mut String,
    row: &KindRow,
    input: &mut Input<'_>,
    which: u8,
    bits: u16,
    names: Names<'_>,
) -> Option<()> {
    if bits & 1 != 0 {
        field_of(text, "descriptor", input, names)?;
    }
    if bits & 2 != 0 {
        writeln!(text, "stage = {}", which % 2 + 1).ok()?;
    }
    let level = bits >> 2 & 7;
    if level < 4 {
        writeln!(text, "level = {level}").ok()?;
    }
    if row.kind == InjectionKind::WalkCorrupt {
        // Of tables: attributes that tables do not have, and those that they take away. Of a page of long descriptors:
        // any of its address and attributes but contiguity.
        let bits_that_count = if level == 3 {
            0xffef_ffff_ffff_fffc_u64
        } else {
            0x3f0 | 0x1f << 59
        };
        let value = input.u64()? & bits_that_count;
        if which & 2 == 0 {
            writeln!(text, "xor = \"{value:#x}\"").ok()?;
        } else {
            writeln!(text, "value = \"{value:#x}\"\nmask = \"{bits_that_count:#x}\"").ok()?;
        }
    }
    Some(())
}

fn delay(
    input: &mut Input<'_>,
    allowed: Allowed,
    site: usize,
    which: u8,
    bits: u16,
    names: Names<'_>,
) -> Option<String> {
    // A register that is not written in both models has another number of operations.
    let site = match (allowed, *Site::ALL.get(site)?) {
        (Allowed::OfEqualTlbs, Site::Register) => Site::GlobalSync,
        (_, site) => site,
    };
    let mut text = format!("[[delay]]\nsite = \"{}\"\n", site.name());
    let narrowing = site.takes().iter().filter(|field| **field != "polls");
    for (n, field) in narrowing.enumerate() {
        if *field == "register" || bits >> n & 1 == 1 {
            field_of(&mut text, field, input, names)?;
        }
    }
    let time = u64::from(input.u8()?);
    match which % 5 {
        0 if site.takes().contains(&"polls") => writeln!(text, "polls = {}", time % 4 + 1),
        0 | 1 => writeln!(text, "time_us = {time}"),
        2 => writeln!(text, "time_us = {{ min = {}, max = {time} }}", time / 2),
        3 => writeln!(text, "time_us = {{ mean = {}, max = {time} }}", time / 2),
        _ => writeln!(text, "until = \"{MARK}\"\nat_most_us = {}", time + 1),
    }
    .ok()?;
    when(&mut text, input)?;
    Some(text)
}

fn field_of(text: &mut String, field: &str, input: &mut Input<'_>, names: Names<'_>) -> Option<()> {
    let byte = input.u8()?;
    match field {
        "address" => writeln!(text, "address = \"{:#x}\"", (names.address)(byte)),
        "size" => writeln!(text, "size = \"{:#x}\"", 1_u64 << (byte % 40)),
        "stream" => writeln!(text, "stream = {}", (names.stream)(byte)),
        "bank" => writeln!(text, "bank = {}", byte % 6),
        "access" => writeln!(
            text,
            "access = \"{}\"",
            // Registers are not fetched from.
            if text.contains("delay") {
                ["read", "write"].get(usize::from(byte % 2))?
            } else {
                ["read", "write", "fetch"].get(usize::from(byte % 3))?
            }
        ),
        "level" => writeln!(text, "level = {}", byte % 4),
        "stage" => writeln!(text, "stage = {}", byte % 2 + 1),
        "descriptor" => writeln!(text, "descriptor = \"{:#x}\"", (names.descriptor)(byte)),
        "xor" | "value" | "mask" => writeln!(text, "{field} = \"{:#x}\"", input.u64()?),
        "asid" => writeln!(text, "asid = {}", byte % 3),
        "vmid" => writeln!(text, "vmid = {}", byte % 5),
        "register" => writeln!(
            text,
            "register = \"{}\"",
            REGISTERS.get(usize::from(byte) % REGISTERS.len())?
        ),
        "index" => writeln!(text, "index = {}", byte % 6),
        "frame" => {
            let frame = match byte % 10 {
                0..=2 => "gr0".into(),
                3 => "gr1".into(),
                bank => format!("cb{}", bank - 4),
            };
            writeln!(text, "frame = \"{frame}\"")
        }
        "line" => writeln!(
            text,
            "line = \"{}\"",
            ["global", "context", "pmu"].get(usize::from(byte % 3))?
        ),
        other => panic!("a new field of rules, {other}: what are its values?"),
    }
    .ok()
}

/// Writes when the rule hits: half of the rules always.
fn when(text: &mut String, input: &mut Input<'_>) -> Option<()> {
    let (kind, n) = (input.u8()? % 16, u32::from(input.u8()?));
    match kind {
        0 => writeln!(text, "nth = {}", n % 16 + 1),
        1 => writeln!(text, "interval = {}", n % 7 + 1),
        2 | 3 => writeln!(text, "probability = {}", n % 101),
        4 => writeln!(text, "space = {}", n % 32),
        5 => writeln!(text, "times = {}", n % 8),
        6 => writeln!(text, "after = \"{MARK}\""),
        7 => writeln!(text, "before = \"{MARK}\""),
        _ => Ok(()),
    }
    .ok()
}
