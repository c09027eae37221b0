//! The device: connects to the host's machine, and answers what comes.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_keeper::{Bell, Keeper, Post, Turn};

use crate::channel::{Channel, Frame};
use crate::paired::ToHost;

/// Connections at hand for the next requests.
const SPARE: usize = 2;
/// Connections that are kept when their requests are done.
const KEPT: usize = 8;
/// Connections in all.
const MOST: usize = 256;
/// Requests that are worked at, at once.
const REQUESTS: usize = 256;
/// How long a connection must last, or be used, to count as one.
const LASTS: Duration = Duration::from_secs(5);
/// How long the host's machine may take to say that it knows this device.
const GREETING: Duration = Duration::from_secs(10);
/// How often it says that it still works at a request.
const BEAT: Duration = Duration::from_secs(5);
/// How long the host's machine may say nothing on a connection that it does not use.
const SILENCE: u32 = 30;
/// How often it is looked whether the host still wants to know.
const STILL: Duration = Duration::from_millis(250);
/// How often it is looked whether the end has come.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause before it is tried again to connect.
const PAUSE: Duration = Duration::from_secs(10);

/// A TINGUIN that answers a host on another machine.
pub trait Answers: Send + Sync {
    /// The reply to a request, both as they travel. Whoever takes long looks whether the other end has
    /// `gone`: nobody wants to know then.
    fn reply(&self, request: &[u8], gone: &Arc<AtomicBool>) -> Vec<u8>;

    /// The host's machine is connected, or not any more.
    fn told(&self, words: String);
}

/// Connects to the host's machine and answers it, again and again, until the keeper ends.
pub fn keep(paired: ToHost, answers: Arc<dyn Answers>, keeper: &Keeper) {
    let bell = Bell::new();
    let (state, requests) = Default::default();
    let (own, keeper_of) = (bell.clone(), keeper.clone());
    let dial = Arc::new(Dial { paired, answers, state, requests, bell: own, keeper: keeper_of });
    keeper.thread("dial", &bell, Box::new(move |_| dial.turn()));
}

struct Dial {
    paired: ToHost,
    answers: Arc<dyn Answers>,
    state: Mutex<State>,
    /// Requests that are worked at, also those whose connections have ended.
    requests: AtomicUsize,
    /// Rings when a connection is used or over.
    bell: Bell,
    keeper: Keeper,
}

#[derive(Default)]
struct State {
    idle: usize,
    used: usize,
    failures: u32,
    /// When the last one failed.
    failed: Option<Instant>,
    /// What was told last.
    told: Option<bool>,
}

impl State {
    /// A connection was not made, or did not last.
    fn fails(&mut self) {
        // Several that end at once are one failure.
        if self.pause().is_some() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(Instant::now());
    }

    /// How long it is not tried again.
    fn pause(&self) -> Option<Duration> {
        let pause = Duration::from_secs(1 << self.failures.checked_sub(1)?.min(5)).min(PAUSE);
        pause.checked_sub(self.failed?.elapsed()).filter(|it| !it.is_zero())
    }
}

/// The host's machine says that it knows this device: TLS itself says it to the other end alone.
fn greeted(mut channel: Channel) -> io::Result<Channel> {
    match channel.next(GREETING)? {
        Some(Frame::Beat) => Ok(channel),
        Some(Frame::Body(_)) => Err(io::ErrorKind::InvalidData.into()),
        None => Err(io::ErrorKind::TimedOut.into()),
    }
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
        if let Some(left) = state.pause() {
            return Turn::Wait(left);
        }
        drop(state);
        let ToHost { address, own, host, .. } = &self.paired;
        let connected = Channel::connect(address, &own.0, Some(*host)).and_then(greeted);
        match connected {
            Ok(channel) => {
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
                state.fails();
                let (alone, left) = (state.idle + state.used == 0, state.pause());
                drop(state);
                if alone {
                    self.tell(Err(&error));
                }
                Turn::Wait(left.unwrap_or(PAUSE))
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
    fn answer(self: &Arc<Self>, channel: &mut Channel, request: Vec<u8>) -> io::Result<()> {
        channel.send(&Frame::Beat)?;
        let (say, heard) = self::channel();
        let Some(work) = Work::begin(self) else {
            return Err(io::Error::other("too many requests are worked at"));
        };
        // Set when this is left, however that is: whoever works at the request sees it.
        let gone = Gone::default();
        let (answers, seen) = (Arc::clone(&self.answers), Arc::clone(&gone.0));
        drop(self.keeper.job("request", move |_| {
            let _work = work;
            // Nobody hears it when the connection has ended first.
            let _ = say.send(answers.reply(&request, &seen));
        }));
        let mut beat = Instant::now();
        loop {
            match heard.recv_timeout(STILL) {
                Ok(reply) => return channel.send(&Frame::Body(reply)),
                // It has panicked: the host's machine asks again.
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::Other.into()),
                // A host that says anything now, or hangs up, does not want to know any more.
                Err(RecvTimeoutError::Timeout) if !channel.is_quiet() => return Ok(()),
                Err(RecvTimeoutError::Timeout) if beat.elapsed() >= BEAT => {
                    channel.send(&Frame::Beat)?;
                    beat = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whoever works at a request that its connection has ended.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A request that is worked at.
struct Work(Arc<Dial>);

impl Work {
    fn begin(dial: &Arc<Dial>) -> Option<Self> {
        let own = Self(Arc::clone(dial));
        (dial.requests.fetch_add(1, Ordering::SeqCst) < REQUESTS).then_some(own)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection among those that are counted.
struct Held {
    dial: Arc<Dial>,
    busy: bool,
    since: Instant,
    /// Whether it was we who ended it.
    ours: bool,
}

impl Held {
    fn new(dial: &Arc<Dial>) -> Self {
        dial.state().idle += 1;
        Self { dial: Arc::clone(dial), busy: false, since: Instant::now(), ours: false }
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
                        self.ours = true;
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
        // One that is hung up at once is not made again at once.
        match self.ours || self.since.elapsed() >= LASTS {
            true => state.failures = 0,
            false => state.fails(),
        }
        drop(state);
        self.dial.bell.ring();
    }
}
