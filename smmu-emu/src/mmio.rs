// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From a bus access to a register and back: frame, row, width and halves, access rule; then [`crate::effects`].

use crate::Smmu;
use crate::env::{Access, AccessKind, Env, Frame};
use crate::options::{self, Target};
use crate::regs::{self, Row, Table};
use crate::spec::cb::Cb;
use crate::spec::gr0::Gr0;
use crate::spec::gr1::Gr1;

/// The part of a register that an access covers.
struct Hit {
    target: Target,
    row: &'static Row,
    /// Bits from the register's bit 0 to the access's bit 0: 32 for the upper half of a 64-bit register.
    shift: u32,
    /// The register's bits that the access covers.
    lanes: u64,
}

impl Smmu {
    /// Reads registers. Any offset and length: what no register answers reads as zero (RAZ).
    pub fn read(&mut self, env: &mut dyn Env, offset: u64, data: &mut [u8]) {
        let (frame, hit) = self.locate(offset, data.len());
        let value = hit
            .as_ref()
            .map_or(0, |hit| (self.load(env, hit.target) & hit.lanes) >> hit.shift);
        data.fill(0);
        for (byte, from) in data.iter_mut().zip(value.to_le_bytes()) {
            *byte = from;
        }
        self.report(env, AccessKind::Read, frame, hit.as_ref(), offset, data);
    }

    /// Writes registers. Any offset and length: what no register takes is ignored (WI).
    pub fn write(&mut self, env: &mut dyn Env, offset: u64, data: &[u8]) {
        let (frame, hit) = self.locate(offset, data.len());
        if let Some(hit) = &hit {
            // Whatever was written may change a translation: no thread's own copies count from here on.
            self.epoch.advance();
            self.store(env, hit, little_endian(data) << hit.shift);
        }
        self.report(env, AccessKind::Write, frame, hit.as_ref(), offset, data);
    }

    fn report(
        &self,
        env: &mut dyn Env,
        kind: AccessKind,
        frame: Frame,
        hit: Option<&Hit>,
        offset: u64,
        data: &[u8],
    ) {
        let (name, index) = hit.map_or((Access::RESERVED, 0), |hit| {
            let index = match hit.target {
                Target::Gr0(_, index) | Target::Gr1(_, index) => index,
                Target::Cb(_, bank) => bank.into(),
            };
            (hit.row.name, index)
        });
        let width = u8::try_from(data.len()).unwrap_or(u8::MAX);
        env.access(&Access {
            name,
            frame,
            index,
            kind,
            width,
            value: little_endian(data),
            offset,
        });
    }

    /// The frame of an offset and, if a register answers this width there, the part of it that the access covers.
    ///
    /// 32-bit accesses reach every register and both halves of 64-bit ones, 64-bit accesses only 64-bit registers.
    /// Bytes and halfwords reach none (IHI 0062D §8.1 leaves them open): merging them would clear or trigger.
    fn locate(&self, offset: u64, width: usize) -> (Frame, Option<Hit>) {
        let page = offset >> self.geometry.page_size.shift();
        let pages = self.geometry.page_count();
        let number = u16::try_from(page % pages).unwrap_or(u16::MAX);
        let frame = match page / pages {
            0 if number == 0 => Frame::Gr0,
            0 if number == 1 => Frame::Gr1,
            0 => Frame::Global(number),
            1 => Frame::Context(number),
            _ => Frame::Outside,
        };
        let in_page =
            u32::try_from(offset & ((1 << self.geometry.page_size.shift()) - 1)).unwrap_or(u32::MAX);
        let found = match frame {
            Frame::Gr0 => Gr0::decode(in_page).map(|(reg, index)| (Target::Gr0(reg, index), reg.row())),
            Frame::Gr1 => Gr1::decode(in_page).map(|(reg, index)| (Target::Gr1(reg, index), reg.row())),
            Frame::Context(bank) if bank < self.geometry.context_banks => u8::try_from(bank)
                .ok()
                .and_then(|bank| Cb::decode(in_page).map(|(reg, _)| (Target::Cb(reg, bank), reg.row()))),
            Frame::Context(_) | Frame::Global(_) | Frame::Outside => None,
        };
        let hit = found.filter(|(target, _)| options::present(&self.geometry, *target));
        let hit = hit.and_then(|(target, row)| {
            let byte = (in_page - row.offset) % row.width;
            let (shift, lanes) = match (width, row.width, byte) {
                (8, 8, 0) => (0, u64::MAX),
                (4, _, 0) => (0, u64::from(u32::MAX)),
                (4, 8, 4) => (32, !u64::from(u32::MAX)),
                _ => return None,
            };
            Some(Hit {
                target,
                row,
                shift,
                lanes,
            })
        });
        (frame, hit)
    }

    /// The register's value as software reads it.
    fn load(&mut self, env: &dyn Env, target: Target) -> u64 {
        let stored = match target {
            Target::Gr0(register, index) => self.registers.gr0.get(register, index),
            Target::Gr1(register, index) => self.registers.gr1.get(register, index),
            Target::Cb(register, bank) => self.registers.bank(bank, register),
        };
        self.read_effect(env, target, stored)
    }

    /// Applies the access rule, then the side effect.
    fn store(&mut self, env: &mut dyn Env, hit: &Hit, written: u64) {
        let Hit {
            target, row, lanes, ..
        } = *hit;
        let writable = options::writable(&self.geometry, &self.registers, target);
        let merge = |old| row.merge(writable, old, written, lanes);
        match target {
            Target::Gr0(register, index) => {
                let new = merge(self.registers.gr0.get(register, index));
                self.registers.gr0.set(register, index, new);
            }
            Target::Gr1(register, index) => {
                let new = merge(self.registers.gr1.get(register, index));
                self.registers.gr1.set(register, index, new);
            }
            Target::Cb(register, bank) => {
                let new = merge(self.registers.bank(bank, register));
                self.registers.set_bank(bank, register, new);
            }
        }
        // A trigger of 64 bits acts on its low half alone, extended with zeros; the upper half on its own does
        // nothing (IHI 0062D §5).
        let trigger = row.access != regs::Access::Wo || hit.shift == 0;
        if trigger && row.access != regs::Access::Raz {
            self.write_effect(env, target, written & row.write & lanes);
        }
    }
}

/// At most eight bytes as a number.
fn little_endian(data: &[u8]) -> u64 {
    data.iter()
        .take(8)
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}
