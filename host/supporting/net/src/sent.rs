//! A body that is being sent, and how long ago some of it last went out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::body::HttpBody;
use http_body::{Frame, SizeHint};

/// Bytes that are handed over at once. Small, so that a slow link is seen to move.
const PIECE: usize = 32 * 1024;
/// How long nothing of a body may go out.
const SILENCE: Duration = Duration::from_secs(60);
/// The slowest link that is waited for, in bytes a second: what has been handed over may still lie
/// in buffers on the way.
const SLOWEST: u64 = 16 * 1024;

/// A body that is being sent.
#[derive(Debug)]
pub(crate) struct Sent {
    left: Bytes,
    seen: Watch,
}

/// Whoever waits for the answer to a body.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Mutex<Moved>>);

#[derive(Debug)]
struct Moved {
    last: Instant,
    handed: u64,
    size: u64,
}

impl Sent {
    /// The body, and what is to be watched.
    pub(crate) fn new(body: Vec<u8>) -> (Self, Watch) {
        let size = body.len() as u64;
        let seen = Watch(Arc::new(Mutex::new(Moved { last: Instant::now(), handed: 0, size })));
        (Self { left: Bytes::from(body), seen: seen.clone() }, seen)
    }
}

impl Watch {
    /// Until when the answer's head must be there, if nothing moves any more: silence is bounded,
    /// and length is not. `whole` is what a server has to think.
    pub(crate) fn until(&self, whole: Duration) -> Instant {
        let moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.handed < moved.size {
            return moved.last + whole.min(SILENCE);
        }
        moved.last + whole + Duration::from_secs(moved.size / SLOWEST)
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.left.len().min(PIECE);
        let piece = self.left.split_to(size);
        let mut moved = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        moved.last = Instant::now();
        moved.handed += size as u64;
        drop(moved);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
