//! Fair exchanges in a deal: what a component gives and wants becomes wishes of the exchange
//! layer; what both wish becomes an agreement; what has come becomes handles again.
//!
//! | file | what it is for |
//! |---|---|
//! | `draw` | proposals and answers: drawing them up, and reading the other side's |
//! | `obtained` | what an exchange has come to, and the statements that it gave |
//!
//! The machines are driven by the host, whatever becomes of the component that began them.

mod draw;
mod obtained;

use semper_base::{Amount, Digest, PublicKey, Timestamp};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{Counter, Propose};
use semper_exchange::package::{Enclosed, MAX_TALK, Part, Wanted};
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Mode, Role};
use semper_items::DealKeys;
use semper_items::statement::Content;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub(crate) use draw::{answered, moved, proposed, receipts_match, wanted};
pub use draw::{draw_up, receipt_names, secrets};
pub use semper_archive::chain::END_OF_EXCHANGE;

pub use obtained::{Declared, Got, MAX_STORED, Outcome};

/// The call in which the person decides about an exchange.
pub const CONSENT: &str = "exchange/consent";
/// Bytes of one information in an exchange, at most.
pub const MAX_INFO: usize = 192 * 1024;
/// Bytes of all that one side gives in an exchange, at most: the rest of what may be said before
/// one is for signatures, keys and third parties.
pub(crate) const MAX_GIVEN: usize = MAX_TALK - 48 * 1024;

/// One leaf of what a component gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Give {
    /// A statement, to be signed.
    Statement(Box<Content>),
    /// So much money for this order.
    Money(Amount, Digest),
    /// Information of a kind.
    Information(String, ByteBuf),
}

/// How this side pays and is paid in this deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Till {
    /// The payment module.
    pub module: String,
    /// Ways in which it pays, most liked first.
    pub modes: Vec<Mode>,
    /// The payment system's name.
    pub system: String,
    /// The key by which the payment system signs facts.
    pub key: PublicKey,
    /// Our account.
    pub account: String,
}

/// A signed proposal: the first message of a negotiation.
pub type Proposal = Signed<Standard, Propose<Standard>>;

/// A signed counter: what an answerer would exchange instead.
pub type Countered = Signed<Standard, Counter<Standard>>;

/// A proposal that is to be drawn up, or the answer to one.
#[derive(Debug)]
pub struct ToDraw<'a> {
    /// The leaves that we give.
    pub gives: &'a [Give],
    /// The leaves that we want, in a proposal.
    pub wants: &'a [Wanted],
    /// The proposal that is answered, and what it gives.
    pub answers: Option<(&'a Proposal, &'a [Part])>,
    /// The last counter of this negotiation: the other side's, if we propose; ours, if we answer.
    pub counter: Option<&'a Countered>,
    /// How we pay.
    pub till: Option<Till>,
    /// The account that is paid.
    pub payee: Option<String>,
    /// The time.
    pub at: Timestamp,
}

/// One side's package: in the deal's words, and what stands behind its leaves.
#[derive(Debug)]
pub struct Package {
    /// Its parts.
    pub parts: Vec<Part>,
    /// What stands behind the parts' digests.
    pub enclosed: Vec<Enclosed>,
}

/// An exchange that is about to begin.
#[derive(Debug)]
pub struct Begun<'a> {
    /// What both have agreed to.
    pub agreement: &'a Agreed<Standard>,
    /// What we give.
    pub ours: &'a Package,
    /// What the other side gives.
    pub theirs: &'a Package,
    /// Whether we have proposed it.
    pub proposed: bool,
}

impl Begun<'_> {
    /// Which role is ours.
    pub fn role(&self, keys: &DealKeys) -> Role {
        match self.agreement.originator.sign == keys.sign {
            true => Role::Originator,
            false => Role::Responder,
        }
    }
}
