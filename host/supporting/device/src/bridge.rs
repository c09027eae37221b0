//! The host's machine: a TINGUIN's socket in the home, whose requests go to the device.
//!
//! It reads no request and keeps no answer. The device connects and leaves some connections open;
//! each request takes one, and gives it back with the reply. As long as the device works at a request
//! it says every few seconds that it is there; one that has fallen silent is left, and the request is
//! put on another connection: asked again, a TINGUIN gives the same answer.

use std::fmt;
use std::io;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_archive::Home;
use semper_base::cbor;
use semper_door::{Door, is_quiet};
use semper_keeper::{Bell, Keeper, Post, Turn};
use semper_tinguin_protocol::protocol::{self, MAX_FRAME};
use semper_tinguin_protocol::{Cause, Failure, Reply, SOCKET};

use crate::channel::{Channel, Frame};
use crate::error::DeviceError;
use crate::handshakes::Handshakes;
use crate::paired::ToDevice;

/// How long a request waits for the device to connect: longer than it pauses between two tries.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a device that works at a request may say nothing.
const SILENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether a host still wants to know.
const LOOK: Duration = Duration::from_millis(250);
/// How often connections that nobody uses are tried.
const TRY: Duration = Duration::from_secs(10);
/// Connections on which a request is tried.
const TRIES: usize = 3;
/// Handshakes at once from one address.
const OF_ONE: usize = 4;
/// Connections of the device that are kept at hand.
const AT_HAND: usize = 64;
/// Looks whether the end has come, where nobody says so.
const LONG: Duration = Duration::from_secs(3_600);
/// How long conversations have for their last reply when the end comes.
const LAST: Duration = Duration::from_secs(1);

/// What is told of the device: that it is connected, or not any more.
pub type Tell = Box<dyn Fn(String) + Send + Sync>;

struct Bridge {
    paired: ToDevice,
    state: Mutex<State>,
    changed: Condvar,
    handshakes: Handshakes,
    keeper: Keeper,
    tell: Tell,
}

#[derive(Default)]
struct State {
    /// Connections of the device that nobody uses now.
    idle: Vec<Channel>,
    /// How many are used.
    used: usize,
    /// Whether it was told that the device is connected.
    told: bool,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bridge({})", self.paired.name)
    }
}

/// Has a device answer what hosts ask of this home's TINGUIN, until the keeper ends.
///
/// # Errors
/// The address cannot be listened at, or another TINGUIN of this home runs.
pub fn serve(
    home: &Home,
    paired: ToDevice,
    keeper: &Keeper,
    tell: Tell,
) -> Result<(), DeviceError> {
    let address = paired.listen.clone();
    let keeper = keeper.child("bridge");
    let (state, changed) = Default::default();
    let (handshakes, own) = (Handshakes::new(OF_ONE), keeper.clone());
    let bridge = Arc::new(Bridge { paired, state, changed, handshakes, keeper: own, tell });
    let own = Arc::clone(&bridge);
    let hold = Box::new(move |stream: &Arc<UnixStream>, post: &Post| own.hold(stream, post));
    let in_use = "another TINGUIN of this home is running";
    let socket = home.path().join(SOCKET);
    let door = Door::open(&socket, &keeper, in_use, hold).map_err(DeviceError::Door)?;
    let listener = match TcpListener::bind(&address) {
        Ok(listener) => Arc::new(listener),
        Err(source) => {
            door.close();
            keeper.end();
            door.remove();
            return Err(DeviceError::Listen { address, source });
        }
    };
    let (own, accepting) = (Arc::clone(&bridge), Arc::clone(&listener));
    let accept = move |post: &Post| own.accept(&accepting, post);
    keeper.thread("device", &Bell::new(), Box::new(accept));
    let own = Arc::clone(&bridge);
    keeper.thread("heart", &Bell::new(), Box::new(move |_| own.try_idle()));
    while keeper.ending().pause(LONG) {}
    door.close();
    let _ = rustix::net::shutdown(&*listener, rustix::net::Shutdown::Both);
    bridge.state().idle.clear();
    door.remove();
    // Nothing is said about those that do not end: whoever would read it may hold them up.
    keeper.join(LAST);
    Ok(())
}

impl Bridge {
    /// Takes the next connection.
    fn accept(self: &Arc<Self>, listener: &TcpListener, post: &Post) -> Turn {
        let taken = listener.accept();
        if post.ending().is_over() {
            return Turn::End;
        }
        let (tcp, from) = match taken {
            Ok((tcp, from)) => (tcp, from.ip()),
            Err(error) => {
                post.ill(format!("no device can connect: {error}"));
                return Turn::Wait(LOOK);
            }
        };
        post.well();
        let Some(place) = self.handshakes.begin(from) else { return Turn::Again };
        let own = Arc::clone(self);
        drop(self.keeper.job("handshake", move |_| {
            let _place = place;
            own.admit(tcp, from);
        }));
        Turn::Again
    }

    /// Keeps a connection at hand, if it is the device's.
    fn admit(&self, tcp: TcpStream, from: IpAddr) {
        let accepted = Channel::accept(tcp, &self.paired.own.0, Some(self.paired.device));
        // The device's own handshake is over before we have looked at its key: it waits for this word.
        let greeted = accepted.and_then(|mut it| it.send(&Frame::Beat).map(|()| it));
        match greeted {
            Ok(channel) => self.put(channel),
            Err(error) => tracing::info!(%from, %error, "this was not the device"),
        }
    }

    /// Puts a connection among those at hand.
    fn put(&self, channel: Channel) {
        let mut state = self.state();
        if state.idle.len() < AT_HAND && !self.keeper.ending().is_over() {
            state.idle.push(channel);
            self.changed.notify_all();
        }
        drop(state);
        self.say();
    }

    /// Says whether the device is connected, if that has changed; never while the state is held:
    /// whoever is told may take long.
    fn say(&self) {
        let mut state = self.state();
        let connected = !state.idle.is_empty() || state.used > 0;
        let changed = std::mem::replace(&mut state.told, connected) != connected;
        drop(state);
        if changed {
            let name = &self.paired.name;
            (self.tell)(match connected {
                true => format!("“{name}” is connected: what your host asks is shown there"),
                false => format!("“{name}” is not connected: what your host asks waits for it"),
            });
        }
    }

    /// Tries the connections that nobody uses, and drops those that are dead.
    fn try_idle(&self) -> Turn {
        let mut idle = std::mem::take(&mut self.state().idle);
        idle.retain_mut(|it| it.is_quiet() && it.send(&Frame::Beat).is_ok());
        self.state().idle.append(&mut idle);
        self.changed.notify_all();
        self.say();
        Turn::Wait(TRY)
    }

    /// Carries a host's requests to the device, one after the other.
    fn hold(&self, stream: &Arc<UnixStream>, post: &Post) -> io::Result<()> {
        let mut way = &**stream;
        while !post.ending().is_over()
            && let Some(request) = protocol::read_bytes(&mut way)?
        {
            // Whoever says anything more before the reply does not wait for it either.
            let over = || post.ending().is_over() || !is_quiet(&**stream);
            let Some(reply) = self.carry(&request, &over)? else { return Ok(()) };
            protocol::write_bytes(&mut way, &reply)?;
        }
        Ok(())
    }

    /// The device's reply; none if nobody wants to know any more.
    fn carry(&self, request: &[u8], over: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
        for _ in 0..TRIES {
            let Some(channel) = self.take(over) else { break };
            let mut used = Used { bridge: self, channel: Some(channel) };
            let Some(channel) = used.channel.as_mut() else { break };
            match ask(channel, request, over) {
                Ok(Some(reply)) => {
                    if let Some(channel) = used.channel.take() {
                        self.put(channel);
                    }
                    return Ok(Some(reply));
                }
                // The device sees by the end of the connection that nobody wants to know.
                Ok(None) => return Ok(None),
                Err(error) => {
                    tracing::debug!(%error, "a connection of the device is dead");
                    used.channel = None;
                }
            }
        }
        let what = format!("“{}”, which is your TINGUIN, is not connected", self.paired.name);
        let mend = "start the TINGUIN there; this goes on by itself";
        Ok(Some(cbor::encode(&Reply::NotDone(Failure::new(Cause::Busy, what, mend)))))
    }

    /// A connection of the device.
    fn take(&self, over: &dyn Fn() -> bool) -> Option<Channel> {
        let until = Instant::now() + CONNECT;
        let mut state = self.state();
        loop {
            while let Some(channel) = state.idle.pop() {
                if channel.is_quiet() {
                    state.used += 1;
                    return Some(channel);
                }
            }
            if Instant::now() >= until || over() {
                drop(state);
                self.say();
                return None;
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the device; none if nobody wants to know any more.
fn ask(
    channel: &mut Channel,
    request: &[u8],
    over: &dyn Fn() -> bool,
) -> io::Result<Option<Vec<u8>>> {
    channel.send(&Frame::Body(request.to_vec()))?;
    let mut heard = Instant::now();
    loop {
        match channel.next(LOOK)? {
            Some(Frame::Body(reply)) if reply.len() <= MAX_FRAME => return Ok(Some(reply)),
            Some(Frame::Body(_)) => return Err(io::ErrorKind::InvalidData.into()),
            Some(Frame::Beat) => heard = Instant::now(),
            None if heard.elapsed() > SILENCE => return Err(io::ErrorKind::TimedOut.into()),
            None => {}
        }
        if over() {
            return Ok(None);
        }
    }
}

/// A connection that a request uses.
struct Used<'a> {
    bridge: &'a Bridge,
    channel: Option<Channel>,
}

impl Drop for Used<'_> {
    fn drop(&mut self) {
        // Closed before it is said, if it was not given back.
        self.channel = None;
        self.bridge.state().used -= 1;
        self.bridge.say();
    }
}
