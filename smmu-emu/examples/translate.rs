// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Translates two accesses of a device: one that tables map, and one that faults.

mod machine;

use machine::{BANK, Machine, RAM, configuration};
use smmu_emu::{Config, Intent, Plan, Preset, Response, Smmu, Transaction};

const FSR: u64 = BANK + 0x58;
const FAR: u64 = BANK + 0x60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut machine = Machine::new();
    machine.map(0x1000, RAM + 0x8000);

    let config = Config::from(Preset::Generic);
    let mut smmu = Smmu::new(&config, Plan::default())?;
    // SCTLR: M, CFRE, CFIE.
    for (offset, value) in configuration(1 | 1 << 5 | 1 << 6) {
        smmu.write(&mut machine, offset, &u32::try_from(value)?.to_le_bytes());
    }

    let at = |address| Transaction {
        stream_id: 7,
        address,
        intent: Intent::default(),
    };
    match smmu.transact(&mut machine, &at(0x1234)) {
        Response::Proceed(to) if to.address == RAM + 0x8234 => println!("0x1234 is at {:#x}", to.address),
        other => return Err(format!("0x1234: {other:?}").into()),
    }
    match smmu.transact(&mut machine, &at(0x5678)) {
        Response::Abort => println!("0x5678 ends with a bus error"),
        other => return Err(format!("0x5678: {other:?}").into()),
    }
    let (mut fsr, mut far) = ([0; 4], [0; 8]);
    smmu.read(&mut machine, FSR, &mut fsr);
    smmu.read(&mut machine, FAR, &mut far);
    let (fsr, far) = (u32::from_le_bytes(fsr), u64::from_le_bytes(far));
    println!("CB0_FSR = {fsr:#x}, CB0_FAR = {far:#x}");
    // TF, and FORMAT of a bank with AArch64 tables.
    if (fsr, far) != (0x402, 0x5678) {
        return Err("a translation fault at 0x5678 should be recorded".into());
    }
    // Software clears the fault.
    smmu.write(&mut machine, FSR, &fsr.to_le_bytes());
    Ok(())
}
