//! The socket of a home's TINGUIN.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_base::Digest;

use semper_base::fault;

use super::{Ask, ClientError};
use crate::failure::{Cause, Failure};
use crate::protocol::{self, Reply, Request};

/// Idle connections kept for the next request.
const IDLE: usize = 16;

/// How often whoever holds a watch looks whether it goes on.
const LOOK: Duration = Duration::from_millis(250);

/// The socket of a home's TINGUIN; connects when it is first asked.
#[derive(Debug)]
pub struct Socket {
    home: PathBuf,
    idle: Mutex<Vec<UnixStream>>,
}

impl Socket {
    /// The socket in this home.
    pub fn of(home: &Path) -> Self {
        Self { home: home.to_owned(), idle: Mutex::default() }
    }

    fn fresh(&self, request: &Request) -> io::Result<(Reply, UnixStream)> {
        let mut stream = UnixStream::connect(self.home.join(crate::SOCKET))?;
        Ok((converse(&mut stream, request)?, stream))
    }

    /// Asks what may be held for long, on a connection of its own; `None` once it does not go on.
    fn hold(&self, request: &Request, goes_on: &dyn Fn() -> bool) -> io::Result<Option<Reply>> {
        let mut stream = UnixStream::connect(self.home.join(crate::SOCKET))?;
        protocol::write(&mut stream, request)?;
        stream.set_read_timeout(Some(LOOK))?;
        let mut first = [0];
        while goes_on() {
            let read = match stream.read(&mut first) {
                Err(error) if is_late(&error) => continue,
                read => read?,
            };
            stream.set_read_timeout(None)?;
            let reply = protocol::read(&mut first[..read].chain(&stream))?;
            return reply.map(Some).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        Ok(None)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<UnixStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, error: &io::Error) -> ClientError {
        let detail = error.to_string();
        match error.kind() {
            io::ErrorKind::InvalidInput => {
                let mend = "the service asks for too much at once";
                ClientError::NotDone(Failure::new(Cause::Malformed, detail, mend))
            }
            io::ErrorKind::InvalidData => {
                ClientError::unreadable(format!("its answer cannot be read: {detail}"))
            }
            _ => ClientError::Away { home: self.home.clone(), detail },
        }
    }
}

impl Ask for Socket {
    fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        if fault::fails("tinguin.ask") {
            return Err(self.error(&io::ErrorKind::ConnectionReset.into()));
        }
        let idle = self.idle().pop();
        // A kept connection may belong to a TINGUIN that has been restarted: try a fresh one.
        let kept = idle.and_then(|mut stream| Some((converse(&mut stream, request).ok()?, stream)));
        let (reply, stream) = match kept {
            Some(done) => done,
            None => self.fresh(request).map_err(|error| self.error(&error))?,
        };
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(stream);
        }
        Ok(reply)
    }

    fn watch(
        &self,
        epoch: Digest,
        after: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Reply, ClientError> {
        let held = self.hold(&Request::Watch { epoch, after }, goes_on);
        Ok(held.map_err(|error| self.error(&error))?.unwrap_or(Reply::Pending))
    }
}

/// Whether nothing has come yet.
fn is_late(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn converse(stream: &mut UnixStream, request: &Request) -> io::Result<Reply> {
    protocol::write(stream, request)?;
    protocol::read(stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
