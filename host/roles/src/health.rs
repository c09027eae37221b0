//! How a server is: `/healthz` for those who watch over it, `/metrics` for those who count.
//!
//! Health is worked out from the keepers: each thread and task says whether it gets on, each room
//! whether work gets done, and a role what no thread of it says. The reasons are for operators
//! and name no files; the log has the details.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use semper_base::{Certificate, Timestamp, renewal};
use semper_keeper::{Health, Keeper, State};
use semper_net::Refusals;
use serde::Serialize;

use crate::role::Role;
use crate::surroundings::Surroundings;
use crate::web;

/// How a role's store is: whether it is still there and can be read.
pub(crate) fn of_store(name: &str, file: &Path) -> Health {
    let state = match semper_store::probe(file) {
        Ok(()) => State::Well,
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "a store cannot be read");
            State::Ill("the store cannot be read; the server's log says why".into())
        }
    };
    Health { name: name.to_owned(), state, panics: 0 }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    role: &'static str,
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Counters of requests.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    /// Those who were refused before or beside their requests.
    pub refusals: Refusals,
    /// Until when the server's own certificates are valid.
    pub ends: Ends,
}

/// Until when a server's own certificates are valid: that of its TLS, and those of its roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(Arc<Mutex<BTreeMap<&'static str, Timestamp>>>);

impl Ends {
    /// A certificate is in use from now on. Whoever has to renew it soon reads so in the log.
    pub fn uses(&self, name: &'static str, certificate: &Certificate, now: Timestamp) {
        let until = certificate.validity().1;
        if renewal::is_due(until, now) {
            tracing::warn!(name, %until, "a certificate ends soon: semper renew");
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name, until);
    }
}

impl Collector for Ends {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "When the server's own certificates end, in seconds since 1970";
        let gauges = Family::<Named, Gauge>::default();
        for (&certificate, until) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let seconds = i64::try_from(until.millis() / 1_000).unwrap_or(i64::MAX);
            gauges.get_or_create(&Named { certificate }).set(seconds);
        }
        let (name, kind) = ("semper_certificate_ends_timestamp", gauges.metric_type());
        gauges.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?)
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    certificate: &'static str,
}

impl Metrics {
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
        self.requests.get_or_create(&Labels { role, action, outcome }).inc();
        response
    }
}

/// Everybody who can say how the server is.
#[derive(Clone)]
pub(crate) struct Ward(Arc<Inner>);

struct Inner {
    keeper: Keeper,
    around: Surroundings,
    roles: Vec<Arc<dyn Role>>,
}

impl std::fmt::Debug for Ward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ward({})", self.0.keeper.name())
    }
}

impl Ward {
    pub fn new(keeper: &Keeper, around: &Surroundings, roles: Vec<Arc<dyn Role>>) -> Self {
        Self(Arc::new(Inner { keeper: keeper.clone(), around: around.clone(), roles }))
    }

    /// All of them, by name.
    pub fn health(&self) -> Vec<Health> {
        let mut all = self.0.keeper.health();
        all.extend(self.0.around.rooms());
        all.extend(self.0.roles.iter().flat_map(|it| it.health()));
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    fn ill(&self) -> usize {
        self.health().iter().filter(|it| !it.state.is_well()).count()
    }
}

/// `/healthz` and `/metrics`.
pub(crate) fn routes(ward: &Ward, metrics: &Metrics) -> Router {
    let mut registry = Registry::default();
    let help = "Requests by role, action and outcome";
    registry.register("semper_requests", help, metrics.requests.clone());
    registry.register_collector(Box::new(ward.clone()));
    registry.register_collector(Box::new(metrics.ends.clone()));
    registry.register_collector(Box::new(TurnedAway(metrics.refusals.clone())));
    let metrics = Router::new().route("/metrics", get(count)).with_state(Arc::new(registry));
    Router::new().route("/healthz", get(say)).with_state(ward.clone()).merge(metrics)
}

async fn count(Shared(registry): Shared<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Collector for Ward {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let panics = ConstCounter::new(self.0.keeper.panics());
        let help = "Panics that were caught, in threads, tasks and requests";
        panics.encode(encoder.encode_descriptor(
            "semper_panics",
            help,
            None,
            panics.metric_type(),
        )?)?;
        let ill = ConstGauge::new(i64::try_from(self.ill()).unwrap_or(i64::MAX));
        let help = "Threads, tasks and rooms that do not get on; /healthz names them";
        ill.encode(encoder.encode_descriptor("semper_ill", help, None, ill.metric_type())?)
    }
}

/// Those who were refused, by reason.
#[derive(Debug)]
struct TurnedAway(Refusals);

impl Collector for TurnedAway {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Connections and requests that were refused or cut off, by reason";
        let counts = Family::<Reason, Counter>::default();
        for (why, count) in self.0.all() {
            counts.get_or_create(&Reason { reason: why.name() }).inc_by(count);
        }
        let kind = counts.metric_type();
        counts.encode(encoder.encode_descriptor("semper_refusals", help, None, kind)?)
    }
}

/// The answer of `/healthz` in JSON.
#[derive(Serialize)]
struct Said {
    well: bool,
    panics: u64,
    parts: Vec<Part>,
}

/// One thread, task or room.
#[derive(Serialize)]
struct Part {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    panics: u64,
}

impl From<Health> for Part {
    fn from(health: Health) -> Self {
        let (state, why) = match health.state {
            State::Well => ("well", None),
            State::Ended => ("ended", None),
            State::Ill(why) => ("ill", Some(why)),
        };
        Self { name: health.name, state, why, panics: health.panics }
    }
}

/// `ok`, or one line for each that is ill, with status 503; names, states and panics of all as
/// JSON for those who ask for it.
async fn say(Shared(ward): Shared<Ward>, uri: Uri, headers: HeaderMap) -> Response {
    let all = ward.health();
    let well = all.iter().all(|it| it.state.is_well());
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if wants_json(&uri, &headers) {
        let panics = ward.0.keeper.panics();
        let parts = all.into_iter().map(Part::from).collect();
        return web::json(status, &Said { well, panics, parts });
    }
    if well {
        return "ok\n".into_response();
    }
    let lines: String = all
        .iter()
        .filter_map(|it| match &it.state {
            State::Ill(why) => Some(format!("{}: {why}\n", it.name)),
            State::Well | State::Ended => None,
        })
        .collect();
    (status, lines).into_response()
}

fn wants_json(uri: &Uri, headers: &HeaderMap) -> bool {
    let asked = uri.query().is_some_and(|it| it.split('&').any(|it| it == "json"));
    let accepts = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    asked || accepts.is_some_and(|it| it.contains("application/json"))
}
