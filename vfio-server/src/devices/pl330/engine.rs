// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The manager and the channels, run in slices.

use arbitrary_int::traits::Integer;
use arbitrary_int::{u4, u5};

use super::bus::Bus;
use super::channel::{self, Channel, Context};
use super::config::Config;
use super::decode::{self, Instruction};
use super::events::Events;
use super::execute::event_allowed;
use super::requests::{Request, Requests};
use super::spec::{Dbginst0, DebugThread, Dsr, Faults, MAX_CHANNELS, Status};

/// The registers of the threads, as software sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// `FTRD`; the manager is faulting if there is any.
    pub manager_faults: Faults,
    /// `DSR`.
    pub manager_status: Dsr,
    /// The channels.
    pub channels: [channel::View; MAX_CHANNELS],
}

/// Result of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// There is something to do in a further slice. Otherwise nothing happens before software writes a register, or a
    /// peripheral asks.
    pub runnable: bool,
    /// Data was moved.
    pub moved: bool,
    /// A program executed all the instructions of its turn, and no channel moved data.
    pub spinning: bool,
    /// `irq_abort`: a thread faulted, or a lock-up was found.
    pub abort: bool,
}

/// The threads of a controller.
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
    manager_faults: Faults,
    channels: Vec<Channel>,
    requests: Requests,
    /// `WD.wd_irq_only`.
    lock_up_only_interrupts: bool,
    /// A lock-up was reported and still holds.
    locked_up: bool,
}

impl Engine {
    /// A controller after reset.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            manager_faults: Faults::empty(),
            channels: vec![Channel::default(); config.channels()],
            requests: Requests::new(config.peripherals_requesting),
            lock_up_only_interrupts: false,
            locked_up: false,
            config,
        }
    }

    /// Puts the controller into its state after reset.
    pub fn reset(&mut self) {
        *self = Self::new(self.config.clone());
    }

    /// The registers of the threads.
    #[must_use]
    pub fn view(&self) -> View {
        let mut channels = [Channel::default().view(); MAX_CHANNELS];
        for (view, channel) in channels.iter_mut().zip(&self.channels) {
            *view = channel.view();
        }
        let status = if self.manager_faults.is_empty() {
            Status::Stopped
        } else {
            Status::Faulting
        };
        View {
            manager_faults: self.manager_faults,
            manager_status: Dsr::ZERO
                .with_dns(self.config.manager_non_secure)
                .with_wakeup_event(u5::new(0))
                .with_dma_status(u4::masked_new(status as u8)),
            channels,
        }
    }

    /// Bytes of the MFIFO in use.
    #[must_use]
    pub fn held(&self) -> usize {
        self.channels.iter().map(|channel| channel.transfer.held()).sum()
    }

    /// Writes `WD.wd_irq_only`.
    pub fn set_lock_up_only_interrupts(&mut self, only: bool) {
        self.lock_up_only_interrupts = only;
    }

    /// A peripheral asks for a transfer.
    pub fn request(&mut self, peripheral: u8, request: Request) {
        self.requests.set(peripheral, request);
    }

    /// Executes the debug instruction of `DBGINST0` and `DBGINST1`. Returns `irq_abort`.
    pub fn debug(&mut self, words: [u32; 2], events: &mut impl Events) -> bool {
        let head = Dbginst0::new_with_raw_value(words[0]);
        let tail = words[1].to_le_bytes();
        let instruction = decode::decode(&[head.byte0(), head.byte1(), tail[0], tail[1], tail[2], tail[3]]);
        self.locked_up = false;
        match head.thread() {
            DebugThread::Manager => self.debug_manager(instruction, events),
            DebugThread::Channel => {
                let channel = usize::from(head.channel().value());
                self.debug_channel(channel, instruction, events)
            }
        }
    }

    fn debug_manager(&mut self, instruction: Result<Instruction, Faults>, events: &mut impl Events) -> bool {
        if instruction == Ok(Instruction::Kill) {
            self.manager_faults = Faults::empty();
            return false;
        }
        if !self.manager_faults.is_empty() {
            return false;
        }
        let done = instruction.and_then(|instruction| match instruction {
            Instruction::Go {
                channel,
                non_secure,
                address,
            } => self.go(channel, non_secure, address),
            Instruction::SendEvent(event) => {
                event_allowed(&self.config, self.config.manager_non_secure, event)?;
                events.signal(event);
                Ok(())
            }
            _ => Err(Faults::UNDEF_INSTR),
        });
        self.manager_faults = done
            .err()
            .map_or(Faults::empty(), |faults| faults | Faults::DBG_INSTR);
        !self.manager_faults.is_empty()
    }

    fn go(&mut self, channel: u8, non_secure: bool, address: u32) -> Result<(), Faults> {
        let channel = self
            .channels
            .get_mut(usize::from(channel))
            .ok_or(Faults::OPERAND_INVALID)?;
        if self.config.manager_non_secure && !non_secure {
            return Err(Faults::DMAGO_ERR);
        }
        // A channel that is not stopped is left alone.
        if channel.status == Status::Stopped {
            channel.go(non_secure, address);
        }
        Ok(())
    }

    fn debug_channel(
        &mut self,
        channel: usize,
        instruction: Result<Instruction, Faults>,
        events: &mut impl Events,
    ) -> bool {
        let Some(channel) = self.channels.get_mut(channel) else {
            return false;
        };
        if instruction == Ok(Instruction::Kill) {
            channel.stop();
            return false;
        }
        if channel.status == Status::Faulting {
            return false;
        }
        let done = instruction.and_then(|instruction| match instruction {
            Instruction::SendEvent(event) => {
                event_allowed(&self.config, channel.non_secure, event)?;
                events.signal(event);
                Ok(())
            }
            _ => Err(Faults::UNDEF_INSTR),
        });
        if let Err(faults) = done {
            channel.fault(faults | Faults::DBG_INSTR);
        }
        done.is_err()
    }

    /// Runs a slice: a turn of every channel. Bounded in instructions, accesses and memory, whatever the programs are.
    pub fn run(&mut self, bus: &mut impl Bus, events: &mut impl Events) -> Activity {
        let mut activity = Activity::default();
        let mut progress = self.wake(events);
        let mut starved = 0;
        let mut held = self.held();
        for channel in &mut self.channels {
            let others = held - channel.transfer.held();
            let faulting = channel.status == Status::Faulting;
            let turn = channel.turn(&mut Context {
                bus,
                events,
                requests: &mut self.requests,
                config: &self.config,
                room: self.config.mfifo_bytes().saturating_sub(others),
            });
            held = others + channel.transfer.held();
            activity.moved |= channel.transfer.take_moved();
            activity.abort |= channel.status == Status::Faulting && !faulting;
            activity.spinning |= turn.instructions == channel::QUANTUM;
            progress |= turn.instructions > 0;
            starved += usize::from(turn.starved);
        }
        self.locked_up &= !progress;
        let locked_up = !progress && starved > 0;
        if locked_up && !self.locked_up {
            self.lock_up();
            activity.abort = true;
        }
        activity.runnable = progress;
        activity.spinning &= !activity.moved;
        activity
    }

    /// Wakes every channel whose event is active.
    fn wake(&mut self, events: &mut impl Events) -> bool {
        let mut woken = 0_u32;
        for channel in &mut self.channels {
            if channel.status != Status::WaitingForEvent {
                continue;
            }
            let event = super::events::bit(channel.wakeup);
            if woken & event != 0 || events.take(channel.wakeup) {
                woken |= event;
                channel.status = Status::Executing;
            }
        }
        woken != 0
    }

    /// All channels that run are short of a load for which the MFIFO has no room (DDI 0424 §2.9, watchdog abort).
    fn lock_up(&mut self) {
        if self.lock_up_only_interrupts {
            self.locked_up = true;
            return;
        }
        for channel in &mut self.channels {
            if channel.status == Status::Executing {
                channel.fault(Faults::LOCKUP_ERR);
            }
        }
    }
}

#[cfg(test)]
mod tests;
