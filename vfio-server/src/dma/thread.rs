// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Threads of DMA devices: each waits for its doorbell, works, and waits again.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use super::port::Port;
use crate::host::Shared;
use crate::sync::{
    Condvar, Mutex,
    thread::{self, JoinHandle},
};

#[cfg(test)]
mod tests;

/// Tells a thread that there is work. Ringing does not wait, and several rings may be one.
#[derive(Clone, Debug, Default)]
pub struct Doorbell(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    closed: bool,
}

impl Doorbell {
    /// Rings.
    pub fn ring(&self) {
        self.0.state.lock().rung = true;
        self.0.rung.notify_one();
    }

    /// Waits for a ring; false once there are no more.
    fn wait(&self) -> bool {
        let waits = |state: &mut State| !state.rung && !state.closed;
        let mut state = self.0.rung.wait_while(self.0.state.lock(), waits);
        state.rung = false;
        !state.closed
    }

    fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.rung.notify_one();
    }
}

/// A thread. Dropping it ends it; the gate has to be stopped before, or its work may go on.
#[derive(Debug)]
pub struct Thread {
    doorbell: Doorbell,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start(
        name: &str,
        shared: Arc<Shared>,
        mut port: Port,
        mut work: impl FnMut(&mut Port) + Send + 'static,
    ) -> io::Result<Self> {
        let doorbell = Doorbell::default();
        let rings = doorbell.clone();
        let master = name.to_owned();
        let handle = thread::Builder::new()
            .name(format!("dma {name}"))
            .spawn(move || {
                while rings.wait() {
                    // Before the work looks for what there is to do: what it finds is of this generation or, if a reset
                    // comes between, gone.
                    let Some(generation) = shared.dma_gate().generation() else {
                        return;
                    };
                    port.begin(generation);
                    if std::panic::catch_unwind(AssertUnwindSafe(|| work(&mut port))).is_err() {
                        tracing::error!(master, "gave work up after a defect of the server, see above");
                    }
                }
            })?;
        Ok(Self {
            doorbell,
            handle: Some(handle),
        })
    }

    pub(super) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// It ends after the work that it has.
    pub fn close(&self) {
        self.doorbell.close();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.close();
        if let Some(handle) = self.handle.take() {
            // A panic was logged where it happened.
            let _ = handle.join();
        }
    }
}
