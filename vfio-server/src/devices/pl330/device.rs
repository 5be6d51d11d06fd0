// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The controller as a DMA device: registers in BAR2, the engine on a thread.
//!
//! The thread holds no lock while it runs a slice. It takes up what software asked for before the slice, and shows what
//! came of it afterwards, unless a reset was in between: then its work is of a time that is over.

use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::{io, mem};

use super::bus::{Bus, BusError, Protection};
use super::config::Config;
use super::engine::{Activity, Engine, View};
use super::events::Events;
use super::registers::Registers;
use crate::dma::{Access, DeviceContext, Doorbell, Interrupt, MmioRegion, Port, Refusal};
use crate::sync::Mutex;

/// Time for which a program that only spins waits for its next turn.
const SPIN_PAUSE: Duration = Duration::from_micros(100);

/// State that the register side and the thread share.
#[derive(Debug)]
struct Shared {
    registers: Registers,
    /// Number of resets.
    generation: u64,
}

/// The register side.
#[derive(Debug)]
struct Device {
    shared: Arc<Mutex<Shared>>,
    interrupt: Interrupt,
    doorbell: Doorbell,
}

/// Makes a controller and starts its thread.
///
/// # Errors
/// There are no more threads.
pub fn start(context: &mut DeviceContext) -> io::Result<Box<dyn MmioRegion>> {
    let config = Config::default();
    let shared = Arc::new(Mutex::new(Shared {
        registers: Registers::new(config.clone()),
        generation: 0,
    }));
    let interrupt = context.interrupt();
    let mut worker = Worker {
        shared: Arc::clone(&shared),
        interrupt: interrupt.clone(),
        engine: Engine::new(config),
        generation: 0,
    };
    let doorbell = context.thread(move |port| worker.work(port))?;
    Ok(Box::new(Device {
        shared,
        interrupt,
        doorbell,
    }))
}

impl MmioRegion for Device {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.shared.lock().registers.read(offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let effect = self.shared.lock().registers.write(offset, data);
        if effect.interrupt {
            self.interrupt.raise();
        }
        if effect.wake {
            self.doorbell.ring();
        }
    }

    fn reset(&mut self) {
        let mut shared = self.shared.lock();
        shared.registers.reset();
        shared.generation += 1;
    }
}

/// The thread's side.
#[derive(Debug)]
struct Worker {
    shared: Arc<Mutex<Shared>>,
    interrupt: Interrupt,
    engine: Engine,
    /// The reset after which the engine began.
    generation: u64,
}

impl Worker {
    /// Runs slices until there is nothing to do.
    fn work(&mut self, port: &mut Port) {
        while let Some(debug) = self.take_up(port) {
            let mut outputs = Outputs {
                shared: &self.shared,
                generation: self.generation,
                risen: false,
            };
            let mut abort = false;
            if let Some(words) = debug {
                abort = self.engine.debug(words, &mut outputs);
                // Before the slice, in which an access may stall.
                publish(&self.shared, self.generation, self.engine.view());
            }
            let mut bus = PortBus { port, gone: false };
            let activity = self.engine.run(&mut bus, &mut outputs);
            if bus.gone {
                // A reset follows, or has; what the engine made of the missing answer is not to be seen.
                self.generation = u64::MAX;
                return;
            }
            let interrupt = abort || activity.abort || outputs.risen;
            if !publish(&self.shared, self.generation, self.engine.view()) {
                return;
            }
            if interrupt {
                self.interrupt.raise();
            }
            match activity {
                Activity { runnable: false, .. } => return,
                Activity { spinning: true, .. } => thread::sleep(SPIN_PAUSE),
                Activity { .. } => thread::yield_now(),
            }
        }
    }

    /// Takes the request of software; none if this work is revoked.
    fn take_up(&mut self, port: &Port) -> Option<Option<[u32; 2]>> {
        let mut shared = self.shared.lock();
        // With the lock, so that it is the work of this period that is found. A request in the next one rings
        // again.
        port.check().ok()?;
        if mem::replace(&mut self.generation, shared.generation) != shared.generation {
            self.engine.reset();
        }
        self.engine
            .set_lock_up_only_interrupts(shared.registers.lock_up_only_interrupts());
        Some(shared.registers.take_debug())
    }
}

/// Shows software the threads. False after a reset.
fn publish(shared: &Mutex<Shared>, generation: u64, view: View) -> bool {
    let mut shared = shared.lock();
    let current = shared.generation == generation;
    if current {
        shared.registers.publish(view);
    }
    current
}

/// The events of the register side, as the engine sees them during a slice.
#[derive(Debug)]
struct Outputs<'a> {
    shared: &'a Mutex<Shared>,
    generation: u64,
    /// An interrupt output went high.
    risen: bool,
}

impl Outputs<'_> {
    /// Does something with the events, but after a reset.
    fn with<R: Default>(&mut self, act: impl FnOnce(&mut super::events::EventRegisters) -> R) -> R {
        let mut shared = self.shared.lock();
        if shared.generation != self.generation {
            return R::default();
        }
        let events = &mut shared.registers.events;
        let before = events.outputs();
        let result = act(events);
        self.risen |= events.outputs() & !before != 0;
        result
    }
}

impl Events for Outputs<'_> {
    fn signal(&mut self, event: u8) {
        self.with(|events| events.signal(event));
    }

    fn take(&mut self, event: u8) -> bool {
        self.with(|events| events.take(event))
    }
}

/// The DMA device's way to memory.
#[derive(Debug)]
struct PortBus<'a> {
    port: &'a mut Port,
    /// The time of the work is over.
    gone: bool,
}

impl PortBus<'_> {
    fn access(&self, protection: Protection) -> Access {
        Access {
            stream: self.port.stream(),
            privileged: protection.privileged,
            instruction: protection.instruction,
        }
    }

    fn answer(&mut self, result: Result<(), Refusal>) -> Result<(), BusError> {
        self.gone |= matches!(result, Err(Refusal::Revoked(_)));
        result.map_err(|_| BusError)
    }
}

impl Bus for PortBus<'_> {
    fn fetch(&mut self, address: u32, data: &mut [u8], non_secure: bool) -> Result<(), BusError> {
        let protection = Protection {
            privileged: true,
            non_secure,
            instruction: true,
        };
        self.read(address, data, protection)
    }

    fn read(&mut self, address: u32, data: &mut [u8], protection: Protection) -> Result<(), BusError> {
        let access = self.access(protection);
        let result = self.port.read(address.into(), data, access);
        self.answer(result)
    }

    fn write(&mut self, address: u32, data: &[u8], protection: Protection) -> Result<(), BusError> {
        let access = self.access(protection);
        let result = self.port.write(address.into(), data, access);
        self.answer(result)
    }
}
