// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU with tables in guest memory, and threads that stay where they are.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::sync::OnceLock;

use core_affinity::CoreId;
use smmu_emu::testing::fields::{cba2r, cbar, s2cr, sctlr, smr, tcr2, tcr64};
use smmu_emu::testing::{Guest, Host, Locate};
use smmu_emu::{Config, Env, Intent, Plan, Preset, Smmu, SmmuHandle, TlbMode, Transaction};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// The tables: one of each level.
pub const TABLES: u64 = 0x4000_0000;

/// Reads of a device, through the SMMU and of plain guest memory: name, address in stream 0, length.
pub const READS: [(&str, u64, usize); 4] = [
    ("4 KiB, across two pages", 0x800, 0x1000),
    ("4 KiB, one page", 0, 0x1000),
    ("64 KiB, 17 pages", 0x800, 0x1_0000),
    ("16 bytes", 0x800, 16),
];

/// Stream 0 goes to bank 0, with VMID 1 and ASID 7; its tables are at [`TABLES`].
pub fn smmu(tlb: TlbMode, env: &mut impl Env) -> Smmu {
    let mut config = Config::from(Preset::Generic);
    config.tlb = Some(tlb);
    let mut smmu = Smmu::new(&config, Plan::default()).expect("a preset");
    for (register, value) in [
        ("CBA2Rn", cba2r::VA64),
        ("CBARn", cbar::KIND(1) | cbar::VMID(1)),
        ("CBn_TCR2", tcr2::PASIZE(5)),
        ("CBn_TCR", tcr64::EPD1 | tcr64::T0SZ(16)),
        ("CBn_SCTLR", sctlr::M),
        ("SMRn", smr::VALID),
        ("S2CRn", s2cr::CBNDX(0)),
        ("sCR0", 0),
    ] {
        let offset = (register, 0).locate(smmu.geometry());
        smmu.write(env, offset, &value.to_le_bytes());
    }
    asid(&mut smmu, env, 7);
    smmu
}

/// Gives bank 0 another ASID.
pub fn asid(smmu: &mut Smmu, env: &mut impl Env, asid: u64) {
    let ttbr0 = ("CBn_TTBR0", 0).locate(smmu.geometry());
    smmu.write(env, ttbr0, &(TABLES | asid << 48).to_le_bytes());
}

/// A read of stream 0.
pub fn at(address: u64) -> Transaction {
    Transaction {
        stream_id: 0,
        address,
        intent: Intent::default(),
    }
}

/// Address of page `n` of stream 0 in guest memory. Neighbours on the bus are not neighbours in memory.
pub fn at_page(n: u64) -> u64 {
    TABLES + 0x10_0000 + (n ^ 1) * 0x1000
}

/// An SMMU that maps 2 MiB for stream 0, and the guest memory that has its tables.
pub fn machine() -> (SmmuHandle, Host<Guest<GuestMemoryMmap>>) {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(TABLES), 0x40_0000)]).expect("memory");
    let put = |value: u64, at: u64| memory.write_obj(value, GuestAddress(at)).expect("memory");
    for level in 0..3 {
        put((TABLES + 0x1000 * (level + 1)) | 3, TABLES + 0x1000 * level);
    }
    for page in 0..512 {
        // nG, AF, AP.
        put(
            at_page(page) | 1 << 11 | 1 << 10 | 1 << 6 | 3,
            TABLES + 0x3000 + 8 * page,
        );
    }
    let mut host = Host::quiet(Guest(memory));
    (SmmuHandle::new(smmu(TlbMode::Normal, &mut host)), host)
}

/// Pins the thread to the first or last core that the process had at the first call: a thread inherits what its parent
/// is pinned to.
pub fn pin(last: bool) {
    static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
    let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
    let core = if last { cores.last() } else { cores.first() };
    if let Some(core) = core {
        core_affinity::set_for_current(*core);
    }
}
