//! Items of an exchange: leaves of three kinds, their promises, and packages of them.
//!
//! A *leg* is what one side gives: a package whose leaves are signatures, information and money.
//! A package promises no more than its weakest leaf.

use semper_base::{Amount, Digest};
use semper_items::{Excludes, Generates, Mode, Properties};
use serde::{Deserialize, Serialize};

use crate::crypto::{Body, Crypto, Half};

/// Leaves of one leg at most.
pub const MAX_LEAVES: usize = 16;
/// Characters of a leaf's path, a payee's account and the like.
pub const MAX_TEXT: usize = 200;

/// A party's role in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Promises first, and may give up until it has delivered.
    Originator,
    /// Answers; from then on it can only complete, or be released by the third party.
    Responder,
}

impl Role {
    /// The role of the other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Originator => Self::Responder,
            Self::Responder => Self::Originator,
        }
    }

    /// The role in words: `originator` or `responder`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Originator => "originator",
            Self::Responder => "responder",
        }
    }
}

/// One item of a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Leaf<C: Crypto> {
    /// Its place in the package, such as `0.1`.
    pub path: String,
    /// The item as both agree on it.
    pub item: Item<C>,
}

/// A leaf's item. Prose is never here: only its digest, so that a third party learns none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Item<C: Crypto> {
    /// A signature under a statement.
    Statement {
        /// The digest of the canonical statement.
        statement: Digest,
        /// The key that has to sign it.
        signer: C::Key,
        /// Whether the third party's affidavit may take the signature's place.
        affidavit: bool,
    },
    /// Information that travels encrypted and is opened at the end.
    Information(Information),
    /// Money that a payment system holds or pays.
    Money(Money<C>),
}

/// Information as both agree on it: everything fixed but the two shares of its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Information {
    /// The salted digest of its description in words.
    pub description: Digest,
    /// Root of the encrypted chunks.
    pub cipher: Digest,
    /// Bytes of the plain information.
    pub length: u64,
    /// Root of the plain chunks, where the buyer knows it beforehand.
    pub content: Option<Digest>,
    /// Fresh for each encryption.
    pub salt: Digest,
    /// Commitment to the share that is escrowed.
    pub escrowed: Digest,
    /// Commitment to the share that the peer gets at once.
    pub peers: Digest,
}

impl Information {
    /// Whether this is the share that was committed to.
    pub fn is_share<C: Crypto>(&self, half: Half, share: &C::Share) -> bool {
        let committed = match half {
            Half::Escrowed => self.escrowed,
            Half::Peers => self.peers,
        };
        C::commitment(half, &self.salt, share) == committed
    }
}

/// Money as both agree on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Money<C: Crypto> {
    /// The name of the payment module.
    pub module: String,
    /// The way in which the module pays, which decides what a third party can do.
    pub mode: Mode,
    /// The amount, more than nothing.
    pub amount: Amount,
    /// The account that is paid.
    pub payee: String,
    /// The key by which the payment system signs facts about it.
    pub bank: C::Key,
}

impl<C: Crypto> Item<C> {
    /// The properties that it promises to the protocols; information that the third party has
    /// looked at beforehand promises more.
    pub fn properties(&self, certified: bool) -> Properties {
        match self {
            Self::Statement { affidavit: true, .. } => Properties {
                generates: Generates::Verifiably,
                excludes: Excludes::No,
                revocable: false,
            },
            Self::Statement { affidavit: false, .. } => Properties::default(),
            Self::Information(_) => Properties {
                generates: match certified {
                    true => Generates::Verifiably,
                    false => Generates::Unverifiably,
                },
                excludes: Excludes::No,
                revocable: false,
            },
            Self::Money(money) => money.mode.properties(),
        }
    }

    /// The money, if it is money.
    pub const fn money(&self) -> Option<&Money<C>> {
        match self {
            Self::Money(money) => Some(money),
            _ => None,
        }
    }
}

/// The body of a signature that is given: the exchange is the subject, so it counts in no
/// other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemSignature {
    /// The leaf in whose place the signature is given.
    pub leaf: Digest,
    /// The digest of the signed statement.
    pub statement: Digest,
}

impl Body for ItemSignature {
    const KIND: &'static str = "item-signature";
}

/// The third party's certificate after opening the escrow of an information once, off the
/// path of any exchange: from then on its sellers can promise it verifiably.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct EscrowCertificate<C: Crypto> {
    /// Root of the encrypted chunks.
    pub cipher: Digest,
    /// Root of the plain chunks, if the third party has looked into it.
    pub content: Option<Digest>,
    /// Commitment to the escrowed share; the subject of the signature.
    pub escrowed: Digest,
    /// The escrowed share, sealed to the third party and bound to its commitment.
    pub escrow: C::Sealed,
}

impl<C: Crypto> Body for EscrowCertificate<C> {
    const KIND: &'static str = "escrow-certificate";
}

/// Why information is not what was promised: what anybody can check who has the keys.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[serde(rename_all = "kebab-case")]
pub enum Fraud {
    /// The escrow does not hold the share that was committed to.
    #[error("the escrow does not hold the key that was promised")]
    Key,
    /// A chunk does not decrypt.
    #[error("a part cannot be decrypted with the promised key")]
    Cipher,
    /// A chunk is not what the description's digest says.
    #[error("a part is not what was described")]
    Content,
}
