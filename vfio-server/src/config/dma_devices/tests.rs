// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::client::server::Server;
use crate::config::Config;

/// A file with an SMMU `a` and these DMA devices behind it.
fn config(dma_devices: &str) -> String {
    format!("[[smmu]]\nname = \"a\"\nsocket = \"s\"\n{dma_devices}")
}

fn dma_device(name: &str, more: &str) -> String {
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
    let dma_devices = &config.smmu[0].dma_devices;
    let kinds: Vec<_> = dma_devices
        .iter()
        .map(|dma_device| dma_device.kind.name())
        .collect();
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
    let Kind::VirtioBlk(disk) = &dma_devices[1].kind else {
        panic!("{dma_devices:?}");
    };
    assert_eq!((disk.queues, disk.read_only), (1, true), "what is left out");
    let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config, "programs write what people can read");
}

#[test]
fn what_cannot_be_is_named() {
    let cases = [
        ("an unknown kind", dma_device("m", "kind = \"dma\"")),
        ("no kind", dma_device("m", "")),
        ("an unknown key", dma_device("m", "kind = \"pl330\"\nqueues = 1")),
        (
            "a key of another kind",
            dma_device("m", "kind = \"virtio-blk\"\nimage = \"i\"\noutput = \"o\""),
        ),
        ("no image", dma_device("m", "kind = \"virtio-blk\"")),
        (
            "an empty image",
            dma_device("m", "kind = \"virtio-blk\"\nimage = \"\""),
        ),
        (
            "no queue",
            dma_device("m", "kind = \"virtio-blk\"\nimage = \"i\"\nqueues = 0"),
        ),
        (
            "many queues",
            dma_device("m", "kind = \"virtio-blk\"\nimage = \"i\"\nqueues = 9"),
        ),
        ("no word", dma_device("m m", "kind = \"pl330\"")),
        (
            "a name twice",
            dma_device("m", "kind = \"pl330\"") + &dma_device("m", "kind = \"virtio-rng\""),
        ),
        (
            "one writes what the other reads",
            dma_device("m", "kind = \"virtio-blk\"\nimage = \"i\"\nread_only = true")
                + &dma_device("n", "kind = \"virtio-blk\"\nimage = \"i\""),
        ),
        (
            "a log into a disk",
            dma_device("m", "kind = \"virtio-blk\"\nimage = \"i\"\nread_only = true")
                + &dma_device("n", "kind = \"virtio-console\"\noutput = \"i\""),
        ),
        (
            "a wide stream ID",
            dma_device("m", "kind = \"pl330\"").replace("= 1", "= 0x8000"),
        ),
        (
            "a stream ID that is none",
            dma_device("m", "kind = \"pl330\"").replace("= 1", "= 0x10000"),
        ),
    ];
    let text: Vec<_> = cases
        .iter()
        .map(|(what, dma_devices)| format!("{what}: {}", refused(&config(dma_devices))))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn names_are_unique_over_all_smmus() {
    let one = config(&dma_device("m", "kind = \"pl330\""));
    let two = one.replace("\"a\"", "\"b\"").replace("\"s\"", "\"t\"");
    insta::assert_snapshot!(refused(&(one + &two)), @r#"smmu "b": DMA device "m": `name` is used twice"#);
}

#[test]
fn their_number_is_bounded() {
    let many = |count| {
        (0..count)
            .map(|i| dma_device(&format!("m{i}"), "kind = \"pl330\""))
            .collect::<String>()
    };
    Server::check(&toml::from_str(&config(&many(MAX_MASTERS))).unwrap()).unwrap();
    assert_eq!(
        refused(&config(&many(MAX_MASTERS + 1))),
        "smmu \"a\": DMA device \"m32\": is one too many: at most 32 DMA devices behind an SMMU"
    );
}
