//! What all roles say on the web in one way: JSON, bytes, files, refusals; and how much they take.

use std::fs::File;

use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

/// A refusal as it travels: what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRefusal {
    /// What went wrong.
    pub error: String,
    /// What to do about it.
    pub mend: String,
}

/// A JSON response.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A response of other bytes.
pub fn bytes(media_type: &'static str, body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body.into()).into_response()
}

/// A response of what stands in a file, which is read as it is taken; not found, if it is none.
pub fn file(media_type: &'static str, file: std::io::Result<File>) -> Response {
    match file.and_then(semper_net::stream::file) {
        Ok(body) => ([(header::CONTENT_TYPE, media_type)], body).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The bytes that a route takes: more is refused before it is read.
pub fn most(bytes: usize) -> DefaultBodyLimit {
    DefaultBodyLimit::max(bytes)
}

/// The answer when something of ours does not work. Whoever asks learns no more of it than that;
/// the log has the rest.
pub fn not_now() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "not now", "try again later")
}

/// There is nothing here.
pub fn nothing() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing here", "check the address")
}

/// A refusal.
pub fn refuse(status: StatusCode, error: impl ToString, mend: impl Into<String>) -> Response {
    json(status, &WebRefusal { error: error.to_string(), mend: mend.into() })
}
