// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::client::server::Server;
use crate::config::Config;

/// A file with an SMMU `a` and these masters behind it.
fn config(masters: &str) -> String {
    format!("[[smmu]]\nname = \"a\"\nsocket = \"s\"\n{masters}")
}

fn master(name: &str, more: &str) -> String {
    format!("[[smmu.master]]\nname = {name:?}\nstream_id = 1\n{more}\n")
}

/// Message about a file.
fn refused(text: &str) -> String {
    match toml::from_str::<Config>(text) {
        Err(error) => error.to_string(),
        Ok(config) => Server::check(&config).unwrap_err().to_string(),
    }
}

#[test]
fn every_kind_can_be_given() {
    let text = config(
        r#"
        [[smmu.master]]
        name = "disk"
        kind = "virtio-blk"
        stream_id = 5
        image = "root.img"
        read_only = true
        queues = 8
        [[smmu.master]]
        name = "disk2"
        kind = "virtio-blk"
        stream_id = 5
        image = "root.img"
        read_only = true
        [[smmu.master]]
        name = "log"
        kind = "virtio-console"
        stream_id = 6
        output = "guest.log"
        input = "keys"
        [[smmu.master]]
        name = "random"
        kind = "virtio-rng"
        stream_id = 7
        [[smmu.master]]
        name = "dma"
        kind = "pl330"
        stream_id = 8
        [[smmu.master]]
        name = "test"
        kind = "test-master"
        stream_id = 0x7fff
        "#,
    );
    let config: Config = toml::from_str(&text).unwrap();
    Server::check(&config).unwrap();
    let masters = &config.smmu[0].master;
    let kinds: Vec<_> = masters.iter().map(|master| master.kind.name()).collect();
    assert_eq!(
        kinds,
        [
            "virtio-blk",
            "virtio-blk",
            "virtio-console",
            "virtio-rng",
            "pl330",
            "test-master"
        ]
    );
    let Kind::VirtioBlk(disk) = &masters[1].kind else {
        panic!("{masters:?}");
    };
    assert_eq!((disk.queues, disk.read_only), (1, true), "what is left out");
    let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config, "programs write what people can read");
}

#[test]
fn what_cannot_be_is_named() {
    let cases = [
        ("an unknown kind", master("m", "kind = \"dma\"")),
        ("no kind", master("m", "")),
        ("an unknown key", master("m", "kind = \"pl330\"\nqueues = 1")),
        (
            "a key of another kind",
            master("m", "kind = \"virtio-blk\"\nimage = \"i\"\noutput = \"o\""),
        ),
        ("no image", master("m", "kind = \"virtio-blk\"")),
        (
            "an empty image",
            master("m", "kind = \"virtio-blk\"\nimage = \"\""),
        ),
        (
            "no queue",
            master("m", "kind = \"virtio-blk\"\nimage = \"i\"\nqueues = 0"),
        ),
        (
            "many queues",
            master("m", "kind = \"virtio-blk\"\nimage = \"i\"\nqueues = 9"),
        ),
        ("no word", master("m m", "kind = \"pl330\"")),
        (
            "a name twice",
            master("m", "kind = \"pl330\"") + &master("m", "kind = \"virtio-rng\""),
        ),
        (
            "one writes what the other reads",
            master("m", "kind = \"virtio-blk\"\nimage = \"i\"\nread_only = true")
                + &master("n", "kind = \"virtio-blk\"\nimage = \"i\""),
        ),
        (
            "a log into a disk",
            master("m", "kind = \"virtio-blk\"\nimage = \"i\"\nread_only = true")
                + &master("n", "kind = \"virtio-console\"\noutput = \"i\""),
        ),
        (
            "a wide stream ID",
            master("m", "kind = \"pl330\"").replace("= 1", "= 0x8000"),
        ),
        (
            "a stream ID that is none",
            master("m", "kind = \"pl330\"").replace("= 1", "= 0x10000"),
        ),
    ];
    let text: Vec<_> = cases
        .iter()
        .map(|(what, masters)| format!("{what}: {}", refused(&config(masters))))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn names_are_unique_over_all_smmus() {
    let one = config(&master("m", "kind = \"pl330\""));
    let two = one.replace("\"a\"", "\"b\"").replace("\"s\"", "\"t\"");
    insta::assert_snapshot!(refused(&(one + &two)), @r#"smmu "b": master "m": `name` is used twice"#);
}

#[test]
fn their_number_is_bounded() {
    let many = |count| {
        (0..count)
            .map(|i| master(&format!("m{i}"), "kind = \"pl330\""))
            .collect::<String>()
    };
    Server::check(&toml::from_str(&config(&many(MAX_MASTERS))).unwrap()).unwrap();
    assert_eq!(
        refused(&config(&many(MAX_MASTERS + 1))),
        "smmu \"a\": master \"m32\": is one too many: at most 32 masters behind an SMMU"
    );
}
