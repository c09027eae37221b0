//! Fifth stage: which evaluators' certificates count, and why others do not.

use std::collections::BTreeMap;

use semper_base::cert::{Revocation, Roots, Verifier};
use semper_base::text::counted;
use semper_base::{Digest, Identity, Role, Timestamp};

use super::described::Described;
use super::error::TrustError;
use super::logged::{Logged, proved};
use crate::bundle::{CERTIFICATE, DELEGATION};
use crate::certificate::{CertificateOf, Delegation};
use crate::envelope::{self, CERTIFIED, DELEGATED, ENVELOPE, Opened};
use crate::layout::{Layout, LayoutError, Manifest};
use crate::revocation::{Knowledge, Reason};
use crate::trustfile::{About, Offline, Requirement, TrustFile};

/// Most steps of delegation that are followed, whatever a trust file says.
const MAX_DEPTH: u8 = 4;

/// An evaluator's certificate, and whether it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The organisation's certificate.
    pub certificate: CertificateOf,
    /// The organisation's name in the trust file; of a delegate, that of whoever delegates.
    pub evaluator: String,
    /// Over which organisations it was delegated; empty if the evaluator signed itself.
    pub via: Vec<String>,
    /// The subject: the service or the terms.
    pub about: About,
    /// The level at which it counts: a delegation may lower it.
    pub level: u32,
    /// Why it does not count; `None` when it does.
    pub objection: Option<Objection>,
}

impl Counted {
    /// Whether it counts for a requirement.
    pub fn fits(&self, requirement: &Requirement) -> bool {
        self.objection.is_none()
            && self.about == requirement.about
            && requirement.of.contains(&self.evaluator)
            && self.certificate.criteria == requirement.criteria
            && self.level >= requirement.level
    }
}

/// Why a certificate does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Somebody else's name in it.
    #[error("signed by “{0}”")]
    Signer(String),
    /// Criteria for which the organisation is not believed.
    #[error("by criteria {0} that you do not believe it for")]
    Criteria(String),
    /// Outside its validity.
    #[error("valid from {from} to {to}")]
    Time {
        /// The start of its validity.
        from: String,
        /// The end of its validity.
        to: String,
    },
    /// What it certifies is narrower than these terms.
    #[error("{0}")]
    Scope(String),
    /// Taken back.
    #[error("revoked since {since}: {reason}")]
    Revoked {
        /// The time from which it no longer holds.
        since: Timestamp,
        /// The reason that the organisation gives.
        reason: Reason,
    },
    /// It could have been taken back, and nobody here would know.
    #[error("its organisation's revocation list {0}")]
    Stale(String),
    /// Not proved to be logged.
    #[error("not proved to be in a log that you believe: {0}")]
    Unlogged(String),
}

/// Terms with the certificates about them.
#[derive(Clone, Debug)]
pub struct Certified {
    pub(super) described: Described,
    pub(super) merchant: Identity,
    pub(super) author: Identity,
    pub(super) warnings: Vec<String>,
    pub(super) known: bool,
    pub(super) suspicious: bool,
    pub(super) log: Option<semper_tlog::proof::Logged>,
    pub(super) certificates: Vec<Counted>,
    /// Those by which a requirement is met, as numbers of `certificates`.
    meeting: Vec<usize>,
}

impl Certified {
    /// The certificates by which a requirement is met; none if none is.
    pub fn counting(&self) -> Vec<&CertificateOf> {
        self.meeting.iter().map(|index| &self.certificates[*index].certificate).collect()
    }

    /// How near an unmet requirement is, in words; `None` if nobody's certificate counts.
    pub(super) fn lacks(&self, require: &[Requirement]) -> Option<String> {
        let near = require.iter().map(|it| (fitting(&self.certificates, it).len(), it));
        let (have, wanted) = near.max_by_key(|(have, it)| *have * 100 / it.threshold.max(1))?;
        (have > 0).then(|| {
            let (of, want) = (wanted.of.len(), wanted.threshold);
            let have = counted(have, "organisation has", "organisations have");
            format!("only {have} certified, and {want} are wanted (of {of})")
        })
    }

    /// The organisations behind them, by their names in the trust file.
    pub fn certifiers(&self) -> Vec<String> {
        self.meeting.iter().map(|index| self.certificates[*index].evaluator.clone()).collect()
    }

    /// All certificates in the bundle, counting or not.
    pub fn certificates(&self) -> &[Counted] {
        &self.certificates
    }
}

/// An organisation withdraws its keys by its own signed list, at which every certificate is looked at.
const OWN_LIST: Revocation =
    Revocation::Unasked("an organisation's own list says what it withdraws");

/// Somebody whose certificates count as an evaluator's.
#[derive(Clone)]
struct Voice {
    evaluator: String,
    /// Believes its keys. What it has withdrawn is on its own list.
    verifier: Verifier,
    criteria: Vec<String>,
    most: u32,
    /// How often it may delegate on.
    depth: u8,
    via: Vec<String>,
}

impl Logged {
    /// Looks at every certificate about service and terms. One that is damaged or by somebody
    /// unknown does not spoil the others.
    pub fn certified(
        self,
        layout: &Layout,
        trust: &TrustFile,
        knowledge: Option<&Knowledge>,
        at: Timestamp,
    ) -> Result<Certified, TrustError> {
        let looking = Looking { layout, trust, knowledge, at, described: &self.described };
        let voices = looking.voices()?;
        let mut certificates = Vec::new();
        let subjects = [
            (About::Service, self.described.service_digest),
            (About::Terms, self.described.terms_digest),
        ];
        for (about, subject) in subjects {
            for (digest, manifest) in layout.referring(&subject, CERTIFICATE)? {
                certificates
                    .extend(looking.certificate(&voices, about, &subject, digest, &manifest)?);
            }
        }
        let meeting = meeting(&certificates, &trust.require);
        let mut warnings = self.warnings;
        warnings.extend(looking.overdue());
        let Self { described, merchant, author, known, suspicious, log, .. } = self;
        Ok(Certified {
            described,
            merchant,
            author,
            warnings,
            known,
            suspicious,
            log,
            certificates,
            meeting,
        })
    }
}

struct Looking<'a> {
    layout: &'a Layout,
    trust: &'a TrustFile,
    knowledge: Option<&'a Knowledge>,
    at: Timestamp,
    described: &'a Described,
}

impl Looking<'_> {
    /// The evaluators of the trust file, and those to whom they have delegated.
    fn voices(&self) -> Result<Vec<Voice>, LayoutError> {
        let mut voices: Vec<Voice> = self
            .trust
            .evaluators
            .iter()
            .map(|(name, evaluator)| Voice {
                evaluator: name.clone(),
                verifier: evaluator.roots_at(self.at).asking(OWN_LIST),
                criteria: evaluator.criteria.clone(),
                most: u32::MAX,
                depth: evaluator.delegates.min(MAX_DEPTH),
                via: Vec::new(),
            })
            .collect();
        let statements = self.layout.referrers(&self.described.service_digest, DELEGATION)?;
        let mut next = 0;
        // Grows while it is walked; the depth falls with each step, so it ends.
        while let Some(voice) = voices.get(next).cloned() {
            next += 1;
            if voice.depth == 0 {
                continue;
            }
            for manifest in &statements {
                voices.extend(self.delegate(&voice, manifest)?);
            }
        }
        Ok(voices)
    }

    fn delegate(&self, voice: &Voice, manifest: &Manifest) -> Result<Option<Voice>, LayoutError> {
        let Some(layer) = envelope_of(manifest) else { return Ok(None) };
        let bytes = self.layout.blob(&layer)?;
        let verified = envelope::verify_any::<Delegation>(
            bytes,
            DELEGATED,
            &voice.verifier,
            Role::Evaluator,
            self.at,
        );
        let Ok((subject, delegation, signer)) = verified else { return Ok(None) };
        let good = subject == delegation.root.digest()
            && delegation.organisation == signer.name
            && (delegation.valid_from..=delegation.valid_until).contains(&self.at)
            && self.revoked(voice, &signer, &[layer]).is_none();
        if !good {
            return Ok(None);
        }
        let mut via = voice.via.clone();
        via.push(delegation.to.clone());
        let criteria = voice.criteria.iter().filter(|it| delegation.criteria.contains(it));
        Ok(Some(Voice {
            evaluator: voice.evaluator.clone(),
            criteria: criteria.cloned().collect(),
            verifier: Roots::new(vec![delegation.root]).asking(OWN_LIST),
            most: voice.most.min(delegation.level),
            depth: (voice.depth - 1).min(delegation.depth),
            via,
        }))
    }

    /// A certificate, once for everybody in whose name it speaks.
    fn certificate(
        &self,
        voices: &[Voice],
        about: About,
        subject: &Digest,
        digest: Digest,
        manifest: &Manifest,
    ) -> Result<Vec<Counted>, LayoutError> {
        let mut all = Vec::new();
        let Some(layer) = envelope_of(manifest) else { return Ok(all) };
        let Ok(opened) = Opened::new(self.layout.blob(&layer)?) else { return Ok(all) };
        for voice in voices {
            let verified = opened.verify::<CertificateOf>(
                CERTIFIED,
                &voice.verifier,
                Role::Evaluator,
                self.at,
            );
            let Ok((about_what, certificate, signer)) = verified else { continue };
            if about_what != *subject {
                continue;
            }
            let logged = || proved(self.layout, self.trust, &digest, &layer);
            let mut objection = self.objection(&certificate, &signer, voice, &layer, subject);
            if objection.is_none()
                && self.knowledge.is_some()
                && self.trust.transparency.certificates
            {
                objection = logged()?.err().map(Objection::Unlogged);
            }
            all.push(Counted {
                level: certificate.level.min(voice.most),
                certificate,
                evaluator: voice.evaluator.clone(),
                via: voice.via.clone(),
                about,
                objection,
            });
        }
        Ok(all)
    }

    fn objection(
        &self,
        certificate: &CertificateOf,
        signer: &Identity,
        voice: &Voice,
        envelope: &Digest,
        subject: &Digest,
    ) -> Option<Objection> {
        let (from, to) = (certificate.valid_from, certificate.valid_until);
        if certificate.organisation != signer.name {
            return Some(Objection::Signer(signer.name.clone()));
        }
        if !voice.criteria.contains(&certificate.criteria) {
            return Some(Objection::Criteria(certificate.criteria.clone()));
        }
        if self.at < from || self.at > to {
            return Some(Objection::Time { from: from.date(), to: to.date() });
        }
        if let Some(objection) = self.revoked(voice, signer, &[*envelope, *subject]) {
            return Some(objection);
        }
        if let Some(objection) = self.stale(&voice.evaluator) {
            return Some(objection);
        }
        let country = self.trust.country.as_deref();
        certificate.scope.outside(&self.described.terms, country).map(Objection::Scope)
    }

    fn revoked(&self, voice: &Voice, signer: &Identity, what: &[Digest]) -> Option<Objection> {
        let knowledge = self.knowledge?;
        // An organisation takes back by any of its roots what it has signed under another.
        let own = || {
            let itself = voice.via.is_empty();
            itself.then(|| knowledge.withdrawn_by(&voice.evaluator, signer, what)).flatten()
        };
        let entry = knowledge.withdrawn(signer, what).or_else(own)?;
        Some(Objection::Revoked { since: entry.since, reason: entry.reason })
    }

    /// Whether the list of an evaluator that publishes one is missing or overdue.
    fn stale(&self, evaluator: &str) -> Option<Objection> {
        let knowledge = self.knowledge?;
        self.trust.evaluators.get(evaluator)?.revocations.as_ref()?;
        let Some(list) = knowledge.list_of(evaluator) else {
            return Some(Objection::Stale("is not known here".into()));
        };
        let due = list.list.next_update;
        let late = self.at > due.after(self.trust.freshness.grace);
        (late && self.trust.freshness.offline == Offline::Refuse)
            .then(|| Objection::Stale(format!("is overdue since {due}")))
    }

    /// Overdue lists that are accepted all the same.
    fn overdue(&self) -> Vec<String> {
        let Some(knowledge) = self.knowledge else { return Vec::new() };
        if self.trust.freshness.offline == Offline::Refuse {
            return Vec::new();
        }
        let late = |name: &&String| {
            knowledge.list_of(name).is_some_and(|it| self.at > it.list.next_update)
        };
        let words = |name: &String| format!("the revocation list of “{name}” is overdue");
        self.trust.evaluators.keys().filter(late).map(words).collect()
    }
}

fn envelope_of(manifest: &Manifest) -> Option<Digest> {
    manifest.layers.first().filter(|it| it.media_type == ENVELOPE).map(|it| it.digest)
}

/// The certificates by which the first requirement is met; none if none is. An organisation
/// counts once, whoever signs in its name.
fn meeting(certificates: &[Counted], require: &[Requirement]) -> Vec<usize> {
    let met = require.iter().find_map(|requirement| {
        let by = fitting(certificates, requirement);
        (by.len() >= requirement.threshold).then(|| by.into_values().collect())
    });
    met.unwrap_or_default()
}

/// The certificates that count for a requirement, one for each organisation.
fn fitting<'a>(certificates: &'a [Counted], requirement: &Requirement) -> BTreeMap<&'a str, usize> {
    let mut by = BTreeMap::new();
    for (index, counted) in certificates.iter().enumerate() {
        if counted.fits(requirement) {
            by.entry(counted.evaluator.as_str()).or_insert(index);
        }
    }
    by
}
