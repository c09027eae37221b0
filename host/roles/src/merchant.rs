//! The merchant's server: its terms as files, openings, messages in, messages out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query as UrlQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_archive::ArchiveError;
use semper_base::{DealId, Digest, Mend};
use semper_commerce::Host;
use semper_commerce::host::{EXCHANGE, Ended, MessageRefusal};
use semper_commerce::link::{HOLD_MS, MESSAGE};
use semper_commerce::lists::WELL_KNOWN as REVOCATIONS;
use semper_commerce::opening::{AGREEMENT, OpeningError};
use semper_commerce::terms::{TermsError, WELL_KNOWN};
use semper_items::Side;
use semper_runtime::business::Business;
use semper_trust::layout::LayoutError;
use semper_trust::{Layout, VerifiedTerms};
use serde::Deserialize;

use crate::catalogue::{self, Catalogue, CatalogueError};
use crate::config::MerchantConfig;
use crate::party::{Party, PartyError};
use crate::web::{self, Metrics};

/// Activations of a merchant at once.
const WORKERS: usize = 64;

/// Why a merchant does not start.
#[derive(Debug, thiserror::Error)]
pub enum MerchantError {
    /// The home or the host.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// The terms' folder.
    #[error("the terms in {folder}: {source}")]
    Layout {
        /// Which.
        folder: String,
        /// What is wrong.
        source: LayoutError,
    },
    /// The terms.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl Mend for MerchantError {
    fn mend(&self) -> String {
        match self {
            Self::Party(error) => error.mend(),
            Self::Layout { .. } => "make the bundle with semper-sign terms".into(),
            Self::Terms(error) => error.mend(),
            Self::Catalogue(error) => error.mend(),
        }
    }

    fn is_input(&self) -> bool {
        match self {
            Self::Party(error) => error.is_input(),
            _ => true,
        }
    }
}

/// The next message, and how the deal has ended.
type Next = (Option<Vec<u8>>, Option<String>);

/// A running merchant.
pub struct Merchant {
    host: Arc<Host>,
    layout: Layout,
    terms: Arc<VerifiedTerms>,
    revocations: Option<PathBuf>,
}

impl std::fmt::Debug for Merchant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merchant({:?})", self.terms.digest())
    }
}

impl Merchant {
    /// Opens a merchant's home and its current terms; goes on with its deals.
    pub fn open(config: &MerchantConfig) -> Result<Self, MerchantError> {
        let (home, terms) = (&config.home, &config.terms);
        let party = Party::open(home)?;
        let wrong = |source| MerchantError::Layout { folder: terms.display().to_string(), source };
        let dir = Dir::open_ambient_dir(terms, ambient_authority()).map_err(|error| {
            wrong(LayoutError::Io { name: "the folder".into(), detail: error.to_string() })
        })?;
        let layout = Layout::read(&dir).map_err(wrong)?;
        let catalogue = Catalogue::open(&party.home.path().join(catalogue::FILE))?;
        if catalogue.is_empty()? {
            tracing::warn!("the catalogue is empty; fill it with semper catalogue import");
        }
        let business: Arc<dyn Business> = Arc::new(catalogue);
        let host = party.host(Some(business), WORKERS, |deal, text| {
            tracing::debug!(deal = deal.short(), text, "deal");
        })?;
        let terms = host.shelf().take(&layout)?;
        // Compiled before the first buyer comes, while the server already answers.
        let preparing = host.prepare(&terms, Side::Seller, &party.keeper);
        std::thread::spawn(move || match preparing.join() {
            Ok(Ok(())) => tracing::info!("the service is ready"),
            Ok(Err(stop)) => tracing::error!(%stop, "the service cannot be run"),
            Err(_) => tracing::error!("preparing the service has crashed"),
        });
        Ok(Self { host, layout, terms, revocations: config.revocations.clone() })
    }

    fn hello(&self, body: &[u8]) -> Response {
        match self.host.answer_hello(body, &self.terms) {
            Ok(agree) => web::bytes(AGREEMENT, agree),
            Err(error) => opening_refusal(&error),
        }
    }

    fn agreed(&self, id: DealId, body: &[u8]) -> Response {
        match self.host.answer_agreed(id, body) {
            Ok(()) => {
                tracing::info!(deal = id.short(), "deal opened");
                StatusCode::OK.into_response()
            }
            Err(error) => opening_refusal(&error),
        }
    }

    fn message(&self, id: DealId, body: &[u8]) -> Response {
        match self.host.receive(id, body) {
            Ok(accepted) => web::json(StatusCode::OK, &accepted),
            Err(refusal) => {
                tracing::warn!(deal = id.short(), %refusal, "message refused");
                message_refusal(&refusal)
            }
        }
    }

    /// Our next message after a number, or `None` if there is none now; and how the deal has
    /// ended, if it has.
    fn next(&self, id: DealId, after: u64) -> Result<Next, MessageRefusal> {
        let later = |error: ArchiveError| MessageRefusal::Later(error.to_string());
        let row = self.host.archive().deal(id).map_err(later)?;
        let row = row.filter(|row| row.side == Side::Seller.name());
        let row = row.ok_or(MessageRefusal::UnknownDeal)?;
        let message = self.host.archive().message(id, true, after + 1).map_err(later)?;
        let ended = row.state.is_final().then(|| row.state.name().to_owned());
        Ok((message.map(|it| it.wire), ended))
    }
}

fn message_refusal(refusal: &MessageRefusal) -> Response {
    let status = match refusal {
        MessageRefusal::UnknownDeal => StatusCode::NOT_FOUND,
        MessageRefusal::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
        MessageRefusal::Unreadable(_) => StatusCode::BAD_REQUEST,
        MessageRefusal::Channel(_) => StatusCode::CONFLICT,
    };
    web::json(status, refusal)
}

fn opening_refusal(error: &OpeningError) -> Response {
    tracing::warn!(%error, "opening refused");
    match error {
        OpeningError::Refused(why) => web::json(StatusCode::CONFLICT, why),
        OpeningError::Form(_) | OpeningError::Agreement(_) | OpeningError::Unknown => {
            web::refuse(StatusCode::BAD_REQUEST, error, error.mend())
        }
        _ => web::refuse(StatusCode::SERVICE_UNAVAILABLE, "not now", "try again later"),
    }
}

#[derive(Debug, Deserialize)]
struct Poll {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait: u64,
}

/// The merchant's routes.
pub fn routes(merchant: Arc<Merchant>, metrics: Arc<Metrics>) -> Router {
    let shared = Arc::new((merchant, metrics));
    let own = || Arc::clone(&shared);
    let (a, b, c, d, e, f, g) = (own(), own(), own(), own(), own(), own(), own());
    // Read anew each time: the merchant replaces it while the server runs.
    let revocations = move || {
        let file = f.0.revocations.clone();
        web::blocking(move || match file.map(std::fs::read) {
            Some(Ok(bytes)) => web::bytes("application/json", bytes),
            _ => StatusCode::NOT_FOUND.into_response(),
        })
    };
    let files = move |UrlPath(name): UrlPath<String>| async move {
        match a.0.layout.file(&name) {
            Some(bytes) => web::bytes("application/octet-stream", bytes),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let hello = move |body: Bytes| async move {
        let this = Arc::clone(&b.0);
        let response = web::blocking(move || this.hello(&body)).await;
        b.1.outcome("merchant", "hello", response)
    };
    let agreed = move |UrlPath(hex): UrlPath<String>, body: Bytes| async move {
        let this = Arc::clone(&c.0);
        let response = web::blocking(move || with_deal(&hex, |id| this.agreed(id, &body))).await;
        c.1.outcome("merchant", "agreed", response)
    };
    let message = move |UrlPath(hex): UrlPath<String>, body: Bytes| async move {
        let this = Arc::clone(&d.0);
        let response = web::blocking(move || with_deal(&hex, |id| this.message(id, &body))).await;
        d.1.outcome("merchant", "message", response)
    };
    let poll = move |UrlPath(hex): UrlPath<String>, UrlQuery(poll): UrlQuery<Poll>| async move {
        let this = Arc::clone(&e.0);
        let response = match parse_deal(&hex) {
            Some(id) => long_poll(this, id, &poll).await,
            None => message_refusal(&MessageRefusal::UnknownDeal),
        };
        e.1.outcome("merchant", "poll", response)
    };
    let exchange = move |UrlPath(hex): UrlPath<String>,
                         UrlQuery(poll): UrlQuery<Poll>,
                         body: Bytes| async move {
        let this = Arc::clone(&g.0);
        let response = match parse_deal(&hex) {
            Some(id) => converse(this, id, &poll, body).await,
            None => message_refusal(&MessageRefusal::UnknownDeal),
        };
        g.1.outcome("merchant", "exchange", response)
    };
    Router::new()
        .route(&format!("{WELL_KNOWN}{{*name}}"), get(files))
        .route(REVOCATIONS, get(revocations))
        .route("/semper/v1/deals", post(hello))
        .route("/semper/v1/deals/{deal}", post(agreed))
        .route("/semper/v1/deals/{deal}/messages", post(message).get(poll))
        .route(&format!("/semper/v1/deals/{{deal}}/{EXCHANGE}"), post(exchange))
}

/// Takes what the buyer says about an exchange, and holds the answer until our side has
/// something to say, or the time is over. No thread is held meanwhile.
async fn converse(merchant: Arc<Merchant>, id: DealId, poll: &Poll, body: Bytes) -> Response {
    let until = Instant::now() + Duration::from_millis(poll.wait.min(HOLD_MS));
    let mut changes = merchant.host.signal(id).subscribe();
    let this = Arc::clone(&merchant);
    let heard = match tokio::task::spawn_blocking(move || this.host.hear(id, &body)).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(refusal)) => return message_refusal(&refusal),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    loop {
        changes.mark_unchanged();
        let this = Arc::clone(&merchant);
        match tokio::task::spawn_blocking(move || this.host.says(id, heard)).await {
            Ok(Ok(Some(wire))) => return web::bytes(MESSAGE, wire),
            Ok(Ok(None)) => {}
            Ok(Err(refusal)) => return message_refusal(&refusal),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
        let left = until.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, changes.changed()).await.is_err() {
            return no_content();
        }
    }
}

/// Holds a poll until there is a message, the deal has ended, or the time is over. No thread
/// is held meanwhile.
async fn long_poll(merchant: Arc<Merchant>, id: DealId, poll: &Poll) -> Response {
    let hold = Duration::from_millis(poll.wait.min(HOLD_MS));
    let until = Instant::now() + hold;
    // Subscribed before looking, so that nothing in between is missed.
    let mut changes = merchant.host.signal(id).subscribe();
    loop {
        changes.mark_unchanged();
        let (this, after) = (Arc::clone(&merchant), poll.after);
        let looked = tokio::task::spawn_blocking(move || this.next(id, after)).await;
        match looked {
            Ok(Ok((Some(wire), _))) => return web::bytes(MESSAGE, wire),
            Ok(Ok((None, Some(ended)))) => return web::json(StatusCode::GONE, &Ended { ended }),
            Ok(Ok((None, None))) => {}
            Ok(Err(refusal)) => return message_refusal(&refusal),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
        let left = until.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, changes.changed()).await.is_err() {
            return no_content();
        }
    }
}

fn no_content() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

fn with_deal(hex: &str, work: impl FnOnce(DealId) -> Response) -> Response {
    match parse_deal(hex) {
        Some(id) => work(id),
        None => message_refusal(&MessageRefusal::UnknownDeal),
    }
}

fn parse_deal(hex: &str) -> Option<DealId> {
    Digest::from_hex(hex).ok().map(DealId::new)
}
