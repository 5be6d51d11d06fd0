// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A second transcription of the columns presence, banking, alias and effect of the register tables, like
//! `spec_registers.rs`.

use std::collections::BTreeMap;

use smmu_emu::regs::Row;
use smmu_emu::spec::FRAMES;
use smmu_emu::spec::effect::{AtsOperation, BankMaintenance, Effect, Maintenance};

fn row(name: &str) -> &'static Row {
    let mut rows = FRAMES.into_iter().flat_map(|(_, rows)| rows);
    rows.find(|row| row.name == name).expect(name)
}

/// Registers that are not there in every configuration, by what they need: IHI 0062D §4 and §16, IDR0 and IDR1, the
/// manuals of MMU-500, and what Linux' drivers of SMMUv1 and of Qualcomm's leave out.
const NEEDS: &[(&str, &str)] = &[
    ("sACR NSACR CBn_ACTLR", "MMU_500"),
    (
        "ITCTRL ITIP ITOP_GLBL ITOP_PERF_INDEX ITOP_CXT0TO31_RAM0 TBUQOS0 PER TBU_PWR_STATUS",
        "MMU_500",
    ),
    (
        "STATS_SYNC_INV_TBU_ACK MMU2QSS_AND_SAFE_WAIT_CNTR",
        "MMU_500 QCOM",
    ),
    ("GFX_PRR_CFG_LADDR GFX_PRR_CFG_UADDR", "QCOM"),
    (
        "GATS1UR GATS1UW GATS1PR GATS1PW GATS12UR GATS12UW GATS12PR GATS12PW GPAR GATSR",
        "ATS",
    ),
    (
        "NSGATS1UR NSGATS1UW NSGATS1PR NSGATS1PW NSGATS12UR NSGATS12UW NSGATS12PR NSGATS12PW",
        "ATS",
    ),
    ("NSGPAR NSGATSR", "ATS"),
    (
        "CBn_ATS1PR CBn_ATS1PW CBn_ATS1UR CBn_ATS1UW CBn_ATSR CBn_PAR",
        "STAGE_1 ATS",
    ),
    ("CBn_TTBR1 CBn_CONTEXTIDR CBn_MAIR0 CBn_MAIR1", "STAGE_1"),
    (
        "CBn_TLBIVA CBn_TLBIVAA CBn_TLBIASID CBn_TLBIVAL CBn_TLBIVAAL",
        "STAGE_1",
    ),
    ("CBn_TCR2", "VERSION_2 STAGE_1"),
    ("CBA2Rn CBn_TLBIIPAS2 CBn_TLBIIPAS2L", "VERSION_2"),
    ("EXSMRn EXS2CRn", "EXTENDED_GROUPS"),
];

#[test]
fn registers_of_optional_features() {
    let listed: BTreeMap<&str, &str> = NEEDS
        .iter()
        .flat_map(|(names, needs)| names.split(' ').map(|name| (name, *needs)))
        .collect();
    for (frame, rows) in FRAMES {
        for row in rows {
            let monitor = frame == "PM" || row.name.starts_with("CBn_PM");
            let expected = if monitor {
                "MONITOR"
            } else {
                listed.get(row.name).copied().unwrap_or("")
            };
            let needs: Vec<&str> = row.needs.iter_names().map(|(name, _)| name).collect();
            assert_eq!(needs.join(" "), expected, "{}", row.name);
        }
    }
}

/// Registers of global space 0 that Secure software has a copy of (IHI 0062D §9, banked with security).
const BANKED: &str = "sCR0 sCR2 sACR sGFAR sGFSR sGFSRRESTORE sGFSYNR0 sGFSYNR1 sGFSYNR2 sTLBGSYNC sTLBGSTATUS GATS1UR \
    GATS1UW GATS1PR GATS1PW GATS12UR GATS12UW GATS12PR GATS12PW GPAR GATSR";

#[test]
fn banked_registers_and_their_aliases() {
    let banked: Vec<&str> = BANKED.split(' ').collect();
    for (frame, rows) in FRAMES {
        for row in rows {
            assert_eq!(row.banked, banked.contains(&row.name), "{}", row.name);
            // What Secure software has a copy of, it sees for Non-secure software 0x400 further up.
            let alias = row.secure && row.name.starts_with("NS");
            if frame != "PM" {
                assert_eq!(row.alias.is_some(), alias, "{}", row.name);
            }
            if alias {
                let behind = &rows[row.alias.unwrap_or_default()];
                assert_eq!(behind.offset + 0x400, row.offset, "{}", row.name);
                assert!(behind.banked, "{}", row.name);
                assert_eq!(behind.access, row.access, "{}", row.name);
                let plain = |name: &str| name.trim_start_matches('s').to_owned();
                assert_eq!(plain(behind.name), row.name[2..], "{}", row.name);
            }
        }
    }
    let aliases = FRAMES[0].1.iter().filter(|row| row.alias.is_some());
    assert_eq!(aliases.count(), banked.len());
}

/// Registers that set and clear the same bits (IHI 0062D §6.5).
#[test]
fn set_and_clear_registers_show_the_same_bits() {
    let (_, rows) = FRAMES
        .into_iter()
        .find(|(name, _)| *name == "PM")
        .expect("a frame");
    let aliases: Vec<(&str, &str)> = rows
        .iter()
        .filter_map(|row| row.alias.map(|at| (row.name, rows[at].name)))
        .collect();
    let expected = [
        ("PMCNTENCLRn", "PMCNTENSETn"),
        ("PMINTENCLRn", "PMINTENSETn"),
        ("PMOVSCLRn", "PMOVSSETn"),
    ];
    assert_eq!(aliases, expected);
}

/// Operations, as the names of their registers spell them (IHI 0062D §4, §5).
#[test]
fn operations_do_what_their_names_say() {
    let translate = |name: &str| match row(name).effect {
        Effect::Translate(operation) => operation,
        other => panic!("{name}: {other:?}"),
    };
    for (stages, both_stages) in [("GATS1", false), ("GATS12", true), ("CBn_ATS1", false)] {
        for (suffix, privileged, write) in [
            ("UR", false, false),
            ("UW", false, true),
            ("PR", true, false),
            ("PW", true, true),
        ] {
            let expected = AtsOperation {
                both_stages,
                privileged,
                write,
            };
            assert_eq!(
                translate(&format!("{stages}{suffix}")),
                expected,
                "{stages}{suffix}"
            );
        }
    }
    for (name, expected) in [
        ("TLBIVMID", Maintenance::Vmid),
        ("TLBIVMIDS1", Maintenance::VmidStage1),
        ("TLBIALLNSNH", Maintenance::NonHypervisor),
        ("TLBIALLH", Maintenance::Hypervisor),
        ("TLBIVAH", Maintenance::HypervisorAddress32),
        (
            "TLBIVAH64",
            Maintenance::HypervisorAddress64 { last_level: false },
        ),
        (
            "TLBIVALH64",
            Maintenance::HypervisorAddress64 { last_level: true },
        ),
    ] {
        assert_eq!(row(name).effect, Effect::Invalidate(expected), "{name}");
    }
    let address = |any_asid, last_level| BankMaintenance::Address { any_asid, last_level };
    let intermediate = |last_level| BankMaintenance::Intermediate { last_level };
    for (name, expected) in [
        ("CBn_TLBIALL", BankMaintenance::All),
        ("CBn_TLBIASID", BankMaintenance::Asid),
        ("CBn_TLBIVA", address(false, false)),
        ("CBn_TLBIVAA", address(true, false)),
        ("CBn_TLBIVAL", address(false, true)),
        ("CBn_TLBIVAAL", address(true, true)),
        ("CBn_TLBIIPAS2", intermediate(false)),
        ("CBn_TLBIIPAS2L", intermediate(true)),
    ] {
        assert_eq!(row(name).effect, Effect::InvalidateBank(expected), "{name}");
    }
}
