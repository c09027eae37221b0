//! The third party of fair exchanges: asked only on a fault, decides once, for ever.
//!
//! The machine is [`semper_exchange::third`]; here it gets a store, keys, payment systems to
//! ask, and a public log of its verdicts. It sees keys, commitments and amounts: no prose, no
//! contents, no names. Several processes may share one store. A store that can lose what it has
//! committed (a replica that takes over without having everything) is no store for this: the
//! verdicts would contradict each other, and both would be signed.

mod after;
mod agree;
mod announced;
mod bank;
pub mod cases;
mod config;
mod kept;
mod keys;
pub mod postgres;
mod served;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use semper_archive::{Home, HomeError};
use semper_bank_protocol::{Claim as ClaimRequest, HoldFact};
use semper_base::cert::{CertError, Revocation, Roots, ServerRoot};
use semper_base::{Certificate, Clock, Digest, PublicKey, Timestamp};
use semper_exchange::bank::Claim;
use semper_exchange::crypto::Signed;
pub use semper_exchange::published::Logged;
use semper_exchange::standard::{Keys, Standard};
use semper_exchange::third::{self, Case, DECIDE_MS, Effect, Event};
use semper_exchange::verdict::{Answer, Rejection, Request, Submitted, Verdict};
pub use semper_exchange::verdict::{MAX_ANSWER, REQUESTS};
use semper_exchange::{Agreed, HolderError, Role, ThirdParty as Named, party};
use semper_keeper::{Keeper, Spawn};
use semper_net::Believed;

use crate::log::{Log, LogConfig, unasked};
use crate::outside::{Outside, System};
use crate::role::{Role as ServerRole, RoleKind, Wrong};
use crate::surroundings::Surroundings;
pub use agree::Disagreement;
pub use announced::Announced;
use bank::BankLink;
use cases::{Cases, CasesError, Change, FileCases, Row};
pub use config::{BankAddress, ThirdPartyConfig, ThirdPartyError};
use kept::Kept;
pub use keys::Introduced;
use keys::Ring;
use postgres::PostgresCases;

/// Where its name and keys are.
pub const PARTY: &str = "/semper/v1/third-party";
/// Where the statements are by which its keys follow each other.
pub const SUCCESSION: &str = "/semper/v1/third-party/succession";
/// Where its log of verdicts begins; `log.vkey` below it is the log's key.
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

/// Payment systems by the key that they sign facts with.
type Banks = HashMap<PublicKey, BankLink>;

/// A running third party.
#[derive(Debug)]
pub struct ThirdParty {
    ring: Ring,
    cases: Box<dyn Cases>,
    banks: Banks,
    log: Option<Arc<Log>>,
    /// Held by whoever publishes what waits for it, also for others.
    publishing: Mutex<()>,
    /// Whether another process, which publishes, has not come round in time lately.
    is_late: AtomicBool,
    clock: Arc<dyn Clock>,
    counted: Mutex<HashMap<PublicKey, (Instant, u32)>>,
    /// Payment systems that were asked for and are not known.
    missing: Mutex<HashSet<PublicKey>>,
    /// Bytes that the store may have, and whether it has them.
    room: u64,
    full: AtomicBool,
}

/// Where these authorities say what they have withdrawn.
type Asking<'a> = &'a dyn Fn(&Roots) -> Result<Revocation, HomeError>;

/// Whether so many bytes more may be stored for whoever asks.
type Spend<'a> = &'a dyn Fn(usize) -> bool;

impl ThirdParty {
    /// Makes a home with a key of its own; its origin is its address without the scheme, such as
    /// `third.example`, under which its log signs as well.
    ///
    /// # Errors
    /// When the home is there already, or cannot be made.
    pub fn create(path: &Path, origin: &str) -> Result<Named<Standard>, ThirdPartyError> {
        Ok(Self::introduce(path, origin)?.named)
    }

    /// As [`ThirdParty::create`], with everything that others believe it by.
    ///
    /// # Errors
    /// When the home is there already, or cannot be made.
    pub fn introduce(path: &Path, origin: &str) -> Result<Introduced, ThirdPartyError> {
        keys::create(path, origin)
    }

    /// Gives a home the next key: the present one signs it into succession, and stays for the
    /// exchanges that pin it. Whoever serves the home takes it up at the next start.
    ///
    /// # Errors
    /// When the home cannot be read or written.
    pub fn renew(path: &Path, now: Timestamp) -> Result<Introduced, ThirdPartyError> {
        keys::renew(path, now)
    }

    /// Opens a home, and goes on with what a crash has left; its threads run under this keeper.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn open(config: &ThirdPartyConfig, keeper: &Keeper) -> Result<Arc<Self>, ThirdPartyError> {
        Self::open_with(config, keeper, &System, &unasked)
    }

    /// As [`ThirdParty::open`], with another outside than this machine; its loops run there. It asks there
    /// what the authorities behind the servers of its banks and witnesses have withdrawn.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn open_with(
        config: &ThirdPartyConfig,
        spawn: &dyn Spawn,
        outside: &dyn Outside,
        asking: Asking<'_>,
    ) -> Result<Arc<Self>, ThirdPartyError> {
        let home = Home::open(&config.home)?;
        let cases: Box<dyn Cases> = match &config.store {
            Some(url) => {
                let root = config.store_root.as_deref();
                Box::new(PostgresCases::open(url, root, config.publish)?)
            }
            None => Box::new(FileCases::open(&home.path().join(FILE), spawn)?),
        };
        Self::with(config, cases, spawn, outside, asking)
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
        asking: Asking<'_>,
    ) -> Result<Arc<Self>, ThirdPartyError> {
        let home = Home::open(&config.home)?;
        let (ring, banks, revocation) = Self::parts(config, &home, outside, asking)?;
        let clock = outside.clock();
        let log = match config.publish {
            true => {
                let config = Self::log_config(config, &home);
                // Before anything is published or signed.
                let was_all = agree::agree(&*cases, &config, &ring.lines())?;
                let log = Log::kept(&config, spawn, revocation)?;
                if was_all {
                    cases.logged(&[], log.head()?)?;
                }
                Some(Arc::new(log))
            }
            // Whoever publishes has looked; nothing that is not public leaves this process.
            false => None,
        };
        let this = Arc::new(Self {
            ring,
            cases,
            banks,
            log,
            publishing: Mutex::default(),
            is_late: AtomicBool::new(false),
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
        let parts = wrong.take(Self::parts(config, &home, &System, &unasked));
        let cases: Option<Box<dyn Cases>> = match &config.store {
            Some(url) => {
                let root = config.store_root.as_deref();
                let cases = wrong.take(PostgresCases::open(url, root, config.publish));
                cases.map(|it| Box::new(it) as Box<dyn Cases>)
            }
            None => {
                let cases = wrong.take(FileCases::look(&home.path().join(FILE)));
                cases.map(|it| Box::new(it) as Box<dyn Cases>)
            }
        };
        if !config.publish {
            return;
        }
        let log = Self::log_config(config, &home);
        let mut of_log = Wrong::default();
        Log::check(&log, &mut of_log);
        let is_whole = of_log.is_empty();
        wrong.of(of_log);
        if let (true, Some((ring, ..)), Some(cases)) = (is_whole, parts, cases) {
            wrong.take(agree::agree(&*cases, &log, &ring.lines()));
        }
    }

    fn parts(
        config: &ThirdPartyConfig,
        home: &Home,
        outside: &dyn Outside,
        asking: Asking<'_>,
    ) -> Result<(Ring, Banks, Revocation), ThirdPartyError> {
        let ring = Ring::open(home)?;
        let (mut known, mut behind, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for bank in &config.bank {
            let certificate = certificate(&bank.certificate)?;
            names.push(certificate.subject().to_owned());
            let key = certificate.key();
            let key = key.map_err(|error| wrong(&bank.certificate, &error))?;
            let roots = server_roots(&bank.root)?;
            behind.extend(roots.iter().filter_map(|it| Certificate::from_der(it.der()).ok()));
            known.push((key, bank.url.clone(), Believed::nobody().and(roots)));
        }
        Announced::read(home)?.check(&names)?;
        // What is wrong with a witness's root is said by the log, which asks it.
        let witnesses = config.witness.iter().filter_map(|it| server_roots(&it.root).ok());
        behind.extend(witnesses.flatten().filter_map(|it| Certificate::from_der(it.der()).ok()));
        let revocation = asking(&Roots::new(behind))?;
        let banks = known.into_iter().map(|(key, url, believed)| {
            let net = outside.net(&believed.asking(revocation.clone()));
            (key, BankLink::new(url, &net))
        });
        Ok((ring, banks.collect(), revocation))
    }

    fn log_config(config: &ThirdPartyConfig, home: &Home) -> LogConfig {
        LogConfig {
            home: home.path().join(LOG),
            authorities: Vec::new(),
            witness: config.witness.clone(),
            quorum: config.quorum,
        }
    }

    /// Its name and keys, as new exchanges pin them.
    pub fn named(&self) -> Named<Standard> {
        self.ring.named()
    }

    /// The keys that an exchange pins.
    fn keys(&self, agreement: &Agreed<Standard>) -> &Keys {
        self.ring.pinned(&agreement.third_party.sign)
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
        let keys = self.keys(&request.promise.body().agreement);
        let own = keys.public();
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
                Some(Kept::Bare(verdict)) => return self.bare(request, *verdict),
                kept => kept.and_then(Kept::case),
            };
            let stepped = third::step(case, event.clone(), &own, now, keys);
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
                    Effect::Answer => return self.decided(request, after),
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
        case: Option<Case<Standard>>,
    ) -> Result<Answer<Standard>, CasesError> {
        let Some(Case::Decided(stored)) = case else {
            return self.rejected(request, Rejection::Pending);
        };
        let agreement = &request.promise.body().agreement;
        self.made_public(agreement.subject(), (&stored.verdict, stored.after.as_ref()))?;
        let role = request.wish.role();
        third::answer(&stored, role, self.keys(agreement)).map_err(|it| away(&it))
    }

    fn bare(
        &self,
        request: &Request<Standard>,
        verdict: Verdict<Standard>,
    ) -> Result<Answer<Standard>, CasesError> {
        let agreement = &request.promise.body().agreement;
        let exchange = agreement.subject();
        self.made_public(exchange, (&verdict, None))?;
        let signed = Signed::new(self.keys(agreement), exchange, verdict);
        signed.map(third::bare).map_err(|it| away(&it))
    }

    fn rejected(
        &self,
        request: &Request<Standard>,
        why: Rejection,
    ) -> Result<Answer<Standard>, CasesError> {
        let keys = self.keys(&request.promise.body().agreement);
        third::rejected(request, why, keys).map_err(|error| away(&error))
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
        let keys = self.keys(&request.promise.body().agreement);
        let signed = Signed::new(keys, subject, body);
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
            third_party: agreement.third_party.sign,
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
    let entry = agree::newest(*exchange, case);
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
        let asking = |roots: &Roots| around.revocation(&config.home, roots);
        Ok(Self::open_with(config, &*around.spawn(), &*around.outside, &asking)?)
    }
}
