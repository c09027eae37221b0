//! The key store of a home, and what it takes to open it: the pass-phrase, and patience after wrong
//! ones.
//!
//! ```
//! use std::sync::Arc;
//! use semper_archive::Home;
//! use semper_tinguin::keystore::{FILE, Keystore};
//! use semper_tinguin::vault::{Vault, VaultError};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let home = Arc::new(Home::create(&folder.path().join("anna")).unwrap());
//! let (_, stored) = Keystore::create("correct horse battery").unwrap();
//! home.write(FILE, stored.as_bytes()).unwrap();
//!
//! let vault = Vault::of(home);
//! assert!(matches!(vault.open("wrong horse battery"), Err(VaultError::Wrong(_))));
//! let opened = vault.open("correct horse battery").unwrap();
//! assert_eq!(opened.wrong.unwrap().count, 1);
//!
//! vault.change("correct horse battery", "two owls in a pear tree").unwrap();
//! assert!(vault.open("correct horse battery").is_err());
//! vault.open("two owls in a pear tree").unwrap();
//! ```

use std::sync::Arc;
use std::time::Duration;

use semper_archive::{Home, HomeError};
use semper_base::{Mend, fault};
use semper_tinguin_protocol::screen::Locked;

use semper_token::{Place, TokenError};

use crate::keystore::{self, Keystore, KeystoreError, Opener};
pub use crate::tries::Wrong;
use crate::tries::{self, Try};

/// The key store in a home.
#[derive(Clone, Debug)]
pub struct Vault {
    home: Arc<Home>,
}

/// An open key store.
#[derive(Debug)]
pub struct Opened {
    /// The keys.
    pub keys: Keystore,
    /// Wrong pass-phrases that were typed before.
    pub wrong: Option<Wrong>,
}

/// Why a key store is not open.
#[derive(Debug, thiserror::Error, Mend)]
pub enum VaultError {
    /// Another pass-phrase than the one that it was sealed with.
    #[error("the pass-phrase is wrong; {0}")]
    #[mend(input, "try again; nobody can recover a forgotten pass-phrase")]
    Wrong(Wrong),
    /// Another PIN than the token's.
    #[error("{0}; {count} wrong since {since}", count = .1.count, since = .1.since)]
    #[mend(input, "try again; a token that has locked itself is unblocked by its maker's program")]
    WrongPin(TokenError, Wrong),
    /// Too early after wrong ones.
    #[error("there were wrong pass-phrases: the next one can be tried in {} s", seconds(*.0))]
    #[mend(input, "wait; starting anew shortens nothing")]
    Wait(Duration),
    /// The store itself.
    #[error(transparent)]
    #[mend(from)]
    Keystore(#[from] KeystoreError),
    /// Its keys are on a second device, or are lost.
    #[error("this home has no keys of its own")]
    #[mend(
        input,
        "do it on the device that is its TINGUIN; semper device pair pairs it with one; keys that are \
         lost come back from a copy alone: semper restore"
    )]
    None,
    /// Its file, or the count's.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
}

impl VaultError {
    /// Whether another pass-phrase, or another PIN, was typed than the right one.
    pub const fn is_wrong(&self) -> bool {
        match self {
            Self::Wrong(_) | Self::WrongPin(..) => true,
            Self::Keystore(error) => error.is_wrong(),
            Self::Wait(_) | Self::None | Self::Home(_) => false,
        }
    }
}

/// Whole seconds until a wait is over.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl Vault {
    /// That of this home.
    pub const fn of(home: Arc<Home>) -> Self {
        Self { home }
    }

    /// Whether there is a key store.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn is_there(&self) -> Result<(), VaultError> {
        self.stored().map(drop)
    }

    fn stored(&self) -> Result<String, VaultError> {
        match self.home.has(keystore::FILE) {
            true => Ok(self.home.read_secret(keystore::FILE)?),
            false => Err(VaultError::None),
        }
    }

    /// What opens it.
    ///
    /// # Errors
    /// There is no key store, it cannot be read, or it is damaged.
    pub fn opener(&self) -> Result<Opener, VaultError> {
        Ok(Keystore::opener(&self.stored()?)?)
    }

    /// Wrong pass-phrases since the last right one.
    ///
    /// # Errors
    /// The count cannot be read.
    pub fn wrong(&self) -> Result<Option<Wrong>, VaultError> {
        Ok(tries::wrong(&self.home)?)
    }

    /// How long nobody may try.
    ///
    /// # Errors
    /// The count cannot be read.
    pub fn wait(&self) -> Result<Duration, VaultError> {
        Ok(tries::wait(&self.home)?)
    }

    /// What a locked screen says of it: how many questions wait, and what became of the last try.
    pub fn locked(&self, waiting: usize, said: &str) -> Locked {
        let wrong = self.wrong().ok().flatten();
        let token = match self.opener() {
            Ok(Opener::Pin(label)) => label,
            _ => String::new(),
        };
        Locked {
            token: token.as_str().into(),
            wrong: wrong.as_ref().map_or(0, |it| it.count),
            since: wrong.map(|it| it.since),
            wait: self.wait().map(seconds).unwrap_or(0),
            waiting,
            said: said.into(),
        }
    }

    /// Opens the key store. The try is counted before it is made.
    ///
    /// # Errors
    /// The pass-phrase is wrong, it is too early, the store is damaged or cannot be read, or
    /// the try cannot be counted.
    pub fn open(&self, pass_phrase: &str) -> Result<Opened, VaultError> {
        let stored = self.stored()?;
        let begun = Try::begin(&self.home)?.map_err(VaultError::Wait)?;
        fault::point("keys.counted");
        match Keystore::open(&stored, pass_phrase) {
            Ok(keys) => Ok(Opened { keys, wrong: begun.right()? }),
            Err(error) if error.is_wrong() => {
                drop(begun);
                Err(match (self.wrong()?, error) {
                    (Some(wrong), KeystoreError::PassPhrase) => VaultError::Wrong(wrong),
                    (Some(wrong), KeystoreError::Token(error)) => {
                        VaultError::WrongPin(error, wrong)
                    }
                    (_, error) => error.into(),
                })
            }
            Err(other) => {
                begun.none()?;
                Err(other.into())
            }
        }
    }

    /// Gives the key store another pass-phrase, or its token another PIN. The keys stay what they are;
    /// a TINGUIN that runs goes on. Whatever happens meanwhile, the old one opens the store or the new
    /// one does.
    ///
    /// # Errors
    /// As [`Vault::open`]; or the new one is too short, too long or the old one.
    pub fn change(&self, old: &str, new: &str) -> Result<Opened, VaultError> {
        let by_token = matches!(self.opener()?, Opener::Pin(_));
        if !by_token {
            keystore::fits(new)?;
        }
        if old == new {
            return Err(KeystoreError::Same.into());
        }
        let opened = self.open(old)?;
        if opened.keys.change_pin(old, new).map_err(KeystoreError::from)? {
            return Ok(opened);
        }
        let stored = opened.keys.seal(new)?;
        // What opens nothing must not take the place of what does.
        Keystore::open(&stored, new)?;
        self.replace(&stored)?;
        Ok(opened)
    }

    /// Has a token keep the keys from now on: what it does not make itself is encrypted by it. The
    /// identity's keys from this number on are made in it. Whatever happens meanwhile, the pass-phrase
    /// opens the store or the PIN does.
    ///
    /// # Errors
    /// As [`Vault::open`]; or the token cannot be used.
    pub fn into_token(
        &self,
        pass_phrase: &str,
        (place, pin): (&Place, &str),
        from: u32,
    ) -> Result<Opened, VaultError> {
        let Opened { keys, wrong } = self.open(pass_phrase)?;
        let (keys, stored) = keys.into_token(place, pin, from)?;
        self.replace(&stored)?;
        Ok(Opened { keys, wrong })
    }

    fn replace(&self, stored: &str) -> Result<(), VaultError> {
        fault::point("keys.before");
        let step = |step: &'static str| {
            fault::point(match step {
                "written" => "keys.written",
                "synced" => "keys.synced",
                _ => "keys.renamed",
            });
        };
        self.home.write_in_steps(keystore::FILE, stored.as_bytes(), &step)?;
        fault::point("keys.after");
        Ok(())
    }
}
