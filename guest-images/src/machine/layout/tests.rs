// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::machine::board::{BoardSmmu, Client, Compatible};

pub(crate) const SHAPE: SmmuShape = SmmuShape {
    register_space: 0x2_0000,
    context_banks: 2,
    masters: Vec::new(),
    clock: false,
};

fn smmus(count: usize) -> Board {
    let smmu = |n| BoardSmmu {
        name: format!("s{n}"),
        compatible: Compatible::default(),
        coherent: true,
        clock: None,
        stream_match_mask: None,
        power_domain: false,
    };
    Board {
        smmus: (0..count).map(smmu).collect(),
        ..Board::default()
    }
}

#[test]
fn smmus_follow_each_other() {
    let layout = Layout::new(&smmus(3), &[SHAPE; 3]).unwrap();
    let last = &layout.smmus[2];
    assert_eq!((last.slot, last.registers), (4, 0x3200_0000));
    assert_eq!((last.marks, last.msix), (0x3280_0000, 0x32c0_0000));
    assert_eq!(last.config_space(), 0x40_1002_0000);
    assert_eq!(last.intids, [86, 87, 88]);
    assert_eq!(layout.sysfs_name("s2").unwrap(), "32000000.iommu");
}

#[test]
fn the_largest_board_stays_in_the_pci_window() {
    let shape = SmmuShape {
        register_space: MAX_REGISTER_SPACE,
        context_banks: 1,
        masters: vec!["m".into(); 2],
        clock: true,
    };
    let shapes = vec![shape; crate::machine::board::MAX_SMMUS];
    let layout = Layout::new(&smmus(crate::machine::board::MAX_SMMUS), &shapes).unwrap();
    let mut ranges: Vec<(u64, u64)> = vec![(EMPTY_DEVICES, EMPTY_DEVICES_SIZE)];
    for smmu in &layout.smmus {
        ranges.extend([
            (smmu.registers, smmu.register_space),
            (smmu.marks, MARKS + (1 + MAX_MASTERS as u64) * BLOCK),
            (smmu.msix, 0x2000),
        ]);
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?}");
    }
    assert!(ranges.last().unwrap().0 + 0x2000 <= PCI_WINDOW_END);
    assert!(
        layout.smmus.iter().all(|s| s.registers % s.register_space == 0),
        "a BAR is aligned to its size"
    );
}

#[test]
fn interrupts_run_out_at_64() {
    let shape = SmmuShape {
        register_space: 0x1_0000,
        context_banks: 31,
        masters: Vec::new(),
        clock: false,
    };
    let layout = Layout::new(&smmus(2), &vec![shape.clone(); 2]).unwrap();
    assert_eq!(layout.smmus[1].intids.last(), Some(&143));
    let more = SmmuShape {
        context_banks: 32,
        ..shape.clone()
    };
    let master = SmmuShape {
        masters: vec!["disk".into()],
        ..shape.clone()
    };
    for second in [more, master] {
        let error = Layout::new(&smmus(2), &[shape.clone(), second])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("board: smmu \"s1\": no interrupts left"),
            "{error}"
        );
    }
}

#[test]
fn register_spaces_have_to_fit() {
    for register_space in [0, 0x800, 0x3000, MAX_REGISTER_SPACE * 2] {
        let shape = SmmuShape {
            register_space,
            context_banks: 1,
            masters: Vec::new(),
            clock: false,
        };
        let error = Layout::new(&smmus(1), &[shape]).unwrap_err().to_string();
        assert!(error.contains("a power of two up to 8 MiB"), "{error}");
    }
    assert!(Layout::new(&smmus(1), &[]).is_err());
}

pub(crate) const MASTERS: &str = r#"
[[smmu]]
name = "s0"

[[smmu]]
name = "s1"

[[client]]
name = "dma"
kind = "pl330"
iommus = [{ smmu = "s1", stream_ids = [7] }]

[[client]]
name = "disk"
kind = "virtio-blk"
iommus = [{ smmu = "s1", stream_ids = [5] }]

[[client]]
name = "probe"
kind = "test-master"
"#;

#[test]
fn masters_follow_the_marks_and_the_lines() {
    let board: Board = toml::from_str(MASTERS).unwrap();
    let shape = |masters: &[&str]| SmmuShape {
        masters: masters.iter().map(ToString::to_string).collect(),
        ..SHAPE
    };
    let clocked = SmmuShape {
        clock: true,
        ..shape(&["disk", "dma"])
    };
    let layout = Layout::new(&board, &[shape(&["probe"]), clocked]).unwrap();
    let at: Vec<(&str, Option<u64>, Option<u32>)> = layout
        .clients
        .iter()
        .map(|c| (c.sysfs_name.as_str(), c.registers, c.intid))
        .collect();
    let expected = [
        ("31811000.dma-controller", Some(0x3181_1000), Some(88)),
        ("31810000.virtio_mmio", Some(0x3181_0000), Some(87)),
        ("30810000.test-master", Some(0x3081_0000), Some(83)),
    ];
    assert_eq!(at, expected);
    assert_eq!(
        layout.smmus[1].vectors().collect::<Vec<_>>(),
        [84, 85, 86, 87, 88]
    );
    let clocks = [layout.smmus[0].clock, layout.smmus[1].clock];
    assert_eq!(clocks, [None, Some(0x3181_2000)], "behind the masters");

    let error = |shapes: &[SmmuShape]| Layout::new(&board, shapes).unwrap_err().to_string();
    let missing = "client \"dma\": a pl330 is a DMA device of an SMMU's model; give one the `[[smmu.master]]` of \
                   that name";
    assert_eq!(
        error(&[shape(&["probe"]), shape(&["disk"])]),
        format!("board: {missing}")
    );
    let elsewhere = "client \"dma\": iommus names \"s1\", and the DMA device is one of SMMU \"s0\"";
    assert_eq!(
        error(&[shape(&["probe", "dma"]), shape(&["disk"])]),
        format!("board: {elsewhere}")
    );
    let many = SmmuShape {
        masters: vec!["m".into(); MAX_MASTERS + 1],
        ..SHAPE
    };
    let text = format!(
        "board: smmu \"s0\": {} DMA devices; there is room for {MAX_MASTERS}",
        MAX_MASTERS + 1
    );
    assert_eq!(error(&[many, SHAPE]), text);
}

#[test]
fn clients_are_named_as_linux_names_them() {
    let board: Board = toml::from_str(crate::machine::board::tests::FULL).unwrap();
    let layout = Layout::new(&board, &[SHAPE; 2]).unwrap();
    let names: Vec<(&str, &str)> = layout
        .clients
        .iter()
        .map(|c| (c.name.as_str(), c.sysfs_name.as_str()))
        .collect();
    let expected = [
        ("c0", "a000200.virtio_mmio"),
        ("c1", "a000000.virtio_mmio"),
        ("wdt", "20000000.watchdog"),
        ("disp", "bus-disp"),
        ("panel", "bus-disp:device-panel"),
        ("boot", "device-boot"),
    ];
    assert_eq!(names, expected);
    assert_eq!(layout.client("wdt").unwrap().registers, Some(EMPTY_DEVICES));
    assert_eq!(layout.sysfs_name("nobody"), None);
}

#[test]
fn register_blocks_run_out() {
    let client = |n| Client {
        name: format!("w{n}"),
        kind: ClientKind::Sp805,
        slot: None,
        parent: None,
        iommus: Vec::new(),
        assigned_clock: None,
        reserved_region: None,
    };
    let board = Board {
        clients: (0..257).map(client).collect(),
        ..Board::default()
    };
    let error = Layout::new(&board, &[]).unwrap_err().to_string();
    assert_eq!(error, "board: client \"w256\": no room left for register blocks");
}
