// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA devices: devices that do DMA through an SMMU.
//!
//! A DMA device is an *engine*: a [`MmioRegion`] of registers in BAR2, which the guest's accesses reach with the
//! function locked, and threads, which make the DMA. [`crate::devices::kinds`] says which engine serves which kind; a
//! device is made with a [`DeviceContext`], which gives it its [`Interrupt`] and starts its threads:
//!
//! ```ignore
//! pub fn start(context: &mut DeviceContext) -> io::Result<Box<dyn MmioRegion>> {
//!     let registers = Arc::new(Mutex::new(Registers::default()));
//!     let (theirs, interrupt) = (Arc::clone(&registers), context.interrupt());
//!     let doorbell = context.thread(move |port| { // once for each ring, or for several at once
//!         let job = theirs.lock().next.take(); // its lock is not held during an access
//!         let Some(job) = job else { return };
//!         match port.write(job.address, &job.data, job.access) {
//!             Err(Refusal::Revoked(_)) => return, // a reset: `MmioRegion::reset` has cleared the registers
//!             done => theirs.lock().finish(job, done), // unless a reset came after the access
//!         }
//!         interrupt.raise();
//!     })?;
//!     Ok(Box::new(MyBlock { registers, doorbell })) // its `write` rings
//! }
//! ```
//!
//! | module | is |
//! | --- | --- |
//! | [`context`] | registers, interrupt and threads of an engine |
//! | [`port`] | the way of a thread to memory |
//! | [`thread`] | threads that wait for a ring |

pub mod context;
pub mod port;
pub mod thread;

pub use context::{BLOCK_SIZE, DeviceContext, Interrupt, MmioRegion};
pub use port::{Access, Activity, Port, Refusal};
pub use thread::Doorbell;

pub use crate::host::dma_gate::Revoked;
