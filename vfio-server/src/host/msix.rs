// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! MSI-X: interrupt lines of the SMMU as eventfds of the client.
//!
//! Vector 0 is the global line and every group of event counters, vector 1+n context bank n; behind the lines of the
//! SMMU each DMA device has one. A vector is an edge; the model asks for another one when software has handled part of
//! what holds a line up, and lines that are levels are raised again ([`Vectors::raise_levels`]). To raise a vector
//! never waits for the client ([`signals`]); as on a bus, an interrupt arrives some time after the access that caused
//! it.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use smmu_emu::Line;

use signals::Signals;

pub mod signals;
#[cfg(test)]
mod tests;

/// The vectors of one function.
#[derive(Debug)]
pub struct Vectors {
    /// The level of each line.
    lines: Vec<bool>,
    /// Edges that could not be told to anybody: the pending bits of the DMA devices' vectors.
    edges: Vec<bool>,
    /// The first vector of a DMA device: those before have lines.
    dma_devices: usize,
    /// Eventfd of each vector, if it has one.
    eventfds: Vec<Option<OwnedFd>>,
    /// Whether lines are levels.
    levels: bool,
    /// Present from a client's first eventfd on.
    signals: Option<Signals>,
}

impl Vectors {
    /// Vectors without eventfds, lines low.
    #[must_use]
    pub fn new(count: u16) -> Self {
        Self {
            lines: vec![false; count.into()],
            edges: vec![false; count.into()],
            dma_devices: count.into(),
            eventfds: (0..count).map(|_| None).collect(),
            levels: false,
            signals: None,
        }
    }

    /// Says that lines are levels: as long as one is high its vector is raised again.
    pub fn set_levels(&mut self) {
        self.levels = true;
    }

    /// Raises the vectors of all high lines again, if lines are levels. Returns whether there are any.
    pub fn raise_levels(&self) -> bool {
        let mut any = false;
        for (vector, _) in self
            .lines
            .iter()
            .enumerate()
            .filter(|&(_, high)| *high && self.levels)
        {
            self.signal(vector);
            any = true;
        }
        any
    }

    /// Says which vectors have no line, but a DMA device each: those from this one on.
    pub fn set_dma_devices(&mut self, first: usize) {
        self.dma_devices = first;
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

    /// A line has this level now; raises its vector if that is high. Returns whether it has to be raised again.
    pub fn set_line(&mut self, line: Line, level: bool) -> bool {
        let vector = Self::of(line);
        if let Some(stored) = self.lines.get_mut(vector) {
            // The global line keeps its level whatever an event counter does.
            if !matches!(line, Line::Pmu(_)) {
                *stored = level;
            }
            if level {
                self.signal(vector);
            }
        }
        level && self.levels
    }

    /// Raises a DMA device's vector. Without an eventfd it is pending until there is one.
    pub fn raise(&mut self, vector: usize) {
        if !self.signal(vector) {
            self.keep_edge(vector);
        }
    }

    /// Signals a vector's eventfd, if it has one.
    fn signal(&self, vector: usize) -> bool {
        let (Some(Some(eventfd)), Some(signals)) = (self.eventfds.get(vector), &self.signals) else {
            return false;
        };
        if let Err(error) = signals.signal(eventfd) {
            tracing::warn!(vector, %error, "cannot raise an interrupt");
        }
        true
    }

    /// An edge comes back only with the next event of its DMA device, a line by its level.
    fn keep_edge(&mut self, vector: usize) {
        if vector >= self.dma_devices
            && let Some(edge) = self.edges.get_mut(vector)
        {
            *edge = true;
        }
    }

    /// No vector of a DMA device is pending any more: their events are of before a reset or a client.
    pub fn forget_edges(&mut self) {
        self.edges.fill(false);
    }

    /// Raises the chosen ones of the vectors from `start` on, as if their lines had: a loopback test of the client.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors.
    pub fn trigger(&self, start: u32, chosen: impl ExactSizeIterator<Item = bool>) -> Result<(), Errno> {
        let count = u32::try_from(chosen.len()).map_err(|_| Errno::INVAL)?;
        for (vector, _) in self
            .range(start, count)?
            .zip(chosen)
            .filter(|&(_, chosen)| chosen)
        {
            self.signal(vector);
        }
        Ok(())
    }

    /// Gives `fds.len()` vectors from `start` on an eventfd each; a vector whose line is high, or which is pending, is
    /// raised at once.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors, or a descriptor is not an eventfd; those of [`Signals::new`].
    /// No vector is changed then.
    pub fn assign(&mut self, start: u32, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let range = self.range(start, u32::try_from(fds.len()).map_err(|_| Errno::INVAL)?)?;
        for fd in &fds {
            check_eventfd(fd)?;
        }
        if self.signals.is_none() {
            self.signals = Some(Signals::new().map_err(|error| {
                tracing::warn!(
                    %error,
                    "no interrupts: they need an asynchronous request each (io_setup): allow this process \
                     more, for example with `sysctl fs.aio-max-nr=1048576`"
                );
                Errno::from_io_error(&error).unwrap_or(Errno::AGAIN)
            })?);
        }
        for (vector, fd) in range.zip(fds) {
            if let Some(eventfd) = self.eventfds.get_mut(vector) {
                *eventfd = Some(fd);
            }
            let kept = self.edges.get_mut(vector).is_some_and(std::mem::take);
            if kept || self.lines.get(vector).is_some_and(|&level| level) {
                self.signal(vector);
            }
        }
        Ok(())
    }

    /// Takes the eventfds of vectors away.
    ///
    /// # Errors
    /// `EINVAL` if the range is not within the vectors.
    pub fn remove(&mut self, start: u32, count: u32) -> Result<(), Errno> {
        for vector in self.range(start, count)? {
            self.eventfds.get_mut(vector).map(Option::take);
        }
        Ok(())
    }

    /// Takes all eventfds away.
    pub fn remove_all(&mut self) {
        self.eventfds.fill_with(|| None);
    }

    /// The client is gone, and its eventfds with it. What is returned takes some 40 ms to drop: the kernel waits for
    /// all that may still use it.
    #[must_use]
    pub fn disconnect(&mut self) -> Option<Signals> {
        self.remove_all();
        self.forget_edges();
        self.signals.take()
    }

    /// The pending bits, as many bytes as fit: a line that is high and has no eventfd, or a DMA device's edge.
    pub fn pending(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let first = usize::try_from(offset).unwrap_or(usize::MAX).saturating_mul(8);
        let served = |vector| matches!(self.eventfds.get(vector), Some(Some(_)));
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

/// Accepts nothing but eventfds.
fn check_eventfd(fd: &OwnedFd) -> Result<(), Errno> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::INVAL)?;
    if link.as_os_str() == "anon_inode:[eventfd]" {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}
