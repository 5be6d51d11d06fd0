// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Cost of the trace: `cargo bench -p vfio-server --bench trace`.
//!
//! A client and the server, in one process and on one core, make register round trips over the socket: without a trace,
//! with the ring, and with a file being written too, in turns, so that what else the machine does meets all alike. The
//! same is done to the function without a socket, which shows the cost itself.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use vfio_server::client::server::Server;
use vfio_server::config::Config;
use vfio_server::trace::{Format, Tracer};

/// Rounds, each of which measures every way once.
const ROUNDS: usize = 301;
/// `sTLBGSTATUS`, which drivers poll, and SMR0.
const POLLED: u64 = 0x74;
const SMR0: u64 = 0x800;

#[derive(Clone, Copy, Debug)]
enum Trace {
    Off,
    Ring,
    Ndjson,
    Chrome,
}

const WAYS: [Trace; 4] = [Trace::Off, Trace::Ring, Trace::Ndjson, Trace::Chrome];

/// Nanoseconds of one of `count` operations.
fn run(count: u32, mut operation: impl FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..count {
        operation();
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Turns the trace to a way, runs something and turns it off again. Only the run is measured; the file's end is not.
fn traced(tracer: &Arc<Tracer>, directory: &Path, way: Trace, measured: impl FnOnce() -> f64) -> f64 {
    let write = |name: &str| {
        let path = directory.join(name);
        let file = File::create(&path).expect("a file");
        tracer
            .write(&[0], file, &path, Format::of(&path))
            .expect("a writer");
    };
    match way {
        Trace::Off => {}
        Trace::Ring => tracer.record(&[0], None),
        Trace::Ndjson => write("trace.ndjson"),
        Trace::Chrome => write("trace.json"),
    }
    let result = measured();
    for ended in tracer.stop_all() {
        assert_eq!((ended.lost, ended.error), (0, None));
    }
    result
}

/// Measures an operation every way in turns and prints medians, and the median of the ratios to no trace.
fn compare(name: &str, tracer: &Arc<Tracer>, directory: &Path, count: u32, mut operation: impl FnMut()) {
    let mut times = WAYS.map(|_| Vec::new());
    for round in 0..ROUNDS {
        // Each round begins with another one.
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            times[way].push(traced(tracer, directory, WAYS[way], || {
                run(count, &mut operation)
            }));
        }
    }
    let [off, ..] = times.clone();
    for (way, times) in WAYS.into_iter().zip(times) {
        let ratios = times.iter().zip(&off).map(|(time, off)| time / off).collect();
        println!(
            "{name:24} {way:6?} median {:8.0} ns, median of ratios {:.3}",
            median(times),
            median(ratios)
        );
    }
}

/// Prints the time that it takes to write the ring out.
fn save(tracer: &Tracer, directory: &Path) {
    for format in [Format::Ndjson, Format::Chrome] {
        let mut file = File::create(directory.join("saved")).expect("a file");
        let begin = Instant::now();
        let saved = tracer.save(&[0], &mut file, format).expect("room on the disk");
        #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
        let each = begin.elapsed().as_secs_f64() * 1e9 / saved.records as f64;
        println!(
            "save, {:7} events       {format:6?}        {each:8.0} ns each",
            saved.records
        );
    }
}

fn main() {
    // Before the server's threads are made, which inherit it.
    if let Some(core) = core_affinity::get_core_ids().and_then(|cores| cores.first().copied()) {
        core_affinity::set_for_current(core);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("a.sock");
    let config = format!("[[smmu]]\nname = \"a\"\nsocket = {socket:?}\n");
    let config: Config = toml::from_str(&config).expect("a configuration");
    let server = Server::start(&config).expect("a server");
    let device = server.devices().first().expect("an SMMU").clone();
    let tracer = Arc::clone(device.lock().host().run().tracer());
    let mut client = vfio_user::Client::new(&socket).expect("a client");
    let mut data = [0; 4];
    compare("round trip, read", &tracer, directory.path(), 500, || {
        client.region_read(0, POLLED, &mut data).expect("a reply");
    });
    let mut value = 0_u32;
    compare("round trip, write", &tracer, directory.path(), 500, || {
        value = value.wrapping_add(1);
        client
            .region_write(0, SMR0, &value.to_le_bytes())
            .expect("a reply");
    });
    compare("function, read", &tracer, directory.path(), 4000, || {
        device.lock().read(0, POLLED, &mut data).expect("a register");
    });
    compare("function, write", &tracer, directory.path(), 4000, || {
        value = value.wrapping_add(1);
        device
            .lock()
            .write(0, SMR0, &value.to_le_bytes())
            .expect("a register");
    });
    drop(client);
    save(&tracer, directory.path());
    server.stop();
}
