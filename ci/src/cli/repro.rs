// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress repro`: a bundle about one bug, to be mailed.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use guest_images::packages::digest;
use host_guard::confine::Places;

use super::output::{Failure, code, print};
use super::reproduce::report;
use super::{Repro, check_accel, environment_of};
use crate::boot::supervise::SELF;
use crate::recipe::{Recipe, Start, TomlError, text_of};
use crate::report::bundle::Bundle;
use crate::report::progress::Progress;
use crate::report::results::Keep;
use crate::report::verdict::Word;
use crate::reproduce::{RunOptions, TraceFile, run};
use crate::setup::environment::{ARCHIVE, Environment, LOCK_FILE};
use crate::setup::machine;

/// Boots at most until one is as expected.
const BOOTS: u32 = 3;
/// Bytes of a console and of a trace that are read.
const CONSOLE_MAX: u64 = 16 << 20;
const TRACE_MAX: u64 = 256 << 20;

pub(super) fn main(args: Repro) -> Result<ExitCode, Failure> {
    let Repro {
        recipe: name,
        out,
        boots,
        seed,
        verbose,
        parts,
    } = args;
    let (mut recipe, text) = recipe_and_text(&name).map_err(|problem| Failure::usage(&problem))?;
    let accel = parts.accel.accel();
    recipe.board.gic = Some(accel.gic(&recipe.board));
    check_accel(&recipe, accel)?;
    let kernel = parts.kernel.kernel.clone();
    let environment = environment_of(parts, &recipe)?;
    if let Err(error) = make(&out) {
        return Err(Failure(code::ENVIRONMENT, unusable(&out, &error)));
    }
    let options = RunOptions {
        recipe,
        start: Start::Cold,
        boots: boots.unwrap_or(BOOTS),
        until_hit: boots.is_none(),
        seed,
        timeout: None,
        keep: Keep::All,
        // Whatever happens, the consoles are there afterwards.
        results: None,
        trace: TraceFile::InResults,
        timeline: None,
        allowed: Places::default(),
        twice: false,
    };
    let mut progress = Progress::new(verbose > 0);
    let result = run(&options, &environment, Path::new(SELF), &mut progress);
    progress.clear();
    let run = result?;
    if run.verdict.verdict != Word::AsExpected {
        // Nothing to mail: the verdict says why.
        return Ok(report(&run, false));
    }
    let console = run.verdict.files.last().map(|path| limited(path, CONSOLE_MAX));
    let console = console.transpose().map(Option::unwrap_or_default);
    let written = console.and_then(|console| {
        let trace = run
            .verdict
            .trace
            .as_ref()
            .map(|trace| limited(&trace.path, TRACE_MAX));
        let lines = trace.transpose()?.unwrap_or_default();
        // The last line of a boot that was ended may be cut.
        let lines: Vec<_> = lines
            .lines()
            .filter_map(|line| vfio_server::trace::parse(line).ok())
            .flatten()
            .collect();
        let recipe_file = format!("{}.toml", options.recipe.name);
        let mut arguments = vec![format!("--boots {}", run.verdict.boots())];
        arguments.push(format!("--seed {}", run.verdict.seed));
        if !accel.arguments().is_empty() {
            arguments.push(accel.arguments().join(" "));
        }
        // A kernel of one's own has a path that says nothing to others.
        let kernel = kernel.as_deref().and_then(OsStr::to_str);
        if kernel.is_some_and(|kernel| kernel.starts_with("debian:")) {
            // In full: what a short name means may change.
            arguments.push(format!("--kernel debian:{}", environment.guest.release));
        }
        let mut verdict = run.verdict.clone();
        if !verdict.kernel.source.starts_with("debian:") {
            verdict.kernel.source = "own build".to_owned();
        }
        if ![LOCK_FILE, ARCHIVE].contains(&verdict.qemu.source.as_str()) {
            verdict.qemu.source = "own build".to_owned();
        }
        let bundle = Bundle {
            recipe: &options.recipe,
            recipe_file: &recipe_file,
            recipe_sha256: &digest::of_bytes(text.as_bytes()),
            kernel_sha256: &digest::of_file(&environment.guest.image)?,
            qemu_sha256: &digest::of_file(&qemu_program(&environment))?,
            cmdline: &machine::cmdline(&options.recipe, &environment.guest),
            arguments: &arguments,
            verdict: &verdict,
            console: &console,
            trace: &lines,
        };
        write(&out, &recipe_file, &text, &bundle.text())
    });
    match written {
        Ok(files) => Ok(print(&files)),
        Err(error) => Err(Failure(code::ENVIRONMENT, unusable(&out, &error))),
    }
}

fn unusable(out: &Path, error: &io::Error) -> String {
    format!(
        "cannot write the bundle to {}: {error}; choose a new directory with --out DIR",
        out.display()
    )
}

/// Makes the directory of the bundle, new or empty, before any boot.
fn make(out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    match fs::read_dir(out)?.next() {
        Some(_) => Err(io::Error::other("it is not empty")),
        None => Ok(()),
    }
}

/// The recipe and its text.
fn recipe_and_text(name: &str) -> Result<(Recipe, String), TomlError> {
    let (text, file) = text_of(name, Path::new(""))?;
    Ok((Recipe::parse(&text, &file)?, text))
}

/// QEMU itself: a QEMU of the lock file is started through a loader, and is its last file.
fn qemu_program(environment: &Environment) -> PathBuf {
    let qemu = &environment.qemu;
    let own =
        qemu.program.args.iter().map(PathBuf::from).find(|path| {
            path.file_name().is_some_and(|name| name == "qemu-system-aarch64") && path.is_file()
        });
    own.unwrap_or_else(|| qemu.program.path.clone())
}

/// Writes the files; returns their paths for people.
fn write(out: &Path, recipe_file: &str, recipe: &str, report: &str) -> io::Result<String> {
    let mut told = String::new();
    for (name, text) in [("report.txt", report), (recipe_file, recipe)] {
        let path = out.join(name);
        fs::write(&path, text)?;
        let _ = writeln!(told, "{}", path.display());
    }
    Ok(told)
}

/// A text file, no more of it than `max` bytes.
fn limited(path: &Path, max: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
