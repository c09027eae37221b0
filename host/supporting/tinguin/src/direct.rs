//! Questions that a host asks and waits for: whether it still does. Nobody is asked for a host that
//! has gone away, and no answer is kept that nobody would get.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use semper_base::{Certificate, Digest, cbor};
use semper_tinguin_protocol::protocol::Request;

/// Whoever asks, at the other end of a connection.
pub(crate) trait Asker: std::fmt::Debug + Send + Sync {
    /// Whether the other end has been closed.
    fn has_gone(&self) -> bool;
}

impl Asker for UnixStream {
    fn has_gone(&self) -> bool {
        // Whoever says anything more before the reply does not wait for it either.
        !semper_door::is_quiet(self)
    }
}

/// A connection that somebody else looks after, and says so when it has ended.
impl Asker for AtomicBool {
    fn has_gone(&self) -> bool {
        self.load(Ordering::SeqCst)
    }
}

/// Who waits for which question.
#[derive(Debug, Default)]
pub(crate) struct Direct(Mutex<HashMap<Digest, Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// The conversations of those who wait.
    streams: Vec<Arc<dyn Asker>>,
    /// Somebody has taken the question back.
    withdrawn: bool,
}

/// A conversation that waits for a question; it does not any more when this is dropped.
#[derive(Debug)]
pub(crate) struct Waits<'a> {
    direct: &'a Direct,
    id: Digest,
    stream: Arc<dyn Asker>,
}

impl Direct {
    /// Notes that a conversation waits for a request, if that is a question.
    pub fn begin(&self, request: &Request, stream: &Arc<dyn Asker>) -> Option<Waits<'_>> {
        let id = match request {
            Request::SignAgreement { id, .. }
            | Request::SignStatement { id, .. }
            | Request::Ask { id, .. }
            | Request::AgreeExchange { id, .. }
            | Request::Pair { id, .. }
            | Request::OpenLink { id, .. } => *id,
            Request::InstallCertificate(chain) => installs(chain),
            Request::RequestNextCertificate(name) => replaces(name),
            _ => return None,
        };
        self.all().entry(id).or_default().streams.push(Arc::clone(stream));
        Some(Waits { direct: self, id, stream: Arc::clone(stream) })
    }

    /// Takes a question back.
    pub fn withdraw(&self, id: &Digest) {
        if let Some(waiting) = self.all().get_mut(id) {
            waiting.withdrawn = true;
        }
    }

    /// Whether nobody wants to know the answer any more: it was taken back, or all who have asked
    /// have gone. False for what nobody has asked in a conversation.
    pub fn is_withdrawn(&self, id: &Digest) -> bool {
        let all = self.all();
        let waiting = all.get(id);
        waiting.is_some_and(|it| it.withdrawn || it.streams.iter().all(|it| it.has_gone()))
    }

    /// Questions that somebody waits for.
    pub fn waiting(&self) -> usize {
        self.all().len()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Digest, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut all = self.direct.all();
        let Some(waiting) = all.get_mut(&self.id) else { return };
        waiting.streams.retain(|it| !Arc::ptr_eq(it, &self.stream));
        if waiting.streams.is_empty() {
            all.remove(&self.id);
        }
    }
}

/// Names the question whether this certificate is kept.
pub(crate) fn installs(chain: &[Certificate]) -> Digest {
    Digest::of_parts(&[b"install", &cbor::encode(chain)])
}

/// Names the question whether a key is replaced.
pub(crate) fn replaces(name: &str) -> Digest {
    Digest::of_parts(&[b"replace", name.as_bytes()])
}
