//! Capabilities: the WIT interfaces that a component may import, and the world versions that
//! have them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use semper_base::Mend;
use semper_items::Side;
use serde::{Deserialize, Serialize};

/// A capability: one WIT interface that a component may import.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Capability {
    /// Plain types; no functions with effects.
    #[serde(rename = "semper:items/types")]
    Types,
    /// The deal, its parameters, the time.
    #[serde(rename = "semper:deal/deal")]
    Deal,
    /// Send and receive information.
    #[serde(rename = "semper:transfer/information")]
    Information,
    /// Send and receive signed statements.
    #[serde(rename = "semper:transfer/statements")]
    Statements,
    /// Pay and be paid.
    #[serde(rename = "semper:transfer/payments")]
    Payments,
    /// Receive whatever the flow enables.
    #[serde(rename = "semper:transfer/inbox")]
    Inbox,
    /// Show and ask the person.
    #[serde(rename = "semper:tinguin/display")]
    Display,
    /// Ask the person for consent.
    #[serde(rename = "semper:tinguin/consent")]
    Consent,
    /// Read what the person has chosen to tell merchants: name, address.
    #[serde(rename = "semper:archive/preferences")]
    Preferences,
    /// The merchant's catalogue and stock.
    #[serde(rename = "semper:business/catalogue")]
    Catalogue,
    /// Reserving goods and having them shipped.
    #[serde(rename = "semper:business/fulfilment")]
    Fulfilment,
    /// Wait for the first of several: messages, a date, a decision, the person's leaving.
    #[serde(rename = "semper:deal/waiting")]
    Waiting,
    /// Propose and accept fair exchanges.
    #[serde(rename = "semper:exchange/exchange")]
    Exchange,
    /// Checkpoints: a new run with a state and an empty journal.
    #[serde(rename = "semper:deal/continuation")]
    Continuation,
    /// The deterministic subset of WASI 0.2 that language runtimes want: no files, no network,
    /// the deal's time, the deal's seed.
    #[serde(rename = "wasi")]
    Wasi,
}

const CAPABILITIES: [(Capability, &str); 15] = [
    (Capability::Types, "semper:items/types"),
    (Capability::Deal, "semper:deal/deal"),
    (Capability::Waiting, "semper:deal/waiting"),
    (Capability::Continuation, "semper:deal/continuation"),
    (Capability::Exchange, "semper:exchange/exchange"),
    (Capability::Wasi, "wasi"),
    (Capability::Information, "semper:transfer/information"),
    (Capability::Statements, "semper:transfer/statements"),
    (Capability::Payments, "semper:transfer/payments"),
    (Capability::Inbox, "semper:transfer/inbox"),
    (Capability::Display, "semper:tinguin/display"),
    (Capability::Consent, "semper:tinguin/consent"),
    (Capability::Preferences, "semper:archive/preferences"),
    (Capability::Catalogue, "semper:business/catalogue"),
    (Capability::Fulfilment, "semper:business/fulfilment"),
];

impl Capability {
    /// Harmless capabilities: granted to a service that nobody has certified.
    pub const HARMLESS: [Self; 6] =
        [Self::Types, Self::Deal, Self::Information, Self::Display, Self::Continuation, Self::Wasi];

    /// The interface's name without its version.
    pub fn name(self) -> &'static str {
        CAPABILITIES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// Whether a component of this side may import it: a half of the world has what is its own.
    pub const fn is_for(self, side: Side) -> bool {
        match self {
            Self::Display | Self::Preferences => matches!(side, Side::Buyer),
            Self::Catalogue | Self::Fulfilment => matches!(side, Side::Seller),
            _ => true,
        }
    }

    /// All capabilities there are.
    pub fn all() -> impl Iterator<Item = Self> {
        CAPABILITIES.iter().map(|row| row.0)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = String;

    /// Parses an interface name with or without its version.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.split_once('@').map_or(text, |(name, _)| name);
        if WASI.contains(&name) {
            return Ok(Self::Wasi);
        }
        let found = CAPABILITIES.iter().find(|row| row.1 == name).map(|row| row.0);
        found.ok_or_else(|| format!("“{text}” is not an interface that this host offers"))
    }
}

/// The interfaces of WASI 0.2 that are offered.
const WASI: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// A version of the world `semper:commerce` that this host serves. A version that was once
/// published stays here for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// The first that was published.
    #[default]
    #[serde(rename = "1.2.0")]
    V1_2,
}

impl World {
    /// All there are, oldest first.
    pub const ALL: [Self; 1] = [Self::V1_2];

    /// Its text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2.0",
        }
    }

    /// The version under which a component of this world imports an interface; of WASI every
    /// patch of it.
    pub fn version(self, capability: Capability) -> &'static str {
        match (self, capability) {
            (_, Capability::Wasi) => "0.2",
            (Self::V1_2, Capability::Deal | Capability::Waiting | Capability::Continuation) => {
                "1.1.0"
            }
            (Self::V1_2, _) => "1.0.0",
        }
    }

    /// Whether a component of this world may import this interface (`semper:deal/deal@1.1.0`).
    pub fn offers(self, import: &str) -> bool {
        let Some((name, version)) = import.split_once('@') else { return false };
        match name.parse::<Capability>() {
            Ok(Capability::Wasi) => WASI.contains(&name) && version.starts_with("0.2."),
            Ok(capability) => version == self.version(capability),
            Err(_) => false,
        }
    }

    /// The text forms of all, for messages.
    fn served() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl FromStr for World {
    type Err = UnservedWorld;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|world| world.name() == text);
        found.ok_or_else(|| UnservedWorld { version: text.to_owned() })
    }
}

/// A version of the world that this host does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Mend)]
#[error(
    "world semper:commerce@{version}, which this host does not serve; it serves {}",
    World::served()
)]
#[mend(by = newer_or_rebuilt)]
pub struct UnservedWorld {
    /// The version that is not served.
    pub version: String,
}

/// What helps where a world is not served: a newer host, or a service that is built for ours.
fn newer_or_rebuilt(version: &str) -> String {
    let newest = World::default().name();
    if numbers(version) > numbers(newest) {
        return "a newer semper may serve it".into();
    }
    format!(
        "its author must build the service for world {newest}, and the merchant sign new \
         terms; what was signed before stays in the archive"
    )
}

/// The numbers of a version, if it is one.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}
