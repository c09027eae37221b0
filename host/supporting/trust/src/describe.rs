//! The canonical JSON descriptions that bundles carry: of a service, and of terms.

use std::collections::BTreeMap;

use semper_base::text::counted;
use semper_base::{Amount, Digest, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::flow::Flow;
use crate::layout::{LayoutError, canonical, form};
use crate::limits::SomeLimits;

/// Artifact type of a service.
pub const SERVICE: &str = "application/vnd.semper.service.v1";
/// Artifact type of terms.
pub const TERMS: &str = "application/vnd.semper.terms.v1";
/// Media type of a service's description.
pub const SERVICE_CONFIG: &str = "application/vnd.semper.service.config.v1+json";
/// Media type of terms' description.
pub const TERMS_CONFIG: &str = "application/vnd.semper.terms.config.v1+json";
/// Media type of components (CNCF's WASM OCI artifact convention).
pub const WASM: &str = "application/wasm";
/// Media type of texts.
pub const TEXT: &str = "text/markdown";

/// A service: the pair of components and what they say of themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDescription {
    /// Its name, such as `mail-order`.
    pub name: String,
    /// The version of the service (semver).
    pub version: String,
    /// The author's certified name.
    pub author: String,
    /// One sentence for people.
    pub summary: String,
    /// The digest of the buyer's component.
    pub buyer: Digest,
    /// The digest of the seller's component.
    pub seller: Digest,
    /// The world version that both are written for, such as `1.2.0`.
    pub world: String,
    /// The declared flow, which both hosts enforce.
    pub flow: Flow,
    /// The parameters that terms fill in.
    pub parameters: BTreeMap<String, Parameter>,
    /// Limits of the sandbox that it needs, where they differ from the usual.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: SomeLimits,
}

/// A parameter that terms fill in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The meaning, for merchants and evaluators.
    pub meaning: String,
    /// The values that terms may give it.
    pub bounds: Bounds,
}

/// The bounds of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Bounds {
    /// A whole number.
    Number {
        /// The least value.
        least: i64,
        /// The greatest value.
        most: i64,
    },
    /// A text of at most so many characters.
    Text {
        /// The greatest number of characters.
        most: u32,
    },
    /// An amount of money.
    Money {
        /// The greatest amount.
        most: Amount,
    },
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// An amount.
    Money(Amount),
}

impl Bounds {
    /// Whether a value keeps to the bounds.
    pub fn allow(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Number { least, most }, Value::Number(n)) => (least..=most).contains(&n),
            (Self::Text { most }, Value::Text(text)) => text.chars().count() <= *most as usize,
            (Self::Money { most }, Value::Money(amount)) => {
                most.currency() == amount.currency() && (0..=most.minor()).contains(&amount.minor())
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number { least, most } => write!(f, "{least} to {most}"),
            Self::Text { most } => {
                write!(f, "texts of at most {}", counted(*most, "character", "characters"))
            }
            Self::Money { most } => write!(f, "up to {most}"),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "“{text}”"),
            Self::Money(amount) => write!(f, "{amount}"),
        }
    }
}

/// One merchant's use of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsDescription {
    /// The digest of the service's manifest.
    pub service: Digest,
    /// The merchant's certified name.
    pub merchant: String,
    /// Rises with every change; a host never goes back.
    pub serial: u64,
    /// Values of the service's parameters, every one of them.
    pub parameters: BTreeMap<String, Value>,
    /// Texts for people: language to the digest of the text.
    pub texts: BTreeMap<String, Digest>,
    /// Payment modules accepted, most liked first.
    pub payment: Vec<String>,
    /// The start of the terms' validity.
    pub valid_from: Timestamp,
    /// The end of the terms' validity.
    pub valid_until: Timestamp,
}

/// Parses canonical JSON of a description; another encoding of it is an error.
pub fn parse<T: Serialize + DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, LayoutError> {
    let value: T = serde_json::from_slice(bytes).map_err(|error| form(name, error.to_string()))?;
    if canonical(&value) == bytes {
        return Ok(value);
    }
    // With another encoding a key may be there twice: that is said first.
    crate::json::strict(bytes).map_err(|error| form(name, error))?;
    Err(form(name, "not in canonical form (RFC 8785)"))
}

/// Parses a flow from JSON; for tools that build services from other descriptions.
pub fn flow(text: &str) -> Result<Flow, LayoutError> {
    serde_json::from_str(text).map_err(|error| form("the flow", error.to_string()))
}
