//! The master secret, encrypted at rest under a pass-phrase, or by a token.
//!
//! Argon2id (RFC 9106) turns the pass-phrase into a key, ChaCha20-Poly1305 encrypts 32 random
//! bytes with it. Every other key is derived from those by name (HKDF), so nothing else has to
//! be stored and a deal's keys are the same after a crash.
//!
//! With a token (`in_token`) the identity's keys are made in it and stay there, and the 32 bytes
//! are encrypted under a key that only the token can make.

mod in_token;

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use semper_base::keys::{derive, random};
use semper_base::{Digest, Mend, PublicKey, SealSecret, SigningKey, Signs};
pub use semper_tinguin_protocol::secret::LONGEST;
use semper_token::{Place, TokenError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The file's name in a home.
pub const FILE: &str = "keystore.json";

/// Fewest characters of a pass-phrase.
pub const SHORTEST: usize = 10;

/// The version of the stored text with a pass-phrase, which older programs read.
const VERSION: u32 = 1;
/// The newest version, which is the one with a token.
const NEWEST: u32 = in_token::VERSION;

/// What a stored file may ask for at most: a changed one must not eat the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    kdf: String,
    #[serde(flatten)]
    cost: Cost,
    salt: String,
    sealed: String,
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What can be wrong with a key store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[mend(input)]
pub enum KeystoreError {
    /// Not the file it should be.
    #[error("the key store is damaged: {0}")]
    #[mend("restore keystore.json from a backup")]
    Damaged(String),
    /// It does not open.
    #[error("the pass-phrase is wrong")]
    #[mend("try again; nobody can recover a forgotten pass-phrase")]
    PassPhrase,
    /// Too short to protect anything.
    #[error("the pass-phrase has fewer than {SHORTEST} characters")]
    #[mend("use several words that only you would put together")]
    Short,
    /// Longer than anybody types.
    #[error("the pass-phrase has more than {LONGEST} characters")]
    #[mend("use several words that only you would put together")]
    Long,
    /// The one that it was.
    #[error("the new pass-phrase is the old one")]
    #[mend("choose another one; whoever may know the old one knows nothing then")]
    Same,
    /// A newer program has written it.
    #[error("the key store is of version {0}, this program knows versions up to {NEWEST}")]
    #[mend("use the newer program")]
    Newer(u32),
    /// The token that has the keys.
    #[error(transparent)]
    #[mend(from)]
    Token(#[from] TokenError),
}

impl KeystoreError {
    /// Whether another pass-phrase, or another PIN, was typed than the right one.
    pub const fn is_wrong(&self) -> bool {
        matches!(self, Self::PassPhrase | Self::Token(TokenError::Pin(_)))
    }
}

/// What opens a key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opener {
    /// A pass-phrase of the person's.
    PassPhrase,
    /// The PIN of the token with this label.
    Pin(String),
}

/// The open key store: derives keys, gives none away. A clone is for a TINGUIN that is started again
/// in the same process.
#[derive(Clone)]
pub struct Keystore {
    master: Zeroizing<[u8; 32]>,
    /// The token that has the identity's keys; without one they follow from the master secret.
    held: Option<in_token::Held>,
}

impl std::fmt::Debug for Keystore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keystore(…)")
    }
}

impl Keystore {
    /// A new key store and the text of its file.
    pub fn create(pass_phrase: &str) -> Result<(Self, String), KeystoreError> {
        let this = Self { master: Zeroizing::new(random()), held: None };
        let text = this.seal(pass_phrase)?;
        Ok((this, text))
    }

    /// A new key store whose keys are in a token, or encrypted by it; and the text of its file.
    pub fn create_in_token(place: &Place, pin: &str) -> Result<(Self, String), KeystoreError> {
        Self { master: Zeroizing::new(random()), held: None }.into_token(place, pin, 0)
    }

    /// The same key store, encrypted by a token from now on; and the text of its file. The identity's
    /// keys from this number on are made in the token; those before stay what they are.
    pub fn into_token(
        self,
        place: &Place,
        pin: &str,
        from: u32,
    ) -> Result<(Self, String), KeystoreError> {
        let (held, text) = in_token::Held::new(place, pin, from, &self.master)?;
        Ok((Self { master: self.master, held: Some(held) }, text))
    }

    /// What opens the file with this text.
    pub fn opener(text: &str) -> Result<Opener, KeystoreError> {
        Ok(match version(text)? {
            in_token::VERSION => Opener::Pin(in_token::label(text)?),
            _ => Opener::PassPhrase,
        })
    }

    /// The text of a file that opens with this pass-phrase, and has these keys.
    pub fn seal(&self, pass_phrase: &str) -> Result<String, KeystoreError> {
        fits(pass_phrase)?;
        let salt = random();
        let key = stretch(pass_phrase, &salt, Cost::USUAL)?;
        let sealed = sealed(&key, &self.master)?;
        let stored = Stored {
            version: VERSION,
            kdf: "argon2id".into(),
            cost: Cost::USUAL,
            salt: semper_base::digest::hex(&salt),
            sealed,
        };
        serde_json::to_string_pretty(&stored).map_err(damaged)
    }

    /// Opens the file's text with a pass-phrase, or with the PIN of its token.
    pub fn open(text: &str, pass_phrase: &str) -> Result<Self, KeystoreError> {
        if version(text)? == in_token::VERSION {
            let (held, master) = in_token::Held::open(text, pass_phrase)?;
            return Ok(Self { master, held: Some(held) });
        }
        let stored: Stored = serde_json::from_str(text).map_err(damaged)?;
        if stored.kdf != "argon2id" {
            return Err(KeystoreError::Damaged("unknown version or parameters".into()));
        }
        let key = stretch(pass_phrase, &unhex(&stored.salt)?, stored.cost)?;
        let master = unsealed(&key, &stored.sealed)?.ok_or(KeystoreError::PassPhrase)?;
        Ok(Self { master, held: None })
    }

    /// The identity's signing key of this number: the first, or one that took the place of the one
    /// before. One that is certified is found by that; in a token, one that is not is made if need be.
    ///
    /// # Errors
    /// It is in a token that does not give it, or makes none.
    pub fn identity(
        &self,
        generation: u32,
        certified: Option<PublicKey>,
    ) -> Result<Arc<dyn Signs>, KeystoreError> {
        match (self.held.as_ref().filter(|it| it.has(generation)), certified) {
            (Some(held), Some(public)) => held.identity(generation, public),
            (Some(held), None) => held.make_identity(generation),
            (None, _) => Ok(Arc::new(self.derived(generation))),
        }
    }

    /// Whether the token that has the keys is there; always, where there is none.
    ///
    /// # Errors
    /// It was pulled out, or closed by another program.
    pub fn is_there(&self) -> Result<(), TokenError> {
        self.held.as_ref().map_or(Ok(()), in_token::Held::is_there)
    }

    /// Gives the token another PIN; false where there is no token.
    pub(crate) fn change_pin(&self, old: &str, new: &str) -> Result<bool, TokenError> {
        let Some(held) = &self.held else { return Ok(false) };
        held.change_pin(old, new).map(|()| true)
    }

    fn derived(&self, generation: u32) -> SigningKey {
        let number = generation.to_be_bytes();
        // The first key is of before there were others.
        let context: &[u8] = if generation == 0 { b"" } else { &number };
        SigningKey::from_seed(&derive(&self.master, "semper/identity/v1", context))
    }

    /// The signing key of the deal with this nonce.
    pub fn deal_sign(&self, nonce: &Digest) -> SigningKey {
        SigningKey::from_seed(&derive(&self.master, "semper/deal-sign/v1", nonce.as_bytes()))
    }

    /// A seed for one purpose in the exchanges of the deal with this nonce.
    pub fn exchange_seed(&self, nonce: &Digest, purpose: &Digest) -> Digest {
        let context = Digest::of_parts(&[nonce.as_bytes(), purpose.as_bytes()]);
        let seed = derive(&self.master, "semper/exchange-seed/v1", context.as_bytes());
        Digest::from_bytes(*seed)
    }

    /// The sealing key of the deal with this nonce.
    pub fn deal_seal(&self, nonce: &Digest) -> SealSecret {
        SealSecret::from_seed(&derive(&self.master, "semper/deal-seal/v1", nonce.as_bytes()))
    }
}

/// The version of a file's text.
fn version(text: &str) -> Result<u32, KeystoreError> {
    let Versioned { version } = serde_json::from_str(text).map_err(damaged)?;
    if version > NEWEST { Err(KeystoreError::Newer(version)) } else { Ok(version) }
}

/// The master secret, encrypted; as hex digits.
fn sealed(key: &[u8; 32], master: &[u8; 32]) -> Result<String, KeystoreError> {
    // The key is used once, for this one message, so a fixed nonce is sound.
    let sealed = ChaCha20Poly1305::new(key.into())
        .encrypt(&Default::default(), master.as_slice())
        .map_err(damaged)?;
    Ok(semper_base::digest::hex(&sealed))
}

/// What [`sealed`] has encrypted; none if that was by another key.
fn unsealed(key: &[u8; 32], text: &str) -> Result<Option<Zeroizing<[u8; 32]>>, KeystoreError> {
    let sealed = unhex(text)?;
    let opened = ChaCha20Poly1305::new(key.into()).decrypt(&Default::default(), sealed.as_slice());
    let Ok(master) = opened.map(Zeroizing::new) else { return Ok(None) };
    Ok(Some(Zeroizing::new(master.as_slice().try_into().map_err(damaged)?)))
}

fn unhex(text: &str) -> Result<Vec<u8>, KeystoreError> {
    semper_base::digest::unhex(text).ok_or_else(|| damaged("not hex digits"))
}

/// Whether a pass-phrase can be one: long enough, by its characters. What they are is nobody's
/// business.
///
/// # Errors
/// It is too short, or longer than anybody types.
pub fn fits(pass_phrase: &str) -> Result<(), KeystoreError> {
    match pass_phrase.chars().count() {
        ..SHORTEST => Err(KeystoreError::Short),
        SHORTEST..=LONGEST => Ok(()),
        _ => Err(KeystoreError::Long),
    }
}

/// What it costs to make a key of a pass-phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// The second recommended option of RFC 9106 §4: 64 MiB, 3 passes, 4 lanes.
    pub const USUAL: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// Whether it is one that a stored file may ask for.
    const fn is_sane(self) -> bool {
        self.memory_kib <= MAX_MEMORY_KIB && self.passes <= MAX_PASSES
    }
}

/// Makes a key of a pass-phrase by Argon2id.
///
/// # Errors
/// The cost, or the salt, is none that a file of ours has.
pub fn stretch(
    pass_phrase: &str,
    salt: &[u8],
    cost: Cost,
) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    if !cost.is_sane() {
        return Err(KeystoreError::Damaged("unknown parameters".into()));
    }
    let Cost { memory_kib, passes, lanes } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(damaged)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pass_phrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(damaged)?;
    Ok(key)
}

fn damaged(error: impl ToString) -> KeystoreError {
    KeystoreError::Damaged(error.to_string())
}
