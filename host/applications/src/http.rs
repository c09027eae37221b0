//! JSON over HTTP on this machine's loopback address.
//!
//! | request | what it is for |
//! |---|---|
//! | `GET /semper/v1/openapi.json` | the description of everything here |
//! | `POST /semper/v1/pairings` | an application asks to be paired |
//! | `POST /semper/v1/pairings/{secret}` | it asks what the person has decided |
//! | `POST /semper/v1/calls/{call}` | one call, with its token as `Authorization: Bearer` |
//! | `POST /mcp` | the same calls by MCP |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use semper_host_protocol::Gone;
use semper_host_protocol::application::{MAX_WAIT_MS, Pairing, Scope, code, kind};
use semper_keeper::Keeper;
use semper_net::ServeError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::guard::{Guard, guard, refused, trouble, unknown};
use crate::pairings::{Busy, Pairings, Stage};
use crate::shop::{Shop, Visitor};
use crate::{mcp, openapi};

/// Bytes of a request's body, at most.
pub const MAX_BODY: usize = 128 * 1024;
/// How often it is looked whether the person has decided.
const LOOK: Duration = Duration::from_millis(200);

/// What the routes share.
struct Door {
    guard: Arc<Guard>,
    pairings: Pairings,
    keeper: Keeper,
}

/// Serves applications at this port of the loopback address until the keeper ends; where.
///
/// # Errors
/// The port cannot be listened on.
pub fn serve(shop: Arc<dyn Shop>, port: u16, keeper: &Keeper) -> Result<SocketAddr, ServeError> {
    semper_net::local::serve(port, keeper, |bound| {
        router(&Arc::new(Guard::new(shop, bound)), keeper)
    })
}

fn router(own: &Arc<Guard>, keeper: &Keeper) -> Router {
    let door = Arc::new(Door {
        guard: Arc::clone(own),
        pairings: Pairings::default(),
        keeper: keeper.clone(),
    });
    Router::new()
        .route("/semper/v1/openapi.json", get(|| async { Json(openapi::description()) }))
        .route("/semper/v1/pairings", post(begin))
        .route("/semper/v1/pairings/{secret}", post(ask))
        .route("/semper/v1/calls/{name}", post(call))
        .with_state(door)
        .nest_service("/mcp", mcp::service(Arc::clone(own), keeper))
        .fallback(|| async {
            let what = "there is nothing of this name here";
            refused(StatusCode::NOT_FOUND, what, "GET /semper/v1/openapi.json lists what there is")
        })
        .method_not_allowed_fallback(|| async {
            let what = "this is asked by another method";
            refused(
                StatusCode::METHOD_NOT_ALLOWED,
                what,
                "GET /semper/v1/openapi.json says by which",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(own), guard))
}

/// What an application says to be paired.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asks {
    name: String,
    may: Vec<Scope>,
}

async fn begin(State(door): State<Arc<Door>>, asks: Result<Json<Asks>, JsonRejection>) -> Response {
    let Json(asks) = match asks {
        Ok(asks) => asks,
        Err(rejection) => return unreadable(&rejection),
    };
    let code = code();
    let (name, may, cautions) = (asks.name, asks.may, Vec::new());
    let pairing = Pairing { name, may, code: code.clone(), origin: None, cautions };
    if let Some(fault) = pairing.fault() {
        return refused(StatusCode::BAD_REQUEST, &fault, "see /semper/v1/openapi.json");
    }
    match door.pairings.begin(pairing, &door.guard.shop, &door.keeper) {
        Ok(secret) => {
            (StatusCode::ACCEPTED, Json(json!({ "pairing": secret, "code": code }))).into_response()
        }
        Err(Busy::Deciding) => {
            let what = "the person decides about another application now";
            refused(StatusCode::TOO_MANY_REQUESTS, what, "try again later")
        }
        Err(Busy::Quiet(left)) => {
            let what = "the last application was not let in, and nobody is asked again at once";
            let mend = format!("try again in {} s", left.as_secs() + 1);
            refused(StatusCode::TOO_MANY_REQUESTS, what, &mend)
        }
    }
}

/// How long an application waits for the decision.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waits {
    #[serde(default)]
    wait_ms: u64,
}

async fn ask(
    State(door): State<Arc<Door>>,
    Path(secret): Path<String>,
    waits: Result<Json<Waits>, JsonRejection>,
) -> Response {
    let Json(waits) = match waits {
        Ok(waits) => waits,
        Err(rejection) => return unreadable(&rejection),
    };
    let until = Instant::now() + Duration::from_millis(waits.wait_ms.min(MAX_WAIT_MS));
    loop {
        match door.pairings.stage(&secret) {
            Stage::Deciding if Instant::now() < until => tokio::time::sleep(LOOK).await,
            Stage::Deciding => return Json(json!({ "state": "deciding" })).into_response(),
            Stage::Agreed(token) => {
                return Json(json!({ "state": "agreed", "token": token })).into_response();
            }
            Stage::Refused(refusal) => return trouble(&refusal),
            Stage::Unknown => {
                let what = "there is no such pairing, or its outcome was told already";
                return refused(StatusCode::NOT_FOUND, what, "pair again");
            }
        }
    }
}

async fn call(
    State(door): State<Arc<Door>>,
    Path(name): Path<String>,
    visitor: Option<Extension<Visitor>>,
    body: Result<Json<Value>, JsonRejection>,
) -> Response {
    let Some(Extension(visitor)) = visitor else { return unknown() };
    let Json(body) = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection),
    };
    let Some(kind) = kind(&name) else {
        let what = "there is no call of this name";
        return refused(StatusCode::NOT_FOUND, what, "GET /semper/v1/openapi.json lists them");
    };
    if !visitor.may.contains(&kind.scope) {
        let what = format!("it is not allowed to {}", kind.scope.means());
        let mend = "remove the application, and pair it with more";
        return refused(StatusCode::FORBIDDEN, &what, mend);
    }
    let call = match (kind.read)(body) {
        Ok(call) => call,
        Err(why) => {
            return refused(StatusCode::BAD_REQUEST, &why, "see /semper/v1/openapi.json");
        }
    };
    let Some(room) = door.guard.room(&visitor) else {
        let what = "too many calls of this application are under way";
        return refused(StatusCode::TOO_MANY_REQUESTS, what, "wait for the answers");
    };
    let (shop, leaving) = (Arc::clone(&door.guard.shop), Leaving::default());
    let gone = leaving.0.clone();
    let called = tokio::task::spawn_blocking(move || {
        let _room = room;
        shop.call(&visitor, call, &gone)
    });
    match called.await {
        Ok(Ok(told)) => Json(told).into_response(),
        Ok(Err(refusal)) => trouble(&refusal),
        Err(panicked) => {
            tracing::error!(%panicked, "a call of an application");
            let what = "the host has failed over this";
            refused(StatusCode::INTERNAL_SERVER_ERROR, what, "report this to the project")
        }
    }
}

/// Says that whoever asked has gone when its request is dropped.
#[derive(Default)]
pub(crate) struct Leaving(pub Gone);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.set();
    }
}

fn unreadable(rejection: &JsonRejection) -> Response {
    // Whatever cannot be understood is told in one way.
    let status = match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    refused(status, &rejection.body_text(), "see /semper/v1/openapi.json")
}
