//! What a third party has told those who believe it about its service: the banks that it asks, and
//! its fee. The home remembers it, so that its server is held to it, and the next entry says it again.

use std::path::Path;

use semper_archive::Home;
use semper_base::Amount;
use serde::{Deserialize, Serialize};

use super::ThirdPartyError;

/// Its file in a third party's home.
const FILE: &str = "announced.toml";

/// Banks and fee, as its entry for trust files names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announced {
    /// Certified names of the banks that it asks whether a payment was made.
    #[serde(default)]
    pub banks: Vec<String>,
    /// What it takes for deciding an exchange; nothing if it takes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Amount>,
}

impl Announced {
    /// What a home has announced; nothing if it never has.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn of(path: &Path) -> Result<Self, ThirdPartyError> {
        Self::read(&Home::open(path)?)
    }

    pub(super) fn read(home: &Home) -> Result<Self, ThirdPartyError> {
        if !home.has(FILE) {
            return Ok(Self::default());
        }
        toml::from_str(&home.read(FILE)?)
            .map_err(|error| ThirdPartyError::Announced(error.message().to_owned()))
    }

    /// Remembers it in a home.
    ///
    /// # Errors
    /// When the home cannot be written.
    pub fn keep(&self, path: &Path) -> Result<(), ThirdPartyError> {
        let text =
            toml::to_string(self).map_err(|error| ThirdPartyError::Announced(error.to_string()))?;
        Ok(Home::open(path)?.write(FILE, text.as_bytes())?)
    }

    /// Holds the server's sections to it, by the certified names of their banks.
    pub(super) fn check(&self, served: &[String]) -> Result<(), ThirdPartyError> {
        match self.banks.iter().find(|it| !served.contains(it)) {
            Some(bank) => Err(ThirdPartyError::Unserved(bank.clone())),
            None => Ok(()),
        }
    }
}
