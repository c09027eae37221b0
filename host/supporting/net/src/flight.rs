//! Requests under way: how many there are, and what a panic in one costs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use semper_keeper::Keeper;
use tokio::sync::watch;

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

/// Counts a request until its answer has been handed on, and catches its panic.
pub(crate) async fn watch(State(flight): State<Flight>, request: Request, next: Next) -> Response {
    let under_way = flight.begin();
    let response = match Caught(Box::pin(next.run(request))).await {
        Ok(response) => response,
        Err(panic) => {
            flight.keeper.count_panic();
            tracing::error!(words = words(&*panic), "a request has panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    response.map(|body| Body::new(Counted { body, _under_way: under_way }))
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

/// The body of an answer; its request is under way until it has been handed on.
struct Counted {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
