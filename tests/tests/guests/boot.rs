// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A boot of a recipe, and a client of the control socket meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use boot_stress::boot::findings::Finding;
use boot_stress::boot::outcome::{BootReport, Outcome};
use boot_stress::boot::run::{BootError, BootRunner};
use boot_stress::boot::rundir::RunDir;
use boot_stress::recipe::{FindingKind, Recipe, Start, shipped};
use boot_stress::reproduce::limits;
use boot_stress::setup::environment::Choice;
use boot_stress::setup::machine::{Backing, Files, program};
use host_guard::confine::Places;
use integration_tests::qmp::QmpClient;
use rustix::process::Pid;
use serde_json::{Value, json};

/// Longest time until the guest has got somewhere.
const PATIENCE: Duration = Duration::from_secs(300);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Results of a boot.
pub struct Boot {
    pub report: BootReport,
    /// All of it.
    pub console: String,
}

impl Boot {
    /// The result of that name, the last one if there are several.
    pub fn result(&self, name: &str) -> &str {
        let found = self
            .report
            .results
            .iter()
            .rev()
            .find(|result| result.name == name);
        let Some(result) = found else {
            panic!("no result {name}: {:#?}", self.report.results);
        };
        &result.text
    }

    /// The lines of the console with these words, without the time.
    pub fn lines(&self, words: &str) -> Vec<&str> {
        let lines = self.console.lines().filter(|line| line.contains(words));
        lines
            .map(|line| line.split_once("] ").map_or(line, |(_, text)| text).trim())
            .collect()
    }
}

/// State of a boot under way, as the control socket shows it.
pub struct Meanwhile {
    control: PathBuf,
    /// QEMU's monitor.
    monitor: PathBuf,
    over: Arc<AtomicUsize>,
    client: Option<QmpClient>,
}

impl Meanwhile {
    /// Carries out a command.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.client()?
            .execute(command, arguments)
            .with_context(|| command.to_owned())
    }

    /// Waits until the guest has raised a mark.
    pub fn wait_for_mark(&mut self, name: &str) -> Result<()> {
        self.wait_until(&format!("mark {name}"), |this| {
            let marks = this.execute("marks-list", json!({}))?;
            let marks = marks.as_array().context("no marks")?;
            Ok(marks
                .iter()
                .any(|mark| mark["mark"] == name && mark["raised"] == true))
        })
    }

    pub fn raise_mark(&mut self, name: &str) -> Result<()> {
        self.execute("mark-raise", json!({ "mark": name })).map(drop)
    }

    /// Waits until something holds.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        while !holds(self)? {
            ensure!(
                self.over.load(Ordering::Relaxed) == 0,
                "the boot is over: no {what}"
            );
            ensure!(started.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }

    /// Has the guest stand still during `act`, with nothing under way in the server either: its CPUs are stopped
    /// through QEMU's monitor. (A QEMU that is sent SIGSTOP may sleep through eventfds afterwards: of an io_uring poll
    /// that was being set up nothing is left.)
    pub fn while_stopped<R>(&mut self, act: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let mut monitor = QmpClient::negotiated(&self.monitor)?;
        monitor.execute("stop", json!({}))?;
        let server = self.server()?;
        // A thread that has a message, or work of a device, runs.
        let result = self
            .wait_until("idle server", |_| is_asleep(&server))
            .and_then(|()| act(self));
        monitor.execute("cont", json!({}))?;
        result
    }

    /// The server's process.
    pub fn server(&self) -> Result<PathBuf> {
        let pid = self.child("--exit-with-stdin")?;
        Ok(Path::new("/proc").join(pid.to_string()))
    }

    /// The child of ours with these words on its command line.
    fn child(&self, words: &str) -> Result<Pid> {
        let own = std::process::id().to_string();
        for entry in fs::read_dir("/proc")?.flatten() {
            let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let parent = read("stat")
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(1).map(str::to_owned));
            if parent.as_ref() == Some(&own) && read("cmdline").contains(words) {
                let pid = entry.file_name().to_string_lossy().parse()?;
                return Pid::from_raw(pid).context("no process");
            }
        }
        bail!("no process with {words}")
    }

    fn client(&mut self) -> Result<&mut QmpClient> {
        let started = Instant::now();
        while self.client.is_none() {
            match QmpClient::negotiated(&self.control) {
                Ok(client) => self.client = Some(client),
                Err(error) if started.elapsed() > PATIENCE => return Err(error),
                Err(_) => {
                    ensure!(self.over.load(Ordering::Relaxed) == 0, "the boot is over");
                    thread::sleep(BETWEEN_LOOKS);
                }
            }
        }
        self.client.as_mut().context("no client")
    }
}

/// Whether all threads of a process, which is a directory of `/proc`, are asleep (`proc_pid_stat(5)`).
fn is_asleep(process: &Path) -> Result<bool> {
    for thread in fs::read_dir(process.join("task"))?.flatten() {
        // A thread that is gone is in no state.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state.is_some_and(|state| state != 'S') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The shipped recipe of that name.
pub fn recipe(name: &str) -> Recipe {
    shipped(name)
        .expect("a shipped recipe")
        .recipe()
        .expect("a valid recipe")
}

/// Boots `recipe` once with a kernel of the lock file, the newest if none is named; the console stays, under `name`.
pub fn boot(name: &str, recipe: &Recipe, kernel: Option<&str>) -> Boot {
    boot_and(name, recipe, kernel, |_| Ok(()))
}

/// As [`boot`], with `meanwhile` on a thread of its own.
pub fn boot_and(
    name: &str,
    recipe: &Recipe,
    kernel: Option<&str>,
    meanwhile: impl FnOnce(&mut Meanwhile) -> Result<()> + Send,
) -> Boot {
    let console = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
    println!("console: {}", console.display());
    try_boot(&console, recipe, kernel, meanwhile).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A boot with another memory backend, and what the server and QEMU said; `change` gets the backend's properties.
pub fn boot_with_memory(name: &str, recipe: &Recipe, change: impl Fn(&str) -> String) -> Result<BootReport> {
    let console = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
    println!("console: {}", console.display());
    with_bench(recipe, None, |mut bench, _, _| {
        for argument in &mut bench.qemu.args {
            if let Some(backend) = argument
                .to_str()
                .filter(|text| text.starts_with("memory-backend"))
            {
                *argument = change(backend).into();
            }
        }
        Ok(bench.boot(1, Some(&console), &mut |_| {})?)
    })
}

/// Prepares all that a boot needs; `run` gets the paths of the control socket and of QEMU's monitor, too.
fn with_bench<R>(
    recipe: &Recipe,
    kernel: Option<&str>,
    run: impl FnOnce(BootRunner<'_>, PathBuf, PathBuf) -> Result<R>,
) -> Result<R> {
    let choice = Choice {
        kernel: kernel.map(|release| format!("debian:{release}").into()),
        tools: recipe.tools.clone(),
        locked: true,
        ..Choice::default()
    };
    let environment = choice.resolve(Arc::from(guest_images::packages::progress::on_stderr()))?;
    let dir = RunDir::create()?;
    let layout = recipe.layout()?;
    let guest = &environment.guest;
    let files = Files::generate(dir.path(), recipe, &layout, guest, Start::Cold)?;
    let backing = Backing::Server { sockets: dir.path() };
    let control = dir.file("control");
    let monitor = dir.file("monitor");
    let mut qemu = program(&environment.qemu, recipe, &layout, guest, &files, backing);
    let socket = format!("unix:{},server=on,wait=off", monitor.display());
    qemu.args.extend(["-qmp".into(), socket.into()]);
    let bench = BootRunner {
        helper: Path::new(env!("CARGO_BIN_EXE_boot-stress-under-test")),
        dir: &dir,
        recipe,
        qemu,
        server: true,
        trace: None,
        allowed: Places::anywhere(),
        server_args: vec!["--control".into(), control.as_os_str().to_owned()],
        limits: limits(recipe, None),
        deterministic: false,
        stop: Arc::default(),
    };
    run(bench, control, monitor)
}

fn try_boot(
    console: &Path,
    recipe: &Recipe,
    kernel: Option<&str>,
    meanwhile: impl FnOnce(&mut Meanwhile) -> Result<()> + Send,
) -> Result<Boot> {
    with_bench(recipe, kernel, |bench, control, monitor| {
        boot_with(&bench, control, monitor, console, meanwhile)
    })
}

fn boot_with(
    bench: &BootRunner<'_>,
    control: PathBuf,
    monitor: PathBuf,
    console: &Path,
    meanwhile: impl FnOnce(&mut Meanwhile) -> Result<()> + Send,
) -> Result<Boot> {
    let over = Arc::new(AtomicUsize::new(0));
    let mut present = Meanwhile {
        control,
        monitor,
        over: Arc::clone(&over),
        client: None,
    };
    let (report, happened) = thread::scope(|scope| {
        let stop = Arc::clone(&bench.stop);
        let other = scope.spawn(move || {
            let happened = meanwhile(&mut present);
            if happened.is_err() {
                // Nothing more will come of the boot.
                stop.store(true, Ordering::Relaxed);
            }
            happened
        });
        let report = bench.boot(1, Some(console), &mut |_| {});
        over.store(1, Ordering::Relaxed);
        let happened = other.join().expect("no panic");
        (report, happened)
    });
    // A boot that failed by itself is the reason of what did not happen in it.
    let report = match report {
        Err(BootError::Interrupted) => return Err(happened.expect_err("only its failure stops the boot")),
        report => report?,
    };
    happened?;
    ensure!(
        report.outcome == Outcome::AsExpected,
        "{:?}: {}\n{}",
        report.outcome,
        report.tail.join("\n"),
        report.stderr_tail.join("\n")
    );
    // Faults of the SMMU are what some of these recipes are about.
    let kernel_bug = |finding: &&Finding| {
        finding.kind.is_bug() && finding.kind != FindingKind::LateProbe
            || finding.kind == FindingKind::TlbSyncTimeout
    };
    let bugs: Vec<&Finding> = report.findings.iter().filter(kernel_bug).collect();
    ensure!(bugs.is_empty(), "{bugs:#?}");
    let console = String::from_utf8_lossy(&fs::read(console)?).into_owned();
    Ok(Boot { report, console })
}
