//! The OCI distribution protocol (distribution-spec 1.1), with what older registries lack.
//!
//! A bundle is pushed as an image index under its tag, so that `skopeo copy --all` and `oras`
//! take all of it along; what is attached later (certificates, proofs) is found as referrers,
//! by the 1.1 API or by its fallback tag.
//!
//! | module | what it is for |
//! |---|---|
//! | here | fetching a bundle: from a mirror first, and from the registry itself |
//! | `referrers` | what is attached to a manifest; nothing of it is left out in silence |
//! | `push` | putting a bundle into a registry |
//! | `upload` | one blob: whole, or in pieces that go on after a break |
//! | `notes` | the fallback tag, which several may write at once |

mod notes;
mod push;
mod referrers;
mod upload;

use std::cell::RefCell;
use std::collections::BTreeMap;

use semper_base::Digest;
use semper_net::Method;
use semper_trust::bundle::{CERTIFICATE, DELEGATION, LOG_PROOF, SIGNATURE};
use semper_trust::describe::{SERVICE, TERMS};
use semper_trust::layout::{
    Descriptor, INDEX, Index, MANIFEST, MAX_DOCUMENT, MAX_MANIFESTS, Manifest, Source, canonical,
};
use semper_trust::{Layout, LayoutError};

use crate::fetch::{Answer, Wish};
use crate::https::keep;
use crate::place::{Reference, Version};
use crate::{Fetcher, MoveError, Progress};

/// Artifact types that belong to bundles.
const OURS: [&str; 6] = [SERVICE, TERMS, SIGNATURE, CERTIFICATE, DELEGATION, LOG_PROOF];

/// A repository of a registry.
#[derive(Debug)]
pub struct Registry<'a> {
    fetcher: &'a Fetcher,
    /// Hosts that are asked, in this order; the registry's own is the last.
    hosts: Vec<String>,
    name: String,
    version: Version,
}

/// What a registry has under a name: manifests, not yet their blobs.
struct Found {
    /// Who had it; what is named by a digest may come from others as well.
    host: String,
    descriptors: Vec<Descriptor>,
    documents: BTreeMap<Digest, Vec<u8>>,
}

impl<'a> Registry<'a> {
    /// The repository of a reference.
    pub fn new(fetcher: &'a Fetcher, reference: &Reference) -> Result<Self, MoveError> {
        let mirror = fetcher.mirror(&reference.host).map(str::to_owned);
        let hosts = mirror.into_iter().chain([reference.host.clone()]).collect();
        Ok(Self {
            fetcher,
            hosts,
            name: reference.name.clone(),
            version: reference.version.clone(),
        })
    }

    /// Fetches the bundle: its manifests, what refers to them, and every blob.
    pub fn pull(&self, progress: &dyn Progress) -> Result<Layout, MoveError> {
        let mut last = None;
        for host in &self.hosts {
            let found = match self.find(host, progress) {
                Ok(found) => found,
                Err(error) => {
                    // A mirror that lacks it or is away is passed over.
                    if host != self.own() {
                        progress.told(&format!("the mirror {host} is passed over: {error}"));
                    }
                    last = Some(error);
                    continue;
                }
            };
            let failed = RefCell::default();
            let remote = Remote { registry: self, found, progress, failed: &failed };
            let read = Layout::read(remote);
            return read.map_err(|error| failed.take().unwrap_or_else(|| error.into()));
        }
        Err(last.unwrap_or_else(|| LayoutError::Missing(self.name.clone()).into()))
    }

    /// The registry's own host.
    fn own(&self) -> &str {
        self.hosts.last().map_or("", String::as_str)
    }

    fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.name)
    }

    fn url(&self, host: &str, rest: &str) -> String {
        format!("https://{host}/v2/{}/{rest}", self.name)
    }

    fn get(&self, url: &str, most: usize, progress: &dyn Progress) -> Result<Answer, MoveError> {
        let accept = format!("{INDEX}, {MANIFEST}");
        let headers = &[("accept", accept.as_str())];
        let scope = self.scope("pull");
        let wish = Wish { method: Method::Get, url, headers, body: &[], scope: &scope, most };
        self.fetcher.ask(wish, progress)
    }

    /// A document by tag or digest; compared with the digest if that is what was asked for.
    fn document(
        &self,
        host: &str,
        version: &Version,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, MoveError> {
        let named = version.digest().map_or_else(|| version.to_string(), |it| it.to_string());
        let url = self.url(host, &format!("manifests/{named}"));
        let answer = self.get(&url, MAX_DOCUMENT, progress)?;
        match answer.status {
            200 => {}
            404 => return Err(MoveError::NoBundle(format!("{host}/{}:{version}", self.name))),
            _ => return Err(answer.unexpected(url)),
        }
        if let Some(want) = version.digest() {
            let got = Digest::of(&answer.body);
            if got != want {
                let name = format!("manifest {}", want.short());
                return Err(LayoutError::Changed { name, got, want }.into());
            }
        }
        Ok(answer.body)
    }

    /// Something that a digest names: from the host that had the rest, or from any other. The
    /// bytes are the same wherever they come from.
    fn anywhere(
        &self,
        first: &str,
        progress: &dyn Progress,
        get: impl Fn(&str) -> Result<Vec<u8>, MoveError>,
    ) -> Result<Vec<u8>, MoveError> {
        let others = self.hosts.iter().map(String::as_str).filter(|it| *it != first);
        let mut got = get(first);
        for host in others {
            let Err(error) = &got else { break };
            progress.told(&format!("{first} fails ({error}); {host} is asked"));
            got = get(host);
        }
        got
    }

    fn find(&self, host: &str, progress: &dyn Progress) -> Result<Found, MoveError> {
        let first = self.document(host, &self.version, progress)?;
        progress.at(&format!("{}:{}", self.name, self.version), 1, 1);
        let mut found =
            Found { host: host.to_owned(), descriptors: Vec::new(), documents: BTreeMap::new() };
        if let Ok(index) = Index::parse(&first) {
            for descriptor in index.manifests {
                self.add(&mut found, descriptor, progress)?;
            }
        } else {
            let manifest = Manifest::parse("the manifest", &first)?;
            let descriptor = Descriptor::of_manifest(&first, &manifest);
            found.take(descriptor, first)?;
            // Terms name their service by its digest; it lies in the same repository.
            if let Some(service) = self.service_of(host, &manifest, progress)? {
                let bytes = self.anywhere(host, progress, |host| {
                    self.document(host, &Version::Digest(service), progress)
                })?;
                let manifest = Manifest::parse("the service's manifest", &bytes)?;
                found.take(Descriptor::of_manifest(&bytes, &manifest), bytes)?;
            }
        }
        let mut next = 0;
        while next < found.descriptors.len() {
            let subject = found.descriptors[next].digest;
            for descriptor in self.referrers(host, &subject, progress)? {
                self.add(&mut found, descriptor, progress)?;
            }
            next += 1;
        }
        Ok(found)
    }

    /// The service that a manifest of terms is for, out of its description.
    fn service_of(
        &self,
        host: &str,
        manifest: &Manifest,
        progress: &dyn Progress,
    ) -> Result<Option<Digest>, MoveError> {
        if manifest.artifact_type != TERMS {
            return Ok(None);
        }
        let (digest, size) = (manifest.config.digest, manifest.config.size);
        if size > MAX_DOCUMENT as u64 {
            let name = "the terms' description".into();
            return Err(LayoutError::TooLarge { name, most: MAX_DOCUMENT }.into());
        }
        let bytes = self.blob(host, &digest, size, progress)?;
        let terms: semper_trust::TermsDescription =
            semper_trust::describe::parse("the terms' description", &bytes)?;
        Ok(Some(terms.service))
    }

    /// A blob, from the host that had its manifest or from any other.
    fn blob(
        &self,
        first: &str,
        digest: &Digest,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, MoveError> {
        self.anywhere(first, progress, |host| {
            let url = self.url(host, &format!("blobs/{digest}"));
            self.fetcher.blob(&url, &self.scope("pull"), digest, size, progress)
        })
    }

    /// Adds a manifest of ours, once; what belongs to no bundle is passed over.
    fn add(
        &self,
        found: &mut Found,
        descriptor: Descriptor,
        progress: &dyn Progress,
    ) -> Result<(), MoveError> {
        let there = found.documents.contains_key(&descriptor.digest);
        let strange = descriptor.artifact_type.as_deref().is_some_and(|it| !OURS.contains(&it));
        if there || strange {
            return Ok(());
        }
        let version = Version::Digest(descriptor.digest);
        let bytes =
            self.anywhere(&found.host, progress, |host| self.document(host, &version, progress))?;
        // Copies may have lost what the index said; the manifest says it itself.
        if descriptor.artifact_type.is_none() && !is_ours(&bytes) {
            return Ok(());
        }
        let manifest = Manifest::parse("a manifest", &bytes)?;
        let mut own = Descriptor::of_manifest(&bytes, &manifest);
        own.annotations = descriptor.annotations;
        found.take(own, bytes)
    }
}

/// Whether a manifest says that it belongs to a bundle.
fn is_ours(bytes: &[u8]) -> bool {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    value["artifactType"].as_str().is_some_and(|it| OURS.contains(&it))
}

impl Found {
    /// Takes a manifest; more than a bundle has are refused, and not left out.
    fn take(&mut self, descriptor: Descriptor, bytes: Vec<u8>) -> Result<(), MoveError> {
        if self.descriptors.len() == MAX_MANIFESTS {
            let detail = format!("more than {MAX_MANIFESTS} manifests belong to it");
            return Err(LayoutError::Form { name: "the bundle".into(), detail }.into());
        }
        self.documents.insert(descriptor.digest, bytes);
        self.descriptors.push(descriptor);
        Ok(())
    }
}

/// A layout whose index is what was found, and whose blobs are the repository's.
struct Remote<'a> {
    registry: &'a Registry<'a>,
    found: Found,
    progress: &'a dyn Progress,
    /// What went wrong, in more words than a layout has.
    failed: &'a RefCell<Option<MoveError>>,
}

impl Source for Remote<'_> {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        match name {
            "oci-layout" => return Ok(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            "index.json" => return Ok(canonical(&Index::of(self.found.descriptors.clone()))),
            _ => {}
        }
        let digest = name.strip_prefix("blobs/sha256/").and_then(|it| Digest::from_hex(it).ok());
        let digest = digest.ok_or_else(|| LayoutError::Missing(name.to_owned()))?;
        if let Some(bytes) = self.found.documents.get(&digest) {
            return Ok(bytes.clone());
        }
        self.registry
            .blob(&self.found.host, &digest, most as u64, self.progress)
            .map_err(|error| keep(self.failed, error, name))
    }
}
