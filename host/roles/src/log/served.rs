//! What a log serves: taking statements, their proofs, and the files that anybody may read.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use semper_base::{Digest, Mend as _};
use semper_keeper::Health;
use semper_tlog::Proof;

use super::{ADD, Log, LogError, MAX_ENTRY, PROOF};
use crate::role::Role as ServerRole;
use crate::surroundings::{Desk, Surroundings};
use crate::web;

/// Where its key is, as others verify it by.
const OWN_KEY: &str = "/log.vkey";

impl ServerRole for Log {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        let desk = around.desk(self);
        let added = post(add).layer(web::most(2 * MAX_ENTRY));
        Router::new().route(ADD, added).with_state(desk.clone()).merge(public_routes(desk))
    }

    fn health(&self) -> Vec<Health> {
        vec![self.health_of_store("tlog/store")]
    }
}

/// What anybody may read of a log.
pub(crate) fn public_routes(desk: Desk<Log>) -> Router {
    Router::new()
        .route(&format!("{PROOF}{{digest}}"), get(proof))
        .route(OWN_KEY, get(key))
        .route("/checkpoint", get(head))
        .route("/tile/{*name}", get(tile))
        .with_state(desk)
}

async fn add(State(desk): State<Desk<Log>>, body: Bytes) -> Response {
    desk.answer("add", move |log| answer(log.add(&body))).await
}

async fn proof(State(desk): State<Desk<Log>>, UrlPath(hex): UrlPath<String>) -> Response {
    let found = move |log: &Log| match Digest::from_hex(&hex).map(|it| log.number(&it)) {
        Ok(Ok(Some(number))) => answer(log.proof(number)),
        Ok(Err(error)) => answer(Err(error)),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    desk.answer("proof", found).await
}

async fn key(State(desk): State<Desk<Log>>) -> Response {
    web::bytes("text/plain; charset=utf-8", format!("{}\n", desk.key()).into_bytes())
}

async fn head(State(desk): State<Desk<Log>>) -> Response {
    file(desk, "checkpoint".into()).await
}

async fn tile(State(desk): State<Desk<Log>>, UrlPath(name): UrlPath<String>) -> Response {
    file(desk, format!("tile/{name}")).await
}

async fn file(desk: Desk<Log>, name: String) -> Response {
    desk.answer("file", move |log| log.file(&name)).await
}

fn answer(outcome: Result<Proof, LogError>) -> Response {
    match outcome {
        Ok(proof) => web::bytes("text/plain; charset=utf-8", proof.to_string().into_bytes()),
        Err(error @ LogError::Refused(_)) => {
            web::refuse(StatusCode::FORBIDDEN, &error, error.mend())
        }
        Err(error @ (LogError::Later | LogError::Quorum { .. } | LogError::Closed)) => {
            web::refuse(StatusCode::SERVICE_UNAVAILABLE, &error, error.mend())
        }
        Err(error) => {
            tracing::error!(%error, "the log fails");
            let error = LogError::Later;
            web::refuse(StatusCode::SERVICE_UNAVAILABLE, &error, error.mend())
        }
    }
}
