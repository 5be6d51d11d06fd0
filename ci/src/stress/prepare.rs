// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Cells made ready: what they need is found or fetched before the first boot, the machine's files are made when a boot
//! needs them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use guest_images::machine::board::BoardError;
use guest_images::machine::layout::Layout;
use guest_images::packages::digest;
use guest_images::packages::progress::Progress;
use host_guard::confine::Places;
use host_guard::program::Program;
use host_guard::signals;

use super::class;
use super::matrix::{Cell, Matrix};
use super::once::Once;
use super::record::{self, CellPart, Skipped};
use crate::boot::run::BootRunner;
use crate::boot::run::snapshot::incoming;
use crate::boot::rundir::{RunDir, RunDirError};
use crate::recipe::Start;
use crate::reproduce::limits;
use crate::setup::environment::{Choice, Environment, EnvironmentError};
use crate::setup::machine::{self, Backing, Files, FilesError};
use crate::setup::snapshot::{self, Snapshot, SnapshotError};

/// A cell whose kernel, QEMU and programs are there.
#[derive(Debug)]
pub struct Ready {
    /// The cell; its recipe is on the machine that was asked for.
    pub cell: Cell,
    /// Kernel, QEMU and programs of its boots.
    pub environment: Environment,
    /// Its part of the header.
    pub part: CellPart,
}

/// Reason why a matrix cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A kernel, QEMU, or a program.
    #[error("cell {cell}: {source}")]
    Environment {
        /// The cell's key.
        cell: String,
        /// Why.
        source: Box<EnvironmentError>,
    },
    /// A board that cannot be.
    #[error("cell {cell}: {source}")]
    Board {
        /// The cell's key.
        cell: String,
        /// Why.
        source: BoardError,
    },
    /// A file outside of the run that the user has not allowed.
    #[error("cell {cell}: {problem}")]
    Foreign {
        /// The cell's key.
        cell: String,
        /// Which, and what to do.
        problem: String,
    },
    /// The kernel's Image.
    #[error("{}: {source}", .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// No cell is left.
    #[error("no cell of the matrix can be run: {0}")]
    Nothing(String),
}

impl PrepareError {
    /// Whether the command line or the matrix is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Environment { source, .. } => source.is_usage(),
            Self::Board { .. } | Self::Foreign { .. } | Self::Nothing(_) => true,
            Self::Image { .. } => false,
        }
    }
}

/// Finds or fetches what all cells of a matrix need. Cells whose kernel cannot run their recipe are left out, and
/// named.
///
/// # Errors
/// [`PrepareError`]
pub fn all(
    matrix: &Matrix,
    base: &Choice,
    allowed: &Places,
    progress: Arc<dyn Progress>,
) -> Result<(Vec<Ready>, Vec<Skipped>), PrepareError> {
    let progress: Arc<dyn Progress> = Arc::new(Once::new(progress));
    let mut known: HashMap<(std::ffi::OsString, String, u8), Result<Environment, String>> = HashMap::new();
    let mut images: HashMap<PathBuf, String> = HashMap::new();
    let (mut ready, mut skipped) = (Vec::new(), Vec::new());
    for cell in &matrix.cells {
        let mut cell = cell.clone();
        let mut key = cell.key.clone();
        if base.accel.is_deterministic() {
            // Its rate is a share of seeds, and not to be pooled with others.
            key.push_str(",deterministic");
        }
        if cell.start == Start::Warm
            && let Some(reason) = cell.recipe.needs_cold_start()
        {
            let reason = format!("it cannot start warm: {reason}");
            skipped.push(Skipped { key, reason });
            continue;
        }
        if base.accel.is_deterministic()
            && let Some(reason) = cell.recipe.needs_host_time()
        {
            let reason = format!("its boots cannot be deterministic: {reason}");
            skipped.push(Skipped { key, reason });
            continue;
        }
        if let Some(file) = cell.recipe.foreign_files().find(|file| !allowed.has(file.path)) {
            let problem = file.to_string();
            return Err(PrepareError::Foreign { cell: key, problem });
        }
        if let Err(source) = machine::fit(&mut cell.recipe, cell.cpus, None, base.accel) {
            return Err(PrepareError::Board { cell: key, source });
        }
        let recipe_sha256 = digest::of_bytes(cell.text.as_bytes());
        let gic = cell.recipe.board.gic();
        let same = (cell.kernel_argument.clone(), recipe_sha256.clone(), u8::from(gic));
        if !known.contains_key(&same) {
            let choice = Choice {
                kernel: Some(cell.kernel_argument.clone()),
                modules: None,
                ..base.clone()
            };
            let found = match choice.environment(&cell.recipe, Arc::clone(&progress)) {
                Ok(environment) => Ok(environment),
                Err(error) if error.is_of_kernel() => Err(error.to_string()),
                Err(error) => {
                    let source = Box::new(error);
                    return Err(PrepareError::Environment { cell: key, source });
                }
            };
            known.insert(same.clone(), found);
        }
        let environment = match known.get(&same) {
            Some(Ok(environment)) => environment.clone(),
            Some(Err(reason)) => {
                let reason = reason.clone();
                skipped.push(Skipped { key, reason });
                continue;
            }
            None => continue,
        };
        let image = &environment.guest.image;
        let image_sha256 = match images.get(image) {
            Some(known) => known.clone(),
            None => {
                let hash = digest::of_file(image).map_err(|source| PrepareError::Image {
                    path: image.clone(),
                    source,
                })?;
                images.insert(image.clone(), hash.clone());
                hash
            }
        };
        let part = CellPart {
            key,
            recipe: cell.recipe_name.clone(),
            change: cell.change.clone(),
            recipe_sha256,
            kernel: cell.kernel.clone(),
            release: environment.guest.release.clone(),
            image_sha256,
            qemu: environment.qemu.version.clone(),
            accelerator: environment.guest.accel,
            cpus: cell.recipe.board.cpus,
            gic,
            start: cell.start,
            expect_boots: cell.recipe.expect.boots,
            counted: class::counted(&cell.recipe.expect),
            delays: record::delays(&cell.recipe),
        };
        ready.push(Ready {
            cell,
            environment,
            part,
        });
    }
    match skipped.first() {
        Some(first) if ready.is_empty() => {
            Err(PrepareError::Nothing(format!("{}: {}", first.key, first.reason)))
        }
        _ => Ok((ready, skipped)),
    }
}

/// Settings of every boot, that of a snapshot too.
#[derive(Debug)]
pub struct Launch<'a> {
    /// This program, with its hidden subcommands.
    pub helper: &'a Path,
    /// Limit of one boot.
    pub timeout: Option<Duration>,
    /// Files and directories outside of the run that recipes may use.
    pub allowed: Places,
    /// Ends the boots that are under way once it is set.
    pub stop: Arc<AtomicBool>,
}

impl Launch<'_> {
    /// The runner of a boot of a cell with its sockets in `dir`.
    pub fn runner<'b>(&'b self, ready: &'b Ready, dir: &'b RunDir, qemu: Program) -> BootRunner<'b> {
        let recipe = &ready.cell.recipe;
        BootRunner {
            helper: self.helper,
            dir,
            recipe,
            qemu,
            server: true,
            trace: None,
            allowed: self.allowed.clone(),
            server_args: Vec::new(),
            limits: limits(recipe, self.timeout),
            deterministic: ready.environment.guest.accel.is_deterministic(),
            stop: Arc::clone(&self.stop),
        }
    }

    /// Whether the boots that are under way are to end.
    pub fn has_to_end(&self) -> bool {
        signals::asked().is_some() || self.stop.load(Ordering::Relaxed)
    }
}

/// Files of a cell's machine, which its boots share.
#[derive(Debug)]
pub struct Prepared {
    layout: Layout,
    files: Files,
    /// Snapshot that its boots start from.
    snapshot: Option<Snapshot>,
    /// Its drop removes the files.
    _dir: RunDir,
}

/// Reason why the files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A file.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl Prepared {
    fn new(ready: &Ready, launch: &Launch<'_>) -> Result<Self, MachineError> {
        let Ready {
            cell, environment, ..
        } = ready;
        let recipe = &cell.recipe;
        let dir = RunDir::create()?;
        let layout = recipe.layout().map_err(FilesError::from)?;
        let files = Files::generate(dir.path(), recipe, &layout, &environment.guest, cell.start)?;
        let mut prepared = Self {
            layout,
            files,
            snapshot: None,
            _dir: dir,
        };
        if cell.start == Start::Warm {
            let dir = RunDir::create()?;
            let runner = launch.runner(ready, &dir, prepared.program(ready, dir.path()));
            prepared.snapshot = Some(snapshot::of(
                runner,
                &prepared.files,
                &environment.guest.image,
                &environment.snapshots,
                &mut |_| {},
            )?);
        }
        Ok(prepared)
    }

    /// QEMU for a boot of the cell with its sockets in a directory.
    pub fn program(&self, ready: &Ready, sockets: &Path) -> Program {
        let Environment { qemu, guest, .. } = &ready.environment;
        let backing = Backing::Server { sockets };
        let recipe = &ready.cell.recipe;
        let mut program = machine::program(qemu, recipe, &self.layout, guest, &self.files, backing);
        if let Some(snapshot) = &self.snapshot {
            program.args.extend(incoming(snapshot.path()));
        }
        program
    }
}

/// The files of a cell, made by the first boot that asks.
type Slot = Arc<OnceLock<Result<Arc<Prepared>, String>>>;

/// Files of the cells that were asked for last; those of others are removed.
#[derive(Debug)]
pub struct Cache {
    slots: Mutex<Vec<(usize, Slot)>>,
    most: usize,
}

impl Cache {
    /// An empty one that keeps the files of as many cells.
    pub fn new(most: usize) -> Self {
        Self {
            slots: Mutex::default(),
            most,
        }
    }

    /// The files of cell number `cell`. Boots of one cell wait for the one that makes them; those of others do not.
    ///
    /// # Errors
    /// They cannot be made; the next call tries again.
    pub fn get(&self, cell: usize, ready: &Ready, launch: &Launch<'_>) -> Result<Arc<Prepared>, String> {
        let slot = {
            let mut slots = self.lock();
            let at = slots.iter().position(|(known, _)| *known == cell);
            let slot = at.map_or_else(Slot::default, |at| slots.remove(at).1);
            slots.push((cell, Arc::clone(&slot)));
            let excess = slots.len().saturating_sub(self.most);
            slots.drain(..excess);
            slot
        };
        let made = slot.get_or_init(|| {
            Prepared::new(ready, launch)
                .map(Arc::new)
                .map_err(|e| e.to_string())
        });
        if made.is_err() {
            self.lock().retain(|(_, known)| !Arc::ptr_eq(known, &slot));
        }
        made.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Slot)>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
