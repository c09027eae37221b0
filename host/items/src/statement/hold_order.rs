//! The hold order.

use semper_base::{Amount, Digest, PublicKey, SigningKey, Timestamp};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, positive, text};
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};

/// See [`Content::HoldOrder`](super::Content::HoldOrder). The keys are those of the exchange:
/// whoever holds one of them, and nobody else, decides where the money goes
/// (`docs/exchange.md`, “Money”).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldOrder {
    /// The bank's certified name.
    pub bank: String,
    /// The payer's account.
    pub from: String,
    /// The payee's account.
    pub to: String,
    /// How much.
    pub amount: Amount,
    /// What kind of hold.
    pub kind: HoldKind,
    /// The exchange.
    pub exchange: Digest,
    /// The leaf of the exchange: held once.
    pub leaf: Digest,
    /// The commitment whose opening releases a hash lock: its salt, and the value.
    pub opens: Option<(Digest, Digest)>,
    /// When it falls back to the payer (a lock), or on to the payee (a payment).
    pub until: Timestamp,
    /// The payer's key: lets it go.
    pub payer: PublicKey,
    /// The payee's key: gives it back.
    pub payee: PublicKey,
    /// The third party's key: decides if it is asked.
    pub third_party: PublicKey,
    /// Whether the payer is the exchange's originator.
    pub originates: bool,
}

/// What kind of hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldKind {
    /// Locked; the payer's again if nobody says anything.
    Lock,
    /// Paid; can be revoked by the third party until it falls on to the payee.
    Provisional,
    /// Paid for good; the third party can only have it fenced before.
    Final,
}

impl Declaration for HoldOrder {
    fn check(&self) -> Result<(), ContentError> {
        text("bank", &self.bank)?;
        text("payer's account", &self.from)?;
        text("payee's account", &self.to)?;
        positive("amount", self.amount)
    }

    fn amount(&self) -> Option<Amount> {
        Some(self.amount)
    }

    fn title(&self, peer: &str) -> String {
        let amount = self.amount;
        match self.kind {
            HoldKind::Lock => format!("Lock {amount} for {peer}"),
            HoldKind::Provisional => format!("Pay {amount} to {peer}, provisionally"),
            HoldKind::Final => format!("Pay {amount} to {peer}"),
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![
            Row::new("amount", Value::Amount(self.amount)),
            Row::new("from account", Value::Account { number: &self.from, bank: &self.bank }),
            Row::new("to account", Value::Text(&self.to)),
            Row::new("until", Value::Moment(self.until)),
            Row::new("exchange", Value::Digest(self.exchange)),
            Row::new("third party", Value::Key(self.third_party.id())),
        ]
    }

    fn means(&self) -> String {
        match self.kind {
            HoldKind::Lock => {
                "The money leaves your account and is locked at your bank. It goes to the other \
                 side when you let it go or the third party decides so, and comes back to you \
                 otherwise."
            }
            HoldKind::Provisional => {
                "The money leaves your account. The third party can take it back if the exchange \
                 fails."
            }
            HoldKind::Final => "The money leaves your account at once and cannot be called back.",
        }
        .into()
    }

    fn example() -> Self {
        let key = |seed| SigningKey::from_seed(&[seed; 32]).public();
        Self {
            bank: "Test Bank".into(),
            from: "acct:1".into(),
            to: "acct:2".into(),
            amount: example::eur(4488),
            kind: HoldKind::Lock,
            exchange: example::digest(),
            leaf: example::digest(),
            opens: Some((example::digest(), example::digest())),
            until: example::date(),
            payer: key(1),
            payee: key(2),
            third_party: key(3),
            originates: false,
        }
    }
}
