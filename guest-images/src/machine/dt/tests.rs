// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};
use proptest::prelude::*;

use super::*;
use crate::machine::board::tests::FULL;
use crate::machine::board::{IommuRef, StreamIdRange};

use crate::machine::layout::SmmuShape;
use crate::machine::layout::tests::{MASTERS, SHAPE};

fn tree(board: &Board) -> Vec<u8> {
    let shapes = vec![SHAPE; board.smmus.len()];
    device_tree(
        board,
        &Layout::new(board, &shapes).unwrap(),
        &Held::new(),
        &[],
        false,
    )
    .unwrap()
}

#[test]
fn the_tree_of_a_board_of_everything() {
    let blob = tree(&toml::from_str(FULL).unwrap());
    insta::assert_snapshot!(Fdt::new(&blob).unwrap().root());
}

#[test]
fn devices_that_are_held_have_no_driver() {
    let board: Board = toml::from_str(FULL).unwrap();
    let shapes = vec![SHAPE; board.smmus.len()];
    let clients = board.clients.iter().map(|client| client.name.clone());
    let suppliers = board.suppliers.iter().map(|supplier| supplier.name.clone());
    let held: Held = clients.chain(suppliers).collect();
    let blob = device_tree(&board, &Layout::new(&board, &shapes).unwrap(), &held, &[], false).unwrap();
    let (with, without) = (
        Fdt::new(&blob).unwrap().root().to_string(),
        Fdt::new(&tree(&board)).unwrap().root().to_string(),
    );
    for compatible in ["virtio,mmio", "rockchip,rk3399-dwc3", "\"regulator-fixed"] {
        assert!(
            without.contains(compatible) && !with.contains(compatible),
            "{compatible}"
        );
    }
    assert!(with.contains("smmu-emu,held-mmio"), "{with}");
}

/// A region in pages has as many bytes as the tables of its SMMU make of them; one in bytes has its bytes.
#[test]
fn a_region_in_pages_grows_with_them() {
    let smmus = "[[smmu]]\nname = 'a'\n[[smmu]]\nname = 'b'\n";
    let client = |name: &str, smmu: &str, region: &str| {
        format!(
            "[[client]]\nname = '{name}'\nkind = 'plain'\niommus = [{{ smmu = '{smmu}', stream_ids = [1] }}]\n\
             reserved_region = {{ {region} }}\n"
        )
    };
    let board: Board = toml::from_str(&format!(
        "{smmus}{}{}{}",
        client("in-pages", "b", "iova = 0x80000000, pages = 2048"),
        client("shares-it", "a", "iova = 0x80000000, pages = 2048"),
        client("in-bytes", "b", "iova = 0x90000000, size = 0x1000"),
    ))
    .unwrap();
    board.validate().unwrap();
    let sizes = |smmu_pages: &[u64]| {
        let layout = Layout::new(&board, &[SHAPE; 2]).unwrap();
        let blob = device_tree(&board, &layout, &Held::new(), smmu_pages, false).unwrap();
        let fdt = Fdt::new(&blob).unwrap();
        ["80000000", "90000000"].map(|iova| {
            let node = fdt.find_node(&format!("/reserved-memory/region@{iova}")).unwrap();
            let cells = |property: &str, at: usize| {
                let value = node.property(property).unwrap().value().to_vec();
                u64::from_be_bytes(value[at..at + 8].try_into().unwrap())
            };
            // Address and size of two cells each; a phandle before them.
            assert_eq!(cells("reg", 8), cells("iommu-addresses", 12));
            cells("reg", 8)
        })
    };
    assert_eq!(sizes(&[4096, 4096]), [0x80_0000, 0x1000]);
    assert_eq!(sizes(&[4096, 65536]), [0x800_0000, 0x1000]);
    assert_eq!(sizes(&[16384, 4096]), [0x200_0000, 0x1000]);
}

#[test]
fn the_nodes_of_masters() {
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
    let blob = device_tree(&board, &layout, &Held::new(), &[], false).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let nodes = [
        "/dma-controller@31811000",
        "/virtio_mmio@31810000",
        "/test-master@30810000",
        "/clock-controller@31812000",
        "/iommu@31000000",
    ]
    .map(|path| fdt.find_node(path).unwrap().to_string());
    insta::assert_snapshot!(nodes.join("\n"));
}

/// With a port for a trace the console's keeps its number.
#[test]
fn the_port_of_a_trace_is_the_second() {
    let board = Board::default();
    let layout = Layout::new(&board, &[]).unwrap();
    let blob = device_tree(&board, &layout, &Held::new(), &[], true).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let aliases = fdt.find_node("/aliases").unwrap();
    for (alias, path) in [("serial0", "/pl011@9000000"), ("serial1", "/pl011@9040000")] {
        let value = aliases.property(alias).unwrap().value().to_vec();
        assert_eq!(value, format!("{path}\0").into_bytes());
        assert!(fdt.find_node(path).is_some());
    }
    assert!(Fdt::new(&tree(&board)).unwrap().find_node("/aliases").is_none());
}

#[test]
fn the_pci_host_is_left_out() {
    let blob = tree(&Board::default());
    let fdt = Fdt::new(&blob).unwrap();
    let names: Vec<&str> = fdt.root().children().map(|node| node.name()).collect();
    assert!(names.contains(&"cpus"), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with("pci")), "{names:?}");
}

proptest! {
    /// Whatever valid board: the tree parses, and every client's specifiers come back.
    #[test]
    fn stream_ids_survive(ids in prop::collection::vec(any::<u16>(), 1..40), count in 1_u16..300) {
        let mut board: Board = toml::from_str(FULL).unwrap();
        let range = StreamIdRange { first: 0x1000, count };
        let iommu = IommuRef { smmu: "b".into(), stream_ids: ids, stream_id_range: Some(range), mask: None };
        board.clients[0].iommus = vec![iommu.clone()];
        let blob = tree(&board);
        let fdt = Fdt::new(&blob).unwrap();
        let smmu = fdt.find_node("/iommu@31000000").unwrap();
        let phandle = smmu.property("phandle").unwrap().value().to_vec();
        let client = fdt.find_node("/virtio_mmio@a000200").unwrap();
        let iommus = client.property("iommus").unwrap().value().to_vec();
        let expected: Vec<u8> =
            iommu.all_stream_ids().flat_map(|id| [&phandle[..], &id.to_be_bytes()].concat()).collect();
        prop_assert_eq!(iommus, expected);
    }
}

#[test]
fn a_power_domain_is_in_the_block_of_the_clock_controller() {
    let board: Board = toml::from_str("[[smmu]]\nname = 'a'\npower_domain = true\n").unwrap();
    let refused = Layout::new(&board, &[SHAPE]).unwrap_err().to_string();
    assert!(refused.contains("give its model `clock`"), "{refused}");
    let layout = Layout::new(&board, &[SmmuShape { clock: true, ..SHAPE }]).unwrap();
    let blob = device_tree(&board, &layout, &Held::new(), &[], false).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let clock = format!("{:x}", layout.smmus[0].clock.unwrap());
    let paths = [&format!("/power-domain@{clock}"), "/iommu@30000000"];
    let nodes = paths.map(|path| fdt.find_node(path).unwrap().to_string());
    insta::assert_snapshot!(nodes.join("\n"));
}

#[test]
fn masks_are_second_cells_or_a_property_of_the_smmu() {
    let board: Board = toml::from_str(
        "[[smmu]]\nname = 'a'\n[[smmu]]\nname = 'b'\nstream_match_mask = 0x7f80\n\
         compatible = ['marvell,ap806-smmu-500', 'arm,mmu-500']\n\
         [[client]]\nname = 'c'\nkind = 'plain'\n\
         iommus = [{ smmu = 'a', stream_ids = [0x400, 0x500], mask = 0xf }, { smmu = 'b', stream_ids = [5] }]\n\
         [[client]]\nname = 'd'\nkind = 'plain'\niommus = [{ smmu = 'a', stream_ids = [0x405] }]\n",
    )
    .unwrap();
    let blob = tree(&board);
    let fdt = Fdt::new(&blob).unwrap();
    let paths = ["/device-c", "/device-d", "/iommu@30000000", "/iommu@31000000"];
    let nodes = paths.map(|path| fdt.find_node(path).unwrap().to_string());
    insta::assert_snapshot!(nodes.join("\n"));
}

#[test]
fn phandles_are_unique() {
    let board: Board = toml::from_str(FULL).unwrap();
    let named = phandles(&board);
    // Two SMMUs with what may be their clock controllers and power domains, two suppliers, six clients, and one region
    // that two of them share.
    assert_eq!(named.len(), 15);
    let mut all: Vec<u32> = named.into_values().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 15);
    assert!(all[0] >= FIRST_FREE_PHANDLE);
}

#[test]
fn the_nodes_of_a_gicv3() {
    let board = Board {
        cpus: 18,
        ..Board::default()
    };
    let blob = tree(&board);
    let fdt = Fdt::new(&blob).unwrap();
    let node = |path: &str| fdt.find_node(path).unwrap().to_string();
    insta::assert_snapshot!(format!("{}\n{}", node("/intc@8000000"), node("/timer")));
    // Sixteen CPUs a cluster, as one SGI reaches.
    let cpus: Vec<&str> = fdt
        .find_node("/cpus")
        .unwrap()
        .children()
        .map(|cpu| cpu.name())
        .collect();
    assert_eq!((cpus[15], cpus[16], cpus[17]), ("cpu@f", "cpu@100", "cpu@101"));
}
