// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A DMA channel thread: its registers, and its turns.

use arbitrary_int::traits::Integer;
use arbitrary_int::{u3, u4, u5};

use super::bus::{Bus, Protection};
use super::cache::Cache;
use super::config::Config;
use super::decode::{self, Instruction, Kind, MAX_LENGTH, Wanted};
use super::events::Events;
use super::execute::Outcome;
use super::requests::Requests;
use super::spec::{Ccr, Csr, Faults, Status};
use super::transfer::{Burst, Transfer};

/// Most instructions that a channel executes in a turn.
pub const QUANTUM: u32 = 512;

/// `CCRn` after reset: both accesses Non-secure.
const CCR_RESET: u32 = 0x0080_0200;

/// The registers of a channel, as software sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// `FTRn`.
    pub faults: Faults,
    /// `CSRn`.
    pub status: Csr,
    /// `CPCn`.
    pub pc: u32,
    /// `SARn`.
    pub source: u32,
    /// `DARn`.
    pub destination: u32,
    /// `CCRn`.
    pub control: u32,
    /// `LC0_n`, `LC1_n`.
    pub counters: [u8; 2],
}

/// Context of a channel in its turn.
#[derive(Debug)]
pub(super) struct Context<'a, B, E> {
    pub(super) bus: &'a mut B,
    pub(super) events: &'a mut E,
    pub(super) requests: &'a mut Requests,
    pub(super) config: &'a Config,
    /// Bytes of the MFIFO that the other channels leave.
    pub(super) room: usize,
}

/// Result of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// Instructions that were executed.
    pub(super) instructions: u32,
    /// The channel stopped short of a load that finds no room in the MFIFO.
    pub(super) starved: bool,
}

/// A channel.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) status: Status,
    pub(super) non_secure: bool,
    pub(super) faults: Faults,
    pub(super) pc: u32,
    pub(super) source: u32,
    pub(super) destination: u32,
    pub(super) control: Ccr,
    pub(super) counters: [u8; 2],
    /// The event or peripheral that it waits or waited for.
    pub(super) wakeup: u8,
    /// Request of the last DMAWFP.
    pub(super) wanted: Option<Wanted>,
    /// `request_flag`: what the last DMAWFP found.
    pub(super) request: Kind,
    /// `request_last`.
    pub(super) last: bool,
    pub(super) transfer: Transfer,
    pub(super) cache: Cache,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            status: Status::Stopped,
            non_secure: false,
            faults: Faults::empty(),
            pc: 0,
            source: 0,
            destination: 0,
            control: Ccr::new_with_raw_value(CCR_RESET),
            counters: [0; 2],
            wakeup: 0,
            wanted: None,
            request: Kind::Single,
            last: false,
            transfer: Transfer::default(),
            cache: Cache::default(),
        }
    }
}

impl Channel {
    /// DMAGO.
    pub(super) fn go(&mut self, non_secure: bool, address: u32) {
        self.stop();
        self.non_secure = non_secure;
        self.pc = address;
        self.status = Status::Executing;
        self.wanted = None;
        self.request = Kind::Single;
        self.last = false;
    }

    /// DMAEND, DMAKILL: nothing of the program stays but its registers.
    pub(super) fn stop(&mut self) {
        self.status = Status::Stopped;
        self.faults = Faults::empty();
        self.wakeup = 0;
        self.transfer.clear();
        self.cache.invalidate();
    }

    /// Moves to the Faulting state.
    pub(super) fn fault(&mut self, faults: Faults) {
        self.stop();
        self.status = Status::Faulting;
        self.faults = faults;
    }

    /// The registers as software sees them.
    pub(super) fn view(&self) -> View {
        View {
            faults: self.faults,
            status: Csr::ZERO
                .with_cns(self.non_secure)
                .with_dmawfp_periph(self.wanted == Some(Wanted::Periph))
                .with_dmawfp_b_ns(self.wanted == Some(Wanted::Kind(Kind::Burst)))
                .with_wakeup_number(u5::masked_new(self.wakeup))
                .with_channel_status(u4::masked_new(self.status as u8)),
            pc: self.pc,
            source: self.source,
            destination: self.destination,
            control: self.control.raw_value(),
            counters: self.counters,
        }
    }

    /// Executes instructions until the channel has to wait, is done, or had its turn.
    pub(super) fn turn(&mut self, cx: &mut Context<'_, impl Bus, impl Events>) -> Turn {
        let mut turn = Turn::default();
        while matches!(self.status, Status::Executing | Status::WaitingForPeripheral)
            && turn.instructions < QUANTUM
        {
            match self.step(cx) {
                Outcome::Continue(pc) => {
                    self.pc = pc;
                    self.status = Status::Executing;
                }
                Outcome::Starved => {
                    turn.starved = true;
                    break;
                }
                Outcome::Wait(status) => {
                    turn.instructions += u32::from(self.status != status);
                    self.status = status;
                    break;
                }
                Outcome::Stop => self.stop(),
                Outcome::Fault(faults) => self.fault(faults),
            }
            turn.instructions += 1;
        }
        if let Err(faults) = self.transfer.drain(cx.bus) {
            self.fault(faults);
        }
        turn
    }

    fn step(&mut self, cx: &mut Context<'_, impl Bus, impl Events>) -> Outcome {
        match self.fetch(cx.bus) {
            Ok((instruction, next)) => self.execute(cx, instruction, next),
            Err(faults) => Outcome::Fault(faults),
        }
    }

    /// The instruction at the program counter, and the address after it.
    fn fetch(&mut self, bus: &mut impl Bus) -> Result<(Instruction, u32), Faults> {
        let mut bytes = [0; MAX_LENGTH];
        let mut address = self.pc;
        let mut length = 1;
        let mut at = 0;
        while at < length {
            bytes[at] = self
                .cache
                .byte(bus, address, self.non_secure)
                .map_err(|_| Faults::INSTR_FETCH_ERR)?;
            if at == 0 {
                length = decode::opcode(bytes[0])
                    .ok_or(Faults::UNDEF_INSTR)?
                    .length
                    .min(MAX_LENGTH);
            }
            address = address.wrapping_add(1);
            at += 1;
        }
        Ok((decode::decode(&bytes)?, address))
    }

    /// The burst of a load; one beat of it if `single`.
    pub(super) fn load_burst(&self, single: bool) -> Burst {
        let control = self.control;
        Burst {
            address: self.source,
            beat: 1 << control.src_burst_size().value(),
            beats: beats(control.src_burst_len(), single),
            incrementing: control.src_inc(),
            protection: protection(control.src_prot_ctrl()),
            swap: 1 << control.endian_swap_size().value(),
        }
    }

    /// The burst of a store; one beat of it if `single`.
    pub(super) fn store_burst(&self, single: bool) -> Burst {
        let control = self.control;
        Burst {
            address: self.destination,
            beat: 1 << control.dst_burst_size().value(),
            beats: beats(control.dst_burst_len(), single),
            incrementing: control.dst_inc(),
            protection: protection(control.dst_prot_ctrl()),
            swap: 1,
        }
    }
}

fn beats(length: u4, single: bool) -> u32 {
    if single { 1 } else { u32::from(length.value()) + 1 }
}

/// `AxPROT[2:0]` of a field of `CCRn`.
pub(super) fn protection(control: u3) -> Protection {
    let control = control.value();
    Protection {
        privileged: control & 1 != 0,
        non_secure: control & 2 != 0,
        instruction: control & 4 != 0,
    }
}
