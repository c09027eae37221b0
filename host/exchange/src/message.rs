//! The four messages of an exchange, and what they carry for each leaf.
//!
//! ```text
//! originator                                   responder
//!   X1 PROMISE { agreement, tokens } ────────────▶
//!   ◀──────────── X2 ACCEPT { H(X1), tokens }
//!   X3 DELIVER { H(X2), items } ─────────────────▶
//!   ◀──────────── X4 SETTLE { H(X3), items }
//! ```
//!
//! Every message is signed by its maker's key of this exchange, names the exchange, and names
//! the message before it by its digest, so none can be taken for one of another exchange.

use semper_base::Digest;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::bank::{Fact, Release, Waiver};
use crate::crypto::{Body, Crypto, Signed};
use crate::item::EscrowCertificate;

/// A token stands for a leaf before it is delivered: by it the third party can make it happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Token<C: Crypto> {
    /// Nothing is needed: the signature on the promise empowers the third party (statements),
    /// or the item comes later by itself.
    Nothing,
    /// Information: one share for the third party, one for the peer.
    Escrow {
        /// The escrowed share, sealed to the third party and bound to this leaf.
        escrow: C::Sealed,
        /// The peer's share, sealed to the peer and bound to this leaf.
        share: C::Sealed,
    },
    /// Information whose escrow the third party has looked at before.
    Certified {
        /// The certificate, with the escrow that was looked at.
        certificate: Box<Signed<C, EscrowCertificate<C>>>,
        /// The peer's share, sealed to the peer and bound to this leaf.
        share: C::Sealed,
    },
    /// Money: what the payment system says about it.
    Fact(Box<Signed<C, Fact<C>>>),
}

/// The item of one leaf, as X3 or X4 delivers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Delivery<C: Crypto> {
    /// The signature under a statement, over [`crate::item::ItemSignature`].
    Signature(C::Signature),
    /// The escrowed share of an information's key.
    Key(C::Share),
    /// Locked money is let go.
    Release(Signed<C, Release>),
    /// A provisional payment is given up for good: what the payment system says about it, and
    /// the waiver.
    Waiver(Box<Signed<C, Fact<C>>>, Signed<C, Waiver>),
    /// It came with an earlier message: the payment itself.
    Before,
}

/// X1: the originator binds itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Promise<C: Crypto> {
    /// The whole agreement; its digest names the exchange.
    pub agreement: Agreed<C>,
    /// One for each of the originator's leaves.
    pub tokens: Vec<Token<C>>,
}

/// X2: the responder binds itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Accept<C: Crypto> {
    /// The promise that it answers.
    pub promise: Digest,
    /// One for each of the responder's leaves.
    pub tokens: Vec<Token<C>>,
}

/// X3: the originator delivers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Deliver<C: Crypto> {
    /// The acceptance that it answers.
    pub accept: Digest,
    /// One for each of the originator's leaves.
    pub items: Vec<Delivery<C>>,
}

/// X4: the responder delivers, and says that it has received and checked what it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Settle<C: Crypto> {
    /// The delivery that it answers: the receipt for it.
    pub deliver: Digest,
    /// One for each of the responder's leaves.
    pub items: Vec<Delivery<C>>,
}

impl<C: Crypto> Body for Promise<C> {
    const KIND: &'static str = "promise";
}

impl<C: Crypto> Body for Accept<C> {
    const KIND: &'static str = "accept";
}

impl<C: Crypto> Body for Deliver<C> {
    const KIND: &'static str = "deliver";
}

impl<C: Crypto> Body for Settle<C> {
    const KIND: &'static str = "settle";
}

/// Any of the four, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Message<C: Crypto> {
    /// X1, the originator's promise.
    Promise(Signed<C, Promise<C>>),
    /// X2, the responder's promise in answer.
    Accept(Signed<C, Accept<C>>),
    /// X3, the originator's items.
    Deliver(Signed<C, Deliver<C>>),
    /// X4, the responder's items, and the receipt for X3.
    Settle(Signed<C, Settle<C>>),
}

impl<C: Crypto> Message<C> {
    /// The exchange that it says it belongs to.
    pub fn subject(&self) -> Digest {
        match self {
            Self::Promise(signed) => signed.subject(),
            Self::Accept(signed) => signed.subject(),
            Self::Deliver(signed) => signed.subject(),
            Self::Settle(signed) => signed.subject(),
        }
    }

    /// `promise`, `accept`, `deliver` or `settle`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Promise(_) => Promise::<C>::KIND,
            Self::Accept(_) => Accept::<C>::KIND,
            Self::Deliver(_) => Deliver::<C>::KIND,
            Self::Settle(_) => Settle::<C>::KIND,
        }
    }
}
