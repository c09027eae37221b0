//! The purse: an account at a bank, paid by signed payment orders (the trials' generic test
//! purse, seed 2 §4).
//!
//! The bank books a payment order once, whatever it is asked, and signs a confirmation; the
//! confirmation is the money item that travels to the payee. No hold, no fence, no reversal:
//! the module promises nothing to the exchange layer.
#![forbid(unsafe_code)]

use semper_base::cert::Roots;
use semper_base::{DealId, Role, Timestamp};
use semper_items::SignedStatement;
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder};
use semper_net::Client;
use semper_payment::{Confirmed, Intent, Mode, Module, PaymentError};
use serde::{Deserialize, Serialize};

/// Where payment orders are posted at a bank.
pub const PAYMENTS: &str = "/semper/v1/payments";
/// Where requests about one's own account are posted.
pub const ACCOUNTS: &str = "/semper/v1/accounts";
/// Media type of signed structures.
pub const COSE: &str = "application/cose";
/// Largest answer of a bank, in bytes.
const MAX_ANSWER: usize = 128 * 1024;

/// The purse's part of a home's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurseConfig {
    /// The bank's address.
    pub bank: String,
    /// The bank's certified name.
    pub name: String,
    /// Our account there.
    pub account: String,
}

/// A bank's refusal, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankRefusal {
    /// `no-funds`, `unknown-account`, `conflict`, `not-yours` or `malformed`.
    pub code: String,
    /// In words.
    pub words: String,
}

/// The module.
#[derive(Debug)]
pub struct Purse {
    config: PurseConfig,
    net: Client,
    roots: Roots,
}

impl Purse {
    /// A purse; `roots` vouch for the bank.
    pub fn new(config: PurseConfig, net: Client, roots: Roots) -> Self {
        Self { config, net, roots }
    }

    fn confirmed(
        &self,
        item: &[u8],
        now: Timestamp,
    ) -> Result<(Confirmed, DealId, PaymentConfirmation), PaymentError> {
        let invalid = |why: String| PaymentError::Invalid(why);
        let signed = SignedStatement::verify(item, &self.roots, Role::Bank, now)
            .map_err(|error| invalid(error.to_string()))?;
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

impl Module for Purse {
    fn name(&self) -> &str {
        "purse"
    }

    fn modes(&self) -> &[Mode] {
        &[Mode::Hold, Mode::Plain]
    }

    fn account(&self) -> &str {
        &self.config.account
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
        let url = format!("{}{PAYMENTS}", self.config.bank);
        let response = self
            .net
            .post(&url, COSE, signed_order.to_vec(), MAX_ANSWER)
            .map_err(|error| PaymentError::Away(error.to_string()))?;
        match response.status {
            200 => Ok(self.confirmed(&response.body, now)?.0),
            // The bank answers a refusal with 4xx and JSON; anything else is a passing fault.
            400..=499 => match serde_json::from_slice::<BankRefusal>(&response.body) {
                Ok(refusal) if refusal.code == "no-funds" => Err(PaymentError::NoFunds),
                Ok(refusal) => Err(PaymentError::Refused(refusal.words)),
                Err(_) => Err(PaymentError::Away(format!("status {}", response.status))),
            },
            status => Err(PaymentError::Away(format!("status {status}"))),
        }
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
