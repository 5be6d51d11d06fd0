// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command line of `guest-images`.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use host_guard::{file, signals};

use crate::packages::archive::ArchiveError;
use crate::packages::lock::{Lock, Set};
use crate::packages::progress;
use crate::packages::renew::renew;
use crate::packages::store::Store;
use crate::packages::wanted::Wanted;

#[cfg(test)]
mod tests;

/// Largest `images.toml` that is read.
const MAX_WANTED: u64 = 1 << 20;

/// Fetches what the guest runs, and renews the list of it.
#[derive(Debug, Parser)]
#[command(name = "guest-images", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

/// Mirror and cache of packages.
#[derive(Debug, Args)]
struct Place {
    /// Directory for packages and what is unpacked from them [default: $XDG_CACHE_HOME/smmu-emu]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Debian mirror, the part of its address before /dists and /pool [default: from $SMMU_EMU_MIRROR, else the apt
    /// sources]
    #[arg(long, global = true, value_name = "URL")]
    mirror: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch packages into the cache: QEMU, busybox and the newest kernel, or what is named
    Fetch {
        /// Everything in the lock file that this host can use
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Names of sets, as `guest-images list` shows them
        names: Vec<String>,
    },
    /// Show what the lock file names, and what of it is in the cache
    List,
    /// Renew the lock file from the signed index of the archive
    Lock {
        /// List of the wanted packages
        #[arg(long, value_name = "FILE", default_value = "guest-images/images.toml")]
        wanted: PathBuf,
        /// The lock file to write
        #[arg(long, value_name = "FILE", default_value = "guest-images/images.lock")]
        output: PathBuf,
        /// Keys of the archive [default: those of the package debian-archive-keyring]
        #[arg(long, value_name = "FILE")]
        keyring: Option<PathBuf>,
    },
}

/// Runs the command line and gives the exit code: 0 done, 2 wrong usage, 3 something is missing or failed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = signals::install()
        .context("cannot catch signals")
        .and_then(|()| run(&cli));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("guest-images: {e:#}");
            let ended = signals::asked().and_then(|signal| u8::try_from(128 + signal).ok());
            ExitCode::from(ended.unwrap_or(if e.is::<Unknown>() { 2 } else { 3 }))
        }
    }
}

/// Prints a line; a reader that is gone is no error.
fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Replaces a file as a whole: a lock file cut short would be compiled in.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let store = Store::open(cli.place.cache.clone(), cli.place.mirror.clone())?;
    let store = store.with_progress(Arc::from(progress::on_stderr()));
    match &cli.command {
        Command::Fetch { all, names } => {
            let lock = Lock::shipped()?;
            for set in chosen(&lock, *all, names)? {
                let tree = store.tree(set)?;
                say(format_args!("{}  {}", set.name, tree.display()))?;
            }
            Ok(())
        }
        Command::List => {
            for set in &Lock::shipped()?.sets {
                let state = if store.has(set) { "cached" } else { "-" };
                let (packages, mebibytes) = (set.packages.len(), set.size() >> 20);
                say(format_args!(
                    "{:28} {state:8} {packages:3} packages {mebibytes:5} MiB",
                    set.name
                ))?;
            }
            Ok(())
        }
        Command::Lock {
            wanted,
            output,
            keyring,
        } => {
            let text = file::read_text(wanted, MAX_WANTED)
                .with_context(|| format!("{} (name it with --wanted)", wanted.display()))?;
            let lock = renew(
                &store,
                &Wanted::parse(&text).map_err(ArchiveError::from)?,
                keyring.as_deref(),
            )?;
            let text = lock.to_toml()?;
            // What is written is what will be read.
            Lock::parse(&text)?;
            replace(output, &text).with_context(|| output.display().to_string())?;
            for set in &lock.sets {
                say(format_args!(
                    "{}: {} packages, {} MiB",
                    set.name,
                    set.packages.len(),
                    set.size() >> 20
                ))?;
            }
            Ok(())
        }
    }
}

fn chosen<'a>(lock: &'a Lock, all: bool, names: &[String]) -> anyhow::Result<Vec<&'a Set>> {
    if all {
        let mut sets = vec![lock.qemu()?, lock.busybox()?];
        sets.extend(lock.kernels());
        sets.extend(lock.all_tools());
        return Ok(sets);
    }
    if names.is_empty() {
        return Ok(vec![lock.qemu()?, lock.busybox()?, lock.kernel(None)?]);
    }
    let find = |name: &String| {
        let found = lock.sets.iter().find(|set| set.name == *name);
        found.ok_or_else(|| {
            let known: Vec<&str> = lock.sets.iter().map(|set| set.name.as_str()).collect();
            let (name, known) = (name.clone(), known.join(", "));
            Unknown { name, known }.into()
        })
    };
    names.iter().map(find).collect()
}

/// A name on the command line that the lock file does not have.
#[derive(Debug, thiserror::Error)]
#[error("nothing named \"{name}\" is locked; there are {known}")]
struct Unknown {
    name: String,
    known: String,
}
