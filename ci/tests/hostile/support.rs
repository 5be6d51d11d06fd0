// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A run with the real launcher and the real server, and a shell script in QEMU's place that prints what a guest would.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A run ends this soon after whatever ends it, on a busy machine.
pub const PROMISE: Duration = Duration::from_secs(20);

/// A board with one SMMU; the least that is a recipe.
pub const RECIPE: &str =
    "name = \"min\"\nsummary = \"s\"\nexpect = \"no-hit\"\n[board]\n[[board.smmu]]\nname = \"a\"\n";

/// Directories, a kernel that never runs, and QEMU's stand-in.
pub struct Bench {
    dirs: TempDir,
}

/// End of a run.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A run under way.
pub struct Run {
    pub process: Child,
}

impl Bench {
    /// The guest prints `begin`, does what `guest` says (in the shell of the host), and prints `done`.
    pub fn new(guest: &str) -> Self {
        let dirs = tempfile::tempdir().unwrap();
        for name in ["run", "state"] {
            fs::create_dir(dirs.path().join(name)).unwrap();
        }
        let bench = Self { dirs };
        // The header of an arm64 Image.
        let mut image = vec![0; 4096];
        image[16..24].copy_from_slice(&4096_u64.to_le_bytes());
        image[56..60].copy_from_slice(b"ARM\x64");
        fs::write(bench.path("Image"), image).unwrap();
        fs::write(bench.path("busybox"), "x").unwrap();
        let dir = bench.dirs.path().display();
        bench.program(
            "qemu",
            &format!(
                "cd '{dir}'\ncase \"$1 $2\" in\n\
                 '--version ') echo 'QEMU emulator version 11.1.3'; exit;;\n\
                 '-device help') echo 'name \"vfio-user-pci\"'; exit;;\nesac\n\
                 printf '%s\\n' \"$@\" >arguments\n\
                 echo '[    0.000000] Booting Linux'\necho '[    1.000000] @@boot-stress begin'\n{guest}\n\
                 echo '[    2.000000] @@boot-stress done'\n"
            ),
        );
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dirs.path().join(name)
    }

    /// A shell script that can be run.
    pub fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The least recipe and what follows in it.
    pub fn recipe(&self, more: &str) -> PathBuf {
        let path = self.path("recipe.toml");
        fs::write(&path, format!("{RECIPE}{more}")).unwrap();
        path
    }

    pub fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        path
    }

    /// `boot-stress COMMAND` with the parts of this bench.
    pub fn command(&self, command: &str) -> Command {
        self.command_with(command, &[])
    }

    /// `boot-stress COMMAND` with other parts, by their options.
    pub fn command_with(&self, command: &str, others: &[(&str, &Path)]) -> Command {
        let mut boot_stress = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
        boot_stress.arg(command);
        self.prepare(&mut boot_stress);
        let own = ["qemu", "Image", "busybox", "cache"].map(|name| self.path(name));
        for (option, own) in ["--qemu", "--kernel", "--busybox", "--cache"]
            .into_iter()
            .zip(&own)
        {
            let other = others.iter().find(|(other, _)| *other == option);
            boot_stress
                .arg(option)
                .arg(other.map_or(own.as_path(), |(_, path)| path));
        }
        boot_stress
    }

    /// Directories and pipes for a command.
    pub fn prepare(&self, command: &mut Command) {
        command
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// `boot-stress reproduce` of a recipe, one boot, with results in `results`.
    pub fn reproduce(&self, recipe: &Path) -> Command {
        let mut command = self.command("reproduce");
        command
            .args(["--boots", "1", "--keep-logs", "all", "--recipe"])
            .arg(recipe);
        command.arg("--results").arg(self.path("results"));
        command
    }

    /// `boot-stress stress` of a matrix of one cell, the recipe `recipe.toml` and what follows in the matrix.
    pub fn stress(&self, more: &str) -> Command {
        let matrix = self.path("matrix.toml");
        let text = format!("name = \"m\"\nkernels = [\"Image\"]\nrecipes = [\"recipe.toml\"]\n{more}");
        fs::write(&matrix, text).unwrap();
        let mut command = self.guests(&["stress"]);
        command.arg(matrix);
        command
    }

    /// `boot-stress COMMAND` of the commands that boot guests side by side, with the programs of this bench and in its
    /// directory.
    pub fn guests(&self, command: &[&str]) -> Command {
        let mut boot_stress = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
        self.prepare(&mut boot_stress);
        boot_stress.args(command).current_dir(self.dirs.path());
        for name in ["qemu", "busybox", "cache"] {
            boot_stress.arg(format!("--{name}")).arg(self.path(name));
        }
        boot_stress
    }

    /// Entries of the directory of runs.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("run")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Run {
    pub fn start(mut command: Command) -> Self {
        Self {
            process: command.spawn().unwrap(),
        }
    }

    /// Waits for something that the run does.
    pub fn wait_for(&mut self, what: &str, is_there: impl Fn() -> bool) {
        let deadline = Instant::now() + PROMISE;
        while !is_there() {
            if self.process.try_wait().unwrap().is_some() {
                panic!(
                    "ended without {what}: {}",
                    read(self.process.stderr.take().unwrap())
                );
            }
            assert!(Instant::now() < deadline, "no {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end, which has to come soon.
    pub fn end(self) -> Ended {
        self.end_within(PROMISE)
    }

    /// Waits for the end of work that takes a while.
    pub fn end_within(mut self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        let stdout = read_beside(self.process.stdout.take().unwrap());
        let stderr = read_beside(self.process.stderr.take().unwrap());
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.process.kill();
                panic!("still running");
            }
            thread::sleep(Duration::from_millis(5));
        };
        Ended {
            status,
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        }
    }
}

/// A full pipe would hold the run up.
fn read_beside(pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || read(pipe))
}

fn read(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a command to its end.
pub fn run(command: Command) -> Ended {
    Run::start(command).end()
}

impl Ended {
    /// The exit status, and words that have to be in what was said.
    #[track_caller]
    pub fn says(&self, code: i32, words: &[&str]) {
        let said = format!("{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in:\n{said}");
        }
    }
}

/// A name that is not UTF-8.
pub fn not_utf8() -> &'static OsStr {
    OsStr::from_bytes(b"\xff\xfe, x")
}
