// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU on a bus and nothing else: probes and resets it as Linux' arm-smmu does (`arm_smmu_device_cfg_probe`,
//! `arm_smmu_device_reset`), and prints what the driver prints.

use smmu_emu::{BusError, Config, Host, Line, Memory, Plan, Preset, Smmu};

/// A machine without memory.
struct Bare;

impl Memory for Bare {
    fn read(&self, _: u64, _: &mut [u8]) -> Result<(), BusError> {
        Err(BusError)
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

impl Host for Bare {
    fn now(&self) -> u64 {
        0
    }

    fn set_line(&mut self, line: Line, level: bool) {
        println!("interrupt: {line:?} is {}", if level { "high" } else { "low" });
    }

    fn wake_at(&mut self, _: u64) {}

    fn resumed(&mut self, _: u8) {}

    fn mark(&self, _: &str) -> bool {
        false
    }
}

const SCR0: u64 = 0x0;
const IDR0: u64 = 0x20;
const IDR1: u64 = 0x24;
const SGFSR: u64 = 0x48;
const TLBIALLH: u64 = 0x6c;
const TLBIALLNSNH: u64 = 0x68;
const STLBGSYNC: u64 = 0x70;
const STLBGSTATUS: u64 = 0x74;
const SMR: u64 = 0x800;
const S2CR: u64 = 0xc00;

/// The register space, as a bus sees it.
struct Registers(Smmu);

impl Registers {
    fn read(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.0.read(&mut Bare, offset, &mut data);
        u32::from_le_bytes(data)
    }

    fn write(&mut self, offset: u64, value: u32) {
        self.0.write(&mut Bare, offset, &value.to_le_bytes());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from(Preset::Mmu500);
    let mut smmu = Registers(Smmu::new(&config, Plan::default())?);

    println!("probing hardware configuration...\nSMMUv2 with:");
    let (idr0, idr1) = (smmu.read(IDR0), smmu.read(IDR1));
    for (bit, feature) in [(30, "stage 1"), (29, "stage 2"), (28, "nested")] {
        if idr0 >> bit & 1 == 1 {
            println!("\t{feature} translation");
        }
    }
    let (groups, banks) = (idr0 & 0xff, idr1 & 0xff);
    println!("\tstream matching with {groups} register groups");
    println!("\t{banks} context banks ({} stage-2 only)", idr1 >> 16 & 0xff);

    let faults = smmu.read(SGFSR);
    smmu.write(SGFSR, faults);
    for group in 0..u64::from(groups) {
        // S2CR.TYPE: fault.
        smmu.write(S2CR + 4 * group, 2 << 16);
        smmu.write(SMR + 4 * group, 0);
    }
    smmu.write(TLBIALLH, 0);
    smmu.write(TLBIALLNSNH, 0);
    smmu.write(STLBGSYNC, 0);
    while smmu.read(STLBGSTATUS) & 1 == 1 {}
    // GFRE, GFIE, USFCFG; CLIENTPD off.
    let scr0 = smmu.read(SCR0);
    smmu.write(SCR0, (scr0 | 1 << 1 | 1 << 2 | 1 << 10) & !1);
    println!("sCR0 = {:#010x}", smmu.read(SCR0));
    if (groups, banks) != (48, 16) {
        return Err("an MMU-500 has 48 groups and 16 banks".into());
    }
    Ok(())
}
