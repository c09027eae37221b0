//! The merchant's server: its terms as files, openings, messages in, messages out.

mod news;
mod openings;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query as UrlQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_archive::ArchiveError;
use semper_base::{DealId, Digest, Mend};
use semper_commerce::host::{EXCHANGE, Ended, MessageRefusal};
use semper_commerce::link::{HOLD_MS, MESSAGE};
use semper_commerce::lists::WELL_KNOWN as REVOCATIONS;
use semper_commerce::news::{MAX_NEWS, NEWS};
use semper_commerce::opening::{AGREEMENT, MAX_HELLO, OpeningError};
use semper_commerce::terms::{TermsError, WELL_KNOWN};
use semper_commerce::{Host, Stop};
use semper_items::Side;
use semper_items::agreement::MAX_SIGNED;
use semper_keeper::{Bell, Ending, Health, Post, State as Condition, Turn};
use semper_net::Peer;
use semper_runtime::business::Business;
use semper_trust::layout::LayoutError;
use semper_trust::verify::Described;
use semper_trust::{Layout, TrustError, VerifiedTerms};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::budget::exhausted;
use crate::catalogue::{self, Catalogue, CatalogueError};
use crate::health;
use crate::outside::{Outside as _, System};
use crate::party::{Party, PartyError};
use crate::role::{Role, RoleKind, Wrong};
use crate::room::NotDone;
use crate::surroundings::{Desk, Surroundings};
use crate::web;
use openings::Openings;

/// Bytes of a message, or of what is said about an exchange, as it travels.
const MOST: usize = 640 * 1024;
/// Activations of a merchant at once.
const WORKERS: usize = 64;
/// How long an authority may take to give its list when a merchant starts.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long compiling a service may take before its being late is reported.
const PREPARING: Duration = Duration::from_secs(300);
/// How long until what could not be compiled in passing is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The merchant's section of a server's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantConfig {
    /// The home.
    pub home: PathBuf,
    /// The folder of the current terms, an OCI image layout.
    pub terms: PathBuf,
    /// The merchant's own revocation list (semper-sign revoke), if it has one.
    pub revocations: Option<PathBuf>,
}

/// Why a merchant does not start.
#[derive(Debug, thiserror::Error, Mend)]
pub enum MerchantError {
    /// The home or the host.
    #[error(transparent)]
    #[mend(from)]
    Party(#[from] PartyError),
    /// The terms' folder.
    #[error("the terms in {folder}: {source}")]
    #[mend(input, "make the bundle with semper-sign terms")]
    Layout {
        /// Which.
        folder: String,
        /// What is wrong.
        source: LayoutError,
    },
    /// The terms.
    #[error(transparent)]
    #[mend(input, by = own_terms)]
    Terms(#[from] TermsError),
    /// The catalogue.
    #[error(transparent)]
    #[mend(from)]
    Catalogue(#[from] CatalogueError),
}

/// What helps a merchant whose own terms are not accepted: a trust error speaks to buyers.
fn own_terms(error: &TermsError) -> String {
    use TrustError::{Inconsistent, OtherName, Revoked, Rollback, Signature, Time};
    match error {
        TermsError::Trust(
            Inconsistent(_)
            | OtherName { .. }
            | Rollback { .. }
            | Revoked { .. }
            | Signature { .. }
            | Time { .. },
        ) => "these are your own terms: sign them again with the key and the certificate of the \
              merchant, and a higher serial number: semper-sign terms"
            .into(),
        error => error.mend(),
    }
}

/// The next message, and how the deal has ended.
type Next = (Option<Vec<u8>>, Option<String>);

/// A running merchant.
pub struct Merchant {
    host: Arc<Host>,
    /// The files of its terms. All who fetch one share it.
    files: HashMap<String, Bytes>,
    terms: Arc<VerifiedTerms>,
    openings: Arc<Openings>,
    revocations: Option<PathBuf>,
    /// When those who hold a poll answer at once.
    requests: Ending,
    service: Service,
    /// By these names its stores stand in the server's health.
    stores: Vec<(&'static str, PathBuf)>,
}

/// Whether the service can be run.
struct Service {
    /// By this name it stands in the server's health.
    name: String,
    /// Why it cannot be run, once that is known.
    trouble: Arc<OnceLock<&'static str>>,
}

impl std::fmt::Debug for Merchant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Merchant({:?})", self.terms.digest())
    }
}

impl Merchant {
    /// Opens a merchant's home and its current terms; goes on with its deals.
    ///
    /// # Errors
    /// Names what is missing or not acceptable.
    pub fn open(config: &MerchantConfig, around: &Surroundings) -> Result<Self, MerchantError> {
        let (mut party, layout) =
            (Party::open_with(&config.home, Arc::clone(&around.outside))?, layout(config)?);
        let catalogue = Catalogue::open(&shop(config))?;
        if catalogue.is_empty()? {
            tracing::warn!("the catalogue is empty; fill it with semper catalogue import");
        }
        let stores = vec![
            ("merchant/archive", party.archive.path().to_owned()),
            ("merchant/catalogue", shop(config)),
        ];
        party.keeper = around.keeper.child("host");
        let business: Arc<dyn Business> = Arc::new(catalogue);
        let host = party.host(Some(business), WORKERS, |deal, text| {
            tracing::debug!(deal = deal.short(), text, "deal");
        })?;
        if party.lists.are_due(&party.trust) {
            let net = party.net().within(PATIENCE);
            for error in party.lists.refresh(&net, &party.trust, None) {
                tracing::warn!(%error, "a revocation list was not fetched");
            }
        }
        let terms = host.shelf().take_own(&layout)?;
        around.uses(&terms.merchant().certificate);
        let files = layout.files().into_iter().map(|(name, bytes)| (name, bytes.into())).collect();
        Ok(Self {
            openings: Openings::keep(&host, around),
            service: Service::prepare(&host, &terms, around),
            revocations: config.revocations.clone(),
            requests: around.requests.clone(),
            stores,
            host,
            files,
            terms,
        })
    }

    /// Looks whether it could be opened. No deal goes on, nothing is remembered of the terms, and
    /// nothing on the disk changes.
    fn check(config: &MerchantConfig, wrong: &mut Wrong<MerchantError>) {
        let party = wrong.take(Party::look(&config.home));
        let layout = wrong.take(layout(config));
        let catalogue = Catalogue::look(&shop(config));
        wrong.take(catalogue.and_then(|it| it.is_empty()));
        if let (Some(party), Some(layout)) = (party, layout) {
            wrong.take(acceptable(&party, &layout));
        }
    }

    /// Whether there is a change to look at; false when the time is over, or the server ends.
    async fn held(&self, until: Instant, changes: &mut watch::Receiver<u64>) -> bool {
        tokio::select! {
            () = self.requests.over() => false,
            // A signal that nobody keeps any more is no change; whoever asks comes again.
            changed = tokio::time::timeout_at(until, changes.changed()) => {
                matches!(changed, Ok(Ok(())))
            }
        }
    }

    fn hello(&self, body: &[u8], peer: Option<Peer>) -> Response {
        if !self.openings.may_begin(peer) {
            return exhausted();
        }
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
        let row = row.filter(|row| row.side == Side::Seller);
        let row = row.ok_or(MessageRefusal::UnknownDeal)?;
        let message = || self.host.archive().message(id, true, after + 1).map_err(later);
        let mut found = message()?;
        if found.is_none() && row.state.is_final() {
            match self.host.say_end(&row) {
                Ok(false) => {}
                Ok(true) => found = message()?,
                // The buyer asks again, and hears it signed when the TINGUIN is back.
                Err(Stop::Pause(_)) => {
                    let why = "the deal is over; its end is still to be signed";
                    return Err(MessageRefusal::Later(why.to_owned()));
                }
                Err(stop) => {
                    tracing::warn!(deal = id.short(), %stop, "the end cannot be signed");
                }
            }
        }
        let ended = row.state.is_final().then(|| row.state.name().to_owned());
        Ok((found.map(|it| it.wire), ended))
    }
}

/// Whether a merchant's own terms would be accepted in its home.
fn acceptable(party: &Party, layout: &Layout) -> Result<(), TermsError> {
    let described = Described::parse(layout)?;
    let (merchant, service) = (&described.terms.merchant, &described.service.name);
    let knowledge = party.lists.knowledge(merchant, service)?;
    VerifiedTerms::verify(layout, &party.trust, Some(&knowledge), System.clock().now())?;
    Ok(())
}

/// The catalogue's file.
fn shop(config: &MerchantConfig) -> PathBuf {
    config.home.join(catalogue::FILE)
}

/// The terms that a merchant offers.
fn layout(config: &MerchantConfig) -> Result<Layout, MerchantError> {
    let folder = config.terms.display().to_string();
    let wrong = |source| MerchantError::Layout { folder: folder.clone(), source };
    let dir = Dir::open_ambient_dir(&config.terms, ambient_authority()).map_err(|error| {
        wrong(LayoutError::Io { name: "the folder".into(), detail: error.to_string() })
    })?;
    Layout::read(&dir).map_err(wrong)
}

impl Service {
    /// Has it compiled before the first buyer comes, while the server already answers.
    fn prepare(host: &Arc<Host>, terms: &Arc<VerifiedTerms>, around: &Surroundings) -> Self {
        let trouble = Arc::new(OnceLock::new());
        let this = Self { name: format!("{}/service", around.keeper.name()), trouble };
        let (host, terms) = (Arc::clone(host), Arc::clone(terms));
        let (trouble, spawn) = (Arc::clone(&this.trouble), around.spawn());
        let catching = Arc::clone(&spawn);
        let prepare = move |post: &Post| -> Turn {
            let mut ready = None;
            let caught = post.within(PREPARING, "compiling the service", || {
                let mut compile = || ready = Some(host.runtime().ready(&terms, Side::Seller));
                catching.caught("preparing the service", &mut compile)
            });
            match (caught, ready) {
                (Ok(()), Some(Ok(_))) => tracing::info!("the service is ready"),
                // What passes, such as a compiler that somebody has killed, says nothing about it.
                (Ok(()), Some(Err(stop @ Stop::Pause(_)))) => {
                    tracing::warn!(%stop, "the service is prepared again in a while");
                    return Turn::Wait(AGAIN);
                }
                (Ok(()), Some(Err(stop))) => {
                    tracing::error!(%stop, "the service cannot be run");
                    let _ = trouble.set("it cannot be run; the server's log says why");
                }
                _ => {
                    tracing::error!("preparing the service has crashed");
                    let _ = trouble.set("preparing it has crashed");
                }
            }
            Turn::End
        };
        spawn.keep("preparing", &Bell::new(), Box::new(prepare));
        this
    }
}

impl RoleKind for Merchant {
    const SECTION: &'static str = "merchant";
    type Config = MerchantConfig;
    type Error = MerchantError;

    fn place(config: &mut MerchantConfig, base: &Path) {
        let mut paths = vec![&mut config.home, &mut config.terms];
        paths.extend(&mut config.revocations);
        for path in paths {
            *path = base.join(&*path);
        }
    }

    fn check(config: &MerchantConfig, wrong: &mut Wrong<MerchantError>) {
        Self::check(config, wrong);
    }

    fn open(
        config: &MerchantConfig,
        around: &Surroundings,
    ) -> Result<Arc<dyn Role>, MerchantError> {
        Ok(Arc::new(Self::open(config, around)?))
    }
}

impl Role for Merchant {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        // Conversations about exchanges may have to wait for banks: they take no places of deals.
        let exchanges = around.desk_for("exchanges", Arc::clone(&self));
        let exchanges = Router::new()
            .route(&format!("/semper/v1/deals/{{deal}}/{EXCHANGE}"), post(exchange))
            .layer(web::most(MOST))
            .with_state(exchanges);
        Router::new()
            .route(&format!("{WELL_KNOWN}{{*name}}"), get(file))
            .route(REVOCATIONS, get(revocations))
            .route("/semper/v1/deals", post(hello).layer(web::most(4 * MAX_HELLO)))
            .route("/semper/v1/deals/{deal}", post(agreed).layer(web::most(2 * MAX_SIGNED)))
            .route("/semper/v1/deals/{deal}/messages", post(message).get(poll))
            .route(NEWS, post(news::news).layer(web::most(MAX_NEWS)))
            .layer(web::most(MOST))
            .with_state(around.desk(self))
            .merge(exchanges)
    }

    fn health(&self) -> Vec<Health> {
        let state = match self.service.trouble.get() {
            Some(why) => Condition::Ill((*why).into()),
            None => Condition::Well,
        };
        let service = Health { name: self.service.name.clone(), state, panics: 0 };
        let stores = self.stores.iter().map(|(name, file)| health::of_store(name, file));
        [service].into_iter().chain(stores).collect()
    }
}

type Shop = State<Desk<Merchant>>;

async fn file(State(desk): Shop, UrlPath(name): UrlPath<String>) -> Response {
    match desk.files.get(&name) {
        Some(bytes) => web::bytes("application/octet-stream", bytes.clone()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Read anew each time: the merchant replaces it while the server runs.
async fn revocations(State(desk): Shop) -> Response {
    let shown = |merchant: &Merchant| match &merchant.revocations {
        Some(file) => web::file("application/json", File::open(file)),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    desk.answer("revocations", shown).await
}

async fn hello(State(desk): Shop, peer: Option<Extension<Peer>>, body: Bytes) -> Response {
    let peer = peer.map(|Extension(it)| it);
    desk.answer("hello", move |merchant| merchant.hello(&body, peer)).await
}

async fn agreed(State(desk): Shop, UrlPath(hex): UrlPath<String>, body: Bytes) -> Response {
    let work = move |it: &Merchant| with_deal(&hex, |id| it.agreed(id, &body));
    desk.answer("agreed", work).await
}

async fn message(State(desk): Shop, UrlPath(hex): UrlPath<String>, body: Bytes) -> Response {
    let work = move |it: &Merchant| with_deal(&hex, |id| it.message(id, &body));
    desk.answer("message", work).await
}

async fn poll(
    State(desk): Shop,
    UrlPath(hex): UrlPath<String>,
    UrlQuery(poll): UrlQuery<Poll>,
) -> Response {
    let response = match parse_deal(&hex) {
        Some(id) => long_poll(&desk, id, &poll).await.unwrap_or_else(NotDone::into_response),
        None => message_refusal(&MessageRefusal::UnknownDeal),
    };
    desk.count("poll", response)
}

async fn exchange(
    State(desk): Shop,
    UrlPath(hex): UrlPath<String>,
    UrlQuery(poll): UrlQuery<Poll>,
    body: Bytes,
) -> Response {
    let response = match parse_deal(&hex) {
        Some(id) => converse(&desk, id, &poll, body).await.unwrap_or_else(NotDone::into_response),
        None => message_refusal(&MessageRefusal::UnknownDeal),
    };
    desk.count("exchange", response)
}

/// Takes what the buyer says about an exchange, and holds the answer until our side has
/// something to say, the time is over, or the server ends. No thread is held meanwhile.
async fn converse(
    desk: &Desk<Merchant>,
    id: DealId,
    poll: &Poll,
    body: Bytes,
) -> Result<Response, NotDone> {
    let until = poll.until();
    let mut changes = desk.host.signal(id).subscribe();
    let heard = match desk.work("exchange", move |it| it.host.hear(id, &body)).await? {
        Ok(heard) => heard,
        Err(refusal) => return Ok(message_refusal(&refusal)),
    };
    loop {
        changes.mark_unchanged();
        match desk.work("exchange", move |it| it.host.says(id, heard)).await? {
            Ok(Some(wire)) => return Ok(web::bytes(MESSAGE, wire)),
            Ok(None) => {}
            Err(refusal) => return Ok(message_refusal(&refusal)),
        }
        if !desk.held(until, &mut changes).await {
            return Ok(no_content());
        }
    }
}

/// Holds a poll until there is a message, the deal has ended, the time is over, or the server
/// ends. No thread is held meanwhile.
async fn long_poll(desk: &Desk<Merchant>, id: DealId, poll: &Poll) -> Result<Response, NotDone> {
    let until = poll.until();
    // Subscribed before looking, so that nothing in between is missed.
    let mut changes = desk.host.signal(id).subscribe();
    let after = poll.after;
    loop {
        changes.mark_unchanged();
        match desk.work("poll", move |it| it.next(id, after)).await? {
            Ok((Some(wire), _)) => return Ok(web::bytes(MESSAGE, wire)),
            Ok((None, Some(ended))) => return Ok(web::json(StatusCode::GONE, &Ended { ended })),
            Ok((None, None)) => {}
            Err(refusal) => return Ok(message_refusal(&refusal)),
        }
        if !desk.held(until, &mut changes).await {
            return Ok(no_content());
        }
    }
}

fn message_refusal(refusal: &MessageRefusal) -> Response {
    let status = match refusal {
        MessageRefusal::UnknownDeal => StatusCode::NOT_FOUND,
        MessageRefusal::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
        MessageRefusal::Unreadable(_) => StatusCode::BAD_REQUEST,
        MessageRefusal::Channel(_) => StatusCode::CONFLICT,
    };
    match refusal {
        // What hinders us is no matter of the buyer's.
        MessageRefusal::Later(why) => {
            tracing::warn!(why, "not now");
            let plain = "the merchant's host cannot take or give messages of this deal";
            web::json(status, &MessageRefusal::Later(plain.into()))
        }
        refusal => web::json(status, refusal),
    }
}

fn opening_refusal(error: &OpeningError) -> Response {
    tracing::warn!(%error, "opening refused");
    match error {
        OpeningError::Refused(why) => web::json(StatusCode::CONFLICT, why),
        OpeningError::Form(_) | OpeningError::Agreement(_) => {
            web::refuse(StatusCode::BAD_REQUEST, error, error.mend())
        }
        _ => web::not_now(),
    }
}

#[derive(Debug, Deserialize)]
struct Poll {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait: u64,
}

impl Poll {
    /// Until when it may be held.
    fn until(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.wait.min(HOLD_MS))
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
