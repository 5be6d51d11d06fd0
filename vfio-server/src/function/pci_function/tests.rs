// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::Arc;

use smmu_emu::{MarkRule, Marks};

use super::*;
use crate::config::ClockConfig;
use crate::function::{CLOCK_OFFSET, SEED_OFFSET};
use crate::host::Run;

fn mark(name: &str) -> MarkRule {
    toml::from_str(&format!("name = {name:?}")).unwrap()
}

fn function() -> Function {
    function_with(Plan::default())
}

fn function_with(plan: Plan) -> Function {
    let marks = Marks::new(vec![mark("zero"), mark("one"), mark("two")], &["a"]).unwrap();
    let model = Config::default();
    let vectors = u16::try_from(model.interrupt_lines().len()).unwrap();
    let host = Host::new("a".into(), Arc::new(Run::new(marks)), vectors);
    Function::new(&model, plan, host).unwrap()
}

fn read32(function: &mut Function, region: u32, offset: u64) -> u32 {
    let mut data = [0; 4];
    function.read(region, offset, &mut data).unwrap();
    u32::from_le_bytes(data)
}

#[test]
fn regions_are_those_of_a_vfio_pci_device() {
    let function = function();
    let sizes: Vec<_> = (0..region::COUNT)
        .map(|i| function.region_size(i).unwrap())
        .collect();
    let space = Config::default().register_space();
    assert!(space.is_power_of_two());
    assert_eq!(sizes, [space, 0, MARKS_SIZE, 0, 8192, 0, 0, 256, 0]);
    assert_eq!(function.region_size(9), Err(Errno::INVAL));
    assert_eq!(function.region_size(u32::MAX), Err(Errno::INVAL));
}

#[test]
fn accesses_stay_within_their_region() {
    let mut function = function();
    for region in 0..12 {
        let size = function.region_size(region).unwrap_or(0);
        for (offset, length) in [
            (size, 1),
            (size.wrapping_sub(3), 4),
            (u64::MAX, 1),
            (u64::MAX - 3, 8),
        ] {
            let mut data = vec![0; length];
            assert_eq!(
                function.read(region, offset, &mut data),
                Err(Errno::INVAL),
                "{region} {offset:#x}"
            );
            assert_eq!(
                function.write(region, offset, &data),
                Err(Errno::INVAL),
                "{region} {offset:#x}"
            );
        }
        for length in [1, 2, 3, 4, 5, 8, 16, 64] {
            if length <= size {
                let mut data = vec![0; usize::try_from(length).unwrap()];
                function.read(region, size - length, &mut data).unwrap();
                function.write(region, size - length, &data).unwrap();
            }
        }
    }
}

/// Behaviour 59.
#[test]
fn without_its_clock_the_smmu_is_not_there() {
    const IDR1: u64 = 0x24;
    const CTRL: u64 = MARKS_SIZE + 4;
    const VIOLATIONS: u64 = MARKS_SIZE + 0x14;
    let mut function = function();
    let idr1 = read32(&mut function, region::REGISTERS, IDR1);
    function.set_clock(Some(ClockConfig::default()));
    assert_eq!(function.region_size(region::BLOCKS), Ok(2 * MARKS_SIZE));
    // CB0_SCTLR: a write that does not arrive.
    let sctlr = function.region_size(region::REGISTERS).unwrap() / 2;
    function
        .write(region::REGISTERS, sctlr, &1_u32.to_le_bytes())
        .unwrap();
    assert_eq!(read32(&mut function, region::REGISTERS, IDR1), u32::MAX);
    assert_eq!(read32(&mut function, region::BLOCKS, VIOLATIONS), 2);
    function
        .write(region::BLOCKS, CTRL, &3_u32.to_le_bytes())
        .unwrap();
    assert_eq!(read32(&mut function, region::REGISTERS, IDR1), idr1);
    assert_eq!(read32(&mut function, region::REGISTERS, sctlr) & 1, 0);
    assert_eq!(read32(&mut function, region::BLOCKS, VIOLATIONS), 2);
    // A reset of the machine takes the clock away again; a power cycle of the SMMU alone does not.
    function.power_cycle();
    assert_eq!(read32(&mut function, region::REGISTERS, IDR1), idr1);
    function.reset();
    assert_eq!(read32(&mut function, region::REGISTERS, IDR1), u32::MAX);
    assert_eq!(read32(&mut function, region::BLOCKS, VIOLATIONS), 1);
}

#[test]
fn registers_are_lost_with_the_power_unless_they_are_retained() {
    const CTRL: u64 = MARKS_SIZE + 4;
    const LOSSES: u64 = MARKS_SIZE + 0x18;
    const SMR0: u64 = 0x800;
    /// Bit CLIENTPD of sCR0, at offset 0: transactions bypass the SMMU.
    const CLIENTPD: u32 = 1;
    for retains in [true, false] {
        let mut function = function();
        function.set_clock(Some(ClockConfig {
            on: true,
            retains,
            ..ClockConfig::default()
        }));
        let switch = |function: &mut Function, bits: u32| {
            function.write(region::BLOCKS, CTRL, &bits.to_le_bytes()).unwrap();
        };
        let lost = u32::from(!retains);
        for (round, bits) in [(1, 0), (2, 1), (3, 2)] {
            function
                .write(region::REGISTERS, SMR0, &0x17_u32.to_le_bytes())
                .unwrap();
            switch(&mut function, 3);
            function
                .write(region::REGISTERS, 0, &0_u32.to_le_bytes())
                .unwrap();
            assert_eq!(read32(&mut function, region::REGISTERS, SMR0), 0x17, "it was on");
            switch(&mut function, bits);
            switch(&mut function, bits);
            switch(&mut function, 3);
            assert_eq!(
                read32(&mut function, region::REGISTERS, 0) & CLIENTPD,
                lost,
                "transactions bypass it"
            );
            let kept = if retains { 0x17 } else { 0 };
            assert_eq!(
                read32(&mut function, region::REGISTERS, SMR0),
                kept,
                "CTRL = {bits}"
            );
            assert_eq!(read32(&mut function, region::BLOCKS, LOSSES), round * lost);
        }
    }
}

#[test]
fn a_power_domain_that_is_off_takes_the_registers_along() {
    const SLICE_SW_CTRL: u64 = MARKS_SIZE + 0x20;
    const FUNC_STAT: u64 = MARKS_SIZE + 0xb4;
    const SMR0: u64 = 0x800;
    let mut function = function();
    function.set_clock(Some(ClockConfig {
        on: true,
        retains: false,
        ..ClockConfig::default()
    }));
    let write = |function: &mut Function, region: u32, offset: u64, value: u32| {
        function.write(region, offset, &value.to_le_bytes()).unwrap();
    };
    write(&mut function, region::REGISTERS, SMR0, 0x17);
    assert_eq!(read32(&mut function, region::BLOCKS, FUNC_STAT), 0, "it is on");
    write(&mut function, region::BLOCKS, SLICE_SW_CTRL, 1 << 31);
    assert_eq!(read32(&mut function, region::BLOCKS, SLICE_SW_CTRL), 1 << 31);
    assert_eq!(read32(&mut function, region::BLOCKS, FUNC_STAT), 0x111);
    assert_eq!(read32(&mut function, region::REGISTERS, SMR0), u32::MAX);
    write(&mut function, region::BLOCKS, SLICE_SW_CTRL, 0x7fff_ffff);
    assert_eq!(read32(&mut function, region::BLOCKS, FUNC_STAT), 0);
    assert_eq!(
        read32(&mut function, region::REGISTERS, SMR0),
        0,
        "it starts again"
    );
}

#[test]
fn the_registers_are_the_models() {
    let mut function = function();
    const IDR1: u64 = 0x24;
    let idr1 = read32(&mut function, region::REGISTERS, IDR1);
    let mut smmu = Smmu::new(&Config::default(), Plan::default()).unwrap();
    assert_eq!(idr1 & 0xff, u32::from(smmu.context_banks()), "NUMCB");
    let mut data = [0; 4];
    smmu.read(&mut function.host.surroundings(), IDR1, &mut data);
    assert_eq!(idr1, u32::from_le_bytes(data));
}

#[test]
fn marks_are_words_and_any_byte_raises() {
    let mut function = function();
    assert_eq!(read32(&mut function, region::BLOCKS, 4), 0);
    function.write(region::BLOCKS, 4, &0_u32.to_le_bytes()).unwrap();
    assert_eq!(read32(&mut function, region::BLOCKS, 4), 0, "0 does nothing");
    function
        .write(region::BLOCKS, 4, &0x100_u32.to_le_bytes())
        .unwrap();
    assert_eq!(read32(&mut function, region::BLOCKS, 4), 1);
    function.write(region::BLOCKS, 4, &0_u32.to_le_bytes()).unwrap();
    assert_eq!(read32(&mut function, region::BLOCKS, 4), 1, "marks go one way");
    let mut all = [0xff; 16];
    function.read(region::BLOCKS, 0, &mut all).unwrap();
    assert_eq!(all, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    function.write(region::BLOCKS, 4092, &[1; 4]).unwrap();
    assert_eq!(read32(&mut function, region::BLOCKS, 4092), 0, "no such mark");
}

#[test]
fn the_last_word_of_the_marks_is_the_seed() {
    let plan: Plan = toml::from_str("seed = 0x123456789").unwrap();
    let mut function = function_with(plan);
    assert_eq!(read32(&mut function, region::BLOCKS, SEED_OFFSET), 0x2345_6789);
    function.write(region::BLOCKS, SEED_OFFSET, &[1; 4]).unwrap();
    assert_eq!(read32(&mut function, region::BLOCKS, SEED_OFFSET), 0x2345_6789);
    assert_eq!(read32(&mut function, region::BLOCKS, SEED_OFFSET - 4), 0);
}

#[test]
fn a_doubleword_behind_the_marks_is_the_clock_of_the_trace() {
    let mut function = function();
    let before = function.host.run().now();
    let mut clock = [0; 8];
    function.read(region::BLOCKS, CLOCK_OFFSET, &mut clock).unwrap();
    let after = function.host.run().now();
    assert!((before..=after).contains(&u64::from_le_bytes(clock)));
    function.write(region::BLOCKS, CLOCK_OFFSET, &[0xff; 8]).unwrap();
    assert_eq!(read32(&mut function, region::BLOCKS, CLOCK_OFFSET - 4), 0);
}

#[test]
fn marks_begin_anew_with_a_run() {
    let mut function = function();
    let run = Arc::clone(function.host().run());
    let first = run.join();
    function.write(region::BLOCKS, 0, &[1]).unwrap();
    let second = run.join();
    drop(first);
    assert_eq!(
        read32(&mut function, region::BLOCKS, 0),
        1,
        "one client is still there"
    );
    drop(second);
    assert_eq!(
        read32(&mut function, region::BLOCKS, 0),
        1,
        "the end of a run shows what was"
    );
    let _third = run.join();
    assert_eq!(read32(&mut function, region::BLOCKS, 0), 0);
}

#[test]
fn interrupts_other_than_msix_can_only_be_disabled() {
    let mut function = function();
    for index in 0..irq::COUNT {
        assert_eq!(
            function.set_irqs(index, 0x21, 0, 0, vec![]),
            Ok(()),
            "disable {index}"
        );
        if index != irq::MSIX {
            assert_eq!(function.set_irqs(index, 0x21, 0, 1, vec![]), Err(Errno::INVAL));
            assert_eq!(function.set_irqs(index, 0x24, 0, 1, vec![]), Err(Errno::INVAL));
        }
    }
    assert_eq!(
        function.set_irqs(irq::COUNT, 0x21, 0, 0, vec![]),
        Err(Errno::INVAL)
    );
    assert_eq!(
        function.set_irqs(irq::MSIX, 0x24, 0, 1, vec![]),
        Ok(()),
        "QEMU's first message"
    );
    assert_eq!(
        function.set_irqs(irq::MSIX, 0x09, 0, 1, vec![]),
        Err(Errno::INVAL),
        "mask"
    );
    assert_eq!(
        function.set_irqs(irq::MSIX, 0x11, 0, 1, vec![]),
        Err(Errno::INVAL),
        "unmask"
    );
}

#[test]
fn reset_keeps_what_belongs_to_the_client() {
    let mut function = function();
    let fd = rustix::fs::memfd_create("guest", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&fd, 4096).unwrap();
    function
        .map(0, 4096, 0, vfio_user::DmaMapFlags::READ_WRITE, Some(fd))
        .unwrap();
    function.write(region::CONFIG, 4, &[6, 0]).unwrap();
    function.reset();
    assert_eq!(read32(&mut function, region::CONFIG, 4) & 0xffff, 0);
    assert_eq!(function.host().memory().maps(), 1);
    function.write(region::CONFIG, 4, &[6, 0]).unwrap();
    function.disconnect();
    assert_eq!(read32(&mut function, region::CONFIG, 4) & 0xffff, 0);
    assert_eq!(function.host().memory().maps(), 0);
}

#[test]
fn memory_that_cannot_be_read_is_refused() {
    let error = function()
        .map(0, 4096, 0, vfio_user::DmaMapFlags::WRITE, None)
        .unwrap_err();
    assert!(matches!(error, MapError::Range(0, 4096)), "{error}");
}
