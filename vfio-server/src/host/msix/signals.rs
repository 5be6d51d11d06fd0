// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Signals to a client's eventfds, without ever waiting for the client.
//!
//! A write to an eventfd waits while its counter is full. `O_NONBLOCK` does not prevent that: it belongs to the open
//! file description, which the client has too and can change at any time. So the kernel signals them, which it does
//! without waiting: at the end of an asynchronous request (`IOCB_FLAG_RESFD`, io_submit(2)). The request reads nothing
//! from nowhere and ends before it is submitted. No thread has to be woken for it, which takes longer than anything
//! else between an event and its interrupt.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use vmm_sys_util::aio::{IOCB_FLAG_RESFD, IoContext, IoControlBlock, IoEvent};

#[cfg(test)]
mod tests;

/// The requests at whose ends eventfds are signalled.
#[derive(Debug)]
pub struct Signals {
    context: IoContext,
    /// Bytes that they read.
    null: File,
}

impl Signals {
    /// Gets ready.
    ///
    /// # Errors
    /// `EAGAIN` if other processes have all asynchronous requests that the host allows (`fs.aio-max-nr`), `ENOSYS` or
    /// `EPERM` if it allows this process none.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            context: IoContext::new(1)?,
            null: File::open("/dev/null")?,
        })
    }

    /// Adds one to the counter of an eventfd, unless that is full: then the client has not seen the last edge yet.
    ///
    /// # Errors
    /// Those of io_submit(2), `EINVAL` for what is no eventfd.
    pub fn signal(&self, eventfd: impl AsFd) -> io::Result<()> {
        // IOCB_CMD_PREAD, which is 0, of no byte.
        let mut request = IoControlBlock {
            aio_fildes: number(self.null.as_raw_fd()),
            aio_flags: IOCB_FLAG_RESFD,
            aio_resfd: number(eventfd.as_fd().as_raw_fd()),
            ..IoControlBlock::default()
        };
        self.context.submit(&[&mut request])?;
        // What ended keeps its place until a thread has asked for it. Another thread may have.
        self.context.get_events(0, &mut [IoEvent::default()], None)?;
        Ok(())
    }
}

/// A descriptor as the structure has it.
fn number(fd: RawFd) -> u32 {
    fd.cast_unsigned()
}
