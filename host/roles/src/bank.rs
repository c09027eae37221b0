//! The test bank: accounts, payments by signed orders, statements of account.

mod account;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use semper_archive::{Home, HomeError, HomeKind};
use semper_bank_protocol::{BANK, BankRefusal, CBOR, Claim, MAX_CLAIM, Refusal, Request, key_name};
use semper_base::cert::{CertError, Revocation, Roots, Verifier};
use semper_base::keys::KeyError;
use semper_base::{Certificate, Clock, Digest, Identity, Mend, Role, SigningKey, Timestamp, cbor};
use semper_exchange::bank::ClaimError;
use semper_exchange::standard::{Keys, NoGoods};
use semper_items::SignedStatement;
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder, Statement};
use semper_keeper::{Bell, Health, Post, Turn};
use semper_ledger::{AccountId, Ledger, LedgerError, Movement, NotAnAccount};
use semper_net::Peer;
use serde::Deserialize;

use crate::health;
use crate::holds::fences::Fences;
use crate::holds::{Holds, HoldsError};
use crate::outside::{Outside as _, System};
use crate::role::{HomeConfig, Role as ServerRole, RoleKind, Wrong};
use crate::surroundings::{Desk, Surroundings};
use crate::web;

/// The ledger's file in a bank's home.
pub const LEDGER: &str = "ledger.sqlite";
/// How often dates of holds are looked after.
const LAPSE: Duration = Duration::from_secs(10);
/// Bytes of a request: a signed statement, with its chain.
const MOST: usize = 128 * 1024;

/// Why a bank's home cannot be opened.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum BankError {
    /// The home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// Its certificate or that of the authority.
    #[error("{file}: {source}")]
    #[mend("{REGISTER}")]
    Certificate {
        /// Which file.
        file: &'static str,
        /// What is wrong with it.
        source: CertError,
    },
    /// Its key.
    #[error("bank.key: {0}")]
    #[mend("{REGISTER}")]
    Key(#[from] KeyError),
    /// Its books.
    #[error(transparent)]
    #[mend(from)]
    Ledger(#[from] LedgerError),
}

/// Merchants pay too (refunds), so either may hold an account.
const HOLDERS: [Role; 2] = [Role::Buyer, Role::Merchant];
const BEING_LOOKED_AT: &str = "the bank's books are being looked at; nothing was booked";
/// Its authority's list is too old, or was never had.
const CANNOT_SAY: &str = "the bank cannot learn just now whether your certificate was revoked";
/// The key that a renewal has left beside the new one; the folder of all earlier ones.
const LAST_KEY: &str = "bank.key.old";
const FORMER: &str = "former";
const REGISTER: &str = "make bank.key with semper-sign key and register its request as bank.pem";

/// Whether a bank's books balance. While they do not, nothing is booked: what is wrong is for the
/// operator to look at, and customers ask again.
#[derive(Debug, Default)]
struct Books(AtomicBool);

/// A running bank.
#[derive(Debug)]
pub struct Bank {
    name: String,
    key: SigningKey,
    chain: Vec<Certificate>,
    verifier: Verifier,
    ledger: Ledger,
    /// Whether they balance.
    books: Books,
    /// Signs facts about holds.
    facts: Keys,
    /// Earlier keys, by which exchanges under way know this bank.
    former: Vec<Keys>,
    clock: Arc<dyn Clock>,
    /// Whose fences are taken.
    fences: Fences,
    /// The ledger's file.
    file: PathBuf,
}

/// The certificates in a file of the home: the bank's, and those of authorities below the root; or the
/// root.
fn certificates(home: &Home, file: &'static str) -> Result<Vec<Certificate>, BankError> {
    let wrong = |source| BankError::Certificate { file, source };
    Certificate::chain_from_pem(&home.read(file)?).map_err(wrong)
}

fn signing_key(home: &Home) -> Result<SigningKey, BankError> {
    Ok(SigningKey::from_pem(&home.read_secret("bank.key")?)?)
}

/// Keys that this bank had before. Exchanges under way name them, so they are kept: a renewal leaves
/// the last one beside the new one, and from there it goes into a folder of its own.
fn former_keys(home: &Home, present: &SigningKey) -> Result<Vec<Keys>, BankError> {
    if home.path().join(LAST_KEY).exists() {
        let last = SigningKey::from_pem(&home.read_secret(LAST_KEY)?)?;
        let name = format!("{FORMER}/{}.key", key_name(&last.public()));
        if last.public() != present.public() && !home.path().join(&name).exists() {
            home.write(&name, last.to_pem().as_bytes())?;
        }
    }
    let Ok(folder) = std::fs::read_dir(home.path().join(FORMER)) else { return Ok(Vec::new()) };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let keys = names.filter(|name| name.ends_with(".key")).map(|name| {
        let key = SigningKey::from_pem(&home.read_secret(&format!("{FORMER}/{name}"))?)?;
        Ok(Keys::new(key, NoGoods))
    });
    keys.collect()
}

/// Who the bank is, if key and certificate belong together and the authority vouches for it.
fn identity(
    key: &SigningKey,
    chain: &[Certificate],
    roots: &Roots,
    now: Timestamp,
) -> Result<Identity, BankError> {
    let identity = roots
        .asking(Revocation::OWN)
        .verify(chain, Role::Bank, now)
        .map_err(|source| BankError::Certificate { file: "bank.pem", source })?;
    match identity.key == key.public() {
        true => Ok(identity),
        false => Err(BankError::Key(KeyError::Private)),
    }
}

impl Bank {
    /// Opens a bank's home: `bank.key`, `bank.pem`, `root.pem` (the authority), the ledger.
    pub fn open(path: &Path, around: &Surroundings) -> Result<Self, BankError> {
        let clock = around.clock();
        let home = Home::of(path, HomeKind::Bank)?;
        let (key, chain) = (signing_key(&home)?, certificates(&home, "bank.pem")?);
        let roots = Roots::new(certificates(&home, "root.pem")?);
        let identity = identity(&key, &chain, &roots, clock.now())?;
        around.uses(&identity.certificate);
        let file = home.path().join(LEDGER);
        let ledger = Ledger::open(&file)?;
        let verifier = roots.asking(around.revocation(path, &roots)?);
        let facts = Keys::new(SigningKey::from_seed(&key.seed()), NoGoods);
        let former = former_keys(&home, &key)?;
        let (books, fences) = (Books::default(), Fences::open(&ledger, around)?);
        let bank = Self {
            name: identity.name,
            key,
            chain,
            verifier,
            ledger,
            books,
            facts,
            former,
            clock,
            fences,
            file,
        };
        // What has come due while nobody was here falls first.
        bank.lapse();
        bank.look_at_books();
        Ok(bank)
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Holds whose date has come fall; whether all could.
    fn lapse(&self) -> bool {
        let lapsed = self.ledger.lapse(self.clock.now());
        lapsed
            .inspect_err(|error| {
                tracing::error!(%error, "holds whose date has come cannot be looked after");
            })
            .is_ok()
    }

    /// Works the books out again; whether they balance.
    fn look_at_books(&self) -> bool {
        let wrong = match self.ledger.findings(self.clock.now()) {
            Ok(found) => {
                for finding in &found {
                    tracing::error!(%finding, "the books: semper bank audit");
                }
                found.iter().any(|it| it.breaks)
            }
            Err(error) => {
                tracing::error!(%error, "the books cannot be read");
                true
            }
        };
        self.books.0.store(wrong, Ordering::SeqCst);
        !wrong
    }

    /// Whether something may be booked.
    fn may_book(&self) -> Result<(), BankRefusal> {
        match self.books.0.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(BankRefusal::new(Refusal::Away, BEING_LOOKED_AT)),
        }
    }

    /// Carries a signed payment order out, once; the signed confirmation.
    fn pay(&self, body: &[u8]) -> Result<Vec<u8>, BankRefusal> {
        self.may_book()?;
        match self.pay_now(body) {
            Err(refusal) => self.paid_before(body).ok_or(refusal),
            paid => paid,
        }
    }

    fn pay_now(&self, body: &[u8]) -> Result<Vec<u8>, BankRefusal> {
        let now = self.clock.now();
        let signed = self.signed_by_holder(body, now)?;
        let statement = signed.statement();
        let Content::PaymentOrder(order) = &statement.content else {
            return Err(BankRefusal::malformed("this is not a payment order"));
        };
        if order.bank != self.name {
            return Err(BankRefusal::malformed(format!("the order is for “{}”", order.bank)));
        }
        let credit = number(&order.to)?;
        let debit = self.own(&order.from, signed.signer())?;
        let movement = Movement {
            reference: reference(order),
            request: signed.digest(),
            ordered: statement.made,
            debit,
            credit,
            amount: order.amount,
            text: format!("deal {}", statement.deal.short()),
        };
        let confirm = |entry: u64| {
            let content = Content::PaymentConfirmation(PaymentConfirmation {
                payment_order: signed.digest(),
                from: order.from.clone(),
                to: order.to.clone(),
                amount: order.amount,
                purpose: order.purpose,
                entry,
            });
            let confirmation = Statement { deal: statement.deal, made: now, content };
            SignedStatement::sign(&confirmation, &self.key, self.chain.clone())
                .expect("a confirmation repeats fields that were checked in the order")
        };
        let (entry, bytes) =
            self.ledger.book(&movement, now, confirm).map_err(|error| ledger_refusal(&error))?;
        tracing::info!(entry, "payment booked");
        Ok(bytes)
    }

    /// The confirmation of an order that was carried out before. The account's owner hears it again,
    /// whatever has become of her certificate since: the money has moved.
    fn paid_before(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (statement, digest, (key, name)) = SignedStatement::peek(body).ok()?;
        let Content::PaymentOrder(order) = &statement.content else { return None };
        let owns = self.ledger.is_owner(&order.from.parse().ok()?, key, &name).ok()?;
        let answer = self.ledger.answered(reference(order), digest);
        answer.ok().flatten().filter(|_| owns)
    }

    /// The fact about money that the same order has held before, likewise.
    fn held_before(&self, body: &[u8], by: &By) -> Option<Vec<u8>> {
        let (statement, _, (key, name)) = SignedStatement::peek(body).ok()?;
        let Content::HoldOrder(order) = &statement.content else { return None };
        if !self.ledger.is_owner(&order.from.parse().ok()?, key, &name).ok()? {
            return None;
        }
        let fact = self.holds_by(by).taken(order, self.clock.now())?;
        Some(cbor::encode(&fact))
    }

    /// Holds money under the conditions of an exchange, once; the signed fact.
    fn hold(&self, body: &[u8], by: &By) -> Result<Vec<u8>, BankRefusal> {
        self.may_book()?;
        match self.hold_now(body, by) {
            Err(refusal) => self.held_before(body, by).ok_or(refusal),
            held => held,
        }
    }

    fn hold_now(&self, body: &[u8], by: &By) -> Result<Vec<u8>, BankRefusal> {
        let now = self.clock.now();
        let signed = self.signed_by_holder(body, now)?;
        let Content::HoldOrder(order) = &signed.statement().content else {
            return Err(BankRefusal::malformed("this is not a hold order"));
        };
        if order.bank != self.name {
            return Err(BankRefusal::malformed(format!("the order is for “{}”", order.bank)));
        }
        self.own(&order.from, signed.signer())?;
        let ordered = signed.statement().made;
        let fact = self.holds_by(by).order(order, ordered, now);
        let fact = fact.map_err(|error| holds_refusal(&error))?;
        self.fences.know(order.third_party);
        tracing::info!(exchange = order.exchange.short(), "money held");
        Ok(cbor::encode(&fact))
    }

    /// Follows a claim about a hold; the signed fact.
    fn claim(&self, body: &[u8], by: &By, peer: Option<Peer>) -> Result<Vec<u8>, BankRefusal> {
        self.may_book()?;
        let request: Claim = cbor::decode(body, MAX_CLAIM).map_err(BankRefusal::malformed)?;
        let is_taken = || self.fences.take(&request.third_party, peer);
        let fact = self.holds_by(by).claim_if(&request, self.clock.now(), is_taken);
        Ok(cbor::encode(&fact.map_err(|error| holds_refusal(&error))?))
    }

    /// The desk for holds.
    pub fn holds(&self) -> Holds<'_> {
        Holds { ledger: &self.ledger, keys: &self.facts }
    }

    /// The desk that signs by the key that is asked for, if this bank has or had it.
    fn holds_by(&self, by: &By) -> Holds<'_> {
        let named = |keys: &&Keys| by.key.as_deref() == Some(&*key_name(&keys.public()));
        let keys = self.former.iter().find(named).unwrap_or(&self.facts);
        Holds { ledger: &self.ledger, keys }
    }

    fn signed_by_holder(
        &self,
        body: &[u8],
        now: Timestamp,
    ) -> Result<SignedStatement, BankRefusal> {
        SignedStatement::verify_as(body, &self.verifier, &HOLDERS, now)
            .map_err(|error| not_believed(error.is_passing(), &error))
    }
}

/// The name under which an order is booked, once: the payer's own, in its account.
fn reference(order: &PaymentOrder) -> Digest {
    Digest::of_parts(&[order.from.as_bytes(), order.reference.as_bytes()])
}

/// The account that a customer names: one of a customer, and never one of the bank's own.
fn number(text: &str) -> Result<AccountId, BankRefusal> {
    text.parse().map_err(|error: NotAnAccount| BankRefusal::malformed(error))
}

/// A request whose signature is not believed; what the bank only cannot say now is its own trouble.
fn not_believed(passing: bool, error: &dyn std::fmt::Display) -> BankRefusal {
    match passing {
        true => {
            tracing::error!(%error, "nobody can be believed just now");
            BankRefusal::new(Refusal::Away, CANNOT_SAY)
        }
        false => BankRefusal::malformed(error),
    }
}

fn ledger_refusal(error: &LedgerError) -> BankRefusal {
    let code = match error {
        LedgerError::NoFunds { .. } => Refusal::NoFunds,
        LedgerError::UnknownAccount(_) => Refusal::UnknownAccount,
        LedgerError::Conflict | LedgerError::Hold(_) => Refusal::Conflict,
        LedgerError::Currency { .. }
        | LedgerError::Amount(_)
        | LedgerError::Keys(_)
        | LedgerError::Date { .. } => Refusal::Malformed,
        LedgerError::Audit(_) | LedgerError::Sqlite(_) => Refusal::Away,
    };
    BankRefusal::new(code, error)
}

fn holds_refusal(error: &HoldsError) -> BankRefusal {
    let code = match error {
        HoldsError::Ledger(error) => return ledger_refusal(error),
        HoldsError::Claim(ClaimError::Absent) => Refusal::UnknownHold,
        HoldsError::Claim(_) => Refusal::NotYours,
        HoldsError::Account(_) => Refusal::Malformed,
        HoldsError::Damaged | HoldsError::Strangers => Refusal::Away,
    };
    BankRefusal::new(code, error)
}

impl RoleKind for Bank {
    const SECTION: &'static str = "bank";
    type Config = HomeConfig;
    type Error = BankError;

    fn place(config: &mut HomeConfig, base: &Path) {
        config.home = base.join(&config.home);
    }

    fn check(config: &HomeConfig, wrong: &mut Wrong<BankError>) {
        let Some(home) = wrong.take(Home::of(&config.home, HomeKind::Bank)) else { return };
        let own = wrong.take(certificates(&home, "bank.pem"));
        let root = wrong.take(certificates(&home, "root.pem"));
        let key = wrong.take(signing_key(&home));
        if let (Some(own), Some(root), Some(key)) = (own, root, key) {
            wrong.take(identity(&key, &own, &Roots::new(root), System.clock().now()));
        }
        let ledger = Ledger::look(&home.path().join(LEDGER));
        wrong.take(ledger.and_then(|it| it.audit(System.clock().now())));
    }

    fn open(config: &HomeConfig, around: &Surroundings) -> Result<Arc<dyn ServerRole>, BankError> {
        let bank = Arc::new(Self::open(&config.home, around)?);
        let weak = Arc::downgrade(&bank);
        around.spawn().keep("lapse", &Bell::new(), Box::new(move |post| lapse(&weak, post)));
        Ok(bank)
    }
}

/// Dates of holds are looked after as long as the bank stands.
fn lapse(bank: &Weak<Bank>, post: &Post) -> Turn {
    let Some(bank) = bank.upgrade() else { return Turn::End };
    if bank.may_book().is_err() && !bank.look_at_books() {
        post.ill("the books do not balance: semper bank audit");
    } else if bank.lapse() {
        post.well();
    } else {
        post.ill("holds whose date has come cannot be looked after");
    }
    Turn::Wait(LAPSE)
}

impl ServerRole for Bank {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        Router::new()
            .route(BANK, get(show))
            .route(Request::Payment.path(), post(pay))
            .route(Request::Account.path(), post(account))
            .route(Request::Hold.path(), post(hold))
            .route(Request::Claim.path(), post(claim))
            .layer(web::most(MOST))
            .with_state(around.desk(self))
    }

    fn health(&self) -> Vec<Health> {
        vec![health::of_store("bank/ledger", &self.file)]
    }
}

async fn show(State(desk): State<Desk<Bank>>) -> Response {
    web::bytes(CBOR, cbor::encode(&desk.chain))
}

async fn pay(State(desk): State<Desk<Bank>>, body: Bytes) -> Response {
    let paid = move |bank: &Bank| respond(Request::Payment, bank.pay(&body));
    desk.answer("pay", paid).await
}

async fn account(State(desk): State<Desk<Bank>>, body: Bytes) -> Response {
    let shown = move |bank: &Bank| match bank.account(&body) {
        Ok(view) => web::json(StatusCode::OK, &view),
        Err(refusal) => refused(&refusal),
    };
    desk.answer("account", shown).await
}

/// The key by which a fact is to be signed.
#[derive(Debug, Deserialize)]
struct By {
    key: Option<String>,
}

async fn hold(State(desk): State<Desk<Bank>>, Query(by): Query<By>, body: Bytes) -> Response {
    desk.answer("hold", move |bank| respond(Request::Hold, bank.hold(&body, &by))).await
}

async fn claim(
    State(desk): State<Desk<Bank>>,
    Query(by): Query<By>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Response {
    let peer = peer.map(|Extension(it)| it);
    desk.answer("claim", move |bank| respond(Request::Claim, bank.claim(&body, &by, peer))).await
}

fn respond(request: Request, answer: Result<Vec<u8>, BankRefusal>) -> Response {
    match answer {
        Ok(body) => web::bytes(request.answer_type(), body),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &BankRefusal) -> Response {
    if refusal.code.is_passing() {
        // The bank's own trouble: the payer asks again.
        tracing::error!(words = refusal.words, "a request is not answered now");
        // What else hinders us is no matter of anybody else's.
        let told = [BEING_LOOKED_AT, CANNOT_SAY].into_iter().find(|it| refusal.words == *it);
        let words = told.unwrap_or("the bank cannot answer this now");
        let plain = BankRefusal::new(refusal.code.clone(), words);
        return web::json(StatusCode::SERVICE_UNAVAILABLE, &plain);
    }
    tracing::warn!(code = %refusal.code, "payment or account request refused");
    web::json(StatusCode::UNPROCESSABLE_ENTITY, refusal)
}
