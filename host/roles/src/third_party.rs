//! The third party of fair exchanges: asked only on a fault, decides once, for ever.
//!
//! The machine is [`semper_exchange::third`]; here it gets a store, keys, payment systems to
//! ask, and a public log of its verdicts. It sees keys, commitments and amounts: no prose, no
//! contents, no names. Several processes may share one store. A store that can lose what it has
//! committed (a replica that takes over without having everything) is no store for this: the
//! verdicts would contradict each other, and both would be signed.

mod after;
mod bank;
pub mod cases;
mod config;
mod kept;
pub mod postgres;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use semper_archive::Home;
use semper_bank_protocol::{CBOR, Claim as ClaimRequest, HoldFact};
use semper_base::cert::{CertError, ServerRoot};
use semper_base::{Certificate, Clock, Digest, PublicKey, SigningKey, Timestamp, cbor};
use semper_exchange::bank::Claim;
use semper_exchange::crypto::{Body as _, Signed};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::third::{self, Case, DECIDE_MS, Effect, Event};
use semper_exchange::verdict::{Answer, Rejection, Request, Submitted, Verdict};
pub use semper_exchange::verdict::{MAX_ANSWER, REQUESTS};
use semper_exchange::{Agreed, Crypto as _, HolderError, Role, ThirdParty as Named, party};
use semper_keeper::{Health, Keeper, Spawn};
use semper_net::{Believed, Peer};
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::health;
use crate::log::{self, Log, LogConfig};
use crate::outside::{Outside, System};
use crate::role::{Role as ServerRole, RoleKind, Wrong};
use crate::surroundings::{Desk, Surroundings};
use crate::web;
use bank::BankLink;
use cases::{Cases, CasesError, Change, FileCases, Row};
pub use config::{BankAddress, ThirdPartyConfig, ThirdPartyError};
use kept::Kept;
use postgres::PostgresCases;

/// Where its name and keys are.
pub const PARTY: &str = "/semper/v1/third-party";
/// Where its log of verdicts begins.
pub const VERDICTS: &str = "/verdicts";
/// Bytes of a request at most: two promises with sixteen leaves each, and a chunk.
pub const MAX_REQUEST: usize = 256 * 1024;
/// Bytes of a stored case at most.
const MAX_CASE: usize = 512 * 1024;
const KEY: &str = "third-party.key";
const ORIGIN: &str = "origin";
const FILE: &str = "cases.sqlite";
const LOG: &str = "verdicts";
/// New cases of one originator in a minute.
const CASES_A_MINUTE: u32 = 600;
/// Originators that are counted at once.
const COUNTED: usize = 100_000;
/// Bytes that a new case takes beside its own: its place in the index, its line in the public log.
const BESIDE: usize = 400;
/// Payment systems whose address is missing that the log names.
const NAMED: usize = 100;
/// How often a step is taken again because another process was faster.
const RACES: usize = 16;

/// A line of the public log: that there is a verdict, and which; nothing of what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// The exchange.
    pub exchange: Digest,
    /// The verdict's digest.
    pub verdict: Digest,
}

/// Payment systems by the key that they sign facts with.
type Banks = HashMap<PublicKey, BankLink>;

/// A running third party.
#[derive(Debug)]
pub struct ThirdParty {
    keys: Keys,
    origin: String,
    cases: Box<dyn Cases>,
    banks: Banks,
    log: Option<Arc<Log>>,
    clock: Arc<dyn Clock>,
    counted: Mutex<HashMap<PublicKey, (Instant, u32)>>,
    /// Payment systems that were asked for and are not known.
    missing: Mutex<HashSet<PublicKey>>,
    /// Bytes that the store may have, and whether it has them.
    room: u64,
    full: AtomicBool,
}

/// Whether so many bytes more may be stored for whoever asks.
type Spend<'a> = &'a dyn Fn(usize) -> bool;

impl ThirdParty {
    /// Makes a home with a key of its own; its origin is its address without the scheme, such as
    /// `third.example`, under which its log signs as well.
    ///
    /// # Errors
    /// When the home is there already, or cannot be made.
    pub fn create(path: &Path, origin: &str) -> Result<Named<Standard>, ThirdPartyError> {
        let key = SigningKey::generate();
        let home = Home::create(path)?;
        home.write(KEY, key.to_pem().as_bytes())?;
        home.write(ORIGIN, origin.as_bytes())?;
        Log::create(&home.path().join(LOG), &format!("{origin}{VERDICTS}"))?;
        Ok(named(&Keys::new(key, NoGoods), origin))
    }

    /// Opens a home, and goes on with what a crash has left; its threads run under this keeper.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn open(config: &ThirdPartyConfig, keeper: &Keeper) -> Result<Arc<Self>, ThirdPartyError> {
        Self::open_with(config, keeper, &System)
    }

    /// As [`ThirdParty::open`], with another outside than this machine; its loops run there.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn open_with(
        config: &ThirdPartyConfig,
        spawn: &dyn Spawn,
        outside: &dyn Outside,
    ) -> Result<Arc<Self>, ThirdPartyError> {
        let home = Home::open(&config.home)?;
        let cases: Box<dyn Cases> = match &config.store {
            Some(url) => {
                let root = config.store_root.as_deref();
                Box::new(PostgresCases::open(url, root, config.publish)?)
            }
            None => Box::new(FileCases::open(&home.path().join(FILE), spawn)?),
        };
        Self::with(config, cases, spawn, outside)
    }

    /// As [`ThirdParty::open_with`], with another store.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn with(
        config: &ThirdPartyConfig,
        cases: Box<dyn Cases>,
        spawn: &dyn Spawn,
        outside: &dyn Outside,
    ) -> Result<Arc<Self>, ThirdPartyError> {
        let home = Home::open(&config.home)?;
        let (keys, origin, banks) = Self::parts(config, &home, outside)?;
        let clock = outside.clock();
        let log = match config.publish {
            true => Some(Arc::new(Log::open(&Self::log_config(config, &home), spawn)?)),
            false => None,
        };
        let this = Arc::new(Self {
            keys,
            origin,
            cases,
            banks,
            log,
            clock,
            counted: Mutex::default(),
            missing: Mutex::default(),
            room: config.room.saturating_mul(1024 * 1024 * 1024),
            full: AtomicBool::new(false),
        });
        after::keep(&this, spawn);
        Ok(this)
    }

    /// Looks whether a home could be opened: keys, banks, store, log. Nothing is published, no
    /// bank is asked, and nothing on the disk changes.
    fn check(config: &ThirdPartyConfig, wrong: &mut Wrong<ThirdPartyError>) {
        let Some(home) = wrong.take(Home::open(&config.home)) else { return };
        wrong.take(Self::parts(config, &home, &System));
        match &config.store {
            Some(url) => {
                let root = config.store_root.as_deref();
                wrong.take(PostgresCases::open(url, root, config.publish).map(drop))
            }
            None => wrong.take(FileCases::check(&home.path().join(FILE))),
        };
        if config.publish {
            let mut log = Wrong::default();
            Log::check(&Self::log_config(config, &home), &mut log);
            wrong.of(log);
        }
    }

    fn parts(
        config: &ThirdPartyConfig,
        home: &Home,
        outside: &dyn Outside,
    ) -> Result<(Keys, String, Banks), ThirdPartyError> {
        let key = SigningKey::from_pem(&home.read_secret(KEY)?)?;
        let origin = home.read(ORIGIN)?.trim().to_owned();
        let mut banks = Banks::new();
        for bank in &config.bank {
            let key = certificate(&bank.certificate)?.key();
            let key = key.map_err(|error| wrong(&bank.certificate, &error))?;
            let net = outside.net(&Believed::nobody().and(server_roots(&bank.root)?));
            banks.insert(key, BankLink::new(bank.url.clone(), &net));
        }
        Ok((Keys::new(key, NoGoods), origin, banks))
    }

    fn log_config(config: &ThirdPartyConfig, home: &Home) -> LogConfig {
        LogConfig {
            home: home.path().join(LOG),
            authorities: Vec::new(),
            witness: config.witness.clone(),
            quorum: config.quorum,
        }
    }

    /// Its name and keys, as exchanges pin them.
    pub fn named(&self) -> Named<Standard> {
        named(&self.keys, &self.origin)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The store; whoever asks asks again.
    pub fn answer(
        &self,
        request: &Request<Standard>,
        now: Timestamp,
    ) -> Result<Answer<Standard>, CasesError> {
        self.answer_within(request, now, &|_| true)
    }

    /// Answers a request, as far as something may be stored for whoever asks; if not, whoever asks
    /// is told to ask again.
    fn answer_within(
        &self,
        request: &Request<Standard>,
        now: Timestamp,
        spend: Spend<'_>,
    ) -> Result<Answer<Standard>, CasesError> {
        let own = self.keys.public();
        // Before anything is counted: whoever forges a request uses up nobody's.
        if let Err(why) = third::check(request, &own) {
            return self.rejected(request, why);
        }
        let mut event = Event::Requested(request.clone());
        let agreement = &request.promise.body().agreement;
        let exchange = agreement.subject();
        for _ in 0..RACES {
            let before = self.cases.load(&exchange)?;
            if before.is_none() && !(self.may_begin(request) && self.knows_banks(agreement)) {
                return self.rejected(request, Rejection::Pending);
            }
            let case = match before.as_ref().map(Kept::decode).transpose()? {
                Some(Kept::Bare(verdict)) => return self.bare(exchange, *verdict),
                kept => kept.and_then(Kept::case),
            };
            let stepped = third::step(case, event.clone(), &own, now, &self.keys);
            let (after, effects) = stepped.map_err(|error| away(&error))?;
            if effects.contains(&Effect::Persist)
                && let Some(change) = change(&before, &exchange, &after, &effects)
            {
                let size = change.bytes.len() + BESIDE;
                let is_full = || self.full.load(Ordering::Relaxed);
                if before.is_none() && (is_full() || !spend(size)) {
                    return self.rejected(request, Rejection::Pending);
                }
                if !self.cases.store(change)? {
                    // Another request was faster: the step is taken again from what is there now.
                    continue;
                }
            }
            for effect in &effects {
                match effect {
                    Effect::Persist | Effect::Lodge(_) => {}
                    Effect::Reject(why) => return self.rejected(request, *why),
                    Effect::Answer => return self.decided(request, after.as_ref()),
                    Effect::Fence(asks) => match self.fence(agreement, asks) {
                        Some(facts) => event = Event::Facts(facts),
                        None => return self.submitted(request, now, spend),
                    },
                }
            }
            if effects.is_empty() {
                // Another process has decided meanwhile.
                event = Event::Requested(request.clone());
            }
        }
        self.submitted(request, now, spend)
    }

    fn decided(
        &self,
        request: &Request<Standard>,
        case: Option<&Case<Standard>>,
    ) -> Result<Answer<Standard>, CasesError> {
        match case {
            Some(Case::Decided(stored)) => {
                third::answer(stored, request.wish.role(), &self.keys).map_err(|it| away(&it))
            }
            _ => self.rejected(request, Rejection::Pending),
        }
    }

    fn bare(
        &self,
        exchange: Digest,
        verdict: Verdict<Standard>,
    ) -> Result<Answer<Standard>, CasesError> {
        Signed::new(&self.keys, exchange, verdict).map(third::bare).map_err(|it| away(&it))
    }

    fn rejected(
        &self,
        request: &Request<Standard>,
        why: Rejection,
    ) -> Result<Answer<Standard>, CasesError> {
        third::rejected(request, why, &self.keys).map_err(|error| away(&error))
    }

    /// The request is here, and is decided by then: stored before it is said.
    fn submitted(
        &self,
        request: &Request<Standard>,
        now: Timestamp,
        spend: Spend<'_>,
    ) -> Result<Answer<Standard>, CasesError> {
        if !spend(BESIDE) {
            return self.rejected(request, Rejection::Pending);
        }
        let deadline = now.after(Duration::from_millis(DECIDE_MS));
        let digest = request.wish.digest();
        let decide_by = self.cases.submitted(&digest, deadline)?;
        let body = Submitted { request: digest, at: now, decide_by };
        let subject = request.promise.body().agreement.subject();
        let signed = Signed::new(&self.keys, subject, body);
        signed.map(Answer::Submitted).map_err(|it| away(&it))
    }

    /// What the payment systems say; `None` if one does not answer now.
    fn fence(
        &self,
        agreement: &Agreed<Standard>,
        asks: &[(Role, Claim<Standard>)],
    ) -> Option<Vec<HoldFact>> {
        let ask = |(payer, claim): &(Role, Claim<Standard>)| self.claim(agreement, *payer, claim);
        asks.iter().map(ask).collect()
    }

    fn claim(
        &self,
        agreement: &Agreed<Standard>,
        payer: Role,
        claim: &Claim<Standard>,
    ) -> Option<HoldFact> {
        let (_, money) = agreement.money(payer)?;
        let bank = self.banks.get(&money.bank)?;
        let request = ClaimRequest {
            exchange: agreement.subject(),
            leaf: party::money_leaf(agreement, payer)?,
            third_party: self.keys.public(),
            claim: claim.clone(),
        };
        bank.claim(&request, &money.bank)
    }

    /// Whether the payment systems that would have to be asked can be. A case that can never be
    /// decided is not begun.
    fn knows_banks(&self, agreement: &Agreed<Standard>) -> bool {
        let unknown =
            after::banks_of(agreement).into_iter().find(|it| !self.banks.contains_key(it));
        let Some(bank) = unknown else { return true };
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.len() < NAMED && missing.insert(bank) {
            tracing::error!(bank = %bank.id(), "no address of this payment system is known");
        }
        false
    }

    /// Whether this originator may begin another case now.
    fn may_begin(&self, request: &Request<Standard>) -> bool {
        let key = request.promise.body().agreement.originator.sign;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (minute, now) = (Duration::from_secs(60), self.clock.instant());
        if counted.len() >= COUNTED {
            counted.retain(|_, (since, _)| now.saturating_duration_since(*since) < minute);
        }
        let (since, count) = counted.entry(key).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= minute {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= CASES_A_MINUTE
    }
}

fn named(keys: &Keys, origin: &str) -> Named<Standard> {
    Named { origin: origin.to_owned(), sign: keys.public(), seal: keys.seal_public() }
}

/// What is to be stored after a step, if it is another than before.
fn change(
    before: &Option<Row>,
    exchange: &Digest,
    case: &Option<Case<Standard>>,
    effects: &[Effect<Standard>],
) -> Option<Change> {
    let case = case.as_ref()?;
    let lodge = effects.iter().any(|it| matches!(it, Effect::Lodge(roles) if !roles.is_empty()));
    let bytes = Kept::encode(case, lodge);
    if before.as_ref().is_some_and(|row| row.bytes == bytes) {
        return None;
    }
    let entry = match case {
        Case::Decided(stored) => {
            let verdict = stored.after.as_ref().unwrap_or(&stored.verdict);
            let verdict = Standard::digest(Verdict::<Standard>::KIND, verdict);
            Some(cbor::encode(&Logged { exchange: *exchange, verdict }))
        }
        Case::Pending(_) => None,
    };
    let before = before.as_ref().map(|row| row.version);
    Some(Change { exchange: *exchange, before, bytes, entry, lodge })
}

fn away(error: &HolderError) -> CasesError {
    CasesError(error.to_string())
}

fn wrong(file: &Path, error: &dyn std::fmt::Display) -> ThirdPartyError {
    let (file, detail) = (file.display().to_string(), error.to_string());
    ThirdPartyError::Certificate { file, detail }
}

fn certificate(file: &Path) -> Result<Certificate, ThirdPartyError> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong(file, &error))?;
    let chain = Certificate::chain_from_pem(&text);
    chain.map(|mut it| it.swap_remove(0)).map_err(|error: CertError| wrong(file, &error))
}

/// The roots that vouch for a server of somebody else, whatever kind of key they have.
fn server_roots(file: &Path) -> Result<Vec<ServerRoot>, ThirdPartyError> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong(file, &error))?;
    ServerRoot::all_from_pem(&text).map_err(|error| wrong(file, &error))
}

impl RoleKind for ThirdParty {
    const SECTION: &'static str = "third-party";
    type Config = ThirdPartyConfig;
    type Error = ThirdPartyError;

    fn place(config: &mut ThirdPartyConfig, base: &Path) {
        let mut paths = vec![&mut config.home];
        paths.extend(&mut config.store_root);
        paths.extend(config.witness.iter_mut().map(|it| &mut it.root));
        for bank in &mut config.bank {
            paths.extend([&mut bank.certificate, &mut bank.root]);
        }
        for path in paths {
            *path = base.join(&*path);
        }
    }

    fn has_secret(config: &ThirdPartyConfig) -> bool {
        config.store.as_deref().is_some_and(postgres::has_password)
    }

    fn check(config: &ThirdPartyConfig, wrong: &mut Wrong<ThirdPartyError>) {
        Self::check(config, wrong);
    }

    fn open(
        config: &ThirdPartyConfig,
        around: &Surroundings,
    ) -> Result<Arc<dyn ServerRole>, ThirdPartyError> {
        Ok(Self::open_with(config, &*around.spawn(), &*around.outside)?)
    }
}

impl ServerRole for ThirdParty {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        let log = self.log.clone();
        let budget = Arc::new(around.budget());
        let router = Router::new()
            .route(REQUESTS, post(ask).layer(web::most(2 * MAX_REQUEST)))
            .route(PARTY, get(party))
            .layer(Extension(budget))
            .with_state(around.desk(self));
        match log {
            Some(log) => {
                router.nest(VERDICTS, log::public_routes(around.desk_for("verdicts", log)))
            }
            None => router,
        }
    }

    fn health(&self) -> Vec<Health> {
        let cases = self.cases.file().map(|it| health::of_store("third-party/cases", it));
        let log = self.log.as_ref().map(|it| it.health_of_store("third-party/verdicts"));
        cases.into_iter().chain(log).collect()
    }
}

async fn party(State(desk): State<Desk<ThirdParty>>) -> Response {
    web::bytes(CBOR, cbor::encode(&desk.named()))
}

async fn ask(
    State(desk): State<Desk<ThirdParty>>,
    Extension(budget): Extension<Arc<Budget>>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Response {
    let peer = peer.map(|Extension(it)| it);
    let spend = move |bytes| budget.spend(peer, bytes);
    desk.answer("request", move |third| respond(third, &body, &spend)).await
}

fn respond(third: &ThirdParty, body: &[u8], spend: Spend<'_>) -> Response {
    let request = match cbor::decode::<Request<Standard>>(body, MAX_REQUEST) {
        Ok(request) => request,
        Err(error) => {
            let mend = "send a request as exchange.cddl describes it";
            return web::refuse(StatusCode::BAD_REQUEST, error, mend);
        }
    };
    match third.answer_within(&request, third.clock.now(), spend) {
        Ok(answer) => web::bytes(CBOR, cbor::encode(&answer)),
        Err(error) => {
            tracing::error!(%error, "a request was not decided");
            web::not_now()
        }
    }
}
