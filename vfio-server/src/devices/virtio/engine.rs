// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Virtio devices as DMA devices: a register block, and a DMA thread for each queue, so that queues do not wait for
//! each other's files and stalls.

use std::fmt::Display;
use std::sync::Arc;

use smmu_emu::Intent;

use super::blk::{self, Blk, Image};
use super::complaint::Complaints;
use super::mmio::{Bell, Identity, SharedRing, Transport};
use super::ring::{Handler, Next, Ring};
use super::rng::{self, Rng};
use super::{State, console};
use crate::config::dma_devices::{Console, Disk};
use crate::dma::{DeviceContext, Interrupt, MmioRegion, Port, Revoked};
use crate::sync::Mutex;

/// Makes a virtio-blk.
///
/// # Errors
/// What is wrong with the image, and what to do.
pub fn start_blk(config: &Disk, context: &mut DeviceContext) -> Result<Box<dyn MmioRegion>, String> {
    let image = Image::open(&config.image, config.read_only, context.shared().run().files())?;
    let complaints = Arc::new(Complaints::new(context.name()));
    let disk = blk::Disk::new(context.name(), &complaints);
    let queues = (0..config.queues).map(|_| Blk::new(&disk, &image)).collect();
    start(
        blk::identity(&image, config.queues),
        blk::QUEUE_SIZE,
        queues,
        &complaints,
        context,
    )
}

/// Makes a virtio-rng.
///
/// # Errors
/// There are no more threads.
pub fn start_rng(context: &mut DeviceContext) -> Result<Box<dyn MmioRegion>, String> {
    let complaints = Arc::new(Complaints::new(context.name()));
    let queues = vec![Rng::new(context.stream().into())];
    start(rng::identity(), rng::QUEUE_SIZE, queues, &complaints, context)
}

/// Makes a virtio-console.
///
/// # Errors
/// What is wrong with its files.
pub fn start_console(config: &Console, context: &mut DeviceContext) -> Result<Box<dyn MmioRegion>, String> {
    let complaints = Arc::new(Complaints::new(context.name()));
    let files = context.shared().run().files();
    let queues = console::open(&config.output, config.input.as_deref(), files, &complaints)?;
    start(
        console::identity(),
        console::QUEUE_SIZE,
        queues.into(),
        &complaints,
        context,
    )
}

fn start<H: Handler + 'static>(
    identity: Identity,
    size: u16,
    handlers: Vec<H>,
    complaints: &Arc<Complaints>,
    context: &mut DeviceContext,
) -> Result<Box<dyn MmioRegion>, String> {
    let state = Arc::new(State::default());
    let mut queues: Vec<(SharedRing<H>, Bell)> = Vec::new();
    for (number, handler) in (0..).zip(handlers) {
        let ring = Ring::new(number, size, handler).map_err(|error| error.to_string())?;
        let worker = Worker {
            ring: Arc::new(Mutex::new(ring)),
            state: Arc::clone(&state),
            complaints: Arc::clone(complaints),
            interrupt: context.interrupt(),
        };
        let ring = Arc::clone(&worker.ring);
        let doorbell = context
            // A reset has stopped the queue, so there is nothing to give up.
            .thread(move |port| worker.run(port).unwrap_or_default())
            .map_err(|error| format!("cannot start its thread: {error}"))?;
        queues.push((ring, Box::new(move || doorbell.ring())));
    }
    let interrupt = context.interrupt();
    let raise: Bell = Box::new(move || interrupt.raise());
    Ok(Box::new(Transport::new(
        identity, &state, complaints, queues, raise,
    )))
}

/// State of the thread of a queue.
#[derive(Debug)]
struct Worker<H> {
    ring: SharedRing<H>,
    state: Arc<State>,
    complaints: Arc<Complaints>,
    interrupt: Interrupt,
}

impl<H: Handler> Worker<H> {
    /// Says why the device needs a reset, with the access that the SMMU refused if that was the reason.
    fn broken(&self, port: &Port, problem: &dyn Display) {
        match port.refused() {
            Some(refused) => self.complaints.needs_reset(&format_args!("{problem}; {refused}")),
            None => self.complaints.needs_reset(problem),
        }
    }

    /// Serves the queue until there is nothing to do.
    fn run(&self, port: &mut Port) -> Result<(), Revoked> {
        loop {
            let next = port.with_view(Intent::default(), |view| {
                let turn = self.ring.lock().run(view, &self.state);
                // Also before a stall is waited for.
                if turn.interrupt {
                    self.interrupt.raise();
                }
                turn.next
            })?;
            match next {
                Next::Wait => return Ok(()),
                Next::Batch => {}
                Next::Settle => self.state.jobs().settle(),
                Next::Work(ticket, job) => {
                    let worked = H::work(job);
                    self.ring.lock().finish(ticket, worked);
                }
                Next::Retry(pause) => {
                    std::thread::sleep(pause);
                    port.check()?;
                }
                // The port has waited, and the access was terminated.
                Next::Stalled(generation) => {
                    let problem = self.ring.lock().terminated(generation, &self.state);
                    if let Some(problem) = problem {
                        self.interrupt.raise();
                        self.broken(port, &problem);
                        return Ok(());
                    }
                }
                Next::Broken(problem) => {
                    self.broken(port, &problem);
                    return Ok(());
                }
            }
        }
    }
}

impl<H: Handler> MmioRegion for Transport<H> {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.read(offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        self.write(offset, data);
    }

    fn reset(&mut self) {
        self.power_on();
    }
}
