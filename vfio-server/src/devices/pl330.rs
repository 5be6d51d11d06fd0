// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The DMA controller PL330 (Arm CoreLink DMA-330, DDI 0424): registers and the interpreter of its microcode.
//!
//! | module | is |
//! | --- | --- |
//! | [`spec`] | the register table and field types, no algorithms |
//! | [`config`] | what a controller has, and what it advertises of it |
//! | [`decode`] | instructions from bytes |
//! | [`events`] | events and interrupts |
//! | [`requests`] | the request lines of peripherals |
//! | `transfer`, `fifo` | the data of a channel between its loads and stores; fewer, larger bus accesses |
//! | `cache` | the instruction cache |
//! | [`channel`], `execute` | a DMA channel thread, and what each instruction does to it |
//! | [`engine`] | the manager and the channels, run in bounded slices |
//! | [`registers`] | the register block: what software sees and asks for |
//! | [`device`] | all of it as a DMA device of the server |
//!
//! Microcode is hostile. Whatever it is, a slice ends after a bounded number of instructions and bus accesses, memory
//! is bounded by the MFIFO, and what is wrong becomes a fault of the thread (`FTRn`), never an error of the server.

pub mod bus;
mod cache;
pub mod channel;
pub mod config;
pub mod decode;
pub mod device;
pub mod engine;
pub mod events;
mod execute;
mod fifo;
pub mod registers;
pub mod requests;
pub mod spec;
mod transfer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
