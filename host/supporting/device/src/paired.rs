//! What each of the two keeps of the other, in its home. Who reads such a file can pretend to be that
//! end: to ask as the host, or to be asked in the device's place. It signs nothing with that.

use semper_archive::{Home, HomeError};
use semper_base::{Mend, PublicKey, SigningKey, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The file on the host's machine.
pub const TO_DEVICE: &str = "device.json";
/// The file on the device.
pub const TO_HOST: &str = "host.json";

/// The version of both.
const VERSION: u32 = 1;

/// The host's machine knows its person's device.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToDevice {
    version: u32,
    /// Where it waits for the device: an address of this machine and a port.
    pub listen: String,
    /// Its own key.
    pub own: Own,
    /// The device's key.
    pub device: PublicKey,
    /// What the device calls itself.
    pub name: String,
}

/// The device knows the host's machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToHost {
    version: u32,
    /// Where the host's machine is: a name or address, and a port.
    pub address: String,
    /// Its own key.
    pub own: Own,
    /// The key of the host's machine.
    pub host: PublicKey,
    /// What the host's machine calls itself.
    pub name: String,
}

/// One's own key.
#[derive(Debug)]
pub struct Own(pub SigningKey);

/// Why a file of a pairing cannot be used.
#[derive(Debug, thiserror::Error, Mend)]
pub enum PairedError {
    /// It cannot be read or written.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// It is damaged, or of a newer version.
    #[error("{0} cannot be used: {1}")]
    #[mend(input, "pair the two again: semper device pair, semper device join")]
    Damaged(&'static str, String),
}

impl ToDevice {
    /// What a pairing has found.
    pub const fn new(listen: String, own: SigningKey, device: PublicKey, name: String) -> Self {
        Self { version: VERSION, listen, own: Own(own), device, name }
    }

    /// That of a home; none if its TINGUIN is here.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn of(home: &Home) -> Result<Option<Self>, PairedError> {
        read(home, TO_DEVICE)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, home: &Home) -> Result<(), PairedError> {
        write(home, TO_DEVICE, self)
    }
}

impl ToHost {
    /// What a pairing has found.
    pub const fn new(address: String, own: SigningKey, host: PublicKey, name: String) -> Self {
        Self { version: VERSION, address, own: Own(own), host, name }
    }

    /// That of a home; none if its TINGUIN serves hosts of its own machine alone.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn of(home: &Home) -> Result<Option<Self>, PairedError> {
        read(home, TO_HOST)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, home: &Home) -> Result<(), PairedError> {
        write(home, TO_HOST, self)
    }
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn read<T: DeserializeOwned>(home: &Home, file: &'static str) -> Result<Option<T>, PairedError> {
    if !home.has(file) {
        return Ok(None);
    }
    let text = home.read_secret(file)?;
    let wrong = |error: serde_json::Error| PairedError::Damaged(file, error.to_string());
    let Versioned { version } = serde_json::from_str(&text).map_err(wrong)?;
    match version {
        VERSION => serde_json::from_str(&text).map(Some).map_err(wrong),
        other => Err(PairedError::Damaged(file, format!("it is of version {other}"))),
    }
}

fn write<T: Serialize>(home: &Home, file: &'static str, it: &T) -> Result<(), PairedError> {
    let text = serde_json::to_string_pretty(it)
        .map_err(|error| PairedError::Damaged(file, error.to_string()))?;
    Ok(home.write(file, text.as_bytes())?)
}

impl Serialize for Own {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest::hex(&*self.0.seed()))
    }
}

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seed = digest::unhex(&text).and_then(|it| it.try_into().ok());
        let seed: [u8; 32] = seed.ok_or_else(|| serde::de::Error::custom("not 64 hex digits"))?;
        Ok(Self(SigningKey::from_seed(&seed)))
    }
}
