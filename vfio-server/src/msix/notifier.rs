// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The thread that writes a client's eventfds.
//!
//! A write to an eventfd waits while its counter is full. `O_NONBLOCK` does not prevent that: it belongs to the open
//! file description, which the client has too and can change at any time. So no thread of the server that others wait
//! for writes one. The client's vectors are put into a queue, each at most once, as in the pending bits of MSI-X, and
//! a thread of their own takes them out. A client that blocks it blocks only its own interrupts; nobody waits for its
//! end.
//!
//! When the client leaves, the server empties the counter that a write may wait for, by a read that cannot wait. Only
//! a client that is still alive and fills the counter again in the same moment can keep the thread, and a function
//! has at most [`MAX_THREADS`] such threads: then the next client gets no interrupts.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::{Errno, ReadWriteFlags};

#[cfg(test)]
mod tests;

/// The most notifier threads of one function, those of clients that left included.
pub const MAX_THREADS: usize = 4;
/// How often, and how long after each other, the threads of clients that left are looked after before a new one is
/// refused: they may just not have had the time to end.
pub const LOOKS: u32 = 100;
/// See [`LOOKS`].
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// With this position, `preadv2` reads where a file without positions is.
const NO_POSITION: u64 = u64::MAX;

/// The notifiers of one function: that of its client, and those of earlier clients that have not ended.
#[derive(Debug, Default)]
pub struct Notifiers {
    current: Option<Notifier>,
    former: Vec<Notifier>,
}

impl Notifiers {
    /// The notifier of the client that is there, if it has one.
    #[must_use]
    pub fn current(&self) -> Option<&Notifier> {
        self.current.as_ref()
    }

    /// The notifier of the client that is there; started if it has none.
    ///
    /// # Errors
    /// `EBUSY` if earlier clients keep [`MAX_THREADS`] threads from ending; those of starting a thread.
    pub fn start(&mut self, vectors: usize) -> Result<&Notifier, Errno> {
        let notifier = match self.current.take() {
            Some(notifier) => notifier,
            None if self.have_room() => Notifier::start(vectors)?,
            None => {
                tracing::warn!(
                    "no interrupts: clients that left block all {MAX_THREADS} threads by their eventfds"
                );
                return Err(Errno::BUSY);
            }
        };
        Ok(self.current.insert(notifier))
    }

    /// The client is gone: closes its eventfds. Does not wait for the thread.
    pub fn retire(&mut self) {
        if let Some(notifier) = self.current.take() {
            notifier.close();
            self.former.push(notifier);
        }
        self.former.retain(|notifier| !notifier.thread.is_finished());
    }

    /// Whether the client that is there has a notifier, or can have one. If not, asks the threads of earlier clients to
    /// end, and does not wait for them.
    pub fn have_room(&mut self) -> bool {
        self.former.retain(|notifier| !notifier.thread.is_finished());
        let room = self.current.is_some() || self.former.len() < MAX_THREADS;
        if !room {
            self.former.iter().for_each(Notifier::free);
        }
        room
    }
}

/// A thread that raises vectors. Dropping it closes the eventfds and does not wait for the thread.
#[derive(Debug)]
pub struct Notifier {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// Held for moments only, never during a write.
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug)]
struct State {
    vectors: Vec<Vector>,
    /// The vectors that are pending, in the order in which they were raised.
    queue: VecDeque<usize>,
    /// What the thread writes to at the moment.
    writing: Option<Arc<OwnedFd>>,
    closed: bool,
}

#[derive(Clone, Debug, Default)]
struct Vector {
    eventfd: Option<Arc<OwnedFd>>,
    /// It is in the queue.
    pending: bool,
}

impl Notifier {
    fn start(vectors: usize) -> Result<Self, Errno> {
        let state = State {
            vectors: vec![Vector::default(); vectors],
            queue: VecDeque::with_capacity(vectors),
            writing: None,
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("interrupts".into())
            .spawn(move || worker.run())
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        Ok(Self { shared, thread })
    }

    /// Gives a vector an eventfd, or takes it away. An edge that has not been written yet is dropped with the old one;
    /// returns whether there was one.
    pub fn assign(&self, vector: usize, eventfd: Option<OwnedFd>) -> bool {
        let mut state = self.shared.lock();
        state.vectors.get_mut(vector).is_some_and(|vector| {
            vector.eventfd = eventfd.map(Arc::new);
            std::mem::take(&mut vector.pending)
        })
    }

    /// Whether a vector has an eventfd.
    #[must_use]
    pub fn serves(&self, vector: usize) -> bool {
        let state = self.shared.lock();
        state
            .vectors
            .get(vector)
            .is_some_and(|vector| vector.eventfd.is_some())
    }

    /// Raises a vector soon; it is one edge with an earlier one that has not been written yet. Returns whether it has an
    /// eventfd.
    pub fn raise(&self, number: usize) -> bool {
        let mut state = self.shared.lock();
        let State { vectors, queue, .. } = &mut *state;
        let Some(vector) = vectors.get_mut(number).filter(|vector| vector.eventfd.is_some()) else {
            return false;
        };
        if !vector.pending {
            vector.pending = true;
            // One whose eventfd was taken away may still be there.
            if !queue.contains(&number) {
                queue.push_back(number);
            }
            drop(state);
            self.shared.work.notify_one();
        }
        true
    }

    fn close(&self) {
        let mut state = self.shared.lock();
        state.vectors.clear();
        state.queue.clear();
        state.closed = true;
        drop(state);
        self.shared.work.notify_one();
        self.free();
    }

    /// Lets a write go on that waits for room in the counter.
    fn free(&self) {
        let Some(eventfd) = self.shared.lock().writing.clone() else {
            return;
        };
        let mut counter = [0; 8];
        let mut parts = [IoSliceMut::new(&mut counter)];
        // Unlike `O_NONBLOCK` this flag is ours alone. EAGAIN: there is room. A kernel before 5.8 cannot do it; then
        // the thread stays, and counts.
        let _ = rustix::io::preadv2(&*eventfd, &mut parts, NO_POSITION, ReadWriteFlags::NOWAIT);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(eventfd) = self.next() {
            match rustix::io::write(&*eventfd, &1_u64.to_ne_bytes()) {
                // A full counter is an edge that the client has not seen yet: nothing is lost.
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(error) => tracing::warn!(%error, "cannot raise an interrupt"),
            }
        }
    }

    /// The next eventfd to write; none once the client is gone.
    fn next(&self) -> Option<Arc<OwnedFd>> {
        let mut state = self.lock();
        state.writing = None;
        loop {
            if state.closed {
                return None;
            }
            let Some(number) = state.queue.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if let Some(vector) = state.vectors.get_mut(number)
                && std::mem::take(&mut vector.pending)
                && let Some(eventfd) = vector.eventfd.clone()
            {
                state.writing = Some(Arc::clone(&eventfd));
                return Some(eventfd);
            }
        }
    }
}
