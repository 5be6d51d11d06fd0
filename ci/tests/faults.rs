// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Reaction of a stock kernel to every kind of injected fault (docs/plan.md): the recipe `faults`, in one boot.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The SMMUs of the recipe, in its order.
const SMMUS: &[&str] = &[
    "unmapped",
    "permission",
    "abort",
    "corrupt",
    "unknown",
    "conflict",
    "value",
    "lost",
    "stuck",
    "ones",
    "one-bank",
    "stale",
    "no-tlbi",
    "clocked",
];

/// Output of the guest.
struct Console(String);

impl Console {
    /// Messages of the kernel about an SMMU.
    fn of(&self, smmu: &str) -> Vec<&str> {
        let n = SMMUS.iter().position(|name| *name == smmu).unwrap();
        let device = format!("arm-smmu {:x}.iommu: ", 0x3000_0000 + 0x100_0000 * n);
        let lines = self.0.lines();
        lines
            .filter_map(|line| Some(line.split_once(&device)?.1.trim()))
            .collect()
    }

    /// The fields of its one context fault.
    fn context_fault(&self, smmu: &str) -> BTreeMap<&str, &str> {
        let lines = self.of(smmu);
        let mut faults = lines
            .iter()
            .filter_map(|line| line.strip_prefix("Unhandled context fault: "));
        let fault = faults
            .next()
            .unwrap_or_else(|| panic!("{smmu}: no context fault: {lines:?}"));
        assert_eq!(faults.next(), None, "{smmu}: one context fault");
        fault
            .split(", ")
            .filter_map(|field| field.split_once('='))
            .collect()
    }

    fn says(&self, smmu: &str, words: &str) -> bool {
        self.of(smmu).iter().any(|line| line.contains(words))
    }

    fn result(&self, name: &str) -> &str {
        let key = format!("@@boot-stress result {name} ");
        let found = self
            .0
            .lines()
            .find_map(|line| Some(line.split_once(&key)?.1.trim()));
        found.unwrap_or_else(|| panic!("no result {name} on the console:\n{}", self.0))
    }
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn boot() -> Console {
    let dirs = tempfile::tempdir().unwrap();
    let results = dirs.path().join("results");
    let output = Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args([
            "reproduce",
            "--boots",
            "1",
            "--keep-logs",
            "all",
            "--recipe",
            "faults",
        ])
        .arg("--results")
        .arg(&results)
        .output()
        .unwrap();
    let console = std::fs::read(results.join("boot-001.log")).unwrap_or_default();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.log");
    std::fs::write(&kept, &console).unwrap();
    println!("console: {}", kept.display());
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Console(String::from_utf8_lossy(&console).into_owned())
}

#[test]
fn guest_with_every_kind_of_fault() {
    let console = boot();

    // Context faults: FORMAT = 2 (AArch64) and the fault; write, and for a walk PTWF, at level 3; the disk's stream.
    for (smmu, fsr, fsynr) in [
        ("unmapped", 0x402, 0x13),
        ("permission", 0x408, 0x13),
        ("abort", 0x410, 0x413),
        ("corrupt", 0x402, 0x13),
        // Read wrong, once.
        ("value", 0x402, 0x3f_0011),
    ] {
        let fault = console.context_fault(smmu);
        let field = |name| {
            hexadecimal(
                fault
                    .get(name)
                    .copied()
                    .unwrap_or_else(|| panic!("{smmu}: {fault:?}")),
            )
        };
        assert_eq!(field("fsr"), fsr, "{smmu}: {fault:?}");
        assert_eq!(field("fsynr"), fsynr, "{smmu}: {fault:?}");
        assert_eq!(field("cbfrsynra"), 5, "{smmu}: {fault:?}");
        assert_ne!(field("iova"), 0, "{smmu}: {fault:?}");
        assert_eq!(fault.get("cb"), Some(&"0"), "{smmu}");
        assert_eq!(
            console.result(&format!("read-{smmu}")),
            "1",
            "{smmu}: the disk reports the read as failed"
        );
    }

    // Global faults.
    assert!(
        console.says("unknown", "Blocked unknown Stream ID 0x5"),
        "{:?}",
        console.of("unknown")
    );
    assert!(
        console.says("conflict", "GFSR 0x00000004"),
        "{:?}",
        console.of("conflict")
    );
    assert!(
        console.says("stuck", "Blocked unknown Stream ID 0x5"),
        "{:?}",
        console.of("stuck")
    );
    assert!(
        !console.says("lost", "Stream ID"),
        "nobody told the driver: {:?}",
        console.of("lost")
    );
    for smmu in ["unknown", "conflict", "lost", "stuck"] {
        assert_eq!(console.result(&format!("read-{smmu}")), "1", "{smmu}");
    }
    // In the recipe's order without "ones" and "clocked", which do not come as far as its interrupts.
    assert_eq!(console.result("interrupts"), "0 0 0 0 1 1 0 0 2 0 0 0");

    // Registers: without power, with a clock that is late, and with one that the kernel has switched on in time.
    for (smmu, words) in [
        ("ones", "255 context banks"),
        ("ones", "context irq(s) but 255 required"),
        ("clocked", "255 context banks"),
        ("one-bank", "1 context banks"),
    ] {
        assert!(console.says(smmu, words), "{smmu}: {:?}", console.of(smmu));
    }

    // Data: all disks have the same; the SMMU that has one bank has no fault.
    assert_eq!(console.result("first-wrong-one-bank"), "none");
    for smmu in ["stale", "no-tlbi"] {
        assert_ne!(
            console.result(&format!("first-wrong-{smmu}")),
            "none",
            "{smmu}: {:?}",
            console.of(smmu)
        );
    }
}
