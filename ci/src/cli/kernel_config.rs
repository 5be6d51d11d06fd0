// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress kernel-config`: the fragment of a kernel configuration that recipes need.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use guest_images::system::fragment::{compare, fragment};
use guest_images::system::kconfig::{Kconfig, MAX_CONFIG};
use host_guard::file;

use super::output::{code, fail, print};

#[derive(Debug, Args)]
pub(super) struct KernelConfig {
    /// Compare this .config with the fragment: exits 0 if nothing is missing, and 1 otherwise.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

pub(super) fn main(args: KernelConfig) -> ExitCode {
    match args.check {
        None => print(&fragment()),
        Some(path) => check(&path),
    }
}

fn check(path: &Path) -> ExitCode {
    let usage = |problem: &str| fail(code::USAGE, &format!("{}: {problem}", path.display()));
    let text = match file::read(path, MAX_CONFIG) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return usage(&error.to_string()),
    };
    let Some(config) = Kconfig::parse(&text) else {
        return usage("no line of it is one of a kernel's configuration; name a .config");
    };
    if let Some((arch, _)) = config.head.as_ref().filter(|(arch, _)| arch != "arm64") {
        return usage(&format!("a configuration for {arch}, and the guest is arm64"));
    }
    let difference = compare(&config);
    let end = if difference.is_enough() {
        "all shipped recipes run with it\n"
    } else {
        "`boot-stress kernel-config` prints a fragment for scripts/kconfig/merge_config.sh\n"
    };
    let printed = print(&format!("{difference}{end}"));
    if difference.is_enough() {
        printed
    } else {
        ExitCode::from(code::NOT_AS_EXPECTED)
    }
}
