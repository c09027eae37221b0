//! Documents of consumer organisations: certificates with their scope, delegations.

use std::collections::{BTreeMap, BTreeSet};

use semper_base::{Amount, Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::describe::{Bounds, TermsDescription};
use crate::limits::SomeLimits;

/// An evaluator's word about a service, or about terms: the predicate of its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateOf {
    /// The organisation's name, as in its key's certificate.
    pub organisation: String,
    /// URI and version of the criteria.
    pub criteria: String,
    /// How thoroughly it was examined; the criteria define the levels.
    pub level: u32,
    /// The bounds within which it certifies.
    pub scope: Scope,
    /// Address of the report.
    pub report: String,
    /// Digest of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_digest: Option<Digest>,
    /// The service (its manifest's digest) that this one replaces, as far as the organisation
    /// knows: what changed between them is in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Digest>,
    /// The start of its validity.
    pub valid_from: Timestamp,
    /// The end of its validity.
    pub valid_until: Timestamp,
}

/// The bounds of a certificate. What is outside them it does not certify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The interfaces that the service may import.
    pub imports: BTreeSet<Capability>,
    /// The most that one deal may pay, and in which currency.
    pub most: Amount,
    /// Countries (ISO 3166-1, two letters) whose buyers it speaks for; any if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub countries: BTreeSet<String>,
    /// Narrower bounds of parameters than the service's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Bounds>,
    /// Details of the person that it may ask for (`name`, `street` …); those that merchants
    /// are told by default if it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<BTreeSet<String>>,
    /// Limits of the sandbox that the service must keep to, where they differ from the usual.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: SomeLimits,
}

/// Details of the person that there are, and that certified services may ask for by default.
pub const CREDENTIALS: [&str; 5] = ["name", "street", "postcode", "city", "country"];

impl Scope {
    /// Why these terms, for a buyer of that country, are outside the scope; `None` if inside.
    pub fn outside(&self, terms: &TermsDescription, country: Option<&str>) -> Option<String> {
        for (name, bounds) in &self.parameters {
            match terms.parameters.get(name) {
                Some(value) if bounds.allow(value) => {}
                Some(value) => {
                    return Some(format!("it certifies “{name}” for {bounds} only, not {value}"));
                }
                None => return Some(format!("it speaks of “{name}”, which the terms do not set")),
            }
        }
        let list = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(", ");
        match country {
            _ if self.countries.is_empty() => None,
            Some(own) if self.countries.contains(own) => None,
            Some(own) => {
                Some(format!("it speaks for buyers of {}, not of {own}", list(&self.countries)))
            }
            None => Some(format!(
                "it speaks for buyers of {}; your trust file does not say where you live",
                list(&self.countries)
            )),
        }
    }
}

/// An organisation's word about another: “what it certifies, I certify”.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The organisation that delegates.
    pub organisation: String,
    /// To whom: the name in the other's root, whose digest is the statement's subject.
    pub to: String,
    /// The criteria for which it delegates.
    pub criteria: Vec<String>,
    /// To which level at most.
    pub level: u32,
    /// How often the other may delegate on; 0 for not at all.
    pub depth: u8,
    /// The other's root certificate.
    pub root: semper_base::Certificate,
    /// The start of its validity.
    pub valid_from: Timestamp,
    /// The end of its validity.
    pub valid_until: Timestamp,
}
