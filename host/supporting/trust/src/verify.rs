//! From a layout to [`VerifiedTerms`]: signatures, chains, roles, time, certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_base::{Digest, Identity, Mend, Role, Timestamp};
use wasmparser::{Parser, Payload};

use crate::bundle::{CERTIFICATE, SIGNATURE};
use crate::describe::{
    self, SERVICE, SERVICE_CONFIG, ServiceDescription, TERMS, TERMS_CONFIG, TEXT, TermsDescription,
    WASM,
};
use crate::envelope::{self, AUTHORED, CERTIFIED, ENVELOPE, EnvelopeError, Made, OFFERED};
use crate::flow::Flow;
use crate::layout::{Layout, LayoutError, Manifest, form};
use crate::policy::{CertificateOf, Grants, Refusal, World};
use crate::trustfile::{Requirement, TrustFile};

/// Terms of business whose every byte has been traced to somebody who is believed.
///
/// Made by [`VerifiedTerms::verify`] alone; the only type from which a deal can be opened.
#[derive(Clone, Debug)]
pub struct VerifiedTerms {
    digest: Digest,
    terms: TermsDescription,
    service: ServiceDescription,
    flow: Arc<Flow>,
    merchant: Identity,
    author: Identity,
    buyer: Vec<u8>,
    seller: Vec<u8>,
    texts: BTreeMap<String, String>,
    certificates: Vec<Counted>,
    grants: Grants,
}

/// An evaluator's certificate, and whether it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What the organisation says.
    pub certificate: CertificateOf,
    /// The organisation's name in the trust file.
    pub evaluator: String,
    /// Why it does not count; `None` when it does.
    pub objection: Option<String>,
}

/// Why terms are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The bundle itself.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A signature.
    #[error("the {what} of the bundle: {source}")]
    Signature {
        /// Whose.
        what: &'static str,
        /// Why not.
        source: EnvelopeError,
    },
    /// Signed by another than the description names.
    #[error("the {what} are by “{said}”, but signed by “{signed}”")]
    OtherName {
        /// Terms or service.
        what: &'static str,
        /// The name in the description.
        said: String,
        /// The certified name of the signer.
        signed: String,
    },
    /// Outside their validity.
    #[error("the terms are valid from {from} to {to}, not at {at}")]
    Time {
        /// Start.
        from: Timestamp,
        /// End.
        to: Timestamp,
        /// When they were looked at.
        at: Timestamp,
    },
    /// The merchant's older terms are presented again.
    #[error("the terms have serial number {got}, but number {seen} has been seen before")]
    Rollback {
        /// What came.
        got: u64,
        /// The highest seen.
        seen: u64,
    },
    /// The description contradicts itself or the bundle.
    #[error("the terms are not consistent: {0}")]
    Inconsistent(String),
    /// What it wants is not granted.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Mend for TrustError {
    fn mend(&self) -> String {
        match self {
            Self::Layout(error) => error.mend(),
            Self::Refused(refusal) => refusal.mend(),
            Self::Signature { .. } | Self::OtherName { .. } => {
                "do not buy under them; if you know the merchant, add its authority to your trust \
                 file"
                    .into()
            }
            Self::Time { .. } => {
                "check this machine's clock, or ask the merchant for new terms".into()
            }
            Self::Rollback { .. } => "ask the merchant why it shows old terms".into(),
            Self::Inconsistent(_) => "the merchant must mend and sign them again".into(),
        }
    }
}

impl VerifiedTerms {
    /// Verifies the one set of terms in a layout, at a time, by a trust file.
    pub fn verify(layout: &Layout, trust: &TrustFile, at: Timestamp) -> Result<Self, TrustError> {
        let (digest, terms_manifest) = single(layout, TERMS)?;
        let terms: TermsDescription = config(layout, &terms_manifest, TERMS_CONFIG)?;
        let (service_digest, service_manifest) = single(layout, SERVICE)?;
        if terms.service != service_digest {
            let why = format!("they are for service {}, not {service_digest}", terms.service);
            return Err(TrustError::Inconsistent(why));
        }
        let service: ServiceDescription = config(layout, &service_manifest, SERVICE_CONFIG)?;

        let merchant = signed_by(
            layout,
            &digest,
            (OFFERED, Role::Merchant, "merchant's signature"),
            trust,
            at,
        )?;
        let author = signed_by(
            layout,
            &service_digest,
            (AUTHORED, Role::Author, "author's signature"),
            trust,
            at,
        )?;
        same_name("terms", &terms.merchant, &merchant)?;
        same_name("components", &service.author, &author)?;
        if at < terms.valid_from || at > terms.valid_until {
            let (from, to) = (terms.valid_from, terms.valid_until);
            return Err(TrustError::Time { from, to, at });
        }

        let buyer = component(layout, &service_manifest, &service.buyer)?;
        let seller = component(layout, &service_manifest, &service.seller)?;
        check(&terms, &service)?;
        let texts = texts(layout, &terms, &terms_manifest)?;
        let certificates = certificates(layout, &service_digest, trust, at)?;
        let grants = grants(&certificates, trust, &service)?;
        Ok(Self {
            digest,
            terms,
            flow: Arc::new(service.flow.clone()),
            service,
            merchant,
            author,
            buyer,
            seller,
            texts,
            certificates,
            grants,
        })
    }

    /// Refuses terms with a lower serial number than `seen` (no rollback).
    pub fn not_older_than(self, seen: Option<u64>) -> Result<Self, TrustError> {
        match seen {
            Some(seen) if self.terms.serial < seen => {
                Err(TrustError::Rollback { got: self.terms.serial, seen })
            }
            _ => Ok(self),
        }
    }

    /// The terms' digest: their identity.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The terms.
    pub fn terms(&self) -> &TermsDescription {
        &self.terms
    }

    /// The service.
    pub fn service(&self) -> &ServiceDescription {
        &self.service
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

    /// The buyer's component.
    pub fn buyer_component(&self) -> &[u8] {
        &self.buyer
    }

    /// The seller's component.
    pub fn seller_component(&self) -> &[u8] {
        &self.seller
    }

    /// Texts for people, by language.
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    /// The certificates found, and which count.
    pub fn certificates(&self) -> &[Counted] {
        &self.certificates
    }

    /// What the service may do.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The organisations whose certificates count.
    pub fn certified_by(&self) -> Vec<String> {
        let counting = self.certificates.iter().filter(|it| it.objection.is_none());
        counting.map(|it| it.certificate.organisation.clone()).collect()
    }
}

/// The interfaces that a component imports, by name.
pub fn imports(component: &[u8]) -> Result<Vec<String>, Refusal> {
    let unreadable = |error: wasmparser::BinaryReaderError| {
        Refusal::Unknown(format!("it is not a WebAssembly component: {error}"))
    };
    let mut depth = 0_u32;
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(unreadable)? {
            Payload::Version { encoding: wasmparser::Encoding::Module, .. } if depth == 0 => {
                return Err(Refusal::Unknown("it is a core module, not a component".into()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import.map_err(unreadable)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

fn single(layout: &Layout, kind: &str) -> Result<(Digest, Manifest), LayoutError> {
    let mut found = layout.artifacts(kind);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok((one.digest, layout.manifest(one)?)),
        (None, _) => Err(LayoutError::Missing(format!("a manifest of type {kind}"))),
        (Some(_), Some(_)) => Err(form("index.json", format!("more than one {kind}"))),
    }
}

fn config<T>(layout: &Layout, manifest: &Manifest, media_type: &str) -> Result<T, LayoutError>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    if manifest.config.media_type != media_type {
        return Err(form(media_type, "the manifest's configuration is of another type"));
    }
    describe::parse(media_type, layout.blob(&manifest.config.digest)?)
}

/// The signature of one kind about `subject`; exactly one is expected.
fn signed_by(
    layout: &Layout,
    subject: &Digest,
    (predicate, role, what): (&str, Role, &'static str),
    trust: &TrustFile,
    at: Timestamp,
) -> Result<Identity, TrustError> {
    let found = layout.referrers(subject, SIGNATURE)?;
    let envelope = match found.as_slice() {
        [one] => one.layers.first().filter(|layer| layer.media_type == ENVELOPE),
        _ => None,
    };
    let layer = envelope.ok_or_else(|| LayoutError::Missing(format!("exactly one {what}")))?;
    let bytes = layout.blob(&layer.digest)?;
    let (made, signer): (Made, Identity) =
        envelope::verify(bytes, predicate, subject, &trust.authorities, role, at)
            .map_err(|source| TrustError::Signature { what, source })?;
    same_name("signatures", &made.by, &signer)?;
    Ok(signer)
}

fn same_name(what: &'static str, said: &str, signer: &Identity) -> Result<(), TrustError> {
    if said == signer.name {
        return Ok(());
    }
    Err(TrustError::OtherName { what, said: said.to_owned(), signed: signer.name.clone() })
}

fn component(layout: &Layout, manifest: &Manifest, want: &Digest) -> Result<Vec<u8>, LayoutError> {
    let layer = manifest.layers.iter().find(|it| it.digest == *want && it.media_type == WASM);
    let layer = layer.ok_or_else(|| LayoutError::Missing(format!("the component {want}")))?;
    Ok(layout.blob(&layer.digest)?.to_vec())
}

fn texts(
    layout: &Layout,
    terms: &TermsDescription,
    manifest: &Manifest,
) -> Result<BTreeMap<String, String>, TrustError> {
    let mut texts = BTreeMap::new();
    for (language, digest) in &terms.texts {
        let layer = manifest.layers.iter().find(|it| it.digest == *digest && it.media_type == TEXT);
        let layer =
            layer.ok_or_else(|| LayoutError::Missing(format!("the text in “{language}”")))?;
        let text = String::from_utf8(layout.blob(&layer.digest)?.to_vec())
            .map_err(|_| form("the text", "not UTF-8"))?;
        texts.insert(language.clone(), text);
    }
    Ok(texts)
}

/// Parameters within bounds, a sound flow, a world that exists.
fn check(terms: &TermsDescription, service: &ServiceDescription) -> Result<(), TrustError> {
    let wrong = |why: String| Err(TrustError::Inconsistent(why));
    if let Some(fault) = service.flow.faults().into_iter().next() {
        return wrong(format!("the flow: {fault}"));
    }
    for (name, parameter) in &service.parameters {
        match terms.parameters.get(name) {
            None => return wrong(format!("the parameter “{name}” has no value")),
            Some(value) if !parameter.bounds.allow(value) => {
                return wrong(format!("the parameter “{name}” is out of its bounds"));
            }
            Some(_) => {}
        }
    }
    if let Some(name) = terms.parameters.keys().find(|it| !service.parameters.contains_key(*it)) {
        return wrong(format!("the service has no parameter “{name}”"));
    }
    service.world.parse::<World>().map(drop).map_err(TrustError::Inconsistent)
}

/// Every certificate about the service, and whether it counts. One that is damaged or by
/// somebody unknown does not spoil the others: it is listed with the objection.
fn certificates(
    layout: &Layout,
    service: &Digest,
    trust: &TrustFile,
    at: Timestamp,
) -> Result<Vec<Counted>, TrustError> {
    let mut all = Vec::new();
    for manifest in layout.referrers(service, CERTIFICATE)? {
        let Some(layer) = manifest.layers.first() else { continue };
        let bytes = layout.blob(&layer.digest)?;
        for (name, evaluator) in &trust.evaluators {
            let verified = envelope::verify::<CertificateOf>(
                bytes,
                CERTIFIED,
                service,
                &evaluator.roots,
                Role::Evaluator,
                at,
            );
            let Ok((certificate, signer)) = verified else { continue };
            let objection = objection(&certificate, &signer, &evaluator.criteria, at);
            all.push(Counted { certificate, evaluator: name.clone(), objection });
        }
    }
    Ok(all)
}

fn objection(
    certificate: &CertificateOf,
    signer: &Identity,
    criteria: &[String],
    at: Timestamp,
) -> Option<String> {
    if certificate.organisation != signer.name {
        Some(format!("signed by “{}”", signer.name))
    } else if !criteria.contains(&certificate.criteria) {
        Some(format!("by criteria {} that you do not believe it for", certificate.criteria))
    } else if at < certificate.valid_from || at > certificate.valid_until {
        Some(format!(
            "valid from {} to {}",
            certificate.valid_from.date(),
            certificate.valid_until.date()
        ))
    } else {
        None
    }
}

/// The grants of the first requirement that is met, with limits and world.
fn grants(
    certificates: &[Counted],
    trust: &TrustFile,
    service: &ServiceDescription,
) -> Result<Grants, TrustError> {
    let counted = counted(certificates, &trust.require);
    let owned: Vec<CertificateOf> = counted.iter().copied().cloned().collect();
    let mut grants =
        Grants::from_certificates(&owned).with_limits(&service.limits, &trust.limits, &counted)?;
    grants.world = service.world.parse().map_err(TrustError::Inconsistent)?;
    Ok(grants)
}

/// The certificates by which the first requirement is met; none if none is.
fn counted<'a>(certificates: &'a [Counted], require: &[Requirement]) -> Vec<&'a CertificateOf> {
    for requirement in require {
        let mut by: BTreeMap<&str, &CertificateOf> = BTreeMap::new();
        for counted in certificates.iter().filter(|it| it.objection.is_none()) {
            let certificate = &counted.certificate;
            if requirement.of.contains(&counted.evaluator)
                && certificate.criteria == requirement.criteria
                && certificate.level >= requirement.level
            {
                by.entry(&counted.evaluator).or_insert(certificate);
            }
        }
        if by.len() >= requirement.threshold {
            return by.into_values().collect();
        }
    }
    Vec::new()
}
