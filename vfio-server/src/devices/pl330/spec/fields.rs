// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Field types of the registers. Fields are written top bit first, like the manual's tables.

use arbitrary_int::{u2, u3, u4, u5, u10};
use bitbybit::{bitenum, bitfield};

/// Status of a thread, as `DSR` and `CSRn` show it. The statuses that a cycle of hardware causes do not occur:
/// instruction cache misses, updates of the PC, barriers and full queues are over before software looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Waits for DMAGO.
    #[default]
    Stopped = 0,
    /// Executes its program.
    Executing = 1,
    /// Waits in DMAWFE.
    WaitingForEvent = 4,
    /// Waits in DMAWFP.
    WaitingForPeripheral = 7,
    /// Waits for DMAKILL after a fault.
    Faulting = 15,
}

bitflags::bitflags! {
    /// `FTRD` and `FTRn`: why a thread is faulting.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Faults: u32 {
        /// The instruction is undefined, or not one of this thread or of the debug interface.
        const UNDEF_INSTR = 1 << 0;
        /// An operand does not fit the controller's configuration.
        const OPERAND_INVALID = 1 << 1;
        /// A Non-secure manager starts a Secure channel (`FTRD`).
        const DMAGO_ERR = 1 << 4;
        /// A Non-secure thread uses a Secure event; `mgr_evnt_err` in `FTRD`.
        const EVNT_ERR = 1 << 5;
        /// A Non-secure channel uses a Secure peripheral.
        const CH_PERIPH_ERR = 1 << 6;
        /// A Non-secure channel asks for Secure accesses.
        const CH_RDWR_ERR = 1 << 7;
        /// The MFIFO is too small for the burst.
        const MFIFO_ERR = 1 << 12;
        /// Earlier loads did not bring enough data for the store.
        const ST_DATA_UNAVAILABLE = 1 << 13;
        /// The bus answered an instruction fetch with an error.
        const INSTR_FETCH_ERR = 1 << 16;
        /// The bus answered a store with an error.
        const DATA_WRITE_ERR = 1 << 17;
        /// The bus answered a load with an error.
        const DATA_READ_ERR = 1 << 18;
        /// The instruction came from the debug interface.
        const DBG_INSTR = 1 << 30;
        /// No channel that runs finds room in the MFIFO.
        const LOCKUP_ERR = 1 << 31;
    }
}

/// `DSR`: status of the manager.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Dsr {
    /// The manager is Non-secure.
    #[bit(9, rw)]
    dns: bool,
    /// The event that it waits for.
    #[bits(4..=8, rw)]
    wakeup_event: u5,
    /// [`Status`].
    #[bits(0..=3, rw)]
    dma_status: u4,
}

/// `CSRn`: status of a channel.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Csr {
    /// The channel is Non-secure.
    #[bit(21, rw)]
    cns: bool,
    /// DMAWFP was of the kind `periph`.
    #[bit(15, rw)]
    dmawfp_periph: bool,
    /// DMAWFP was of the kind `burst`.
    #[bit(14, rw)]
    dmawfp_b_ns: bool,
    /// The event or peripheral that it waits for.
    #[bits(4..=8, rw)]
    wakeup_number: u5,
    /// [`Status`].
    #[bits(0..=3, rw)]
    channel_status: u4,
}

/// `CCRn`: control of a channel's transfers.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Ccr {
    /// log2 of the bytes that change order; 5 to 7 are reserved.
    #[bits(28..=30, rw)]
    endian_swap_size: u3,
    /// `AWCACHE[3,1:0]`, without effect.
    #[bits(25..=27, rw)]
    dst_cache_ctrl: u3,
    /// `AWPROT[2:0]`.
    #[bits(22..=24, rw)]
    dst_prot_ctrl: u3,
    /// Beats of a store burst, less one.
    #[bits(18..=21, rw)]
    dst_burst_len: u4,
    /// log2 of the bytes of a beat of a store.
    #[bits(15..=17, rw)]
    dst_burst_size: u3,
    /// The destination address moves on.
    #[bit(14, rw)]
    dst_inc: bool,
    /// `ARCACHE[2:0]`, without effect.
    #[bits(11..=13, rw)]
    src_cache_ctrl: u3,
    /// `ARPROT[2:0]`.
    #[bits(8..=10, rw)]
    src_prot_ctrl: u3,
    /// Beats of a load burst, less one.
    #[bits(4..=7, rw)]
    src_burst_len: u4,
    /// log2 of the bytes of a beat of a load.
    #[bits(1..=3, rw)]
    src_burst_size: u3,
    /// The source address moves on.
    #[bit(0, rw)]
    src_inc: bool,
}

/// `DBGINST0`: the first half of a debug instruction.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Dbginst0 {
    /// Byte 1 of the instruction.
    #[bits(24..=31, rw)]
    byte1: u8,
    /// Byte 0 of the instruction.
    #[bits(16..=23, rw)]
    byte0: u8,
    /// The channel that executes it.
    #[bits(8..=10, rw)]
    channel: u3,
    /// Thread that executes it.
    #[bit(0, rw)]
    thread: DebugThread,
}

/// `DBGINST0.debug_thread`: who executes a debug instruction.
#[bitenum(u1, exhaustive = true)]
#[derive(Debug, PartialEq, Eq)]
pub enum DebugThread {
    /// The manager.
    Manager = 0,
    /// A channel.
    Channel = 1,
}

/// `CR0`: what the controller has.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Cr0 {
    /// Events, less one.
    #[bits(17..=21, rw)]
    num_events: u5,
    /// Peripherals, less one.
    #[bits(12..=16, rw)]
    num_periph_req: u5,
    /// Channels, less one.
    #[bits(4..=6, rw)]
    num_chnls: u3,
    /// The manager is Non-secure after reset.
    #[bit(2, rw)]
    mgr_ns_at_rst: bool,
    /// The manager executes a program after reset.
    #[bit(1, rw)]
    boot_en: bool,
    /// There are peripherals.
    #[bit(0, rw)]
    periph_req: bool,
}

/// `CR1`: the instruction cache.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Cr1 {
    /// Lines, less one.
    #[bits(4..=7, rw)]
    num_i_cache_lines: u4,
    /// log2 of the bytes of a line.
    #[bits(0..=2, rw)]
    i_cache_len: u3,
}

/// `CRD`: the data path.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Crd {
    /// Lines of the MFIFO, less one.
    #[bits(20..=29, rw)]
    data_buffer_dep: u10,
    /// Depth of the read queue, less one.
    #[bits(16..=19, rw)]
    rd_q_dep: u4,
    /// Outstanding reads, less one.
    #[bits(12..=14, rw)]
    rd_cap: u3,
    /// Depth of the write queue, less one.
    #[bits(8..=11, rw)]
    wr_q_dep: u4,
    /// Outstanding writes, less one.
    #[bits(4..=6, rw)]
    wr_cap: u3,
    /// log2 of the bytes of the data bus.
    #[bits(0..=2, rw)]
    data_width: u3,
}

/// `DBGCMD.dbgcmd`, the one value that is not reserved: execute.
pub const DBGCMD_EXECUTE: u2 = u2::new(0);
