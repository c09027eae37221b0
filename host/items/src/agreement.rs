//! The deal agreement: what both hosts sign before anything else, and whose hash is the deal id.
//!
//! HELLO (buyer) → AGREE (merchant, signed) → AGREED (buyer, signed): see `docs/deals.md`,
//! “Opening”.

mod way;

use schemars::JsonSchema;
use semper_base::cbor::{self, CborError};
use semper_base::cert::Verifier;
use semper_base::cose::{self, CoseError, Signatory};
use semper_base::{
    Certificate, DealId, Digest, Identity, PublicKey, Role, SealPublic, SigningKey, Timestamp,
};
use serde::{Deserialize, Serialize};

pub use way::{NoWay, Way};

/// The payment module that semper's hosts have, by its name in terms and agreements: money at a bank.
pub const PURSE: &str = "purse";

/// The domain that agreements are signed in.
pub const DOMAIN: &str = "agreement";
/// Bytes of one agreement.
pub const MAX_AGREEMENT: usize = 8 * 1024;
/// Bytes of one signed agreement.
pub const MAX_SIGNED: usize = MAX_AGREEMENT + 16 * 1024;

/// Which of the two a party is.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The one who opened the deal.
    Buyer,
    /// The one whose terms govern it.
    Seller,
}

impl Side {
    /// The side of the peer.
    pub const fn other(self) -> Self {
        match self {
            Self::Buyer => Self::Seller,
            Self::Seller => Self::Buyer,
        }
    }

    /// The certificate role that this side needs.
    pub const fn role(self) -> Role {
        match self {
            Self::Buyer => Role::Buyer,
            Self::Seller => Role::Merchant,
        }
    }

    /// The side in words: `buyer` or `seller`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Seller => "seller",
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no side of a deal: buyer or seller")]
pub struct NoSide(String);

impl std::str::FromStr for Side {
    type Err = NoSide;

    fn from_str(text: &str) -> Result<Self, NoSide> {
        let side = [Self::Buyer, Self::Seller].into_iter().find(|side| side.name() == text);
        side.ok_or_else(|| NoSide(text.chars().take(20).collect()))
    }
}

/// The keys that a party uses in this deal and no other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DealKeys {
    /// The key that messages and parts of exchanges are signed by.
    pub sign: PublicKey,
    /// Messages are sealed to it.
    pub seal: SealPublic,
}

/// Duties of every block that takes part in the deal (`docs/deals.md`, “Attributes”).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Messages are sealed to the peer's deal key, on top of TLS.
    pub confidential: bool,
    /// Statements carry non-repudiation of origin.
    pub non_repudiable: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self { confidential: true, non_repudiable: true }
    }
}

/// The buyer's opening: everything that it contributes to the agreement.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Fresh and random; two deals never share one.
    pub nonce: Digest,
    /// The terms that the buyer has verified.
    pub terms: Digest,
    /// The merchant's certified name, as the terms give it.
    pub merchant: String,
    /// The buyer's certified name.
    pub buyer: String,
    /// The buyer's keys for this deal.
    pub keys: DealKeys,
    /// Security attributes of the deal.
    pub attributes: Attributes,
    /// The buyer's ways to pay, most liked first: the text form of [`Way`].
    pub payment: Vec<String>,
    /// When it was made.
    pub made: Timestamp,
}

/// The agreement that both sign; its digest is the deal's id.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// The buyer's HELLO, whole.
    pub hello: Hello,
    /// The merchant's fresh nonce.
    pub nonce: Digest,
    /// The merchant's keys for this deal.
    pub keys: DealKeys,
    /// The way to pay, chosen from the buyer's.
    pub payment: String,
    /// An agreement that is not countersigned until then is void.
    pub countersign_by: Timestamp,
    /// The deal ends by then.
    pub expires: Timestamp,
}

impl Agreement {
    /// The deal's identifier: the digest of the agreement.
    pub fn id(&self) -> DealId {
        DealId::new(Digest::of(&cbor::encode(self)))
    }

    /// The keys of a side in this deal.
    pub fn keys(&self, side: Side) -> &DealKeys {
        match side {
            Side::Buyer => &self.hello.keys,
            Side::Seller => &self.keys,
        }
    }

    /// A side's certified name.
    pub fn name(&self, side: Side) -> &str {
        match side {
            Side::Buyer => &self.hello.buyer,
            Side::Seller => &self.hello.merchant,
        }
    }

    /// The canonical encoding, which is hashed and signed.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Parses the canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        cbor::decode(bytes, MAX_AGREEMENT)
    }

    /// Signs it with a certified key.
    pub fn sign(&self, key: &SigningKey, chain: Vec<Certificate>) -> Vec<u8> {
        cose::sign(key, &Signatory::Chain(chain), DOMAIN, &self.encode())
    }
}

/// An agreement that one side has signed, verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedAgreement {
    /// The agreement that the signature covers.
    pub agreement: Agreement,
    /// The signer, by its certificate.
    pub signer: Identity,
    /// The COSE_Sign1 structure as it travelled.
    pub bytes: Vec<u8>,
}

/// Why a signed agreement is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// Form, signature or certificate.
    #[error("the agreement's signature is not accepted: {0}")]
    Signature(#[from] CoseError),
    /// Not an agreement.
    #[error("the signed agreement cannot be read: {0}")]
    Cbor(#[from] CborError),
    /// Signed under another name than the agreement gives that side.
    #[error("signed by “{got}”, but the agreement names “{want}” as {}", side.name())]
    OtherName {
        /// Which side signed.
        side: Side,
        /// The certified name of the signer.
        got: String,
        /// The name in the agreement.
        want: String,
    },
}

impl SignedAgreement {
    /// Verifies that `side` has signed, under the name that the agreement gives it.
    pub fn verify(
        bytes: &[u8],
        side: Side,
        verifier: &Verifier,
        at: Timestamp,
    ) -> Result<Self, AgreementError> {
        let parsed = cose::parse(bytes, DOMAIN, MAX_SIGNED)?;
        let (payload, signer) = parsed.verify_identity(verifier, side.role(), at)?;
        let agreement = Agreement::decode(&payload)?;
        if agreement.name(side) != signer.name {
            let want = agreement.name(side).to_owned();
            return Err(AgreementError::OtherName { side, got: signer.name, want });
        }
        Ok(Self { agreement, signer, bytes: bytes.to_vec() })
    }
}
