//! Grants: what a service may do, decided by the buyer's policies within what its certificates
//! reach. Policies can narrow that and never widen it.

use std::collections::{BTreeMap, BTreeSet};

use semper_base::{Amount, Mend};
use serde::{Deserialize, Serialize};

pub use crate::capability::{Capability, UnservedWorld, World};
pub use crate::certificate::{CertificateOf, Scope};
use crate::limits::{Limit, Limits, SomeLimits};

/// The grants of a service, with limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Whether the trust file's requirement is met.
    pub certified: bool,
    /// The interfaces that are linked.
    pub capabilities: BTreeSet<Capability>,
    /// The most that one deal may pay; `None` when it may not pay.
    pub most: Option<Amount>,
    /// Details of the person that it may ask for.
    #[serde(default)]
    pub presents: BTreeSet<String>,
    /// Capabilities that its certificates would allow and a policy does not, with the reason.
    #[serde(skip)]
    pub denied: BTreeMap<Capability, String>,
    /// The lack of an uncertified service that some have certified: after “the service wants …,
    /// which”.
    #[serde(skip)]
    pub lacks: Option<String>,
    /// Limits of the sandbox.
    pub limits: Limits,
    /// The version of the world that it is written for.
    pub world: World,
}

/// Why a service is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
pub enum Refusal {
    /// It wants more than it is granted.
    #[error("the service wants {}, which {reason}", list(wanted))]
    #[mend(
        "semper trust explain says what is missing; buy where organisations that you believe \
         have certified the service, or add such an organisation to your trust file"
    )]
    Wants {
        /// The capabilities that are not granted.
        wanted: Vec<Capability>,
        /// The reason, as the end of a sentence.
        reason: String,
    },
    /// It imports something that no host offers.
    #[error("the service cannot be linked: {0}")]
    #[mend("a newer semper may know it; otherwise tell the merchant")]
    Unknown(String),
    /// It is written for a world that this host does not serve.
    #[error("the service is written for {0}")]
    #[mend(from)]
    World(#[from] UnservedWorld),
    /// It imports a version that its world does not have.
    #[error("the service imports “{import}”, which its world, version {}, does not have", world.name())]
    #[mend("the author must name the world version that the components were built for")]
    Version {
        /// The interface with its version, as the component names it.
        import: String,
        /// The world that the service says it is written for.
        world: World,
    },
    /// The buyer's policies do not permit it.
    #[error("{what} is not permitted: {why}")]
    #[mend("{mend}")]
    Policy {
        /// The permission that was asked for.
        what: String,
        /// Which policy forbids it, or that none permits it.
        why: String,
        /// The mend, in the policy's words.
        mend: String,
    },
    /// It asks for a higher limit than is granted.
    #[error("the service wants {wanted} {limit}; at most {most} are granted")]
    #[mend(
        "if you believe that it needs them: {} = {wanted} under [limits] in your trust file, \
         for certified services", limit.name()
    )]
    Limit {
        /// The limit that it wants raised.
        limit: Limit,
        /// How much it wants.
        wanted: u64,
        /// How much may be granted.
        most: u64,
    },
}

fn list(wanted: &[Capability]) -> String {
    wanted.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ")
}

impl Grants {
    /// Harmless grants: all that an uncertified service gets, whatever a policy says.
    pub fn harmless() -> Self {
        Self {
            certified: false,
            capabilities: Capability::HARMLESS.into_iter().collect(),
            most: None,
            presents: BTreeSet::new(),
            denied: BTreeMap::new(),
            lacks: None,
            limits: Limits::default(),
            world: World::default(),
        }
    }

    /// How far the certificates that count reach; without any, what can do no harm.
    pub fn from_certificates(counted: &[&CertificateOf]) -> Self {
        let Some((first, rest)) = counted.split_first() else { return Self::harmless() };
        let credentials = |it: &CertificateOf| -> BTreeSet<String> {
            let all = || crate::certificate::CREDENTIALS.iter().map(|it| (*it).to_owned());
            it.scope.credentials.clone().unwrap_or_else(|| all().collect())
        };
        // Several certificates: each bounds the others.
        let mut capabilities: BTreeSet<_> = first.scope.imports.clone();
        let mut most = Some(first.scope.most);
        let mut presents = credentials(first);
        for other in rest {
            capabilities.retain(|it| other.scope.imports.contains(it));
            most = most.filter(|it| it.currency() == other.scope.most.currency()).map(|it| {
                if it.minor() <= other.scope.most.minor() { it } else { other.scope.most }
            });
            let theirs = credentials(other);
            presents.retain(|it| theirs.contains(it));
        }
        capabilities.extend(Capability::HARMLESS);
        Self { certified: true, capabilities, most, presents, ..Self::harmless() }
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
        let reason = match wanted.iter().find_map(|it| self.denied.get(it)) {
            Some(policy) => format!("is not permitted ({policy})"),
            None if self.certified => "its certificates do not allow".into(),
            None => {
                let nobody = || "nobody whom you believe has certified".to_owned();
                self.lacks.clone().unwrap_or_else(nobody)
            }
        };
        Err(Refusal::Wants { wanted, reason })
    }
}
