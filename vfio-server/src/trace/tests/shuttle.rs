// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::sync::testing::check;
use crate::sync::thread;

/// Soon, and not with the next record or at the end.
#[test]
fn every_record_is_written_by_itself() {
    check(|| {
        let tracer = Arc::new(Tracer::new(Instant::now()));
        let probe = tracer.join("a");
        let file = rustix::fs::memfd_create("trace", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        tracer
            .write(&[0], file.into(), Path::new("memory"), Format::Ndjson)
            .unwrap();
        for records in 1..=2 {
            probe.record(&Event::Reset);
            while tracer.status().files[0].records < records {
                thread::yield_now();
            }
        }
        tracer.stop_all();
    });
}

/// A writer that waits for news, two SMMUs that record, and the end of the file.
#[test]
fn every_record_is_written_before_a_file_ends() {
    check(|| {
        let tracer = Arc::new(Tracer::new(Instant::now()));
        let probes = ["a", "b"].map(|name| tracer.join(name));
        let file = rustix::fs::memfd_create("trace", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        tracer
            .write(&[0, 1], file.into(), Path::new("memory"), Format::Ndjson)
            .unwrap();
        let threads = probes.map(|probe| {
            thread::spawn(move || {
                for _ in 0..2 {
                    probe.record(&Event::Reset);
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        let ended = tracer.stop_all();
        assert_eq!(ended.len(), 1);
        assert_eq!((ended[0].records, ended[0].lost), (4, 0));
    });
}
