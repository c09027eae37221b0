//! Making bundles: what authors, merchants and consumer organisations do with `semper-sign`.

use semper_base::{Certificate, Digest, SigningKey, Timestamp};
use serde::Serialize;

use crate::certificate::{CertificateOf, Delegation};
use crate::describe::{
    SERVICE, SERVICE_CONFIG, ServiceDescription, TERMS, TERMS_CONFIG, TEXT, TermsDescription, WASM,
};
use crate::envelope::{self, AUTHORED, CERTIFIED, DELEGATED, ENVELOPE, Made, OFFERED};
use crate::layout::{Descriptor, Layout, LayoutError, MANIFEST, Manifest, canonical, form};
use crate::trustfile::About;

/// Artifact type of author's and merchant's signatures.
pub const SIGNATURE: &str = "application/vnd.semper.signature.v1";
/// Artifact type of an evaluator's certificate.
pub const CERTIFICATE: &str = "application/vnd.semper.certificate.v1";
/// Artifact type of a delegation between evaluators; it refers to a service that the other has
/// certified.
pub const DELEGATION: &str = "application/vnd.semper.delegation.v1";
/// Artifact type of a log proof; it refers to the manifest of what is logged.
pub const LOG_PROOF: &str = "application/vnd.semper.log-proof.v1";
/// Media type of a tlog-proof (c2sp.org/tlog-proof).
pub const PROOF: &str = "text/vnd.c2sp.tlog-proof";
/// Media type of OCI's empty configuration.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A signer of documents: key and certificates.
#[derive(Debug)]
pub struct Signer<'a> {
    /// The key that signs.
    pub key: &'a SigningKey,
    /// Its chain, leaf first.
    pub chain: &'a [Certificate],
}

impl Signer<'_> {
    /// The name in the signer's certificate.
    pub fn name(&self) -> String {
        self.chain.first().map(Certificate::subject).unwrap_or_default()
    }
}

/// A layout with one service, signed by its author; and the service's digest.
pub fn service(
    description: &ServiceDescription,
    buyer: Vec<u8>,
    seller: Vec<u8>,
    author: &Signer<'_>,
    now: Timestamp,
) -> (Layout, Digest) {
    let (mut layout, digest) = pack(description, buyer, seller);
    self::author(&mut layout, author, now).expect("there is exactly one service");
    (layout, digest)
}

/// A layout with one service that nobody has signed yet; and the service's digest.
pub fn pack(description: &ServiceDescription, buyer: Vec<u8>, seller: Vec<u8>) -> (Layout, Digest) {
    let mut layout = Layout::default();
    let config = layout.add_blob(SERVICE_CONFIG, "service.json", canonical(description));
    let layers = vec![
        layout.add_blob(WASM, "buyer.wasm", buyer),
        layout.add_blob(WASM, "seller.wasm", seller),
    ];
    let manifest = manifest(SERVICE, config, layers, None);
    let subject = layout.add_manifest(&manifest, &description.name);
    (layout, subject.digest)
}

/// Signs the service in a layout as its author.
pub fn author(layout: &mut Layout, author: &Signer<'_>, now: Timestamp) -> Result<(), LayoutError> {
    let subject = one(layout, SERVICE)?;
    let made = Made { by: author.name(), at: now };
    attach(layout, SIGNATURE, AUTHORED, &subject, author, made);
    Ok(())
}

/// Adds terms for the service in the layout, signed by the merchant; the terms' digest.
/// `texts` are language and text.
pub fn terms(
    layout: &mut Layout,
    description: &TermsDescription,
    texts: &[(String, Vec<u8>)],
    merchant: &Signer<'_>,
    now: Timestamp,
) -> Digest {
    // A bundle has one set of terms: newer ones take the place of older.
    layout.drop_artifacts(TERMS);
    let config = layout.add_blob(TERMS_CONFIG, "terms.json", canonical(description));
    let layers = texts
        .iter()
        .map(|(language, text)| {
            layout.add_blob(TEXT, &format!("terms.{language}.md"), text.clone())
        })
        .collect();
    let manifest = manifest(TERMS, config, layers, None);
    let subject = layout.add_manifest(&manifest, &description.merchant);
    offer(layout, merchant, now).expect("there is exactly one set of terms");
    subject.digest
}

/// Signs the terms in a layout as their merchant.
pub fn offer(
    layout: &mut Layout,
    merchant: &Signer<'_>,
    now: Timestamp,
) -> Result<(), LayoutError> {
    let subject = one(layout, TERMS)?;
    let made = Made { by: merchant.name(), at: now };
    attach(layout, SIGNATURE, OFFERED, &subject, merchant, made);
    Ok(())
}

/// Adds an evaluator's certificate about the service in the layout, or about the terms; the
/// digest of its envelope.
pub fn certify(
    layout: &mut Layout,
    about: About,
    certificate: CertificateOf,
    evaluator: &Signer<'_>,
) -> Result<Digest, LayoutError> {
    let kind = match about {
        About::Service => SERVICE,
        About::Terms => TERMS,
    };
    let subject = one(layout, kind)?;
    Ok(attach(layout, CERTIFICATE, CERTIFIED, &subject, evaluator, certificate))
}

/// Adds an evaluator's delegation to another, about whose certificates it is.
pub fn delegate(
    layout: &mut Layout,
    delegation: &Delegation,
    evaluator: &Signer<'_>,
) -> Result<Digest, LayoutError> {
    let service = one(layout, SERVICE)?;
    let (to, root) = (delegation.to.as_str(), delegation.root.digest());
    let bytes = envelope::sign(evaluator.key, evaluator.chain, DELEGATED, to, &root, delegation);
    Ok(attach_envelope(layout, DELEGATION, &service, bytes))
}

/// Adds the proof that a manifest's envelope is logged.
pub fn prove(layout: &mut Layout, manifest: &Descriptor, proof: Vec<u8>) {
    let empty = layout.add_blob(EMPTY, "", b"{}".to_vec());
    let layer = layout.add_blob(PROOF, "proof.tlog-proof", proof);
    let subject = Descriptor { annotations: Default::default(), ..manifest.clone() };
    layout.add_manifest(&self::manifest(LOG_PROOF, empty, vec![layer], Some(subject)), "");
}

/// Signed statements in a layout that can be logged: signatures, certificates, delegations. The
/// manifest's descriptor and the envelope.
pub fn statements(layout: &Layout) -> Result<Vec<(Descriptor, Vec<u8>)>, LayoutError> {
    let mut all = Vec::new();
    for kind in [SIGNATURE, CERTIFICATE, DELEGATION] {
        for descriptor in layout.artifacts(kind) {
            let manifest = layout.manifest(descriptor)?;
            if let Some(layer) = manifest.layers.first().filter(|it| it.media_type == ENVELOPE) {
                all.push((descriptor.clone(), layout.blob(&layer.digest)?.to_vec()));
            }
        }
    }
    Ok(all)
}

fn one(layout: &Layout, kind: &str) -> Result<Descriptor, LayoutError> {
    let mut found = layout.artifacts(kind);
    match (found.next(), found.next()) {
        (Some(subject), None) => Ok(subject.clone()),
        _ => Err(form("index.json", format!("exactly one {kind} is expected in the bundle"))),
    }
}

fn attach(
    layout: &mut Layout,
    artifact: &str,
    predicate_type: &str,
    subject: &Descriptor,
    signer: &Signer<'_>,
    predicate: impl Serialize,
) -> Digest {
    let title = subject.annotations.values().next().cloned().unwrap_or_default();
    let digest = &subject.digest;
    let bytes = envelope::sign(signer.key, signer.chain, predicate_type, &title, digest, predicate);
    attach_envelope(layout, artifact, subject, bytes)
}

fn attach_envelope(
    layout: &mut Layout,
    artifact: &str,
    subject: &Descriptor,
    bytes: Vec<u8>,
) -> Digest {
    let empty = layout.add_blob(EMPTY, "", b"{}".to_vec());
    let layer = layout.add_blob(ENVELOPE, "envelope.json", bytes);
    let (digest, subject) =
        (layer.digest, Descriptor { annotations: Default::default(), ..subject.clone() });
    layout.add_manifest(&manifest(artifact, empty, vec![layer], Some(subject)), "");
    digest
}

fn manifest(
    artifact: &str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: MANIFEST.into(),
        artifact_type: artifact.into(),
        config,
        layers,
        subject,
    }
}
