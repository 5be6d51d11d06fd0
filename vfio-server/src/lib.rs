// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The SMMUv2 model as vfio-user PCI functions: the process that runs beside QEMU.
//!
//! | module | is |
//! | --- | --- |
//! | [`cli`] | arguments, signals, exit codes |
//! | [`config`] | the TOML file |
//! | [`server`] | sockets, threads, one client at a time |
//! | [`socket`] | making and removing public sockets |
//! | [`gate`] | one client: receives, checks, answers |
//! | [`stream`], [`wire`], [`request`] | messages from bytes, their layout, their checks |
//! | [`link`] | the `vfio_user` crate behind the gate |
//! | [`function`] | the PCI function: where requests meet the model |
//! | [`pci`], [`msix`], [`memory`] | its configuration space, interrupts, guest memory |
//! | [`master`] | masters of DMA behind the SMMU: their registers, threads, and way to memory |
//! | [`pl330`] | the DMA controller PL330 |
//! | [`host`] | the model's surroundings: clock, memory, marks |
//! | [`injected`], [`timer`] | what the plan does: log, events, late replies; late interrupts |
//! | [`control`], [`ctl`] | the control socket: its server, its client |
//! | [`virtio`] | virtio devices: transport, queues, disk, random numbers, console |
//! | [`trace`] | what happens, recorded and written out |
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
pub mod trace;
