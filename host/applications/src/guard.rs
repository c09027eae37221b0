//! Who may come in over HTTP.
//!
//! Whoever runs a program on this machine can connect, and so can every page that a browser has open.
//! So a request is looked at before anything else: its `Host` is this machine's (a page that had its
//! name rebound to it shows another), its `Origin`, if a browser sends one, is that of a page that is
//! paired and whose token it shows, a body is JSON and says so (which no form of a foreign page can).
//! Nothing depends on cookies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use semper_host_protocol::Refusal;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::shop::{Shop, Visitor};

/// Calls at once, of all applications.
const CALLS: usize = 64;
/// Calls at once of one application.
const CALLS_OF_ONE: usize = 8;
/// Applications whose calls are counted.
const COUNTED: usize = 256;

/// What the guard knows.
pub(crate) struct Guard {
    pub shop: Arc<dyn Shop>,
    /// The port that it serves at.
    port: u16,
    all: Arc<Semaphore>,
    each: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Room for one call, kept as long as it takes.
#[derive(Debug)]
pub(crate) struct Room {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Guard {
    pub fn new(shop: Arc<dyn Shop>, port: u16) -> Self {
        let all = Arc::new(Semaphore::new(CALLS));
        Self { shop, port, all, each: Mutex::default() }
    }

    /// Room for a call of this application; none when it has as many under way as it may.
    pub fn room(&self, visitor: &Visitor) -> Option<Room> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() >= COUNTED {
            each.retain(|_, it| it.available_permits() < CALLS_OF_ONE);
        }
        let own = each
            .entry(visitor.token.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(CALLS_OF_ONE)));
        let own = Arc::clone(own).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Room { _all: all, _own: own })
    }

    /// Whether a request was meant for this machine. What names another host was sent by a page
    /// whose name was bound to this address.
    fn is_host(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let own = port.parse() == Ok(self.port);
        let one = headers.get_all(HOST).iter().count() == 1;
        own && one && (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
    }
}

/// Looks at every request before its route does.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    // A request for another place, as one says it to a proxy, names no place of ours.
    if !guard.is_host(headers) || request.uri().authority().is_some() {
        let what =
            "this is the door of a person's own programs, and has no other name than 127.0.0.1";
        return refused(StatusCode::MISDIRECTED_REQUEST, what, "ask it by that name and its port");
    }
    let origin = match headers.get(ORIGIN).map(|it| it.to_str()) {
        None => None,
        Some(Ok(origin)) => Some(origin.to_owned()),
        Some(Err(_)) => return foreign(),
    };
    if request.method() == Method::OPTIONS {
        return preflight(&guard, origin).await;
    }
    let json = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let json = json.map(|it| it.split(';').next().unwrap_or_default().trim());
    let is_json = json.is_some_and(|it| it.eq_ignore_ascii_case("application/json"));
    if request.method() == Method::POST && !is_json {
        let what = "the body of a request is JSON, and says so";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, what, "Content-Type: application/json");
    }
    let visitor = match token(headers) {
        None => None,
        Some(token) => match known(&guard, token).await {
            Ok(Some(visitor)) => Some(visitor),
            Ok(None) => return unknown(),
            Err(refusal) => return trouble(&refusal),
        },
    };
    // A page is let in by its own token alone, and a page's token lets in nobody else.
    let paired = visitor.as_ref().and_then(|it| it.origin.clone());
    if origin != paired {
        return foreign();
    }
    match visitor {
        Some(visitor) => drop(request.extensions_mut().insert(visitor)),
        // Agents that are not paired do not even hear what there is.
        None if request.uri().path().starts_with("/mcp") => return unknown(),
        None => {}
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("same-origin"));
    if let Some(origin) = origin.and_then(|it| HeaderValue::from_str(&it).ok()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// The question of a browser whether a page may ask: only one that is paired.
async fn preflight(guard: &Arc<Guard>, origin: Option<String>) -> Response {
    let Some(origin) = origin else { return foreign() };
    let (own, asked) = (Arc::clone(guard), origin.clone());
    let known = tokio::task::spawn_blocking(move || own.shop.knows_origin(&asked)).await;
    let (Ok(Ok(true)), Ok(origin)) = (known, HeaderValue::from_str(&origin)) else {
        return foreign();
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    let allowed = HeaderValue::from_static("authorization, content-type, mcp-protocol-version");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("60"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    response
}

fn token(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

async fn known(guard: &Arc<Guard>, token: String) -> Result<Option<Visitor>, Refusal> {
    let own = Arc::clone(guard);
    let looked = tokio::task::spawn_blocking(move || own.shop.visitor(&token)).await;
    looked.unwrap_or(Ok(None))
}

/// A route's answer when somebody must be paired who is not.
pub(crate) fn unknown() -> Response {
    let what = "no application with this token is paired";
    refused(StatusCode::UNAUTHORIZED, what, "pair it: POST /semper/v1/pairings")
}

fn foreign() -> Response {
    let what = "a page of this origin is not paired, or this is not its token";
    refused(StatusCode::FORBIDDEN, what, "semper applications pair --origin pairs a page")
}

/// What was refused by the host.
pub(crate) fn trouble(refusal: &Refusal) -> Response {
    let status = match refusal.code {
        2 => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    };
    refused(status, &refusal.what, &refusal.mend)
}

/// An error: what it is, and what to do about it.
pub(crate) fn refused(status: StatusCode, what: &str, mend: &str) -> Response {
    (status, Json(json!({ "error": what, "mend": mend }))).into_response()
}
