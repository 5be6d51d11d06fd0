// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults of nested translation, fed in as the walk would report them.

use super::{ContextCause, Origin};
use crate::arch::response::Response;
use crate::arch::transaction::{BankAccess, Intent, Transaction};
use crate::device::bank_state::Disposition;
use crate::testing::Host;
use crate::translate::walk::WalkFault;
use crate::translate::walk::leaf::Stage2Fault;
use crate::{Config, Line, Plan, Smmu};

pub(crate) const FIRST: u8 = 5;
pub(crate) const SECOND: u8 = 2;
pub(crate) const CFIE: u32 = 1 << 6;
pub(crate) const CFRE: u32 = 1 << 5;
pub(crate) const CFCFG: u32 = 1 << 7;
pub(crate) const HUPCF: u32 = 1 << 8;

/// Offset of a register of a context bank.
pub(crate) fn cb(bank: u8, offset: u64) -> u64 {
    0x1_0000 + (u64::from(bank) << 12) + offset
}

pub(crate) fn write(smmu: &mut Smmu, host: &mut Host, offset: u64, value: u32) {
    smmu.write(host, offset, &value.to_le_bytes());
}

pub(crate) fn read(smmu: &mut Smmu, host: &mut Host, offset: u64) -> u32 {
    let mut data = [0; 4];
    smmu.read(host, offset, &mut data);
    u32::from_le_bytes(data)
}

/// Bank 5 is nested in bank 2, both AArch64, both on; bank 2's SCTLR has more bits.
pub(crate) fn nested(second: u32) -> (Smmu, Host) {
    let config: Config = toml::from_str("preset = \"smmuv2-generic\"").expect("a preset");
    let mut smmu = Smmu::new(&config, Plan::default()).expect("presets are valid");
    let mut host = Host::new();
    write(&mut smmu, &mut host, 0x1000 + 4 * 5, 3 << 16 | 2 << 8);
    write(&mut smmu, &mut host, 0x1000 + 4 * 2, 0);
    write(&mut smmu, &mut host, 0x1800 + 4 * 5, 1);
    write(&mut smmu, &mut host, 0x1800 + 4 * 2, 1);
    write(&mut smmu, &mut host, cb(FIRST, 0), 1 | CFIE);
    write(&mut smmu, &mut host, cb(SECOND, 0), 1 | CFIE | second);
    write(&mut smmu, &mut host, 0, 0);
    (smmu, host)
}

/// A write of stream 0x19c3 that enters bank 5.
pub(crate) const ACCESS: BankAccess = {
    let intent = Intent {
        privileged: true,
        write: true,
        instruction: false,
    };
    BankAccess {
        bank: FIRST,
        intent,
        transaction: Transaction {
            stream_id: 0x19c3,
            address: 0x1234_5678,
            intent,
        },
    }
};

/// Stage 2 does not map an intermediate address.
pub(crate) const STAGE2: WalkFault = WalkFault {
    cause: ContextCause::Translation,
    level: 2,
    stage2: Some(Stage2Fault {
        ipa: 0xab_cdef_9876,
        stage1_walk: true,
    }),
};

/// Response of a client to a walk's fault.
pub(crate) fn fault(smmu: &mut Smmu, host: &mut Host, fault: WalkFault) -> Response {
    let fault = super::Fault::Context(smmu.context_fault(&ACCESS, fault));
    smmu.record(host, &ACCESS, &fault)
}

/// Behaviour 36: recorded in the stage 2 bank alone; FAR has the virtual address, IPAFAR the intermediate one.
#[test]
fn nested_fault_is_recorded_in_the_stage_2_bank() {
    let (mut smmu, mut host) = nested(CFRE);
    assert_eq!(
        fault(&mut smmu, &mut host, STAGE2),
        Response::Abort,
        "bank 2 has CFRE"
    );
    let word = |smmu: &mut Smmu, host: &mut Host, offset| read(smmu, host, offset);
    assert_eq!(word(&mut smmu, &mut host, cb(SECOND, 0x58)), 0x402);
    assert_eq!(word(&mut smmu, &mut host, cb(SECOND, 0x60)), 0x1234_5678);
    assert_eq!(
        word(&mut smmu, &mut host, cb(SECOND, 0x68)),
        5 << 16 | 1 << 5 | 1 << 4 | 1 << 3 | 1 << 2 | 2,
        "S1CBNDX, PNU, WNR, S1PTWF, NESTED, PLVL (behaviour 35: not PTWF)"
    );
    assert_eq!(word(&mut smmu, &mut host, cb(SECOND, 0x70)), 0xcdef_9000);
    assert_eq!(word(&mut smmu, &mut host, cb(SECOND, 0x74)), 0xab);
    assert_eq!(word(&mut smmu, &mut host, 0x1400 + 4 * 2), 0x19c3);
    assert_eq!(word(&mut smmu, &mut host, cb(FIRST, 0x58)), 0x400);
    assert_eq!(word(&mut smmu, &mut host, 0x1400 + 4 * 5), 0);
    assert_eq!(host.line_calls, [(Line::Context(SECOND), true)]);
}

/// A fault of stage 1 stays in the stage 1 bank, whatever stage 2 is.
#[test]
fn nested_stage_1_fault_is_recorded_in_the_stage_1_bank() {
    let (mut smmu, mut host) = nested(CFRE);
    let stage1 = WalkFault::stage1(ContextCause::Permission, 3);
    assert_eq!(
        fault(&mut smmu, &mut host, stage1),
        Response::Ignore,
        "bank 5 has no CFRE"
    );
    assert_eq!(read(&mut smmu, &mut host, cb(FIRST, 0x58)), 0x408);
    assert_eq!(read(&mut smmu, &mut host, cb(FIRST, 0x68)), 0x33);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x58)), 0x400);
}

/// In a stage 2 bank on its own the address is the intermediate one: FAR has it, IPAFAR is left alone.
#[test]
fn fault_of_stage_2_alone() {
    let (mut smmu, mut host) = nested(0);
    let access = BankAccess {
        bank: SECOND,
        ..ACCESS
    };
    let recorded = smmu.context_fault(&access, STAGE2);
    assert_eq!((recorded.bank, recorded.nested), (SECOND, None));
    smmu.record_context(&mut host, &recorded, Origin::Client);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x60)), 0x1234_5678);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x68)), 0x32);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x70)), 0);
}

/// Behaviour 35: PTWF stands for an external abort of a walk; S1PTWF says which walk it was.
#[test]
fn external_abort_of_a_nested_walk() {
    let (mut smmu, mut host) = nested(0);
    let external = WalkFault {
        cause: ContextCause::ExternalOnWalk,
        ..STAGE2
    };
    fault(&mut smmu, &mut host, external);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x58)), 0x410);
    assert_eq!(
        read(&mut smmu, &mut host, cb(SECOND, 0x68)),
        5 << 16 | 1 << 10 | 0x3c | 2
    );
}

/// Behaviour 25: a fault that the stage 2 bank holds ends transactions of the stage 1 bank, as stage 2's CFRE says.
#[test]
fn stage_2_fault_blocks_the_stage_1_bank() {
    let (mut smmu, mut host) = nested(CFRE);
    fault(&mut smmu, &mut host, STAGE2);
    assert_eq!(smmu.enter(&mut host, &ACCESS), Response::Abort);
    assert_eq!(
        read(&mut smmu, &mut host, cb(FIRST, 0x58)),
        0x400,
        "nothing is recorded"
    );
    write(&mut smmu, &mut host, cb(SECOND, 0), 1 | HUPCF);
    smmu.enter(&mut host, &ACCESS);
    assert_ne!(
        read(&mut smmu, &mut host, cb(FIRST, 0x58)),
        0x400,
        "with HUPCF it comes as far as its walk"
    );
}

/// Behaviour 26, nested: the stage 2 bank stalls, its RESUME decides, and the transaction starts in its stage 1 bank.
#[test]
fn stage_2_stall_waits_for_the_stage_2_bank() {
    let (mut smmu, mut host) = nested(CFCFG | CFRE);
    let Response::Stall(stall) = fault(&mut smmu, &mut host, STAGE2) else {
        panic!("CFCFG stalls");
    };
    assert_eq!(stall.bank(), SECOND);
    let Response::Stall(other) = smmu.enter(&mut host, &ACCESS) else {
        panic!("others of the stage 1 bank wait");
    };
    assert_eq!(other.bank(), SECOND);
    write(&mut smmu, &mut host, cb(FIRST, 8), 1);
    let Response::Stall(stall) = smmu.resume(&mut host, stall) else {
        panic!("the stage 1 bank's RESUME does nothing");
    };
    write(&mut smmu, &mut host, cb(SECOND, 0x58), 0x402);
    write(&mut smmu, &mut host, cb(SECOND, 8), 1);
    assert_eq!(host.resumed, [SECOND]);
    assert_eq!(smmu.resume(&mut host, stall), Response::Abort);
    assert_eq!(
        smmu.resume(&mut host, other),
        Response::Ignore,
        "it starts again, and faults in bank 5"
    );
    assert_ne!(read(&mut smmu, &mut host, cb(FIRST, 0x58)), 0x400);
}

/// Behaviours 24, 26 and 27 as a table: what becomes of a fault in a bank that may hold one.
#[test]
fn disposition_of_a_fault() {
    use Disposition::{Stall, Terminate, Wait};
    const SS: u64 = 1 << 30;
    const TF: u64 = 2;
    let cases = [
        // SCTLR, FSR before, sCR0.STALLD; what becomes of it, FSR after
        (0, 0, false, Terminate, 2),
        (CFCFG, 0, false, Stall, SS | 2),
        (CFCFG, 0, true, Terminate, 2),
        (CFCFG, TF, false, Terminate, 1 << 31 | 2),
        (CFCFG, SS | TF, false, Wait, SS | TF),
        (CFCFG, SS, false, Wait, SS),
        (0, SS | TF, false, Terminate, SS | 1 << 31 | 2),
    ];
    for (sctlr, before, stalld, expected, after) in cases {
        let (mut smmu, mut host) = nested(sctlr | HUPCF);
        write(&mut smmu, &mut host, 0, u32::from(stalld) << 8);
        smmu.registers.set_bank(SECOND, crate::spec::cb::Cb::Fsr, before);
        let recorded = smmu.context_fault(&ACCESS, STAGE2);
        let disposition = smmu.record_context(&mut host, &recorded, Origin::Client);
        assert_eq!(disposition, expected, "{sctlr:#x} {before:#x} {stalld}");
        assert_eq!(
            smmu.registers.bank(SECOND, crate::spec::cb::Cb::Fsr),
            after,
            "{sctlr:#x} {before:#x} {stalld}"
        );
    }
}
