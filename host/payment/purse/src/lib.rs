//! The purse: an account at a bank, paid by signed payment orders (the trials' generic test
//! purse, seed 2 §4).
//!
//! The bank books a payment order once, whatever it is asked, and signs a confirmation; the
//! confirmation is the money item that travels to the payee. In a fair exchange the bank holds
//! the money instead, and says so in signed facts: locked money promises everything that the
//! exchange layer can make use of. A home may say that its purse pays in other ways, too.
#![forbid(unsafe_code)]

mod modes;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use semper_bank_protocol::{Answer, BANK, MAX_ANSWER, Refusal, Request};
use semper_base::cert::Verifier;
use semper_base::{Certificate, DealId, PublicKey, Role, Timestamp, cbor};
use semper_items::SignedStatement;
use semper_items::agreement::PURSE;
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder};
use semper_net::Client;
use semper_payment::{Confirmed, Intent, Mode, Module, PaymentError};
use serde::{Deserialize, Serialize};

pub use modes::{Modes, ModesError};

/// The purse's part of a home's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurseConfig {
    /// The address of the bank, `https://…`.
    pub bank: String,
    /// The bank's certified name.
    pub name: String,
    /// The number of our account there.
    pub account: String,
    /// Ways in which it pays in a fair exchange.
    #[serde(default, skip_serializing_if = "Modes::is_usual")]
    pub modes: Modes,
}

/// The purse: one account at one bank.
#[derive(Debug)]
pub struct Purse {
    config: PurseConfig,
    net: Client,
    verifier: Verifier,
    /// The bank's key, once it is known, and since when.
    bank: Mutex<Option<(PublicKey, Timestamp)>>,
}

/// How long a bank's key is taken for its present one. An exchange under a former one goes on; a
/// bank signs by both.
const FRESH: Duration = Duration::from_secs(300);

impl Purse {
    /// A purse; `verifier` believes the bank.
    pub fn new(config: PurseConfig, net: Client, verifier: Verifier) -> Self {
        Self { config, net, verifier, bank: Mutex::default() }
    }

    /// Posts a request; what the bank answers, if it does not refuse.
    fn post(&self, request: Request, url: &str, body: &[u8]) -> Result<Vec<u8>, PaymentError> {
        reachable()?;
        let response = self
            .net
            .post(url, request.media_type(), body.to_vec(), MAX_ANSWER)
            .map_err(|error| PaymentError::Away(error.to_string()))?;
        match Answer::of(response.status, response.body) {
            Answer::Done(body) => Ok(body),
            Answer::Refused(refusal) if refusal.code == Refusal::NoFunds => {
                Err(PaymentError::NoFunds)
            }
            Answer::Refused(refusal) => Err(PaymentError::Refused(refusal.words)),
            Answer::Away { status, .. } => Err(PaymentError::Away(format!("status {status}"))),
        }
    }

    /// The bank's present key, by its certificate.
    fn ask_key(&self, now: Timestamp) -> Result<PublicKey, PaymentError> {
        let away = |what: String| PaymentError::Away(what);
        let url = format!("{}{BANK}", self.config.bank);
        reachable()?;
        let answer = self.net.get(&url, MAX_ANSWER).map_err(|error| away(error.to_string()))?;
        if answer.status != 200 {
            return Err(away(format!("status {}", answer.status)));
        }
        let refused = |what: String| PaymentError::Refused(what);
        let chain: Vec<Certificate> =
            cbor::decode(&answer.body, MAX_ANSWER).map_err(|error| refused(error.to_string()))?;
        let bank = self.verifier.verify(&chain, Role::Bank, now).map_err(|error| {
            let what = format!("its certificate: {error}");
            if error.is_passing() { away(what) } else { refused(what) }
        })?;
        if bank.name != self.config.name {
            let (is, want) = (bank.name, &self.config.name);
            return Err(refused(format!("this is “{is}”, and not “{want}”")));
        }
        *self.bank.lock().unwrap_or_else(PoisonError::into_inner) = Some((bank.key, now));
        Ok(bank.key)
    }

    fn confirmed(
        &self,
        item: &[u8],
        now: Timestamp,
    ) -> Result<(Confirmed, DealId, PaymentConfirmation), PaymentError> {
        let invalid = |why: String| PaymentError::Invalid(why);
        let signed =
            SignedStatement::verify(item, &self.verifier, Role::Bank, now).map_err(|error| {
                if error.is_passing() {
                    PaymentError::Away(error.to_string())
                } else {
                    invalid(error.to_string())
                }
            })?;
        if signed.signer().name != self.config.name {
            let why =
                format!("confirmed by “{}”, not by “{}”", signed.signer().name, self.config.name);
            return Err(invalid(why));
        }
        let statement = signed.statement();
        let Content::PaymentConfirmation(done) = &statement.content else {
            return Err(invalid(format!("a {} is no payment", statement.content.kind().name())));
        };
        let confirmed = Confirmed {
            item: item.to_vec(),
            digest: signed.digest(),
            amount: done.amount,
            purpose: done.purpose,
            signer: signed.signer().name.clone(),
        };
        Ok((confirmed, statement.deal, done.clone()))
    }
}

/// Whether the bank answers.
fn reachable() -> Result<(), PaymentError> {
    if semper_base::fault::fails("bank.ask") {
        return Err(PaymentError::Away("the way there has failed, as was asked for".into()));
    }
    Ok(())
}

impl Module for Purse {
    fn name(&self) -> &str {
        PURSE
    }

    fn modes(&self) -> &[Mode] {
        self.config.modes.all()
    }

    fn account(&self) -> &str {
        &self.config.account
    }

    fn system(&self) -> &str {
        &self.config.name
    }

    fn known_system_key(&self) -> Option<PublicKey> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner).map(|(key, _)| key)
    }

    fn system_key(&self, now: Timestamp) -> Result<PublicKey, PaymentError> {
        let known = *self.bank.lock().unwrap_or_else(PoisonError::into_inner);
        match (known, known.map(|(_, since)| now.since(since) < FRESH)) {
            (Some((key, _)), Some(true)) => Ok(key),
            // A bank that does not answer has not renewed its key for anybody.
            (Some((key, _)), _) => self.ask_key(now).or(Ok(key)),
            (None, _) => self.ask_key(now),
        }
    }

    fn order(&self, intent: &Intent) -> PaymentOrder {
        PaymentOrder {
            bank: self.config.name.clone(),
            from: self.config.account.clone(),
            to: intent.payee.clone(),
            amount: intent.amount,
            purpose: intent.purpose,
            reference: intent.reference,
        }
    }

    fn execute(&self, signed_order: &[u8], now: Timestamp) -> Result<Confirmed, PaymentError> {
        let answer =
            self.post(Request::Payment, &Request::Payment.url(&self.config.bank), signed_order)?;
        Ok(self.confirmed(&answer, now)?.0)
    }

    fn hold(&self, signed_order: &[u8], by: &PublicKey) -> Result<Vec<u8>, PaymentError> {
        self.post(Request::Hold, &Request::Hold.url_by(&self.config.bank, by), signed_order)
    }

    fn claim(&self, claim: &[u8], by: &PublicKey) -> Result<Vec<u8>, PaymentError> {
        self.post(Request::Claim, &Request::Claim.url_by(&self.config.bank, by), claim)
    }

    fn accept(&self, item: &[u8], deal: DealId, now: Timestamp) -> Result<Confirmed, PaymentError> {
        let (confirmed, of, done) = self.confirmed(item, now)?;
        if of != deal {
            return Err(PaymentError::Invalid(format!("it belongs to {of}")));
        }
        if done.to != self.config.account {
            return Err(PaymentError::Invalid(format!("it goes to account {}", done.to)));
        }
        Ok(confirmed)
    }
}
