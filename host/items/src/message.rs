//! A message of a deal: a header that chains it, and a container.

use semper_base::cbor::{self, CborError};
use semper_base::cose::{self, CoseError, Signatory};
use semper_base::{DealId, Digest, PublicKey, SigningKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::agreement::Side;
use crate::container::Container;
use crate::limits;

/// The domain that messages are signed in.
pub const DOMAIN: &str = "message";
/// Bytes of one message, signed.
pub const MAX_MESSAGE: usize = limits::CONTAINER + 4 * 1024;
/// HPKE `info` of sealed messages; the deal id is the additional data.
pub const SEAL_INFO: &[u8] = b"semper/v1/message";

/// The header chains a message to everything that its sender did before.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The deal that the message belongs to.
    pub deal: DealId,
    /// The side that sends it.
    pub from: Side,
    /// 1, 2, 3 … per sender, without gaps.
    pub seq: u64,
    /// The digest of the sender's previous message; zero for the first.
    pub previous: Digest,
    /// The head of the sender's journal: commits it to what its component saw and did.
    pub journal: Digest,
    /// When it was made.
    pub made: Timestamp,
}

/// A message: header and container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its place in the deal.
    pub header: Header,
    /// The items that it carries.
    pub container: Container,
}

impl Message {
    /// Signs with the sender's deal key.
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let signatory = Signatory::Key(key.public().id());
        cose::sign(key, &signatory, DOMAIN, &cbor::encode(self))
    }

    /// The digest by which the next message names this one.
    pub fn digest(&self) -> Digest {
        Digest::of(&cbor::encode(self))
    }

    /// The message in signed bytes, without a look at the signature: for bytes that were
    /// verified before they were stored.
    pub fn unverified(bytes: &[u8]) -> Option<Self> {
        let parsed = cose::parse(bytes, DOMAIN, MAX_MESSAGE).ok()?;
        Self::decode(parsed.peek()).ok()
    }

    /// Parses the canonical encoding of an unsigned message.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        cbor::decode(bytes, MAX_MESSAGE)
    }
}

/// A message whose signature belongs to the deal key that was demanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedMessage {
    /// The message that the signature covers.
    pub message: Message,
    /// The digest of its payload.
    pub digest: Digest,
    /// The COSE_Sign1 structure as it travelled.
    pub bytes: Vec<u8>,
}

/// Why bytes are not accepted as a message of this deal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Form or signature.
    #[error(transparent)]
    Signature(#[from] CoseError),
    /// Not a message.
    #[error("the signed message cannot be read: {0}")]
    Cbor(#[from] CborError),
    /// Of another deal or from the other side.
    #[error("the message is of {got} from the {}, expected {want} from the {}", from.name(), want_from.name())]
    Misaddressed {
        /// The deal that the message names.
        got: DealId,
        /// The sender that it names.
        from: Side,
        /// The deal in which it arrived.
        want: DealId,
        /// The sender that it must have there.
        want_from: Side,
    },
}

impl SignedMessage {
    /// Verifies that `from` signed this for `deal`.
    pub fn verify(
        bytes: &[u8],
        deal: DealId,
        from: Side,
        key: &PublicKey,
    ) -> Result<Self, MessageError> {
        let payload = cose::parse(bytes, DOMAIN, MAX_MESSAGE)?.verify_key(key)?;
        let message = Message::decode(&payload)?;
        let header = &message.header;
        if header.deal != deal || header.from != from {
            let (got, from_) = (header.deal, header.from);
            return Err(MessageError::Misaddressed {
                got,
                from: from_,
                want: deal,
                want_from: from,
            });
        }
        Ok(Self { digest: Digest::of(&payload), message, bytes: bytes.to_vec() })
    }
}
