//! The TINGUIN's socket, which only its user can open: who is let in, conversations, their end.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_base::cbor;
use semper_keeper::{Bell, Keeper, Post, Turn};
use semper_tinguin_protocol::protocol::{self, MAX_FRAME, Reply, Request};
use semper_tinguin_protocol::{Failure, Screen};

use crate::failure::{malformed, refused};
use crate::service::{Service, panicked};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 256;
/// Pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks whether the end has come, where nobody says so.
const LONG: Duration = Duration::from_secs(3_600);
/// How long conversations have for their last reply when the end comes.
const LAST: Duration = Duration::from_secs(1);

impl Service {
    /// Answers hosts at this socket, and puts posed questions to the person, until the keeper
    /// ends; held calls are answered then. A socket that a dead TINGUIN left behind is replaced;
    /// one that answers is another TINGUIN of this home, and an error.
    pub fn serve(self, socket: &Path, keeper: &Keeper) -> io::Result<()> {
        let listener = bind(socket)?;
        let keeper = keeper.child("tinguin");
        let service = Arc::new(self);
        service.face.show(&service.frame(None, Screen::Idle, "waiting for your host".into()));
        tracing::info!("the TINGUIN is ready");
        service.keep_asking(&keeper);
        let door = Arc::new(Door {
            service: Arc::clone(&service),
            listener,
            keeper: keeper.clone(),
            open: Mutex::default(),
        });
        let open = Arc::clone(&door);
        keeper.thread("door", &Bell::new(), Box::new(move |post| open.turn(post)));
        while keeper.ending().pause(LONG) {}
        service.end();
        door.close();
        for name in keeper.join(LAST) {
            tracing::warn!(name, "does not end");
        }
        // A host that comes now finds nobody, and not a socket that nobody answers.
        let _ = std::fs::remove_file(socket);
        Ok(())
    }
}

fn bind(socket: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(socket).is_ok() {
        let what = "another TINGUIN of this home is running";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The open socket.
struct Door {
    service: Arc<Service>,
    listener: UnixListener,
    keeper: Keeper,
    open: Mutex<Open>,
}

/// The conversations that go on, by number.
#[derive(Default)]
struct Open {
    streams: HashMap<u64, Arc<UnixStream>>,
    last: u64,
}

impl Door {
    /// Lets the next host in.
    fn turn(self: &Arc<Self>, post: &Post) -> Turn {
        let stream = match self.listener.accept() {
            _ if post.ending().is_over() => return Turn::End,
            Ok((stream, _)) => stream,
            Err(error) => {
                post.ill(format!("no host can connect: {error}"));
                return Turn::Wait(PAUSE);
            }
        };
        post.well();
        match self.admit(stream) {
            Ok(Some(conversation)) => self.begin(conversation),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a connection was not taken"),
        }
        Turn::Again
    }

    /// The conversation with whoever is at the other end, if it is the user's own program and
    /// there is room.
    fn admit(self: &Arc<Self>, stream: UnixStream) -> io::Result<Option<Conversation>> {
        // The directory is 0700 and the socket 0600; whoever connects is also asked of the kernel.
        let peer = rustix::net::sockopt::socket_peercred(&stream)?;
        let mut open = self.open();
        if peer.uid != rustix::process::geteuid() || open.streams.len() >= MAX_CONNECTIONS {
            return Ok(None);
        }
        open.last += 1;
        let (number, stream) = (open.last, Arc::new(stream));
        open.streams.insert(number, Arc::clone(&stream));
        Ok(Some(Conversation { door: Arc::clone(self), number, stream }))
    }

    fn begin(&self, conversation: Conversation) {
        // One whose thread cannot be started ends here, and the host comes again.
        drop(self.keeper.job("conversation", move |post| {
            if let Err(error) = conversation.hold(post) {
                tracing::debug!(%error, "a host's connection ended");
            }
        }));
    }

    /// Nobody is let in any more, and no conversation hears another request.
    fn close(&self) {
        if let Err(error) = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both) {
            tracing::debug!(%error, "the socket does not close");
        }
        for stream in self.open().streams.values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host that is being answered.
struct Conversation {
    door: Arc<Door>,
    number: u64,
    stream: Arc<UnixStream>,
}

impl Conversation {
    fn hold(&self, post: &Post) -> io::Result<()> {
        let mut stream = &*self.stream;
        while !post.ending().is_over()
            && let Some(bytes) = protocol::read_bytes(&mut stream)?
        {
            let reply = self.reply(&bytes).unwrap_or_else(Reply::NotDone);
            match protocol::write(&mut stream, &reply) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let large = refused("the reply is too large for the socket", "");
                    protocol::write(&mut stream, &Reply::NotDone(large))?;
                }
                written => written?,
            }
        }
        Ok(())
    }

    /// A panic costs this request, and nothing else.
    fn reply(&self, bytes: &[u8]) -> Result<Reply, Failure> {
        let request: Request = cbor::decode(bytes, MAX_FRAME).map_err(|error| malformed(&error))?;
        // A question is the person's only as long as somebody waits for its answer.
        let _waits = self.door.service.direct.begin(&request, &self.stream);
        let work = || self.door.service.answer(request);
        self.door.keeper.caught("a request", work).unwrap_or_else(|panic| Err(panicked(&panic)))
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.door.open().streams.remove(&self.number);
    }
}
