//! From a layout to [`VerifiedTerms`], one typed stage after another:
//!
//! | stage | module | what holds then |
//! |---|---|---|
//! | [`Described`] | `described` | one service, one set of terms, whole, canonical, consistent |
//! | [`Signed`] | `signed` | merchant and author have signed them, and are who they say |
//! | [`Fresh`] | `fresh` | valid now, not older than seen, not revoked |
//! | [`Logged`] | `logged` | in a transparency log that is believed, as far as that is wanted |
//! | [`Certified`] | `certified` | which evaluators' certificates count, and why others do not |
//! | [`VerifiedTerms`] | here | what the service may do |

mod certified;
mod described;
mod error;
mod fresh;
mod logged;
mod signed;

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_base::{Amount, Digest, Identity, Timestamp};

use crate::describe::{ServiceDescription, TermsDescription};
use crate::flow::Flow;
use crate::layout::Layout;
use crate::policies::{Decided, Facts, Policies};
use crate::policy::{Grants, Refusal};
use crate::revocation::Knowledge;
use crate::trustfile::TrustFile;

pub use certified::{Certified, Counted, Objection};
pub use described::{Described, imports};
pub use error::TrustError;
pub use fresh::Fresh;
pub use logged::Logged;
pub use signed::Signed;

/// Terms of business whose every byte has been traced to somebody who is believed.
///
/// Made by [`VerifiedTerms::verify`] alone; the only type from which a deal can be opened.
#[derive(Clone, Debug)]
pub struct VerifiedTerms {
    described: Described,
    flow: Arc<Flow>,
    merchant: Identity,
    author: Identity,
    certificates: Vec<Counted>,
    log: Option<semper_tlog::proof::Logged>,
    warnings: Vec<String>,
    grants: Grants,
    decided: Vec<Decided>,
    paying: Arc<Paying>,
}

/// What policies are asked by when money moves.
#[derive(Debug)]
struct Paying {
    policies: Arc<Policies>,
    /// What certificates reach.
    reach: Grants,
    facts: Facts,
}

impl VerifiedTerms {
    /// Verifies the one set of terms in a layout, at a time, by a trust file and what the host
    /// knows. Without knowledge nothing is asked about revocation and logs: for deals that were
    /// opened when it was known, and go on.
    pub fn verify(
        layout: &Layout,
        trust: &TrustFile,
        knowledge: Option<&Knowledge>,
        at: Timestamp,
    ) -> Result<Self, TrustError> {
        Described::parse(layout)?
            .signed(layout, trust, knowledge, at)?
            .fresh(trust, knowledge, at)?
            .logged(layout, trust, knowledge.is_some())?
            .certified(layout, trust, knowledge, at)?
            .granted(trust)
    }

    /// Verifies terms of a deal that was opened at that time and goes on: what was asked about
    /// revocation and logs then is not asked again, and whether the merchant was known and its name odd
    /// is told. So it is granted what it was granted then.
    pub fn verify_again(
        layout: &Layout,
        trust: &TrustFile,
        known: bool,
        suspicious: bool,
        at: Timestamp,
    ) -> Result<Self, TrustError> {
        Described::parse(layout)?
            .signed(layout, trust, None, at)?
            .fresh(trust, None, at)?
            .seen(known, suspicious)
            .logged(layout, trust, false)?
            .certified(layout, trust, None, at)?
            .granted(trust)
    }

    /// The terms' digest: their identity.
    pub fn digest(&self) -> Digest {
        self.described.terms_digest
    }

    /// The digest of the service: the identity that certificates name.
    pub fn service_digest(&self) -> Digest {
        self.described.service_digest
    }

    /// The merchant's description of its terms.
    pub fn terms(&self) -> &TermsDescription {
        &self.described.terms
    }

    /// The author's description of the service.
    pub fn service(&self) -> &ServiceDescription {
        &self.described.service
    }

    /// The service's flow, shared by all its deals.
    pub fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// The merchant that signed the terms.
    pub fn merchant(&self) -> &Identity {
        &self.merchant
    }

    /// The author that signed the service.
    pub fn author(&self) -> &Identity {
        &self.author
    }

    /// The bytes of the buyer's component.
    pub fn buyer_component(&self) -> &[u8] {
        &self.described.buyer
    }

    /// The bytes of the seller's component.
    pub fn seller_component(&self) -> &[u8] {
        &self.described.seller
    }

    /// Texts for people, by language.
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.described.texts
    }

    /// The certificates found, and which count.
    pub fn certificates(&self) -> &[Counted] {
        &self.certificates
    }

    /// The proof that the terms are in a transparency log, if there is one that is believed.
    pub fn log(&self) -> Option<&semper_tlog::proof::Logged> {
        self.log.as_ref()
    }

    /// Warnings that the person should hear before a deal.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The grants: the permissions of the service.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether the policies permit that a deal pays this much in all: asked when money moves, since a
    /// policy may reckon with amounts in any way.
    pub fn may_pay(&self, amount: Amount) -> Decided {
        let Paying { policies, reach, facts } = &*self.paying;
        policies.pay(reach, facts, amount)
    }

    /// Every decision of the policies, with its reason.
    pub fn decided(&self) -> &[Decided] {
        &self.decided
    }

    /// The organisations whose certificates count.
    pub fn certified_by(&self) -> Vec<String> {
        let counting = self.certificates.iter().filter(|it| it.objection.is_none());
        let mut names: Vec<String> =
            counting.map(|it| it.certificate.organisation.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Certified {
    /// The last stage: what the certificates reach, narrowed by the policies.
    pub fn granted(self, trust: &TrustFile) -> Result<VerifiedTerms, TrustError> {
        let counted = self.counting();
        let reach = Grants::from_certificates(&counted);
        let facts = Facts {
            name: self.described.service.name.clone(),
            version: self.described.service.version.clone(),
            author: self.author.name.clone(),
            merchant: self.merchant.name.clone(),
            certifiers: self.certifiers(),
            level: counted.iter().map(|it| it.level).min().unwrap_or(0),
            logged: self.log.is_some(),
            known: self.known,
            suspicious: self.suspicious,
            country: trust.country.clone().unwrap_or_default(),
        };
        let lacks = if reach.certified { None } else { self.lacks(&trust.require) };
        let (grants, decided) = trust.policies.narrow(reach.clone(), &facts);
        let paying = Arc::new(Paying { policies: Arc::clone(&trust.policies), reach, facts });
        let grants = Grants { lacks, ..grants };
        let asked = &self.described.service.limits;
        let mut grants = grants.with_limits(asked, &trust.limits, &counted)?;
        grants.world = self.described.service.world.parse().map_err(Refusal::World)?;
        let Self { described, merchant, author, log, warnings, certificates, .. } = self;
        Ok(VerifiedTerms {
            flow: Arc::new(described.service.flow.clone()),
            described,
            merchant,
            author,
            certificates,
            log,
            warnings,
            grants,
            decided,
            paying,
        })
    }
}
