//! Statements: what a party declares in a deal and signs.
//!
//! A statement names its deal and the moment it was made, so a signature for one deal is
//! never evidence in another. [`Statement::decode`] gives only statements that make sense in
//! themselves (totals add up, texts are bounded); whether they fit the deal is for the flow.

use semper_base::cbor::{self, CborError};
use semper_base::{Amount, AmountError, DealId, Digest, Mend, PublicKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits;

/// A statement: in which deal, when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The deal it belongs to.
    pub deal: DealId,
    /// When the signer says that it was made.
    pub made: Timestamp,
    /// The declaration itself.
    pub content: Content,
}

/// The content of a statement. Seed 2 §2.1 and §4.1 name offer, order, payment, receipt and
/// delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Content {
    /// The merchant binds itself to these goods at this price until a date.
    Offer(Offer),
    /// The buyer accepts an offer.
    Order(Order),
    /// The payer tells its bank to pay.
    PaymentOrder(PaymentOrder),
    /// The payer tells its bank to hold or pay money under the conditions of a fair exchange.
    HoldOrder(HoldOrder),
    /// The bank says that it has paid.
    PaymentConfirmation(PaymentConfirmation),
    /// The merchant has received the money.
    Receipt(Receipt),
    /// The merchant has handed over the goods.
    ShippingNote(ShippingNote),
    /// The buyer has what was ordered; the deal is done.
    Completion(Completion),
    /// Either side leaves before the order binds.
    Withdrawal(Withdrawal),
}

/// The kind of a statement, by which grants and flows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the variant of Content with its name")]
pub enum Kind {
    Offer,
    Order,
    PaymentOrder,
    HoldOrder,
    PaymentConfirmation,
    Receipt,
    ShippingNote,
    Completion,
    Withdrawal,
}

impl Kind {
    /// The name as flows and grants write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Order => "order",
            Self::PaymentOrder => "payment-order",
            Self::HoldOrder => "hold-order",
            Self::PaymentConfirmation => "payment-confirmation",
            Self::Receipt => "receipt",
            Self::ShippingNote => "shipping-note",
            Self::Completion => "completion",
            Self::Withdrawal => "withdrawal",
        }
    }
}

/// The merchant's offer: goods and price, to which it is bound until a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The merchant's own number for it.
    pub number: String,
    /// The goods, line by line.
    pub lines: Vec<Line>,
    /// The price of delivery.
    pub delivery: Amount,
    /// Lines and delivery together.
    pub total: Amount,
    /// Days until the goods arrive.
    pub delivery_days: u16,
    /// Until when the merchant is bound.
    pub valid_until: Timestamp,
    /// The merchant's account that payment goes to.
    pub account: String,
}

/// One line of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The merchant's article number.
    pub article: String,
    /// The name of the article, in words.
    pub title: String,
    /// Size, colour and the like, in words; may be empty.
    pub variant: String,
    /// The number of pieces.
    pub quantity: u32,
    /// The price of one piece.
    pub unit: Amount,
}

/// The buyer's acceptance of one offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The digest of the offer that is accepted.
    pub offer: Digest,
    /// The amount that the buyer will pay: the offer's total.
    pub total: Amount,
    /// Where the goods go.
    pub ship_to: Address,
}

/// The postal address that goods are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each says what it is")]
pub struct Address {
    pub name: String,
    pub street: String,
    pub postcode: String,
    pub city: String,
    /// The country by ISO 3166-1 alpha-2.
    pub country: String,
}

/// The payer's order to its bank to pay once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentOrder {
    /// The bank's certified name.
    pub bank: String,
    /// The account that pays.
    pub from: String,
    /// The account that is paid.
    pub to: String,
    /// The amount to pay.
    pub amount: Amount,
    /// The purpose: the digest of the signed order's statement.
    pub purpose: Digest,
    /// Idempotency key, derived from the deal and the call; the bank books it once.
    pub reference: Digest,
}

/// See [`Content::HoldOrder`]. The keys are those of the exchange: whoever holds one of them, and
/// nobody else, decides where the money goes (`docs/exchange.md`, “Money”).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldOrder {
    /// The bank's certified name.
    pub bank: String,
    /// The account that pays.
    pub from: String,
    /// The account that is paid.
    pub to: String,
    /// The amount to hold.
    pub amount: Amount,
    /// The kind of hold.
    pub kind: HoldKind,
    /// The exchange under whose conditions it is held.
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

/// The kind of hold.
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

/// The bank's word that it has carried a payment order out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentConfirmation {
    /// The digest of the payment order that was carried out.
    pub payment_order: Digest,
    /// The account that has paid.
    pub from: String,
    /// The account that was paid.
    pub to: String,
    /// How much was moved.
    pub amount: Amount,
    /// The purpose, as the payment order said.
    pub purpose: Digest,
    /// The number of the entry in the bank's books.
    pub entry: u64,
}

/// The merchant's word that it has the money for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The order that was paid.
    pub order: Digest,
    /// The digest of the bank's confirmation; in an exchange, the payment's reference.
    pub payment: Digest,
    /// How much was received.
    pub amount: Amount,
}

/// The merchant's word that the goods are on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShippingNote {
    /// The order that was sent off.
    pub order: Digest,
    /// The carrier's or the merchant's number for the parcel.
    pub parcel: String,
    /// By when it arrives.
    pub arrives_by: Timestamp,
}

/// The buyer's word that everything has come: the deal is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The order that is done.
    pub order: Digest,
}

/// A side's word that it leaves before an order binds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Why, in the words of whoever withdraws.
    pub reason: String,
}

/// Why a statement makes no sense in itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Not the canonical encoding of a statement.
    #[error("not a statement: {0}")]
    Cbor(#[from] CborError),
    /// A field is out of its bounds.
    #[error("the statement's {field} {fault}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// The fault in it.
        fault: String,
    },
    /// Amounts that do not add.
    #[error("the statement's amounts do not add: {0}")]
    Amount(#[from] AmountError),
    /// The offer's total is not the sum of its lines and delivery.
    #[error("the offer says {said} in total, but its lines and delivery make {sum}")]
    Total {
        /// The total as the statement says it.
        said: Amount,
        /// The total as its lines add up.
        sum: Amount,
    },
}

impl Mend for ContentError {
    fn mend(&self) -> String {
        "the service that made this statement must be mended by its author".into()
    }
}

impl Content {
    /// The kind, by which flows and grants name it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Offer(_) => Kind::Offer,
            Self::Order(_) => Kind::Order,
            Self::PaymentOrder(_) => Kind::PaymentOrder,
            Self::HoldOrder(_) => Kind::HoldOrder,
            Self::PaymentConfirmation(_) => Kind::PaymentConfirmation,
            Self::Receipt(_) => Kind::Receipt,
            Self::ShippingNote(_) => Kind::ShippingNote,
            Self::Completion(_) => Kind::Completion,
            Self::Withdrawal(_) => Kind::Withdrawal,
        }
    }

    /// The money that the statement is about, if it is about money.
    pub fn amount(&self) -> Option<Amount> {
        match self {
            Self::Offer(offer) => Some(offer.total),
            Self::Order(order) => Some(order.total),
            Self::PaymentOrder(order) => Some(order.amount),
            Self::HoldOrder(order) => Some(order.amount),
            Self::PaymentConfirmation(done) => Some(done.amount),
            Self::Receipt(receipt) => Some(receipt.amount),
            Self::ShippingNote(_) | Self::Completion(_) | Self::Withdrawal(_) => None,
        }
    }

    /// Checks bounds and sums.
    pub fn check(&self) -> Result<(), ContentError> {
        match self {
            Self::Offer(offer) => offer.check(),
            Self::Order(order) => {
                positive("total", order.total)?;
                order.ship_to.check()
            }
            Self::PaymentOrder(order) => {
                text("bank", &order.bank)?;
                text("payer's account", &order.from)?;
                text("payee's account", &order.to)?;
                positive("amount", order.amount)
            }
            Self::HoldOrder(order) => {
                text("bank", &order.bank)?;
                text("payer's account", &order.from)?;
                text("payee's account", &order.to)?;
                positive("amount", order.amount)
            }
            Self::PaymentConfirmation(done) => {
                text("payer's account", &done.from)?;
                text("payee's account", &done.to)?;
                positive("amount", done.amount)
            }
            Self::Receipt(receipt) => positive("amount", receipt.amount),
            Self::ShippingNote(note) => text("parcel", &note.parcel),
            Self::Completion(_) => Ok(()),
            Self::Withdrawal(withdrawal) => {
                bounded("reason", &withdrawal.reason, 0, limits::LONG_TEXT)
            }
        }
    }
}

impl Offer {
    fn check(&self) -> Result<(), ContentError> {
        text("number", &self.number)?;
        text("account", &self.account)?;
        if self.lines.is_empty() || self.lines.len() > limits::LINES {
            let fault = format!("must be 1 to {}, not {}", limits::LINES, self.lines.len());
            return Err(ContentError::Field { field: "number of lines", fault });
        }
        not_negative("delivery cost", self.delivery)?;
        let mut sum = self.delivery;
        for line in &self.lines {
            text("article", &line.article)?;
            text("title", &line.title)?;
            bounded("variant", &line.variant, 0, limits::TEXT)?;
            positive("price", line.unit)?;
            if line.quantity == 0 || line.quantity > limits::QUANTITY {
                let fault = format!("must be 1 to {}, not {}", limits::QUANTITY, line.quantity);
                return Err(ContentError::Field { field: "quantity", fault });
            }
            sum = sum.plus(line.unit.times(line.quantity)?)?;
        }
        if sum == self.total { Ok(()) } else { Err(ContentError::Total { said: self.total, sum }) }
    }
}

impl Address {
    fn check(&self) -> Result<(), ContentError> {
        text("name", &self.name)?;
        text("street", &self.street)?;
        text("postcode", &self.postcode)?;
        text("city", &self.city)?;
        let code = self.country.len() == 2 && self.country.bytes().all(|c| c.is_ascii_uppercase());
        if code {
            Ok(())
        } else {
            let fault = "must be two capital letters, such as DE".to_owned();
            Err(ContentError::Field { field: "country", fault })
        }
    }
}

impl Statement {
    /// Encodes, if the content makes sense.
    pub fn encode(&self) -> Result<Vec<u8>, ContentError> {
        self.content.check()?;
        let bytes = cbor::encode(self);
        if bytes.len() > limits::STATEMENT {
            return Err(CborError::TooLong { got: bytes.len(), most: limits::STATEMENT }.into());
        }
        Ok(bytes)
    }

    /// Parses the canonical encoding of a statement that makes sense.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        let statement: Self = cbor::decode(bytes, limits::STATEMENT)?;
        statement.content.check()?;
        Ok(statement)
    }
}

fn text(field: &'static str, text: &str) -> Result<(), ContentError> {
    bounded(field, text, 1, limits::TEXT)
}

fn bounded(field: &'static str, text: &str, least: usize, most: usize) -> Result<(), ContentError> {
    let count = text.chars().count();
    let fault = if count < least {
        "is empty".to_owned()
    } else if count > most {
        format!("has {count} characters where {most} are allowed")
    } else if text.chars().any(|c| c.is_control() || is_bidi(c)) {
        // Controls and direction marks could make a person read another text than is signed.
        "holds control or direction characters".to_owned()
    } else {
        return Ok(());
    };
    Err(ContentError::Field { field, fault })
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn positive(field: &'static str, amount: Amount) -> Result<(), ContentError> {
    if amount.minor() > 0 {
        return Ok(());
    }
    Err(ContentError::Field { field, fault: format!("must be more than nothing, not {amount}") })
}

fn not_negative(field: &'static str, amount: Amount) -> Result<(), ContentError> {
    if amount.minor() >= 0 {
        return Ok(());
    }
    Err(ContentError::Field { field, fault: format!("must not be negative, but is {amount}") })
}
