//! The small trait that the machines are generic over: signatures, digests, shares of keys.
//!
//! Production uses [`crate::standard::Standard`] (Ed25519, SHA-256, HPKE); the model checker an
//! instance whose values are names, so that the very same machines are explored exhaustively.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use semper_base::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::information::Proof;
use crate::item::{Fraud, Information};

/// A value of the exchange: it can be compared, encoded, sent to another thread.
pub trait Value:
    Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<T> Value for T where
    T: Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// An instance of cryptography.
pub trait Crypto: Clone + Copy + Eq + Hash + Debug + Send + Sync + 'static {
    /// A key by which signatures are verified.
    type Key: Value + Copy;
    /// Shares are sealed to it.
    type SealKey: Value + Copy;
    /// A signature over a kind, a subject and a digest.
    type Signature: Value;
    /// A share that one holder alone can open.
    type Sealed: Value;
    /// One of the two shares of an information's key.
    type Share: Value;

    /// The digest of a body of some kind. Two kinds never share a digest.
    fn digest<T: Serialize + Hash + ?Sized>(kind: &str, body: &T) -> Digest;

    /// Whether this key made the signature.
    fn verify(key: &Self::Key, signed: &Named<'_>, signature: &Self::Signature) -> bool;

    /// The commitment to a share: nothing of the share can be learnt from it.
    fn commitment(half: Half, salt: &Digest, share: &Self::Share) -> Digest;

    /// Seals a share for one purpose, bound to one leaf. The same seed gives the same bytes, so
    /// that whoever is accused of having sealed something else can show that it did not.
    fn seal(
        to: &Self::SealKey,
        half: Half,
        bound: &Digest,
        share: &Self::Share,
        seed: &Digest,
    ) -> Self::Sealed;

    /// The fraud that a proof shows in information under its shares (escrowed, peer's); `None` if
    /// it shows nothing.
    fn shows(leaf: &Information, shares: [&Self::Share; 2], proof: &Proof) -> Option<Fraud>;
}

/// The content of a signature: the kind of the body, the exchange it belongs to, and the
/// body's digest. Anybody who has the three can verify, without seeing the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named<'a> {
    /// The kind of the body, such as `promise`.
    pub kind: &'a str,
    /// The exchange that it belongs to, by its id; before there is one, the deal's name.
    pub subject: Digest,
    /// The digest of the body.
    pub digest: Digest,
}

/// Which share of an information's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    /// The share that is escrowed to the third party.
    Escrowed,
    /// The share that the peer gets at once, so that the third party alone can read nothing.
    Peers,
}

/// Why the holder of a key has not done what was wanted. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolderError {
    /// It does not answer now: the same event may be given again later.
    #[error("the keys cannot be reached: {0}")]
    Away(String),
    /// It has answered that it does not sign this, and will not when it is asked again: the
    /// machine is told by [`crate::Event::Denied`].
    #[error("the {kind} is not signed: {why}")]
    Denied {
        /// The kind of the body, such as `abort-request`.
        kind: &'static str,
        /// The holder's reason.
        why: String,
    },
}

/// The holder of a party's keys and goods: in production the TINGUIN and the host's store.
pub trait Holder<C: Crypto> {
    /// Signs a body. Deterministic: the same body gives the same signature. The holder may keep
    /// what it has signed: whoever has had a delivery signed gets no abort signed any more, and
    /// the other way round.
    ///
    /// # Errors
    /// When the keys cannot be reached now, or do not sign this.
    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Result<C::Signature, HolderError>;

    /// Opens a share that was sealed to us; `None` if it was not, or for another leaf.
    ///
    /// # Errors
    /// When the keys cannot be reached now.
    fn open(
        &self,
        half: Half,
        bound: &Digest,
        sealed: &C::Sealed,
    ) -> Result<Option<C::Share>, HolderError>;

    /// A seed that nobody else can know, and that is always the same for the same purpose.
    ///
    /// # Errors
    /// When the keys cannot be reached now.
    fn seed(&self, purpose: &Digest) -> Result<Digest, HolderError>;

    /// Whether the encrypted information with this root is here, whole.
    fn holds(&self, cipher: &Digest) -> bool;

    /// Whether what the two shares (escrowed, peer's) open is what was described; otherwise a
    /// proof of what it is not.
    fn examine(&self, leaf: &Information, shares: [&C::Share; 2]) -> Result<(), Proof>;
}

/// A body that is signed: its kind is part of what is signed.
pub trait Body: Value {
    /// The kind, such as `promise`.
    const KIND: &'static str;
}

/// A body with its signature. The digest is computed once, when it is made or read.
#[derive(Clone, Debug, Serialize)]
#[serde(bound = "")]
pub struct Signed<C: Crypto, B: Body> {
    #[serde(serialize_with = "through")]
    body: Arc<B>,
    subject: Digest,
    signature: C::Signature,
    #[serde(skip)]
    digest: Digest,
}

fn through<B: Serialize, S: Serializer>(body: &Arc<B>, serializer: S) -> Result<S::Ok, S::Error> {
    body.as_ref().serialize(serializer)
}

impl<C: Crypto, B: Body> Signed<C, B> {
    /// Signs.
    ///
    /// # Errors
    /// When the keys cannot be reached now.
    pub fn new(holder: &impl Holder<C>, subject: Digest, body: B) -> Result<Self, HolderError> {
        let signature = holder.sign(subject, &body)?;
        let digest = C::digest(B::KIND, &body);
        Ok(Self { body: Arc::new(body), subject, signature, digest })
    }

    /// The body that the signature covers.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// The subject: the exchange, or before there is one, the deal.
    pub fn subject(&self) -> Digest {
        self.subject
    }

    /// The body's digest: the name by which later messages refer to it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether this key has signed it, about this exchange.
    pub fn is_by(&self, key: &C::Key, subject: Digest) -> bool {
        let named = Named { kind: B::KIND, subject, digest: self.digest };
        self.subject == subject && C::verify(key, &named, &self.signature)
    }

    /// The signature without the body.
    pub fn detached(&self) -> Detached<C> {
        Detached { digest: self.digest, signature: self.signature.clone() }
    }
}

impl<C: Crypto, B: Body> PartialEq for Signed<C, B> {
    fn eq(&self, other: &Self) -> bool {
        (self.digest, self.subject) == (other.digest, other.subject)
            && self.signature == other.signature
    }
}

impl<C: Crypto, B: Body> Eq for Signed<C, B> {}

impl<C: Crypto, B: Body> Hash for Signed<C, B> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.digest, self.subject, &self.signature).hash(state);
    }
}

impl<'de, C: Crypto, B: Body> Deserialize<'de> for Signed<C, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, bound = "")]
        struct Wire<C: Crypto, B: Body> {
            body: B,
            subject: Digest,
            signature: C::Signature,
        }
        let Wire::<C, B> { body, subject, signature } = Wire::deserialize(deserializer)?;
        let digest = C::digest(B::KIND, &body);
        Ok(Self { body: Arc::new(body), subject, signature, digest })
    }
}

/// A signature over a body that is not here: proves that its maker signed something of that
/// kind and digest in that exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Detached<C: Crypto> {
    /// The digest of the body, which itself is elsewhere.
    pub digest: Digest,
    /// The signature over that digest.
    pub signature: C::Signature,
}

impl<C: Crypto> Detached<C> {
    /// Whether this key has signed a body of kind `B` with that digest, about this exchange.
    pub fn is_by<B: Body>(&self, key: &C::Key, subject: Digest) -> bool {
        let named = Named { kind: B::KIND, subject, digest: self.digest };
        C::verify(key, &named, &self.signature)
    }
}
