//! Trouble between a host and its TINGUIN: what a test wants to go wrong when a question is put.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use semper_base::Digest;
use semper_tinguin_protocol::client::Socket;
use semper_tinguin_protocol::{Ask, Cause, ClientError, Failure, Reply, Request};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answers at the socket.
    Away,
    /// It is answered that it was not done, for this reason.
    NotDone(Cause),
    /// The host's own code panics.
    Panic,
}

/// A switch: as long as a fault is set, no question gets through. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<Fault>>>);

impl Trouble {
    /// From now on this goes wrong.
    pub fn begin(&self, fault: Fault) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Nothing goes wrong any more.
    pub fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn now(&self) -> Option<Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a home's TINGUIN, with a switch in it.
#[derive(Debug)]
pub(crate) struct Troubled {
    socket: Socket,
    home: std::path::PathBuf,
    trouble: Trouble,
}

impl Troubled {
    pub(crate) fn new(home: &Path, trouble: Trouble) -> Self {
        Self { socket: Socket::of(home), home: home.to_owned(), trouble }
    }
}

impl Ask for Troubled {
    fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        match (request, self.trouble.now()) {
            (Request::Pose { .. }, Some(Fault::Away)) => {
                let (home, detail) = (self.home.clone(), "nobody is there".into());
                Err(ClientError::Away { home, detail })
            }
            (Request::Pose { .. }, Some(Fault::NotDone(cause))) => {
                Err(ClientError::NotDone(Failure::new(cause, "it was not done", "mend it")))
            }
            (Request::Pose { .. }, Some(Fault::Panic)) => panic!("a fault of this program"),
            _ => self.socket.ask(request),
        }
    }

    fn watch(
        &self,
        epoch: Digest,
        after: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Reply, ClientError> {
        self.socket.watch(epoch, after, goes_on)
    }
}
