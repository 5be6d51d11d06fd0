// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// Of a boot of `two-iommus` on 7.3.4, shortened.
const GUEST: &str = include_str!("tests/guest.txt");
const SERVER: &str = include_str!("tests/server.json");

/// Makes a timeline of that name from these two traces.
fn made(dir: &Path, name: &str, guest: &str) -> (Made, Vec<u8>) {
    let (server, sent) = (dir.join("server"), dir.join("guest"));
    fs::write(&server, SERVER).unwrap();
    fs::write(&sent, guest).unwrap();
    let path = dir.join(name);
    let file: TimelineFile = path.to_str().unwrap().parse().unwrap();
    let made = make(&file, &server, &sent).unwrap();
    (made, fs::read(path).unwrap())
}

fn events(guest: &str) -> (Made, Vec<TraceEvent>) {
    let dir = tempfile::tempdir().unwrap();
    let (made, bytes) = made(dir.path(), "t.json", guest);
    let document: Document = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document.other, json!(made));
    (made, document.events)
}

#[test]
fn events_of_both_stand_on_the_clock_of_the_server() {
    let (made, events) = events(GUEST);
    // The first reading, 2.0 ms, is of 1.0 to 1.3 ms: the server is 0.7 to 1.0 ms ahead. The second, 2.534624 ms, is of
    // 1.6 to 1.7 ms: 0.834624 to 0.934624 ms.
    assert_eq!((made.within_ns, made.guest_events), (Some(50_000), 19));
    assert!(made.missing.is_empty());
    let find = |name: &str| events.iter().find(|event| event.name == name).unwrap();
    assert_eq!(find("W sCR0").ts, Some(2900.5));
    let probe = find("really_probe 20000000.watchdog");
    assert_eq!((probe.pid, probe.tid, probe.ph), (2, 216, 'X'));
    assert!((probe.ts.unwrap() - 2884.624).abs() < 0.001 && (probe.dur.unwrap() - 20.0).abs() < 0.001);
    assert_eq!(
        (&probe.args["returned"], &probe.args["driver"]),
        (&json!(-517), &json!("sp805-wdt"))
    );
    let register = find("iommu_device_register 31000000.iommu");
    assert_eq!(register.args["unfinished"], json!(true));
    assert_eq!(find("step 4 load sp805_wdt").ph, 'i');
}

#[test]
fn the_lock_has_a_holder_and_those_who_wait() {
    let (_, events) = events(GUEST);
    let held: Vec<_> = events
        .iter()
        .filter(|event| event.cat == "lock")
        .map(|event| {
            (
                event.name.as_str(),
                event.dur.unwrap().round(),
                event.args.clone(),
            )
        })
        .collect();
    let args = |entries: &[(&str, Value)]| -> event::Args {
        entries
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    };
    assert_eq!(
        held,
        [
            (
                "insmod-216",
                8.0,
                args(&[
                    ("pid", json!(216)),
                    ("in", json!("of_iommu_configure+0x54/0x2d8"))
                ])
            ),
            (
                "waits for iommu_probe_device_lock",
                9.0,
                args(&[("holder", json!("insmod-216"))])
            ),
            (
                "kworker/u8:1-26",
                18.0,
                args(&[("pid", json!(26)), ("in", json!("probe_iommu_group+0x38/0x78"))])
            ),
        ]
    );
}

/// A guest that says nothing, that contradicts itself, or whose ring was too small, leaves the server's trace whole.
#[test]
fn what_is_missing_is_said() {
    for (guest, reason) in [
        (String::new(), "sent no trace"),
        (
            GUEST.replace("0x000000000026ACE0", "0x00000000FF26ACE0"),
            "does not run as the server's does",
        ),
        (
            GUEST.replace("301/301", "301/341"),
            "its first 40 events are missing",
        ),
    ] {
        let (made, events) = events(&guest);
        assert!(
            made.missing.iter().any(|missing| missing.contains(reason)),
            "{made:?}"
        );
        assert!(events.iter().any(|event| event.name == "W sCR0"));
    }
}

#[test]
fn names_of_files_say_the_format() {
    let format = |name: &str| name.parse().map(|file: TimelineFile| file.format);
    assert_eq!(format("a/b.json"), Ok(Format::Chrome));
    assert_eq!(format("a/b.pftrace"), Ok(Format::Perfetto));
    assert!(format("a/b.txt").unwrap_err().contains(".pftrace"));
}

#[test]
fn a_trace_of_the_server_that_is_cut_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (server, guest) = (dir.path().join("server"), dir.path().join("guest"));
    fs::write(&server, &SERVER[..SERVER.len() - 9]).unwrap();
    let file: TimelineFile = dir.path().join("t.json").to_str().unwrap().parse().unwrap();
    let error = make(&file, &server, &guest).unwrap_err();
    assert!(error.to_string().contains("not whole"), "{error}");
    assert!(!file.path.exists());
}

/// Slices that begin or end in one microsecond stay within each other.
#[test]
fn slices_of_a_track_nest_in_perfettos_format() {
    let dir = tempfile::tempdir().unwrap();
    let nested = GUEST.replace(
        "value=-517\n",
        "value=-517\n          insmod-216     [001] d....     0.002040: outer: (a+0x0/0x1) dev=\"d\"\n          \
         insmod-216     [001] d....     0.002040: inner: (b+0x0/0x1) dev=\"d\"\n          \
         insmod-216     [001] d..1.     0.002040: inner_end: (b+0x0/0x1 <- a) value=0\n          \
         insmod-216     [001] d..1.     0.002041: outer_end: (b+0x0/0x1 <- a) value=0\n",
    );
    let (_, bytes) = made(dir.path(), "t.pftrace", &nested);
    let slices = perfetto::slices(&bytes);
    let of = |name: &str| {
        slices
            .iter()
            .find(|(slice, _)| slice == name)
            .map(|(_, depth)| *depth)
    };
    assert_eq!((of("outer d"), of("inner d")), (Some(0), Some(1)));
    assert_eq!(of("really_probe 20000000.watchdog"), Some(0));
}
