//! The key store with a token: the identity's keys are in it, and the master secret is encrypted
//! under a key that follows from a signature of another key in it.
//!
//! One token may have keys of several homes: each has a mark of its own in its keys' names.

use std::sync::Arc;

use semper_base::digest::hex;
use semper_base::keys::random;
use semper_base::{PublicKey, Signs};
use semper_token::{Place, Token, TokenError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeystoreError, damaged, sealed, unhex, unsealed};

/// The version of the stored text.
pub(super) const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    token: Place,
    /// The home's mark.
    home: String,
    /// The number of the identity's first key in the token.
    identity_from: u32,
    salt: String,
    sealed: String,
}

/// A token that has a home's keys.
#[derive(Clone, Debug)]
pub(super) struct Held {
    token: Arc<Token>,
    home: String,
    from: u32,
}

/// The label of the token that opens the file with this text.
pub(super) fn label(text: &str) -> Result<String, KeystoreError> {
    Ok(stored(text)?.token.label)
}

fn stored(text: &str) -> Result<Stored, KeystoreError> {
    serde_json::from_str(text).map_err(damaged)
}

impl Held {
    /// Encrypts a master secret by a token; the file's text.
    pub fn new(
        place: &Place,
        pin: &str,
        from: u32,
        master: &[u8; 32],
    ) -> Result<(Self, String), KeystoreError> {
        let token = Token::open(place, pin)?;
        let this = Self { token, home: hex(&random()[..8]), from };
        let name = this.name_of_seal();
        this.token.make_key(&name)?;
        let salt = random();
        let key = this.token.secret(&name, &salt)?;
        let sealed = sealed(&key, master)?;
        let stored = Stored {
            version: VERSION,
            token: place.clone(),
            home: this.home.clone(),
            identity_from: from,
            salt: hex(&salt),
            sealed,
        };
        Ok((this, serde_json::to_string_pretty(&stored).map_err(damaged)?))
    }

    /// Opens the file's text by the token's PIN; the master secret.
    pub fn open(text: &str, pin: &str) -> Result<(Self, Zeroizing<[u8; 32]>), KeystoreError> {
        let stored = stored(text)?;
        let token = Token::open(&stored.token, pin)?;
        let this = Self { token, home: stored.home, from: stored.identity_from };
        let key = this.token.secret(&this.name_of_seal(), &unhex(&stored.salt)?)?;
        let master = unsealed(&key, &stored.sealed)?;
        Ok((this, master.ok_or_else(|| damaged("it was encrypted by another token"))?))
    }

    /// Whether it has the identity's key of this number.
    pub const fn has(&self, generation: u32) -> bool {
        generation >= self.from
    }

    pub fn identity(
        &self,
        generation: u32,
        public: PublicKey,
    ) -> Result<Arc<dyn Signs>, KeystoreError> {
        Ok(Arc::new(self.token.key(&self.name_of(generation), public)?))
    }

    pub fn make_identity(&self, generation: u32) -> Result<Arc<dyn Signs>, KeystoreError> {
        Ok(Arc::new(self.token.make_key(&self.name_of(generation))?))
    }

    pub fn is_there(&self) -> Result<(), TokenError> {
        self.token.is_there(&self.name_of_seal())
    }

    pub fn change_pin(&self, old: &str, new: &str) -> Result<(), TokenError> {
        self.token.change_pin(old, new)
    }

    fn name_of_seal(&self) -> String {
        format!("semper {} seal", self.home)
    }

    fn name_of(&self, generation: u32) -> String {
        format!("semper {} identity {generation}", self.home)
    }
}
