// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Every combination of permission bits, against tables that are written down here and not computed.

use super::{AF, Machine, READ, STAGE2, Tables, VA64};
use crate::Intent;
use crate::spec::cb::Cb;

const WXN: u64 = 1 << 9;
const UWXN: u64 = 1 << 10;
const AFE: u64 = 1 << 2;

/// Permissions, as "rwx" of the privileged and then of the unprivileged.
fn permitted(machine: &Machine, bank: u8, address: u64) -> String {
    let letters = [true, false].into_iter().flat_map(|privileged| {
        [('r', false, false), ('w', true, false), ('x', false, true)].map(|(letter, write, instruction)| {
            let intent = Intent {
                privileged,
                write,
                instruction,
            };
            if machine.look(bank, address, intent).is_ok() {
                letter
            } else {
                '-'
            }
        })
    });
    letters.collect()
}

/// AP\[2:1\] 0 to 3; for each XN bit pattern (UXN or XN, PXN) 0 to 3; per SCTLR.
type Truth = [[&'static str; 4]; 4];

// DDI 0487, "Data access permissions" and "Instruction access permissions". Columns: none, UXN, PXN, both.
const AARCH64: Truth = [
    ["rwx--x", "rwx---", "rw---x", "rw----"],
    ["rw-rwx", "rw-rw-", "rw-rwx", "rw-rw-"],
    ["r-x--x", "r-x---", "r----x", "r-----"],
    ["r-xr-x", "r-xr--", "r--r-x", "r--r--"],
];
const AARCH64_WXN: Truth = [
    ["rw---x", "rw----", "rw---x", "rw----"],
    ["rw-rw-", "rw-rw-", "rw-rw-", "rw-rw-"],
    ["r-x--x", "r-x---", "r----x", "r-----"],
    ["r-xr-x", "r-xr--", "r--r-x", "r--r--"],
];
// Columns: none, XN, PXN, both.
const AARCH32: Truth = [
    ["rwx---", "rw----", "rw----", "rw----"],
    ["rwxrwx", "rw-rw-", "rw-rwx", "rw-rw-"],
    ["r-x---", "r-----", "r-----", "r-----"],
    ["r-xr-x", "r--r--", "r--r-x", "r--r--"],
];
const AARCH32_UWXN: Truth = [
    ["rwx---", "rw----", "rw----", "rw----"],
    ["rw-rwx", "rw-rw-", "rw-rwx", "rw-rw-"],
    ["r-x---", "r-----", "r-----", "r-----"],
    ["r-xr-x", "r--r--", "r--r-x", "r--r--"],
];
const AARCH32_WXN: Truth = [
    ["rw----", "rw----", "rw----", "rw----"],
    ["rw-rw-", "rw-rw-", "rw-rw-", "rw-rw-"],
    ["r-x---", "r-----", "r-----", "r-----"],
    ["r-xr-x", "r--r--", "r--r-x", "r--r--"],
];
// One privilege: neither AP[1] nor PXN counts.
const HYPERVISOR: Truth = [
    ["rwxrwx", "rw-rw-", "rwxrwx", "rw-rw-"],
    ["rwxrwx", "rw-rw-", "rwxrwx", "rw-rw-"],
    ["r-xr-x", "r--r--", "r-xr-x", "r--r--"],
    ["r-xr-x", "r--r--", "r-xr-x", "r--r--"],
];
const HYPERVISOR_WXN: Truth = [
    ["rw-rw-", "rw-rw-", "rw-rw-", "rw-rw-"],
    ["rw-rw-", "rw-rw-", "rw-rw-", "rw-rw-"],
    ["r-xr-x", "r--r--", "r-xr-x", "r--r--"],
    ["r-xr-x", "r--r--", "r-xr-x", "r--r--"],
];

#[test]
fn long_descriptors() {
    for (cbar, cba2r, sctlr, truth) in [
        (0, VA64, 0, AARCH64),
        (0, VA64, UWXN, AARCH64),
        (0, VA64, WXN, AARCH64_WXN),
        (0, 0, 0, AARCH32),
        (0, 0, UWXN, AARCH32_UWXN),
        (0, 0, WXN, AARCH32_WXN),
        (1 << 10, VA64, 0, HYPERVISOR),
        (1 << 10, VA64, WXN, HYPERVISOR_WXN),
        (1 << 10, 0, UWXN, HYPERVISOR),
        (1 << 10, 0, WXN, HYPERVISOR_WXN),
    ] {
        let (mut machine, mut tables) = Machine::stage1("");
        machine.bank(1, 1 << 16 | 0xf300 & !0x400 | cbar, cba2r);
        machine.set(1, Cb::Sctlr, 1 | sctlr);
        if cba2r == 0 {
            machine.set(1, Cb::Tcr, 1 << 31);
            tables = Tables::new(12, 1, 0x10_0000);
        }
        for (ap, row) in (0_u64..).zip(truth) {
            for (xn, expected) in (0_u64..).zip(row) {
                let xn = (xn & 1) << 54 | (xn >> 1) << 53;
                tables.map(&machine.ram, 0x1000, 0x5000, 3, AF | ap << 6 | xn);
                assert_eq!(
                    permitted(&machine, 1, 0x1000),
                    expected,
                    "CBAR {cbar:#x} CBA2R {cba2r} SCTLR {sctlr:#x} AP {ap} XN {xn:#x}"
                );
            }
        }
    }
}

/// APTable, UXNTable and PXNTable leave what the leaf would have with those bits in it.
#[test]
fn tables_take_away() {
    for (cbar, cba2r, truth) in [(0, VA64, AARCH64), (0, 0, AARCH32), (1 << 10, VA64, HYPERVISOR)] {
        for level in [1, 2] {
            for limit in 0..16_usize {
                let (mut machine, mut tables) = Machine::stage1("");
                machine.bank(1, 1 << 16 | 0xf300 & !0x400 | cbar, cba2r);
                if cba2r == 0 {
                    machine.set(1, Cb::Tcr, 1 << 31);
                    tables = Tables::new(12, 1, 0x10_0000);
                }
                // PXNTable 59, XNTable 60, APTable[0] 61 (no user), APTable[1] 62 (read-only).
                let (pxn, xn, no_user, read_only) = (limit & 1, limit >> 1 & 1, limit >> 2 & 1, limit >> 3);
                for ap in 0..4_usize {
                    tables.map(&machine.ram, 0x1000, 0x5000, 3, AF | (ap as u64) << 6);
                    let above = tables.entry(&machine.ram, 0x1000, level);
                    let table = machine.ram.get(above) & !(0xf << 59);
                    machine.ram.set(above, table | (limit as u64) << 59);
                    let effective = (ap & 2 | read_only << 1) | (ap & 1 & !no_user);
                    assert_eq!(
                        permitted(&machine, 1, 0x1000),
                        truth[effective][pxn << 1 | xn],
                        "CBAR {cbar:#x} CBA2R {cba2r} level {level} limit {limit:#x} AP {ap}"
                    );
                }
            }
        }
    }
}

/// AP\[2:0\] without AFE, then AP\[2:1\] with it. Columns as above.
#[test]
fn short_descriptors() {
    const WITHOUT_AFE: [&str; 8] = [
        "------", "rwx---", "rwxr-x", "rwxrwx", "------", "r-x---", "r-xr-x", "r-xr-x",
    ];
    for (sctlr, truth) in [(0, AARCH32), (UWXN, AARCH32_UWXN), (WXN, AARCH32_WXN)] {
        let mut machine = Machine::new("");
        machine.bank(1, 1 << 16, 0);
        for ap in 0..8_u32 {
            let bits = |at: u32| (ap & 3) << at | (ap >> 2) << (at + 5);
            for xn in 0..4_u32 {
                // A section, a small page and a large page, whose PXN is in the table.
                machine.ram.set32(0, 2 | bits(10) | (xn & 1) << 4 | xn >> 1);
                machine.ram.set32(4, 0x1000 | 1 | (xn >> 1) << 2);
                machine.ram.set32(0x1000, 2 | bits(4) | xn & 1);
                machine.ram.set32(0x1004, 1 | bits(4) | (xn & 1) << 15);
                for address in [0x1000, 0x10_0000, 0x10_1000] {
                    let what = format!("SCTLR {sctlr:#x} AP {ap} XN {xn} {address:#x}");
                    if sctlr == 0 && xn == 0 {
                        machine.set(1, Cb::Sctlr, 1);
                        assert_eq!(
                            permitted(&machine, 1, address),
                            WITHOUT_AFE[ap as usize],
                            "{what}"
                        );
                    }
                    machine.set(1, Cb::Sctlr, 1 | sctlr | AFE);
                    let expected = truth[ap as usize >> 1][xn as usize];
                    let expected = if ap & 1 == 1 { expected } else { "------" };
                    assert_eq!(permitted(&machine, 1, address), expected, "{what}");
                }
            }
        }
    }
}

/// HAP and XN: no privilege. Only AArch32 has to read what it executes.
#[test]
fn stage2() {
    for (cba2r, truth) in [
        (
            VA64,
            [["--x", "---"], ["r-x", "r--"], ["-wx", "-w-"], ["rwx", "rw-"]],
        ),
        (
            0,
            [["---", "---"], ["r-x", "r--"], ["-w-", "-w-"], ["rwx", "rw-"]],
        ),
    ] {
        let (mut machine, mut tables) = Machine::stage2("");
        machine.bank(2, 0, cba2r);
        machine.set(2, Cb::Tcr, 5 << 16 | 1 << 6 | if cba2r == 0 { 8 } else { 24 });
        for (hap, row) in (0_u64..).zip(truth) {
            for (xn, expected) in (0_u64..).zip(row) {
                // Bit 53, which Linux sets with XN, means nothing by itself.
                for other in [0, 1 << 53] {
                    let attributes = STAGE2 & !(3 << 6) | hap << 6 | xn << 54 | other;
                    tables.map(&machine.ram, 0x1000, 0x5000, 3, attributes);
                    assert_eq!(permitted(&machine, 2, 0x1000), expected.repeat(2), "{hap} {xn}");
                }
            }
        }
    }
}

/// Both stages have to permit it.
#[test]
fn nested_is_the_intersection() {
    let (mut machine, mut stage2) = Machine::stage2("");
    machine.bank(1, 3 << 16 | 2 << 8, VA64);
    machine.set(1, Cb::Tcr, 1 << 23 | 16);
    machine.set(1, Cb::Tcr2, 5);
    machine.set(1, Cb::Ttbr0, 0x10_0000);
    let mut stage1 = Tables::new(12, 0, 0x10_0000);
    stage2.map(&machine.ram, 0, 0, 2, STAGE2);
    for (ap, row) in (0_u64..).zip(AARCH64) {
        for (hap, two) in (0_u64..).zip(["--x", "r-x", "-wx", "rwx"]) {
            stage1.map(&machine.ram, 0x1000, 0x4000_0000, 3, AF | ap << 6);
            stage2.map(
                &machine.ram,
                0x4000_0000,
                0x5000,
                3,
                STAGE2 & !(3 << 6) | hap << 6,
            );
            let expected: String = row[0]
                .chars()
                .zip(two.chars().cycle())
                .map(|(one, two)| if one == two { one } else { '-' })
                .collect();
            assert_eq!(permitted(&machine, 1, 0x1000), expected, "{ap} {hap}");
            if let Ok(leaf) = machine.look(1, 0x1000, READ) {
                let letters = [0, 1, 2].map(|bit| leaf.permissions.bits() >> (3 + bit) & 1 == 1);
                let seen: String = ["r", "w", "x"]
                    .into_iter()
                    .zip(letters)
                    .map(|(letter, set)| if set { letter } else { "-" })
                    .collect();
                assert_eq!(seen, expected[..3], "the leaf is good for other accesses too");
            }
        }
    }
}
