// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The SMMUv2 model as vfio-user PCI functions: the process that runs beside QEMU.
//!
//! Layers, from the lowest to the highest; each uses only those above it in this table:
//!
//! | module | is |
//! | --- | --- |
//! | [`sync`] | locks and threads, without poison, and those of the model checker |
//! | [`trace`] | events of the model, recorded and written out |
//! | [`config`] | the TOML file |
//! | [`host`] | the model's host: clock, guest memory, interrupts, marks, events, injections |
//! | [`dma`] | the way of a device's threads through the SMMU, registers and interrupt of a device |
//! | [`devices`] | devices that do DMA: virtio, PL330, test master |
//! | [`function`] | the PCI function of one SMMU: registers, marks, devices and clock behind its BARs |
//! | [`client`] | vfio-user: sockets, clients, messages, checks |
//! | [`control`] | the control socket: its server, its client |
//! | [`cli`] | arguments, signals, exit codes |
//!
//! Clients are hostile: nothing that one sends ends the process, memory and descriptors are bounded, and the next
//! client meets a clean function. `docs/decisions/0002-vfio-user-gate.md` says why there is a gate.

pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod devices;
pub mod dma;
pub mod function;
pub mod host;
pub mod sync;
pub mod trace;
