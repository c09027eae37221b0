//! The payment order.

use semper_base::{Amount, Digest};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, positive, text};
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};

/// See [`Content::PaymentOrder`](super::Content::PaymentOrder).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentOrder {
    /// The bank's certified name.
    pub bank: String,
    /// The payer's account.
    pub from: String,
    /// The payee's account.
    pub to: String,
    /// How much.
    pub amount: Amount,
    /// What for: the digest of the signed order's statement.
    pub purpose: Digest,
    /// Idempotency key, derived from the deal and the call; the bank books it once.
    pub reference: Digest,
}

impl Declaration for PaymentOrder {
    fn check(&self) -> Result<(), ContentError> {
        text("bank", &self.bank)?;
        text("payer's account", &self.from)?;
        text("payee's account", &self.to)?;
        positive("amount", self.amount)
    }

    fn amount(&self) -> Option<Amount> {
        Some(self.amount)
    }

    fn refers(&self) -> Vec<Digest> {
        vec![self.purpose]
    }

    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        vec![&mut self.purpose]
    }

    fn title(&self, peer: &str) -> String {
        format!("Pay {} to {peer}", self.amount)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![
            Row::new("amount", Value::Amount(self.amount)),
            Row::new("from account", Value::Account { number: &self.from, bank: &self.bank }),
            Row::new("to account", Value::Text(&self.to)),
            Row::new("for", Value::Statement(self.purpose)),
        ]
    }

    fn means(&self) -> String {
        "The money leaves your account at once and cannot be called back.".into()
    }

    fn example() -> Self {
        Self {
            bank: "Test Bank".into(),
            from: "acct:1".into(),
            to: "acct:2".into(),
            amount: example::eur(4488),
            purpose: example::digest(),
            reference: example::digest(),
        }
    }
}
