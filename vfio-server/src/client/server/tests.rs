// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::Path;

use super::*;
use crate::config::SmmuConfig;

fn config(directory: &Path, names: &[&str]) -> Config {
    let smmu = names.iter().map(|name| SmmuConfig {
        name: (*name).to_owned(),
        socket: directory.join(format!("{name}.sock")),
        trace: None,
        model: smmu_emu::Config::default(),
        delay: Vec::new(),
        injection: Vec::new(),
        dma_devices: Vec::new(),
        clock: None,
        interrupts: Interrupts::default(),
    });
    Config {
        smmu: smmu.collect(),
        ..Config::default()
    }
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn sockets_are_there_from_start_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&config(directory.path(), &["a", "b", "c"])).unwrap();
    assert_eq!(files(directory.path()), 3);
    let client = vfio_user::Client::new(&directory.path().join("b.sock")).unwrap();
    server.stop();
    assert_eq!(files(directory.path()), 0);
    drop(client);
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["a", "b"]);
    config.smmu[1].socket = directory.path().join("no/b.sock");
    let error = Server::start(&config).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("smmu \"b\": cannot make the socket"),
        "{error}"
    );
    assert_eq!(files(directory.path()), 0);
}

#[test]
fn a_trace_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["a"]);
    config.smmu[0].trace = Some(directory.path().join("no/a.trace"));
    let error = Server::start(&config).unwrap_err();
    assert!(error.to_string().contains("no/a.trace"), "{error}");
    assert_eq!(files(directory.path()), 0);
}

#[test]
fn a_configuration_error_does_not_empty_an_old_trace() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["a"]);
    let trace = directory.path().join("a.trace");
    std::fs::write(&trace, "old").unwrap();
    config.smmu[0].trace = Some(trace.clone());
    config.smmu[0].model.context_banks = Some(0);
    assert!(matches!(Server::start(&config), Err(StartError::Config(_))));
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "old");
}

#[test]
fn a_server_that_finds_another_one_there_leaves_its_trace_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["a", "b"]);
    let trace = directory.path().join("trace");
    for smmu in &mut config.smmu {
        smmu.trace = Some(trace.clone());
    }
    let first = Server::start(&config).unwrap();
    let mut client = vfio_user::Client::new(&directory.path().join("b.sock")).unwrap();
    client.region_read(0, 0x20, &mut [0; 4]).unwrap();
    drop(client);
    let lines = || {
        let text = std::fs::read_to_string(&trace).unwrap();
        let lines = crate::trace::parse(&text).unwrap();
        lines.iter().filter(|line| line.access().is_some()).count()
    };
    while lines() == 0 {
        std::thread::yield_now();
    }
    // The second one gets as far as the socket of `b`.
    config.smmu[0].socket = directory.path().join("other.sock");
    let error = Server::start(&config).unwrap_err();
    assert!(error.to_string().contains("another process serves"), "{error}");
    assert_eq!(lines(), 1);
    first.stop();
    assert_eq!(lines(), 1);
}

#[test]
fn smmus_share_a_trace_and_its_lines_name_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["a", "b"]);
    let trace = directory.path().join("both.trace");
    for smmu in &mut config.smmu {
        smmu.trace = Some(trace.clone());
    }
    let server = Server::start(&config).unwrap();
    for name in ["b", "a"] {
        let mut client = vfio_user::Client::new(&directory.path().join(format!("{name}.sock"))).unwrap();
        client.region_read(0, 0x20, &mut [0; 4]).unwrap();
    }
    server.stop();
    let lines = crate::trace::parse(&std::fs::read_to_string(&trace).unwrap()).unwrap();
    let seen: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((line.smmu.as_deref()?, line.access()?.1.register.as_str())))
        .collect();
    assert_eq!(seen, [("b", "IDR0"), ("a", "IDR0")]);
}

#[test]
fn a_ring_records_from_the_start_and_a_name_chooses_the_format() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path(), &["a", "b"]);
    config.trace_ring = Some(1000);
    let error = Server::check(&config).unwrap_err().to_string();
    assert!(
        error.contains("`trace_ring` is 1000: it has to be 1024 to"),
        "{error}"
    );
    config.trace_ring = Some(2000);
    let path = directory.path().join("a.json");
    config.smmu[0].trace = Some(path.clone());
    let server = Server::start(&config).unwrap();
    let run = Arc::clone(server.devices()[0].lock().host().run());
    for name in ["b", "a"] {
        let mut client = vfio_user::Client::new(&directory.path().join(format!("{name}.sock"))).unwrap();
        client.region_read(0, 0x20, &mut [0; 4]).unwrap();
    }
    server.stop();
    let status = run.tracer().status();
    assert_eq!(status.capacity, 2000);
    assert!(status.recorded >= 2 && status.files.is_empty(), "{status:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of_b = |event: &&serde_json::Value| event["pid"] == 2 && event["ph"] != "M";
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(
        events.iter().filter(of_b).count(),
        0,
        "only the SMMU whose file it is"
    );
    assert!(events.iter().any(|event| event["name"] == "R IDR0"));
}
