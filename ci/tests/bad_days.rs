// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Failures around a boot, with the real programs: everything is ended within five seconds, nothing of the run is
//! left, and one message says what happened.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The promise of the product.
const PROMISE: Duration = Duration::from_secs(5);
/// QEMU needs this long to notice that its server does not answer.
const ANSWER: Duration = Duration::from_secs(4);
/// Time limit of a boot on a busy machine.
const BOOT: Duration = Duration::from_secs(180);

/// A time limit that is longer on a busy machine, by so many times what a small program takes there.
const SLOWNESS: u32 = 100;

/// A limit of time from now on.
struct Limit {
    started: Instant,
    limit: Duration,
    program: Duration,
}

impl Limit {
    fn of(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
            program: Duration::ZERO,
        }
    }

    /// Checks that it is not over. Only when it seems to be, the machine is measured.
    fn check(&mut self, what: &str) {
        if self.started.elapsed() > self.limit + self.program * SLOWNESS {
            let begin = Instant::now();
            let mut command = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
            assert!(command.arg("--version").output().unwrap().status.success());
            self.program = self.program.max(begin.elapsed());
        }
        let limit = self.limit + self.program * SLOWNESS;
        assert!(self.started.elapsed() <= limit, "{what} after {limit:?}");
    }
}

/// A `boot-stress reproduce`, of the recipe `boot` if no other is named, with directories of its own.
struct Run {
    process: Child,
    dirs: TempDir,
}

/// End of a run.
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Run {
    fn start(more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), more)
    }

    fn start_in(dirs: TempDir, more: &[&str]) -> Self {
        for name in ["run", "state"] {
            fs::create_dir_all(dirs.path().join(name)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
        command
            .args(["reproduce", "--keep-logs", "all", "--results"])
            .arg(dirs.path().join("results"))
            .args(more);
        if !more.contains(&"--recipe") {
            command.args(["--recipe", "boot", "--boots", "1"]);
        }
        let process = command
            .env("XDG_RUNTIME_DIR", dirs.path().join("run"))
            .env("XDG_STATE_HOME", dirs.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { process, dirs }
    }

    /// Waits until the guest has printed something; the run must still be going on.
    fn wait_for_console(&mut self) {
        let console = self.dirs.path().join("results/boot-001.log");
        let deadline = Instant::now() + BOOT;
        // The first lines are the server's.
        let guest_printed = |text: String| text.lines().any(|line| !line.contains("] vfio-server: "));
        while !fs::read_to_string(&console).is_ok_and(guest_printed) {
            assert!(
                self.process.try_wait().unwrap().is_none(),
                "{}",
                read(self.process.stderr.take().unwrap())
            );
            assert!(Instant::now() < deadline, "no console output");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The child with `word` among its arguments.
    fn child(&self, word: &str) -> i32 {
        let has_word = |pid: &i32| arguments(*pid).iter().any(|argument| argument == word);
        children(self.process.id())
            .into_iter()
            .find(has_word)
            .unwrap_or_else(|| panic!("no child with {word}"))
    }

    fn server(&self) -> i32 {
        self.child("--exit-with-stdin")
    }

    fn qemu(&self) -> i32 {
        self.child("-machine")
    }

    /// Waits for the end, and checks that it comes within `limit` and leaves nothing.
    fn ends_within(mut self, limit: Duration) -> Ended {
        let children = children(self.process.id());
        let mut limit = Limit::of(limit);
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            limit.check("still running");
            thread::sleep(Duration::from_millis(10));
        };
        let left: Vec<i32> = children.into_iter().filter(|pid| is_alive(*pid)).collect();
        assert_eq!(left, Vec::<i32>::new(), "processes are left");
        assert_eq!(
            files(&self.dirs.path().join("run")),
            Vec::<PathBuf>::new(),
            "files of the run are left"
        );
        let stdout = read(self.process.stdout.take().unwrap());
        let stderr = read(self.process.stderr.take().unwrap());
        Ended {
            status,
            stdout,
            stderr,
        }
    }
}

impl Ended {
    /// The exit status, and that the last message, the only one of its kind, has `words`.
    fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{}{}", self.stdout, self.stderr);
        let messages: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("boot-stress: "))
            .collect();
        assert_eq!(messages.len(), 1, "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in:\n{}", self.stderr);
        }
    }
}

fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

fn arguments(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// State and parent of a process, from `/proc/PID/stat`.
fn state(pid: i32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|(state, _)| state != 'Z')
}

fn children(parent: u32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| state(*pid).is_some_and(|(_, its)| its == parent))
        .collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn guest_and_server_that_is_killed() {
    let mut run = Run::start(&[]);
    run.wait_for_console();
    signal(run.server(), Signal::KILL);
    run.ends_within(PROMISE)
        .says(3, &["vfio-server ended during the boot", "killed"]);
}

#[test]
fn guest_and_server_that_hangs() {
    let mut run = Run::start(&[]);
    run.wait_for_console();
    let server = run.server();
    signal(server, Signal::STOP);
    // The guest boots on until it needs the SMMU.
    run.ends_within(BOOT + ANSWER)
        .says(3, &["vfio-server did not answer QEMU", "timed out"]);
}

#[test]
fn guest_whose_qemu_is_killed() {
    let mut run = Run::start(&[]);
    run.wait_for_console();
    signal(run.qemu(), Signal::KILL);
    run.ends_within(PROMISE)
        .says(3, &["QEMU ended", "killed", "the guest was booting"]);
}

#[test]
fn guest_and_requests_to_end() {
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut run = Run::start(&[]);
        run.wait_for_console();
        signal(i32::try_from(run.process.id()).unwrap(), number);
        run.ends_within(PROMISE).says(code, &["interrupted"]);
    }
}

/// Only the kernel is left to end the children, and only the next run to remove the directory.
#[test]
fn guest_whose_launcher_is_killed() {
    let mut run = Run::start(&[]);
    run.wait_for_console();
    let children = [run.server(), run.qemu()];
    run.process.kill().unwrap();
    run.process.wait().unwrap();
    let mut limit = Limit::of(PROMISE);
    while children.iter().any(|pid| is_alive(*pid)) {
        limit.check("children are left");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(files(&run.dirs.path().join("run")).len(), 1);
    let Run { process: _, dirs } = run;
    let mut next = Run::start_in(dirs, &[]);
    // The old console is still there, so wait for the new run's children instead.
    let deadline = Instant::now() + BOOT;
    while self::children(next.process.id()).len() < 2 {
        assert!(next.process.try_wait().unwrap().is_none() && Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        files(&next.dirs.path().join("run")).len(),
        1,
        "the leftover is still there"
    );
    signal(i32::try_from(next.process.id()).unwrap(), Signal::TERM);
    next.ends_within(PROMISE).says(143, &[]);
}

/// An Image whose first instruction branches to itself.
#[test]
fn guest_that_prints_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("Image");
    let mut header = vec![0; 4096];
    header[..4].copy_from_slice(&0x1400_0000_u32.to_le_bytes());
    header[16..24].copy_from_slice(&4096_u64.to_le_bytes());
    header[56..60].copy_from_slice(b"ARM\x64");
    fs::write(&image, header).unwrap();
    let recipe = dir.path().join("mute.toml");
    fs::write(
        &recipe,
        "name = \"mute\"\nsummary = \"s\"\nexpect = \"no-hit\"\n[board]\n[[board.smmu]]\nname = \"a\"\n",
    )
    .unwrap();
    let arguments = [
        "--timeout",
        "3",
        "--kernel",
        image.to_str().unwrap(),
        "--recipe",
        recipe.to_str().unwrap(),
        "--boots",
        "9",
    ];
    let mut run = Run::start(&arguments);
    let deadline = Instant::now() + BOOT;
    while children(run.process.id()).len() < 2 {
        assert!(run.process.try_wait().unwrap().is_none() && Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    let ended = run.ends_within(Duration::from_secs(3) + PROMISE);
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("the kernel printed nothing for 3 s"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("Ended after 1 of 9 boots: the guest does not boot"),
        "{}",
        ended.stdout
    );
}

/// One boot to the end, and what is said about it.
#[test]
fn guest_that_boots_has_a_verdict() {
    let mut run = Run::start(&["--json", "--seed", "7"]);
    let results = run.dirs.path().join("results/results.ndjson");
    run.wait_for_console();
    let console = run.dirs.path().join("results/boot-001.log");
    let status = run.process.wait().unwrap();
    let stdout = read(run.process.stdout.take().unwrap());
    let stderr = read(run.process.stderr.take().unwrap());
    assert_eq!(status.code(), Some(0), "{stdout}{stderr}");
    let verdict: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(verdict["schema"], "boot-stress/verdict/2");
    assert_eq!(verdict["verdict"], "as-expected");
    assert_eq!(
        (&verdict["rate"]["as_expected"], &verdict["rate"]["boots"]),
        (&1.into(), &1.into())
    );
    assert_eq!(verdict["seed"], 7);
    let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(results).unwrap()).unwrap();
    assert_eq!(line["outcome"], "as-expected");
    let console = String::from_utf8_lossy(&fs::read(console).unwrap()).into_owned();
    for line in [
        "iommu: probing hardware configuration",
        "Adding to iommu group",
        "@@boot-stress done",
    ] {
        assert!(console.contains(line), "no {line:?} on the console");
    }
}

#[test]
fn guest_whose_console_copy_is_a_device() {
    let dirs = tempfile::tempdir().unwrap();
    fs::create_dir(dirs.path().join("results")).unwrap();
    symlink("/dev/full", dirs.path().join("results/boot-001.log")).unwrap();
    let run = Run::start_in(dirs, &[]);
    run.ends_within(BOOT).says(
        3,
        &["boot-001.log", "a device, and no regular file", "--results DIR"],
    );
}

#[test]
fn a_path_too_long_for_a_socket() {
    let dirs = tempfile::tempdir().unwrap();
    let deep = dirs.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(["reproduce", "--recipe", "boot", "--boots", "1", "--results"])
        .arg(dirs.path().join("results"))
        .env("XDG_RUNTIME_DIR", &deep)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("the system allows 107") && stderr.contains("XDG_RUNTIME_DIR"),
        "{stderr}"
    );
    assert_eq!(files(&deep), Vec::<PathBuf>::new());
}

#[test]
fn a_cache_that_cannot_be_written() {
    let run = Run::start(&["--cache", "/sys/smmu-emu"]);
    run.ends_within(PROMISE).says(3, &["/sys/smmu-emu", "--cache"]);
}

#[test]
fn a_qemu_without_vfio_user() {
    let dir = tempfile::tempdir().unwrap();
    let qemu = dir.path().join("qemu");
    fs::write(
        &qemu,
        "#!/bin/sh\n[ \"$1\" = --version ] && echo 'QEMU emulator version 10.0.13'\nexit 0\n",
    )
    .unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let run = Run::start(&["--qemu", qemu.to_str().unwrap()]);
    run.ends_within(PROMISE).says(3, &["10.0.13", "10.1.1"]);
}

#[test]
fn mistakes_on_the_command_line() {
    let run = Run::start(&["--locked", "--kernel", "debian:1.2.3"]);
    run.ends_within(PROMISE).says(2, &["1.2.3"]);
    let run = Run::start(&["--kernel", "/none/Image"]);
    run.ends_within(PROMISE).says(2, &["/none/Image"]);
}
