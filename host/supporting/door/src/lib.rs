//! A Unix socket that only its user can open: who is let in, conversations, their end.
//!
//! The TINGUIN and the resident host each have one. The socket's mode is 0600 in a folder of 0700,
//! and the kernel is asked whose program is at the other end. Each conversation has a thread of
//! the door's keeper; there is a bound on how many there are.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use semper_keeper::{Bell, Keeper, Post, Turn};

/// Conversations at once.
pub const MAX_CONVERSATIONS: usize = 256;
/// Pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Holds a conversation to its end.
pub type Hold = Box<dyn Fn(&Arc<UnixStream>, &Post) -> io::Result<()> + Send + Sync>;

/// An open socket.
pub struct Door {
    path: PathBuf,
    /// The file that is ours: device and number.
    file: (u64, u64),
    listener: UnixListener,
    keeper: Keeper,
    hold: Hold,
    open: Mutex<Open>,
}

/// The conversations that go on, by number.
#[derive(Default)]
struct Open {
    streams: HashMap<u64, Arc<UnixStream>>,
    last: u64,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.path.display())
    }
}

impl Door {
    /// Opens a socket. One that a dead process has left behind is replaced; one that answers is an
    /// error of the kind `AddrInUse` with these words.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open(
        path: &Path,
        keeper: &Keeper,
        in_use: &'static str,
        hold: Hold,
    ) -> io::Result<Arc<Self>> {
        let listener = bind(path, in_use)?;
        let file = std::fs::metadata(path).map(|it| (it.dev(), it.ino()))?;
        let (path, keeper) = (path.to_owned(), keeper.clone());
        let door = Arc::new(Self { path, file, listener, keeper, hold, open: Mutex::default() });
        let open = Arc::clone(&door);
        door.keeper.thread("door", &Bell::new(), Box::new(move |post| open.turn(post)));
        Ok(door)
    }

    /// How many conversations go on.
    pub fn conversations(&self) -> usize {
        self.opened().streams.len()
    }

    /// Whether the socket can still be found where it was opened.
    pub fn stands(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|it| (it.dev(), it.ino()) == self.file)
    }

    /// Nobody is let in any more, and no conversation hears another request.
    pub fn close(&self) {
        if let Err(error) = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both) {
            tracing::debug!(%error, "the socket does not close");
        }
        for stream in self.opened().streams.values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    /// Takes the socket's file away: whoever comes now finds nobody, and not a socket that nobody
    /// answers. Another's file is left.
    pub fn remove(&self) {
        if self.stands() {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Lets the next one in.
    fn turn(self: &Arc<Self>, post: &Post) -> Turn {
        let stream = match self.listener.accept() {
            _ if post.ending().is_over() => return Turn::End,
            Ok((stream, _)) => stream,
            Err(error) => {
                post.ill(format!("nobody can connect: {error}"));
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
        let mut open = self.opened();
        if peer.uid != rustix::process::geteuid() || open.streams.len() >= MAX_CONVERSATIONS {
            return Ok(None);
        }
        open.last += 1;
        let (number, stream) = (open.last, Arc::new(stream));
        open.streams.insert(number, Arc::clone(&stream));
        Ok(Some(Conversation { door: Arc::clone(self), number, stream }))
    }

    fn begin(&self, conversation: Conversation) {
        // One whose thread cannot be started ends here, and its program comes again.
        drop(self.keeper.job("conversation", move |post| {
            if let Err(error) = (conversation.door.hold)(&conversation.stream, post) {
                tracing::debug!(%error, "a conversation ended");
            }
        }));
    }

    fn opened(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing has come on a connection and its other end has not been closed. Nothing is taken
/// of what may have come.
pub fn is_quiet(stream: impl AsFd) -> bool {
    let peeked = recv(stream, &mut [0_u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(peeked, Err(Errno::AGAIN | Errno::INTR))
}

fn bind(path: &Path, in_use: &'static str) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, in_use));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Somebody who was let in.
struct Conversation {
    door: Arc<Door>,
    number: u64,
    stream: Arc<UnixStream>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.door.opened().streams.remove(&self.number);
    }
}
