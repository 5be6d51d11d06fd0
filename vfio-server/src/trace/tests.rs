// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;
use smmu_emu::events::NoMemory;
use smmu_emu::testing::Host;
use smmu_emu::{Config, Host as _, Intent, Plan, Smmu, Transaction};
use tempfile::TempDir;

use super::chrome::tests::strictly;
use super::line::What;
use super::*;

/// NUMPAGE is 16, pages have 4 KiB.
const fn cb(bank: u64, offset: u64) -> u64 {
    (16 + bank) * 0x1000 + offset
}

/// A driver and a client: configuration, a delayed synchronisation, an address translation operation that is
/// delayed, accesses that pass and that fault, interrupts, a synchronisation that a reset ends.
fn sequence() -> Vec<Record> {
    let plan: Plan = toml::from_str(
        "[[delay]]\nsite = \"global-sync\"\npolls = 1\n[[delay]]\nsite = \"ats\"\nbank = 0\npolls = 1\n",
    )
    .unwrap();
    let config: Config = toml::from_str("preset = \"smmuv2-generic\"").unwrap();
    let mut smmu = Smmu::new(&config, plan).unwrap();
    let mut host = Host {
        traced: true,
        tick: 250,
        ..Host::new()
    };
    let write = |smmu: &mut Smmu, host: &mut Host, offset: u64, value: u64, width: usize| {
        smmu.write(host, offset, &value.to_le_bytes()[..width]);
    };
    let read = |smmu: &mut Smmu, host: &mut Host, offset: u64| {
        smmu.read(host, offset, &mut [0; 4]);
    };
    let access = |stream_id, address, write| Transaction {
        stream_id,
        address,
        intent: Intent {
            write,
            ..Intent::default()
        },
    };
    read(&mut smmu, &mut host, 0x20);
    // Stream 2 to bank 0, of stage 1, without tables; faults interrupt.
    for (offset, value, width) in [
        (0x1000, 1 << 16, 4),
        (0x1800, 1, 4),
        (0x800, 0x8000_0002, 4),
        (0xc00, 0, 4),
        (cb(0, 0x20), 0x1_2345_6000, 8),
        (cb(0, 0x30), 1 << 23 | 16, 4),
        (cb(0, 0x00), 0x61, 4),
        (0x00, 1 << 10 | 1 << 2 | 1 << 1, 4),
        (0x70, 0, 4),
    ] {
        write(&mut smmu, &mut host, offset, value, width);
    }
    read(&mut smmu, &mut host, 0x74);
    read(&mut smmu, &mut host, 0x74);
    write(&mut smmu, &mut host, cb(0, 0x800), 0x5000, 8);
    read(&mut smmu, &mut host, cb(0, 0x8f0));
    read(&mut smmu, &mut host, cb(0, 0x8f0));
    smmu.transact(&mut host, &access(2, 0xdead_b000, true));
    smmu.transact(&mut host, &access(2, 0xdead_c000, false));
    smmu.transact(&mut host, &access(9, 0x1000, false));
    read(&mut smmu, &mut host, cb(0, 0x58));
    write(&mut smmu, &mut host, cb(0, 0x58), 0x402, 4);
    read(&mut smmu, &mut host, cb(0, 0x58));
    write(&mut smmu, &mut host, 0xff0, 7, 4);
    let event = Event::TbuHits {
        stream_id: 2,
        reads: 3,
        writes: 4,
    };
    host.trace(&event);
    let first = host.events.len();
    write(&mut smmu, &mut host, cb(1, 0x7f0), 0, 4);
    smmu.reset(&mut host);
    let events = host.events.into_iter().enumerate();
    events
        .map(|(n, (ns, event))| Record {
            ns,
            smmu: usize::from(n >= first),
            event,
        })
        .collect()
}

fn text(format: Format, records: &[Record]) -> String {
    let mut out = Vec::new();
    let mut formatter = Formatter::new(format, vec!["a".into(), "b".into()], 0, &mut out);
    records
        .iter()
        .for_each(|record| formatter.record(record, &mut out));
    formatter.lost(5, &mut out);
    formatter.end(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn ndjson_reads_as_documented() {
    let text = text(Format::Ndjson, &sequence());
    insta::assert_snapshot!(text);
    let lines = parse(&text).unwrap();
    let again: String = lines
        .iter()
        .map(|line| serde_json::to_string(line).unwrap() + "\n")
        .collect();
    assert_eq!(again, text);
}

#[test]
fn bypass_is_told_and_so_is_an_access_without_memory() {
    // After a reset sCR0.CLIENTPD is set: accesses pass untranslated.
    let config: Config = toml::from_str("preset = \"smmuv2-generic\"").unwrap();
    let mut smmu = Smmu::new(&config, Plan::default()).unwrap();
    let mut host = Host {
        traced: true,
        tick: 250,
        ..Host::new()
    };
    let transaction = Transaction {
        stream_id: 2,
        address: 0xffff_f000,
        intent: Intent::default(),
    };
    smmu.transact(&mut host, &transaction);
    host.trace(&Event::NoMemory(NoMemory::new(transaction, 0xffff_f000)));
    let events = host.events.into_iter();
    let records: Vec<Record> = events.map(|(ns, event)| Record { ns, smmu: 0, event }).collect();
    let text = text(Format::Ndjson, &records);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[1..3],
        [
            concat!(
                r#"{"ns":0,"smmu":"a","type":"translation","stream":2,"address":"0xfffff000","#,
                r#""access":"read","privileged":false,"walked":false,"result":"translated","bypass":true,"#,
                r#""to":"0xfffff000"}"#,
            ),
            concat!(
                r#"{"ns":250,"smmu":"a","type":"no-memory","stream":2,"address":"0xfffff000","#,
                r#""access":"read","privileged":false,"to":"0xfffff000"}"#,
            ),
        ]
    );
    let lines = parse(&text).unwrap();
    assert!(matches!(&lines[2].what, What::NoMemory(met) if met.to == 0xffff_f000));
    strictly(&text_of_three(&records));
}

#[test]
fn chrome_reads_as_documented() {
    let text = text(Format::Chrome, &sequence());
    insta::assert_snapshot!(text);
    let events = strictly(&text);
    let slices: Vec<_> = events
        .iter()
        .filter(|event| event["ph"] == "X")
        .map(|event| &event["name"])
        .collect();
    assert_eq!(
        slices,
        ["sTLBGSYNC", "delay 1", "CBn_ATS1PR", "delay 2", "CBn_TLBSYNC"]
    );
}

proptest! {
    #[test]
    fn any_order_of_events_is_a_trace(
        order in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3), 0..200),
    ) {
        let events = sequence();
        let records: Vec<Record> = (0_u64..).zip(&order).map(|(ns, (index, smmu))| Record {
            ns,
            smmu: *smmu,
            ..*index.get(&events)
        }).collect();
        let lines = parse(&text(Format::Ndjson, &records)).unwrap();
        prop_assert_eq!(lines.len(), records.len() + 2);
        let chrome = text_of_three(&records);
        strictly(&chrome);
    }
}

fn text_of_three(records: &[Record]) -> String {
    let mut out = Vec::new();
    let mut formatter = Formatter::new(
        Format::Chrome,
        ["a", "b", "c"].map(String::from).to_vec(),
        0,
        &mut out,
    );
    records
        .iter()
        .for_each(|record| formatter.record(record, &mut out));
    formatter.end(&mut out);
    String::from_utf8(out).unwrap()
}

/// Two SMMUs in one trace, and a directory.
fn traced() -> (Arc<Tracer>, [Probe; 2], TempDir) {
    let tracer = Arc::new(Tracer::new(Instant::now()));
    let probes = ["a", "b"].map(|name| tracer.join(name));
    (tracer, probes, tempfile::tempdir().unwrap())
}

fn write(tracer: &Arc<Tracer>, smmus: &[usize], path: &Path) -> Vec<Ended> {
    let file = File::create_new(path).unwrap();
    tracer.write(smmus, file, path, Format::of(path)).unwrap()
}

/// Events of a file by SMMU, and those that it says are lost.
fn found(path: &Path) -> (usize, usize, u64) {
    let lines = parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let of = |name| {
        lines
            .iter()
            .filter(|line| line.smmu.as_deref() == Some(name))
            .count()
    };
    let lost = lines.iter().map(|line| match line.what {
        What::Lost { records } => records,
        _ => 0,
    });
    assert!(lines.iter().is_sorted_by_key(|line| line.ns));
    (of("a"), of("b"), lost.sum())
}

#[test]
fn the_ring_is_saved_while_it_goes_on() {
    let (tracer, [a, b], directory) = traced();
    let save = |name: &str, smmus: &[usize]| {
        let path = directory.path().join(name);
        let mut file = File::create_new(&path).unwrap();
        let saved = tracer.save(smmus, &mut file, Format::of(&path)).unwrap();
        assert_eq!(saved.lost, 0);
        (saved.records, path)
    };
    assert!(!a.is_on() && !b.is_on());
    tracer.record(&[0, 1], Some(2048));
    assert!(a.is_on() && b.is_on());
    for _ in 0..1500 {
        a.record(&Event::Reset);
        b.record(&Event::Reset);
    }
    assert_eq!(tracer.stop(&[1]), []);
    assert!(a.is_on() && !b.is_on());
    let (records, path) = save("all", &[0, 1]);
    assert_eq!((records, found(&path)), (2048, (1024, 1024, 0)), "the last ones");
    let (records, path) = save("b", &[1]);
    assert_eq!((records, found(&path)), (1024, (0, 1024, 0)));
    let (_, path) = save("all.json", &[0, 1]);
    let events = strictly(&std::fs::read_to_string(path).unwrap());
    assert_eq!(
        events.iter().filter(|event| event["name"] == "reset").count(),
        2048
    );
    let status = tracer.status();
    assert_eq!(
        (status.capacity, status.kept, status.recorded),
        (2048, 2048, 3000)
    );
    tracer.record(&[0], Some(2048));
    assert_eq!(tracer.status().kept, 2048, "the same number forgets nothing");
    tracer.record(&[0], Some(1024));
    assert_eq!(tracer.status().kept, 0);
}

#[test]
fn files_begin_and_end_with_their_smmus() {
    let (tracer, [a, b], directory) = traced();
    let path = |name| directory.path().join(name);
    let both = || {
        for probe in [&a, &b] {
            if probe.is_on() {
                probe.record(&Event::Reset);
            }
        }
    };
    both();
    assert_eq!(write(&tracer, &[0, 1], &path("one")), []);
    both();
    assert_eq!(
        write(&tracer, &[0], &path("two")),
        [],
        "`one` goes on for the other"
    );
    both();
    assert_eq!(tracer.status().files.len(), 2);
    let ended = tracer.stop(&[1]);
    assert_eq!((ended.len(), ended[0].records, ended[0].lost), (1, 3, 0));
    assert_eq!(ended[0].error, None);
    assert_eq!(found(&path("one")), (1, 2, 0));
    both();
    let ended = tracer.stop_all();
    assert_eq!(
        (ended.len(), ended[0].records, &ended[0].path),
        (1, 2, &path("two"))
    );
    assert_eq!(found(&path("two")), (2, 0, 0));
    both();
    assert_eq!((tracer.stop_all(), tracer.status().recorded), (Vec::new(), 5));
}

#[test]
fn a_file_has_what_happened_soon_after() {
    let (tracer, [a, _], directory) = traced();
    let path = directory.path().join("trace");
    write(&tracer, &[0], &path);
    for _ in 0..5000 {
        a.record(&Event::Reset);
    }
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if parse(&text[..whole]).unwrap().len() == 5001 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "the writer sleeps");
        std::thread::sleep(Duration::from_millis(1));
    }
    tracer.stop_all();
}

#[test]
fn a_writer_that_falls_behind_says_what_is_missing() {
    let (tracer, [a, _], directory) = traced();
    tracer.record(&[0], Some(1024));
    let path = directory.path().join("trace");
    write(&tracer, &[0], &path);
    // Faster than any writer, sooner or later.
    let mut made = 0;
    while made < 200_000 || tracer.status().files[0].lost == 0 {
        a.record(&Event::Reset);
        made += 1;
    }
    let ended = tracer.stop_all();
    let (records, _, lost) = found(&path);
    assert_eq!((ended[0].records, ended[0].lost), (records as u64, lost));
    assert_eq!(records as u64 + lost, made);
    assert!(lost > 0 && records >= 1024);
}

#[test]
fn a_full_disk_ends_the_file_and_nothing_else() {
    let (tracer, [a, _], _directory) = traced();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    tracer
        .write(&[0], full(), Path::new("/dev/full"), Format::Ndjson)
        .unwrap();
    for _ in 0..5000 {
        a.record(&Event::Reset);
    }
    assert!(tracer.save(&[0], &mut full(), Format::Chrome).is_err());
    let ended = tracer.stop_all();
    assert!(
        ended[0]
            .error
            .as_deref()
            .is_some_and(|error| error.contains("No space left")),
        "{ended:?}"
    );
    assert_eq!(tracer.status().kept, 5000);
}

#[test]
fn threads_record_into_one_order() {
    let (tracer, probes, directory) = traced();
    let path = directory.path().join("trace");
    write(&tracer, &[0, 1], &path);
    std::thread::scope(|scope| {
        for probe in &probes {
            scope.spawn(|| (0..20_000).for_each(|_| probe.record(&Event::Reset)));
        }
    });
    tracer.stop_all();
    assert_eq!(found(&path), (20_000, 20_000, 0), "times go up, nothing is lost");
}

#[cfg(shuttle)]
mod shuttle;
