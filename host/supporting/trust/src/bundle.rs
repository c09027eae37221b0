//! Making bundles: what authors, merchants and consumer organisations do with `semper-sign`.

use semper_base::{Certificate, Digest, SigningKey, Timestamp};
use serde::Serialize;

use crate::describe::{
    SERVICE, SERVICE_CONFIG, ServiceDescription, TERMS, TERMS_CONFIG, TEXT, TermsDescription, WASM,
};
use crate::envelope::{self, AUTHORED, CERTIFIED, ENVELOPE, Made, OFFERED};
use crate::layout::{Descriptor, Layout, LayoutError, MANIFEST, Manifest, canonical, form};
use crate::policy::CertificateOf;

/// Artifact type of author's and merchant's signatures.
pub const SIGNATURE: &str = "application/vnd.semper.signature.v1";
/// Artifact type of an evaluator's certificate.
pub const CERTIFICATE: &str = "application/vnd.semper.certificate.v1";
/// Media type of OCI's empty configuration.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Who signs.
#[derive(Debug)]
pub struct Signer<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// Its chain, leaf first.
    pub chain: &'a [Certificate],
}

impl Signer<'_> {
    /// The certified name.
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
    let mut layout = Layout::default();
    let config = layout.add_blob(SERVICE_CONFIG, "service.json", canonical(description));
    let layers = vec![
        layout.add_blob(WASM, "buyer.wasm", buyer),
        layout.add_blob(WASM, "seller.wasm", seller),
    ];
    let manifest = manifest(SERVICE, config, layers, None);
    let subject = layout.add_manifest(&manifest, &description.name);
    let made = Made { by: author.name(), at: now };
    attach(&mut layout, SIGNATURE, AUTHORED, &subject, author, made);
    (layout, subject.digest)
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
    let config = layout.add_blob(TERMS_CONFIG, "terms.json", canonical(description));
    let layers = texts
        .iter()
        .map(|(language, text)| {
            layout.add_blob(TEXT, &format!("terms.{language}.md"), text.clone())
        })
        .collect();
    let manifest = manifest(TERMS, config, layers, None);
    let subject = layout.add_manifest(&manifest, &description.merchant);
    let made = Made { by: merchant.name(), at: now };
    attach(layout, SIGNATURE, OFFERED, &subject, merchant, made);
    subject.digest
}

/// Adds an evaluator's certificate about the service in the layout.
pub fn certify(
    layout: &mut Layout,
    certificate: CertificateOf,
    evaluator: &Signer<'_>,
) -> Result<(), LayoutError> {
    let mut services = layout.artifacts(SERVICE);
    let subject = services.next().cloned();
    let single = services.next().is_none();
    drop(services);
    match subject {
        Some(subject) if single => {
            attach(layout, CERTIFICATE, CERTIFIED, &subject, evaluator, certificate);
            Ok(())
        }
        _ => Err(form("index.json", "exactly one service is expected in the bundle")),
    }
}

fn attach(
    layout: &mut Layout,
    artifact: &str,
    predicate_type: &str,
    subject: &Descriptor,
    signer: &Signer<'_>,
    predicate: impl Serialize,
) {
    let title = subject.annotations.values().next().cloned().unwrap_or_default();
    let digest = &subject.digest;
    let bytes = envelope::sign(signer.key, signer.chain, predicate_type, &title, digest, predicate);
    let empty = layout.add_blob(EMPTY, "", b"{}".to_vec());
    let layer = layout.add_blob(ENVELOPE, "envelope.json", bytes);
    let subject = Descriptor { annotations: Default::default(), ..subject.clone() };
    layout.add_manifest(&manifest(artifact, empty, vec![layer], Some(subject)), "");
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
