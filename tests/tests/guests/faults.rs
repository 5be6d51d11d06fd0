// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults that are injected while the guest works: the kernel's own lines say what was injected, and the guest goes on.

use anyhow::{Context, Result, ensure};
use boot_stress::recipe::Recipe;
use serde_json::{Value, json};

use crate::boot::{Boot, Meanwhile, boot_and};

mod stale;

const CONSOLE: u16 = 7;
const TEST: u16 = 9;
/// Of no client.
const STRANGER: u16 = 0x77;
/// Linux gives out the highest addresses below this one.
const TOP: u64 = 1 << 48;
const PAGE: u64 = 0x1000;
/// Pages: 128 buffers for input, of 16 KiB if that is what the kernel's pages are, and more.
const LOOKED_AT: u64 = 640;
/// Far from those.
const UNMAPPED: u64 = 0x1234_5000;

/// `FSR` (IHI 0062 16.5.8): translation fault, permission fault, stalled; the format AArch64.
const TF: u32 = 1 << 1;
const PF: u32 = 1 << 3;
const SS: u32 = 1 << 30;
const AARCH64: u32 = 2 << 9;
/// `FSYNR0` (16.5.9): the access was a write, privileged, an instruction fetch.
const WNR: u32 = 1 << 4;
const PNU: u32 = 1 << 5;
const IND: u32 = 1 << 6;
/// `sGFSR` (12.5.6): unidentified stream, stream match conflict.
const USF: u32 = 1 << 1;
const SMCF: u32 = 1 << 2;
/// `sGFSYNR0` (12.5.8).
const G_WNR: u32 = 1 << 1;
/// `sCR0.SMCFCFG`: a conflict of stream matches is a fault.
const SMCFCFG: u64 = 1 << 21;
/// `CBn_SCTLR.CFCFG`: a context fault stalls.
const CFCFG: u64 = 1 << 7;

/// A context fault that was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Injected {
    fsr: u32,
    iova: u64,
    /// `FSYNR0` from PLVL to IND.
    fsynr: u32,
    stream: u16,
    bank: u64,
}

/// Access to make.
#[derive(Debug, Clone, Copy)]
struct Access {
    stream: u16,
    address: u64,
    access: &'static str,
    privileged: bool,
}

impl Access {
    fn translate(self, now: &mut Meanwhile) -> Result<Value> {
        let Self {
            stream,
            address,
            access,
            privileged,
        } = self;
        let arguments =
            json!({ "stream": stream, "address": address, "access": access, "privileged": privileged });
        now.execute("translate", arguments)
    }

    /// Has the test master make it, and says how it ended.
    fn make(self, now: &mut Meanwhile) -> Result<String> {
        let Self {
            stream,
            address,
            access,
            privileged,
        } = self;
        let arguments = json!({
            "master": "test", "address": address, "length": 4, "access": access, "privileged": privileged,
            "stream": stream,
        });
        let mut result = now.execute("dma", arguments)?;
        now.wait_until("end of the access", |now| {
            if result["state"] == "running" || result["state"] == "stalled" {
                result = now.execute("dma-result", json!({ "master": "test" }))?;
            }
            Ok(result["state"] == "bus-error" || result["state"] == "done")
        })?;
        let end = result["state"].as_str().context("no state")?;
        Ok(end.to_owned())
    }

    /// Has the test master make it; it has to end with a bus error.
    fn fails(self, now: &mut Meanwhile) -> Result<()> {
        let end = self.make(now)?;
        ensure!(end == "bus-error", "{self:x?}: {end}");
        Ok(())
    }

    /// Makes it, and says what the kernel has to print.
    fn inject(self, now: &mut Meanwhile, cause: u32, stall: u32) -> Result<Injected> {
        // Until the kernel has cleared the fault before, the bank takes no other.
        let mut fault = self.translate(now)?;
        now.wait_until("end of the last fault", |now| {
            fault = self.translate(now)?;
            Ok(fault["fault"] == "context")
        })?;
        let bank = fault["bank"].as_u64().with_context(|| fault.to_string())?;
        let level = fault["level"].as_u64().with_context(|| fault.to_string())?;
        self.fails(now)?;
        let flag = |set, bit| if set { bit } else { 0 };
        Ok(Injected {
            fsr: cause | stall | AARCH64,
            iova: self.address,
            fsynr: u32::try_from(level)?
                | flag(self.access == "write", WNR)
                | flag(self.privileged, PNU)
                | flag(self.access == "fetch", IND),
            stream: self.stream,
            bank,
        })
    }
}

fn access(stream: u16, address: u64, access: &'static str) -> Access {
    Access {
        stream,
        address,
        access,
        privileged: false,
    }
}

/// The kernel's line of a context fault.
fn printed(line: &str) -> Injected {
    let field = |name: &str| -> u64 {
        let (_, rest) = line
            .split_once(&format!("{name}="))
            .unwrap_or_else(|| panic!("no {name}: {line}"));
        let word = rest.split([',', ' ']).next().unwrap().trim();
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
            None => word.parse().unwrap(),
        }
    };
    Injected {
        fsr: u32::try_from(field(" fsr")).unwrap(),
        iova: field("iova"),
        fsynr: u32::try_from(field("fsynr")).unwrap() & (WNR | PNU | IND | 3),
        stream: u16::try_from(field("cbfrsynra") & 0xffff).unwrap(),
        bank: field("cb"),
    }
}

/// The pages among the highest that the console's rings, and the buffers in which it waits for input, have left free.
fn free_pages(now: &mut Meanwhile) -> Result<Vec<u64>> {
    let mut free = Vec::new();
    for number in 1..=LOOKED_AT {
        let page = TOP - number * PAGE;
        if access(CONSOLE, page, "write").translate(now)?["result"] != "translated" {
            free.push(page);
        }
    }
    Ok(free)
}

/// Injects a write of a page that is mapped for reading only: what the guest writes to the console, and not for long.
/// So the guest has to stand still while a page of that is looked for and written.
fn inject_read_only(now: &mut Meanwhile) -> Result<Injected> {
    let free = free_pages(now)?;
    let mut injected = None;
    now.wait_until("page mapped for reading only", |now| {
        injected = now.while_stopped(|now| written_while_read_only(now, &free))?;
        Ok(injected.is_some())
    })?;
    injected.context("no page")
}

fn written_while_read_only(now: &mut Meanwhile, pages: &[u64]) -> Result<Option<Injected>> {
    for &page in pages {
        let write = access(CONSOLE, page, "write");
        let read = access(CONSOLE, page, "read").translate(now)?;
        if read["result"] == "translated" && write.translate(now)?["result"] == "fault" {
            return write.inject(now, PF, 0).map(Some);
        }
    }
    Ok(None)
}

fn register(now: &mut Meanwhile, name: &str, index: u64) -> Result<u64> {
    let read = now.execute("register-read", json!({ "name": name, "index": index }))?;
    read["value"].as_u64().with_context(|| read.to_string())
}

fn write_register(now: &mut Meanwhile, name: &str, index: u64, value: u64) -> Result<()> {
    now.execute(
        "register-write",
        json!({ "name": name, "index": index, "value": value }),
    )
    .map(drop)
}

/// All kinds, one after the other. Not in the bank of the disk: a fault that the kernel has not cleared yet blocks what
/// else is in a bank (`CBn_SCTLR.HUPCF` is 0), and the disk would fail.
fn inject(now: &mut Meanwhile) -> Result<Vec<Injected>> {
    now.wait_for_mark("working")?;
    let mut injected = Vec::new();
    for kind in ["read", "write", "fetch"] {
        injected.push(access(TEST, UNMAPPED, kind).inject(now, TF, 0)?);
    }
    let privileged = Access {
        privileged: true,
        ..access(TEST, UNMAPPED + 0xabc, "write")
    };
    injected.push(privileged.inject(now, TF, 0)?);
    // Before a fault in the console's bank, for which the console has to be there.
    stale::inject(now)?;
    injected.push(inject_read_only(now)?);

    let bank = access(TEST, UNMAPPED, "read").translate(now)?["bank"]
        .as_u64()
        .context("no bank")?;
    let sctlr = register(now, "CBn_SCTLR", bank)?;
    write_register(now, "CBn_SCTLR", bank, sctlr | CFCFG)?;
    injected.push(access(TEST, UNMAPPED + 0x1000, "read").inject(now, TF, SS)?);
    write_register(now, "CBn_SCTLR", bank, sctlr)?;

    access(STRANGER, UNMAPPED, "write").fails(now)?;
    // A second one before the kernel has cleared the first would be no more than a bit.
    now.wait_until("end of the global fault", |now| {
        Ok(register(now, "sGFSR", 0)? == 0)
    })?;

    let scr0 = register(now, "sCR0", 0)?;
    write_register(now, "sCR0", 0, scr0 | SMCFCFG)?;
    let free = (0..48).find(|index| matches!(register(now, "SMRn", *index), Ok(smr) if smr >> 31 == 0));
    let free = free.context("no free stream match group")?;
    write_register(now, "SMRn", free, 1 << 31 | u64::from(TEST))?;
    access(TEST, UNMAPPED, "read").fails(now)?;
    write_register(now, "SMRn", free, 0)?;
    write_register(now, "sCR0", 0, scr0)?;
    now.raise_mark("injected")?;
    Ok(injected)
}

/// The fields of the kernel's report of global faults, in its order.
fn global_faults(boot: &Boot) -> Vec<[u32; 4]> {
    let field = |line: &str, name: &str| {
        let (_, rest) = line
            .split_once(&format!("{name} 0x"))
            .unwrap_or_else(|| panic!("no {name}: {line}"));
        u32::from_str_radix(rest.split(',').next().unwrap().trim(), 16).unwrap()
    };
    boot.lines("GFSR 0x")
        .into_iter()
        .map(|line| ["GFSR", "GFSYNR0", "GFSYNR1", "GFSYNR2"].map(|name| field(line, name)))
        .collect()
}

fn faults(name: &str, kernel: Option<&str>) {
    let recipe = Recipe::parse(include_str!("faults.toml"), "faults.toml").unwrap();
    let mut injected = Vec::new();
    let boot = boot_and(name, &recipe, kernel, |now| {
        injected = inject(now)?;
        Ok(())
    });
    let seen: Vec<Injected> = boot
        .lines("Unhandled context fault:")
        .into_iter()
        .map(printed)
        .collect();
    assert_eq!(seen, injected);
    for fault in &seen {
        println!("{fault:x?}");
    }
    let global = global_faults(&boot);
    let expected = [[USF, G_WNR, STRANGER.into(), 0], [SMCF, 0, TEST.into(), 0]];
    assert_eq!(global, expected);
    assert_eq!(boot.lines("Blocked unknown Stream ID 0x77;").len(), 1);
    assert_eq!(boot.lines("Unexpected global fault").len(), 1);
    let rounds: u32 = boot.result("rounds").parse().unwrap();
    assert!(rounds > 0, "the workload did not get on");
    println!("{rounds} rounds of the workload");
}

#[test]
fn guest_and_injected_faults() {
    faults("faults", None);
}

#[test]
#[ignore = "long: ci/guests"]
fn guest_and_injected_faults_on_6_16() {
    faults("faults-6.16", Some("6.16.3+deb13-arm64"));
}

#[test]
#[ignore = "long: ci/guests"]
fn guest_and_injected_faults_with_pages_of_16_kib() {
    faults("faults-16k", Some("7.3.4+deb13-arm64-16k"));
}
