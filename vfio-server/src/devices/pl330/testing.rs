// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A bus and a machine for the tests of this module. Encodings are written out once more, from DDI 0424 §4.3.
#![expect(
    clippy::cast_possible_truncation,
    reason = "addresses and operands of tests are small"
)]

use std::ops::Range;
use std::sync::LazyLock;

use super::bus::{Bus, BusError, Protection};
use super::config::Config;
use super::decode::Instruction;
use super::engine::{Activity, Engine};
use super::events::EventRegisters;
use super::spec::{Faults, Status};

/// Memory from address 0 on.
pub(super) const MEMORY: u32 = 0x4_0000;

/// A recorded access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Fetch,
    Read,
    Write,
}

/// An access that the bus saw: kind, address, length, protection.
pub(super) type Seen = (Op, u32, usize, Protection);

/// RAM with holes.
#[derive(Clone, Debug)]
pub(super) struct Ram {
    pub(super) bytes: Vec<u8>,
    pub(super) holes: Vec<Range<u32>>,
    pub(super) seen: Vec<Seen>,
}

impl Default for Ram {
    fn default() -> Self {
        static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let words = (0..MEMORY / 4).map(|n| n.wrapping_mul(0x9e37_79b1));
            words.flat_map(u32::to_be_bytes).collect()
        });
        let bytes = BYTES.clone();
        Self {
            bytes,
            holes: Vec::new(),
            seen: Vec::new(),
        }
    }
}

impl Ram {
    fn locate(
        &mut self,
        op: Op,
        address: u32,
        length: usize,
        protection: Protection,
    ) -> Result<Range<usize>, BusError> {
        assert!(
            length > 0 && address as usize % 4096 + length <= 4096,
            "{op:?} {address:#x} {length}"
        );
        self.seen.push((op, address, length, protection));
        let range = address as usize..address as usize + length;
        let hole = self
            .holes
            .iter()
            .any(|hole| hole.start < range.end as u32 && (range.start as u32) < hole.end);
        if hole || range.end > self.bytes.len() {
            Err(BusError)
        } else {
            Ok(range)
        }
    }

    /// The data accesses: kind, address, length.
    pub(super) fn data(&self) -> Vec<(Op, u32, usize)> {
        self.seen
            .iter()
            .filter(|seen| seen.0 != Op::Fetch)
            .map(|seen| (seen.0, seen.1, seen.2))
            .collect()
    }
}

impl Bus for Ram {
    fn fetch(&mut self, address: u32, data: &mut [u8], non_secure: bool) -> Result<(), BusError> {
        let protection = Protection {
            privileged: true,
            non_secure,
            instruction: true,
        };
        let range = self.locate(Op::Fetch, address, data.len(), protection)?;
        data.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    fn read(&mut self, address: u32, data: &mut [u8], protection: Protection) -> Result<(), BusError> {
        let range = self.locate(Op::Read, address, data.len(), protection)?;
        data.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    fn write(&mut self, address: u32, data: &[u8], protection: Protection) -> Result<(), BusError> {
        let range = self.locate(Op::Write, address, data.len(), protection)?;
        self.bytes[range].copy_from_slice(data);
        Ok(())
    }
}

/// Address of the programs of the tests.
pub(super) const CODE: u32 = 0x3_0000;

/// A controller with memory.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) engine: Engine,
    pub(super) ram: Ram,
    pub(super) events: EventRegisters,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new(Config {
            peripherals_requesting: 0,
            ..Config::default()
        })
    }
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        Self {
            engine: Engine::new(config),
            ram: Ram::default(),
            events: EventRegisters::default(),
        }
    }

    /// Writes a program for a channel and starts it, Non-secure.
    pub(super) fn go(&mut self, channel: u8, program: &[u8]) {
        let at = CODE + u32::from(channel) * 0x1000;
        self.ram.bytes[at as usize..at as usize + program.len()].copy_from_slice(program);
        assert!(!self.debug(None, &go(channel, true, at)), "DMAGO faults");
    }

    /// Executes a debug instruction as the manager or as a channel.
    pub(super) fn debug(&mut self, channel: Option<u8>, instruction: &[u8]) -> bool {
        let mut bytes = [0; 6];
        bytes[..instruction.len()].copy_from_slice(instruction);
        let thread = channel.map_or(0, |channel| 1 | u32::from(channel) << 8);
        let first = thread | u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 24;
        let second = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        self.engine.debug([first, second], &mut self.events)
    }

    /// One slice.
    pub(super) fn slice(&mut self) -> Activity {
        self.engine.run(&mut self.ram, &mut self.events)
    }

    /// Slices until nothing is left to do. Returns whether a thread faulted.
    pub(super) fn run(&mut self) -> bool {
        let mut abort = false;
        for _ in 0..10_000 {
            let activity = self.slice();
            abort |= activity.abort;
            if !activity.runnable {
                return abort;
            }
        }
        panic!("the program does not end");
    }

    /// Runs a program on channel 0 and looks at how it ends.
    pub(super) fn ends(&mut self, program: &[&[u8]]) -> (Status, Faults) {
        self.go(0, &program.concat());
        self.run();
        (self.status(0), self.faults(0))
    }

    pub(super) fn status(&self, channel: usize) -> Status {
        let number = self.engine.view().channels[channel]
            .status
            .channel_status()
            .value();
        [
            Status::Stopped,
            Status::Executing,
            Status::WaitingForEvent,
            Status::WaitingForPeripheral,
            Status::Faulting,
        ]
        .into_iter()
        .find(|status| *status as u8 == number)
        .expect("a status")
    }

    pub(super) fn faults(&self, channel: usize) -> Faults {
        self.engine.view().channels[channel].faults
    }
}

pub(super) const END: &[u8] = &[0x00];
pub(super) const KILL: &[u8] = &[0x01];
pub(super) const LD: &[u8] = &[0x04];
pub(super) const ST: &[u8] = &[0x08];
pub(super) const STZ: &[u8] = &[0x0c];
pub(super) const RMB: &[u8] = &[0x12];
pub(super) const WMB: &[u8] = &[0x13];

fn mov(register: u8, value: u32) -> [u8; 6] {
    let [a, b, c, d] = value.to_le_bytes();
    [0xbc, register, a, b, c, d]
}

pub(super) fn mov_sar(value: u32) -> [u8; 6] {
    mov(0, value)
}

pub(super) fn mov_ccr(value: u32) -> [u8; 6] {
    mov(1, value)
}

pub(super) fn mov_dar(value: u32) -> [u8; 6] {
    mov(2, value)
}

pub(super) fn go(channel: u8, non_secure: bool, address: u32) -> [u8; 6] {
    let [a, b, c, d] = address.to_le_bytes();
    [0xa0 | u8::from(non_secure) << 1, channel, a, b, c, d]
}

/// DMALP.
pub(super) fn lp(counter: u8, iterations: u16) -> [u8; 2] {
    [0x20 | counter << 1, (iterations - 1) as u8]
}

/// DMALPEND.
pub(super) fn lpend(counter: u8, jump: u8) -> [u8; 2] {
    [0x38 | counter << 2, jump]
}

pub(super) fn sev(event: u8) -> [u8; 2] {
    [0x34, event << 3]
}

pub(super) fn wfe(event: u8) -> [u8; 2] {
    [0x36, event << 3]
}

/// `CCRn` of both sides alike: Non-secure, incrementing, beats of `1 << size` bytes.
pub(super) fn ccr(size: u32, beats: u32) -> u32 {
    let side = 1 | size << 1 | (beats - 1) << 4;
    side | side << 14 | 1 << 9 | 1 << 23
}

/// Decodes an instruction.
pub(super) fn decoded(bytes: &[u8]) -> Result<Instruction, Faults> {
    let mut all = [0; 6];
    all[..bytes.len()].copy_from_slice(bytes);
    super::decode::decode(&all)
}
