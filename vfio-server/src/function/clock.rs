// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A clock controller that gates the programming interface of an SMMU.
//!
//! Boards have one before each SMMU (`iface` and `bus` clocks of Qualcomm's parts): a PLL that takes a while to lock,
//! and a gate whose clock takes a while to settle. An access of the SMMU's registers meanwhile reads as ones and writes
//! nothing, and counts as a violation. Transactions of DMA devices have clocks of their own and go on.
//!
//! With `retains = false` the gate is a power domain too: when ON falls, the SMMU loses its registers and its TLB, and
//! is as after a reset when it is there again. Transactions meanwhile meet it so: `sCR0.CLIENTPD` is set, and they
//! bypass it.
//!
//! A stock kernel switches it: `CTRL` is what the enable register of an `apm,xgene-device-clock` is
//! (`xgene_clk_enable()`), whose node says where that is.
//!
//! The block follows those of the DMA devices in BAR2. Registers are words; accesses of other widths read zero and
//! write nothing.
//!
//! | offset | register | |
//! | --- | --- | --- |
//! | 0x00 | ID | read only: `CLK1` |
//! | 0x04 | CTRL | bit 0 GATE: the clock is to reach the SMMU; bit 1 PLL: the PLL is to run |
//! | 0x08 | STATUS | read only: bit 0 ON: the SMMU can be accessed; bit 1 LOCKED: the PLL is |
//! | 0x0c | SETTLE_US | microseconds from GATE, or from LOCKED if that is later, to ON |
//! | 0x10 | LOCK_US | microseconds from PLL to LOCKED |
//! | 0x14 | VIOLATIONS | read only: accesses of the SMMU while it was off, since power-on |
//! | 0x18 | LOSSES | read only: times that the SMMU lost its registers, since power-on |
//! | 0x20 | SLICE_SW_CTRL | bit 31 PDN_SOFT: the power domain is to be off, whatever CTRL says |
//! | 0xb4 | FUNC_STAT | read only: bits 0, 4 and 8 while the power domain is off |
//!
//! The last two are those of an i.MX93 slice (`fsl,imx93-src-slice`, `imx93_pd_off()`): a power domain that a stock
//! kernel switches when arm-smmu suspends at run time.

use bitflags::bitflags;

use crate::config::ClockConfig;

#[cfg(test)]
mod tests;

/// Longest settle and lock time in microseconds; longer ones count as this.
pub const MAX_US: u32 = 10_000_000;

/// `FUNC_STAT` while the power domain is off: power switch, isolation, retention.
const FUNC_STAT_OFF: u32 = 1 << 0 | 1 << 4 | 1 << 8;
/// `CLK1`.
const IDENTIFICATION: u32 = u32::from_le_bytes(*b"CLK1");

bitflags! {
    /// `CTRL`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Control: u32 {
        /// The clock is to reach the SMMU.
        const GATE = 1 << 0;
        /// The PLL is to run.
        const PLL = 1 << 1;
    }

    /// `SLICE_SW_CTRL`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SliceControl: u32 {
        /// The power domain is to be off.
        const PDN_SOFT = 1 << 31;
    }

    /// `STATUS`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u32 {
        /// The SMMU can be accessed.
        const ON = 1 << 0;
        /// The PLL is locked.
        const LOCKED = 1 << 1;
    }
}

/// The controller. Times are nanoseconds of [`crate::host::Run::now`].
#[derive(Clone, Debug)]
pub struct ClockController {
    config: ClockConfig,
    /// Time at which GATE was set, and PLL.
    gate: Option<u64>,
    pll: Option<u64>,
    /// SLICE_SW_CTRL.PDN_SOFT.
    powered_down: bool,
    settle_us: u32,
    lock_us: u32,
    violations: u32,
    losses: u32,
    /// Violations before the last return to power-on.
    violations_before: u64,
}

/// Changes from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// GATE.
    pub gate: Option<bool>,
    /// PLL.
    pub pll: Option<bool>,
    /// SETTLE_US.
    pub settle_us: Option<u32>,
    /// LOCK_US.
    pub lock_us: Option<u32>,
    /// SLICE_SW_CTRL.PDN_SOFT.
    pub powered_down: Option<bool>,
}

impl ClockController {
    /// The controller at power-on.
    #[must_use]
    pub fn new(config: ClockConfig) -> Self {
        let ClockConfig {
            on,
            settle_us,
            lock_us,
            retains: _,
        } = config;
        Self {
            config,
            gate: on.then_some(0),
            pll: on.then_some(0),
            powered_down: false,
            // What is on at power-on has been so for long; times of the configuration are those of the next time.
            settle_us: settle_us.min(MAX_US),
            lock_us: lock_us.min(MAX_US),
            violations: 0,
            losses: 0,
            violations_before: 0,
        }
    }

    /// Back to power-on.
    pub fn reset(&mut self) {
        let violations_before = self.all_violations();
        *self = Self {
            violations_before,
            ..Self::new(self.config)
        };
    }

    /// `CTRL`.
    #[must_use]
    pub fn control(&self) -> Control {
        let mut control = Control::empty();
        control.set(Control::GATE, self.gate.is_some());
        control.set(Control::PLL, self.pll.is_some());
        control
    }

    /// `STATUS` at a time.
    #[must_use]
    pub fn status(&self, now: u64) -> Status {
        let after = |start: u64, us: u32| start.saturating_add(u64::from(us) * 1000);
        // Zero is power-on, before which everything was there.
        let since = |start: u64, us: u32| if start == 0 { 0 } else { after(start, us) };
        let mut status = Status::empty();
        let Some(pll) = self.pll else { return status };
        let locked = since(pll, self.lock_us);
        status.set(Status::LOCKED, now >= locked);
        let on = self.gate.map(|gate| since(gate.max(locked), self.settle_us));
        status.set(Status::ON, on.is_some_and(|on| now >= on) && !self.powered_down);
        status
    }

    /// Accesses of the SMMU while it was off.
    #[must_use]
    pub fn violations(&self) -> u32 {
        self.violations
    }

    /// Times that the SMMU lost its registers.
    #[must_use]
    pub fn losses(&self) -> u32 {
        self.losses
    }

    /// Accesses of the SMMU while it was off, returns to power-on included.
    #[must_use]
    pub fn all_violations(&self) -> u64 {
        self.violations_before + u64::from(self.violations)
    }

    /// SETTLE_US and LOCK_US.
    #[must_use]
    pub fn times_us(&self) -> (u32, u32) {
        (self.settle_us, self.lock_us)
    }

    /// An access of the SMMU: whether it gets there. If not, it counts, and the second value says whether this
    /// violation is one to tell of: the first, second, fourth and so on.
    pub fn admit(&mut self, now: u64) -> (bool, bool) {
        if self.status(now).contains(Status::ON) {
            return (true, false);
        }
        self.violations = self.violations.saturating_add(1);
        (false, self.violations.is_power_of_two())
    }

    /// Changes it, as a write of its registers does. Returns whether the SMMU loses its registers.
    #[must_use]
    pub fn change(&mut self, now: u64, change: Change) -> bool {
        let was_on = self.status(now).contains(Status::ON);
        // Set while set: it runs on. Never 0, which is power-on.
        let set = |since: &mut Option<u64>, on: bool| *since = on.then(|| since.unwrap_or(now.max(1)));
        if let Some(gate) = change.gate {
            set(&mut self.gate, gate);
        }
        if let Some(pll) = change.pll {
            set(&mut self.pll, pll);
        }
        self.powered_down = change.powered_down.unwrap_or(self.powered_down);
        if let Some(us) = change.settle_us {
            self.settle_us = us.min(MAX_US);
        }
        if let Some(us) = change.lock_us {
            self.lock_us = us.min(MAX_US);
        }
        let loses = !self.config.retains && was_on && !self.status(now).contains(Status::ON);
        self.losses = self.losses.saturating_add(loses.into());
        loses
    }

    /// Reads its block.
    pub fn read(&self, now: u64, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Ok(word) = <&mut [u8; 4]>::try_from(data) {
            *word = match offset {
                0x00 => IDENTIFICATION,
                0x04 => self.control().bits(),
                0x08 => self.status(now).bits(),
                0x0c => self.settle_us,
                0x10 => self.lock_us,
                0x14 => self.violations,
                0x18 => self.losses,
                0x20 if self.powered_down => SliceControl::PDN_SOFT.bits(),
                0xb4 if self.powered_down => FUNC_STAT_OFF,
                _ => 0,
            }
            .to_le_bytes();
        }
    }

    /// Writes its block. Returns whether the SMMU loses its registers.
    #[must_use]
    pub fn write(&mut self, now: u64, offset: u64, data: &[u8]) -> bool {
        let Ok(word) = <[u8; 4]>::try_from(data).map(u32::from_le_bytes) else {
            return false;
        };
        let control = Control::from_bits_truncate(word);
        let change = match offset {
            0x04 => Change {
                gate: Some(control.contains(Control::GATE)),
                pll: Some(control.contains(Control::PLL)),
                ..Change::default()
            },
            0x0c => Change {
                settle_us: Some(word),
                ..Change::default()
            },
            0x10 => Change {
                lock_us: Some(word),
                ..Change::default()
            },
            0x20 => Change {
                powered_down: Some(SliceControl::from_bits_retain(word).contains(SliceControl::PDN_SOFT)),
                ..Change::default()
            },
            _ => return false,
        };
        self.change(now, change)
    }
}
