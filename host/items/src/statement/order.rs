//! The order.

use semper_base::{Amount, Digest};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, positive, text};
use super::declaration::Declaration;
use super::rows::{Row, Value};
use super::{Kind, example};

/// See [`Content::Order`](super::Content::Order).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The digest of the offer that is accepted.
    pub offer: Digest,
    /// What the buyer will pay: the offer's total.
    pub total: Amount,
    /// Where the goods go.
    pub ship_to: Address,
}

/// A postal address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each says what it is")]
pub struct Address {
    pub name: String,
    pub street: String,
    pub postcode: String,
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
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

    /// As a person reads it aloud.
    pub(super) fn in_one_line(&self) -> String {
        let Self { name, street, postcode, city, country } = self;
        format!("{name}, {street}, {postcode} {city}, {country}")
    }
}

impl Declaration for Order {
    fn check(&self) -> Result<(), ContentError> {
        positive("total", self.total)?;
        self.ship_to.check()
    }

    fn amount(&self) -> Option<Amount> {
        Some(self.total)
    }

    fn refers(&self) -> Vec<Digest> {
        vec![self.offer]
    }

    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        vec![&mut self.offer]
    }

    fn title(&self, peer: &str) -> String {
        format!("Order from {peer}")
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![
            Row::new("offer", Value::Accepted(Kind::Offer, self.offer)),
            Row::new("to pay", Value::Amount(self.total)),
            Row::new("deliver to", Value::Address(&self.ship_to)),
        ]
    }

    fn means(&self) -> String {
        format!("You buy for {}; the order binds you.", self.total)
    }

    fn example() -> Self {
        Self {
            offer: example::digest(),
            total: example::eur(4488),
            ship_to: Address {
                name: "Anna Berg".into(),
                street: "Lindenweg 4".into(),
                postcode: "22765".into(),
                city: "Hamburg".into(),
                country: "DE".into(),
            },
        }
    }
}
