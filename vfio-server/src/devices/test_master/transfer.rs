// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A transfer: what was asked for, made round by round.

use std::time::Duration;

use super::registers::{NO_MISMATCH, Register, Registers, Status, WINDOW_SIZE};
use crate::dma::port::{Access, Port, Refusal};
use crate::host::dma_gate::Revoked;
use crate::sync::{Mutex, MutexGuard};

/// Bytes that the thread moves at once.
const CHUNK: usize = 4096;

/// Time that a bus error takes where a transfer goes on after it: without it the thread would hardly leave the SMMU to
/// the handler that clears the fault.
const ERROR_TIME: Duration = Duration::from_micros(20);

/// A requested transfer.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) serial: u64,
    pub(super) address: u64,
    pub(super) length: usize,
    pub(super) write: bool,
    pub(super) access: Access,
    pub(super) seed: u32,
    /// Whether it goes on with the next page after a bus error.
    pub(super) goes_on: bool,
    /// Data to write instead of the pattern.
    pub(super) window: Option<Box<[u8; WINDOW_SIZE]>>,
    pub(super) repeat: u32,
}

/// Result of one round.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    done: usize,
    errors: u32,
    checksum: u32,
    mismatch: Option<usize>,
}

impl Transfer {
    /// Makes the transfer and shows how it went.
    pub(super) fn run(&self, port: &mut Port, registers: &Mutex<Registers>) -> Result<(), Revoked> {
        let (mut rounds, mut errors): (u32, u32) = (0, 0);
        loop {
            let mut round = Round::default();
            let status = match self.round(port, &mut round, registers) {
                Err(Refusal::Revoked(revoked)) => return Err(revoked),
                Err(Refusal::Aborted) => Some(Status::BusError),
                Ok(()) => {
                    rounds = rounds.saturating_add(1);
                    let is_last = self.repeat != 0 && rounds >= self.repeat || registers.lock().stop;
                    is_last.then_some(Status::Done)
                }
            };
            errors = errors.saturating_add(round.errors);
            let mut registers = self.ours(registers)?;
            for (register, value) in [
                (Register::Done, offset(round.done)),
                (Register::Rounds, rounds),
                (Register::Checksum, round.checksum),
                (Register::Mismatch, round.mismatch.map_or(NO_MISMATCH, offset)),
                (Register::Errors, errors),
            ] {
                registers.set(register, value);
            }
            if let Some(status) = status {
                registers.set(Register::Status, status as u32);
                return Ok(());
            }
        }
    }

    fn round(&self, port: &mut Port, round: &mut Round, registers: &Mutex<Registers>) -> Result<(), Refusal> {
        let mut buffer = [0; CHUNK];
        let mut checksum = crc32fast::Hasher::new();
        while round.done < self.length {
            let address = self.address.wrapping_add(round.done as u64);
            // To the end of a page, so that what was done is known by the page.
            let room = CHUNK - usize::try_from(address % CHUNK as u64).unwrap_or(0);
            let chunk = buffer
                .get_mut(..room.min(self.length - round.done))
                .unwrap_or_default();
            let moved = if self.write {
                self.fill(chunk, round.done);
                port.write(address, chunk, self.access)
            } else {
                port.read(address, chunk, self.access)
            };
            match moved {
                Ok(()) => {
                    if !self.write {
                        self.look_at(chunk, round, registers)?;
                    }
                    checksum.update(chunk);
                }
                Err(Refusal::Aborted) => {
                    round.errors += 1;
                    if !self.goes_on {
                        return Err(Refusal::Aborted);
                    }
                    std::thread::sleep(ERROR_TIME);
                }
                Err(revoked) => return Err(revoked),
            }
            round.done += chunk.len();
        }
        round.checksum = checksum.finalize();
        Ok(())
    }

    /// Fills a chunk with the data to write, from so many bytes after ADDRESS on.
    fn fill(&self, chunk: &mut [u8], from: usize) {
        match &self.window {
            Some(window) => {
                let bytes = window.iter().cycle().skip(from % WINDOW_SIZE);
                chunk.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
            }
            None => pattern(self.seed, chunk, from),
        }
    }

    fn look_at(&self, chunk: &[u8], round: &mut Round, registers: &Mutex<Registers>) -> Result<(), Revoked> {
        let mut expected = [0; CHUNK];
        let expected = expected.get_mut(..chunk.len()).unwrap_or_default();
        pattern(self.seed, expected, round.done);
        if round.mismatch.is_none() {
            let differs = chunk.iter().zip(&*expected).position(|(a, b)| a != b);
            round.mismatch = differs.map(|at| round.done + at);
        }
        let mut registers = self.ours(registers)?;
        for (to, byte) in registers.window.iter_mut().skip(round.done).zip(chunk) {
            *to = *byte;
        }
        Ok(())
    }

    /// The registers, unless a reset came between.
    fn ours<'a>(&self, registers: &'a Mutex<Registers>) -> Result<MutexGuard<'a, Registers>, Revoked> {
        let registers = registers.lock();
        if registers.serial == self.serial {
            Ok(registers)
        } else {
            Err(Revoked)
        }
    }
}

/// The bytes of the pattern of a seed, from an offset on.
pub fn pattern(seed: u32, bytes: &mut [u8], from: usize) {
    for (at, byte) in (from..).zip(bytes) {
        let word = seed.wrapping_add(offset(at / 4)).wrapping_mul(0x9e37_79b1);
        *byte = word.to_le_bytes()[at % 4];
    }
}

/// An offset within a transfer, which [`LIMIT`](super::registers::LIMIT) keeps small.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
