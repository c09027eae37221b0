//! The device: connects to the host's machine, and answers what comes.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_keeper::{Bell, Keeper, Post, Turn};

use crate::channel::{Channel, Frame};
use crate::paired::ToHost;

/// Connections at hand for the next requests.
const SPARE: usize = 2;
/// Connections that are kept when their requests are done.
const KEPT: usize = 8;
/// Connections in all.
const MOST: usize = 256;
/// How often it says that it still works at a request.
const BEAT: Duration = Duration::from_secs(5);
/// How long the host's machine may say nothing on a connection that it does not use.
const SILENCE: u32 = 30;
/// How often it is looked whether the end has come.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause before it is tried again to connect.
const PAUSE: Duration = Duration::from_secs(30);

/// A TINGUIN that answers a host on another machine.
pub trait Answers: Send + Sync {
    /// The reply to a request, both as they travel. Whoever takes long looks whether the other end of
    /// this connection has gone: nobody wants to know then.
    fn reply(&self, request: &[u8], asker: &Arc<TcpStream>) -> Vec<u8>;

    /// The host's machine is connected, or not any more.
    fn told(&self, words: String);
}

/// Connects to the host's machine and answers it, again and again, until the keeper ends.
pub fn keep(paired: ToHost, answers: Arc<dyn Answers>, keeper: &Keeper) {
    let bell = Bell::new();
    let state = Mutex::default();
    let dial =
        Arc::new(Dial { paired, answers, state, bell: bell.clone(), keeper: keeper.clone() });
    keeper.thread("dial", &bell, Box::new(move |_| dial.turn()));
}

struct Dial {
    paired: ToHost,
    answers: Arc<dyn Answers>,
    state: Mutex<State>,
    /// Rings when a connection is used or over.
    bell: Bell,
    keeper: Keeper,
}

#[derive(Default)]
struct State {
    idle: usize,
    used: usize,
    failures: u32,
    /// What was told last.
    told: Option<bool>,
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dial({})", self.paired.address)
    }
}

impl Dial {
    /// Connects once more, if too few connections are at hand.
    fn turn(self: &Arc<Self>) -> Turn {
        let state = self.state();
        if state.idle >= SPARE || state.idle + state.used >= MOST {
            return Turn::Wait(PAUSE);
        }
        drop(state);
        let ToHost { address, own, host, .. } = &self.paired;
        match Channel::connect(address, &own.0, Some(*host)) {
            Ok(channel) => {
                self.state().failures = 0;
                let held = Held::new(self);
                self.tell(Ok(()));
                drop(self.keeper.job("host", move |post| {
                    if let Err(error) = held.hold(channel, post) {
                        tracing::debug!(%error, "a connection has ended");
                    }
                }));
                Turn::Again
            }
            Err(error) => {
                let mut state = self.state();
                state.failures = state.failures.saturating_add(1);
                let wait = Duration::from_secs(1 << (state.failures - 1).min(5));
                let alone = state.idle + state.used == 0;
                drop(state);
                if alone {
                    self.tell(Err(&error));
                }
                Turn::Wait(wait.min(PAUSE))
            }
        }
    }

    /// Says whether it is connected, if that has changed.
    fn tell(&self, connected: Result<(), &io::Error>) {
        let is = connected.is_ok();
        if self.state().told.replace(is) == Some(is) {
            return;
        }
        let ToHost { name, address, .. } = &self.paired;
        self.answers.told(match connected {
            Ok(()) => format!("connected with your host “{name}” at {address}"),
            Err(error) => format!("not connected with your host “{name}” at {address}: {error}"),
        });
    }

    /// Answers one request, and says meanwhile that it works at it.
    fn answer(&self, channel: &mut Channel, request: Vec<u8>) -> io::Result<()> {
        channel.send(&Frame::Beat)?;
        let (say, heard) = self::channel();
        let (answers, asker) = (Arc::clone(&self.answers), channel.tcp());
        drop(self.keeper.job("request", move |_| {
            // Nobody hears it when the connection has ended first.
            let _ = say.send(answers.reply(&request, &asker));
        }));
        loop {
            match heard.recv_timeout(BEAT) {
                Ok(reply) => return channel.send(&Frame::Body(reply)),
                Err(RecvTimeoutError::Timeout) => channel.send(&Frame::Beat)?,
                // It has panicked: the host's machine asks again.
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::Other.into()),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection among those that are counted.
struct Held {
    dial: Arc<Dial>,
    busy: bool,
}

impl Held {
    fn new(dial: &Arc<Dial>) -> Self {
        dial.state().idle += 1;
        Self { dial: Arc::clone(dial), busy: false }
    }

    /// Answers on one connection, to its end.
    fn hold(mut self, mut channel: Channel, post: &Post) -> io::Result<()> {
        let mut silent = 0;
        while !post.ending().is_over() {
            match channel.next(LOOK)? {
                Some(Frame::Body(request)) => {
                    self.is_busy(true);
                    self.dial.answer(&mut channel, request)?;
                    self.is_busy(false);
                    if self.dial.state().idle > KEPT {
                        return Ok(());
                    }
                    silent = 0;
                }
                Some(Frame::Beat) => silent = 0,
                None if silent >= SILENCE => return Err(io::ErrorKind::TimedOut.into()),
                None => silent += 1,
            }
        }
        Ok(())
    }

    fn is_busy(&mut self, busy: bool) {
        if std::mem::replace(&mut self.busy, busy) == busy {
            return;
        }
        let mut state = self.dial.state();
        match busy {
            true => (state.idle, state.used) = (state.idle - 1, state.used + 1),
            false => (state.idle, state.used) = (state.idle + 1, state.used - 1),
        }
        drop(state);
        self.dial.bell.ring();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.dial.state();
        match self.busy {
            true => state.used -= 1,
            false => state.idle -= 1,
        }
        drop(state);
        self.dial.bell.ring();
    }
}
