// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A second transcription of the register map, typed from the specification's tables and Linux' `arm-smmu.h` and not
//! from the crate's tables: a wrong number in either is found here.

use std::collections::BTreeMap;

use smmu_emu::regs::{Access, Row};
use smmu_emu::spec::bank::{Actlr, ContextFaults, Fsynr0, Sctlr};
use smmu_emu::spec::desc::{Descriptor, Stage2Descriptor};
use smmu_emu::spec::global::{Gats, Gfsynr0, Gfsynr1, GlobalFaults, S2cr, Sacr, Scr0, Scr2, Smr};
use smmu_emu::spec::gr1::{Cba2r, Cbar, Cbfrsynra};
use smmu_emu::spec::ident::{Idr0, Idr1, Idr2, Idr7};
use smmu_emu::spec::par::{ParFault, ParShort, ParSuccess};
use smmu_emu::spec::short::{Level1, Level2};
use smmu_emu::spec::tcr::{Tcr2, Tcr32, Tcr64, TcrStage2};
use smmu_emu::spec::{FRAMES, register_names};

/// Offset, name, bits, count (1 if absent), access as software of the Non-secure state sees it.
const GR0: &str = "
000 sCR0 32 rw
004 SCR1 32 secure
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
060 STLBIALL 32 secure
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
0a0 STLBIVALM 64 secure
0a8 STLBIVAM 64 secure
0b0 TLBIVALH64 64 wo
0b8 TLBIVMIDS1 32 wo
0bc STLBIALLM 32 secure
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
400 NSCR0 32 secure
408 NSCR2 32 secure
410 NSACR 32 secure
440 NSGFAR 64 secure
448 NSGFSR 32 secure
44c NSGFSRRESTORE 32 secure
450 NSGFSYNR0 32 secure
454 NSGFSYNR1 32 secure
458 NSGFSYNR2 32 secure
470 NSTLBGSYNC 32 secure
474 NSTLBGSTATUS 32 secure
500 NSGATS1UR 64 secure
508 NSGATS1UW 64 secure
510 NSGATS1PR 64 secure
518 NSGATS1PW 64 secure
520 NSGATS12UR 64 secure
528 NSGATS12UW 64 secure
530 NSGATS12PR 64 secure
538 NSGATS12PW 64 secure
580 NSGPAR 64 secure
588 NSGATSR 32 secure
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
e00 CBn_PMEVCNTRm 32 none x32
e80 CBn_PMEVTYPERm 32 none x32
f00 CBn_PMCFGR 32 none
f04 CBn_PMCR 32 none
f20 CBn_PMCEID 32 none
f40 CBn_PMCNTENSET 32 none
f44 CBn_PMCNTENCLR 32 none
f48 CBn_PMINTENSET 32 none
f4c CBn_PMINTENCLR 32 none
f50 CBn_PMOVSCLR 32 none
f58 CBn_PMOVSSET 32 none
fb8 CBn_PMAUTHSTATUS 32 none
";

fn in_words(row: &Row) -> String {
    let access = match row.access {
        Access::Ro => "ro",
        Access::Rw => "rw",
        Access::W1c => "w1c",
        Access::Wo => "wo",
        Access::Raz => "none",
    };
    let count = if row.count == 1 {
        String::new()
    } else {
        format!(" x{}", row.count)
    };
    format!(
        "{:03x} {} {} {access}{count}",
        row.offset,
        row.name,
        row.width * 8
    )
}

#[test]
fn every_row_stands_where_the_specification_puts_it() {
    for ((frame, rows), second) in FRAMES.into_iter().zip([GR0, GR1, CB]) {
        let first: Vec<String> = rows.iter().map(in_words).collect();
        let second: Vec<String> = second
            .trim()
            .lines()
            .map(|line| line.replace("secure", "none"))
            .collect();
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

/// Fields of a type, `NAME_BITS high..low` as the specification prints them.
macro_rules! fields {
    ($type:ident { $($field:ident $high:literal $(: $low:literal)?),+ $(,)? }) => {
        $(
            let low = [$high $(, $low)?].into_iter().min().unwrap_or_default();
            assert_eq!($type::$field, low..=$high, "{}.{}", stringify!($type), stringify!($field));
        )+
    };
}

#[test]
fn fields_of_the_identification_registers() {
    fields!(Idr0 {
        SES_BITS 31, S1TS_BITS 30, S2TS_BITS 29, NTS_BITS 28, SMS_BITS 27, ATOSNS_BITS 26, PTFS_BITS 25:24,
        NUMIRPT_BITS 23:16, EXSMRGS_BITS 15, CTTW_BITS 14, BTM_BITS 13, NUMSIDB_BITS 12:9, EXIDS_BITS 8,
        NUMSMRG_BITS 7:0,
    });
    fields!(Idr1 {
        PAGESIZE_BITS 31, NUMPAGENDXB_BITS 30:28, HAFDBS_BITS 25:24, NUMS2CB_BITS 23:16, SMCD_BITS 15,
        SSDTP_BITS 13:12, NUMSSDNDXB_BITS 11:8, NUMCB_BITS 7:0,
    });
    fields!(Idr2 {
        DIPANS_BITS 30, COMPINDEXS_BITS 29, HADS_BITS 28, E2HS_BITS 27, EXNUMSMRG_BITS 26:16, VMID16S_BITS 15,
        PTFSV8_64K_BITS 14, PTFSV8_16K_BITS 13, PTFSV8_4K_BITS 12, UBS_BITS 11:8, OAS_BITS 7:4, IAS_BITS 3:0,
    });
    fields!(Idr7 { MAJOR_BITS 7:4, MINOR_BITS 3:0 });
}

#[test]
fn fields_of_global_configuration() {
    fields!(Scr0 {
        VMID16EN_BITS 31, HYPMODE_BITS 30, NSCFG_BITS 29:28, WACFG_BITS 27:26, RACFG_BITS 25:24, SHCFG_BITS 23:22,
        SMCFCFG_BITS 21, MTCFG_BITS 20, MEMATTR_BITS 19:16, BSU_BITS 15:14, FB_BITS 13, PTM_BITS 12,
        VMIDPNE_BITS 11, USFCFG_BITS 10, GSE_BITS 9, STALLD_BITS 8, TRANSIENTCFG_BITS 7:6, GCFGFIE_BITS 5,
        GCFGFRE_BITS 4, EXIDENABLE_BITS 3, GFIE_BITS 2, GFRE_BITS 1, CLIENTPD_BITS 0,
    });
    fields!(Scr2 { EXSMRGENABLE_BITS 31, COMPINDEXENABLE_BITS 29, BPVMID_BITS 7:0 });
    fields!(Sacr {
        NORMALIZE_BITS 27, CACHE_LOCK_BITS 26, DP4K_TBUDISB_BITS 25, DP4K_TCUDISB_BITS 24, PAGESIZE_BITS 16,
        S2CRB_TLBEN_BITS 10, MMUDISB_TLBEN_BITS 9, SMTNMB_TLBEN_BITS 8, IPA2PA_CEN_BITS 4, S2WC2EN_BITS 3,
        S1WC2EN_BITS 2,
    });
    fields!(Gfsynr0 {
        ATS_BITS 6, NSATTR_BITS 5, NSSTATE_BITS 4, IND_BITS 3, PNU_BITS 2, WNR_BITS 1, NESTED_BITS 0,
    });
    fields!(Gfsynr1 { SSD_INDEX_BITS 31:16, STREAMID_BITS 15:0 });
    fields!(Gats { ADDRESS_BITS 63:12, NDX_BITS 7:0 });
}

#[test]
fn fields_of_stream_matching_and_bank_attributes() {
    fields!(Smr { VALID_BITS 31, MASK_BITS 30:16, ID_BITS 14:0, EXMASK_BITS 31:16, EXID_BITS 15:0 });
    fields!(S2cr {
        TRANSIENTCFG_BITS 29:28, INSTCFG_BITS 27:26, PRIVCFG_BITS 25:24, WACFG_BITS 23:22, RACFG_BITS 21:20,
        NSCFG_BITS 19:18, KIND_BITS 17:16, MEMATTR_BITS 15:12, MTCFG_BITS 11, EXIDVALID_BITS 10, SHCFG_BITS 9:8,
        CBNDX_BITS 7:0,
    });
    fields!(Cbar {
        IRPTNDX_BITS 31:24, WACFG_BITS 23:22, RACFG_BITS 21:20, BSU_BITS 19:18, KIND_BITS 17:16, MEMATTR_BITS 15:12,
        CBNDX_BITS 15:8, FB_BITS 11, HYPC_BITS 10, BPSHCFG_BITS 9:8, VMID_BITS 7:0,
    });
    fields!(Cbfrsynra { SSD_INDEX_BITS 31:16, STREAMID_BITS 15:0 });
    fields!(Cba2r { VMID16_BITS 31:16, MONC_BITS 1, VA64_BITS 0 });
}

#[test]
fn fields_of_a_context_bank() {
    fields!(Sctlr {
        UCI_BITS 30, NSCFG_BITS 29:28, WACFG_BITS 27:26, RACFG_BITS 25:24, SHCFG_BITS 23:22, FB_BITS 21,
        MTCFG_BITS 20, MEMATTR_BITS 19:16, TRANSIENTCFG_BITS 15:14, PTW_BITS 13, ASIDPNE_BITS 12, UWXN_BITS 10,
        WXN_BITS 9, HUPCF_BITS 8, CFCFG_BITS 7, CFIE_BITS 6, CFRE_BITS 5, E_BITS 4, AFFD_BITS 3, AFE_BITS 2,
        TRE_BITS 1, M_BITS 0,
    });
    fields!(Actlr { CPRE_BITS 1, CMTLB_BITS 0 });
    fields!(Tcr2 {
        NSCFG1_BITS 30, SEP_BITS 17:15, NSCFG0_BITS 14, HD_BITS 11, HA_BITS 10, HAD1_BITS 9, HAD0_BITS 8,
        TBI1_BITS 6, TBI0_BITS 5, AS_BITS 4, PASIZE_BITS 2:0,
    });
    fields!(Tcr64 {
        TG1_BITS 31:30, SH1_BITS 29:28, ORGN1_BITS 27:26, IRGN1_BITS 25:24, EPD1_BITS 23, A1_BITS 22,
        T1SZ_BITS 21:16, TG0_BITS 15:14, SH0_BITS 13:12, ORGN0_BITS 11:10, IRGN0_BITS 9:8, EPD0_BITS 7,
        T0SZ_BITS 5:0,
    });
    fields!(Fsynr0 {
        S1CBNDX_BITS 23:16, AFR_BITS 11, PTWF_BITS 10, ATOF_BITS 9, NSATTR_BITS 8, IND_BITS 6, PNU_BITS 5,
        WNR_BITS 4, S1PTWF_BITS 3, NESTED_BITS 2, PLVL_BITS 1:0,
    });
}

#[test]
fn fields_of_translation_control() {
    fields!(Tcr32 {
        EAE_BITS 31, EPD1_BITS 23, A1_BITS 22, T1SZ_BITS 18:16, EPD0_BITS 7, PD1_BITS 5, PD0_BITS 4, T0SZ_BITS 2:0,
    });
    fields!(TcrStage2 {
        HD_BITS 22, HA_BITS 21, PASIZE_BITS 18:16, TG0_BITS 15:14, SH0_BITS 13:12, ORGN0_BITS 11:10, IRGN0_BITS 9:8,
        SL0_BITS 7:6, T0SZ_BITS 5:0, T0SZ_SIGNED_BITS 3:0,
    });
}

#[test]
fn fields_of_results_and_descriptors() {
    fields!(ParSuccess { ATTR_BITS 63:56, PA_BITS 47:12, ONE_BITS 11, SH_BITS 8:7, F_BITS 0 });
    fields!(ParFault {
        STAGE_BITS 35, PLVL_BITS 33:32, ATOT_BITS 31, FORMAT_BITS 9:8, ASF_BITS 7, TLBLKF_BITS 6, TLBMCF_BITS 5,
        EF_BITS 4, PF_BITS 3, AFF_BITS 2, TF_BITS 1, F_BITS 0,
    });
    fields!(Descriptor {
        NSTABLE_BITS 63, APTABLE_READ_ONLY_BITS 62, APTABLE_PRIVILEGED_BITS 61, UXNTABLE_BITS 60,
        PXNTABLE_BITS 59, UXN_BITS 54, PXN_BITS 53, CONTIGUOUS_BITS 52, DBM_BITS 51, ADDRESS_BITS 47:12,
        NG_BITS 11, AF_BITS 10, SH_BITS 9:8, READ_ONLY_BITS 7, UNPRIVILEGED_BITS 6, NS_BITS 5, ATTRINDX_BITS 4:2, TABLE_OR_PAGE_BITS 1,
        VALID_BITS 0,
    });
    fields!(ParShort {
        PA_BITS 31:12, NOS_BITS 10, NS_BITS 9, SH_BITS 7, INNER_BITS 6:4, OUTER_BITS 3:2, SS_BITS 1, F_BITS 0,
    });
    fields!(Stage2Descriptor {
        WACFG_BITS 63:62, RACFG_BITS 61:60, XN_BITS 54, CONTIGUOUS_BITS 52, DBM_BITS 51, ADDRESS_BITS 47:12, AF_BITS 10,
        SH_BITS 9:8, WRITABLE_BITS 7, READABLE_BITS 6, MEMATTR_BITS 5:2, TABLE_OR_PAGE_BITS 1, VALID_BITS 0,
    });
    fields!(Level1 {
        TABLE_BITS 31:10, SECTION_BITS 31:20, SUPERSECTION_BITS 31:24, ADDRESS_35_32_BITS 23:20, IS_SUPERSECTION_BITS 18,
        NG_BITS 17, S_BITS 16, AP2_BITS 15, TEX_BITS 14:12, AP_BITS 11:10, ADDRESS_39_36_BITS 8:5, XN_BITS 4, CB_BITS 3:2,
        TABLE_PXN_BITS 2, IS_SECTION_BITS 1, TABLE_OR_PXN_BITS 0,
    });
    fields!(Level2 {
        SMALL_BITS 31:12, LARGE_BITS 31:16, LARGE_XN_BITS 15, LARGE_TEX_BITS 14:12, NG_BITS 11, S_BITS 10, AP2_BITS 9,
        SMALL_TEX_BITS 8:6, AP_BITS 5:4, CB_BITS 3:2, IS_SMALL_BITS 1, LARGE_OR_XN_BITS 0,
    });
}

#[test]
fn fault_bits() {
    let global = [
        (GlobalFaults::MULTI, 31),
        (GlobalFaults::UUT, 8),
        (GlobalFaults::PF, 7),
        (GlobalFaults::EF, 6),
        (GlobalFaults::CAF, 5),
        (GlobalFaults::UCIF, 4),
        (GlobalFaults::UCBF, 3),
        (GlobalFaults::SMCF, 2),
        (GlobalFaults::USF, 1),
        (GlobalFaults::ICF, 0),
    ];
    for (fault, bit) in global {
        assert_eq!(fault.bits(), 1 << bit, "sGFSR {fault:?}");
    }
    let context = [
        (ContextFaults::MULTI, 31),
        (ContextFaults::SS, 30),
        (ContextFaults::UUT, 8),
        (ContextFaults::ASF, 7),
        (ContextFaults::TLBLKF, 6),
        (ContextFaults::TLBMCF, 5),
        (ContextFaults::EF, 4),
        (ContextFaults::PF, 3),
        (ContextFaults::AFF, 2),
        (ContextFaults::TF, 1),
    ];
    for (fault, bit) in context {
        assert_eq!(fault.bits(), 1 << bit, "CBn_FSR {fault:?}");
    }
}

/// Writable bits of a full configuration and reset values, as hexadecimal numbers from the manuals.
const MASKS_AND_RESETS: &[(&str, u64, u64)] = &[
    ("sCR0", 0x8fff_fdff, 0x0000_0001),
    ("sCR2", 0x0000_00ff, 0),
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
    ("CBn_ACTLR", 0x0000_0003, 3),
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
}
