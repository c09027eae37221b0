//! The completion.

use semper_base::Digest;
use serde::{Deserialize, Serialize};

use super::bounds::ContentError;
use super::declaration::Declaration;
use super::example;
use super::rows::{Row, Value};

/// See [`Content::Completion`](super::Content::Completion).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The order that is done.
    pub order: Digest,
}

impl Declaration for Completion {
    fn check(&self) -> Result<(), ContentError> {
        Ok(())
    }

    fn refers(&self) -> Vec<Digest> {
        vec![self.order]
    }

    fn refers_mut(&mut self) -> Vec<&mut Digest> {
        vec![&mut self.order]
    }

    fn title(&self, peer: &str) -> String {
        format!("Complete the deal with {peer}")
    }

    fn rows(&self) -> Vec<Row<'_>> {
        vec![Row::new("order", Value::Statement(self.order))]
    }

    fn means(&self) -> String {
        "You confirm that the deal is done; nothing more is owed by it.".into()
    }

    fn example() -> Self {
        Self { order: example::digest() }
    }
}
