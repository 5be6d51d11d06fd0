// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! All connections of the control socket, in one thread.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crossbeam_channel::{Receiver, TrySendError};
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

use super::client::{Client, Input};
use super::commands;
use super::qmp::{self, Error, Request};
use super::worker::{Answer, Job, Jobs};
use crate::client::socket::PublicSocket;
use crate::host::events::{Bell, Event, EventSource};

const LISTENER: Token = Token(0);
/// The token of the loop's [`Bell`].
pub(super) const BELL: Token = Token(1);
const FIRST_CLIENT: usize = 2;

/// Clients at one time.
const MAX_CLIENTS: usize = 32;
/// Messages and chunks of one client before the next one's turn.
const TURN: usize = 8;
/// Connections accepted, and events handed out, before something else is done.
const BATCH: usize = 64;
/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct EventLoop {
    poll: Poll,
    listener: UnixListener,
    /// Removes the socket in the end.
    _socket: PublicSocket,
    bell: Arc<Bell>,
    jobs: Jobs,
    answers: Receiver<Answer>,
    events: EventSource,
    quit: mpsc::Sender<&'static str>,
    stop: Arc<AtomicBool>,
    clients: BTreeMap<Token, Client>,
    /// Clients that may have something to do without a word from the kernel.
    ready: BTreeSet<Token>,
    next: usize,
    /// The listener may have more connections; `true` is also how it begins.
    accept: bool,
    /// The client that asked for the end, until its answer is sent.
    quitting: Option<Token>,
}

impl EventLoop {
    #[expect(clippy::too_many_arguments, reason = "the parts meet here, and only here")]
    pub(super) fn new(
        poll: Poll,
        socket: PublicSocket,
        bell: Arc<Bell>,
        jobs: Jobs,
        answers: Receiver<Answer>,
        events: EventSource,
        quit: mpsc::Sender<&'static str>,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let mut listener = UnixListener::from_std(socket.listener().try_clone()?);
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            _socket: socket,
            bell,
            jobs,
            answers,
            events,
            quit,
            stop,
            clients: BTreeMap::new(),
            ready: BTreeSet::new(),
            next: FIRST_CLIENT,
            accept: false,
            quitting: None,
        })
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(BATCH);
        let mut paused = false;
        while !self.stop.load(Ordering::Acquire) {
            let timeout = match (self.ready.is_empty(), paused, self.accept) {
                (false, ..) | (_, false, true) => Some(Duration::ZERO),
                (true, true, _) => Some(ACCEPT_PAUSE),
                (true, false, false) => None,
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the control socket cannot wait for its clients, and ends");
                    return;
                }
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept = true,
                    BELL => {}
                    client => {
                        self.ready.insert(client);
                    }
                }
            }
            // Before looking, so that what comes after the look rings again.
            self.bell.answer();
            self.take_answers();
            self.hand_out_events();
            if self.accept {
                paused = self.accept_clients();
            }
            for token in std::mem::take(&mut self.ready) {
                self.serve(token);
            }
        }
        for client in self.clients.values_mut() {
            client.flush();
        }
    }

    /// Accepts clients; true if it cannot now and has to try again.
    fn accept_clients(&mut self) -> bool {
        for _ in 0..BATCH {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(Client::new(stream)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accept = false;
                    return false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept a control client");
                    return true;
                }
            }
        }
        false
    }

    /// Admits a client. If there are too many, clients that have not negotiated make room, or that have said all and do
    /// not read the answers, longest first.
    fn admit(&mut self, mut client: Client) {
        if self.clients.len() >= MAX_CLIENTS {
            let idle = self
                .clients
                .iter()
                .find(|(_, client)| !client.negotiated || client.ending);
            let Some(idle) = idle.map(|(token, _)| *token) else {
                tracing::warn!("turned a control client away: {MAX_CLIENTS} are connected");
                return;
            };
            self.remove(idle);
        }
        let token = Token(self.next);
        self.next = self.next.wrapping_add(1).max(FIRST_CLIENT);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut client.stream, token, interest) {
            tracing::error!(%error, "cannot serve a control client");
            return;
        }
        self.clients.insert(token, client);
        self.ready.insert(token);
    }

    fn remove(&mut self, token: Token) {
        if let Some(mut client) = self.clients.remove(&token) {
            let _ = self.poll.registry().deregister(&mut client.stream);
        }
        if self.quitting == Some(token) {
            self.end();
        }
    }

    /// One turn of a client.
    fn serve(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        if let Some(job) = client.waiting.take() {
            submit(&self.jobs, client, job);
        }
        client.flush();
        let mut turns = 0;
        while client.is_free() {
            if turns == TURN {
                self.ready.insert(token);
                break;
            }
            turns += 1;
            match client.next() {
                Input::Message(message) => handle(&self.jobs, client, token, &message),
                Input::Refused | Input::More => {}
                Input::Nothing => break,
            }
            client.flush();
        }
        client.flush();
        // Sent as far as the client takes it: it must not be able to ask for the end and then hold it up.
        if self.quitting == Some(token) && !client.busy {
            self.end();
        }
        if self.clients.get(&token).is_some_and(|client| client.dead) {
            self.remove(token);
        }
    }

    fn take_answers(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            let token = answer.client;
            if answer.command == commands::QUIT && answer.done {
                self.quitting = Some(token);
            }
            match self.clients.get_mut(&token) {
                Some(client) => {
                    client.busy = false;
                    client.negotiated |= answer.command == commands::NEGOTIATE && answer.done;
                    client.push(&answer.text);
                    self.ready.insert(token);
                }
                None if self.quitting == Some(token) => self.end(),
                None => {}
            }
            // There is room for a job again.
            let waiting = self.clients.iter().filter(|(_, client)| client.waiting.is_some());
            self.ready.extend(waiting.map(|(token, _)| *token));
        }
    }

    fn hand_out_events(&mut self) {
        let lost = self.events.lost();
        for _ in 0..BATCH {
            let Some(event) = self.events.next() else {
                break;
            };
            self.send_to_all(&event);
        }
        if lost > 0 {
            self.send_to_all(&Event::new("EVENTS_LOST", json!({ "count": lost })));
        }
        if !self.events.is_empty() {
            self.bell.ring();
        }
    }

    fn send_to_all(&mut self, event: &Event) {
        let text = event.to_json().to_string();
        for (token, client) in &mut self.clients {
            client.push_event(&text);
            self.ready.insert(*token);
        }
    }

    fn end(&mut self) {
        self.quitting = None;
        // It is not waited for when the server ends already.
        let _ = self.quit.send("a control client asked for it");
    }
}

/// Acts on one message of a client.
fn handle(jobs: &Jobs, client: &mut Client, token: Token, message: &[u8]) {
    let (id, request) = qmp::parse(message);
    let Request { execute, arguments } = match request {
        Ok(request) => request,
        Err(error) => return client.answer(id, Err(error)),
    };
    let negotiates = execute == commands::NEGOTIATE;
    let refusal = if negotiates && client.negotiated {
        Some("Capabilities negotiation is already complete, command ignored")
    } else if !negotiates && !client.negotiated {
        Some("Expecting capabilities negotiation with 'qmp_capabilities'")
    } else {
        None
    };
    match (refusal, commands::find(&execute)) {
        (Some(refusal), _) => client.answer(id, Err(Error::not_found(refusal))),
        (None, None) => {
            let name: String = execute.chars().take(60).collect();
            let desc = format_args!("The command {name} has not been found").to_string();
            client.answer(id, Err(Error::not_found(desc)));
        }
        (None, Some(command)) => {
            let job = Job {
                client: token,
                id,
                command,
                arguments,
            };
            submit(jobs, client, job);
        }
    }
}

/// Hands a job to its worker, or keeps it until there is room.
fn submit(jobs: &Jobs, client: &mut Client, job: Job) {
    match jobs.try_send(job) {
        Ok(()) => client.busy = true,
        Err(TrySendError::Full(job)) => client.waiting = Some(job),
        Err(TrySendError::Disconnected(_)) => client.dead = true,
    }
}
