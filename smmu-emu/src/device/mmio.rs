// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register accesses: the place of a register, width and halves, access rule; then [`crate::device::effects`].

use crate::arch::frame::{Access, AccessKind, Frame};
use crate::arch::memory::little_endian;
use crate::device::injection::{Answer, Seen};
use crate::device::smmu::Smmu;
use crate::host::env::Env;
use crate::host::events::{Accessed, Change, Event};
use crate::registers::lookup::{Hit, Place};
use crate::registers::options::{self, Target};
use crate::registers::secure::{self, Security};
use crate::spec::gr0::Gr0;
use crate::spec::regs;

impl Smmu {
    /// Reads registers as Non-secure software. Any offset and length: what no register answers reads as zero (RAZ).
    pub fn read(&mut self, env: &mut dyn Env, offset: u64, data: &mut [u8]) {
        self.read_as(env, Security::NonSecure, offset, data);
    }

    /// Writes registers as Non-secure software. Any offset and length: what no register takes is ignored (WI).
    pub fn write(&mut self, env: &mut dyn Env, offset: u64, data: &[u8]) {
        self.write_as(env, Security::NonSecure, offset, data);
    }

    /// Reads registers as Secure software; the same as [`Self::read`] unless the SMMU has Secure state.
    pub fn read_secure(&mut self, env: &mut dyn Env, offset: u64, data: &mut [u8]) {
        self.read_as(env, Security::Secure, offset, data);
    }

    /// Writes registers as Secure software; the same as [`Self::write`] unless the SMMU has Secure state.
    pub fn write_secure(&mut self, env: &mut dyn Env, offset: u64, data: &[u8]) {
        self.write_as(env, Security::Secure, offset, data);
    }

    fn read_as(&mut self, env: &mut dyn Env, security: Security, offset: u64, data: &mut [u8]) {
        let (frame, hit) = self.map().locate(offset, data.len(), security);
        let answer = self.answer(env, AccessKind::Read, frame, hit.as_ref());
        if answer == Answer::Nobody {
            data.fill(u8::MAX);
        } else {
            let value = hit.as_ref().map_or(0, |hit| {
                let value = answer.replaced(self.load(env, hit.place, security));
                (value & hit.lanes) >> hit.shift
            });
            data.fill(0);
            for (byte, from) in data.iter_mut().zip(value.to_le_bytes()) {
                *byte = from;
            }
        }
        let access = access(AccessKind::Read, frame, hit.as_ref(), offset, data);
        self.conclude_access(env, &access, hit.as_ref(), None);
    }

    fn write_as(&mut self, env: &mut dyn Env, security: Security, offset: u64, data: &[u8]) {
        let (frame, hit) = self.map().locate(offset, data.len(), security);
        let before = hit.as_ref().filter(|_| env.traces());
        let before = before.and_then(|hit| self.whole(env, hit.place));
        let answer = self.answer(env, AccessKind::Write, frame, hit.as_ref());
        if let (Some(hit), Answer::Normal) = (&hit, answer) {
            // Whatever was written may change a translation: no thread's own copies count from here on.
            self.epoch.advance();
            self.store(env, hit, little_endian(data) << hit.shift);
        }
        let access = access(AccessKind::Write, frame, hit.as_ref(), offset, data);
        self.conclude_access(env, &access, hit.as_ref(), before);
    }

    /// The whole register as a read without side effects finds it. Event counters are left out: reading them counts.
    fn whole(&self, env: &dyn Env, place: Place) -> Option<u64> {
        match place {
            Place::Pm(..) | Place::BankPm(..) => None,
            place => Some(self.peek_place(env, place)),
        }
    }

    /// What the plan says of an access that begins.
    fn answer(&mut self, env: &mut dyn Env, kind: AccessKind, frame: Frame, hit: Option<&Hit>) -> Answer {
        if self.injector.sees_registers() {
            self.injector.register(env, &seen(kind, frame, hit))
        } else {
            Answer::Normal
        }
    }

    /// An access has taken effect: reports it, and asks the plan whether its reply is late. `before` is what a write found.
    fn conclude_access(
        &mut self,
        env: &mut dyn Env,
        access: &Access,
        hit: Option<&Hit>,
        before: Option<u64>,
    ) {
        self.report(env, access, hit, before);
        if self.injector.sees_registers() {
            self.injector.hold(env, &seen(access.kind, access.frame, hit));
        }
    }

    /// The register's value as software reads it.
    fn load(&mut self, env: &mut dyn Env, place: Place, security: Security) -> u64 {
        match place {
            Place::Core(target) => {
                let stored = self.stored(target);
                let value = self.read_effect(env, target, stored);
                match target {
                    Target::Gr0(register, _) => {
                        secure::identification(&self.registers, &self.geometry, security, register, value)
                    }
                    _ => value,
                }
            }
            Place::Secure(register) => self.registers.secure.get(register, 0),
            Place::Exsmr(group) => self.registers.smr(group).raw_value().into(),
            Place::Exs2cr(group) => self.registers.s2cr(group).raw_value().into(),
            Place::Gid(register) => self.registers.gid.get(register, 0),
            Place::Prr(register) => self.registers.prr.get(register, 0),
            Place::Pm(register, index) => self.load_pm(env, register, index).into(),
            Place::BankPm(register, index, bank) => self.load_bank_pm(env, register, index, bank).into(),
            Place::Raz => 0,
        }
    }

    fn stored(&self, target: Target) -> u64 {
        match target {
            Target::Gr0(register, index) => self.registers.gr0.get(register, index),
            Target::Gr1(register, index) => self.registers.gr1.get(register, index),
            Target::Cb(register, bank) => self.registers.bank(bank, register),
        }
    }

    /// Tells the environment of an access; `before` is what a write found.
    fn report(&self, env: &mut dyn Env, access: &Access, hit: Option<&Hit>, before: Option<u64>) {
        env.access(access);
        if !env.traces() {
            return;
        }
        let place = hit.map(|hit| hit.place);
        let after = place.and_then(|place| self.whole(env, place));
        env.trace(&Event::Access(Accessed {
            access: *access,
            whole: hit.is_some_and(|hit| hit.lanes.count_ones() == 8 * hit.row.width),
            change: before.zip(after).map(|(before, after)| Change { before, after }),
            form: match place {
                Some(Place::Core(Target::Cb(_, bank))) => Some(self.form(bank)),
                _ => None,
            },
        }));
    }

    /// Applies the access rule, then the side effect.
    fn store(&mut self, env: &mut dyn Env, hit: &Hit, written: u64) {
        let Hit {
            place, row, lanes, ..
        } = *hit;
        match place {
            Place::Core(target) => self.store_core(env, target, hit, written),
            Place::Secure(register) => self.store_secure(register, hit, written),
            Place::Exsmr(group) => {
                let old = self.registers.smr(group).raw_value().into();
                let writable = options::smr_bits(&self.geometry).into();
                self.registers
                    .set_smr(group, row.merge(writable, old, written, lanes));
            }
            Place::Exs2cr(group) => {
                let old = self.registers.s2cr(group).raw_value().into();
                self.registers
                    .set_s2cr(group, row.merge(u64::MAX, old, written, lanes));
            }
            Place::Gid(register) => {
                let old = self.registers.gid.get(register, 0);
                let new = row.merge(u64::MAX, old, written, lanes);
                self.registers.gid.set(register, 0, new);
            }
            Place::Prr(register) => {
                let old = self.registers.prr.get(register, 0);
                let new = row.merge(u64::MAX, old, written, lanes);
                self.registers.prr.set(register, 0, new);
            }
            Place::Pm(register, index) => self.store_pm(env, register, index, word(written)),
            Place::BankPm(register, index, bank) => {
                self.store_bank_pm(env, register, index, bank, word(written));
            }
            Place::Raz => {}
        }
    }

    fn store_core(&mut self, env: &mut dyn Env, target: Target, hit: &Hit, written: u64) {
        let Hit { row, lanes, .. } = *hit;
        let writable = options::writable(&self.geometry, &self.registers, target);
        let new = row.merge(writable, self.stored(target), written, lanes);
        match target {
            Target::Gr0(register, index) => self.registers.gr0.set(register, index, new),
            Target::Gr1(register, index) => self.registers.gr1.set(register, index, new),
            Target::Cb(register, bank) => self.registers.set_bank(bank, register, new),
        }
        // A trigger of 64 bits acts on its low half alone, extended with zeros; the upper half on its own does
        // nothing (IHI 0062D §5).
        let trigger = row.access != regs::Access::Wo || hit.shift == 0;
        if trigger && row.access != regs::Access::Raz {
            self.write_effect(env, target, written & row.write & lanes);
        }
    }

    /// Secure operations have nothing to do: no stream is Secure. Restored faults show in the Secure sGFSR.
    fn store_secure(&mut self, register: Gr0, hit: &Hit, written: u64) {
        let Hit { row, lanes, .. } = *hit;
        let target = Target::Gr0(register, 0);
        let writable = options::writable(&self.geometry, &self.registers, target);
        let file = &mut self.registers.secure;
        if register == Gr0::Sgfsrrestore {
            let faults = file.get(Gr0::Sgfsr, 0) | written & row.write;
            file.set(Gr0::Sgfsr, 0, faults);
        }
        let new = row.merge(writable, file.get(register, 0), written, lanes);
        file.set(register, 0, new);
    }
}

fn seen(kind: AccessKind, frame: Frame, hit: Option<&Hit>) -> Seen {
    let (name, index) = hit.map_or((Access::RESERVED, 0), |hit| (hit.row.name, hit.index));
    Seen {
        kind,
        frame,
        name,
        index,
    }
}

fn access(kind: AccessKind, frame: Frame, hit: Option<&Hit>, offset: u64, data: &[u8]) -> Access {
    let (name, index) = hit.map_or((Access::RESERVED, 0), |hit| (hit.row.name, hit.index));
    let width = u8::try_from(data.len()).unwrap_or(u8::MAX);
    Access {
        name,
        frame,
        index,
        kind,
        width,
        value: little_endian(data),
        offset,
    }
}

/// The low word: registers of the performance monitor have 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the upper word is zero")]
const fn word(value: u64) -> u32 {
    value as u32
}
