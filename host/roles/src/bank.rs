//! The test bank: accounts, payments by signed orders, statements of account.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use semper_archive::{Home, HomeError};
use semper_base::cert::{CertError, Roots};
use semper_base::cose;
use semper_base::keys::KeyError;
use semper_base::{Certificate, Digest, Identity, Mend, Role, SigningKey, Timestamp, cbor};
use semper_exchange::bank::ClaimError;
use semper_exchange::standard::{Keys, NoGoods};
use semper_items::SignedStatement;
use semper_items::statement::{Content, PaymentConfirmation, Statement};
use semper_ledger::{Account, Entry, Ledger, LedgerError, Movement};
use semper_purse::{ACCOUNTS, BANK, BankRefusal, CBOR, CLAIMS, COSE, HOLDS, PAYMENTS};
use semper_tinguin_protocol::protocol::{ACCOUNT_DOMAIN, AccountAction, AccountRequest};
use serde::{Deserialize, Serialize};

use crate::holds::{Holds, HoldsError, MAX_CLAIM};
use crate::web::{self, Metrics};

/// The ledger's file in a bank's home.
pub const LEDGER: &str = "ledger.sqlite";
/// How old a request about an account may be.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// How often dates of holds are looked after.
const LAPSE: std::time::Duration = std::time::Duration::from_secs(10);
/// Entries in a statement of account.
const ENTRIES: u32 = 50;

/// Why a bank's home cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its certificate or that of the authority.
    #[error("{file}: {source}")]
    Certificate {
        /// Which file.
        file: &'static str,
        /// What is wrong with it.
        source: CertError,
    },
    /// Its key.
    #[error("bank.key: {0}")]
    Key(#[from] KeyError),
    /// Its books.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Mend for BankError {
    fn mend(&self) -> String {
        match self {
            Self::Home(error) => error.mend(),
            Self::Certificate { .. } | Self::Key(_) => {
                "make bank.key with semper-sign key and register its request as bank.pem".into()
            }
            Self::Ledger(error) => error.mend(),
        }
    }

    fn is_input(&self) -> bool {
        true
    }
}

/// What a holder sees of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountView {
    /// The bank's name.
    pub bank: String,
    /// The account's number.
    pub account: String,
    /// Who holds it.
    pub holder: String,
    /// What is in it, such as `19.99 EUR`.
    pub balance: String,
    /// The newest entries, newest first.
    pub entries: Vec<EntryView>,
}

/// A line of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryView {
    /// The ledger's number.
    pub number: u64,
    /// Positive when the account was paid.
    pub change: String,
    /// The other account.
    pub other: String,
    /// What for.
    pub text: String,
    /// When.
    pub booked: String,
}

/// A running bank.
#[derive(Debug)]
pub struct Bank {
    name: String,
    key: SigningKey,
    chain: Vec<Certificate>,
    roots: Roots,
    ledger: Ledger,
    /// Signs facts about holds.
    facts: Keys,
}

impl Bank {
    /// Opens a bank's home: `bank.key`, `bank.pem`, `root.pem` (the authority), the ledger.
    pub fn open(path: &Path) -> Result<Self, BankError> {
        let home = Home::open(path)?;
        let certificate = |file: &'static str| -> Result<Certificate, BankError> {
            Certificate::from_pem(&home.read(file)?)
                .map_err(|source| BankError::Certificate { file, source })
        };
        let chain = vec![certificate("bank.pem")?];
        let roots = Roots::new(vec![certificate("root.pem")?]);
        let key = SigningKey::from_pem(&home.read_secret("bank.key")?)?;
        let identity = roots
            .verify(&chain, Role::Bank, Timestamp::now())
            .map_err(|source| BankError::Certificate { file: "bank.pem", source })?;
        if identity.key != key.public() {
            return Err(BankError::Key(KeyError::Private));
        }
        let ledger = Ledger::open(&home.path().join(LEDGER))?;
        ledger.audit()?;
        let facts = Keys::new(SigningKey::from_seed(&key.seed()), NoGoods);
        Ok(Self { name: identity.name, key, chain, roots, ledger, facts })
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Carries a signed payment order out, once; the signed confirmation.
    fn pay(&self, body: &[u8]) -> Result<Vec<u8>, BankRefusal> {
        let now = Timestamp::now();
        let refuse = |code: &str, words: String| BankRefusal { code: code.into(), words };
        let malformed = |words: String| refuse("malformed", words);
        let signed = self.signed_by_holder(body, now)?;
        let statement = signed.statement();
        let Content::PaymentOrder(order) = &statement.content else {
            return Err(malformed("this is not a payment order".into()));
        };
        if order.bank != self.name {
            return Err(malformed(format!("the order is for “{}”", order.bank)));
        }
        let owner = self
            .ledger
            .is_owner(&order.from, signed.signer().key.id())
            .map_err(|error| ledger_refusal(&error))?;
        if !owner {
            return Err(refuse("not-yours", format!("account {} is not yours", order.from)));
        }
        let movement = Movement {
            reference: Digest::of_parts(&[order.from.as_bytes(), order.reference.as_bytes()]),
            request: signed.digest(),
            debit: order.from.clone(),
            credit: order.to.clone(),
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

    /// Holds money under the conditions of an exchange, once; the signed fact.
    fn hold(&self, body: &[u8]) -> Result<Vec<u8>, BankRefusal> {
        let now = Timestamp::now();
        let refuse = |code: &str, words: String| BankRefusal { code: code.into(), words };
        let signed = self.signed_by_holder(body, now)?;
        let Content::HoldOrder(order) = &signed.statement().content else {
            return Err(refuse("malformed", "this is not a hold order".into()));
        };
        if order.bank != self.name {
            return Err(refuse("malformed", format!("the order is for “{}”", order.bank)));
        }
        let owner = self.ledger.is_owner(&order.from, signed.signer().key.id());
        if !owner.map_err(|error| ledger_refusal(&error))? {
            return Err(refuse("not-yours", format!("account {} is not yours", order.from)));
        }
        let fact = self.holds().order(order, now).map_err(|error| holds_refusal(&error))?;
        tracing::info!(exchange = order.exchange.short(), "money held");
        Ok(cbor::encode(&fact))
    }

    /// Follows a claim about a hold; the signed fact.
    fn claim(&self, body: &[u8]) -> Result<Vec<u8>, BankRefusal> {
        let request = cbor::decode(body, MAX_CLAIM)
            .map_err(|error| BankRefusal { code: "malformed".into(), words: error.to_string() })?;
        let fact = self.holds().claim(&request, Timestamp::now());
        Ok(cbor::encode(&fact.map_err(|error| holds_refusal(&error))?))
    }

    /// The desk for holds.
    pub fn holds(&self) -> Holds<'_> {
        Holds { ledger: &self.ledger, keys: &self.facts }
    }

    fn signed_by_holder(
        &self,
        body: &[u8],
        now: Timestamp,
    ) -> Result<SignedStatement, BankRefusal> {
        // Merchants pay too (refunds), so either role may hold an account.
        SignedStatement::verify(body, &self.roots, Role::Buyer, now)
            .or_else(|_| SignedStatement::verify(body, &self.roots, Role::Merchant, now))
            .map_err(|error| BankRefusal { code: "malformed".into(), words: error.to_string() })
    }

    /// Opens or shows an account of whoever signs.
    fn account(&self, body: &[u8]) -> Result<AccountView, BankRefusal> {
        let now = Timestamp::now();
        let refuse = |code: &str, words: String| BankRefusal { code: code.into(), words };
        let (request, holder) = self.account_request(body, now)?;
        if request.bank != self.name {
            return Err(refuse("malformed", format!("the request is for “{}”", request.bank)));
        }
        if request.made.millis().abs_diff(now.millis()) > FRESH_MS {
            return Err(refuse("malformed", "the request is not of now; set the clock".into()));
        }
        let key = holder.key.id();
        let account = match &request.what {
            AccountAction::Open(currency) => self.ledger.open_account(key, &holder.name, *currency),
            AccountAction::Show(id) => match self.ledger.is_owner(id, key) {
                Ok(true) => self.ledger.account(id),
                Ok(false) => return Err(refuse("not-yours", format!("account {id} is not yours"))),
                Err(error) => Err(error),
            },
        };
        let account = account.map_err(|error| ledger_refusal(&error))?;
        let entries =
            self.ledger.entries(&account.id, ENTRIES).map_err(|error| ledger_refusal(&error))?;
        Ok(view(&self.name, account, entries))
    }

    fn account_request(
        &self,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(AccountRequest, Identity), BankRefusal> {
        let malformed = |error: &dyn ToString| BankRefusal {
            code: "malformed".into(),
            words: error.to_string(),
        };
        let parse = || cose::parse(body, ACCOUNT_DOMAIN, 32 * 1024);
        let unverified = parse().map_err(|error| malformed(&error))?;
        let verified = unverified.verify_identity(&self.roots, Role::Buyer, now);
        let (payload, holder) = match verified {
            Ok(done) => done,
            Err(_) => parse()
                .and_then(|it| it.verify_identity(&self.roots, Role::Merchant, now))
                .map_err(|error| malformed(&error))?,
        };
        let request = cbor::decode(&payload, 4096).map_err(|error| malformed(&error))?;
        Ok((request, holder))
    }
}

fn view(bank: &str, account: Account, entries: Vec<Entry>) -> AccountView {
    AccountView {
        bank: bank.into(),
        account: account.id,
        holder: account.holder,
        balance: account.balance.to_string(),
        entries: entries
            .into_iter()
            .map(|entry| EntryView {
                number: entry.number,
                change: entry.change.to_string(),
                other: entry.other,
                text: entry.text,
                booked: entry.booked.to_string(),
            })
            .collect(),
    }
}

fn ledger_refusal(error: &LedgerError) -> BankRefusal {
    let code = match error {
        LedgerError::NoFunds { .. } => "no-funds",
        LedgerError::UnknownAccount(_) => "unknown-account",
        LedgerError::Conflict | LedgerError::Hold(_) => "conflict",
        LedgerError::Currency { .. } | LedgerError::Amount(_) => "malformed",
        LedgerError::Audit(_) | LedgerError::Sqlite(_) => "away",
    };
    BankRefusal { code: code.into(), words: error.to_string() }
}

fn holds_refusal(error: &HoldsError) -> BankRefusal {
    match error {
        HoldsError::Ledger(error) => ledger_refusal(error),
        HoldsError::Claim(ClaimError::Absent) => {
            BankRefusal { code: "unknown-hold".into(), words: error.to_string() }
        }
        HoldsError::Claim(_) => BankRefusal { code: "not-yours".into(), words: error.to_string() },
        HoldsError::Damaged => BankRefusal { code: "away".into(), words: error.to_string() },
    }
}

/// What the bank does with a body, as bytes.
type Deed = fn(&Bank, &[u8]) -> Result<Response, BankRefusal>;

/// The bank's routes. Dates of holds are looked after as long as they stand.
pub fn routes(bank: Arc<Bank>, metrics: Arc<Metrics>) -> Router {
    let lapsing = Arc::downgrade(&bank);
    std::thread::spawn(move || {
        while let Some(bank) = lapsing.upgrade() {
            if let Err(error) = bank.ledger.lapse(Timestamp::now()) {
                tracing::error!(%error, "holds whose date has come cannot be looked after");
            }
            drop(bank);
            std::thread::sleep(LAPSE);
        }
    });
    let deeds: [(&str, &'static str, Deed); 4] = [
        (PAYMENTS, "pay", |bank, body| bank.pay(body).map(|it| web::bytes(COSE, it))),
        (ACCOUNTS, "account", |bank, body| {
            bank.account(body).map(|view| web::json(StatusCode::OK, &view))
        }),
        (HOLDS, "hold", |bank, body| bank.hold(body).map(|it| web::bytes(CBOR, it))),
        (CLAIMS, "claim", |bank, body| bank.claim(body).map(|it| web::bytes(CBOR, it))),
    ];
    let shown = cbor::encode(&bank.chain);
    let show = move || async move { web::bytes(CBOR, shown) };
    let router = Router::new().route(BANK, get(show));
    deeds.into_iter().fold(router, |router, (path, name, deed)| {
        let (bank, metrics) = (Arc::clone(&bank), Arc::clone(&metrics));
        let serve = move |body: Bytes| {
            let (bank, metrics) = (Arc::clone(&bank), Arc::clone(&metrics));
            async move {
                let answer = move || respond(deed(&bank, &body));
                metrics.outcome("bank", name, web::blocking(answer).await)
            }
        };
        router.route(path, post(serve))
    })
}

fn respond(answer: Result<Response, BankRefusal>) -> Response {
    match answer {
        Ok(response) => response,
        // The bank's own trouble is passing: the payer asks again.
        Err(refusal) if refusal.code == "away" => {
            tracing::error!(words = refusal.words, "the ledger does not answer");
            web::json(StatusCode::SERVICE_UNAVAILABLE, &refusal)
        }
        Err(refusal) => {
            tracing::warn!(code = refusal.code, "payment or account request refused");
            web::json(StatusCode::UNPROCESSABLE_ENTITY, &refusal)
        }
    }
}
