// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A stress run: guests side by side, each boot on disk before it counts.
//!
//! One thread hands out boots and writes results. Each of the others makes one boot after the other; the kernel ties
//! the processes of a boot to its thread.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use host_guard::confine::Places;
use host_guard::{file, signals};

use super::class::Class;
use super::jobs::Jobs;
use super::prepare::{Cache, Launch, Ready};
use super::record::{Boot, Header, Session};
use super::schedule::{Job, Schedule};
use super::shard::Shard;
use super::store::{Store, StoreError};
use super::work::{Bench, WorkError};
use crate::report::progress::Progress;
use crate::report::results::Keep;

/// Interval at which signals and time limits are checked.
const TICK: Duration = Duration::from_millis(50);
/// Interval of lines on how far the run is, where there is no terminal.
const LINES: Duration = Duration::from_secs(30);
/// Boots of any cell in a row that QEMU, server or host failed, and no other between them: the run ends.
const FAILED_IN_A_ROW: u32 = 12;
/// Memory of a guest beyond its own, in MiB: QEMU with its translated code, the server.
const BESIDE_GUEST_MIB: u64 = 700;
/// Most guests at a time.
pub const JOBS_MAX: u32 = 1024;

/// Options of a run.
#[derive(Debug)]
pub struct Options<'a> {
    /// This program, with its hidden subcommands.
    pub helper: &'a Path,
    /// The cells, in the order of the header.
    pub cells: &'a [Ready],
    /// Identity of the run.
    pub header: &'a Header,
    /// The shard to make.
    pub shard: Shard,
    /// Guests at a time; measured if absent.
    pub jobs: Option<u32>,
    /// Boots whose directories are kept.
    pub keep: Keep,
    /// Limit of one boot.
    pub timeout: Option<Duration>,
    /// No boot begins later than this after the start.
    pub time: Option<Duration>,
    /// Files and directories outside of the run that recipes may use.
    pub allowed: Places,
}

/// End of a run.
#[derive(Debug)]
pub enum End {
    /// No boot is left to be made.
    Complete,
    /// The time was up.
    Time,
    /// A signal has asked for it.
    Signal(i32),
    /// Results cannot be kept.
    Broken(String),
    /// QEMU, server or host fail every boot; the last reason.
    Infra(String),
}

/// Cells that were given up: key, and reason of the last failure.
pub type GivenUp = Vec<(String, String)>;

/// Message of a thread: its number, the boot, and what came of it.
type Message = (usize, Job, u32, Result<Boot, WorkError>);

/// Makes the boots that have no result among `boots`; their results go to `store`.
///
/// # Errors
/// The results cannot be written at all.
pub fn run(
    options: &Options<'_>,
    store: &mut Store,
    boots: &[Boot],
    progress: &mut Progress,
) -> Result<(End, GivenUp), StoreError> {
    let _orderly = signals::Orderly::begin();
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
    let jobs = match options.jobs {
        Some(jobs) => Jobs::fixed(jobs.min(JOBS_MAX)),
        None => Jobs::measured(cpus, memory_for(options.cells).min(JOBS_MAX)),
    };
    store.begin(Session {
        number: 0,
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
        host_cpus: cpus,
        jobs: options.jobs,
    })?;
    let bench = Bench {
        launch: Launch {
            helper: options.helper,
            timeout: options.timeout,
            allowed: options.allowed.clone(),
            stop: Arc::default(),
        },
        cells: options.cells,
        cache: Cache::new(usize::try_from(jobs.most()).unwrap_or(1).min(options.cells.len()) + 1),
        results: store.dir().to_owned(),
        seed: options.header.seed,
        boot_seed: options.header.boot_seed,
        keep: options.keep,
    };
    let (sender, messages) = channel();
    thread::scope(|scope| {
        let mut run = Run {
            scope,
            bench: &bench,
            options,
            store,
            progress,
            schedule: Schedule::new(options.header, options.shard, boots),
            jobs,
            sender,
            workers: Vec::new(),
            idle: Vec::new(),
            under_way: 0,
            failed_in_a_row: 0,
            started: Instant::now(),
            told: Instant::now(),
            classes: BTreeMap::new(),
            end: None,
        };
        let end = run.drive(&messages);
        let cells = run.schedule.given_up();
        let key = |at: usize| {
            options
                .header
                .cells
                .get(at)
                .map(|part| part.key.clone())
                .unwrap_or_default()
        };
        let given_up = cells.map(|(at, reason)| (key(at), reason.to_owned())).collect();
        Ok((end, given_up))
    })
}

/// Guests for which there is memory now.
fn memory_for(cells: &[Ready]) -> u32 {
    let info = file::read_text("/proc/meminfo".as_ref(), 1 << 16).unwrap_or_default();
    let available = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    let largest = cells
        .iter()
        .map(|ready| u64::from(ready.cell.recipe.board.memory_mib))
        .max();
    let each = largest.unwrap_or(0) + BESIDE_GUEST_MIB;
    kib.map_or(u32::MAX, |kib| {
        u32::try_from(kib / 1024 / each).unwrap_or(u32::MAX).max(1)
    })
}

/// A run under way.
struct Run<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    bench: &'env Bench<'env>,
    options: &'a Options<'a>,
    store: &'a mut Store,
    progress: &'a mut Progress,
    schedule: Schedule,
    jobs: Jobs,
    sender: Sender<Message>,
    workers: Vec<Sender<(Job, u32)>>,
    idle: Vec<usize>,
    under_way: u32,
    failed_in_a_row: u32,
    started: Instant,
    told: Instant,
    classes: BTreeMap<Class, u32>,
    /// Why no more boots begin.
    end: Option<End>,
}

impl Run<'_, '_, '_> {
    fn drive(&mut self, messages: &Receiver<Message>) -> End {
        loop {
            self.look_around();
            while self.end.is_none() && self.under_way < self.jobs.level() {
                match self.schedule.hand_out() {
                    Some(job) => self.start(job),
                    None => break,
                }
            }
            if self.under_way == 0 {
                return self.end.take().unwrap_or(End::Complete);
            }
            match messages.recv_timeout(TICK) {
                Ok((worker, job, guests, result)) => {
                    self.under_way -= 1;
                    self.idle.push(worker);
                    self.ended(job, guests, result);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // A sender is kept here.
                Err(RecvTimeoutError::Disconnected) => {
                    return End::Broken("all threads have ended".to_owned());
                }
            }
        }
    }

    /// Signals, and the time. A signal ends the boots that are under way by itself.
    fn look_around(&mut self) {
        if let Some(signal) = signals::asked()
            && !matches!(self.end, Some(End::Broken(_) | End::Signal(_)))
        {
            self.progress.line(&format!(
                "ending {} boots under way; once more ends at once",
                self.under_way
            ));
            self.end = Some(End::Signal(signal));
        }
        if self.end.is_none()
            && self
                .options
                .time
                .is_some_and(|time| self.started.elapsed() >= time)
        {
            self.progress.line(&format!(
                "the time is up; {} boots go on to their end",
                self.under_way
            ));
            self.end = Some(End::Time);
        }
        if self.told.elapsed() >= LINES {
            self.told = Instant::now();
            self.progress.status_line(&self.status());
        }
    }

    fn start(&mut self, job: Job) {
        self.under_way += 1;
        let guests = self.jobs.level();
        let worker = self.idle.pop().unwrap_or_else(|| self.worker());
        let sent = self
            .workers
            .get(worker)
            .is_some_and(|worker| worker.send((job, guests)).is_ok());
        if !sent {
            // Its thread catches panics, and does not end before its channel does.
            self.under_way -= 1;
            self.broken("a thread has ended".to_owned());
        }
    }

    /// A new thread.
    fn worker(&mut self) -> usize {
        let number = self.workers.len();
        let (orders, receiver) = channel::<(Job, u32)>();
        let (bench, sender) = (self.bench, self.sender.clone());
        self.workers.push(orders);
        self.scope.spawn(move || {
            for (job, guests) in receiver {
                let boot = || match bench.cells.get(job.cell) {
                    Some(ready) => bench.boot(job, ready, guests),
                    None => Err(WorkError::Interrupted),
                };
                let result = catch_unwind(AssertUnwindSafe(boot)).unwrap_or(Err(WorkError::Panicked));
                if sender.send((number, job, guests, result)).is_err() {
                    return;
                }
            }
        });
        number
    }

    fn broken(&mut self, why: String) {
        self.bench.launch.stop.store(true, Ordering::Relaxed);
        if !matches!(self.end, Some(End::Broken(_))) {
            self.end = Some(End::Broken(why));
        }
    }

    fn ended(&mut self, job: Job, guests: u32, result: Result<Boot, WorkError>) {
        let boot = match result {
            Ok(boot) => boot,
            Err(WorkError::Interrupted) => return,
            Err(error) => return self.broken(error.to_string()),
        };
        if let Err(error) = self.store.record(&boot) {
            return self.broken(error.to_string());
        }
        let counts = self.schedule.done(job, &boot);
        *self.classes.entry(boot.class).or_default() += u32::from(counts);
        self.tell(job, &boot, counts);
        if boot.class == Class::Infra {
            self.failed_in_a_row += 1;
            if self.failed_in_a_row >= FAILED_IN_A_ROW && self.end.is_none() {
                self.end = Some(End::Infra(boot.reason.unwrap_or_default()));
            }
        } else {
            self.failed_in_a_row = 0;
            if let Some(line) = self.jobs.ended(job.cell, guests, boot.total_ms) {
                self.progress.line(&line);
            }
        }
        self.progress.status(&self.status());
    }

    /// A line for a boot that is no clean one, or for each with `--verbose`.
    fn tell(&self, job: Job, boot: &Boot, counts: bool) {
        if boot.class == Class::Clean && !self.progress.is_verbose() {
            return;
        }
        let votes = self
            .schedule
            .lane(job.cell)
            .map(|lane| lane.votes.clone())
            .unwrap_or_default();
        let reason = boot
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let again = if counts { "" } else { "; it is made again" };
        self.progress.line(&format!(
            "{} boot {}: {}{reason}{again} (cell: {} of {} hits)",
            boot.cell, boot.boot, boot.class, votes.hits, votes.boots
        ));
    }

    /// Line on how far the run is.
    fn status(&self) -> String {
        let of = |class: Class| self.classes.get(&class).copied().unwrap_or(0);
        let boots: u32 = self.classes.values().sum();
        let hours = self.started.elapsed().as_secs_f64() / 3600.0;
        let rate = if hours > 0.0 {
            f64::from(boots) / hours
        } else {
            0.0
        };
        let classes = Class::ALL
            .map(|class| format!("{} {class}", of(class)))
            .join(", ");
        format!(
            "{boots} boots: {classes}; {rate:.0} boots an hour, {} guests at a time",
            self.jobs.level()
        )
    }
}
