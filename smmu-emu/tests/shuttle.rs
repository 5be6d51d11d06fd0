// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA in one thread against invalidation in another, in interleavings that the shuttle model checker chooses.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p smmu-emu --test shuttle`. It explores sequentially consistent
//! interleavings; the orderings that weaker machines need are argued in `epoch.rs`.
#![cfg(shuttle)]

use std::sync::Arc as Plain;

use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::thread;
use smmu_emu::testing::{Host, Reads};
use smmu_emu::{BusError, Config, Intent, Memory, Plan, Preset, Smmu, SmmuHandle, Tbu, Transaction};

const TABLE: u64 = 0x1000;
const LEAF: u64 = 0x2000;
const PAGE: u64 = 0x8000_0000;
/// NUMPAGE is 16.
const CB0: u64 = 16 << 12;

/// A host with a table of level 2 that leads to one of level 3, whose first entry changes.
fn host(leaf: &Plain<AtomicU64>) -> Host<impl Memory + Clone + Send + use<>> {
    let leaf = Plain::clone(leaf);
    Host::quiet(Reads(move |address: u64, data: &mut [u8]| {
        let value = match address {
            TABLE => LEAF | 3,
            LEAF => leaf.load(Ordering::SeqCst),
            _ => return Err(BusError),
        };
        data.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }))
}

fn write(smmu: &SmmuHandle, env: &mut Host<impl Memory>, offset: u64, value: u64) {
    let wide = matches!(offset & 0xfff, 0x020 | 0x600) && offset >= CB0;
    let data = value.to_le_bytes();
    let data = if wide { &data[..] } else { &data[..4] };
    smmu.lock().write(env, offset, data);
}

fn idle(smmu: &SmmuHandle, env: &mut Host<impl Memory>, status: u64) -> bool {
    let mut data = [0; 4];
    smmu.lock().read(env, status, &mut data);
    data[0] & 1 == 0
}

/// Way in which software takes the page away.
#[derive(Clone, Copy)]
enum Way {
    /// The tables change; TLBIVA, TLBSYNC.
    Tables,
    /// The stream faults; sTLBGSYNC.
    Stream,
    /// The bank's tables are others; TLBIASID, TLBSYNC.
    Bank,
}

fn take_away(smmu: &SmmuHandle, leaf: &AtomicU64, env: &mut Host<impl Memory>, way: Way) {
    let (sync, status) = match way {
        Way::Tables => {
            leaf.store(0, Ordering::SeqCst);
            write(smmu, env, CB0 + 0x600, 7 << 48);
            (CB0 + 0x7f0, CB0 + 0x7f4)
        }
        Way::Stream => {
            write(smmu, env, 0xc00, 2 << 16);
            (0x70, 0x74)
        }
        Way::Bank => {
            write(smmu, env, CB0 + 0x20, 0xdead_0000 | 7 << 48);
            write(smmu, env, CB0 + 0x610, 7);
            (CB0 + 0x7f0, CB0 + 0x7f4)
        }
    };
    write(smmu, env, sync, 0);
    while !idle(smmu, env, status) {
        thread::yield_now();
    }
}

fn scenario(way: Way, batch: bool) {
    let leaf = Plain::new(AtomicU64::new(PAGE | 1 << 11 | 1 << 10 | 1 << 6 | 3));
    let mut env = host(&leaf);
    let config = Config::from(Preset::Generic);
    let smmu = SmmuHandle::new(Smmu::new(&config, Plan::default()).expect("a preset"));
    for (offset, value) in [
        (0x1800, 1),
        (0x1000, 1 << 16),
        (CB0 + 0x10, 5),
        // 25 address bits, EPD1.
        (CB0 + 0x30, 1 << 23 | 39),
        (CB0 + 0x20, TABLE | 7 << 48),
        (CB0, 1),
        (0x800, 1 << 31),
        (0xc00, 0),
        (0x00, 0),
    ] {
        write(&smmu, &mut env, offset, value);
    }
    // Set when software has the page for itself again.
    let free = Plain::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (mut env, free) = (env.clone(), Plain::clone(&free));
            let mut tbu = Tbu::new(&smmu);
            thread::spawn(move || {
                let transaction = Transaction {
                    stream_id: 0,
                    address: 0x10,
                    intent: Intent::default(),
                };
                let use_it = |address: u64| {
                    assert_eq!(address, PAGE + 0x10);
                    assert!(
                        !free.load(Ordering::SeqCst),
                        "the page is used after the synchronisation"
                    );
                };
                for _ in 0..3 {
                    if batch {
                        tbu.batch(|batch| {
                            for _ in 0..2 {
                                let _ = batch.access(&mut env, &transaction, |to| use_it(to.address));
                            }
                        });
                    } else {
                        let _ = tbu.access(&mut env, &transaction, |to| use_it(to.address));
                    }
                }
            })
        })
        .collect();
    take_away(&smmu, &leaf, &mut env, way);
    free.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("the client found nothing wrong");
    }
}

/// Behaviours 43 and 46.
#[test]
fn no_access_after_a_sync_uses_what_was_invalidated() {
    for way in [Way::Tables, Way::Stream, Way::Bank] {
        for batch in [false, true] {
            shuttle::check_random(move || scenario(way, batch), 500);
            shuttle::check_pct(move || scenario(way, batch), 500, 3);
        }
    }
}
