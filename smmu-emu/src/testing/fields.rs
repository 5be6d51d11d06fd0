// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A second transcription of the fields of the registers that tests write, as constants: a bit, or a function that puts
//! a value into its place. `smmu-emu/tests/spec_fields.rs` compares it with the crate's.

/// Position of a field: its name, the highest bit, the lowest bit.
pub type Position = (&'static str, u32, u32);

/// A field as a constant.
macro_rules! field {
    ($name:ident $bit:literal) => {
        #[doc = concat!("Bit ", $bit, ".")]
        pub const $name: u32 = 1 << $bit;
    };
    ($name:ident $high:literal $low:literal) => {
        #[doc = concat!("Bits ", $high, " to ", $low, ".")]
        ///
        /// # Panics
        /// The value is too wide.
        #[must_use]
        #[allow(non_snake_case, reason = "the specification's name")]
        pub const fn $name(value: u32) -> u32 {
            assert!(value as u64 >> ($high - $low + 1) == 0);
            value << $low
        }
    };
}

/// The fields of registers, `NAME high:low` as the specification prints them, by the name of the crate's type.
macro_rules! fields {
    ($(
        $(#[$about:meta])*
        $module:ident $type:literal { $($field:ident $high:literal $(: $low:literal)?),+ $(,)? }
    )+) => {
        $(
            $(#[$about])*
            pub mod $module {
                $(field!($field $high $($low)?);)+
            }
        )+

        /// Every field by the name of the crate's type.
        pub const FIELDS: &[(&str, &[Position])] = &[
            $(($type, &[$((stringify!($field), $high, [$high $(, $low)?][[$high $(, $low)?].len() - 1])),+]),)+
        ];
    };
}

fields! {
    /// `sCR0`.
    scr0 "Scr0" {
        VMID16EN 31, HYPMODE 30, NSCFG 29:28, WACFG 27:26, RACFG 25:24, SHCFG 23:22, SMCFCFG 21, MTCFG 20,
        MEMATTR 19:16, BSU 15:14, FB 13, PTM 12, VMIDPNE 11, USFCFG 10, GSE 9, STALLD 8, TRANSIENTCFG 7:6,
        GCFGFIE 5, GCFGFRE 4, EXIDENABLE 3, GFIE 2, GFRE 1, CLIENTPD 0,
    }

    /// `S2CRn`.
    s2cr "S2cr" {
        TRANSIENTCFG 29:28, INSTCFG 27:26, PRIVCFG 25:24, WACFG 23:22, RACFG 21:20, NSCFG 19:18, KIND 17:16,
        MEMATTR 15:12, MTCFG 11, EXIDVALID 10, SHCFG 9:8, CBNDX 7:0,
    }

    /// `SMRn`.
    smr "Smr" {
        VALID 31, MASK 30:16, ID 14:0, EXMASK 31:16, EXID 15:0,
    }

    /// `CBARn`.
    cbar "Cbar" {
        IRPTNDX 31:24, WACFG 23:22, RACFG 21:20, BSU 19:18, KIND 17:16, MEMATTR 15:12, CBNDX 15:8, FB 11,
        HYPC 10, BPSHCFG 9:8, VMID 7:0,
    }

    /// `CBA2Rn`.
    cba2r "Cba2r" {
        VMID16 31:16, MONC 1, VA64 0,
    }

    /// `CBn_SCTLR`.
    sctlr "Sctlr" {
        UCI 30, NSCFG 29:28, WACFG 27:26, RACFG 25:24, SHCFG 23:22, FB 21, MTCFG 20, MEMATTR 19:16,
        TRANSIENTCFG 15:14, PTW 13, ASIDPNE 12, UWXN 10, WXN 9, HUPCF 8, CFCFG 7, CFIE 6, CFRE 5, E 4, AFFD 3,
        AFE 2, TRE 1, M 0,
    }

    /// `CBn_ACTLR`.
    actlr "Actlr" {
        PREFETCH 9:8, PRR 5, CPRE 1, CMTLB 0,
    }

    /// `CBn_TCR2`.
    tcr2 "Tcr2" {
        NSCFG1 30, SEP 17:15, NSCFG0 14, HD 11, HA 10, HAD1 9, HAD0 8, TBI1 6, TBI0 5, AS 4, PASIZE 2:0,
    }

    /// `CBn_TCR of stage 1, AArch64`.
    tcr64 "Tcr64" {
        TG1 31:30, SH1 29:28, ORGN1 27:26, IRGN1 25:24, EPD1 23, A1 22, T1SZ 21:16, TG0 15:14, SH0 13:12,
        ORGN0 11:10, IRGN0 9:8, EPD0 7, T0SZ 5:0,
    }

    /// `CBn_TCR of stage 1, AArch32`.
    tcr32 "Tcr32" {
        EAE 31, EPD1 23, A1 22, T1SZ 18:16, EPD0 7, PD1 5, PD0 4, T0SZ 2:0,
    }

    /// `CBn_TCR of stage 2`.
    tcr_stage2 "TcrStage2" {
        HD 22, HA 21, PASIZE 18:16, TG0 15:14, SH0 13:12, ORGN0 11:10, IRGN0 9:8, SL0 7:6, T0SZ 5:0,
        T0SZ_SIGNED 3:0,
    }

    /// `CBn_FSYNR0`.
    fsynr0 "Fsynr0" {
        S1CBNDX 23:16, AFR 11, PTWF 10, ATOF 9, NSATTR 8, NSSTATE 7, IND 6, PNU 5, WNR 4, S1PTWF 3, NESTED 2,
        PLVL 1:0,
    }

    /// `sGFSYNR0`.
    gfsynr0 "Gfsynr0" {
        ATS 6, NSATTR 5, NSSTATE 4, IND 3, PNU 2, WNR 1, NESTED 0,
    }

    /// `sGFSR`.
    gfsr "GlobalFaults" {
        MULTI 31, UUT 8, PF 7, EF 6, CAF 5, UCIF 4, UCBF 3, SMCF 2, USF 1, ICF 0,
    }

    /// `CBn_FSR`.
    fsr "ContextFaults" {
        MULTI 31, SS 30, UUT 8, ASF 7, TLBLKF 6, TLBMCF 5, EF 4, PF 3, AFF 2, TF 1,
    }
}
