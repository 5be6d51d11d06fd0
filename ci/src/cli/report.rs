// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress report`.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use host_guard::file;
use host_guard::text::printable;

use super::output::{Failure, code, escape_json, print};
use crate::stress::report::changes::Changes;
use crate::stress::report::evidence::Evidence;
use crate::stress::report::kcidb::{self, Names};
use crate::stress::report::previous::Previous;
use crate::stress::report::{PairsWord, Report, Word, email, html, junit, ktap};
use crate::stress::store;

/// Exit statuses of `report`, for the help text.
pub const EXIT_STATUS: &str = "\
EXIT STATUS
  0  as expected, as that of `stress`; with --previous: no alarm
  1  not as expected; with --previous: a rate changed beyond chance, a title is new, a cell has no conclusive boots \
  any more, or too many of a cell say nothing
  2  usage: a wrong option, a directory without results
  3  environment: a file cannot be read or written; without --previous, QEMU, server or host failed every boot
  4  inconclusive: too few boots of a cell say something; not with --previous";

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// Everything, `boot-stress/report/1`.
    Json,
    /// JUnit XML, a case for each cell.
    Junit,
    /// Kernel test anything protocol, a result for each cell.
    Ktap,
    /// KCIDB JSON 5.3, a test for each cell.
    Kcidb,
    /// Mail of 72 columns.
    Email,
    /// Page for a browser, in one file; keep it in the directory of the results, to which its links lead.
    Html,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Directory of results, of a run that is over or goes on.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Form of the report on standard output.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Text)]
    format: Format,
    /// Print a mail, as --format email does.
    #[arg(long, conflicts_with = "format")]
    email: bool,
    /// Write a form of the report to a file, too; may be repeated
    #[arg(long, value_name = "FORM=FILE")]
    write: Vec<OsString>,
    /// Compare with earlier results: a directory of results, or one that has such; may be repeated
    #[arg(long, value_name = "DIR")]
    previous: Vec<PathBuf>,
    /// Origin of KCIDB objects: letters, digits and underscores
    #[arg(long, value_name = "NAME", default_value = kcidb::ORIGIN)]
    kcidb_origin: String,
    /// Name of the run in ids of KCIDB [default: made of matrix, seed and time]
    #[arg(long, value_name = "NAME")]
    kcidb_run: Option<String>,
}

impl Format {
    /// The report in this form.
    ///
    /// # Errors
    /// It cannot be written in this form.
    pub(super) fn of(self, report: &Report, evidence: &[Evidence], names: &Names) -> Result<String, Failure> {
        let broken =
            |error: &dyn Display| Failure(code::ENVIRONMENT, format!("cannot write the report: {error}"));
        let json = |text: String| escape_json(&text) + "\n";
        match self {
            Self::Text => Ok(report.to_string()),
            Self::Json => serde_json::to_string_pretty(report)
                .map(json)
                .map_err(|error| broken(&error)),
            Self::Junit => junit::xml(report).map_err(|error| broken(&error)),
            Self::Ktap => Ok(ktap::text(report)),
            Self::Kcidb => serde_json::to_string_pretty(&kcidb::objects(report, names))
                .map(json)
                .map_err(|error| broken(&error)),
            Self::Email => Ok(email::text(report, evidence)),
            Self::Html => html::page(report, evidence).map_err(|error| broken(&error)),
        }
    }

    /// The form and the file of `FORM=FILE`.
    fn with_file(text: &OsStr) -> Result<(Self, &Path), Failure> {
        let bytes = text.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=');
        let parts = at.and_then(|at| Some((str::from_utf8(bytes.get(..at)?).ok()?, bytes.get(at + 1..)?)));
        let found = parts.and_then(|(form, file)| {
            let form = Self::from_str(form, false).ok()?;
            (!file.is_empty()).then(|| (form, Path::new(OsStr::from_bytes(file))))
        });
        found.ok_or_else(|| {
            let forms: Vec<_> = (Self::value_variants().iter())
                .filter_map(|form| Some(form.to_possible_value()?.get_name().to_owned()))
                .collect();
            Failure(
                code::USAGE,
                format!(
                    "--write {}: it is FORM=FILE, FORM one of {}",
                    text.display(),
                    forms.join(", ")
                ),
            )
        })
    }
}

pub(super) fn main(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let files: Vec<_> = (args.write.iter())
        .map(|text| Format::with_file(text))
        .collect::<Result<_, _>>()?;
    let names = Names::new(&args.kcidb_origin, args.kcidb_run.as_deref())
        .map_err(|problem| Failure::usage(&problem))?;
    let recorded = store::read(&args.dir)?;
    let mut report = Report::new(&recorded);
    if !args.previous.is_empty() {
        let previous = Previous::read(&args.previous, &args.dir)?;
        for error in &previous.left_out {
            let _ = writeln!(
                io::stderr(),
                "boot-stress: left out: {}",
                printable(&error.to_string())
            );
        }
        report.changes = Some(Changes::new(&report, &previous.nights));
    }
    let evidence = Evidence::of(&report, &recorded, &args.dir);
    for (form, path) in files {
        let text = form.of(&report, &evidence, &names)?;
        let written = file::create(path).and_then(|mut file| file.write_all(printable(&text).as_bytes()));
        written.map_err(|error| Failure(code::ENVIRONMENT, format!("{}: {error}", path.display())))?;
    }
    let format = if args.email { Format::Email } else { args.format };
    let printed = print(&format.of(&report, &evidence, &names)?);
    if printed != ExitCode::SUCCESS {
        return Ok(printed);
    }
    Ok(ExitCode::from(match &report.changes {
        Some(changes) if changes.is_alarm() => code::NOT_AS_EXPECTED,
        Some(_) => code::AS_EXPECTED,
        None => answer(&report),
    }))
}

/// Exit status for what a report says.
pub(super) fn answer(report: &Report) -> u8 {
    if let Some(pairs) = &report.pairs {
        return match pairs.word(report) {
            PairsWord::Differ => code::NOT_AS_EXPECTED,
            PairsWord::NoDifference => code::AS_EXPECTED,
            PairsWord::Inconclusive => code::INCONCLUSIVE,
        };
    }
    match report.word() {
        Word::AsExpected => code::AS_EXPECTED,
        Word::NotAsExpected => code::NOT_AS_EXPECTED,
        Word::Inconclusive => code::INCONCLUSIVE,
        Word::Infra => code::ENVIRONMENT,
    }
}
