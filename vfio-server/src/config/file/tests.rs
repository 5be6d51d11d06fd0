// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::client::server::Server;

/// Reads `text` as the file `smmu.toml`; the error without the directory.
fn read(text: &str) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("smmu.toml");
    std::fs::write(&path, text).unwrap();
    Config::read(&path).map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", directory.path().display()), "")
    })
}

/// The error of a file that can be read and not used.
fn refused(text: &str) -> String {
    Server::check(&read(text).unwrap()).unwrap_err().to_string()
}

#[test]
fn everything_can_be_given() {
    let text = r#"
        seed = 7
        [[smmu]]
        name = "a"
        socket = "a.sock"
        trace = "a.trace"
        [smmu.model]
        preset = "mmu-500-ats"
        context_banks = 4
        [[smmu.delay]]
        site = "ats"
        polls = 8
        [[smmu]]
        name = "b"
        socket = "b.sock"
        [[mark]]
        name = "b-registering"
        smmu = "b"
        register = "SMRn"
        access = "write"
        nth = 34
    "#;
    let config = read(text).unwrap();
    Server::check(&config).unwrap();
    assert_eq!(config.seed, 7);
    assert_eq!(config.smmu[0].trace.as_deref(), Some(Path::new("a.trace")));
    assert_eq!(config.smmu[0].model.context_banks, Some(4));
    assert_eq!(config.smmu[0].plan(0).delays[0].polls, Some(8));
    assert_eq!(config.smmu[1].model, smmu_emu::Config::default());
    assert_eq!(config.mark[0].nth, 34);
    let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config, "programs write what people can read");
}

#[test]
fn unknown_keys_are_shown_with_their_line() {
    insta::assert_snapshot!(read("[[smmu]]\nname = \"a\"\nsocket = \"s\"\nsockett = 1\n").unwrap_err(), @"
    smmu.toml: TOML parse error at line 4, column 1
      |
    4 | sockett = 1
      | ^^^^^^^
    unknown field `sockett`, expected one of `name`, `socket`, `trace`, `model`, `delay`, `fault`, `injection`, \
    `master`, `clock`, `interrupts`
    ");
    insta::assert_snapshot!(read("seeed = 1\n").unwrap_err(), @r"
    smmu.toml: TOML parse error at line 1, column 1
      |
    1 | seeed = 1
      | ^^^^^
    unknown field `seeed`, expected one of `seed`, `trace_ring`, `message_timeout_ms`, `files`, `smmu`, `mark`
    ");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::read(Path::new("/no/such/file.toml")).unwrap_err();
    insta::assert_snapshot!(error, @"cannot read the configuration /no/such/file.toml: No such file or \
                                     directory (os error 2)");
}

#[test]
fn names_and_sockets_are_unique_words() {
    let smmu = |name: &str, socket: &str| format!("[[smmu]]\nname = {name:?}\nsocket = {socket:?}\n");
    assert_eq!(refused("smmu = []"), "0 SMMUs: give 1 to 32 `[[smmu]]`");
    let many: String = (0..33).map(|i| smmu(&format!("s{i}"), &format!("{i}"))).collect();
    assert_eq!(refused(&many), "33 SMMUs: give 1 to 32 `[[smmu]]`");
    assert!(refused(&smmu("", "s")).contains("`name` has to be"));
    assert!(refused(&smmu("a b", "s")).contains("`name` has to be"));
    assert_eq!(
        refused(&(smmu("a", "s") + &smmu("a", "t"))),
        "smmu \"a\": `name` is used twice"
    );
    assert_eq!(
        refused(&(smmu("a", "s") + &smmu("b", "s"))),
        "smmu \"b\": `socket` is used twice"
    );
}

#[test]
fn what_the_model_refuses_names_the_smmu() {
    let error = refused("[[smmu]]\nname = \"a\"\nsocket = \"s\"\n[smmu.model]\ncontext_banks = 0\n");
    assert!(
        error.starts_with("smmu \"a\": ") && error.contains("context_banks"),
        "{error}"
    );
    let error =
        refused("[[smmu]]\nname = \"a\"\nsocket = \"s\"\n[[mark]]\nname = \"m\"\nregister = \"nope\"\n");
    assert!(
        error.contains("mark `m`") && error.contains("`register`"),
        "{error}"
    );
}

#[test]
fn a_delay_waits_only_for_marks_that_exist() {
    let delay = |key: &str| {
        format!(
            "[[smmu]]\nname = \"a\"\nsocket = \"s\"\nmodel.preset = \"mmu-500-ats\"\n\
             [[smmu.delay]]\nsite = \"ats\"\n{key} = \"typo\"\n{}",
            if key == "until" {
                "at_most_us = 10\n"
            } else {
                "polls = 1\n"
            }
        )
    };
    for key in ["until", "after", "before"] {
        let error = refused(&(delay(key) + "[[mark]]\nname = \"m\"\n"));
        assert!(
            error.starts_with("smmu \"a\": delay rule 1: ") && error.contains("`typo`"),
            "{error}"
        );
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
}
