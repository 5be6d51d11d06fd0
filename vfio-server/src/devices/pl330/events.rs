// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events and interrupts (DDI 0424 §2.7): the same resources, `INTEN` says which is which.

/// Events as DMASEV and DMAWFE use them.
pub trait Events {
    /// DMASEV: the event becomes active, as an event or as an interrupt.
    fn signal(&mut self, event: u8);

    /// DMAWFE: whether the event is active as an event; it ends if so.
    fn take(&mut self, event: u8) -> bool;
}

/// `INTEN` and `INT_EVENT_RIS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventRegisters {
    interrupts: u32,
    active: u32,
}

impl EventRegisters {
    /// `INTEN`.
    #[must_use]
    pub fn interrupts(&self) -> u32 {
        self.interrupts
    }

    /// `INT_EVENT_RIS`.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active
    }

    /// `INTMIS`: the interrupt outputs that are high.
    #[must_use]
    pub fn outputs(&self) -> u32 {
        self.active & self.interrupts
    }

    /// Writes `INTEN`.
    pub fn set_interrupts(&mut self, interrupts: u32) {
        self.interrupts = interrupts;
    }

    /// Writes `INTCLR`, which leaves events alone.
    pub fn clear(&mut self, interrupts: u32) {
        self.active &= !(interrupts & self.interrupts);
    }
}

impl Events for EventRegisters {
    fn signal(&mut self, event: u8) {
        self.active |= bit(event);
    }

    fn take(&mut self, event: u8) -> bool {
        let taken = self.active & !self.interrupts & bit(event);
        self.active &= !taken;
        taken != 0
    }
}

/// The bit of an event or peripheral in a register.
pub(super) fn bit(number: u8) -> u32 {
    1_u32.checked_shl(number.into()).unwrap_or(0)
}
