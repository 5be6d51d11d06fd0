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
        fault: Vec::new(),
        master: Vec::new(),
        clock: None,
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
        crate::trace::parse(&text).unwrap().len()
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
        .map(|line| (line.smmu.as_str(), line.register.as_str()))
        .collect();
    assert_eq!(seen, [("b", "IDR0"), ("a", "IDR0")]);
}
