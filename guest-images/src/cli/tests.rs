// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use clap::CommandFactory;

use super::*;

#[test]
fn the_help_is_readable() {
    Cli::command().debug_assert();
    let mut text = String::new();
    for name in ["fetch", "list", "lock"] {
        let mut command = Cli::command();
        command.build();
        let help = command
            .find_subcommand_mut(name)
            .unwrap()
            .clone()
            .term_width(100)
            .render_long_help();
        text.push_str(&format!("{help}\n"));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn sets_are_chosen_by_name() {
    let lock = Lock::shipped().unwrap();
    let names = |all, names: &[&str]| -> anyhow::Result<Vec<String>> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        Ok(chosen(&lock, all, &names)?
            .into_iter()
            .map(|set| set.name.clone())
            .collect())
    };
    let newest = lock.kernel(None).unwrap().name.clone();
    let qemu = lock.qemu().unwrap().name.clone();
    assert_eq!(names(false, &[]).unwrap(), [qemu, "busybox".to_owned(), newest]);
    assert_eq!(names(false, &["busybox"]).unwrap(), ["busybox"]);
    assert_eq!(
        names(true, &[]).unwrap().len(),
        2 + lock.kernels().count() + lock.all_tools().count()
    );
    let error = names(false, &["bosybux"]).unwrap_err().to_string();
    assert!(
        error.starts_with("nothing named \"bosybux\" is locked; there are qemu-amd64, "),
        "{error}"
    );
}
