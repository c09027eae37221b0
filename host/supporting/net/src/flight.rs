//! Requests under way: how many there are, what a panic in one costs, and what they may take.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body::{Frame, SizeHint};
use semper_keeper::Keeper;
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::guests::{Asked, Download, Hand};
use crate::refusals::Refused;

/// Bytes of an answer that are handed on at a time.
const PIECE: usize = 64 * 1024;
/// Bytes of an answer that needs no place of its own.
const LARGE: u64 = 128 * 1024;

/// Counts the requests under way. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    under_way: watch::Sender<usize>,
    keeper: Keeper,
}

/// One request; it is over when this is dropped.
#[derive(Debug)]
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|it| *it -= 1);
    }
}

impl Flight {
    pub fn new(keeper: &Keeper) -> Self {
        Self { under_way: watch::Sender::new(0), keeper: keeper.clone() }
    }

    pub const fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Done when no request is under way.
    pub async fn landed(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender lives in `self`.
        let _ = under_way.wait_for(|it| *it == 0).await;
    }

    fn begin(&self) -> UnderWay {
        self.under_way.send_modify(|it| *it += 1);
        UnderWay(self.under_way.clone())
    }
}

/// Serves a request within the server's limits: counts it until its answer has been taken, catches
/// its panic, and cuts what takes too long or too much.
pub(crate) async fn watch(State(flight): State<Flight>, request: Request, next: Next) -> Response {
    let under_way = flight.begin();
    // Set by the server for each request of its connections.
    let asked = request.extensions().get::<Arc<Asked>>().cloned();
    let (request, received) = receive(request, asked.as_ref());
    let Some(request) = request else { return refuse(asked.as_ref(), Refused::BodySize) };
    let answered = match Caught(Box::pin(next.run(request))).await {
        Ok(response) => response,
        Err(panic) => {
            flight.keeper.count_panic();
            tracing::error!(words = words(&*panic), "a request has panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    let mut response = match received.get() {
        Some(why) => refuse(asked.as_ref(), *why),
        None => answered,
    };
    let mut download = None;
    if let Some(asked) = asked.as_ref().filter(|_| is_large(response.body())) {
        download = asked.download();
        if download.is_none() {
            response = refuse(Some(asked), Refused::Downloads);
        }
    }
    if let Some(asked) = &asked {
        asked.hand(Hand::Reads);
    }
    let rest = Bytes::new();
    response.map(|body| {
        Body::new(Answer { body, rest, asked, _download: download, _under_way: under_way })
    })
}

/// The request with its body bounded, and where it is noted why the body was not taken; no request
/// when it says itself that it is too large.
fn receive(
    request: Request,
    asked: Option<&Arc<Asked>>,
) -> (Option<Request>, Arc<OnceLock<Refused>>) {
    let refused = Arc::new(OnceLock::new());
    let Some(asked) = asked else { return (Some(request), refused) };
    if request.body().is_end_stream() {
        asked.hand(Hand::Ours);
        return (Some(request), refused);
    }
    let limits = asked.guests().limits();
    if request.body().size_hint().lower() > u64::try_from(limits.body_bytes).unwrap_or(u64::MAX) {
        return (None, refused);
    }
    let until = Box::pin(tokio::time::sleep(limits.body()));
    let (asked, noted) = (Arc::clone(asked), Arc::clone(&refused));
    let request =
        request.map(|body| Body::new(Sent { body, asked, taken: 0, until, refused: noted }));
    (Some(request), refused)
}

/// Whether an answer takes one of the places for large ones.
fn is_large(body: &Body) -> bool {
    let size = body.size_hint();
    size.upper().is_none_or(|most| most > LARGE)
}

fn refuse(asked: Option<&Arc<Asked>>, why: Refused) -> Response {
    if let Some(asked) = asked {
        asked.guests().count(why);
    }
    let (status, text) = match why {
        Refused::BodyTime => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
        Refused::BodySize => (StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the server is busy; try again later\n"),
    };
    match status {
        StatusCode::SERVICE_UNAVAILABLE => (status, [(RETRY_AFTER, "5")], text).into_response(),
        _ => (status, text).into_response(),
    }
}

/// The body of a request: so large, so long, and no more than there is room for.
struct Sent {
    body: Body,
    asked: Arc<Asked>,
    taken: usize,
    until: Pin<Box<Sleep>>,
    refused: Arc<OnceLock<Refused>>,
}

/// What a handler sees of a body that was not taken; the guest is told otherwise.
#[derive(Debug, thiserror::Error)]
#[error("the request was not taken: {}", .0.name())]
struct NotTaken(Refused);

impl Sent {
    fn refuse(&mut self, why: Refused) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let _ = self.refused.set(why);
        Poll::Ready(Some(Err(axum::Error::new(NotTaken(why)))))
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(why) = self.refused.get().copied() {
            return Poll::Ready(Some(Err(axum::Error::new(NotTaken(why)))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {
                if self.until.as_mut().poll(cx).is_ready() {
                    return self.refuse(Refused::BodyTime);
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                let more = frame.data_ref().map_or(0, Bytes::len);
                let before = self.taken;
                self.taken += more;
                if self.taken > self.asked.guests().limits().body_bytes {
                    return self.refuse(Refused::BodySize);
                }
                if !self.asked.hold(before, more) {
                    return self.refuse(Refused::Bodies);
                }
                if self.body.is_end_stream() {
                    self.asked.hand(Hand::Ours);
                }
            }
            Poll::Ready(Some(Err(_)) | None) => self.asked.hand(Hand::Ours),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A future whose panic is its outcome.
struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is not polled again: the request is over.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// The body of an answer, in pieces that a slow reader can hold up without holding much; its
/// request is under way until it has been handed on.
struct Answer {
    body: Body,
    /// What is left of a piece that was too large to be handed on at once.
    rest: Bytes,
    asked: Option<Arc<Asked>>,
    _download: Option<Download>,
    _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            let hand = if polled.is_pending() { Hand::Ours } else { Hand::Reads };
            if let Some(asked) = &self.asked {
                asked.hand(hand);
            }
            match polled {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        } else if let Some(asked) = &self.asked {
            asked.hand(Hand::Reads);
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, size) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        if let Some(upper) = size.upper() {
            whole.set_upper(upper + rest);
        }
        whole.set_lower(size.lower() + rest);
        whole
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
