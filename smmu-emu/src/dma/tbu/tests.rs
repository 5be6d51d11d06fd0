// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::arch::transaction::Intent;
use crate::events::Event;
use crate::plan::Plan;
use crate::testing::fields::{cba2r, cbar, s2cr, scr0, sctlr, smr, tcr2};
use crate::testing::{Host, Locate, Ram};
use crate::{Config, Preset, Smmu};

/// Stream 0 goes to bank 0, which is off: addresses pass.
fn smmu() -> SmmuHandle {
    smmu_with(&Config {
        preset: Preset::Generic,
        ..Config::default()
    })
}

fn smmu_with(config: &Config) -> SmmuHandle {
    let smmu = SmmuHandle::new(Smmu::new(config, Plan::default()).expect("a preset"));
    write(&smmu, ("CBA2Rn", 0), cba2r::VA64);
    write(&smmu, ("CBARn", 0), cbar::KIND(1));
    write(&smmu, ("SMRn", 0), smr::VALID);
    write(&smmu, ("S2CRn", 0), s2cr::CBNDX(0));
    write(&smmu, "sCR0", 0);
    smmu
}

fn write(smmu: &SmmuHandle, register: impl Locate, value: u32) {
    let mut smmu = smmu.lock();
    let offset = register.locate(smmu.geometry());
    smmu.write(&mut Host::new(), offset, &value.to_le_bytes());
}

fn read(smmu: &SmmuHandle, register: impl Locate) -> u32 {
    let mut data = [0; 4];
    let mut smmu = smmu.lock();
    let offset = register.locate(smmu.geometry());
    smmu.read(&mut Host::new(), offset, &mut data);
    u32::from_le_bytes(data)
}

fn at(address: u64) -> Transaction {
    Transaction {
        stream_id: 0,
        address,
        intent: Intent::default(),
    }
}

#[test]
fn a_hit_says_what_a_miss_says() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    for address in [0, 0x1234, 0x1fff, 0x1000, 0xffff_ffff_f123] {
        let first = tbu.access(&mut Host::new(), &at(address), |translation| *translation);
        let again = tbu.access(&mut Host::new(), &at(address), |translation| *translation);
        let oracle = smmu
            .lock()
            .translate(&Host::new(), &at(address))
            .expect("it passes");
        assert_eq!((first, again), (Ok(oracle), Ok(oracle)));
    }
    let hits = tbu.counters;
    assert_eq!(hits.read_hits, 1, "since the last miss");
    write(&smmu, "sTLBGSYNC", 0);
    tbu.access(&mut Host::new(), &at(0), |_| ()).expect("it passes");
    let all = smmu.lock().counters();
    assert_eq!((all.read_hits, all.write_hits), (7, 0));
}

#[test]
fn streams_and_kinds_of_access_are_apart() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    tbu.access(&mut Host::new(), &at(0), |_| ()).expect("it passes");
    write(&smmu, "sCR0", scr0::USFCFG);
    let unknown = Transaction {
        stream_id: 1,
        ..at(0)
    };
    tbu.access(&mut Host::new(), &at(0), |_| ()).expect("it passes");
    assert_eq!(
        tbu.access(&mut Host::new(), &unknown, |_| ()),
        Err(Response::Ignore)
    );
    let write = Transaction {
        intent: Intent {
            write: true,
            ..Intent::default()
        },
        ..at(0)
    };
    let misses = tbu.counters;
    tbu.access(&mut Host::new(), &write, |_| ()).expect("it passes");
    assert_eq!(tbu.counters, misses, "no hit");
}

#[test]
fn hits_of_a_unit_are_told_by_their_number_when_it_asks_again() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    let mut host = Host::new();
    host.traced = true;
    for address in [0, 8, 16, 0x1000, 0x1008] {
        tbu.access(&mut host, &at(address), |_| ()).expect("it passes");
    }
    let told: Vec<_> = host.events.into_iter().map(|(_, event)| event).collect();
    assert!(
        matches!(
            told[..],
            [
                Event::Translation(_),
                Event::TbuHits {
                    stream_id: 0,
                    reads: 2,
                    writes: 0
                },
                Event::Translation(_)
            ]
        ),
        "{told:?}"
    );
}

/// Behaviour 46: a change of the configuration counts at once.
#[test]
fn a_register_write_counts_at_once() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    tbu.access(&mut Host::new(), &at(0x5000), |_| ())
        .expect("it passes");
    write(&smmu, ("S2CRn", 0), s2cr::KIND(2));
    assert_eq!(
        tbu.access(&mut Host::new(), &at(0x5000), |_| ()),
        Err(Response::Ignore)
    );
}

/// Behaviour 25: so does a fault that blocks the bank.
#[test]
fn a_recorded_fault_counts_at_once() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    tbu.access(&mut Host::new(), &at(0x5000), |_| ())
        .expect("it passes");
    // Beyond the output size.
    assert_eq!(
        tbu.access(&mut Host::new(), &at(1 << 48), |_| ()),
        Err(Response::Ignore)
    );
    assert_eq!(
        tbu.access(&mut Host::new(), &at(0x5000), |_| ()),
        Err(Response::Ignore)
    );
}

/// Behaviour 43: a synchronisation waits for what began before it, global or of a bank, hit or miss, alone or in a
/// batch.
#[test]
fn a_sync_waits_for_accesses_under_way() {
    let smmu = smmu();
    for (start, status) in [("sTLBGSYNC", "sTLBGSTATUS"), ("CBn_TLBSYNC", "CBn_TLBSTATUS")] {
        let (start, status) = ((start, 0), (status, 0));
        let mut tbu = Tbu::new(&smmu);
        for _ in 0..3 {
            let during = tbu.access(&mut Host::new(), &at(0), |_| {
                write(&smmu, start, 0);
                (read(&smmu, status), read(&smmu, status))
            });
            assert_eq!(during, Ok((1, 1)));
            assert_eq!(read(&smmu, status), 0);
        }
        tbu.batch(|batch| {
            assert_eq!(batch.access(&mut Host::new(), &at(0), |_| ()), Ok(()));
            write(&smmu, start, 0);
            assert_eq!(batch.access(&mut Host::new(), &at(0), |_| ()), Ok(()));
            assert_eq!(read(&smmu, status), 1);
        });
        assert_eq!(read(&smmu, status), 0);
        // One that begins after the synchronisation does not count.
        write(&smmu, start, 0);
        assert_eq!(
            tbu.access(&mut Host::new(), &at(0), |_| read(&smmu, status)),
            Ok(0)
        );
    }
}

/// Behaviour 25, in a batch.
#[test]
fn a_recorded_fault_counts_at_once_in_a_batch() {
    let smmu = smmu();
    Tbu::new(&smmu).batch(|batch| {
        assert_eq!(batch.access(&mut Host::new(), &at(0x5000), |_| ()), Ok(()));
        assert_eq!(
            batch.access(&mut Host::new(), &at(1 << 48), |_| ()),
            Err(Response::Ignore)
        );
        assert_eq!(
            batch.access(&mut Host::new(), &at(0x5000), |_| ()),
            Err(Response::Ignore)
        );
    });
}

#[test]
fn event_counters_see_every_access() {
    let smmu = smmu_with(&Config {
        preset: Preset::Generic,
        pmu_groups: Some(1),
        ..Config::default()
    });
    // Counter 0 counts accesses; group and monitor are enabled.
    write(&smmu, ("PMEVTYPERn", 0), 0x10);
    write(&smmu, ("PMCNTENSETn", 0), 1);
    write(&smmu, ("PMCGCRn", 0), 1 << 11);
    write(&smmu, "PMCR", 1);
    let mut tbu = Tbu::new(&smmu);
    for _ in 0..3 {
        assert_eq!(tbu.access(&mut Host::new(), &at(0x1000), |_| ()), Ok(()));
    }
    tbu.batch(|batch| assert_eq!(batch.access(&mut Host::new(), &at(0x1000), |_| ()), Ok(())));
    assert_eq!(read(&smmu, ("PMEVCNTRn", 0)), 4);
}

/// A host whose memory is this word everywhere: 0 is no descriptor; 0x743 is one of the table, or of the page, at
/// address 0.
fn uniform(word: u64) -> Host {
    Host::with(Ram::repeating(&[word], u64::MAX))
}

/// Behaviour 43: an access that goes on after a stall is waited for as any other; the stall itself is no access.
#[test]
fn a_sync_waits_for_an_access_that_was_resumed() {
    let smmu = smmu();
    // 48 bits of input and output.
    write(&smmu, ("CBn_TCR", 0), 16);
    write(&smmu, ("CBn_TCR2", 0), tcr2::PASIZE(5));
    let sctlr = sctlr::CFCFG | sctlr::CFIE | sctlr::CFRE | sctlr::M;
    write(&smmu, ("CBn_SCTLR", 0), sctlr);
    let mut tbu = Tbu::new(&smmu);
    for (retry, expected) in [(true, Ok((0x234, 1))), (false, Err(Response::Abort))] {
        let Err(Response::Stall(stall)) = tbu.access(&mut uniform(0), &at(0x1234), |_| ()) else {
            panic!("CFCFG stalls");
        };
        let Err(Response::Stall(stall)) = tbu.resume(&mut uniform(0x743), stall, |_| ()) else {
            panic!("undecided");
        };
        write(&smmu, "sTLBGSYNC", 0);
        assert_eq!(read(&smmu, "sTLBGSTATUS"), 0);
        write(&smmu, ("CBn_FSR", 0), u32::MAX);
        write(&smmu, ("CBn_RESUME", 0), u32::from(!retry));
        let during = tbu.resume(&mut uniform(0x743), stall, |to| {
            write(&smmu, "sTLBGSYNC", 0);
            (to.address, read(&smmu, "sTLBGSTATUS"))
        });
        assert_eq!(during, expected);
        assert_eq!(read(&smmu, "sTLBGSTATUS"), 0);
        // Every entry of the shared TLB goes, so that the next round faults again.
        write(&smmu, "TLBIALLNSNH", 0);
    }
}

#[test]
fn a_restored_state_counts_for_what_a_thread_has_kept() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    let empty = SmmuHandle::new(
        Smmu::new(
            &Config {
                preset: Preset::Generic,
                ..Config::default()
            },
            Plan::default(),
        )
        .expect("a preset"),
    );
    write(&empty, "sCR0", scr0::USFCFG);
    let unknown = empty.lock().save(&Host::new());
    for _ in 0..3 {
        tbu.access(&mut Host::new(), &at(0), |_| ()).expect("it passes");
    }
    // Counts that the thread has reported are part of the state.
    write(&smmu, "sTLBGSYNC", 0);
    tbu.access(&mut Host::new(), &at(0), |_| ()).expect("it passes");
    let passes = smmu.lock().save(&Host::new());
    let counters = smmu.lock().counters();
    assert_eq!(counters.read_hits, 2);
    let restore = |state| smmu.lock().restore(&mut Host::new(), state).expect("it fits");
    restore(&unknown);
    assert_eq!(
        tbu.access(&mut Host::new(), &at(0), |_| ()),
        Err(Response::Ignore)
    );
    restore(&passes);
    assert_eq!(smmu.lock().counters().read_hits, counters.read_hits);
    assert_eq!(tbu.access(&mut Host::new(), &at(0), |_| ()), Ok(()));
}

/// The access may use what the sync was to wait for.
#[test]
fn a_restored_sync_waits_for_accesses_under_way() {
    let smmu = smmu();
    let mut tbu = Tbu::new(&smmu);
    write(&smmu, "sTLBGSYNC", 0);
    let begun = smmu.lock().save(&Host::new());
    let restore = || smmu.lock().restore(&mut Host::new(), &begun).expect("its own");
    // A miss, and a hit.
    for _ in 0..2 {
        tbu.access(&mut Host::new(), &at(0), |_| {
            restore();
            assert_eq!(read(&smmu, "sTLBGSTATUS"), 1);
        })
        .expect("it passes");
        assert_eq!(read(&smmu, "sTLBGSTATUS"), 0);
        tbu.access(&mut Host::new(), &at(0), |_| ()).expect("it passes");
    }
}
