// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A run: boots until there is a verdict.

mod error;
mod twice;
pub mod window;

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_guard::confine::Places;
use host_guard::signals;

use crate::boot::outcome::Outcome;
use crate::boot::run::snapshot::incoming;
use crate::boot::run::{BootError, BootRunner, Limits, OF_SERVER};
use crate::boot::rundir::RunDir;
use crate::recipe::script;
use crate::recipe::{Recipe, Start};
use crate::report::progress::Progress;
use crate::report::results::{Keep, Results, TRACE};
use crate::report::verdict::{Part, TimelinePart, TracePart, Verdict};
use crate::setup::environment::Environment;
use crate::setup::machine::{self, Backing, Files, FilesError};
use crate::setup::snapshot;
use crate::timeline::{self, TimelineFile};
pub use error::RunError;
use twice::{Recorded, compare};

/// Traces of the guest's kernel and of the server from which a timeline is made, in the run's directory.
const GUEST_TRACE: &str = "guest-trace";
const SERVER_TRACE: &str = "trace.json";
/// Console and trace of a boot that is made again, among the results.
const AGAIN_CONSOLE: &str = "again.log";
const AGAIN_TRACE: &str = "again.ndjson";
/// Until the kernel's first console output: it comes within the first second of a boot on an idle host.
const FIRST_OUTPUT: Duration = Duration::from_secs(20);
/// Until the guest's script runs: eight seconds on two idle cores.
const BOOT: Duration = Duration::from_secs(90);

/// Options of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The recipe.
    pub recipe: Recipe,
    /// Boots at most.
    pub boots: u32,
    /// Start of each boot; a warm one only if the recipe has no reason against it
    /// ([`needs_cold_start`](Recipe::needs_cold_start)).
    pub start: Start,
    /// The first boot that decides the verdict is the last.
    pub until_hit: bool,
    /// Seed of the run; a new one if absent.
    pub seed: Option<u64>,
    /// Limit of one boot.
    pub timeout: Option<Duration>,
    /// Consoles to keep.
    pub keep: Keep,
    /// Directory of the results.
    pub results: Option<PathBuf>,
    /// File for the trace of each boot, written over that of the one before.
    pub trace: TraceFile,
    /// Timeline of each boot, written over that of the one before; for cold boots.
    pub timeline: Option<TimelineFile>,
    /// Files and directories outside of the run that the recipe may use.
    pub allowed: Places,
    /// Make each boot twice and compare the two; for deterministic boots with all consoles kept and a trace in the
    /// results.
    pub twice: bool,
}

/// Place of the trace of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceFile {
    /// There is none.
    None,
    /// A file.
    At(PathBuf),
    /// A file beside the results.
    InResults,
}

/// A run that got as far as its boots.
#[derive(Debug)]
pub struct Run {
    /// Verdict of the boots.
    pub verdict: Verdict,
    /// Error that ended the run before it had to end.
    pub broken: Option<RunError>,
    /// The console of a first boot that was never over.
    pub console: Option<PathBuf>,
}

/// The seed of boot number `boot` of a run: splitmix64, so that neighbours have nothing in common; 63 bits of it, which
/// every reader of TOML takes.
pub fn boot_seed(seed: u64, boot: u32) -> u64 {
    let mut z = seed.wrapping_add(u64::from(boot).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) >> 1
}

/// A random seed. It fits the integers of TOML and JSON readers.
pub fn new_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}

/// The limits of a boot of `recipe`.
pub fn limits(recipe: &Recipe, timeout: Option<Duration>) -> Limits {
    match timeout {
        // A user who says how long a boot may take knows the host: no part of it is cut shorter.
        Some(total) => Limits {
            first_output: total,
            boot: total,
            total,
            ends_when_seen: true,
        },
        None => Limits {
            first_output: FIRST_OUTPUT,
            boot: BOOT,
            total: BOOT + Duration::from_secs(script::time_limit_s(recipe)),
            ends_when_seen: true,
        },
    }
}

/// Boots as `options` say in `environment`; `helper` is this program.
///
/// # Errors
/// The run could not begin. Errors after the first boot are part of [`Run`].
pub fn run(
    options: &RunOptions,
    environment: &Environment,
    helper: &Path,
    progress: &mut Progress,
) -> Result<Run, RunError> {
    let recipe = &options.recipe;
    let _orderly = signals::Orderly::begin();
    let started = Instant::now();
    let dir = RunDir::create()?;
    for smmu in &recipe.smmus {
        dir.socket(&smmu.name)?;
    }
    let layout = recipe.layout().map_err(FilesError::from)?;
    let mut guest = environment.guest.clone();
    guest.trace = options.timeline.as_ref().map(|_| dir.file(GUEST_TRACE));
    let files = Files::generate(dir.path(), recipe, &layout, &guest, options.start)?;
    let mut results = Results::create(
        options.results.as_deref(),
        &recipe.name,
        recipe.expect.boots,
        options.keep,
    )?;
    let trace = match &options.trace {
        TraceFile::None => None,
        TraceFile::At(path) => Some(path.clone()),
        TraceFile::InResults => Some(results.dir().join(TRACE)),
    };
    let backing = Backing::Server { sockets: dir.path() };
    let mut limits = limits(recipe, options.timeout);
    if options.timeline.is_some() {
        limits.ends_when_seen = false;
        limits.total += Duration::from_secs(script::TRACE_S);
    }
    let mut bench = BootRunner {
        helper,
        dir: &dir,
        recipe,
        qemu: machine::program(&environment.qemu, recipe, &layout, &guest, &files, backing),
        server: true,
        trace: match &options.timeline {
            Some(_) => Some(dir.file(SERVER_TRACE)),
            None => trace.clone(),
        },
        allowed: options.allowed.clone(),
        server_args: Vec::new(),
        limits,
        deterministic: environment.guest.accel.is_deterministic(),
        stop: Arc::default(),
    };
    let snapshot = match options.start {
        Start::Cold => None,
        Start::Warm => {
            let taken = snapshot::of(
                bench.clone(),
                &files,
                &environment.guest.image,
                &environment.snapshots,
                &mut |step| progress.detail(step),
            )?;
            bench.qemu.args.extend(incoming(taken.path()));
            Some(taken)
        }
    };
    let seed = options.seed.unwrap_or_else(new_seed);
    let kernel = Part {
        version: environment.guest.release.clone(),
        source: environment.kernel_source.clone(),
    };
    let qemu = Part {
        version: environment.qemu.version.clone(),
        source: environment.qemu.source.clone(),
    };
    let mut verdict = Verdict::new(
        recipe,
        environment.guest.accel,
        kernel,
        qemu,
        seed,
        options.boots,
        results.dir().to_owned(),
    );
    verdict
        .instead_of_locked
        .clone_from(&environment.instead_of_locked);
    verdict.start = options.start;
    verdict.snapshot = snapshot.as_ref().map(|taken| taken.id().to_owned());
    verdict.trace = trace.map(|path| TracePart {
        path,
        incomplete: None,
    });
    let mut broken = None;
    for boot in 1..=options.boots {
        match one(
            &bench,
            boot,
            options.boots,
            boot_seed(seed, boot),
            &mut results,
            &mut verdict,
            progress,
        ) {
            Ok(Outcome::AsExpected) => {
                let elapsed = started.elapsed();
                verdict.first_as_expected_ms.get_or_insert(millis(elapsed));
            }
            // A machine that has booted before was slow this time.
            Ok(Outcome::NotBooted(_)) if verdict.rate.boots > 0 => {}
            Ok(Outcome::NotBooted(_)) => {
                if boot < options.boots {
                    verdict.ended_early = Some("the guest does not boot".to_owned());
                }
                break;
            }
            Ok(Outcome::NotAsExpected(_) | Outcome::Inconclusive(_)) => {}
            Err(RunError::Boot(BootError::Interrupted)) => {
                broken = Some(RunError::Interrupted {
                    signal: signals::asked().unwrap_or_default(),
                });
                break;
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
        if let Err(error) = make_timeline(options, &dir, &mut verdict) {
            broken = Some(error);
            break;
        }
        if options.twice && broken.is_none() {
            match again(
                &bench,
                boot,
                boot_seed(seed, boot),
                &results,
                &mut verdict,
                progress,
            ) {
                Ok(()) => {}
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        if options.until_hit && verdict.is_decided() {
            break;
        }
    }
    verdict.elapsed_ms = millis(started.elapsed());
    if let (Some(trace), Some(error)) = (&mut verdict.trace, &broken) {
        trace.incomplete = Some(format!("the last boot did not end: {error}"));
    }
    verdict.files = results.kept().to_vec();
    verdict.ended_early = verdict
        .ended_early
        .take()
        .or(broken.as_ref().map(ToString::to_string));
    let console = if verdict.boots() == 0 {
        results.abandon()
    } else {
        None
    };
    Ok(Run {
        verdict,
        broken,
        console,
    })
}

/// Makes the timeline of the boot that is over, if there shall be one.
fn make_timeline(options: &RunOptions, dir: &RunDir, verdict: &mut Verdict) -> Result<(), RunError> {
    let Some(file) = &options.timeline else {
        return Ok(());
    };
    let path = file.path.clone();
    match timeline::make(file, &dir.file(SERVER_TRACE), &dir.file(GUEST_TRACE)) {
        Ok(made) => {
            verdict.timeline = Some(TimelinePart { path, made });
            Ok(())
        }
        Err(source) => Err(RunError::Timeline { path, source }),
    }
}

/// One boot, on disk and counted.
fn one(
    bench: &BootRunner<'_>,
    boot: u32,
    boots: u32,
    seed: u64,
    results: &mut Results,
    verdict: &mut Verdict,
    progress: &mut Progress,
) -> Result<Outcome, RunError> {
    progress.task(&format!("boot {boot} of {boots}"));
    let console = results.console(boot);
    let report = bench.boot(seed, console.as_deref(), &mut |step| progress.detail(step))?;
    for line in &report.stderr_tail {
        if is_error(line) {
            progress.line(line);
        } else if !line.starts_with(OF_SERVER) {
            // Those of the server were told as they came.
            progress.detail(line);
        }
    }
    results.record(boot, seed, &report)?;
    let outcome = report.outcome.clone();
    let words = match &outcome {
        Outcome::AsExpected => "as expected".to_owned(),
        Outcome::NotAsExpected(reason) => format!("not as expected: {reason}"),
        Outcome::Inconclusive(reason) => format!("inconclusive: {reason}"),
        Outcome::NotBooted(reason) => format!("not booted: {reason}"),
    };
    let booted = report
        .boot_ms
        .map(|ms| format!(", at its first step after {}.{} s", ms / 1000, ms % 1000 / 100))
        .unwrap_or_default();
    progress.line(&format!(
        "boot {boot} of {boots}: {words} ({}.{} s{booted})",
        report.total_ms / 1000,
        report.total_ms % 1000 / 100
    ));
    verdict.add(boot, report);
    Ok(outcome)
}

/// Makes a boot again, and compares the two. What the second one left is kept if they differ.
fn again(
    bench: &BootRunner<'_>,
    boot: u32,
    seed: u64,
    results: &Results,
    verdict: &mut Verdict,
    progress: &mut Progress,
) -> Result<(), RunError> {
    progress.task(&format!("boot {boot}, again"));
    let first = Recorded {
        decided: verdict.console_of(boot).cloned(),
        console: results.console(boot).unwrap_or_default(),
        trace: results.dir().join(TRACE),
    };
    let mut second = Recorded {
        decided: None,
        console: results.dir().join(AGAIN_CONSOLE),
        trace: results.dir().join(AGAIN_TRACE),
    };
    let bench = BootRunner {
        trace: Some(second.trace.clone()),
        ..bench.clone()
    };
    let report = bench.boot(seed, Some(&second.console), &mut |step| progress.detail(step))?;
    second.decided = report.console;
    match compare(&first, &second).map_err(RunError::Compare)? {
        None => {
            for path in [&second.console, &second.trace] {
                let _ = fs::remove_file(path);
            }
            verdict.made_twice += 1;
            Ok(())
        }
        Some(difference) => Err(RunError::NotEqual {
            boot,
            difference: Box::new(difference),
            first: first.console,
            second: second.console,
        }),
    }
}

/// Whether a line of the server's is about something that failed: an error of its log, or a message of its own.
fn is_error(line: &str) -> bool {
    let Some(said) = line.strip_prefix(OF_SERVER) else {
        return false;
    };
    said.split_whitespace().next() == Some("ERROR") || said.contains(vfio_server::cli::INCOMPLETE)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
