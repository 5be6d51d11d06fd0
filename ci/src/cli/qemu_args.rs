// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress qemu-args`: for people who start QEMU themselves.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use host_guard::confine::Places;

use super::output::{Failure, code, print};
use super::{QemuArgs, environment_of, recipe_of};
use crate::boot::run::SERVER;
use crate::boot::server;
use crate::recipe::{Recipe, Start};
use crate::report::shell;
use crate::setup::environment::Environment;
use crate::setup::machine::{self, Backing, Files, FilesError};

pub(super) fn main(args: QemuArgs) -> Result<ExitCode, Failure> {
    let QemuArgs {
        recipe,
        dir,
        seed,
        machine,
        allowed,
        parts,
    } = args;
    let allowed = allowed.places()?;
    let recipe = recipe_of(&recipe, machine, parts.accel.accel(), &allowed)?;
    let environment = environment_of(parts, &recipe)?;
    if dir.to_str().is_none() {
        let problem = format!(
            "--dir: {} is not UTF-8, as the server's configuration is",
            dir.display()
        );
        return Err(Failure::usage(&problem));
    }
    match commands(&recipe, &environment, &dir, seed, &allowed) {
        Ok(text) => Ok(print(&text)),
        Err(error) => Err(Failure(code::ENVIRONMENT, error.to_string())),
    }
}

fn commands(
    recipe: &Recipe,
    environment: &Environment,
    dir: &Path,
    seed: u64,
    allowed: &Places,
) -> Result<String, FilesError> {
    let write = |path: &Path, source| FilesError::Write {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(|source| write(dir, source))?;
    let dir = std::path::absolute(dir).map_err(|source| write(dir, source))?;
    let layout = recipe.layout()?;
    let files = Files::generate(&dir, recipe, &layout, &environment.guest, Start::Cold)?;
    server::make_images(recipe, &dir)?;
    let config = dir.join("server.toml");
    let guest_time = environment.guest.accel.is_deterministic();
    let config_text = server::server_config(recipe, &dir, seed, allowed, guest_time)?;
    fs::write(&config, config_text).map_err(|source| write(&config, source))?;
    let backing = Backing::Server { sockets: &dir };
    let qemu = machine::program(
        &environment.qemu,
        recipe,
        &layout,
        &environment.guest,
        &files,
        backing,
    );
    let own = std::env::current_exe().unwrap_or_else(|_| "boot-stress".into());
    let mut text = format!(
        "# First the server; it says \"ready\" and runs until it gets a signal.\n{} {SERVER} --config {}\n",
        shell::quote(own.as_os_str()),
        shell::quote(config.as_os_str())
    );
    text.push_str("# Then QEMU, in another terminal; the guest's console is its standard output.\n");
    text.push_str(&shell::command(&qemu));
    text.push('\n');
    Ok(text)
}
