// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any microcode, on a PL330 of any configuration, with register accesses between the slices.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vfio_server::devices::pl330::bus::{Bus, BusError, Protection};
use vfio_server::devices::pl330::channel::QUANTUM;
use vfio_server::devices::pl330::config::Config;
use vfio_server::devices::pl330::engine::Engine;
use vfio_server::devices::pl330::registers::Registers;

/// RAM whose third page is not there; the first holds the programs.
struct Ram {
    bytes: Vec<u8>,
    accesses: u32,
}

impl Ram {
    fn at(&mut self, address: u32, length: usize) -> Result<&mut [u8], BusError> {
        assert!(length > 0 && address as usize % 4096 + length <= 4096);
        self.accesses += 1;
        if address >> 12 == 2 {
            return Err(BusError);
        }
        self.bytes
            .get_mut(address as usize..)
            .and_then(|bytes| bytes.get_mut(..length))
            .ok_or(BusError)
    }
}

impl Bus for Ram {
    fn fetch(&mut self, address: u32, data: &mut [u8], _: bool) -> Result<(), BusError> {
        self.read(address, data, Protection::default())
    }

    fn read(&mut self, address: u32, data: &mut [u8], _: Protection) -> Result<(), BusError> {
        data.copy_from_slice(self.at(address, data.len())?);
        Ok(())
    }

    fn write(&mut self, address: u32, data: &[u8], _: Protection) -> Result<(), BusError> {
        self.at(address, data.len())?.copy_from_slice(data);
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((head, microcode)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let config = Config {
        channels: 1 + head[0] % 8,
        events: 1 + head[1] % 32,
        peripherals: head[2] % 33,
        manager_non_secure: head[3] & 1 != 0,
        events_non_secure: u32::from(head[3] | 3),
        peripherals_non_secure: u32::from(head[4] | 3),
        peripherals_requesting: u32::from(head[5]),
        bus_width: 2 + head[6] % 3,
        mfifo_lines: 1 + u16::from(head[7]),
    };
    let mut ram = Ram {
        bytes: vec![0; 4 * 4096],
        accesses: 0,
    };
    for (to, from) in ram.bytes.iter_mut().zip(microcode) {
        *to = *from;
    }
    let (mut engine, mut registers) = (Engine::new(config.clone()), Registers::new(config.clone()));
    for slice in 0..4_u32 {
        // DMAGO of a channel, 64 bytes of program each; then whatever the input says.
        let go = [0x00a2_0000 | slice << 24, slice * 64];
        let at = 512 + slice as usize * 8;
        let input = microcode.get(at..at + 8).map_or(go, |bytes| {
            [0, 4].map(|n| u32::from_le_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]))
        });
        for words in [go, input] {
            registers.write(0xd08, &words[0].to_le_bytes());
            registers.write(0xd0c, &words[1].to_le_bytes());
            registers.write(u64::from(words[1] & 0xfff), &words[0].to_le_bytes());
            registers.write(0xd04, &[0; 4]);
            if let Some(words) = registers.take_debug() {
                engine.debug(words, &mut registers.events);
            }
            engine.set_lock_up_only_interrupts(registers.lock_up_only_interrupts());
            ram.accesses = 0;
            engine.run(&mut ram, &mut registers.events);
            assert!(ram.accesses <= QUANTUM * 20 * u32::from(config.channels));
            assert!(engine.held() <= config.mfifo_bytes());
            registers.publish(engine.view());
        }
        for offset in (0..0x1000).step_by(4) {
            registers.read(offset, &mut [0; 4]);
        }
    }
});
