// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A second transcription of the register map, typed from the specification's tables and Linux' `arm-smmu.h` and not
//! from the crate's tables, and access to registers by its names. `smmu-emu/tests/spec_registers.rs` compares the two.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::Geometry;

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
800 SMRn 32 rw x244
c00 S2CRn 32 rw x244
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

/// Every frame: its name in the crate's tables, where its page is, and its registers. A line of registers is: offset,
/// name, bits, access, count (1 if absent), whether the register is Secure software's alone.
pub const FRAMES: [(&str, At, &str); 10] = [
    ("GR0", Gr0(0), GR0),
    ("GR1", Gr1(0), GR1),
    ("CB", Cb(0, 0), CB),
    ("GID", Page(2, 0), GID),
    ("PM", Page(3, 0), PM),
    ("EXSMR", Page(6, 0), EXSMR),
    ("EXS2CR", Page(7, 0), EXS2CR),
    ("PRR", Page(6, 0), PRR),
    ("SSD", Page(4, 0), SSD),
    ("COMPINDEX", Page(8, 0), COMPINDEX),
];

/// A byte offset in a register page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Global register space 0.
    Gr0(u64),
    /// Global register space 1.
    Gr1(u64),
    /// A context bank, and the offset in its page.
    Cb(u64, u64),
    /// A global page by its number, and the offset in it.
    Page(u64, u64),
}
pub use At::{Cb, Gr0, Gr1, Page};

/// A register: `"sCR0"`; `("SMRn", 5)` or `("CBn_TCR2", 3)` with the *n* of its name; `("CBn_PMEVCNTRm", 3, 0)` with
/// *n* and *m*; or any offset, as [`At`].
pub trait Locate {
    /// The byte offset in the register space.
    fn locate(self, geometry: &Geometry) -> u64;
}

/// The high half of a register of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct High<L>(pub L);

impl Locate for At {
    fn locate(self, geometry: &Geometry) -> u64 {
        let (page, offset) = match self {
            Gr0(offset) => (0, offset),
            Gr1(offset) => (1, offset),
            Page(page, offset) => (page, offset),
            Cb(bank, offset) => (geometry.page_count() + bank, offset),
        };
        (page << geometry.page_size.shift()) + offset
    }
}

impl<L: Locate> Locate for High<L> {
    fn locate(self, geometry: &Geometry) -> u64 {
        self.0.locate(geometry) + 4
    }
}

impl Locate for &str {
    fn locate(self, geometry: &Geometry) -> u64 {
        let row = row(self);
        assert!(
            row.count == 1 && !matches!(row.frame, Cb(..)),
            "{self} has an index: (\"{self}\", 0)"
        );
        row.at(0, 0).locate(geometry)
    }
}

impl Locate for (&str, u64) {
    fn locate(self, geometry: &Geometry) -> u64 {
        let (name, index) = self;
        let row = row(name);
        let at = match row.frame {
            Cb(..) => row.at(index, 0),
            _ => row.at(0, index),
        };
        at.locate(geometry)
    }
}

impl Locate for (&str, u64, u64) {
    fn locate(self, geometry: &Geometry) -> u64 {
        let (name, bank, index) = self;
        row(name).at(bank, index).locate(geometry)
    }
}

/// A line of the transcription.
#[derive(Clone, Copy)]
struct MapRow {
    frame: At,
    offset: u64,
    /// Bytes.
    width: u64,
    count: u64,
}

impl MapRow {
    fn at(&self, bank: u64, index: u64) -> At {
        assert!(
            index < self.count,
            "there are {} of this register, not {index}",
            self.count
        );
        let offset = self.offset + self.width * index;
        match self.frame {
            Gr0(_) => Gr0(offset),
            Gr1(_) => Gr1(offset),
            Page(page, _) => Page(page, offset),
            Cb(..) => Cb(bank, offset),
        }
    }
}

fn row(name: &str) -> MapRow {
    static ROWS: OnceLock<HashMap<&str, MapRow>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let lines = FRAMES
            .into_iter()
            .flat_map(|(_, frame, lines)| lines.trim().lines().map(move |line| (frame, line)));
        lines
            .map(|(frame, line)| parse(frame, line).unwrap_or_else(|| panic!("not a register: {line}")))
            .collect()
    });
    *rows
        .get(name)
        .unwrap_or_else(|| panic!("the specification has no register {name}"))
}

fn parse(frame: At, line: &'static str) -> Option<(&'static str, MapRow)> {
    let mut words = line.split(' ');
    let (offset, name, bits, _access) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let count = words.find_map(|word| word.strip_prefix('x'));
    let row = MapRow {
        frame,
        offset: u64::from_str_radix(offset, 16).ok()?,
        width: bits.parse::<u64>().ok()? / 8,
        count: count.map_or(Some(1), |count| count.parse().ok())?,
    };
    Some((name, row))
}
