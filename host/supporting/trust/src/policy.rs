//! Grants: what a service may do, as far as its certificates reach.
//!
//! This is the first cut: the rules are in code. The Cedar policies of
//! `design/terms-and-trust.md` take this module's place, behind the same [`Grants`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use semper_base::{Amount, Mend, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{Limit, Limits, SomeLimits};

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
    /// Wait for the first of several: messages, a date, a decision, the person's leaving.
    #[serde(rename = "semper:deal/waiting")]
    Waiting,
    /// Checkpoints: a new run with a state and an empty journal.
    #[serde(rename = "semper:deal/continuation")]
    Continuation,
    /// The deterministic subset of WASI 0.2 that language runtimes want: no files, no network,
    /// the deal's time, the deal's seed.
    #[serde(rename = "wasi")]
    Wasi,
}

const CAPABILITIES: [(Capability, &str); 14] = [
    (Capability::Types, "semper:items/types"),
    (Capability::Deal, "semper:deal/deal"),
    (Capability::Waiting, "semper:deal/waiting"),
    (Capability::Continuation, "semper:deal/continuation"),
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
    /// What can do no harm: granted to a service that nobody has certified.
    pub const HARMLESS: [Self; 6] =
        [Self::Types, Self::Deal, Self::Information, Self::Display, Self::Continuation, Self::Wasi];

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
        if WASI.contains(&name) {
            return Ok(Self::Wasi);
        }
        let found = CAPABILITIES.iter().find(|row| row.1 == name).map(|row| row.0);
        found.ok_or_else(|| format!("“{text}” is not an interface that this host offers"))
    }
}

/// What there is of WASI 0.2.
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

/// A version of the worlds in `wit/` that this host serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum World {
    /// The first.
    #[default]
    #[serde(rename = "1.0.0")]
    V1_0,
    /// With waiting for the first of several, checkpoints, and a deal's expiry.
    #[serde(rename = "1.1.0")]
    V1_1,
}

impl World {
    /// All there are, oldest first.
    pub const ALL: [(Self, &'static str); 2] = [(Self::V1_0, "1.0.0"), (Self::V1_1, "1.1.0")];

    /// Whether a component of this world may import this interface (`semper:deal/deal@1.1.0`).
    pub fn offers(self, import: &str) -> bool {
        let Some((name, version)) = import.split_once('@') else { return false };
        if name.starts_with("wasi:") {
            return WASI.contains(&name) && version.starts_with("0.2.");
        }
        let versions: &[&str] = match name {
            "semper:deal/waiting" | "semper:deal/continuation" => {
                return self >= Self::V1_1 && version == "1.1.0";
            }
            "semper:deal/deal" if self >= Self::V1_1 => &["1.0.0", "1.1.0"],
            _ => &["1.0.0"],
        };
        versions.contains(&version)
    }

    /// Its text form.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl FromStr for World {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|row| row.1 == text).map(|row| row.0);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|row| row.1).collect();
            format!("world version {text} is not known here ({})", known.join(", "))
        })
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
    /// Limits of the sandbox that the service must keep to, where they differ from the usual.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: SomeLimits,
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
    /// The version of the world that it is written for.
    pub world: World,
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
    /// It imports a version that its world does not have.
    #[error("the service imports “{import}”, which its world, version {}, does not have", world.name())]
    Version {
        /// The interface.
        import: String,
        /// The world that the service says it is written for.
        world: World,
    },
    /// It asks for a higher limit than is granted.
    #[error("the service wants {wanted} {limit}; at most {most} are granted")]
    Limit {
        /// Which.
        limit: Limit,
        /// How much it wants.
        wanted: u64,
        /// How much may be granted.
        most: u64,
    },
}

impl Mend for Refusal {
    fn mend(&self) -> String {
        match self {
            Self::Wants { .. } => {
                "buy where a consumer organisation that you believe has certified the terms, or \
                 add such an organisation to your trust file"
                    .into()
            }
            Self::Limit { limit, wanted, .. } => format!(
                "if you believe that it needs them: {} = {wanted} under [limits] in your trust \
                 file, for certified services",
                limit.name()
            ),
            Self::Version { .. } => {
                "the author must name the world version that the components were built for".into()
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
                world: World::default(),
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
        let (limits, world) = (Limits::default(), World::default());
        Self { certified: true, capabilities, most, limits, world }
    }

    /// With the limits that the service asks for, as far as the ceilings reach; certificates
    /// and ceilings lower them. Without a certificate the usual limits are the ceiling.
    pub fn with_limits(
        mut self,
        asked: &SomeLimits,
        ceilings: &SomeLimits,
        counted: &[&CertificateOf],
    ) -> Result<Self, Refusal> {
        let highest = if self.certified { Limits::ceiling() } else { Limits::default() };
        let raised = highest.with_all(ceilings);
        // An uncertified service gains nothing by a trust file that raises the ceilings.
        let ceiling = if self.certified { raised } else { raised.lower(Limits::default()) };
        for (limit, wanted) in asked {
            let most = ceiling.get(*limit);
            if *wanted > most {
                return Err(Refusal::Limit { limit: *limit, wanted: *wanted, most });
            }
        }
        let mut limits = Limits::default().with_all(asked).lower(ceiling);
        for certificate in counted {
            limits = limits.lower(Limits::ceiling().with_all(&certificate.scope.limits));
        }
        self.limits = limits;
        Ok(self)
    }

    /// Whether a component that imports these interfaces may run.
    pub fn admit(&self, imports: &[String]) -> Result<(), Refusal> {
        let mut wanted = Vec::new();
        for import in imports {
            let capability: Capability = import.parse().map_err(Refusal::Unknown)?;
            if !self.world.offers(import) {
                let (import, world) = (import.clone(), self.world);
                return Err(Refusal::Version { import, world });
            }
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
