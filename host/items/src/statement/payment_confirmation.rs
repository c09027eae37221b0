//! The bank's confirmation of a payment.

use semper_base::{Amount, Digest};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, positive, text};
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};

/// See [`Content::PaymentConfirmation`](super::Content::PaymentConfirmation).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentConfirmation {
    /// The digest of the payment order that was carried out.
    pub payment_order: Digest,
    /// The payer's account.
    pub from: String,
    /// The payee's account.
    pub to: String,
    /// How much was moved.
    pub amount: Amount,
    /// What for, as the payment order said.
    pub purpose: Digest,
    /// The ledger's entry.
    pub entry: u64,
}

impl Declaration for PaymentConfirmation {
    fn check(&self) -> Result<(), ContentError> {
        text("payer's account", &self.from)?;
        text("payee's account", &self.to)?;
        positive("amount", self.amount)
    }

    fn amount(&self) -> Option<Amount> {
        Some(self.amount)
    }

    fn refers(&self) -> Vec<Digest> {
        vec![self.payment_order, self.purpose]
    }

    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        vec![&mut self.payment_order, &mut self.purpose]
    }

    fn title(&self, _peer: &str) -> String {
        "Confirm a payment".into()
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![Row::new("amount", Value::Amount(self.amount))]
    }

    fn means(&self) -> String {
        "You confirm that money was moved.".into()
    }

    fn example() -> Self {
        Self {
            payment_order: example::digest(),
            from: "acct:1".into(),
            to: "acct:2".into(),
            amount: example::eur(4488),
            purpose: example::digest(),
            entry: 7,
        }
    }
}
