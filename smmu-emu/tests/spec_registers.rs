// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A second transcription of the register map, typed from the specification's tables and Linux' `arm-smmu.h` and not
//! from the crate's tables: a wrong number in either is found here.

use std::collections::BTreeMap;

use smmu_emu::regs::{Access, Row};
use smmu_emu::spec::{FRAMES, register_names};

/// Offset, name, bits, access, count (1 if absent), whether the register is Secure software's alone.
const GR0: &str = "
000 sCR0 32 rw
004 SCR1 32 rw secure
008 sCR2 32 rw
010 sACR 32 rw
020 IDR0 32 ro
024 IDR1 32 ro
028 IDR2 32 ro
02c IDR3 32 ro
030 IDR4 32 ro
034 IDR5 32 ro
038 IDR6 32 ro
03c IDR7 32 ro
040 sGFAR 64 rw
048 sGFSR 32 w1c
04c sGFSRRESTORE 32 wo
050 sGFSYNR0 32 rw
054 sGFSYNR1 32 rw
058 sGFSYNR2 32 rw
060 STLBIALL 32 wo secure
064 TLBIVMID 32 wo
068 TLBIALLNSNH 32 wo
06c TLBIALLH 32 wo
070 sTLBGSYNC 32 wo
074 sTLBGSTATUS 32 ro
078 TLBIVAH 32 wo
080 DBGRPTRTBU 32 none
084 DBGRDATATBU 32 none
088 DBGRPTRTCU 32 none
08c DBGRDATATCU 32 none
0a0 STLBIVALM 64 wo secure
0a8 STLBIVAM 64 wo secure
0b0 TLBIVALH64 64 wo
0b8 TLBIVMIDS1 32 wo
0bc STLBIALLM 32 wo secure
0c0 TLBIVAH64 64 wo
100 GATS1UR 64 wo
108 GATS1UW 64 wo
110 GATS1PR 64 wo
118 GATS1PW 64 wo
120 GATS12UR 64 wo
128 GATS12UW 64 wo
130 GATS12PR 64 wo
138 GATS12PW 64 wo
180 GPAR 64 rw
188 GATSR 32 ro
400 NSCR0 32 rw secure
408 NSCR2 32 rw secure
410 NSACR 32 rw secure
440 NSGFAR 64 rw secure
448 NSGFSR 32 w1c secure
44c NSGFSRRESTORE 32 wo secure
450 NSGFSYNR0 32 rw secure
454 NSGFSYNR1 32 rw secure
458 NSGFSYNR2 32 rw secure
470 NSTLBGSYNC 32 wo secure
474 NSTLBGSTATUS 32 ro secure
500 NSGATS1UR 64 wo secure
508 NSGATS1UW 64 wo secure
510 NSGATS1PR 64 wo secure
518 NSGATS1PW 64 wo secure
520 NSGATS12UR 64 wo secure
528 NSGATS12UW 64 wo secure
530 NSGATS12PR 64 wo secure
538 NSGATS12PW 64 wo secure
580 NSGPAR 64 rw secure
588 NSGATSR 32 ro secure
800 SMRn 32 rw x128
c00 S2CRn 32 rw x128
fd0 PIDR4 32 ro
fd4 PIDR5 32 ro
fd8 PIDR6 32 ro
fdc PIDR7 32 ro
fe0 PIDR0 32 ro
fe4 PIDR1 32 ro
fe8 PIDR2 32 ro
fec PIDR3 32 ro
ff0 CIDR0 32 ro
ff4 CIDR1 32 ro
ff8 CIDR2 32 ro
ffc CIDR3 32 ro
";

const GR1: &str = "
000 CBARn 32 rw x128
400 CBFRSYNRAn 32 rw x128
800 CBA2Rn 32 rw x128
";

const CB: &str = "
000 CBn_SCTLR 32 rw
004 CBn_ACTLR 32 rw
008 CBn_RESUME 32 wo
010 CBn_TCR2 32 rw
020 CBn_TTBR0 64 rw
028 CBn_TTBR1 64 rw
030 CBn_TCR 32 rw
034 CBn_CONTEXTIDR 32 rw
038 CBn_MAIR0 32 rw
03c CBn_MAIR1 32 rw
050 CBn_PAR 64 rw
058 CBn_FSR 32 w1c
05c CBn_FSRRESTORE 32 wo
060 CBn_FAR 64 rw
068 CBn_FSYNR0 32 rw
06c CBn_FSYNR1 32 rw
070 CBn_IPAFAR 64 rw
600 CBn_TLBIVA 64 wo
608 CBn_TLBIVAA 64 wo
610 CBn_TLBIASID 32 wo
618 CBn_TLBIALL 32 wo
620 CBn_TLBIVAL 64 wo
628 CBn_TLBIVAAL 64 wo
630 CBn_TLBIIPAS2 64 wo
638 CBn_TLBIIPAS2L 64 wo
7f0 CBn_TLBSYNC 32 wo
7f4 CBn_TLBSTATUS 32 ro
800 CBn_ATS1PR 64 wo
808 CBn_ATS1PW 64 wo
810 CBn_ATS1UR 64 wo
818 CBn_ATS1UW 64 wo
8f0 CBn_ATSR 32 ro
e00 CBn_PMEVCNTRm 32 rw x32
e80 CBn_PMEVTYPERm 32 rw x32
f00 CBn_PMCFGR 32 ro
f04 CBn_PMCR 32 rw
f20 CBn_PMCEID 32 ro
f40 CBn_PMCNTENSET 32 w1s
f44 CBn_PMCNTENCLR 32 w1c
f48 CBn_PMINTENSET 32 w1s
f4c CBn_PMINTENCLR 32 w1c
f50 CBn_PMOVSCLR 32 w1c
f58 CBn_PMOVSSET 32 w1s
fb8 CBn_PMAUTHSTATUS 32 ro
";

/// MMU-500's page 2.
const GID: &str = "
000 ITCTRL 32 rw
004 ITIP 32 ro
008 ITOP_GLBL 32 none
00c ITOP_PERF_INDEX 32 none
010 ITOP_CXT0TO31_RAM0 32 none
100 TBUQOS0 32 rw
200 PER 32 ro
204 TBU_PWR_STATUS 32 ro
5dc STATS_SYNC_INV_TBU_ACK 32 ro
670 MMU2QSS_AND_SAFE_WAIT_CNTR 32 ro
";

/// Page 3.
const PM: &str = "
000 PMEVCNTRn 32 rw x256
400 PMEVTYPERn 32 rw x256
800 PMCGCRn 32 rw x128
a00 PMCGSMRn 32 rw x128
c00 PMCNTENSETn 32 w1s x8
c20 PMCNTENCLRn 32 w1c x8
c40 PMINTENSETn 32 w1s x8
c60 PMINTENCLRn 32 w1c x8
c80 PMOVSCLRn 32 w1c x8
cc0 PMOVSSETn 32 w1s x8
e00 PMCFGR 32 ro
e04 PMCR 32 rw
e20 PMCEID0 32 ro
e24 PMCEID1 32 ro
fb8 PMAUTHSTATUS 32 ro
fcc PMDEVTYPE 32 ro
";

/// Pages 6 and 7.
const EXSMR: &str = "000 EXSMRn 32 rw x1024";
const EXS2CR: &str = "000 EXS2CRn 32 rw x1024";
/// Page 6 of Qualcomm's GPUs.
const PRR: &str = "008 GFX_PRR_CFG_LADDR 32 rw\n00c GFX_PRR_CFG_UADDR 32 rw";
/// Pages 4 and 5; pages 8 to 23.
const SSD: &str = "000 SSDRn 32 none x1024 secure";
const COMPINDEX: &str = "000 COMPINDEXn 32 none x1024";

fn in_words(row: &Row) -> String {
    let access = match row.access {
        Access::Ro => "ro",
        Access::Rw => "rw",
        Access::W1c => "w1c",
        Access::W1s => "w1s",
        Access::Wo => "wo",
        Access::Raz => "none",
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
    assert_eq!(FRAMES.len(), 10);
    for ((frame, rows), second) in FRAMES
        .into_iter()
        .zip([GR0, GR1, CB, GID, PM, EXSMR, EXS2CR, PRR, SSD, COMPINDEX])
    {
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

/// Writable bits of a full configuration and reset values, as hexadecimal numbers from the manuals. What is not here has
/// neither.
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
    ("CBn_FSYNR0", 0x00ff_0f7f, 0),
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
        let read_only = matches!(row.access, Access::Ro | Access::Raz);
        assert!(read_only || listed.contains_key(name), "{name} is not listed");
        assert!(
            listed.contains_key(name) || (row.write, row.reset) == (0, 0),
            "{name} is read-only"
        );
    }
}
