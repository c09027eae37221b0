//! Statements: what a party declares in a deal and signs.
//!
//! A statement names its deal and the moment it was made, so a signature for one deal is
//! never evidence in another. [`Statement::decode`] gives only statements that make sense in
//! themselves (totals add up, texts are bounded); whether they fit the deal is for the flow.
//!
//! | module | what it is for |
//! |---|---|
//! | `kinds` | the table of kinds: [`Kind`] and [`Content`] are made of it |
//! | `entry` | what the table says of a kind: its [`Entry`] |
//! | `declaration` | what a kind's record says of itself |
//! | `offer`, `order` … | a kind's record, in a file of its own |
//! | `rows` | what a statement says, row by row, for screens |
//! | `bounds` | what texts and amounts must keep to |

mod bounds;
mod completion;
mod declaration;
mod entry;
mod example;
mod hold_order;
mod kinds;
mod offer;
mod order;
mod payment_confirmation;
mod payment_order;
mod receipt;
mod rows;
mod shipping_note;
mod withdrawal;

use semper_base::cbor::{self, CborError};
use semper_base::{DealId, Timestamp};
use serde::{Deserialize, Serialize};

pub use bounds::ContentError;
pub use completion::Completion;
pub use entry::{Binds, By, Entry, Says, Sum};
pub use hold_order::{HoldKind, HoldOrder};
pub use kinds::{Content, Kind, UnknownKind};
pub use offer::{Line, Offer};
pub use order::{Address, Order};
pub use payment_confirmation::PaymentConfirmation;
pub use payment_order::PaymentOrder;
pub use receipt::Receipt;
pub use rows::{Row, Value, referred};
pub use shipping_note::ShippingNote;
pub use withdrawal::Withdrawal;

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

    /// What it is in one sentence, for referring to it later.
    pub fn summary(&self) -> String {
        self.content.summary(&self.made.date())
    }
}
