// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A `vfio-server` process for a test: started, asked how it is, ended.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use vfio_server::function::MARKS_SIZE;
use vfio_server::trace::line::What;

use crate::raw::PATIENCE;

/// The registers as a driver knows them.
pub mod registers {
    /// Number of stream-matching groups and more.
    pub const IDR0: u64 = 0x20;
    /// Number of context banks and more.
    pub const IDR1: u64 = 0x24;
    /// Stream match 0.
    pub const SMR0: u64 = 0x800;
    /// Global configuration.
    pub const SCR0: u64 = 0x0;
    /// `sCR0.GFIE`: global faults raise the interrupt.
    pub const SCR0_GFIE: u32 = 1 << 2;
    /// Global fault status; ones clear.
    pub const SGFSR: u64 = 0x48;
    /// Sets bits of [`SGFSR`], for drivers that restore state.
    pub const SGFSRRESTORE: u64 = 0x4c;
}

/// Regions of a vfio PCI device.
pub mod region {
    /// The SMMU.
    pub const BAR0: u32 = 0;
    /// The marks.
    pub const BAR2: u32 = 2;
    /// MSI-X.
    pub const BAR4: u32 = 4;
    /// Configuration space.
    pub const CONFIG: u32 = 7;
}

/// Index of MSI-X.
pub const MSIX: u32 = 2;

/// Name of the control socket.
const CONTROL: &str = "control";
/// A server that takes this much more memory than at first leaks.
const MAY_GROW_KIB: u64 = 32 << 10;

/// A running server.
#[derive(Debug)]
pub struct Served {
    child: Child,
    directory: TempDir,
    resident_kib: u64,
    descriptors: usize,
}

impl Served {
    /// Starts `program` (a `vfio-server`) with these SMMUs, a mark `guest`, and the lines of `more` in the
    /// configuration; those before its first table are keys of the whole.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn start(program: &Path, smmus: &[&str], more: &str) -> Result<Self> {
        Self::start_in(tempfile::tempdir()?, program, smmus, more, &[])
    }

    /// As [`Self::start`], with a control socket at [`Self::control`].
    ///
    /// # Errors
    /// It does not get ready.
    pub fn controlled(program: &Path, smmus: &[&str], more: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let control = directory.path().join(CONTROL);
        Self::start_in(
            directory,
            program,
            smmus,
            more,
            &["--control".as_ref(), control.as_ref()],
        )
    }

    fn start_in(
        directory: TempDir,
        program: &Path,
        smmus: &[&str],
        more: &str,
        args: &[&OsStr],
    ) -> Result<Self> {
        let tables = if more.starts_with('[') {
            0
        } else {
            more.find("\n[").map_or(more.len(), |end| end + 1)
        };
        let (keys, more) = more.split_at(tables);
        let mut config = format!("seed = 1\n{keys}\n");
        for name in smmus {
            let socket = directory.path().join(name);
            writeln!(config, "[[smmu]]\nname = {name:?}\nsocket = {socket:?}")?;
            writeln!(
                config,
                "trace = {:?}",
                directory.path().join(format!("{name}.ndjson"))
            )?;
        }
        writeln!(config, "[[mark]]\nname = \"guest\"\n{more}")?;
        let file = directory.path().join("smmu.toml");
        std::fs::write(&file, config)?;
        let mut child = Command::new(program)
            .args(["--exit-with-stdin", "--config"])
            .arg(&file)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("stderr"))?)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        let mut served = Self {
            child,
            directory,
            resident_kib: 0,
            descriptors: 0,
        };
        ensure!(line == "ready\n", "not ready: {line:?} {}", served.log());
        served.resident_kib = served.resident()?;
        served.descriptors = served.descriptors()?;
        Ok(served)
    }

    /// Socket to which clients of this SMMU connect.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The control socket, if there is one.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.directory.path().join(CONTROL)
    }

    /// The directory with sockets, traces and configuration.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Output of the server on standard error.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid()))?.count())
    }

    /// Number of mapped memfds.
    ///
    /// # Errors
    /// Those of reading `/proc`.
    pub fn mapped_memfds(&self) -> Result<usize> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid()))?;
        Ok(maps.lines().filter(|line| line.contains("/memfd:")).count())
    }

    /// The server is alive, has not grown, and serves a good client of every SMMU in full and from a clean state.
    ///
    /// # Errors
    /// The failure that was found.
    pub fn check(&mut self, smmus: &[&str]) -> Result<()> {
        for name in smmus {
            // A run, and with it its marks, ends when its last client is gone.
            self.settle()?;
            let socket = self.socket(name);
            within_patience(move || good_client(&socket)).with_context(|| {
                format!(
                    "a good client of {name} is not served; the server said:\n{}",
                    self.log()
                )
            })?;
        }
        self.settle()?;
        let resident = self.resident()?;
        ensure!(
            resident < self.resident_kib + MAY_GROW_KIB,
            "resident memory grew from {} to {resident} KiB",
            self.resident_kib
        );
        ensure!(
            !self.log().contains("panicked"),
            "something panicked:\n{}",
            self.log()
        );
        Ok(())
    }

    /// Waits until no client is left, with nothing of what it brought: descriptors, guest memory.
    fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}\n{}", self.log());
            }
            let (descriptors, memfds) = (self.descriptors()?, self.mapped_memfds()?);
            if descriptors <= self.descriptors && memfds == 0 {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "descriptors went from {} to {descriptors}, {memfds} memfds are mapped",
                self.descriptors
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The status of a server that has ended as it should: 0, or 3 if its traces tell of events that are missing. How
    /// far their writers fall behind depends on the machine and on nothing else.
    ///
    /// # Errors
    /// Another status, or a trace that cannot be read.
    pub fn is_clean(&self, status: ExitStatus) -> Result<()> {
        let mut lost = false;
        for entry in std::fs::read_dir(self.directory())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "ndjson") {
                let lines = vfio_server::trace::parse(&std::fs::read_to_string(&path)?)?;
                lost |= lines.iter().any(|line| matches!(line.what, What::Lost { .. }));
            }
        }
        ensure!(
            status.code() == Some(if lost { 3 } else { 0 }),
            "{status}, events are missing: {lost}\n{}",
            self.log()
        );
        Ok(())
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn signal(&mut self, signal: Signal) -> Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), signal)?;
        Ok(self.child.wait()?)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        // Not `Child::wait`, which would close standard input first.
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Closes the server's standard input and waits for the end.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn hang_up(&mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        Ok(self.child.wait()?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs something that could hang for ever if the server did not do its part.
///
/// # Errors
/// Those of `what`, or it takes too long.
pub fn within_patience<T: Send + 'static>(what: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(what()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => bail!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("it panicked"),
    }
}

fn failed(error: vfio_user::Error) -> anyhow::Error {
    anyhow!("{error:?}")
}

/// Number of times that an eventfd was raised since the last call.
///
/// # Errors
/// Those of the system calls.
pub fn raised(fd: &OwnedFd) -> Result<u64> {
    let mut value = [0; 8];
    match rustix::io::read(fd, &mut value) {
        Ok(_) => Ok(u64::from_ne_bytes(value)),
        Err(rustix::io::Errno::AGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Waits until an eventfd is raised: interrupts arrive some time after the access that causes them. Then as [`raised`].
///
/// # Errors
/// Those of the system calls, or it is not raised.
pub fn wait_raised(fd: &OwnedFd) -> Result<u64> {
    let patience = Timespec::try_from(PATIENCE)?;
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&patience))?;
    let count = raised(fd)?;
    ensure!(count > 0, "no interrupt");
    Ok(count)
}

/// A client that does everything a client should, by another implementation than the server's gate.
///
/// # Errors
/// Work that the server did not do, or state that it left behind, for this client.
pub fn good_client(socket: &Path) -> Result<()> {
    let mut client = vfio_user::Client::new(socket).map_err(failed)?;
    let size = |client: &vfio_user::Client, index| client.region(index).map(|region| region.size);
    ensure!(
        size(&client, region::BAR0).is_some_and(u64::is_power_of_two),
        "size of BAR0"
    );
    ensure!(size(&client, region::BAR4) == Some(8192), "size of BAR4");
    ensure!(
        size(&client, region::CONFIG) == Some(256),
        "size of configuration space"
    );
    let read32 = |client: &mut vfio_user::Client, region, offset| {
        let mut data = [0; 4];
        client
            .region_read(region, offset, &mut data)
            .map(|()| u32::from_le_bytes(data))
            .map_err(failed)
    };
    let banks = read32(&mut client, region::BAR0, registers::IDR1)? & 0xff;
    ensure!(banks > 0, "IDR1.NUMCB");
    let msix = client.get_irq_info(MSIX).map_err(failed)?;
    let masters = msix.count.checked_sub(banks + 1);
    let masters =
        masters.with_context(|| format!("{} MSI-X vectors for {banks} context banks", msix.count))?;
    let blocks = size(&client, region::BAR2).context("size of BAR2")?;
    ensure!(
        blocks.is_power_of_two() && blocks >= MARKS_SIZE + u64::from(masters) * 4096,
        "size of BAR2 with {masters} masters: {blocks:#x}"
    );

    // A clean state, then one that is not.
    ensure!(
        read32(&mut client, region::BAR0, registers::SMR0)? == 0,
        "SMR0 is left over"
    );
    client
        .region_write(region::BAR0, registers::SMR0, &0x8001_0002_u32.to_le_bytes())
        .map_err(failed)?;
    ensure!(
        read32(&mut client, region::BAR0, registers::SMR0)? == 0x8001_0002,
        "SMR0 does not keep its value"
    );
    ensure!(
        read32(&mut client, region::CONFIG, 4)? & 0xffff == 0,
        "the command register is left over"
    );
    client
        .region_write(region::CONFIG, 4, &6_u16.to_le_bytes())
        .map_err(failed)?;
    ensure!(
        read32(&mut client, region::BAR2, 0)? == 0,
        "the mark is left over"
    );
    client
        .region_write(region::BAR2, 0, &1_u32.to_le_bytes())
        .map_err(failed)?;
    ensure!(
        read32(&mut client, region::BAR2, 0)? == 1,
        "the mark is not raised"
    );

    let memory = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&memory, 1 << 20)?;
    client
        .dma_map(0, 0x4000_0000, 1 << 20, memory.as_raw_fd())
        .map_err(failed)?;

    // The line of global faults goes up by the guest's hand.
    ensure!(
        read32(&mut client, region::BAR4, 0x1000)? == 0,
        "an interrupt is left over"
    );
    let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    client
        .set_irqs(MSIX, 0x24, 0, 1, &[event.as_fd().as_raw_fd()])
        .map_err(failed)?;
    let gfie = registers::SCR0_GFIE.to_le_bytes();
    client
        .region_write(region::BAR0, registers::SCR0, &gfie)
        .map_err(failed)?;
    client
        .region_write(region::BAR0, registers::SGFSRRESTORE, &2_u32.to_le_bytes())
        .map_err(failed)?;
    wait_raised(&event)?;
    client.dma_unmap(0x4000_0000, 1 << 20).map_err(failed)?;
    client.reset().map_err(failed)?;
    ensure!(
        read32(&mut client, region::BAR0, registers::SMR0)? == 0,
        "SMR0 survives a reset"
    );
    client
        .region_write(region::BAR0, registers::SMR0, &0x8001_0002_u32.to_le_bytes())
        .map_err(failed)?;
    Ok(())
}
