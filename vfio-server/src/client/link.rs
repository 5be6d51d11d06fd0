// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The `vfio_user` crate behind a private connection: it answers the requests that do not touch registers.
//!
//! One thread per client runs the crate's server; the gate sends it one checked request at a time and reads the reply.
//! What the crate would do wrong is kept from mattering here: a panic ends this thread only, and the errno of a backend
//! error, which the crate drops, is latched and put into the reply.

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use thiserror::Error;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};
use zerocopy::{FromBytes, IntoBytes};

use super::socket;
use super::wire::{self, Header};
use crate::function::{Function, irq, region};
use crate::host::memory::MapError;
use crate::sync::Mutex;

/// The crate answers at once; anything longer is a defect.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// No reply of the crate is longer.
const MAX_REPLY: usize = 4096;

/// The crate did not answer as it should.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The connection to the crate's thread failed, or its thread ended.
    #[error("the vfio_user crate does not answer: {0}")]
    Connection(#[from] io::Error),
    /// The reply does not fit the request.
    #[error("the vfio_user crate answers {0:?}")]
    Reply(Header),
}

/// Reason why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Error number for the reply.
    pub errno: Errno,
    /// Text for the log.
    pub reason: String,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            reason: errno.to_string(),
        }
    }
}

impl From<MapError> for Refusal {
    fn from(error: MapError) -> Self {
        Self {
            errno: error.errno(),
            reason: error.to_string(),
        }
    }
}

/// A running server of the crate and the connection to it.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
    refusal: Arc<Mutex<Option<Refusal>>>,
}

impl Link {
    /// Starts the crate for one client. The private socket stands in `directory` for as long as it takes to connect.
    ///
    /// # Errors
    /// Those of sockets and threads.
    pub fn open(function: &Arc<Mutex<Function>>, directory: &Path) -> io::Result<Self> {
        let (listener, stream) = private_connection(directory)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
        let refusal = Arc::new(Mutex::new(None));
        let (irqs, regions) = describe(&function.lock());
        let server = Server::from_owned_fd(listener, true, irqs, regions);
        let mut backend = Backend {
            function: Arc::clone(function),
            refusal: Arc::clone(&refusal),
        };
        let thread =
            std::thread::Builder::new().name("vfio-user".into()).spawn(
                move || match std::panic::catch_unwind(AssertUnwindSafe(|| server.run(&mut backend))) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the vfio_user crate ended a connection"),
                    Err(_) => tracing::error!("the vfio_user crate panicked"),
                },
            )?;
        Ok(Self {
            stream,
            thread: Some(thread),
            refusal,
        })
    }

    /// Hands a checked request to the crate and returns the payload of its reply.
    ///
    /// # Errors
    /// The outer error ends the client; the inner is for the reply and the log.
    pub fn call(
        &mut self,
        header: &Header,
        payload: &[u8],
        fds: &[OwnedFd],
    ) -> Result<Result<Vec<u8>, Refusal>, LinkError> {
        *self.refusal.lock() = None;
        // The gate decides whether the client hears of it.
        let header = Header {
            flags: 0.into(),
            error: 0.into(),
            ..*header
        };
        self.send(&header, payload, fds)?;
        let mut reply = [0; wire::HEADER_SIZE];
        self.stream.read_exact(&mut reply)?;
        let reply = Header::read_from_bytes(&reply).unwrap_or_default();
        let size = usize::try_from(reply.message_size.get()).unwrap_or(usize::MAX);
        let size = size
            .checked_sub(wire::HEADER_SIZE)
            .filter(|&size| size <= MAX_REPLY);
        let (Some(size), true) = (size, reply.message_id == header.message_id) else {
            return Err(LinkError::Reply(reply));
        };
        let mut payload = vec![0; size];
        self.stream.read_exact(&mut payload)?;
        // The crate sends errno 0 for an error of the backend, which QEMU takes for success.
        if let Some(refusal) = self.refusal.lock().take() {
            return Ok(Err(refusal));
        }
        if reply.flags.get() & wire::FLAG_ERROR != 0 {
            let errno = i32::try_from(reply.error.get()).ok().filter(|&errno| errno != 0);
            return Ok(Err(errno.map_or(Errno::IO, Errno::from_raw_os_error).into()));
        }
        Ok(Ok(payload))
    }

    /// The crate takes the header with one receive, and descriptors only with it: everything goes in one message.
    fn send(&self, header: &Header, payload: &[u8], fds: &[OwnedFd]) -> io::Result<()> {
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let mut space =
            [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(wire::MAX_MESSAGE_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(Errno::TOOBIG.into());
        }
        let parts = [IoSlice::new(header.as_bytes()), IoSlice::new(payload)];
        let sent = rustix::net::sendmsg(&self.stream, &parts, &mut control, SendFlags::NOSIGNAL)?;
        if sent == wire::HEADER_SIZE + payload.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The crate's thread sees the end of the stream and returns.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A listener for the crate with our connection as the only one it will ever get: its name is gone on return.
fn private_connection(directory: &Path) -> io::Result<(OwnedFd, UnixStream)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let directory = rustix::fs::open(
        directory,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!(".vfio-server-{}-{count}", std::process::id());
    // By way of the descriptor the path is short, however deep the directory is.
    let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
    let listener = socket::listen(Path::new(&path), 1)?;
    let stream = UnixStream::connect(&path);
    rustix::fs::unlinkat(&directory, &name, AtFlags::empty())?;
    Ok((listener, stream?))
}

/// The regions and interrupts as the crate reports them.
fn describe(function: &Function) -> (Vec<IrqInfo>, Vec<ServerRegion>) {
    let irqs = (0..irq::COUNT).map(|index| IrqInfo {
        index,
        // As Linux has it, also where the count is 0. Vectors can be added one by one: no VFIO_IRQ_INFO_NORESIZE.
        flags: VFIO_IRQ_INFO_EVENTFD,
        count: if index == irq::MSIX { function.vectors() } else { 0 },
    });
    let regions = (0..region::COUNT).map(|index| {
        let size = function.region_size(index).unwrap_or(0);
        let rights = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        let region_info = vfio_region_info {
            argsz: u32::try_from(size_of::<vfio_region_info>()).unwrap_or(0),
            flags: if size == 0 { 0 } else { rights },
            index,
            size,
            ..Default::default()
        };
        ServerRegion {
            region_info,
            sparse_areas: Vec::new(),
            mmap_fd: None,
        }
    });
    (irqs.collect(), regions.collect())
}

/// Backend that the crate calls.
struct Backend {
    function: Arc<Mutex<Function>>,
    refusal: Arc<Mutex<Option<Refusal>>>,
}

impl Backend {
    /// Keeps the refusal for [`Link::call`].
    fn latch(&self, result: Result<(), impl Into<Refusal>>) -> io::Result<()> {
        result.map_err(|error| {
            let refusal = error.into();
            let errno = refusal.errno;
            *self.refusal.lock() = Some(refusal);
            errno.into()
        })
    }
}

impl ServerBackend for Backend {
    fn region_read(&mut self, _: u32, _: u64, _: &mut [u8]) -> io::Result<()> {
        // The gate answers these.
        self.latch(Err(Errno::OPNOTSUPP))
    }

    fn region_write(&mut self, _: u32, _: u64, _: &[u8]) -> io::Result<()> {
        self.latch(Err(Errno::OPNOTSUPP))
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let result = self
            .function
            .lock()
            .map(address, size, offset, flags, fd.map(OwnedFd::from));
        self.latch(result)
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        // The crate has another idea of the bit than the specification and QEMU.
        let all = flags.bits() & wire::UNMAP_ALL != 0;
        let result = self.function.lock().unmap(address, size, all);
        self.latch(result)
    }

    fn reset(&mut self) -> io::Result<()> {
        self.function.lock().reset();
        Ok(())
    }

    fn set_irqs(&mut self, index: u32, flags: u32, start: u32, count: u32, fds: Vec<File>) -> io::Result<()> {
        let fds = fds.into_iter().map(OwnedFd::from).collect();
        let result = self.function.lock().set_irqs(index, flags, start, count, fds);
        self.latch(result)
    }
}
