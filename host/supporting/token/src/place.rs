//! Where a token is found.

use std::path::{Path, PathBuf};

use cryptoki::mechanism::MechanismType;
use cryptoki::slot::{Slot, TokenInfo};
use serde::{Deserialize, Serialize};

use crate::error::TokenError;
use crate::library::{self, Use};

/// Where a token is found, as a key store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The PKCS#11 library of its maker, by its whole path.
    pub library: PathBuf,
    /// Its label.
    pub label: String,
    /// Its serial number, which tells it from others with that label.
    pub serial: String,
}

/// A token that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Who has made it.
    pub maker: String,
    /// What it is.
    pub model: String,
    /// Whether it has a PIN; one that has none must be prepared by its maker's program.
    pub prepared: bool,
    /// Whether it makes and uses Ed25519 keys.
    pub able: bool,
}

/// The tokens that a library finds.
///
/// # Errors
/// The library cannot be used, or does not say.
pub fn list(library: &Path) -> Result<Vec<Listed>, TokenError> {
    let used = library::load(library)?;
    let found = slots(&used, library)?;
    Ok(found.into_iter().map(|(slot, info)| listed(&used, slot, &info)).collect())
}

impl Place {
    /// The token with this label, or this serial number.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn find(library: &Path, name: &str) -> Result<Self, TokenError> {
        let mut found = list(library)?;
        found.retain(|it| it.label == name || it.serial == name);
        match found.as_slice() {
            [] => Err(TokenError::Away(name.to_owned())),
            [one] if !one.prepared => Err(TokenError::Unprepared(one.label.clone())),
            [one] if !one.able => Err(TokenError::Unable(one.label.clone())),
            [one] => Ok(Self {
                library: library.to_owned(),
                label: one.label.clone(),
                serial: one.serial.clone(),
            }),
            several => Err(TokenError::Several { label: name.to_owned(), count: several.len() }),
        }
    }

    /// The library, and the slot that the token is in now.
    pub(crate) fn slot(&self) -> Result<(std::sync::Arc<Use>, Slot), TokenError> {
        let used = library::load(&self.library)?;
        let found = slots(&used, &self.library)?.into_iter().find(|(_, info)| self.is(info));
        let (slot, _) = found.ok_or_else(|| TokenError::Away(self.label.clone()))?;
        Ok((used, slot))
    }

    /// Whether this is the token.
    pub(crate) fn is(&self, info: &TokenInfo) -> bool {
        info.serial_number() == self.serial && info.label() == self.label
    }
}

fn slots(used: &Use, library: &Path) -> Result<Vec<(Slot, TokenInfo)>, TokenError> {
    let slots = used.pkcs11.get_slots_with_token().map_err(|error| TokenError::Library {
        path: library.to_owned(),
        detail: error.to_string(),
    })?;
    // A token that is being pulled out just now is none.
    let with_info = |slot| used.pkcs11.get_token_info(slot).ok().map(|info| (slot, info));
    Ok(slots.into_iter().filter_map(with_info).filter(|(_, it)| it.token_initialized()).collect())
}

fn listed(used: &Use, slot: Slot, info: &TokenInfo) -> Listed {
    let mechanisms = used.pkcs11.get_mechanism_list(slot).unwrap_or_default();
    Listed {
        label: info.label().to_owned(),
        serial: info.serial_number().to_owned(),
        maker: info.manufacturer_id().to_owned(),
        model: info.model().to_owned(),
        prepared: info.user_pin_initialized(),
        able: mechanisms.contains(&MechanismType::EDDSA)
            && mechanisms.contains(&MechanismType::ECC_EDWARDS_KEY_PAIR_GEN),
    }
}
