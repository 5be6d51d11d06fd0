// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA in a thread, against a driver in another: an access meets a page that is not mapped and stalls; the driver maps
//! the page and resumes it.

mod machine;

use std::sync::mpsc::channel;
use std::thread;

use machine::{Machine, RAM, TABLES};
use smmu_emu::{Config, Intent, Plan, Preset, Response, Smmu, SmmuHandle, Tbu, Transaction};

/// The registers of context bank 0, behind the 16 pages of global space.
const BANK: u64 = 16 << 12;
const RESUME: u64 = BANK + 0x08;
const FSR: u64 = BANK + 0x58;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut machine = Machine::new();
    machine.map(0x1000, RAM + 0x8000);
    let config = Config::from(Preset::Generic);
    let smmu = SmmuHandle::new(Smmu::new(&config, Plan::default())?);
    for (offset, value) in [
        // CBA2R0.VA64; CBAR0: stage 1, stage 2 bypassed.
        (0x1800, 1),
        (0x1000, 1 << 16),
        // CB0_TCR2.PASize: 48 bits.
        (BANK + 0x10, 5),
        // CB0_TCR: EPD1, 4 KiB granule, 39 bits of input.
        (BANK + 0x30, 1 << 23 | 25),
        (BANK + 0x20, TABLES),
        // CB0_SCTLR: M, CFRE, CFIE, CFCFG: a fault stalls.
        (BANK, 1 | 1 << 5 | 1 << 6 | 1 << 7),
        // Stream 7 goes to bank 0; sCR0 lets clients in.
        (0x800, 1 << 31 | 7),
        (0xc00, 0),
        (0x0, 0),
    ] {
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
