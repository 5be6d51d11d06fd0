// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The crate's register tables against the second transcription of the specification (`smmu_emu::testing::registers`):
//! a wrong number in either is found here.

use std::collections::BTreeMap;

use smmu_emu::regs::{AccessRule, Row};
use smmu_emu::spec::{FRAMES, register_names};
use smmu_emu::testing::registers;

fn in_words(row: &Row) -> String {
    let access = match row.access {
        AccessRule::Ro => "ro",
        AccessRule::Rw => "rw",
        AccessRule::W1c => "w1c",
        AccessRule::W1s => "w1s",
        AccessRule::Wo => "wo",
        AccessRule::Raz => "none",
    };
    let count = if row.count == 1 {
        String::new()
    } else {
        format!(" x{}", row.count)
    };
    let secure = if row.secure { " secure" } else { "" };
    format!(
        "{:03x} {} {} {access}{count}{secure}",
        row.offset,
        row.name,
        row.width * 8
    )
}

#[test]
fn every_row_stands_where_the_specification_puts_it() {
    assert_eq!(FRAMES.len(), registers::FRAMES.len());
    for ((frame, rows), (name, _, second)) in FRAMES.into_iter().zip(registers::FRAMES) {
        assert_eq!(frame, name);
        let first: Vec<String> = rows.iter().map(in_words).collect();
        let second: Vec<&str> = second.trim().lines().collect();
        assert_eq!(first, second, "{frame}");
    }
}

#[test]
fn names_are_unique_and_described() {
    let mut seen = BTreeMap::new();
    for (frame, rows) in FRAMES {
        for row in rows {
            assert_eq!(seen.insert(row.name, frame), None, "{} twice", row.name);
            assert!(row.doc.trim().ends_with('.'), "{}: {:?}", row.name, row.doc);
        }
    }
    assert_eq!(register_names().count(), seen.len());
}

/// Writable bits of a full configuration and reset values, as hexadecimal numbers from the manuals. What is not here
/// has neither.
const MASKS_AND_RESETS: &[(&str, u64, u64)] = &[
    ("sCR0", 0x8fff_fdff, 0x0000_0001),
    ("SCR1", 0x1fff_ffff, 0),
    ("sCR2", 0x8000_00ff, 0),
    ("NSCR0", 0x8fff_fdff, 0),
    ("NSGFSR", 0x8000_017f, 0),
    ("sACR", 0x0f01_071c, 0x0400_001c),
    ("sGFSR", 0x8000_017f, 0),
    ("sGFSRRESTORE", 0x8000_017f, 0),
    ("sGFSYNR0", 0x0000_007f, 0),
    ("sGFSYNR1", 0x0000_ffff, 0),
    ("sGFAR", u64::MAX, 0),
    ("SMRn", 0xffff_ffff, 0),
    ("S2CRn", 0x3fff_ffff, 0),
    ("CBARn", 0xffff_ffff, 0x0002_0000),
    ("CBFRSYNRAn", 0x0000_ffff, 0),
    ("CBA2Rn", 0xffff_0001, 0),
    ("CBn_SCTLR", 0x7fff_f7ff, 0),
    ("CBn_ACTLR", 0x0000_0323, 3),
    ("CBn_RESUME", 0x0000_0001, 0),
    ("CBn_TCR2", 0x4003_cf77, 0),
    ("CBn_TTBR0", u64::MAX, 0),
    ("CBn_TTBR1", u64::MAX, 0),
    ("CBn_TCR", 0xffff_ffff, 0),
    ("CBn_FSR", 0x8000_01fe, 0),
    ("CBn_FSRRESTORE", 0x8000_01fe, 0),
    ("CBn_FAR", u64::MAX, 0),
    ("CBn_FSYNR0", 0x00ff_0fff, 0),
    ("CBn_TLBIASID", 0x0000_ffff, 0),
    ("ITCTRL", 0x0000_0001, 0),
    ("TBU_PWR_STATUS", 0, 1),
    ("EXSMRn", 0xffff_ffff, 0),
    ("EXS2CRn", 0x3fff_ffff, 0),
    ("PMEVCNTRn", 0xffff_ffff, 0),
    ("PMEVTYPERn", 0xf000_00ff, 0),
    ("PMCGCRn", 0x0000_0fff, 0),
    ("PMCGSMRn", 0xffff_ffff, 0),
    ("PMCR", 0x0000_0003, 0),
    ("CBn_PMCR", 0x0000_0003, 0),
    ("sGFSYNR2", 0, 0),
    ("GPAR", 0xffff_ffff_ffff_ffff, 0),
    // Secure aliases have the bits of what they alias; their resets are those of the registers behind them.
    ("NSCR2", 0x8000_00ff, 0),
    ("NSACR", 0x0f01_071c, 0),
    ("NSGFAR", 0xffff_ffff_ffff_ffff, 0),
    ("NSGFSRRESTORE", 0x8000_017f, 0),
    ("NSGFSYNR0", 0x0000_007f, 0),
    ("NSGFSYNR1", 0x0000_ffff, 0),
    ("NSGFSYNR2", 0, 0),
    ("NSGPAR", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_CONTEXTIDR", 0xffff_ffff, 0),
    ("CBn_MAIR0", 0xffff_ffff, 0),
    ("CBn_MAIR1", 0xffff_ffff, 0),
    ("CBn_PAR", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_FSYNR1", 0, 0),
    ("CBn_IPAFAR", 0xffff_ffff_ffff_ffff, 0),
    // Triggers: a VMID or ASID of 16 bits, an address with what else its register holds, or any value.
    ("STLBIALL", 0xffff_ffff, 0),
    ("TLBIVMID", 0x0000_ffff, 0),
    ("TLBIALLNSNH", 0xffff_ffff, 0),
    ("TLBIALLH", 0xffff_ffff, 0),
    ("sTLBGSYNC", 0xffff_ffff, 0),
    ("NSTLBGSYNC", 0xffff_ffff, 0),
    ("TLBIVAH", 0xffff_ffff, 0),
    ("STLBIVALM", 0xffff_ffff_ffff_ffff, 0),
    ("STLBIVAM", 0xffff_ffff_ffff_ffff, 0),
    ("TLBIVALH64", 0xffff_ffff_ffff_ffff, 0),
    ("TLBIVMIDS1", 0x0000_ffff, 0),
    ("STLBIALLM", 0xffff_ffff, 0),
    ("TLBIVAH64", 0xffff_ffff_ffff_ffff, 0),
    ("GATS1UR", 0xffff_ffff_ffff_ffff, 0),
    ("GATS1UW", 0xffff_ffff_ffff_ffff, 0),
    ("GATS1PR", 0xffff_ffff_ffff_ffff, 0),
    ("GATS1PW", 0xffff_ffff_ffff_ffff, 0),
    ("GATS12UR", 0xffff_ffff_ffff_ffff, 0),
    ("GATS12UW", 0xffff_ffff_ffff_ffff, 0),
    ("GATS12PR", 0xffff_ffff_ffff_ffff, 0),
    ("GATS12PW", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS1UR", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS1UW", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS1PR", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS1PW", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS12UR", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS12UW", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS12PR", 0xffff_ffff_ffff_ffff, 0),
    ("NSGATS12PW", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBIVA", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBIVAA", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBIALL", 0xffff_ffff, 0),
    ("CBn_TLBIVAL", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBIVAAL", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBIIPAS2", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBIIPAS2L", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_TLBSYNC", 0xffff_ffff, 0),
    ("CBn_ATS1PR", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_ATS1PW", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_ATS1UR", 0xffff_ffff_ffff_ffff, 0),
    ("CBn_ATS1UW", 0xffff_ffff_ffff_ffff, 0),
    // Counters: at most 15 in the group that a bank views, 256 in all.
    ("CBn_PMEVCNTRm", 0xffff_ffff, 0),
    ("CBn_PMEVTYPERm", 0xf000_00ff, 0),
    ("CBn_PMCNTENSET", 0x0000_7fff, 0),
    ("CBn_PMCNTENCLR", 0x0000_7fff, 0),
    ("CBn_PMINTENSET", 0x0000_7fff, 0),
    ("CBn_PMINTENCLR", 0x0000_7fff, 0),
    ("CBn_PMOVSCLR", 0x0000_7fff, 0),
    ("CBn_PMOVSSET", 0x0000_7fff, 0),
    ("PMCNTENSETn", 0xffff_ffff, 0),
    ("PMCNTENCLRn", 0xffff_ffff, 0),
    ("PMINTENSETn", 0xffff_ffff, 0),
    ("PMINTENCLRn", 0xffff_ffff, 0),
    ("PMOVSCLRn", 0xffff_ffff, 0),
    ("PMOVSSETn", 0xffff_ffff, 0),
    // Events 0x00, 0x01, 0x08 to 0x0a and 0x10 to 0x12; Non-secure invasive and counting; MT and the kind of the
    // device.
    ("PMCEID0", 0, 0x0007_0703),
    ("PMAUTHSTATUS", 0, 0x0000_000c),
    ("PMDEVTYPE", 0, 0x0000_0056),
    // Of parts.
    ("TBUQOS0", 0xffff_ffff, 0),
    ("GFX_PRR_CFG_LADDR", 0xffff_ffff, 0),
    ("GFX_PRR_CFG_UADDR", 0xffff_ffff, 0),
];

#[test]
fn writable_bits_and_reset_values() {
    let rows: BTreeMap<&str, &Row> = FRAMES
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .map(|row| (row.name, row))
        .collect();
    for &(name, write, reset) in MASKS_AND_RESETS {
        let row = rows[name];
        assert_eq!(
            (row.write, row.reset),
            (write, reset),
            "{name}: {:#x} {:#x}",
            row.write,
            row.reset
        );
    }
    let listed: BTreeMap<&str, u64> = MASKS_AND_RESETS
        .iter()
        .map(|&(name, write, _)| (name, write))
        .collect();
    assert_eq!(listed.len(), MASKS_AND_RESETS.len(), "a register stands twice");
    for (name, row) in rows {
        let read_only = matches!(row.access, AccessRule::Ro | AccessRule::Raz);
        assert!(read_only || listed.contains_key(name), "{name} is not listed");
        assert!(
            listed.contains_key(name) || (row.write, row.reset) == (0, 0),
            "{name} is read-only"
        );
    }
}
