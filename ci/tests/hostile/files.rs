// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files and programs of the host that have no end, or are not what they should be.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::{Bench, Run, not_utf8, run};

/// A pipe, a device without end, and a file of 4 GiB that takes no room.
fn endless(bench: &Bench) -> Vec<PathBuf> {
    let large = bench.path("large");
    let file = File::create(&large).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &fs::read(bench.path("Image")).unwrap(), 0).unwrap();
    file.set_len(4 << 30).unwrap();
    vec![bench.pipe("pipe"), "/dev/zero".into(), large]
}

#[test]
fn recipes_kernels_and_busyboxes_have_an_end() {
    let bench = Bench::new("");
    let recipe = bench.recipe("");
    for path in endless(&bench) {
        let name = path.display().to_string();
        run(bench.reproduce(&path)).says(2, &[&name]);
        for option in ["--kernel", "--busybox"] {
            let mut command = bench.command_with("reproduce", &[(option, &path)]);
            command.arg("--recipe").arg(&recipe);
            let ended = run(command);
            assert!(
                matches!(ended.status.code(), Some(2 | 3)),
                "{name}: {}",
                ended.stderr
            );
            assert!(ended.stderr.contains(&name), "{name}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_qemu_that_prints_without_end_is_not_used() {
    let bench = Bench::new("");
    bench.program("qemu", "while :; do echo version; done");
    run(bench.reproduce(&bench.recipe(""))).says(3, &["does not run: it printed more than"]);
    let mut doctor = bench.command("doctor");
    doctor.env("HOME", bench.path("state"));
    run(doctor).says(3, &["it printed more than"]);
}

#[test]
fn a_qemu_that_hangs_goes_with_the_run() {
    let bench = Bench::new("");
    let pid = bench.path("pid");
    bench.program(
        "qemu",
        &format!(
            "echo $$ >'{0}.new'; mv '{0}.new' '{0}'; exec sleep 1000",
            pid.display()
        ),
    );
    let mut run = Run::start(bench.reproduce(&bench.recipe("")));
    run.wait_for("QEMU", || pid.exists());
    run.signal(Signal::TERM);
    run.end().says(143, &["interrupted"]);
    let pid = fs::read_to_string(pid).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "QEMU is left: {stat}");
}

#[test]
fn results_have_a_place_of_the_user() {
    let bench = Bench::new("");
    let mut command = bench.command("reproduce");
    command.args(["--boots", "1", "--recipe"]).arg(bench.recipe(""));
    command
        .env_remove("XDG_STATE_HOME")
        .env_remove("HOME")
        .env("TMPDIR", bench.path("state"));
    run(command).says(3, &["XDG_STATE_HOME", "--results DIR"]);
    assert_eq!(fs::read_dir(bench.path("state")).unwrap().count(), 0);
}

#[test]
fn results_that_are_removed_meanwhile_end_the_run() {
    let bench = Bench::new("rm -r results");
    let mut command = bench.command("reproduce");
    command
        .args(["--boots", "2", "--keep-logs", "none", "--recipe"])
        .arg(bench.recipe(""));
    command.arg("--results").arg(bench.path("results"));
    run(command).says(3, &["results.ndjson", "was removed while the run went on"]);
    assert!(!bench.path("results").exists());
}

#[test]
fn a_pipe_in_the_place_of_a_result_is_refused() {
    let bench = Bench::new("");
    for name in ["results/results.ndjson", "results/boot-001.log"] {
        fs::create_dir(bench.path("results")).unwrap();
        bench.pipe(name);
        run(bench.reproduce(&bench.recipe(""))).says(3, &[name, "a pipe, and no regular file"]);
        fs::remove_dir_all(bench.path("results")).unwrap();
    }
}

/// SIGXFSZ would end the launcher without a word.
#[test]
fn a_limit_of_the_size_of_files_is_like_a_full_disk() {
    let bench = Bench::new("yes 0123456789 | head -c 3000000");
    let inner = bench.reproduce(&bench.recipe(""));
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    bench.prepare(&mut command);
    run(command).says(3, &["boot-001.log", "File too large"]);
}

/// Names are bytes. QEMU gets the kernel's as they are.
#[test]
fn names_that_are_not_utf_8() {
    let bench = Bench::new("");
    let dir = bench.path("").join(not_utf8());
    fs::create_dir(&dir).unwrap();
    let image = dir.join("Image");
    fs::copy(bench.path("Image"), &image).unwrap();
    let recipe = bench.recipe("");
    let mut command = bench.command_with("reproduce", &[("--kernel", &image)]);
    command.args(["--boots", "1", "--recipe"]).arg(&recipe);
    command
        .arg("--results")
        .arg(dir.join("results"))
        .arg("--trace")
        .arg(dir.join("trace.ndjson"));
    run(command).says(0, &[]);
    assert!(dir.join("results/results.ndjson").exists() && dir.join("trace.ndjson").exists());
    // A comma is doubled in an option of QEMU.
    let mut expected = b"file=".to_vec();
    expected.extend_from_slice(image.as_os_str().as_bytes());
    let expected = String::from_utf8_lossy(&expected).replace(',', ",,");
    let arguments = fs::read(bench.path("arguments")).unwrap();
    let arguments = String::from_utf8_lossy(&arguments);
    assert!(arguments.contains(&expected), "no {expected:?} in {arguments}");
    // Sockets stand in the server's configuration, which is text.
    let mut command = bench.reproduce(&bench.recipe(""));
    command.env("XDG_RUNTIME_DIR", &dir);
    run(command).says(3, &["not UTF-8", "XDG_RUNTIME_DIR"]);
}
