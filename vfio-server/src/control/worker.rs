// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The threads that carry commands out, one after the other, and take the device side's locks for it: one for commands
//! that wait for something, a disk or a transfer, and one for the others, which do not wait for those then.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use mio::Token;
use serde_json::{Map, Value};

use super::commands::{self, Command, Context};
use super::qmp::{self, Error};
use crate::host::events::Bell;

#[cfg(test)]
mod tests;

/// Commands that wait for a worker, of all clients.
const QUEUE: usize = 64;

/// A command to carry out.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) client: Token,
    pub(super) id: Option<Value>,
    pub(super) command: &'static Command,
    pub(super) arguments: Map<String, Value>,
}

/// Result of a job.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) client: Token,
    pub(super) command: &'static str,
    /// Whether it was carried out.
    pub(super) done: bool,
    /// Text that is sent.
    pub(super) text: String,
}

/// The way to the workers.
#[derive(Debug)]
pub(super) struct Jobs {
    quick: Sender<Job>,
    slow: Sender<Job>,
}

impl Jobs {
    /// Hands a job to its worker, if there is room.
    pub(super) fn try_send(&self, job: Job) -> Result<(), TrySendError<Job>> {
        let slow = commands::SLOW.contains(&job.command.name);
        if slow { &self.slow } else { &self.quick }.try_send(job)
    }
}

/// Starts the threads; they end when the jobs' sender is gone.
pub(super) fn start(
    context: &Context,
    bell: &Arc<Bell>,
) -> io::Result<(Vec<JoinHandle<()>>, Jobs, Receiver<Answer>)> {
    // No longer than the queues of jobs: every answer was a job.
    let (outbox, answers) = unbounded();
    let mut threads = Vec::new();
    let mut worker = |name: &str| {
        let (jobs, inbox) = bounded::<Job>(QUEUE);
        let (context, bell, outbox) = (context.clone(), Arc::clone(bell), outbox.clone());
        let thread = std::thread::Builder::new().name(name.into());
        threads.push(thread.spawn(move || {
            for job in inbox {
                if outbox.send(carry_out(&context, job)).is_err() {
                    break;
                }
                bell.ring();
            }
        })?);
        io::Result::Ok(jobs)
    };
    let jobs = Jobs {
        quick: worker("control worker")?,
        slow: worker("control slow")?,
    };
    Ok((threads, jobs, answers))
}

fn carry_out(context: &Context, job: Job) -> Answer {
    let Job {
        client,
        id,
        command,
        arguments,
    } = job;
    let run = AssertUnwindSafe(|| (command.run)(context, arguments));
    let result = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        Err(Error::generic(
            "a defect of the server: see what it says on standard error",
        ))
    });
    Answer {
        client,
        command: command.name,
        done: result.is_ok(),
        text: qmp::answer(id, result).to_string(),
    }
}
