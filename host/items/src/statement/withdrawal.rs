//! The withdrawal.

use serde::{Deserialize, Serialize};

use super::bounds::{ContentError, bounded};
use super::declaration::Declaration;
use super::rows::{Row, Value};
use crate::limits;

/// See [`Content::Withdrawal`](super::Content::Withdrawal).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Why, in the words of whoever withdraws; may be empty.
    pub reason: String,
}

impl Declaration for Withdrawal {
    fn check(&self) -> Result<(), ContentError> {
        bounded("reason", &self.reason, 0, limits::LONG_TEXT)
    }

    fn title(&self, peer: &str) -> String {
        format!("Withdraw from the deal with {peer}")
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![Row::new("reason", Value::Text(&self.reason))]
    }

    fn means(&self) -> String {
        "You leave; nothing was ordered.".into()
    }

    fn example() -> Self {
        Self { reason: "too dear".into() }
    }
}
