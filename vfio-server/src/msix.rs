// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! MSI-X: interrupt lines of the SMMU as eventfds of the client.
//!
//! Vector 0 is the global line and every group of event counters, vector 1+n context bank n. A vector is an edge; the model asks for another one when
//! software has handled part of what holds a line up.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;
use smmu_emu::Line;

#[cfg(test)]
mod tests;

/// The vectors of one function.
#[derive(Debug)]
pub struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Debug, Default)]
struct Vector {
    eventfd: Option<OwnedFd>,
    level: bool,
}

impl Vectors {
    /// Vectors without eventfds, lines low.
    #[must_use]
    pub fn new(count: u16) -> Self {
        Self {
            vectors: (0..count).map(|_| Vector::default()).collect(),
        }
    }

    /// The vector of a line.
    #[must_use]
    pub fn of(line: Line) -> usize {
        match line {
            // A device tree counts interrupts of event counters among the global ones.
            Line::Global | Line::Pmu(_) => 0,
            Line::Context(bank) => usize::from(bank) + 1,
        }
    }

    /// Number of vectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// A line has this level now; raises its vector if that is high.
    pub fn set_line(&mut self, line: Line, level: bool) {
        if let Some(vector) = self.vectors.get_mut(Self::of(line)) {
            // The global line keeps its level whatever an event counter does.
            if !matches!(line, Line::Pmu(_)) {
                vector.level = level;
            }
            if level {
                vector.raise();
            }
        }
    }

    /// Raises vectors as if their lines had (SET_IRQS with `DATA_NONE` and a count: a loopback test).
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors.
    pub fn trigger(&self, start: u32, count: u32) -> Result<(), Errno> {
        let range = self.range(start, count)?;
        for vector in self.vectors.get(range).unwrap_or_default() {
            vector.raise();
        }
        Ok(())
    }

    /// Gives `fds.len()` vectors from `start` on an eventfd each; a vector whose line is high is raised at once.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors, or a descriptor is not an eventfd: writing to anything else
    /// could block the server. No vector is changed then.
    pub fn assign(&mut self, start: u32, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let range = self.range(start, u32::try_from(fds.len()).map_err(|_| Errno::INVAL)?)?;
        for fd in &fds {
            check_eventfd(fd)?;
        }
        for (vector, fd) in self
            .vectors
            .get_mut(range)
            .unwrap_or_default()
            .iter_mut()
            .zip(fds)
        {
            vector.eventfd = Some(fd);
            if vector.level {
                vector.raise();
            }
        }
        Ok(())
    }

    /// Takes the eventfds of vectors away.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors.
    pub fn remove(&mut self, start: u32, count: u32) -> Result<(), Errno> {
        let range = self.range(start, count)?;
        for vector in self.vectors.get_mut(range).unwrap_or_default() {
            vector.eventfd = None;
        }
        Ok(())
    }

    /// Takes all eventfds away.
    pub fn remove_all(&mut self) {
        for vector in &mut self.vectors {
            vector.eventfd = None;
        }
    }

    /// The pending bits, as many bytes as fit: a line that is high and has nobody to tell.
    pub fn pending(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let first = usize::try_from(offset).unwrap_or(usize::MAX).saturating_mul(8);
        for (bit, vector) in self.vectors.iter().skip(first).enumerate() {
            if let Some(byte) = data.get_mut(bit / 8) {
                *byte |= u8::from(vector.level && vector.eventfd.is_none()) << (bit % 8);
            }
        }
    }

    fn range(&self, start: u32, count: u32) -> Result<std::ops::Range<usize>, Errno> {
        let end = start.checked_add(count).ok_or(Errno::INVAL)?;
        let start = usize::try_from(start).map_err(|_| Errno::INVAL)?;
        let end = usize::try_from(end).map_err(|_| Errno::INVAL)?;
        if end > self.vectors.len() {
            Err(Errno::INVAL)
        } else {
            Ok(start..end)
        }
    }
}

impl Vector {
    fn raise(&self) {
        if let Some(eventfd) = &self.eventfd {
            // A full counter (EAGAIN) is an edge that the client has not seen yet: nothing is lost.
            match rustix::io::write(eventfd, &1_u64.to_ne_bytes()) {
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(error) => tracing::warn!(%error, "cannot raise an interrupt"),
            }
        }
    }
}

/// Accepts nothing but eventfds, and makes them non-blocking so that a client cannot stop the server.
fn check_eventfd(fd: &OwnedFd) -> Result<(), Errno> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::INVAL)?;
    if link.as_os_str() != "anon_inode:[eventfd]" {
        return Err(Errno::INVAL);
    }
    let flags = rustix::fs::fcntl_getfl(fd.as_fd())?;
    rustix::fs::fcntl_setfl(fd.as_fd(), flags | OFlags::NONBLOCK)
}
