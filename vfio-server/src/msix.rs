// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! MSI-X: interrupt lines of the SMMU as eventfds of the client.
//!
//! Vector 0 is the global line and every group of event counters, vector 1+n context bank n; behind the lines of the
//! SMMU each master has one. A vector is an edge; the
//! model asks for another one when software has handled part of what holds a line up. A [`notifier`] writes the
//! eventfds, so that raising a vector never waits for the client; as on a bus, an interrupt arrives some time after the
//! access that caused it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;
use smmu_emu::Line;

use notifier::Notifiers;

pub mod notifier;
#[cfg(test)]
mod tests;

/// The vectors of one function.
#[derive(Debug)]
pub struct Vectors {
    /// The level of each line.
    lines: Vec<bool>,
    /// Edges that could not be told to anybody: the pending bits of the masters' vectors.
    edges: Vec<bool>,
    /// The first vector of a master: those before have lines.
    masters: usize,
    /// There from the client's first eventfd on.
    notifiers: Notifiers,
}

impl Vectors {
    /// Vectors without eventfds, lines low.
    #[must_use]
    pub fn new(count: u16) -> Self {
        Self {
            lines: vec![false; count.into()],
            edges: vec![false; count.into()],
            masters: count.into(),
            notifiers: Notifiers::default(),
        }
    }

    /// Says which vectors have no line, but a master each: those from this one on.
    pub fn set_masters(&mut self, first: usize) {
        self.masters = first;
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
        self.lines.len()
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A line has this level now; raises its vector if that is high.
    pub fn set_line(&mut self, line: Line, level: bool) {
        let vector = Self::of(line);
        if let Some(stored) = self.lines.get_mut(vector) {
            // The global line keeps its level whatever an event counter does.
            if !matches!(line, Line::Pmu(_)) {
                *stored = level;
            }
            if level && let Some(notifier) = self.notifiers.current() {
                notifier.raise(vector);
            }
        }
    }

    /// Raises a master's vector. Without an eventfd it is pending until there is one.
    pub fn raise(&mut self, vector: usize) {
        let told = self
            .notifiers
            .current()
            .is_some_and(|notifier| notifier.raise(vector));
        if !told {
            self.keep_edge(vector);
        }
    }

    /// An edge comes back only with the next event of its master, a line by its level.
    fn keep_edge(&mut self, vector: usize) {
        if vector >= self.masters
            && let Some(edge) = self.edges.get_mut(vector)
        {
            *edge = true;
        }
    }

    /// No vector of a master is pending any more: their events are of before a reset or a client.
    pub fn forget_edges(&mut self) {
        self.edges.fill(false);
    }

    /// Raises vectors as if their lines had (SET_IRQS with `DATA_NONE` and a count: a loopback test).
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors.
    pub fn trigger(&self, start: u32, count: u32) -> Result<(), Errno> {
        let range = self.range(start, count)?;
        if let Some(notifier) = self.notifiers.current() {
            for vector in range {
                notifier.raise(vector);
            }
        }
        Ok(())
    }

    /// Whether a client can be given eventfds, as far as threads go; [`Notifiers::have_room`].
    pub fn have_room(&mut self) -> bool {
        self.notifiers.have_room()
    }

    /// Gives `fds.len()` vectors from `start` on an eventfd each; a vector whose line is high, or which is pending, is raised
    /// at once.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors, or a descriptor is not an eventfd; those of
    /// [`Notifiers::start`]. No vector is changed then.
    pub fn assign(&mut self, start: u32, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let range = self.range(start, u32::try_from(fds.len()).map_err(|_| Errno::INVAL)?)?;
        for fd in &fds {
            check_eventfd(fd)?;
        }
        let notifier = self.notifiers.start(self.lines.len())?;
        for (vector, fd) in range.zip(fds) {
            let unwritten = notifier.assign(vector, Some(fd)) && vector >= self.masters;
            let kept = self.edges.get_mut(vector).is_some_and(std::mem::take);
            if unwritten || kept || self.lines.get(vector).is_some_and(|&level| level) {
                notifier.raise(vector);
            }
        }
        Ok(())
    }

    /// Takes the eventfds of vectors away.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors.
    pub fn remove(&mut self, start: u32, count: u32) -> Result<(), Errno> {
        self.range(start, count)?
            .for_each(|vector| self.remove_one(vector));
        Ok(())
    }

    /// Takes all eventfds away.
    pub fn remove_all(&mut self) {
        (0..self.lines.len()).for_each(|vector| self.remove_one(vector));
    }

    fn remove_one(&mut self, vector: usize) {
        let unwritten = self
            .notifiers
            .current()
            .is_some_and(|notifier| notifier.assign(vector, None));
        if unwritten {
            self.keep_edge(vector);
        }
    }

    /// The client is gone, and its eventfds with it. Waits for nothing that the client could hold up.
    pub fn disconnect(&mut self) {
        self.notifiers.retire();
        self.forget_edges();
    }

    /// The pending bits, as many bytes as fit: a line that is high and has nobody to tell, or a master's edge.
    pub fn pending(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let first = usize::try_from(offset).unwrap_or(usize::MAX).saturating_mul(8);
        let served = |vector| {
            self.notifiers
                .current()
                .is_some_and(|notifier| notifier.serves(vector))
        };
        let all = self.lines.iter().zip(&self.edges).enumerate().skip(first);
        for (bit, (vector, (level, edge))) in all.enumerate() {
            if let Some(byte) = data.get_mut(bit / 8) {
                *byte |= u8::from(*edge || *level && !served(vector)) << (bit % 8);
            }
        }
    }

    fn range(&self, start: u32, count: u32) -> Result<std::ops::Range<usize>, Errno> {
        let end = start.checked_add(count).ok_or(Errno::INVAL)?;
        let start = usize::try_from(start).map_err(|_| Errno::INVAL)?;
        let end = usize::try_from(end).map_err(|_| Errno::INVAL)?;
        if end > self.lines.len() {
            Err(Errno::INVAL)
        } else {
            Ok(start..end)
        }
    }
}

/// Accepts nothing but eventfds. They are made non-blocking, which spares an honest client's notifier the wait for a
/// full counter; a hostile one can undo it.
fn check_eventfd(fd: &OwnedFd) -> Result<(), Errno> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::INVAL)?;
    if link.as_os_str() != "anon_inode:[eventfd]" {
        return Err(Errno::INVAL);
    }
    let flags = rustix::fs::fcntl_getfl(fd.as_fd())?;
    rustix::fs::fcntl_setfl(fd.as_fd(), flags | OFlags::NONBLOCK)
}
