// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use clap::{CommandFactory, Parser};

use super::{Cli, Command};

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_of_reproduce() {
    let mut cli = Cli::command();
    let reproduce = cli.find_subcommand_mut("reproduce").unwrap();
    insta::assert_snapshot!(reproduce.render_long_help());
}

#[test]
fn numbers_have_bounds() {
    for wrong in [
        ["--boots", "0"],
        ["--smp", "124"],
        ["--timeout", "0"],
        ["--seed", "9223372036854775808"],
    ] {
        let args = ["boot-stress", "reproduce", wrong[0], wrong[1]];
        assert!(Cli::try_parse_from(args).is_err(), "{wrong:?}");
    }
}

/// QEMU's options begin with dashes, and none of them may be taken for one of this program.
#[test]
fn exec_passes_every_argument_on() {
    let cli =
        Cli::try_parse_from(["boot-stress", "exec", "7", "/qemu", "-h", "--version", "--", "-x"]).unwrap();
    let Command::Exec {
        parent,
        program,
        args,
    } = cli.command
    else {
        panic!("{cli:?}")
    };
    assert_eq!((parent, program.to_str()), (7, Some("/qemu")));
    assert_eq!(args, ["-h", "--version", "--", "-x"]);
}
