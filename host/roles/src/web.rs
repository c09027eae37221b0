//! What all roles say on the web in one way: JSON, bytes, refusals.

use axum::body::Bytes;
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
pub fn bytes(media_type: &'static str, body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, media_type)], Bytes::from(body)).into_response()
}

/// A refusal.
pub fn refuse(status: StatusCode, error: impl ToString, mend: impl Into<String>) -> Response {
    json(status, &WebRefusal { error: error.to_string(), mend: mend.into() })
}
