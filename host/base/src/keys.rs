//! Key pairs: Ed25519 for signing (RFC 8032, verified strictly) and X25519 for sealing
//! (HPKE base mode, RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305).

use std::convert::Infallible;
use std::fmt;

use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding,
};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use hkdf::Hkdf;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::digest::{Digest, bytes32, hex, unhex};
use crate::id::KeyId;

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

/// Bytes that HPKE adds: the encapsulated key and the tag.
pub const SEAL_OVERHEAD: usize = 32 + 16;

/// A fault of a key, a signature or a sealed message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point, or one of small order with which anything verifies.
    #[error("not a usable Ed25519 public key")]
    Public,
    /// The private key file does not parse.
    #[error("not a PKCS#8 Ed25519 private key")]
    Private,
    /// The signature does not belong to these bytes and this key.
    #[error("the signature is wrong for {0}")]
    Signature(KeyId),
    /// Sealed to another key, for another purpose, or changed on the way.
    #[error("cannot be opened with this key: sealed to another or changed")]
    Sealed,
    /// The key is kept elsewhere, in a token, which does not sign now.
    #[error("{0}")]
    Elsewhere(String),
}

/// An Ed25519 key that signs, wherever it is kept: in this process, or in a token that never gives
/// it away.
pub trait Signs: fmt::Debug + Send + Sync {
    /// The public key that verifies its signatures.
    fn public(&self) -> PublicKey;

    /// The signature over a message.
    ///
    /// # Errors
    /// [`KeyError::Elsewhere`]: what keeps the key does not sign now.
    fn try_sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;
}

/// An Ed25519 public key that is known to be a usable point.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes 32 bytes that are a point of large order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)?;
        if key.is_weak() { Err(KeyError::Public) } else { Ok(Self(bytes)) }
    }

    /// The 32 bytes of the key (RFC 8032).
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SubjectPublicKeyInfo in PEM, which openssl reads.
    pub fn to_pem(&self) -> String {
        let key = VerifyingKey::from_bytes(&self.0).expect("it was a point when it was taken");
        key.to_public_key_pem(LineEnding::LF).expect("an Ed25519 key encodes")
    }

    /// The identifier of the key: the digest of its bytes.
    pub fn id(&self) -> KeyId {
        KeyId::new(Digest::of(&self.0))
    }

    /// Verifies strictly (RFC 8032 §5.1.7 with the checks of `verify_strict`).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let wrong = || KeyError::Signature(self.id());
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| wrong())?;
        let signature = Signature::from_slice(signature).map_err(|_| wrong())?;
        key.verify_strict(message, &signature).map_err(|_| wrong())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.id())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize32(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(deserialize32(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn serialize32<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&hex(bytes))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

fn deserialize32<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    if !deserializer.is_human_readable() {
        return bytes32(deserializer);
    }
    let text = String::deserialize(deserializer)?;
    unhex(&text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| serde::de::Error::custom("expected 64 lower-case hex digits"))
}

/// An Ed25519 signing key. Wiped from memory when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self::from_seed(&random())
    }

    /// The key that belongs to a seed of 32 bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for an encrypted store.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Reads a PKCS#8 PEM file's text (`openssl genpkey -algorithm ed25519`).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::Private)
    }

    /// PKCS#8 PEM, of its version 1: OpenSSL 3.0 does not read version 2, which has the public key
    /// beside the secret one.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let secret = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        secret.to_pkcs8_pem(LineEnding::LF).expect("an Ed25519 key encodes")
    }

    /// The public key that verifies its signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The Ed25519 signature over a message; the same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// For the X.509 builders, which want dalek's own type.
    pub(crate) fn inner(&self) -> &ed25519_dalek::SigningKey {
        &self.0
    }
}

impl Signs for SigningKey {
    fn public(&self) -> PublicKey {
        self.public()
    }

    fn try_sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        Ok(self.sign(message))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public())
    }
}

/// An X25519 public key that messages are sealed to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SealPublic([u8; 32]);

impl SealPublic {
    /// Takes the 32 bytes (every string of 32 bytes is an X25519 key; HPKE rejects the
    /// all-zero shared secret of small-order points when sealing).
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the key (RFC 7748).
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` to this key: encapsulated key, ciphertext and tag in one string that is
    /// [`SEAL_OVERHEAD`] bytes longer. `info` names the purpose, `aad` what it is bound to.
    pub fn seal(&self, info: &[u8], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.seal_from(&Zeroizing::new(random()), info, aad, plain)
    }

    /// As [`SealPublic::seal`], with the randomness taken from a secret seed: whoever sealed can
    /// show later what, by sealing it again. A seed is used for one sealing.
    pub fn seal_from(
        &self,
        seed: &[u8; 32],
        info: &[u8],
        aad: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let key =
            <Kem as hpke::Kem>::PublicKey::from_bytes(&self.0).map_err(|_| KeyError::Sealed)?;
        let mut seeded = Seeded { seed: Zeroizing::new(*seed), blocks: 0 };
        let (enc, cipher) = hpke::single_shot_seal_with_rng::<Aead, Kdf, Kem>(
            &OpModeS::Base,
            &key,
            info,
            plain,
            aad,
            &mut seeded,
        )
        .map_err(|_| KeyError::Sealed)?;
        let mut sealed = enc.to_bytes().to_vec();
        sealed.extend_from_slice(&cipher);
        Ok(sealed)
    }
}

/// Bytes that follow from a seed: blocks of HKDF.
struct Seeded {
    seed: Zeroizing<[u8; 32]>,
    blocks: u64,
}

impl Seeded {
    fn block(&mut self) -> Zeroizing<[u8; 32]> {
        self.blocks += 1;
        derive(&self.seed, "seeded sealing", &self.blocks.to_be_bytes())
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = *self.block();
        Ok(u32::from_be_bytes([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let [a, b, c, d, e, f, g, h, ..] = *self.block();
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for part in out.chunks_mut(32) {
            let block = self.block();
            part.copy_from_slice(&block[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

impl Serialize for SealPublic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize32(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for SealPublic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(deserialize32(deserializer)?))
    }
}

/// An X25519 secret key. Wiped from memory when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SealSecret([u8; 32]);

impl SealSecret {
    /// The key pair that belongs to a seed (RFC 9180 `DeriveKeyPair`).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (secret, _) = Kem::derive_keypair(seed);
        Self(secret.to_bytes().into())
    }

    /// The public key to which others seal.
    pub fn public(&self) -> SealPublic {
        SealPublic(Kem::sk_to_pk(&self.key()).to_bytes().into())
    }

    /// Opens what [`SealPublic::seal`] made for the same purpose and binding.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (enc, cipher) = sealed.split_at_checked(32).ok_or(KeyError::Sealed)?;
        let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| KeyError::Sealed)?;
        let secret = self.key();
        hpke::single_shot_open::<Aead, Kdf, Kem>(&OpModeR::Base, &secret, &enc, info, cipher, aad)
            .map_err(|_| KeyError::Sealed)
    }

    fn key(&self) -> <Kem as hpke::Kem>::PrivateKey {
        <Kem as hpke::Kem>::PrivateKey::from_bytes(&self.0).expect("32 bytes are a secret key")
    }
}

/// 32 random bytes of the operating system's.
///
/// # Panics
/// When the operating system has no randomness: nothing secure can be done then.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// Derives 32 bytes from a secret for one named purpose (HKDF-SHA256, RFC 5869).
pub fn derive(secret: &[u8; 32], purpose: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = Digest::of_parts(&[purpose.as_bytes(), context]);
    Hkdf::<Sha256>::new(None, secret)
        .expand(info.as_bytes(), out.as_mut_slice())
        .expect("32 bytes are within HKDF's limit");
    out
}
