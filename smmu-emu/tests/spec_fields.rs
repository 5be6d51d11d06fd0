// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A second transcription of the fields of registers and descriptors, like `spec_registers.rs`; that of the registers
//! which tests write is `smmu_emu::testing::fields`.

use smmu_emu::spec::FRAMES;
use smmu_emu::spec::desc::{Descriptor, Stage2Descriptor};
use smmu_emu::spec::global::{Gats, Gfsynr1, Sacr, Scr2};
use smmu_emu::spec::gr1::Cbfrsynra;
use smmu_emu::spec::ident::{Idr0, Idr1, Idr2, Idr7};
use smmu_emu::spec::par::{ParFault, ParShort, ParSuccess};
use smmu_emu::spec::pm::{Pmcfgr, Pmcgcr, Pmcgsmr, Pmcr, Pmevtyper, event};
use smmu_emu::spec::secure::Scr1;
use smmu_emu::spec::short::{Level1, Level2};
use smmu_emu::testing::fields;

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
    fields!(Scr2 { EXSMRGENABLE_BITS 31, COMPINDEXENABLE_BITS 29, BPVMID_BITS 7:0 });
    fields!(Sacr {
        NORMALIZE_BITS 27, CACHE_LOCK_BITS 26, DP4K_TBUDISB_BITS 25, DP4K_TCUDISB_BITS 24, PAGESIZE_BITS 16,
        S2CRB_TLBEN_BITS 10, MMUDISB_TLBEN_BITS 9, SMTNMB_TLBEN_BITS 8, IPA2PA_CEN_BITS 4, S2WC2EN_BITS 3,
        S1WC2EN_BITS 2,
    });
    fields!(Gfsynr1 { SSD_INDEX_BITS 31:16, STREAMID_BITS 15:0 });
    fields!(Gats { ADDRESS_BITS 63:12, NDX_BITS 7:0 });
}

#[test]
fn fields_of_stream_matching_and_bank_attributes() {
    fields!(Cbfrsynra { SSD_INDEX_BITS 31:16, STREAMID_BITS 15:0 });
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
        NG_BITS 11, AF_BITS 10, SH_BITS 9:8, READ_ONLY_BITS 7, UNPRIVILEGED_BITS 6, NS_BITS 5, ATTRINDX_BITS 4:2,
        TABLE_OR_PAGE_BITS 1, VALID_BITS 0,
    });
    fields!(ParShort {
        PA_BITS 31:12, NOS_BITS 10, NS_BITS 9, SH_BITS 7, INNER_BITS 6:4, OUTER_BITS 3:2, SS_BITS 1, F_BITS 0,
    });
    fields!(Stage2Descriptor {
        WACFG_BITS 63:62, RACFG_BITS 61:60, XN_BITS 54, CONTIGUOUS_BITS 52, DBM_BITS 51, ADDRESS_BITS 47:12, AF_BITS 10,
        SH_BITS 9:8, WRITABLE_BITS 7, READABLE_BITS 6, MEMATTR_BITS 5:2, TABLE_OR_PAGE_BITS 1, VALID_BITS 0,
    });
    fields!(Level1 {
        TABLE_BITS 31:10, SECTION_BITS 31:20, SUPERSECTION_BITS 31:24, ADDRESS_35_32_BITS 23:20,
        IS_SUPERSECTION_BITS 18, NG_BITS 17, S_BITS 16, AP2_BITS 15, TEX_BITS 14:12, AP_BITS 11:10,
        ADDRESS_39_36_BITS 8:5, XN_BITS 4, CB_BITS 3:2, TABLE_PXN_BITS 2, IS_SECTION_BITS 1, TABLE_OR_PXN_BITS 0,
    });
    fields!(Level2 {
        SMALL_BITS 31:12, LARGE_BITS 31:16, LARGE_XN_BITS 15, LARGE_TEX_BITS 14:12, NG_BITS 11, S_BITS 10, AP2_BITS 9,
        SMALL_TEX_BITS 8:6, AP_BITS 5:4, CB_BITS 3:2, IS_SMALL_BITS 1, LARGE_OR_XN_BITS 0,
    });
}

#[test]
fn fields_of_secure_configuration() {
    fields!(Scr1 {
        NSCOMPINDEXDISABLE_BITS 29, NSCAFRO_BITS 28, SPMEN_BITS 27, SIF_BITS 26, GEFRO_BITS 25, GASRAE_BITS 24,
        NSNUMIRPTO_BITS 23:16, NSNUMSMRGO_BITS 15:8, NSNUMCBO_BITS 7:0,
    });
}

#[test]
fn fields_of_the_performance_monitor() {
    fields!(Pmevtyper { P_BITS 31, U_BITS 30, NSP_BITS 29, NSU_BITS 28, EVENT_BITS 7:0 });
    fields!(Pmcgcr {
        CGNC_BITS 27:24, SIDG_BITS 22:16, X_BITS 12, E_BITS 11, CBAEN_BITS 10, TCEFCFG_BITS 9:8, NDX_BITS 7:0,
    });
    fields!(Pmcgsmr { MASK_BITS 30:16, ID_BITS 14:0 });
    fields!(Pmcfgr {
        NCG_BITS 31:24, UEN_BITS 19, EX_BITS 16, CCD_BITS 15, CC_BITS 14, SIZE_BITS 13:8, N_BITS 7:0,
    });
    fields!(Pmcr { X_BITS 4, P_BITS 1, E_BITS 0 });
}

#[test]
fn numbers_of_events() {
    let events = [
        (event::CYCLE, 0x00),
        (event::CYCLES_64, 0x01),
        (event::TLB_ALLOCATED, 0x08),
        (event::TLB_ALLOCATED_READ, 0x09),
        (event::TLB_ALLOCATED_WRITE, 0x0a),
        (event::ACCESS, 0x10),
        (event::ACCESS_READ, 0x11),
        (event::ACCESS_WRITE, 0x12),
    ];
    for (event, number) in events {
        assert_eq!(event, number);
    }
}

/// Compares the fields of the test kit of some types with those of the crate's tables. Fields that a type has twice, or
/// for another format, are in one of the two alone.
fn compare(is_wanted: impl Fn(&str) -> bool) {
    let rows = FRAMES.into_iter().flat_map(|(_, rows)| rows);
    let layouts: Vec<_> = rows.flat_map(|row| row.formats).collect();
    for (name, second) in fields::FIELDS.iter().filter(|(name, _)| is_wanted(name)) {
        let layout = layouts.iter().find(|layout| layout.name == *name).expect(name);
        let mut first: Vec<_> = layout
            .fields
            .iter()
            .map(|field| (field.name.to_uppercase(), field.high, field.low))
            .collect();
        let mut second: Vec<_> = second
            .iter()
            .map(|(name, high, low)| ((*name).to_owned(), *high, *low))
            .collect();
        first.sort();
        second.sort();
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn fields_of_translation_control() {
    compare(|name| !name.ends_with("Faults"));
}

#[test]
fn fault_bits() {
    compare(|name| name.ends_with("Faults"));
}
