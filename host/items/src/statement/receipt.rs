//! The receipt.

use semper_base::{Amount, Digest};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, positive};
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};

/// See [`Content::Receipt`](super::Content::Receipt).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The order that was paid.
    pub order: Digest,
    /// The bank's confirmation; for a payment in the same exchange, which has none yet, the
    /// payment's reference.
    pub payment: Digest,
    /// How much was received.
    pub amount: Amount,
}

impl Declaration for Receipt {
    fn check(&self) -> Result<(), ContentError> {
        positive("amount", self.amount)
    }

    fn amount(&self) -> Option<Amount> {
        Some(self.amount)
    }

    fn refers(&self) -> Vec<Digest> {
        vec![self.order, self.payment]
    }

    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        vec![&mut self.order, &mut self.payment]
    }

    fn title(&self, peer: &str) -> String {
        format!("Receipt for {} to {peer}", self.amount)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![
            Row::new("for", Value::Statement(self.order)),
            Row::new("amount", Value::Amount(self.amount)),
        ]
    }

    fn means(&self) -> String {
        "You confirm that you have the money.".into()
    }

    fn example() -> Self {
        let amount = example::eur(4488);
        Self { order: example::digest(), payment: example::digest(), amount }
    }
}
