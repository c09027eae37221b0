//! Grants: what a service may do, as far as its certificates reach.
//!
//! This is the first cut: the rules are in code. The Cedar policies of
//! `design/terms-and-trust.md` take this module's place, behind the same [`Grants`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use semper_base::{Amount, Mend, Timestamp};
use serde::{Deserialize, Serialize};

/// A capability: one WIT interface that a component may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Capability {
    /// Plain types; no functions with effects.
    #[serde(rename = "semper:items/types")]
    Types,
    /// What deal this is, its parameters, the time.
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
    /// The merchant's fulfilment.
    #[serde(rename = "semper:business/fulfilment")]
    Fulfilment,
}

const CAPABILITIES: [(Capability, &str); 11] = [
    (Capability::Types, "semper:items/types"),
    (Capability::Deal, "semper:deal/deal"),
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
    /// What can do no harm: granted to a service that nobody has certified.
    pub const HARMLESS: [Self; 4] = [Self::Types, Self::Deal, Self::Information, Self::Display];

    /// The interface's name without its version.
    pub fn name(self) -> &'static str {
        CAPABILITIES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// All there are.
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

    /// Parses an interface name with or without `@1.0.0`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.split_once('@').map_or(text, |(name, _)| name);
        let found = CAPABILITIES.iter().find(|row| row.1 == name).map(|row| row.0);
        found.ok_or_else(|| format!("“{text}” is not an interface that this host offers"))
    }
}

/// What an evaluator says of a service: the predicate of its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateOf {
    /// The organisation's name, as in its key's certificate.
    pub organisation: String,
    /// URI and version of the criteria.
    pub criteria: String,
    /// How thoroughly.
    pub level: u32,
    /// Within which bounds.
    pub scope: Scope,
    /// Digest or address of the report.
    pub report: String,
    /// From when on.
    pub valid_from: Timestamp,
    /// Until when.
    pub valid_until: Timestamp,
}

/// The bounds of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What the service may import.
    pub imports: BTreeSet<Capability>,
    /// The most that one deal may pay.
    pub most: Amount,
}

/// What a service may do, with limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Whether the trust file's requirement is met.
    pub certified: bool,
    /// What is linked.
    pub capabilities: BTreeSet<Capability>,
    /// The most that one deal may pay; `None` when it may not pay.
    pub most: Option<Amount>,
    /// Limits of the sandbox.
    pub limits: Limits,
}

/// Limits of one deal's component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Instructions per activation, in wasmtime's fuel.
    pub fuel: u64,
    /// Bytes of linear memory.
    pub memory: u64,
    /// Milliseconds between two host calls.
    pub slice_ms: u64,
    /// Records of the journal.
    pub records: u64,
    /// Bytes that one host call may lift from the guest.
    pub call_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 2_000_000_000,
            memory: 16 * 1024 * 1024,
            slice_ms: 2_000,
            records: 10_000,
            call_bytes: 1024 * 1024,
        }
    }
}

/// Why a service is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It wants more than it is granted.
    #[error("the service wants {}, which {reason}", list(wanted))]
    Wants {
        /// What is not granted.
        wanted: Vec<Capability>,
        /// Why not.
        reason: String,
    },
    /// It imports something that no host offers.
    #[error("the service cannot be linked: {0}")]
    Unknown(String),
}

impl Mend for Refusal {
    fn mend(&self) -> String {
        match self {
            Self::Wants { .. } => {
                "buy where a consumer organisation that you believe has certified the terms, or \
                 add such an organisation to your trust file"
                    .into()
            }
            Self::Unknown(_) => "a newer semper may know it; otherwise tell the merchant".into(),
        }
    }
}

fn list(wanted: &[Capability]) -> String {
    wanted.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ")
}

impl Grants {
    /// What the certificates that count allow; without any, what can do no harm.
    pub fn from_certificates(counted: &[CertificateOf]) -> Self {
        let Some((first, rest)) = counted.split_first() else {
            return Self {
                certified: false,
                capabilities: Capability::HARMLESS.into_iter().collect(),
                most: None,
                limits: Limits::default(),
            };
        };
        // Several certificates: each bounds the others.
        let mut capabilities: BTreeSet<_> = first.scope.imports.clone();
        let mut most = Some(first.scope.most);
        for other in rest {
            capabilities.retain(|it| other.scope.imports.contains(it));
            most = most.filter(|it| it.currency() == other.scope.most.currency()).map(|it| {
                if it.minor() <= other.scope.most.minor() { it } else { other.scope.most }
            });
        }
        capabilities.extend(Capability::HARMLESS);
        Self { certified: true, capabilities, most, limits: Limits::default() }
    }

    /// Whether a component that imports these interfaces may run.
    pub fn admit(&self, imports: &[String]) -> Result<(), Refusal> {
        let mut wanted = Vec::new();
        for import in imports {
            let capability: Capability = import.parse().map_err(Refusal::Unknown)?;
            if !self.capabilities.contains(&capability) {
                wanted.push(capability);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let reason = if self.certified {
            "its certificates do not allow"
        } else {
            "nobody whom you believe has certified"
        };
        Err(Refusal::Wants { wanted, reason: reason.into() })
    }
}
