//! The purse: an account at a bank, paid by signed payment orders (the trials' generic test
//! purse, seed 2 §4).
//!
//! The bank books a payment order once, whatever it is asked, and signs a confirmation; the
//! confirmation is the money item that travels to the payee. In a fair exchange the bank holds
//! the money instead, and says so in signed facts: locked money promises everything that the
//! exchange layer can make use of.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use semper_bank_protocol::{Answer, BANK, MAX_ANSWER, Refusal, Request};
use semper_base::cert::Verifier;
use semper_base::{Certificate, DealId, PublicKey, Role, Timestamp, cbor};
use semper_items::SignedStatement;
use semper_items::agreement::PURSE;
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder};
use semper_net::Client;
use semper_payment::{Confirmed, Intent, Mode, Module, PaymentError};
use serde::{Deserialize, Serialize};

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
}

/// The purse: one account at one bank.
#[derive(Debug)]
pub struct Purse {
    config: PurseConfig,
    net: Client,
    verifier: Verifier,
    /// The bank's key, once it is known.
    bank: OnceLock<PublicKey>,
}

impl Purse {
    /// A purse; `verifier` believes the bank.
    pub fn new(config: PurseConfig, net: Client, verifier: Verifier) -> Self {
        Self { config, net, verifier, bank: OnceLock::new() }
    }

    /// Posts a request; what the bank answers, if it does not refuse.
    fn post(&self, request: Request, body: &[u8]) -> Result<Vec<u8>, PaymentError> {
        let url = request.url(&self.config.bank);
        reachable()?;
        let response = self
            .net
            .post(&url, request.media_type(), body.to_vec(), MAX_ANSWER)
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
        &[Mode::Hold, Mode::Plain]
    }

    fn account(&self) -> &str {
        &self.config.account
    }

    fn system(&self) -> &str {
        &self.config.name
    }

    fn known_system_key(&self) -> Option<PublicKey> {
        self.bank.get().copied()
    }

    fn system_key(&self, now: Timestamp) -> Result<PublicKey, PaymentError> {
        if let Some(key) = self.known_system_key() {
            return Ok(key);
        }
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
        Ok(*self.bank.get_or_init(|| bank.key))
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
        let answer = self.post(Request::Payment, signed_order)?;
        Ok(self.confirmed(&answer, now)?.0)
    }

    fn hold(&self, signed_order: &[u8]) -> Result<Vec<u8>, PaymentError> {
        self.post(Request::Hold, signed_order)
    }

    fn claim(&self, claim: &[u8]) -> Result<Vec<u8>, PaymentError> {
        self.post(Request::Claim, claim)
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
