// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The thread that carries commands out, one after the other, and takes the device side's locks for it.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mio::Token;
use serde_json::{Map, Value};

use super::commands::{Command, Context};
use super::event::Bell;
use super::qmp::{self, Error};

/// Commands that wait for the worker, of all clients.
const QUEUE: usize = 64;

/// A command to carry out.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) client: Token,
    pub(super) id: Option<Value>,
    pub(super) command: &'static Command,
    pub(super) arguments: Map<String, Value>,
}

/// What became of one.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) client: Token,
    pub(super) command: &'static str,
    /// Whether it was carried out.
    pub(super) done: bool,
    /// As it is sent.
    pub(super) text: String,
}

/// Starts the thread; it ends when the sender of jobs is gone.
pub(super) fn start(
    context: Context,
    bell: Arc<Bell>,
) -> io::Result<(JoinHandle<()>, Sender<Job>, Receiver<Answer>)> {
    let (jobs, inbox) = bounded::<Job>(QUEUE);
    // No longer than the queue of jobs: every answer was a job.
    let (outbox, answers) = unbounded();
    let thread = std::thread::Builder::new()
        .name("control worker".into())
        .spawn(move || {
            for job in inbox {
                if outbox.send(carry_out(&context, job)).is_err() {
                    break;
                }
                bell.ring();
            }
        })?;
    Ok((thread, jobs, answers))
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
