// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Identity of a configuration: the values of the identification registers, and the bits of other registers that
//! an implementation fixes.

use arbitrary_int::traits::Integer;
use arbitrary_int::{u2, u3, u4, u6, u11};

use crate::config::{Geometry, Implementation, PageSize};
use crate::spec::bank::Sctlr;
use crate::spec::cb::Cb;
use crate::spec::global::Scr0;
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{Cba2r, Cbar, Gr1};
use crate::spec::ident::{Idr0, Idr1, Idr2, Idr7, address_bits};
use crate::spec::pm::{Pm, Pmcfgr, Pmcgcr};
use crate::spec::secure::Scr1;
use crate::spec::tcr::Tcr2;

/// PIDR0 to 2, PIDR4 and CIDR0 to 3 of MMU-500: part 0x481 by Arm, revision r2p1.
const MMU_500_ID: [(Gr0, u32); 8] = [
    (Gr0::Pidr4, 0x04),
    (Gr0::Pidr0, 0x81),
    (Gr0::Pidr1, 0xb4),
    (Gr0::Pidr2, 0x1b),
    (Gr0::Cidr0, 0x0d),
    (Gr0::Cidr1, 0xf0),
    (Gr0::Cidr2, 0x05),
    (Gr0::Cidr3, 0xb1),
];

/// Secure SACR of MMU-500.
const SECURE_SACR: u32 = 0x0400_0004;

/// Events that MMU-500's PMCEID0 identifies: none that counts writes alone.
const MMU_500_EVENTS: u32 = 0x0003_0303;

/// Every register of global space 0 whose reset value follows from the configuration.
pub(crate) fn values(geometry: &Geometry) -> Vec<(Gr0, u32)> {
    let mut values = vec![
        (Gr0::Scr0, scr0(geometry).raw_value()),
        (Gr0::Idr0, idr0(geometry).raw_value()),
        (Gr0::Idr1, idr1(geometry).raw_value()),
        (Gr0::Idr2, idr2(geometry).raw_value()),
    ];
    if geometry.is_mmu_500() {
        values.push((
            Gr0::Idr7,
            Idr7::ZERO
                .with_major(u4::new(2))
                .with_minor(u4::new(1))
                .raw_value(),
        ));
        values.extend(MMU_500_ID);
    }
    values
}

/// Secure copies of registers of global space 0: nothing is taken away from Non-secure software yet.
pub(crate) fn secure_values(geometry: &Geometry) -> [(Gr0, u32); 3] {
    let scr1 = Scr1::ZERO
        .with_nsnumirpto(numirpt(geometry))
        .with_nsnumsmrgo(u8::masked_new(geometry.stream_match_groups))
        .with_nsnumcbo(u8::masked_new(geometry.context_banks));
    [
        (Gr0::Scr0, scr0(geometry).raw_value()),
        (Gr0::Scr1, scr1.raw_value()),
        (Gr0::Sacr, if geometry.is_mmu_500() { SECURE_SACR } else { 0 }),
    ]
}

/// Registers of the performance monitor whose value follows from the number of groups and counters.
pub(crate) fn monitor_values(geometry: &Geometry) -> Vec<(Pm, u16, u32)> {
    let size = pmcfgr(geometry.pmu_groups, geometry.pmu_counter_count());
    let group = Pmcgcr::ZERO.with_cgnc(u4::masked_new(geometry.pmu_counters));
    let groups = (0..geometry.pmu_groups).map(|n| (Pm::PmCgCr, n.into(), group.raw_value()));
    let identified = geometry.is_mmu_500().then_some((Pm::PmCeid0, 0, MMU_500_EVENTS));
    groups
        .chain([(Pm::PmCfgr, 0, size.raw_value())])
        .chain(identified)
        .collect()
}

/// `PMCFGR` of so many groups and counters.
pub(crate) fn pmcfgr(groups: u8, counters: u16) -> Pmcfgr {
    Pmcfgr::ZERO
        .with_ncg(groups.saturating_sub(1))
        .with_size(u6::new(31))
        .with_n(u8::masked_new(counters.saturating_sub(1)))
}

/// Registers of global space 1 that the stages of the bank fix, and the formats that there are. SMMUv1 has no CBA2R;
/// its 64 KiB format is AArch64's, and its long descriptors walk alike with 4 KiB pages.
pub(crate) fn bank_values(geometry: &Geometry, bank: u16) -> Vec<(Gr1, u32)> {
    let fixed = geometry
        .fixed_type(bank)
        .map(|kind| Cbar::ZERO.with_kind(kind).raw_value());
    let cbar = geometry.cbar_reset.or(fixed);
    let mut values: Vec<_> = cbar.map(|value| (Gr1::Cbar, value)).into_iter().collect();
    if geometry.is_version_1() || !geometry.aarch32_long {
        values.push((Gr1::Cba2r, Cba2r::ZERO.with_va64(true).raw_value()));
    }
    values
}

/// Registers of the page of a context bank whose reset value follows from the configuration.
pub(crate) fn context_values(geometry: &Geometry, bank: u8) -> Vec<(Cb, u32)> {
    let mmu_500 = geometry.is_mmu_500();
    let sctlr = Sctlr::ZERO.with_hupcf(mmu_500 || geometry.fixed_hupcf);
    let mut values = vec![(Cb::Sctlr, sctlr.raw_value())];
    if mmu_500 && geometry.has_stage1(bank) {
        values.push((Cb::Tcr2, Tcr2::ZERO.with_tbi0(true).with_tbi1(true).raw_value()));
    }
    values
}

/// The bits of SCTLR that software cannot change: MMU-500 has no ASIDPNE.
pub(crate) fn sctlr_fixed(geometry: &Geometry) -> u32 {
    let fixed = |bits: u32, is_fixed: bool| if is_fixed { bits } else { 0 };
    fixed(Sctlr::asidpne_mask(), geometry.is_mmu_500())
        | fixed(Sctlr::hupcf_mask() | Sctlr::cfcfg_mask(), geometry.fixed_hupcf)
}

/// The bits of CBA2R that software cannot change: VA64 where there is one format or the other.
pub(crate) fn cba2r_fixed(geometry: &Geometry) -> u32 {
    let aarch64 = geometry.granule_4k || geometry.granule_16k || geometry.granule_64k;
    let mut fixed = 0;
    if !(aarch64 && geometry.aarch32_long) {
        fixed |= Cba2r::va64_mask();
    }
    if !geometry.vmid16 {
        fixed |= Cba2r::vmid16_mask();
    }
    fixed
}

fn scr0(geometry: &Geometry) -> Scr0 {
    Scr0::ZERO
        .with_clientpd(true)
        .with_smcfcfg(geometry.conflict_faults)
}

/// The bits of sCR0 that software cannot change in this configuration.
///
/// MMU-500 never stalls by global control and has no configuration access faults; with SMCFCFG its sCR0 has the
/// read-only bits 0x00200330.
pub(crate) fn scr0_fixed(geometry: &Geometry) -> u32 {
    let mut fixed = 0;
    if geometry.conflict_faults {
        fixed |= Scr0::smcfcfg_mask();
    }
    if geometry.is_mmu_500() {
        fixed |= Scr0::gse_mask() | Scr0::stalld_mask() | Scr0::gcfgfie_mask() | Scr0::gcfgfre_mask();
    }
    if !geometry.vmid16 {
        fixed |= Scr0::vmid16en_mask();
    }
    if !geometry.extended_stream_ids {
        fixed |= Scr0::exidenable_mask();
    }
    fixed
}

/// NUMIRPT: the interrupts that software assigns; in version 2, 1 says that there is one for each bank.
fn numirpt(geometry: &Geometry) -> u8 {
    if geometry.is_version_1() {
        u8::masked_new(geometry.context_interrupts)
    } else {
        1
    }
}

fn idr0(geometry: &Geometry) -> Idr0 {
    let aarch32 = match (geometry.aarch32_short, geometry.aarch32_long) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    Idr0::ZERO
        .with_s1ts(geometry.stage1)
        .with_s2ts(geometry.stage2)
        .with_nts(geometry.nested)
        .with_sms(geometry.stream_match_groups != 0)
        .with_atosns(!geometry.ats)
        .with_ptfs(u2::new(aarch32))
        .with_numirpt(numirpt(geometry))
        .with_exsmrgs(geometry.extended_stream_match_groups != 0)
        .with_cttw(geometry.coherent_walk)
        .with_btm(true)
        .with_numsidb(u4::masked_new(geometry.stream_id_bits))
        .with_exids(geometry.extended_stream_ids)
        .with_numsmrg(u8::masked_new(geometry.stream_match_groups))
}

fn idr1(geometry: &Geometry) -> Idr1 {
    let idr1 = Idr1::ZERO
        .with_hafdbs(if geometry.hardware_update {
            u2::new(2)
        } else {
            u2::new(0)
        })
        .with_pagesize(geometry.page_size == PageSize::Size64K)
        .with_numpagendxb(u3::masked_new(geometry.page_count_shift - 1))
        .with_nums2cb(u8::masked_new(geometry.stage2_only_banks))
        .with_numcb(u8::masked_new(geometry.context_banks));
    match geometry.implementation {
        Implementation::Generic => idr1.with_smcd(true),
        Implementation::Mmu500 | Implementation::QcomMmu500 => idr1.with_numssdndxb(u4::new(15)),
        Implementation::Mmu401 => idr1,
    }
}

/// SMMUv1 has IAS and OAS alone.
fn idr2(geometry: &Geometry) -> Idr2 {
    // 5 is 48 bits of an address, and 49 of the bus.
    let size = |bits| {
        let encoding = (0..=5).find(|&size| address_bits(size) == Some(bits));
        u4::masked_new(encoding.unwrap_or(5))
    };
    let sizes = Idr2::ZERO
        .with_oas(size(geometry.address_bits))
        .with_ias(size(geometry.input_bits));
    if geometry.is_version_1() {
        return sizes;
    }
    sizes
        .with_exnumsmrg(u11::masked_new(geometry.extended_stream_match_groups))
        .with_hads(geometry.hierarchy_disable)
        .with_vmid16s(geometry.vmid16)
        .with_ptfsv8_64k(geometry.granule_64k)
        .with_ptfsv8_16k(geometry.granule_16k)
        .with_ptfsv8_4k(geometry.granule_4k)
        .with_ubs(size(geometry.bus_bits))
}
