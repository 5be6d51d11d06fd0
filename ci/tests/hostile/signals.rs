// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Requests to end.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::{Bench, Run};

/// A guest that waits until the file `go` is there.
const WAITS: &str = "until [ -e go ]; do sleep 0.02; done";

#[test]
fn an_image_under_way_is_given_up() {
    let bench = Bench::new("");
    let recipe = bench.recipe("[[image]]\nname = \"x.img\"\nsize_mib = 16384\nseed = 1\n");
    let mut run = Run::start(bench.reproduce(&recipe));
    let image = || -> Option<PathBuf> {
        let dirs = bench.left();
        dirs.into_iter()
            .map(|dir| dir.join("files/x.img"))
            .find(|image| image.exists())
    };
    run.wait_for("image", || image().is_some());
    run.signal(Signal::INT);
    run.end().says(130, &["interrupted"]);
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

/// `nohup` and background jobs of a shell without job control start programs like that.
#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    let bench = Bench::new(WAITS);
    let inner = bench.reproduce(&bench.recipe(""));
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' HUP INT; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    bench.prepare(&mut command);
    let mut run = Run::start(command);
    run.wait_for("QEMU", || bench.path("arguments").exists());
    run.signal(Signal::HUP);
    run.signal(Signal::INT);
    fs::write(bench.path("go"), "").unwrap();
    run.end().says(0, &[]);
}

#[test]
fn a_request_ends_the_run_in_order() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let bench = Bench::new(WAITS);
        let mut run = Run::start(bench.reproduce(&bench.recipe("")));
        run.wait_for("QEMU", || bench.path("arguments").exists());
        run.signal(signal);
        run.end().says(code, &["interrupted"]);
        assert!(bench.left().is_empty(), "{:?}", bench.left());
    }
}
