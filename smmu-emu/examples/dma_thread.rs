// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA in a thread, against a driver in another: an access meets a page that is not mapped and stalls; the driver maps
//! the page and resumes it.

mod machine;

use std::sync::mpsc::channel;
use std::thread;

use machine::{BANK, Machine, RAM, configuration};
use smmu_emu::{Config, Intent, Plan, Preset, Response, Smmu, SmmuHandle, Tbu, Transaction};

const RESUME: u64 = BANK + 0x08;
const FSR: u64 = BANK + 0x58;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut machine = Machine::new();
    machine.map(0x1000, RAM + 0x8000);
    let config = Config::from(Preset::Generic);
    let smmu = SmmuHandle::new(Smmu::new(&config, Plan::default())?);
    // SCTLR: M, CFRE, CFIE, CFCFG: a fault stalls.
    for (offset, value) in configuration(1 | 1 << 5 | 1 << 6 | 1 << 7) {
        smmu.lock()
            .write(&mut machine, offset, &u32::try_from(value)?.to_le_bytes());
    }

    let (stalls, stalled) = channel();
    let device = thread::spawn({
        let (mut machine, mut tbu) = (machine.clone(), Tbu::new(&smmu));
        move || {
            for page in [0x1000, 0x2000] {
                let transaction = Transaction {
                    stream_id: 7,
                    address: page,
                    intent: Intent {
                        write: true,
                        ..Intent::default()
                    },
                };
                let memory = machine.clone();
                let write = |to: &smmu_emu::Translation| memory.set(to.address, 0xda7a);
                let mut answer = tbu.access(&mut machine, &transaction, write);
                if matches!(answer, Err(Response::Stall(_))) {
                    stalls.send(page).expect("the driver listens");
                }
                // No access is under way while it waits, so no TLB sync waits for it.
                while let Err(Response::Stall(stall)) = answer {
                    let seen = machine.decisions();
                    answer = tbu.resume(&mut machine, stall, write);
                    if matches!(answer, Err(Response::Stall(_))) {
                        machine.wait_for_decision(seen);
                    }
                }
                println!("device: wrote page {page:#x}: {answer:?}");
            }
        }
    });

    let page = stalled.recv()?;
    println!("driver: page {page:#x} is missing, mapping it");
    machine.map(page, RAM + 0x9000);
    let mut fsr = [0; 4];
    smmu.lock().read(&mut machine, FSR, &mut fsr);
    smmu.lock().write(&mut machine, FSR, &fsr);
    // Retry.
    smmu.lock().write(&mut machine, RESUME, &0_u32.to_le_bytes());
    device.join().map_err(|_| "the device's thread panicked")?;
    match (machine.get(RAM + 0x8000), machine.get(RAM + 0x9000)) {
        (0xda7a, 0xda7a) => Ok(()),
        other => Err(format!("both pages should be written: {other:x?}").into()),
    }
}
