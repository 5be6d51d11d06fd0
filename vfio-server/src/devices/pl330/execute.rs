// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Effect of each instruction on a channel (DDI 0424 §4.3).

use super::bus::Bus;
use super::channel::{Channel, Context, protection};
use super::config::Config;
use super::decode::{Instruction, Kind, Target, Wanted};
use super::events::{Events, bit};
use super::spec::{Ccr, Faults, Status};

/// log2 of the largest unit whose bytes change order.
const MAX_SWAP: u8 = 4;

/// Next step after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The instruction at this address.
    Continue(u32),
    /// Retry of the instruction once the MFIFO has room.
    Starved,
    /// The channel waits.
    Wait(Status),
    /// The program is over.
    Stop,
    /// The channel faults.
    Fault(Faults),
}

impl Channel {
    /// Executes an instruction; `next` is the address after it.
    pub(super) fn execute(
        &mut self,
        cx: &mut Context<'_, impl Bus, impl Events>,
        instruction: Instruction,
        next: u32,
    ) -> Outcome {
        match self.carry_out(cx, instruction, next) {
            Ok(outcome) => outcome,
            Err(faults) => Outcome::Fault(faults),
        }
    }

    fn carry_out(
        &mut self,
        cx: &mut Context<'_, impl Bus, impl Events>,
        instruction: Instruction,
        next: u32,
    ) -> Result<Outcome, Faults> {
        match instruction {
            Instruction::Add(target, value) => self.set(cx.config, target, |old| old.wrapping_add(value))?,
            Instruction::Move(target, value) => self.set(cx.config, target, |_| value)?,
            Instruction::Loop(counter, iterations) => self.counters[counter & 1] = iterations,
            Instruction::LoopEnd {
                counter,
                condition,
                jump,
            } => {
                if self.applies(condition) && self.repeats(counter) {
                    return Ok(Outcome::Continue(self.pc.wrapping_sub(jump.into())));
                }
            }
            Instruction::Nop => {}
            Instruction::Load(condition) => {
                if self.applies(condition) {
                    return self.load(cx, condition == Some(Kind::Single), next);
                }
            }
            Instruction::Store(condition) => {
                if self.applies(condition) {
                    self.store(cx, condition == Some(Kind::Single), false)?;
                }
            }
            Instruction::StoreZero => self.store(cx, false, true)?,
            Instruction::LoadPeripheral(kind, peripheral) => {
                self.peripheral(cx.config, peripheral)?;
                if self.request == kind {
                    let outcome = self.load(cx, kind == Kind::Single, next)?;
                    if outcome != Outcome::Starved {
                        cx.requests.end(peripheral);
                    }
                    return Ok(outcome);
                }
            }
            Instruction::StorePeripheral(kind, peripheral) => {
                self.peripheral(cx.config, peripheral)?;
                if self.request == kind {
                    self.store(cx, kind == Kind::Single, false)?;
                    cx.requests.end(peripheral);
                }
            }
            Instruction::FlushPeripheral(peripheral) => {
                self.peripheral(cx.config, peripheral)?;
                cx.requests.end(peripheral);
            }
            Instruction::WaitForPeripheral(wanted, peripheral) => {
                self.peripheral(cx.config, peripheral)?;
                return self.wait_for_peripheral(cx, wanted, peripheral, next);
            }
            Instruction::SendEvent(event) => {
                event_allowed(cx.config, self.non_secure, event)?;
                self.transfer.drain(cx.bus)?;
                cx.events.signal(event);
            }
            Instruction::WaitForEvent { event, invalidate } => {
                event_allowed(cx.config, self.non_secure, event)?;
                self.transfer.drain(cx.bus)?;
                if invalidate {
                    self.cache.invalidate();
                }
                self.wakeup = event;
                self.pc = next;
                // The engine wakes all channels that wait for an event together.
                return Ok(Outcome::Wait(Status::WaitingForEvent));
            }
            Instruction::Barrier => self.transfer.drain(cx.bus)?,
            Instruction::End | Instruction::Kill => {
                self.transfer.drain(cx.bus)?;
                return Ok(Outcome::Stop);
            }
            // The manager's.
            Instruction::Go { .. } => return Err(Faults::UNDEF_INSTR),
        }
        Ok(Outcome::Continue(next))
    }

    /// Whether a condition holds.
    fn applies(&self, condition: Option<Kind>) -> bool {
        condition.is_none_or(|kind| kind == self.request)
    }

    /// Whether a loop goes on: one without a counter does until the peripheral's last request.
    fn repeats(&mut self, counter: Option<usize>) -> bool {
        let Some(counter) = counter else {
            return !self.last;
        };
        let left = self.counters[counter & 1].checked_sub(1);
        self.counters[counter & 1] = left.unwrap_or(0);
        left.is_some()
    }

    fn set(
        &mut self,
        config: &Config,
        target: Target,
        change: impl FnOnce(u32) -> u32,
    ) -> Result<(), Faults> {
        match target {
            Target::Source => self.source = change(self.source),
            Target::Destination => self.destination = change(self.destination),
            Target::Control => {
                // The top bit is reserved.
                let control = Ccr::new_with_raw_value(change(self.control.raw_value()) & (u32::MAX >> 1));
                self.check(config, control)?;
                self.control = control;
            }
        }
        Ok(())
    }

    fn check(&self, config: &Config, control: Ccr) -> Result<(), Faults> {
        let beat = control.src_burst_size().max(control.dst_burst_size()).value();
        if control.endian_swap_size().value() > MAX_SWAP || beat > config.bus_width {
            return Err(Faults::OPERAND_INVALID);
        }
        let [source, destination] = [control.src_prot_ctrl(), control.dst_prot_ctrl()].map(protection);
        if self.non_secure && !(source.non_secure && destination.non_secure) {
            return Err(Faults::CH_RDWR_ERR);
        }
        Ok(())
    }

    fn load(
        &mut self,
        cx: &mut Context<'_, impl Bus, impl Events>,
        single: bool,
        next: u32,
    ) -> Result<Outcome, Faults> {
        let burst = self.load_burst(single);
        let bytes = burst.bytes() as usize;
        if bytes > cx.config.mfifo_bytes() {
            return Err(Faults::MFIFO_ERR);
        }
        if self.transfer.held() + bytes > cx.room {
            self.transfer.drain(cx.bus)?;
        }
        if self.transfer.held() + bytes > cx.room {
            return Ok(Outcome::Starved);
        }
        self.transfer.load(cx.bus, &burst)?;
        self.source = burst.next();
        Ok(Outcome::Continue(next))
    }

    fn store(
        &mut self,
        cx: &mut Context<'_, impl Bus, impl Events>,
        single: bool,
        zero: bool,
    ) -> Result<(), Faults> {
        let burst = self.store_burst(single);
        let bytes = burst.bytes() as usize;
        if !zero && bytes > cx.config.mfifo_bytes() {
            return Err(Faults::MFIFO_ERR);
        }
        if !zero && bytes > self.transfer.available() {
            return Err(Faults::ST_DATA_UNAVAILABLE);
        }
        self.transfer.store(cx.bus, &burst, zero)?;
        self.destination = burst.next();
        Ok(())
    }

    fn wait_for_peripheral(
        &mut self,
        cx: &mut Context<'_, impl Bus, impl Events>,
        wanted: Wanted,
        peripheral: u8,
        next: u32,
    ) -> Result<Outcome, Faults> {
        self.wanted = Some(wanted);
        self.wakeup = peripheral;
        let Some(request) = cx.requests.answer(wanted, peripheral) else {
            return Ok(Outcome::Wait(Status::WaitingForPeripheral));
        };
        self.request = request.kind;
        self.last = request.last;
        Ok(Outcome::Continue(next))
    }

    /// Whether the channel may use a peripheral.
    fn peripheral(&self, config: &Config, peripheral: u8) -> Result<(), Faults> {
        if peripheral >= config.peripherals {
            Err(Faults::OPERAND_INVALID)
        } else if self.non_secure && config.peripherals_non_secure & bit(peripheral) == 0 {
            Err(Faults::CH_PERIPH_ERR)
        } else {
            Ok(())
        }
    }
}

/// Whether a thread may use an event.
pub(super) fn event_allowed(config: &Config, non_secure: bool, event: u8) -> Result<(), Faults> {
    if event >= config.events {
        Err(Faults::OPERAND_INVALID)
    } else if non_secure && config.events_non_secure & bit(event) == 0 {
        Err(Faults::EVNT_ERR)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
