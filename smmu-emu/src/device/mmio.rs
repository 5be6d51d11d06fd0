// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register accesses: the place of a register, width and halves, access rule; then [`crate::device::effects`].

use crate::arch::frame::{Access, AccessKind, Frame};
use crate::arch::memory::little_endian;
use crate::device::injection::{Answer, Seen};
use crate::device::smmu::Smmu;
use crate::host::env::{Env, Host};
use crate::host::events::{Accessed, Change, Event};
use crate::host::injected::DelayedReply;
use crate::registers::lookup::RegisterHit;
use crate::registers::options;
use crate::registers::register::{RegisterId, Security};
use crate::spec::effect::Effect;
use crate::spec::regs;

impl Smmu {
    /// Reads registers as Non-secure software. Any offset and length: what no register answers reads as zero (RAZ).
    /// Returns the delay of the reply, if a rule of the plan makes it late.
    pub fn read(&mut self, host: &mut dyn Host, offset: u64, data: &mut [u8]) -> Option<DelayedReply> {
        self.read_as(host, Security::NonSecure, offset, data)
    }

    /// Writes registers as Non-secure software. Any offset and length: what no register takes is ignored (WI).
    /// Returns the delay of the reply, if a rule of the plan makes it late.
    pub fn write(&mut self, env: &mut dyn Env, offset: u64, data: &[u8]) -> Option<DelayedReply> {
        self.write_as(env, Security::NonSecure, offset, data)
    }

    /// Reads registers as Secure software; the same as [`Self::read`] unless the SMMU has Secure state.
    pub fn read_secure(&mut self, host: &mut dyn Host, offset: u64, data: &mut [u8]) -> Option<DelayedReply> {
        self.read_as(host, Security::Secure, offset, data)
    }

    /// Writes registers as Secure software; the same as [`Self::write`] unless the SMMU has Secure state.
    pub fn write_secure(&mut self, env: &mut dyn Env, offset: u64, data: &[u8]) -> Option<DelayedReply> {
        self.write_as(env, Security::Secure, offset, data)
    }

    fn read_as(
        &mut self,
        host: &mut dyn Host,
        security: Security,
        offset: u64,
        data: &mut [u8],
    ) -> Option<DelayedReply> {
        let (frame, hit) = self.map().locate(offset, data.len(), security);
        let answer = self.answer(host, AccessKind::Read, frame, hit.as_ref());
        if answer == Answer::Nobody {
            data.fill(u8::MAX);
        } else {
            let value = hit.as_ref().map_or(0, |hit| {
                let value = answer.replaced(self.touch(host, &hit.id));
                (value & hit.lanes) >> hit.shift
            });
            data.fill(0);
            for (byte, from) in data.iter_mut().zip(value.to_le_bytes()) {
                *byte = from;
            }
        }
        let value = little_endian(data);
        let access = access(AccessKind::Read, frame, hit.as_ref(), offset, data.len(), value);
        self.conclude_access(host, &access, hit.as_ref(), None)
    }

    fn write_as(
        &mut self,
        env: &mut dyn Env,
        security: Security,
        offset: u64,
        data: &[u8],
    ) -> Option<DelayedReply> {
        let (frame, hit) = self.map().locate(offset, data.len(), security);
        let before = hit.as_ref().filter(|_| env.traces());
        let before = before.and_then(|hit| self.whole(env, &hit.id));
        let answer = self.answer(env, AccessKind::Write, frame, hit.as_ref());
        let value = little_endian(data);
        if let (Some(hit), Answer::Normal) = (&hit, answer) {
            // Whatever was written may change a translation: no thread's own copies count from here on.
            self.epoch.advance();
            self.store(env, hit, value << hit.shift);
        }
        let access = access(AccessKind::Write, frame, hit.as_ref(), offset, data.len(), value);
        self.conclude_access(env, &access, hit.as_ref(), before)
    }

    /// The whole register as a read without side effects finds it. Event counters are left out: reading them counts.
    fn whole(&self, host: &dyn Host, id: &RegisterId) -> Option<u64> {
        match id.row.effect {
            Effect::Counters | Effect::CounterView(_) => None,
            _ => Some(self.look(host, id)),
        }
    }

    /// The plan's answer to an access that begins.
    fn answer(
        &mut self,
        host: &mut dyn Host,
        kind: AccessKind,
        frame: Frame,
        hit: Option<&RegisterHit>,
    ) -> Answer {
        if self.injector.sees_registers() {
            self.injector.register(host, &seen(kind, frame, hit))
        } else {
            Answer::Normal
        }
    }

    /// An access has taken effect: reports it, and asks the plan for the delay of its reply. `before` is what a write
    /// found.
    fn conclude_access(
        &mut self,
        host: &mut dyn Host,
        access: &Access,
        hit: Option<&RegisterHit>,
        before: Option<u64>,
    ) -> Option<DelayedReply> {
        self.report(host, access, hit, before);
        if !self.injector.sees_registers() {
            return None;
        }
        self.injector
            .delayed_reply(host, &seen(access.kind, access.frame, hit))
    }

    /// Tells the environment of an access; `before` is what a write found.
    fn report(&self, host: &mut dyn Host, access: &Access, hit: Option<&RegisterHit>, before: Option<u64>) {
        host.access(access);
        if !host.traces() {
            return;
        }
        let after = hit.and_then(|hit| self.whole(host, &hit.id));
        host.trace(&Event::Access(Accessed {
            access: *access,
            whole: hit.is_some_and(|hit| hit.lanes.count_ones() == 8 * hit.id.row.width),
            change: before.zip(after).map(|(before, after)| Change { before, after }),
            form: hit.and_then(|hit| self.form_of(&hit.id)),
        }));
    }

    /// Applies the access rule, then the effect.
    fn store(&mut self, env: &mut dyn Env, hit: &RegisterHit, written: u64) {
        let RegisterHit { id, lanes, .. } = hit;
        let writable = options::writable(&self.geometry, &self.registers, id);
        let old = self.registers.get(id);
        let new = id.row.merge(writable, old, written, *lanes);
        let new = options::filtered(&self.geometry, id, old, new);
        self.registers.set(id, new);
        // A trigger of 64 bits acts on its low half alone, extended with zeros; the upper half on its own does
        // nothing (IHI 0062D §5).
        let upper_half_alone = id.row.access == regs::AccessRule::Wo && hit.shift != 0;
        if !upper_half_alone && id.row.access != regs::AccessRule::Raz {
            self.write_effect(env, id, written & id.row.write & lanes);
        }
    }
}

fn seen(kind: AccessKind, frame: Frame, hit: Option<&RegisterHit>) -> Seen {
    let (name, index) = hit.map_or((Access::RESERVED, 0), |hit| (hit.id.row.name, hit.id.number));
    Seen {
        kind,
        frame,
        name,
        index,
    }
}

fn access(
    kind: AccessKind,
    frame: Frame,
    hit: Option<&RegisterHit>,
    offset: u64,
    length: usize,
    value: u64,
) -> Access {
    let (name, index) = hit.map_or((Access::RESERVED, 0), |hit| (hit.id.row.name, hit.id.number));
    Access {
        name,
        frame,
        index,
        kind,
        width: u8::try_from(length).unwrap_or(u8::MAX),
        value,
        offset,
    }
}
