// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From the command line to the command.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

use clap::Parser;
use host_guard::signals;

use super::output::{Failure, code, fail, print};
use super::{
    Cli, Command, bisect, compare, kernel_config, kernels, qemu_args, replay, report, repro, reproduce,
    shrink, stress, window,
};
use crate::boot::{run, supervise};
use crate::recipe::{ExpectBoots, SHIPPED, shipped};
use crate::setup::doctor::Check;
use crate::setup::environment::Choice;

/// Runs the command line `args`, program name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let is_bisect = args.get(1).is_some_and(|command| command == "bisect");
    // `git bisect run` takes the status of a panic, 101, for a verdict; the message has been printed.
    let run = || run(args, if is_bisect { bisect::FAILED } else { code::USAGE });
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(status) => status,
        Err(_) if is_bisect => ExitCode::from(bisect::FAILED),
        Err(panic) => resume_unwind(panic),
    }
}

fn run(args: Vec<OsString>, usage: u8) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // To a closed pipe there is nothing to say.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { usage } else { 0 });
        }
    };
    // The server and `exec` do it themselves, or pass it on.
    if !matches!(cli.command, Command::VfioServer { .. } | Command::Exec { .. })
        && let Err(error) = signals::install()
    {
        let status = usage.max(code::ENVIRONMENT);
        return fail(status, &format!("cannot catch signals: {error}"));
    }
    match cli.command {
        Command::Reproduce(args) => reproduce::main(args).unwrap_or_else(Failure::tell),
        Command::Repro(args) => repro::main(args).unwrap_or_else(Failure::tell),
        Command::Stress(args) => stress::main(args).unwrap_or_else(Failure::tell),
        Command::Compare(args) => compare::main(args).unwrap_or_else(Failure::tell),
        Command::Bisect(args) => bisect::main(args),
        Command::Replay(args) => replay::main(args).unwrap_or_else(Failure::tell),
        Command::Shrink(args) => shrink::main(args).unwrap_or_else(Failure::tell),
        Command::Merge(args) => stress::merge_main(&args).unwrap_or_else(Failure::tell),
        Command::Report(args) => report::main(&args).unwrap_or_else(Failure::tell),
        Command::Window(args) => window::main(args).unwrap_or_else(Failure::tell),
        Command::Doctor(parts) => doctor(&parts.into()),
        Command::Kernels(args) => kernels::main(args),
        Command::QemuArgs(args) => qemu_args::main(args).unwrap_or_else(Failure::tell),
        Command::KernelConfig(args) => kernel_config::main(args),
        Command::Recipes { show: None } => print(&list()),
        Command::Recipes { show: Some(name) } => match shipped(&name) {
            Some(shipped) => print(shipped.text),
            None => fail(
                code::USAGE,
                &format!("no shipped recipe is called {name:?}; `boot-stress recipes` lists them"),
            ),
        },
        Command::VfioServer { args } => {
            vfio_server::cli::main(std::iter::once(OsString::from(run::SERVER)).chain(args))
        }
        Command::Exec {
            parent,
            program,
            args,
        } => {
            let error = supervise::exec(parent, &program, &args);
            fail(code::ENVIRONMENT, &format!("{}: {error}", program.display()))
        }
    }
}

fn doctor(choice: &Choice) -> ExitCode {
    let checks = crate::setup::doctor::checks(choice);
    let text: String = checks.iter().map(|check| format!("{check}\n")).collect();
    let printed = print(&text);
    if let Some(signal) = signals::asked() {
        return ExitCode::from(code::of_signal(signal));
    }
    if checks.iter().any(Check::is_bad) {
        ExitCode::from(code::ENVIRONMENT)
    } else {
        printed
    }
}

fn list() -> String {
    let mut text = String::new();
    for shipped in SHIPPED {
        // A test reads them all.
        let Ok(recipe) = shipped.recipe() else { continue };
        text.push_str(&format!(
            "{:<22} {}\n{:<22} expects {}{}\n",
            recipe.name,
            recipe.summary,
            "",
            match recipe.expect.boots {
                ExpectBoots::Some => "",
                ExpectBoots::Every => "in every boot: ",
            },
            recipe.expect
        ));
    }
    text
}
