// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The contract between the device tree and the server: what the guest is told of an SMMU's function is what is there.

use std::sync::Arc;

use boot_stress::recipe::Recipe;
use guest_images::machine::{dt, layout};
use smmu_emu::{Line, Marks, Plan};
use vfio_server::dma::BLOCK_SIZE;
use vfio_server::function::{CLOCK_OFFSET, Function, MARKS_SIZE, SEED_OFFSET, region};
use vfio_server::host::msix::Vectors;
use vfio_server::host::{Host, Run};

const RECIPE: &str = r#"
name = "platform"
summary = "a function with all that one can have"
expect = "no-hit"
[board]
[[board.smmu]]
name = "a"
[[board.client]]
name = "one"
kind = "test-master"
iommus = [{ smmu = "a", stream_ids = [16] }]
[[board.client]]
name = "two"
kind = "virtio-rng"
iommus = [{ smmu = "a", stream_ids = [17] }]
[[smmu]]
name = "a"
clock = { settle_us = 0 }
[[smmu.master]]
name = "one"
kind = "test-master"
stream_id = 16
[[smmu.master]]
name = "two"
kind = "virtio-rng"
stream_id = 17
[[mark]]
name = "m"
[[mark]]
name = "n"
"#;

/// The function as the server makes it.
fn function(recipe: &Recipe) -> Function {
    let smmu = &recipe.smmus[0];
    let lines = smmu.model.interrupt_lines().len();
    let marks = Marks::new(recipe.marks.clone(), &["a"]).unwrap();
    let vectors = u16::try_from(lines + smmu.masters.len()).unwrap();
    let host = Host::new("a".into(), Arc::new(Run::new(marks)), vectors);
    let mut function = Function::new(&smmu.model, Plan::default(), host).unwrap();
    function.attach(&smmu.masters).unwrap();
    function.set_clock(smmu.clock);
    function
}

fn read(function: &mut Function, offset: u64) -> u32 {
    let mut word = [0; 4];
    function.read(region::BLOCKS, offset, &mut word).unwrap();
    u32::from_le_bytes(word)
}

#[test]
fn the_guest_finds_each_block_where_the_device_tree_says() {
    let recipe = Recipe::parse(RECIPE, "platform").unwrap();
    let smmu = recipe.layout().unwrap().smmus.remove(0);
    let mut function = function(&recipe);
    assert_eq!((layout::MARKS, layout::BLOCK), (MARKS_SIZE, BLOCK_SIZE));
    assert_eq!((layout::SEED, layout::CLOCK), (SEED_OFFSET, CLOCK_OFFSET));
    let size = function.region_size(region::BLOCKS).unwrap();

    // A mark is a word that reads 1 once it was written.
    function.write(region::BLOCKS, 4, &1_u32.to_le_bytes()).unwrap();
    assert_eq!((read(&mut function, 0), read(&mut function, 4)), (0, 1));

    let offset = |address: u64| address - smmu.marks;
    let rng = smmu.masters.iter().find(|master| master.name == "two").unwrap();
    assert_eq!(
        read(&mut function, offset(rng.registers)).to_le_bytes(),
        *b"virt",
        "MagicValue of virtio-mmio"
    );

    let clock = offset(smmu.clock.unwrap());
    assert!(clock + BLOCK_SIZE <= size);
    assert_eq!(read(&mut function, clock).to_le_bytes(), *b"CLK1");
    // The kernel's driver sets the bits that the tree names, and the clock runs.
    let control = clock + u64::from(dt::CLOCK_CONTROL);
    assert_eq!(read(&mut function, control) & dt::CLOCK_ENABLE, 0);
    function
        .write(region::BLOCKS, control, &dt::CLOCK_ENABLE.to_le_bytes())
        .unwrap();
    assert_eq!(read(&mut function, control), dt::CLOCK_ENABLE);
    assert_eq!(
        read(&mut function, clock + 8),
        3,
        "STATUS: the clock is on, the PLL locked"
    );
}

#[test]
fn each_interrupt_has_the_vector_that_the_device_tree_names() {
    let recipe = Recipe::parse(RECIPE, "platform").unwrap();
    let smmu = recipe.layout().unwrap().smmus.remove(0);
    let function = function(&recipe);
    // The tree names INTIDs in the order of the vectors, as the boot shim writes them into the MSI-X table.
    let told: Vec<u32> = smmu.vectors().collect();
    assert_eq!(told.len(), usize::try_from(function.vectors()).unwrap());
    assert_eq!(told[Vectors::of(Line::Global)], smmu.intids[0]);
    for bank in 0..u8::try_from(smmu.intids.len() - 1).unwrap() {
        assert_eq!(
            told[Vectors::of(Line::Context(bank))],
            smmu.intids[usize::from(bank) + 1],
            "bank {bank}"
        );
    }
    for (master, at) in function.dma_devices().iter().zip(&smmu.masters) {
        assert_eq!(told[master.vector()], at.intid, "{}", at.name);
    }
}
