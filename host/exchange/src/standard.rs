//! Cryptography as it ships: Ed25519 (verified strictly), SHA-256 over deterministic CBOR, HPKE.
//!
//! ```text
//! digest     = SHA-256( kind ‖ 0x00 ‖ CBOR(body) )
//! signature  = Ed25519( "SEMPER/x/v1" ‖ 0x00 ‖ kind ‖ 0x00 ‖ subject ‖ digest )
//! commitment = SHA-256 of half, salt and share, each with its length
//! sealed     = HPKE( info: half, aad: leaf, share ), from a seed that its maker keeps
//! ```
//!
//! A signature is over a digest, not over the body, so that a verdict can carry a proof that
//! somebody has signed a promise, which a bank can verify without seeing the promise.

use std::fmt;
use std::hash::Hash;

use semper_base::{Digest, PublicKey, SealPublic, SealSecret, SigningKey, cbor, keys};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::crypto::{Body, Crypto, Half, Holder, HolderError, Named};
use crate::information::{self, Proof};
use crate::item::{Fraud, Information};

/// The bytes that every signature begins with.
const DOMAIN: &[u8] = b"SEMPER/x/v1\0";
/// Bytes of a sealed share.
const SEALED: usize = 32 + keys::SEAL_OVERHEAD;

/// The cryptography that ships: see the module's page for the exact formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standard;

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature with these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes of the signature.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// A sealed share: 80 bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The encapsulated key, the ciphertext and the tag.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The sealed share with these bytes, if their number is right.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == SEALED).then_some(Self(bytes))
    }
}

/// A share of a key. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Share(Zeroizing<[u8; 32]>);

impl Share {
    /// A fresh random share.
    pub fn random() -> Self {
        Self(Zeroizing::new(keys::random()))
    }

    /// The share with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes of the share, which are secret.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Hash for Share {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_slice().hash(state);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", &semper_base::digest::hex(&self.0[..4]))
    }
}

/// Values that travel as byte strings of one length.
macro_rules! bytes {
    ($name:ident, $len:literal, $bytes:expr, $make:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let bytes: fn(&Self) -> &[u8] = $bytes;
                serializer.serialize_bytes(bytes(self))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = ByteBuf::deserialize(deserializer)?.into_vec();
                let len = bytes.len();
                let make: fn([u8; $len]) -> Self = $make;
                let bytes: [u8; $len] = bytes.try_into().map_err(|_| {
                    D::Error::invalid_length(len, &concat!(stringify!($len), " bytes"))
                })?;
                Ok(make(bytes))
            }
        }
    };
}

bytes!(Signature, 64, |it| &it.0, Self);
bytes!(Sealed, 80, |it| &it.0, |bytes| Self(bytes.to_vec()));
bytes!(Share, 32, |it| it.0.as_slice(), Self::from_bytes);

impl Crypto for Standard {
    type Key = PublicKey;
    type SealKey = SealPublic;
    type Signature = Signature;
    type Sealed = Sealed;
    type Share = Share;

    fn digest<T: Serialize + Hash + ?Sized>(kind: &str, body: &T) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(kind.as_bytes());
        hasher.update([0]);
        hasher.update(cbor::encode(body));
        Digest::from_bytes(hasher.finalize().into())
    }

    fn verify(key: &PublicKey, signed: &Named<'_>, signature: &Signature) -> bool {
        key.verify(&message(signed), &signature.0).is_ok()
    }

    fn commitment(half: Half, salt: &Digest, share: &Share) -> Digest {
        Digest::of_parts(&[purpose(half), salt.as_bytes(), share.as_bytes()])
    }

    fn seal(to: &SealPublic, half: Half, bound: &Digest, share: &Share, seed: &Digest) -> Sealed {
        let sealed =
            to.seal_from(seed.as_bytes(), purpose(half), bound.as_bytes(), share.as_bytes());
        // A key of small order cannot be sealed to; what comes instead opens for nobody, and
        // whoever named such a key has promised nothing of worth.
        Sealed(sealed.unwrap_or_else(|_| vec![0; SEALED]))
    }

    fn shows(leaf: &Information, shares: [&Share; 2], proof: &Proof) -> Option<Fraud> {
        information::shows(leaf, shares.map(Share::as_bytes), proof)
    }
}

/// The bytes that a signature is made over.
pub fn message(signed: &Named<'_>) -> Vec<u8> {
    let parts: [&[u8]; 5] =
        [DOMAIN, signed.kind.as_bytes(), &[0], signed.subject.as_bytes(), signed.digest.as_bytes()];
    parts.concat()
}

/// The purpose that a share is sealed for.
pub const fn purpose(half: Half) -> &'static [u8] {
    match half {
        Half::Escrowed => b"semper/escrow/v1",
        Half::Peers => b"semper/share/v1",
    }
}

/// The encrypted information that somebody has, and what it is held against.
pub trait Goods: Send + Sync {
    /// Whether the encrypted information with this root is here, whole.
    fn holds(&self, cipher: &Digest) -> bool;

    /// Whether it opens to what was described.
    ///
    /// # Errors
    /// A proof of what it is not.
    fn examine(&self, leaf: &Information, shares: [&Share; 2]) -> Result<(), Proof>;
}

/// A holder without goods: a third party, a party to exchanges without information.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGoods;

impl Goods for NoGoods {
    fn holds(&self, _: &Digest) -> bool {
        false
    }

    fn examine(&self, leaf: &Information, _: [&Share; 2]) -> Result<(), Proof> {
        let _ = leaf;
        Ok(())
    }
}

/// Keys in memory: a third party's, a bank's, a test's.
pub struct Keys<G = NoGoods> {
    sign: SigningKey,
    seal: SealSecret,
    secret: Zeroizing<[u8; 32]>,
    goods: G,
}

impl<G> fmt::Debug for Keys<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?})", self.sign.public())
    }
}

impl<G: Goods> Keys<G> {
    /// From a signing key; the others follow from it.
    pub fn new(sign: SigningKey, goods: G) -> Self {
        let seal = keys::derive(&sign.seed(), "exchange sealing", &[]);
        let secret = keys::derive(&sign.seed(), "exchange seeds", &[]);
        Self { seal: SealSecret::from_seed(&seal), secret, sign, goods }
    }

    /// Verifies what we sign.
    pub fn public(&self) -> PublicKey {
        self.sign.public()
    }

    /// Shares are sealed to it.
    pub fn seal_public(&self) -> SealPublic {
        self.seal.public()
    }

    /// The goods that this holder has: encrypted information by root.
    pub const fn goods(&self) -> &G {
        &self.goods
    }
}

impl<G: Goods> Holder<Standard> for Keys<G> {
    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Result<Signature, HolderError> {
        let named = Named { kind: B::KIND, subject, digest: Standard::digest(B::KIND, body) };
        Ok(Signature(self.sign.sign(&message(&named))))
    }

    fn open(
        &self,
        half: Half,
        bound: &Digest,
        sealed: &Sealed,
    ) -> Result<Option<Share>, HolderError> {
        let opened = self.seal.open(purpose(half), bound.as_bytes(), &sealed.0).ok();
        let share = opened.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        Ok(share.map(Share::from_bytes))
    }

    fn seed(&self, purpose: &Digest) -> Result<Digest, HolderError> {
        let seed = keys::derive(&self.secret, "exchange seed", purpose.as_bytes());
        Ok(Digest::from_bytes(*seed))
    }

    fn holds(&self, cipher: &Digest) -> bool {
        self.goods.holds(cipher)
    }

    fn examine(&self, leaf: &Information, shares: [&Share; 2]) -> Result<(), Proof> {
        self.goods.examine(leaf, shares)
    }
}
