// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn parse(text: &str) -> Board {
    toml::from_str(text).unwrap()
}

fn error(text: &str) -> String {
    parse(text).validate().unwrap_err().to_string()
}

/// One of everything.
pub(crate) const FULL: &str = r#"
cpus = 2
memory_mib = 1024

[[smmu]]
name = "a"

[[smmu]]
name = "b"
compatible = "arm,smmu-v2"
coherent = false
clock = "gclk"

[[supplier]]
name = "vdd"
kind = "regulator-fixed"
startup_delay_us = 250000

[[supplier]]
name = "gclk"
kind = "gated-fixed-clock"
supply = "vdd"

[[client]]
name = "c0"
kind = "virtio-mmio"
iommus = [{ smmu = "a", stream_ids = [1, 5] }]

[[client]]
name = "c1"
kind = "virtio-mmio"
slot = 0
iommus = [{ smmu = "b", stream_id_range = { first = 0x100, count = 3 } }]

[[client]]
name = "wdt"
kind = "sp805"
iommus = [{ smmu = "a", stream_ids = [3] }, { smmu = "b", stream_ids = [4] }]

[[client]]
name = "disp"
kind = "bus"

[[client]]
name = "panel"
kind = "plain"
parent = "disp"
iommus = [{ smmu = "a", stream_ids = [7] }]
reserved_region = { iova = 0x80000000, size = 0x2000000 }

[[client]]
name = "boot"
kind = "plain"
iommus = [{ smmu = "a", stream_ids = [7] }]
reserved_region = { iova = 0x80000000, size = 0x2000000 }
"#;

#[test]
fn a_board_of_everything_is_valid_and_survives_serialisation() {
    let board = parse(FULL);
    board.validate().unwrap();
    assert_eq!(
        toml::from_str::<Board>(&toml::to_string(&board).unwrap()).unwrap(),
        board
    );
}

#[test]
fn an_empty_table_is_the_default() {
    assert_eq!(parse(""), Board::default());
    Board::default().validate().unwrap();
}

#[test]
fn unknown_keys_are_errors_with_their_line() {
    let e = toml::from_str::<Board>("cpus = 2\n[[smmu]]\nname = \"a\"\nclok = \"x\"\n")
        .unwrap_err()
        .to_string();
    assert!(e.contains("line 4") && e.contains("clok"), "{e}");
}

#[test]
fn stream_ids_come_in_the_order_written() {
    let iommu = IommuRef {
        smmu: "a".into(),
        stream_ids: vec![9, 2],
        stream_id_range: Some(StreamIdRange {
            first: 0xfffe,
            count: 2,
        }),
        mask: None,
    };
    assert_eq!(iommu.all_stream_ids().collect::<Vec<_>>(), [9, 2, 0xfffe, 0xffff]);
}

#[test]
fn a_stream_matches_under_the_masks_of_client_and_smmu() {
    let board = parse(
        "[[smmu]]\nname = 'a'\n[[smmu]]\nname = 'b'\nstream_match_mask = 0x7f80\n\
         [[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = [0x400], mask = 0xf }]\n\
         [[client]]\nname = 'd'\nkind = 'plain'\niommus = [{ smmu = 'b', stream_ids = [5] }]\n\
         [[client]]\nname = 'e'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = [7] }]\n",
    );
    board.validate().unwrap();
    assert_eq!((board.has_masks("a"), board.has_masks("b")), (true, false));
    let streams = [0x3ff, 0x400, 0x40f, 0x410, 5, 0x1085, 0x1086, 7, 0x87];
    let of = |client: usize| {
        let has = |stream: &u16| board.has_stream(&board.clients[client], *stream);
        streams.into_iter().filter(has).collect::<Vec<_>>()
    };
    assert_eq!(of(0), [0x400, 0x40f]);
    assert_eq!(of(1), [5, 0x1085]);
    assert_eq!(of(2), [7]);
}

#[test]
fn a_region_in_memory_lies_where_nothing_is_loaded() {
    let validate = |iova: u64, size: u64| {
        let client = "name = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = [1] }]";
        let region = format!("reserved_region = {{ iova = {iova:#x}, size = {size:#x} }}");
        parse(&format!(
            "memory_mib = 512\n[[smmu]]\nname = 'a'\n[[client]]\n{client}\n{region}\n"
        ))
        .validate()
    };
    for (iova, size) in [
        (0x5800_0000, 0x800_0000),
        (0x5fff_f000, 0x1000),
        (0x6000_0000, 0x1000),
    ] {
        assert_eq!(validate(iova, size), Ok(()), "{iova:#x}");
    }
    for (iova, size) in [
        (0x57ff_f000, 0x1000),
        (0x5800_0000, 0x800_1000),
        (0x4000_0000, 0x1000),
        (0x900_0000, 0x1000),
    ] {
        let error = validate(iova, size).unwrap_err().to_string();
        assert!(error.contains("from 0x58000000 to 0x60000000"), "{error}");
    }
}

#[test]
fn compatible_is_a_name_or_several() {
    let names = |text: &str| {
        let board = parse(&format!("[[smmu]]\nname = 'a'\n{text}\n"));
        board
            .validate()
            .map(|()| board.smmus[0].compatible.names().join(" "))
    };
    assert_eq!(names("").unwrap(), "arm,mmu-500");
    assert_eq!(names("compatible = 'arm,smmu-v2'").unwrap(), "arm,smmu-v2");
    assert_eq!(
        names("compatible = ['a,b', 'arm,mmu-500']").unwrap(),
        "a,b arm,mmu-500"
    );
    for wrong in ["''", "[]", "['a,b', '']", "'a b'", "[\"a\\u0000\"]"] {
        let error = names(&format!("compatible = {wrong}")).unwrap_err().to_string();
        assert!(error.contains("one or more names"), "{error}");
    }
    let error = toml::from_str::<Board>("[[smmu]]\nname = 'a'\ncompatible = 3\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 3") && error.contains("a string or an array of strings"),
        "{error}"
    );
}

#[test]
fn mistakes_are_named() {
    let cases = [
        "cpus = 0",
        "cpus = 9\ngic = 2",
        "memory_mib = 255",
        "[[smmu]]\nname = 'A'",
        "[[smmu]]\nname = ''",
        "[[smmu]]\nname = 'x'\n[[client]]\nname = 'x'\nkind = 'plain'",
        "[[smmu]]\nname = 'a'\ncompatible = 'bad one'",
        "[[smmu]]\nname = 'a'\nclock = 'none'",
        "[[smmu]]\nname = 'a'\nstream_match_mask = 1\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ \
         smmu = 'a', stream_ids = [1], mask = 2 }]",
        "[[supplier]]\nname = 'c'\nkind = 'gated-fixed-clock'",
        "[[supplier]]\nname = 'c'\nkind = 'gated-fixed-clock'\nsupply = 'c'",
        "[[supplier]]\nname = 'r'\nkind = 'regulator-fixed'\nsupply = 'r'",
        "[[client]]\nname = 'c'\nkind = 'sp805'\nslot = 3",
        "[[client]]\nname = 'c'\nkind = 'virtio-mmio'\nslot = 32",
        "[[client]]\nname = 'c'\nkind = 'virtio-mmio'\nslot = 1\n[[client]]\nname = 'd'\nkind = \
         'virtio-mmio'\nslot = 1",
        "[[client]]\nname = 'c'\nkind = 'plain'\nparent = 'nobody'",
        "[[client]]\nname = 'c'\nkind = 'plain'\nassigned_clock = 'none'",
        "[[client]]\nname = 'c'\nkind = 'bus'\nparent = 'c'",
        "[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'z', stream_ids = [1] }]",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a' }]",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', \
         stream_id_range = { first = 65535, count = 2 } }]",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', \
         stream_id_range = { first = 0, count = 4097 } }]",
        "[[client]]\nname = 'c'\nkind = 'plain'\nreserved_region = { iova = 0x80000000, size = 0x1000 }",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = \
         [1] }]\nreserved_region = { iova = 0x80000800, size = 0x1000 }",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = \
         [1] }]\nreserved_region = { iova = 0x40000000, size = 0x1000 }",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = \
         [1] }]\nreserved_region = { iova = 0x80000000 }",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = \
         [1] }]\nreserved_region = { iova = 0x80000000, size = 0x1000, pages = 1 }",
        "[[smmu]]\nname = 'a'\n[[client]]\nname = 'c'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = \
         [1] }]\nreserved_region = { iova = 0x80001000, pages = 1 }",
    ];
    let errors: Vec<String> = cases.iter().map(|case| error(case)).collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn overlapping_regions_are_refused_and_shared_ones_are_not() {
    let second = FULL.rfind("0x80000000").unwrap();
    let overlapping = format!("{}0x81fff000{}", &FULL[..second], &FULL[second + 10..]);
    assert_eq!(
        error(&overlapping),
        "board: client \"boot\": reserved_region overlaps another one; share it or keep apart"
    );
}

/// Regions in pages are kept apart for the largest of them.
#[test]
fn regions_in_pages_do_not_overlap_on_any_kernel() {
    let first = FULL.find("size = 0x2000000").unwrap();
    let second = FULL.rfind("0x80000000").unwrap();
    let with = |pages: u32| {
        format!(
            "{}pages = {pages}{}0x90000000{}",
            &FULL[..first],
            &FULL[first + 16..second],
            &FULL[second + 10..]
        )
    };
    parse(&with(0x1000)).validate().unwrap();
    assert_eq!(
        error(&with(0x1001)),
        "board: client \"boot\": reserved_region overlaps another one; share it or keep apart"
    );
}

#[test]
fn virtio_clients_get_the_free_slots() {
    let board = parse(FULL);
    let slots = board.virtio_slots().unwrap();
    assert_eq!(slots, [Some(1), Some(0), None, None, None, None]);
    let many: String = (0..33)
        .map(|n| format!("[[client]]\nname = \"c{n}\"\nkind = \"virtio-mmio\"\n"))
        .collect();
    assert_eq!(
        error(&many),
        "board: client \"c32\": all 32 virtio-mmio slots are taken"
    );
}

#[test]
fn the_interrupt_controller_serves_the_cpus() {
    let board = |text: &str| toml::from_str::<Board>(text).map_err(|error| error.to_string());
    let gic = |text: &str| u8::from(board(text).unwrap().gic());
    assert_eq!((gic("cpus = 8"), gic("cpus = 9"), gic("gic = 3")), (2, 3, 3));
    let problem = |text: &str| board(text).unwrap().validate().unwrap_err().to_string();
    assert_eq!(
        problem("cpus = 9\ngic = 2"),
        "board: cpus: 9 CPUs; a GICv2 serves 1 to 8"
    );
    assert_eq!(
        problem("cpus = 124"),
        "board: cpus: 124 CPUs; a GICv3 serves 1 to 123"
    );
    assert_eq!(problem("cpus = 0"), "board: cpus: 0 CPUs; a GICv2 serves 1 to 8");
    let unknown = board("gic = 4").unwrap_err();
    assert!(unknown.contains("GIC version 4; there are 2 and 3"), "{unknown}");
}
