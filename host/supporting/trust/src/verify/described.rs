//! First stage: what the bundle says of itself, whole, canonical, consistent.

use std::collections::BTreeMap;

use semper_base::Digest;
use wasmparser::{Parser, Payload};

use super::error::TrustError;
use crate::capability::World;
use crate::describe::{
    self, SERVICE, SERVICE_CONFIG, ServiceDescription, TERMS, TERMS_CONFIG, TEXT, TermsDescription,
    WASM,
};
use crate::layout::{Layout, LayoutError, Manifest, form};
use crate::policy::Refusal;

/// One service and one merchant's terms for it, as a bundle describes them. Nobody vouches for
/// any of it yet.
#[derive(Clone, Debug)]
pub struct Described {
    /// The digest of the terms: their identity.
    pub terms_digest: Digest,
    /// The merchant's description of its terms.
    pub terms: TermsDescription,
    /// The digest of the service: its identity.
    pub service_digest: Digest,
    /// The author's description of the service.
    pub service: ServiceDescription,
    /// The bytes of the buyer's component.
    pub buyer: Vec<u8>,
    /// The bytes of the seller's component.
    pub seller: Vec<u8>,
    /// Texts for people, by language.
    pub texts: BTreeMap<String, String>,
}

impl Described {
    /// Reads the one service and the one set of terms in a layout.
    pub fn parse(layout: &Layout) -> Result<Self, TrustError> {
        let (terms_digest, terms_manifest) = single(layout, TERMS)?;
        let terms: TermsDescription = config(layout, &terms_manifest, TERMS_CONFIG)?;
        let (service_digest, service_manifest) = single(layout, SERVICE)?;
        if terms.service != service_digest {
            let why = format!("they are for service {}, not {service_digest}", terms.service);
            return Err(TrustError::Inconsistent(why));
        }
        let service: ServiceDescription = config(layout, &service_manifest, SERVICE_CONFIG)?;
        check(&terms, &service)?;
        Ok(Self {
            buyer: component(layout, &service_manifest, &service.buyer)?,
            seller: component(layout, &service_manifest, &service.seller)?,
            texts: texts(layout, &terms, &terms_manifest)?,
            terms_digest,
            terms,
            service_digest,
            service,
        })
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

/// Parameters within bounds, a sound flow, a world that is served.
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
    service.world.parse::<World>().map_err(Refusal::World)?;
    Ok(())
}
