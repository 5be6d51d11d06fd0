// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Configuration of a controller: the choices of a system's integrator (DDI 0424 appendix on configuration signals).

use arbitrary_int::traits::Integer;
use arbitrary_int::{u3, u4, u5, u10};

use super::cache;
use super::spec::{Cr0, Cr1, Crd, MAX_CHANNELS, Register};

/// Configuration of a controller. The default is that of the Juno board: DMA-330 r1p2, 8 channels, 8 events and 8
/// peripherals, a 128-bit bus and an MFIFO of 1024 lines, booting as Non-secure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Channel threads, 1 to 8.
    pub channels: u8,
    /// Events, 1 to 32.
    pub events: u8,
    /// Request interfaces of peripherals, 0 to 32.
    pub peripherals: u8,
    /// `boot_manager_ns`: the manager is Non-secure.
    pub manager_non_secure: bool,
    /// `boot_irq_ns`: events that Non-secure threads may use.
    pub events_non_secure: u32,
    /// `boot_periph_ns`: peripherals that Non-secure channels may use.
    pub peripherals_non_secure: u32,
    /// Peripherals whose request line is tied to a burst request.
    pub peripherals_requesting: u32,
    /// log2 of the bytes of the data bus: 2 to 4.
    pub bus_width: u8,
    /// Lines of the MFIFO, as wide as the bus: 1 to 1024.
    pub mfifo_lines: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            channels: 8,
            events: 8,
            peripherals: 8,
            manager_non_secure: true,
            events_non_secure: u32::MAX,
            peripherals_non_secure: u32::MAX,
            peripherals_requesting: u32::MAX,
            bus_width: 4,
            mfifo_lines: 1024,
        }
    }
}

/// `periph_id_n`: part number 0x330, designer 0x41 (Arm), revision 3 (r1p2), no integration test logic.
const PERIPH_ID: [u8; 4] = [0x30, 0x13, 0x34, 0x00];

/// `pcell_id_n` of every PrimeCell.
const PCELL_ID: [u8; 4] = [0x0d, 0xf0, 0x05, 0xb1];

/// Outstanding transactions and queue entries that `CRD` reports, less one. They pace nothing.
const OUTSTANDING: u3 = u3::new(7);
const QUEUE: u4 = u4::new(15);

impl Config {
    /// Number of channels, within what the register block has room for.
    #[must_use]
    pub fn channels(&self) -> usize {
        usize::from(self.channels).clamp(1, MAX_CHANNELS)
    }

    /// Bytes that the MFIFO holds.
    #[must_use]
    pub fn mfifo_bytes(&self) -> usize {
        usize::from(self.mfifo_lines.clamp(1, 1024)) << self.bus_width.min(4)
    }

    /// Bits of the events that exist.
    #[must_use]
    pub fn event_bits(&self) -> u32 {
        ones(self.events)
    }

    /// The value of a register that the configuration alone decides; 0 for the others.
    #[must_use]
    pub fn identification(&self, register: Register, index: usize) -> u32 {
        match register {
            Register::Cr0 => Cr0::ZERO
                .with_num_events(u5::masked_new(self.events.saturating_sub(1)))
                .with_num_periph_req(u5::masked_new(self.peripherals.saturating_sub(1)))
                .with_num_chnls(u3::masked_new(self.channels.saturating_sub(1)))
                .with_mgr_ns_at_rst(self.manager_non_secure)
                .with_periph_req(self.peripherals > 0)
                .raw_value(),
            Register::Cr1 => Cr1::ZERO
                .with_num_i_cache_lines(u4::masked_new(cache::LINES - 1))
                .with_i_cache_len(u3::masked_new(cache::LINE_LOG2))
                .raw_value(),
            Register::Cr3 => self.events_non_secure & self.event_bits(),
            Register::Cr4 => self.peripherals_non_secure & ones(self.peripherals),
            Register::Crd => Crd::ZERO
                .with_data_buffer_dep(u10::masked_new(self.mfifo_lines.saturating_sub(1)))
                .with_rd_q_dep(QUEUE)
                .with_rd_cap(OUTSTANDING)
                .with_wr_q_dep(QUEUE)
                .with_wr_cap(OUTSTANDING)
                .with_data_width(u3::masked_new(self.bus_width))
                .raw_value(),
            Register::PeriphId => PERIPH_ID.get(index).copied().unwrap_or(0).into(),
            Register::PcellId => PCELL_ID.get(index).copied().unwrap_or(0).into(),
            _ => 0,
        }
    }
}

/// The `count` lowest bits.
fn ones(count: u8) -> u32 {
    u32::MAX
        .checked_shr(32_u32.saturating_sub(count.into()))
        .unwrap_or(0)
}
