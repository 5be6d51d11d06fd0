// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A recipe is something that people mail: it reaches the files of its own run, and others only if the command line
//! allows them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Bench, run};

/// A console whose files are the given ones.
fn console(output: &Path, input: Option<&Path>) -> String {
    let input = input
        .map(|input| format!("input = {:?}\n", input.display().to_string()))
        .unwrap_or_default();
    format!(
        "[[smmu]]\nname = \"a\"\n[[smmu.master]]\nname = \"c\"\nkind = \"virtio-console\"\nstream_id = 1\n\
         output = {:?}\n{input}",
        output.display().to_string()
    )
}

fn disk(image: &Path, read_only: bool) -> String {
    format!(
        "[[smmu]]\nname = \"a\"\n[[smmu.master]]\nname = \"d\"\nkind = \"virtio-blk\"\nstream_id = 1\n\
         image = {:?}\nread_only = {read_only}\n",
        image.display().to_string()
    )
}

/// A file of the user's, of a size that a disk may have.
fn victim(bench: &Bench) -> std::path::PathBuf {
    let path = bench.path("victim");
    fs::write(&path, vec![b'v'; 4096]).unwrap();
    path
}

#[test]
fn files_of_the_user_are_out_of_reach() {
    let bench = Bench::new("");
    let victim = victim(&bench);
    let new = bench.path("new");
    for text in [
        console(&victim, None),
        console(&new, None),
        console("out".as_ref(), Some(&victim)),
        disk(&victim, false),
        disk(&victim, true),
    ] {
        let ended = run(bench.reproduce(&bench.recipe(&text)));
        ended.says(2, &["recipe.toml", "--allow-path"]);
    }
    assert_eq!(fs::read(&victim).unwrap(), vec![b'v'; 4096]);
    assert!(!new.exists() && !bench.path("results").exists());
}

#[test]
fn the_command_line_allows_a_file_or_a_directory() {
    let bench = Bench::new("");
    let victim = victim(&bench);
    let log = bench.path("sub/log");
    fs::create_dir(bench.path("sub")).unwrap();
    for (text, allowed) in [
        (disk(&victim, false), &victim),
        (console(&log, Some(&victim)), &bench.path("")),
    ] {
        let mut command = bench.reproduce(&bench.recipe(&text));
        command.arg("--allow-path").arg(allowed);
        run(command).says(0, &[]);
        fs::remove_dir_all(bench.path("results")).unwrap();
    }
    assert!(log.exists());
}

/// A directory is allowed, and not what links in it lead to.
#[test]
fn an_allowed_directory_is_not_left() {
    let bench = Bench::new("");
    let victim = victim(&bench);
    let allowed = bench.path("allowed");
    fs::create_dir(&allowed).unwrap();
    symlink(&victim, allowed.join("file")).unwrap();
    symlink("..", allowed.join("up")).unwrap();
    symlink("../new", allowed.join("dangling")).unwrap();
    for name in ["file", "up/victim", "dangling", "../victim", "up/../victim"] {
        let path = allowed.join(name);
        for text in [
            console(&path, None),
            console("out".as_ref(), Some(&path)),
            disk(&path, false),
        ] {
            let mut command = bench.reproduce(&bench.recipe(&text));
            command.arg("--allow-path").arg(&allowed);
            let ended = run(command);
            assert!(
                matches!(ended.status.code(), Some(2 | 3)),
                "{name}: {}",
                ended.stderr
            );
            assert!(ended.stderr.contains("allow"), "{name}: {}", ended.stderr);
        }
    }
    assert_eq!(fs::read(&victim).unwrap(), vec![b'v'; 4096]);
    assert!(!bench.path("new").exists());
}

/// A recipe's files have a directory of their own, so that none of its names means a file of the run.
#[test]
fn files_of_the_run_cannot_be_named() {
    let bench = Bench::new("");
    for name in ["initramfs", "server.toml", "a.sock", "device-tree"] {
        let recipe = bench.recipe(&console(name.as_ref(), None));
        run(bench.reproduce(&recipe)).says(0, &[]);
        fs::remove_dir_all(bench.path("results")).unwrap();
        let mut command = bench.command("qemu-args");
        command
            .arg("--recipe")
            .arg(&recipe)
            .arg("--dir")
            .arg(bench.path("machine"));
        run(command).says(0, &[]);
        let config = fs::read_to_string(bench.path("machine/server.toml")).unwrap();
        let own = bench.path("machine").join(name);
        assert!(
            !config.contains(&format!("output = {:?}", own.display().to_string())),
            "{config}"
        );
    }
    for name in ["../x", "a/b", ".", "..", ""] {
        run(bench.reproduce(&bench.recipe(&console(name.as_ref(), None)))).says(2, &["recipe.toml"]);
    }
}

#[test]
fn the_command_line_of_the_kernel_has_no_control_characters() {
    let bench = Bench::new("");
    let path = bench.path("recipe.toml");
    let recipe = |text: &str| {
        fs::write(
            &path,
            text.replace("[board]", "cmdline = [\"quiet\", \"a\\u0000b\"]\n[board]"),
        )
        .unwrap();
    };
    recipe(crate::support::RECIPE);
    run(bench.reproduce(&path)).says(2, &["recipe.toml:4:21: ", "control character"]);
}
