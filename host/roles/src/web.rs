//! What all roles share on the web: blocking work off the async threads, refusals as JSON,
//! health and metrics.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

/// A refusal as it travels: what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRefusal {
    /// What went wrong.
    pub error: String,
    /// What to do about it.
    pub mend: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    role: &'static str,
    action: &'static str,
    outcome: &'static str,
}

/// Counters of a process.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Family<Labels, Counter>,
}

impl Metrics {
    /// Counts a request.
    pub fn count(&self, role: &'static str, action: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&Labels { role, action, outcome }).inc();
    }

    /// Counts a response by its status.
    pub fn outcome(
        &self,
        role: &'static str,
        action: &'static str,
        response: Response,
    ) -> Response {
        let outcome = match response.status().as_u16() {
            200..=299 => "done",
            400..=499 => "refused",
            _ => "failed",
        };
        self.count(role, action, outcome);
        response
    }
}

/// `/healthz` and `/metrics`.
pub fn routes(metrics: &Arc<Metrics>) -> Router {
    let mut registry = Registry::default();
    let help = "Requests by role, action and outcome";
    registry.register("semper_requests", help, metrics.requests.clone());
    let registry = Arc::new(registry);
    let render = move || {
        let registry = Arc::clone(&registry);
        async move {
            let mut text = String::new();
            match encode(&mut text, &registry) {
                Ok(()) => {
                    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                    ([(header::CONTENT_TYPE, kind)], text).into_response()
                }
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/metrics", get(render))
}

/// Runs blocking work and gives its response back.
pub async fn blocking(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a request crashed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
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
