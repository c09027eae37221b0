//! A third party's configuration, and why one does not start.

use std::path::PathBuf;

use semper_archive::HomeError;
use semper_base::Mend;
use semper_base::keys::KeyError;
use semper_exchange::HolderError;
use serde::Deserialize;

use super::KEY;
use super::agree::Disagreement;
use super::cases::CasesError;
use crate::log::{LogError, WitnessAddress};

/// A third party's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThirdPartyConfig {
    /// The home.
    pub home: PathBuf,
    /// Payment systems that it asks.
    #[serde(default)]
    pub bank: Vec<BankAddress>,
    /// Witnesses of its log.
    #[serde(default)]
    pub witness: Vec<WitnessAddress>,
    /// How many of them must have cosigned.
    #[serde(default)]
    pub quorum: usize,
    /// A PostgreSQL primary instead of a file in the home, such as
    /// `postgresql://third@localhost/verdicts`; several processes may share it.
    pub store: Option<String>,
    /// The root (PEM) behind the TLS certificate of the PostgreSQL server. One that is not on this
    /// machine must have it.
    #[serde(rename = "store-root")]
    pub store_root: Option<PathBuf>,
    /// GiB that the store may have. When it has them, no new cases are begun.
    #[serde(default = "room")]
    pub room: u64,
    /// Whether this process publishes the verdicts; of those that share a store, one does.
    #[serde(default = "yes")]
    pub publish: bool,
}

const fn room() -> u64 {
    16
}

const fn yes() -> bool {
    true
}

/// A payment system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankAddress {
    /// Its certificate: by this key it signs facts.
    pub certificate: PathBuf,
    /// Its address.
    pub url: String,
    /// The root behind its TLS certificate.
    pub root: PathBuf,
}

/// Why a third party does not start.
#[derive(Debug, thiserror::Error, Mend)]
pub enum ThirdPartyError {
    /// The home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// Its key.
    #[error("{KEY} is not usable: {0}")]
    #[mend(input, "make the home with semper third-party-init")]
    Key(#[from] KeyError),
    /// A statement about its own keys.
    #[error("{file} is not a statement by which one of its keys follows the other")]
    #[mend(input, "restore the third party's home from a backup")]
    Succession {
        /// Which file.
        file: String,
    },
    /// It has had too many keys.
    #[error("it has had as many keys as trust files can follow")]
    #[mend(refusal, "make a new home with semper third-party-init, under another origin")]
    Keys,
    /// A key is in memory.
    #[error(transparent)]
    #[mend("try again")]
    Away(#[from] HolderError),
    /// Cases and log.
    #[error(transparent)]
    #[mend(from)]
    Disagreement(#[from] Disagreement),
    /// A certificate.
    #[error("{file}: {detail}")]
    #[mend(input, "give PEM certificates under [[third-party.bank]] certificate and root")]
    Certificate {
        /// Which file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// What it has announced about itself.
    #[error("announced.toml, what it has announced about itself, cannot be read: {0}")]
    #[mend(input, "restore it from a backup, or print the entry again: semper third-party-renew")]
    Announced(String),
    /// A bank that it has announced, and does not ask.
    #[error(
        "its entry for trust files says that it asks the bank “{0}”, and no [[third-party.bank]] names \
         the certificate of that bank"
    )]
    #[mend(
        input,
        "add the section: whoever pays for good relies on it; or take the bank out of the entry by \
         semper third-party-renew, with --bank for the others"
    )]
    Unserved(String),
    /// The store.
    #[error(transparent)]
    #[mend("check [third-party] store, or the disk and its permissions")]
    Cases(#[from] CasesError),
    /// The log.
    #[error(transparent)]
    #[mend(refusal, from)]
    Log(#[from] LogError),
}
