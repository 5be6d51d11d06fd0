// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A CPU for the few instructions of the shim, as a decoder that is not the assembler's reads them.

use std::collections::BTreeMap;

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

use crate::machine::layout;

/// In x0 when the shim begins.
pub const DEVICE_TREE: u64 = 0x4800_0000;
/// Where QEMU puts an Image with text offset 0.
const START: u64 = layout::MEMORY + 0x20_0000;
const MOST_STEPS: usize = 100_000;

/// Registers and memory.
pub struct Cpu {
    pub x: [u64; 31],
    pub pc: u64,
    /// Stores of the program: address, bytes, value.
    pub stores: Vec<(u64, usize, u64)>,
    equal: bool,
    memory: BTreeMap<u64, u8>,
}

impl Cpu {
    /// A CPU at the first instruction of an image; its registers hold what nobody promises.
    pub fn new(image: &[u8]) -> Self {
        Self {
            x: [0x5a5a_5a5a_5a5a_5a5a; 31],
            pc: START,
            stores: Vec::new(),
            equal: false,
            memory: (START..).zip(image.iter().copied()).collect(),
        }
    }

    /// Puts a value into memory before the program runs.
    pub fn store(&mut self, address: u64, bytes: usize, value: u64) {
        self.memory
            .extend((address..).zip(value.to_le_bytes()[..bytes].to_vec()));
    }

    fn load(&self, address: u64, bytes: usize) -> u64 {
        let byte = |at: usize| {
            let address = address + at as u64;
            u64::from(*self.memory.get(&address).unwrap_or(&0)) << (8 * at)
        };
        (0..bytes).map(byte).sum()
    }

    /// Runs until the program leaves its image by `br`.
    pub fn run(&mut self) {
        for _ in 0..MOST_STEPS {
            let word = self.load(self.pc, 4).to_le_bytes();
            let decoded = InstDecoder::default().decode(&mut U8Reader::new(&word[..4]));
            let text = decoded
                .unwrap_or_else(|error| panic!("{word:x?}: {error:?}"))
                .to_string();
            if self.step(&text) {
                return;
            }
        }
        panic!("it does not end");
    }

    /// Carries an instruction out. Returns whether it is the last one.
    fn step(&mut self, text: &str) -> bool {
        let (name, operands) = text.split_once(' ').unwrap_or((text, ""));
        let of: Vec<&str> = operands
            .split(", ")
            .map(|part| part.trim_matches(['[', ']']))
            .collect();
        let mut next = self.pc + 4;
        match (name, &*of) {
            ("b", [to]) => next = self.target(to),
            ("b.eq", [to]) => next = if self.equal { self.target(to) } else { next },
            ("cbz", [register, to]) => {
                next = if self.value(register) == 0 {
                    self.target(to)
                } else {
                    next
                }
            }
            ("adr", [register, to]) => self.set(register, self.target(to)),
            ("mov", [register, from]) => self.set(register, self.value(from)),
            ("movk", [register, from]) => {
                self.set(register, self.value(register) & !0xffff | self.value(from))
            }
            ("add", [register, a, b]) => self.set(register, self.value(a).wrapping_add(self.value(b))),
            ("sub", [register, a, b]) => self.set(register, self.value(a).wrapping_sub(self.value(b))),
            ("and", [register, a, b]) => self.set(register, self.value(a) & self.value(b)),
            ("orr", [register, a, b]) => self.set(register, self.value(a) | self.value(b)),
            ("cmp", [a, b]) => self.equal = self.value(a) == self.value(b),
            ("ldp", [low, high, base, offset]) => {
                let address = self.value(base) + self.value(offset);
                self.set(low, self.load(address, 4));
                self.set(high, self.load(address + 4, 4));
            }
            ("ldr" | "ldrh" | "ldrb", [register, base, offset @ ..]) => {
                let address = self.value(base) + offset.first().map_or(0, |offset| self.value(offset));
                self.set(register, self.load(address, bytes(name, register)));
            }
            ("str" | "strh", [register, base, offset @ ..]) => {
                let address = self.value(base) + offset.first().map_or(0, |offset| self.value(offset));
                let (bytes, value) = (bytes(name, register), self.value(register));
                self.store(address, bytes, value);
                let stored = self.load(address, bytes);
                self.stores.push((address, bytes, stored));
            }
            ("dsb", ["sy"]) => {}
            ("br", [register]) => {
                self.pc = self.value(register);
                return true;
            }
            _ => panic!("{:#x}: {text}", self.pc),
        }
        self.pc = next;
        false
    }

    fn target(&self, text: &str) -> u64 {
        let offset = number(text.trim_start_matches('$').trim_start_matches(['+', '-']));
        if text.starts_with("$-") {
            self.pc - offset
        } else {
            self.pc + offset
        }
    }

    fn value(&self, text: &str) -> u64 {
        match text.strip_prefix('#') {
            Some(text) => number(text),
            None => match text.split_at(1) {
                ("w", register) => self.x[register.parse::<usize>().unwrap()] & 0xffff_ffff,
                ("x", register) => self.x[register.parse::<usize>().unwrap()],
                _ => panic!("{text}"),
            },
        }
    }

    fn set(&mut self, register: &str, value: u64) {
        let (width, number) = register.split_at(1);
        let value = if width == "w" { value & 0xffff_ffff } else { value };
        self.x[number.parse::<usize>().unwrap()] = value;
    }
}

fn bytes(name: &str, register: &str) -> usize {
    match name.as_bytes().last() {
        Some(b'h') => 2,
        Some(b'b') => 1,
        _ if register.starts_with('w') => 4,
        _ => 8,
    }
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}
