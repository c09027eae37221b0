//! The shipping note.

use semper_base::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, text};
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};

/// See [`Content::ShippingNote`](super::Content::ShippingNote).
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

impl Declaration for ShippingNote {
    fn check(&self) -> Result<(), ContentError> {
        text("parcel", &self.parcel)
    }

    fn refers(&self) -> Vec<Digest> {
        vec![self.order]
    }

    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        vec![&mut self.order]
    }

    fn title(&self, peer: &str) -> String {
        format!("Shipping note to {peer}")
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![
            Row::new("for", Value::Statement(self.order)),
            Row::new("parcel", Value::Text(&self.parcel)),
            Row::new("arrives by", Value::Day(self.arrives_by)),
        ]
    }

    fn means(&self) -> String {
        "You confirm that the goods are on their way.".into()
    }

    fn example() -> Self {
        Self { order: example::digest(), parcel: "P-1".into(), arrives_by: example::date() }
    }
}
