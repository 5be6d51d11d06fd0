// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress qemu-args`: for people who start QEMU themselves.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use host_guard::confine::Places;
use host_guard::text::is_control;

use super::{QemuArgs, code, environment_of, fail, places, print, recipe_of};
use crate::boot::run::SERVER;
use crate::boot::server;
use crate::recipe::{Recipe, Start};
use crate::setup::environment::Environment;
use crate::setup::machine::{self, Backing, Files, FilesError};

pub(super) fn main(args: QemuArgs) -> ExitCode {
    let QemuArgs {
        recipe,
        dir,
        seed,
        machine,
        allow_path,
        parts,
    } = args;
    let checked = places(allow_path)
        .and_then(|allowed| Ok((recipe_of(&recipe, machine, parts.accel, &allowed)?, allowed)));
    let (recipe, allowed) = match checked {
        Ok(checked) => checked,
        Err(code) => return code,
    };
    let environment = match environment_of(parts, &recipe) {
        Ok(environment) => environment,
        Err(code) => return code,
    };
    if dir.to_str().is_none() {
        let problem = format!(
            "--dir: {} is not UTF-8, as the server's configuration is",
            dir.display()
        );
        return fail(code::USAGE, &problem);
    }
    match commands(&recipe, &environment, &dir, seed, &allowed) {
        Ok(text) => print(&text),
        Err(error) => fail(code::ENVIRONMENT, &error.to_string()),
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
    fs::write(&config, server::server_config(recipe, &dir, seed, allowed)?)
        .map_err(|source| write(&config, source))?;
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
        quote(own.as_os_str()),
        quote(config.as_os_str())
    );
    text.push_str("# Then QEMU, in another terminal; the guest's console is its standard output.\n");
    if !qemu.env_remove.is_empty() {
        text.push_str("env");
        for key in &qemu.env_remove {
            let _ = write!(text, " -u {}", key.display());
        }
        text.push(' ');
    }
    for (key, value) in &qemu.env {
        let _ = write!(text, "{}={} ", key.display(), quote(value));
    }
    text.push_str(&quote(qemu.path.as_os_str()));
    for arg in &qemu.args {
        // One option per line, with its value.
        text.push_str(if arg.as_encoded_bytes().starts_with(b"-") {
            " \\\n  "
        } else {
            " "
        });
        text.push_str(&quote(arg));
    }
    text.push('\n');
    Ok(text)
}

/// Quotes a word for a POSIX shell, if it needs quotes.
fn quote(word: &OsStr) -> String {
    let Some(word) = word.to_str().filter(|word| !word.contains(is_control)) else {
        // Bytes that are no text, or that a terminal would obey.
        let bytes: String = word
            .as_bytes()
            .iter()
            .map(|byte| format!("\\{byte:03o}"))
            .collect();
        return format!("\"$(printf '{bytes}')\"");
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=,:+@".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
