//! The offer.

use semper_base::{Amount, Timestamp};
use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, bounded, not_negative, positive, text};
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};
use crate::limits;

/// See [`Content::Offer`](super::Content::Offer).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The merchant's own number for it.
    pub number: String,
    /// What is offered.
    pub lines: Vec<Line>,
    /// What delivery costs.
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
    /// What it is, in words.
    pub title: String,
    /// Size, colour and the like, in words; may be empty.
    pub variant: String,
    /// How many.
    pub quantity: u32,
    /// What one costs.
    pub unit: Amount,
}

impl Line {
    /// What and how many, and what one costs, in words.
    pub(super) fn drawn(&self) -> (String, String) {
        let what = format!("{} × {} {}", self.quantity, self.title, self.variant);
        (what.trim_end().to_owned(), format!("{} each", self.unit))
    }
}

impl Declaration for Offer {
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

    fn amount(&self) -> Option<Amount> {
        Some(self.total)
    }

    fn payee(&self) -> Option<&str> {
        Some(&self.account)
    }

    fn valid_until(&self) -> Option<Timestamp> {
        Some(self.valid_until)
    }

    fn title(&self, peer: &str) -> String {
        format!("Offer {} to {peer}", self.number)
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let Self { delivery: cost, delivery_days: days, .. } = *self;
        vec![
            Row::new("lines", Value::Lines(&self.lines)),
            Row::new("delivery", Value::Delivery { cost, days }),
            Row::new("total", Value::Amount(self.total)),
            Row::new("valid until", Value::Moment(self.valid_until)),
        ]
    }

    fn means(&self) -> String {
        "You are bound to deliver at this price until the offer ends.".into()
    }

    fn summary(&self, name: &str, made: &str) -> String {
        let first = self.lines.first().map_or("", |line| line.title.as_str());
        format!("{name} {} of {made}: {first} …, {} in total", self.number, self.total)
    }

    fn example() -> Self {
        Self {
            number: "A-1".into(),
            lines: vec![Line {
                article: "A0000001".into(),
                title: "woollen scarf".into(),
                variant: "(L, red)".into(),
                quantity: 2,
                unit: example::eur(1999),
            }],
            delivery: example::eur(490),
            total: example::eur(4488),
            delivery_days: 3,
            valid_until: example::date(),
            account: "acct:0123456789abcdef".into(),
        }
    }
}
