//! Fair exchanges in a deal: what a component gives and wants becomes wishes of the exchange
//! layer; what both wish becomes an agreement; what has come becomes handles again.
//!
//! | file | what it is for |
//! |---|---|
//! | `draw` | proposals and answers: drawing them up, and reading the other side's |
//! | `holder` | keys and goods of a deal, as the exchange layer wants them: the TINGUIN's |
//! | `stored` | an exchange as it lies in the archive, and what it has given at its end |
//!
//! The machines are driven by [`crate::host`], whatever becomes of the component that began them.

mod draw;
mod holder;
mod stored;

use semper_base::{Amount, Digest, PublicKey};
use semper_exchange::Mode;
use semper_items::statement::Content;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub(crate) use draw::{
    Drawing, NotDrawn, Terms, answered, moved, proposed, receipt_names, receipts_match, wanted,
};
pub(crate) use holder::{DealHolder, StageHolder};
pub use stored::Declared;
pub(crate) use stored::{Got, Machine, Outcome, Stored, outcome};

/// Bytes of one information in an exchange, at most.
pub(crate) const MAX_INFO: usize = 192 * 1024;

/// What a component gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Give {
    /// A statement, signed.
    Statement(Box<Content>),
    /// So much money for this.
    Money(Amount, Digest),
    /// Information of a kind.
    Information(String, ByteBuf),
}

/// How this side pays and is paid in this deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Till {
    /// The payment module.
    pub module: String,
    /// Ways in which it pays, most liked first.
    pub modes: Vec<Mode>,
    /// The payment system's name, and the key by which it signs facts.
    pub system: String,
    pub key: PublicKey,
    /// Our account.
    pub account: String,
}
