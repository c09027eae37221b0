//! The OCI distribution protocol (distribution-spec 1.1), with what older registries lack.
//!
//! A bundle is pushed as an image index under its tag, so that `skopeo copy --all` and `oras`
//! take all of it along; what is attached later (certificates, proofs) is found as referrers,
//! by the 1.1 API or by its fallback tag.

use std::collections::BTreeMap;

use semper_base::Digest;
use semper_net::Method;
use semper_trust::bundle::{CERTIFICATE, DELEGATION, LOG_PROOF, SIGNATURE};
use semper_trust::describe::{SERVICE, TERMS};
use semper_trust::layout::{
    Descriptor, INDEX, Index, MANIFEST, MAX_DOCUMENT, MAX_MANIFESTS, Manifest, Source, canonical,
};
use semper_trust::{Layout, LayoutError};

use crate::fetch::{Answer, as_layout, encoded, said};
use crate::place::{Reference, Version};
use crate::{Fetcher, MoveError, Progress};

/// Most referrers of one manifest that are looked at.
const MAX_REFERRERS: usize = 24;
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
                    last = Some(error);
                    continue;
                }
            };
            return Ok(Layout::read(Remote { registry: self, found, progress })?);
        }
        Err(last.unwrap_or_else(|| LayoutError::Missing(self.name.clone()).into()))
    }

    fn scope(&self, actions: &str) -> String {
        format!("repository:{}:{actions}", self.name)
    }

    fn url(&self, host: &str, rest: &str) -> String {
        format!("https://{host}/v2/{}/{rest}", self.name)
    }

    fn get(&self, host: &str, rest: &str, most: usize) -> Result<Answer, MoveError> {
        let accept = format!("{INDEX}, {MANIFEST}");
        let url = self.url(host, rest);
        let headers = [("accept", accept.as_str())];
        self.fetcher.ask(Method::Get, &url, &headers, &[], &self.scope("pull"), most)
    }

    /// A document by tag or digest; compared with the digest if that is what was asked for.
    fn document(&self, host: &str, version: &Version) -> Result<Vec<u8>, MoveError> {
        let answer = self.get(host, &format!("manifests/{version}"), MAX_DOCUMENT)?;
        let url = self.url(host, &format!("manifests/{version}"));
        match answer.status {
            200 => {}
            404 => return Err(LayoutError::Missing(url).into()),
            status => {
                return Err(MoveError::Status { url, status, said: said(&answer.body) });
            }
        }
        if let Version::Digest(want) = version {
            let got = Digest::of(&answer.body);
            if got != *want {
                let name = format!("manifest {}", want.short());
                return Err(LayoutError::Changed { name, got, want: *want }.into());
            }
        }
        Ok(answer.body)
    }

    fn find(&self, host: &str, progress: &dyn Progress) -> Result<Found, MoveError> {
        let first = self.document(host, &self.version)?;
        progress.at(&format!("{}:{}", self.name, self.version), 1, 1);
        let mut found =
            Found { host: host.to_owned(), descriptors: Vec::new(), documents: BTreeMap::new() };
        if let Ok(index) = Index::parse(&first) {
            for descriptor in index.manifests {
                self.add(&mut found, descriptor)?;
            }
        } else {
            let manifest = Manifest::parse("the manifest", &first)?;
            let descriptor = Descriptor::of_manifest(&first, &manifest);
            found.take(descriptor, first);
            // Terms name their service by its digest; it lies in the same repository.
            if let Some(service) = self.service_of(host, &manifest)? {
                let bytes = self.document(host, &Version::Digest(service))?;
                let manifest = Manifest::parse("the service's manifest", &bytes)?;
                found.take(Descriptor::of_manifest(&bytes, &manifest), bytes);
            }
        }
        let mut next = 0;
        while next < found.descriptors.len() && found.descriptors.len() < MAX_MANIFESTS {
            let subject = found.descriptors[next].digest;
            for descriptor in self.referrers(host, &subject)? {
                if found.descriptors.len() < MAX_MANIFESTS {
                    self.add(&mut found, descriptor)?;
                }
            }
            next += 1;
        }
        Ok(found)
    }

    /// The service that a manifest of terms is for, out of its description.
    fn service_of(&self, host: &str, manifest: &Manifest) -> Result<Option<Digest>, MoveError> {
        if manifest.artifact_type != TERMS {
            return Ok(None);
        }
        let (digest, size) = (manifest.config.digest, manifest.config.size);
        if size > MAX_DOCUMENT as u64 {
            let name = "the terms' description".into();
            return Err(LayoutError::TooLarge { name, most: MAX_DOCUMENT }.into());
        }
        let url = self.url(host, &format!("blobs/{digest}"));
        let bytes = self.fetcher.blob(&url, &self.scope("pull"), &digest, size, &())?;
        let terms: semper_trust::TermsDescription =
            semper_trust::describe::parse("the terms' description", &bytes)?;
        Ok(Some(terms.service))
    }

    /// Adds a manifest of ours, once.
    fn add(&self, found: &mut Found, descriptor: Descriptor) -> Result<(), MoveError> {
        let there = found.documents.contains_key(&descriptor.digest);
        let strange = descriptor.artifact_type.as_deref().is_some_and(|it| !OURS.contains(&it));
        if there || strange {
            return Ok(());
        }
        let bytes = self.document(&found.host, &Version::Digest(descriptor.digest))?;
        let manifest = Manifest::parse("a manifest", &bytes)?;
        // Copies may have lost what the index said; the manifest says it itself.
        let mut own = Descriptor::of_manifest(&bytes, &manifest);
        own.annotations = descriptor.annotations;
        found.take(own, bytes);
        Ok(())
    }

    /// What refers to a manifest: by the API of 1.1, or by the fallback tag.
    fn referrers(&self, host: &str, subject: &Digest) -> Result<Vec<Descriptor>, MoveError> {
        let mut answer = self.get(host, &format!("referrers/{subject}"), MAX_DOCUMENT)?;
        if answer.status != 200 {
            let tag = fallback(subject);
            answer = self.get(host, &format!("manifests/{tag}"), MAX_DOCUMENT)?;
        }
        if answer.status != 200 {
            return Ok(Vec::new());
        }
        let index = Index::parse(&answer.body)?;
        let ours =
            |it: &Descriptor| it.artifact_type.as_deref().is_none_or(|kind| OURS.contains(&kind));
        Ok(index.manifests.into_iter().filter(ours).take(MAX_REFERRERS).collect())
    }

    /// Puts a bundle into the registry: blobs, manifests, what refers to them, and at last the
    /// tag. What is there already is not sent again.
    pub fn push(&self, layout: &Layout, progress: &dyn Progress) -> Result<(), MoveError> {
        let Version::Tag(tag) = &self.version else {
            let why = "push to a tag; the digest follows from the content".to_owned();
            return Err(MoveError::Place { text: self.version.to_string(), why });
        };
        let host = self.hosts.last().map_or("", String::as_str);
        let mut manifests = Vec::new();
        for descriptor in layout.manifests() {
            let manifest = layout.manifest(descriptor)?;
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                self.push_blob(host, blob, layout.blob(&blob.digest)?, progress)?;
            }
            manifests.push((descriptor, manifest));
        }
        for (descriptor, manifest) in &manifests {
            let bytes = layout.blob(&descriptor.digest)?;
            let answer = self.put(host, &descriptor.digest.to_string(), MANIFEST, bytes)?;
            progress.at(&format!("manifest {}", descriptor.digest.short()), 1, 1);
            // A registry of 1.1 says that it has noted the subject.
            if let Some(subject) = &manifest.subject
                && !answer.headers.contains_key("oci-subject")
            {
                self.note(host, &subject.digest, descriptor)?;
            }
        }
        let index = Index::of(layout.manifests().to_vec());
        self.put(host, tag, INDEX, &canonical(&index))?;
        progress.at(&format!("{}:{tag}", self.name), 1, 1);
        Ok(())
    }

    /// Notes a referrer under the fallback tag (distribution-spec, “Pushing Manifests with
    /// Subject”).
    fn note(&self, host: &str, subject: &Digest, descriptor: &Descriptor) -> Result<(), MoveError> {
        let tag = fallback(subject);
        let answer = self.get(host, &format!("manifests/{tag}"), MAX_DOCUMENT)?;
        let mut all = match answer.status {
            200 => Index::parse(&answer.body)?.manifests,
            _ => Vec::new(),
        };
        if all.iter().any(|it| it.digest == descriptor.digest) {
            return Ok(());
        }
        all.push(descriptor.clone());
        self.put(host, &tag, INDEX, &canonical(&Index::of(all)))?;
        Ok(())
    }

    fn put(
        &self,
        host: &str,
        version: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Answer, MoveError> {
        let url = self.url(host, &format!("manifests/{version}"));
        let headers = [("content-type", media_type)];
        let scope = self.scope("pull,push");
        let answer = self.fetcher.ask(Method::Put, &url, &headers, bytes, &scope, MAX_DOCUMENT)?;
        match answer.status {
            200..=202 => Ok(answer),
            status => Err(MoveError::Status { url, status, said: said(&answer.body) }),
        }
    }

    fn push_blob(
        &self,
        host: &str,
        blob: &Descriptor,
        bytes: &[u8],
        progress: &dyn Progress,
    ) -> Result<(), MoveError> {
        let (scope, size) = (self.scope("pull,push"), bytes.len() as u64);
        let name = format!("blob {}", blob.digest.short());
        let url = self.url(host, &format!("blobs/{}", blob.digest));
        let there = self.fetcher.ask(Method::Head, &url, &[], &[], &scope, MAX_DOCUMENT)?;
        if there.status == 200 {
            progress.at(&name, size, size);
            return Ok(());
        }
        let url = self.url(host, "blobs/uploads/");
        let begun = self.fetcher.ask(Method::Post, &url, &[], &[], &scope, MAX_DOCUMENT)?;
        let location = begun.headers.get("location").filter(|_| begun.status == 202);
        let Some(location) = location else {
            return Err(MoveError::Status { url, status: begun.status, said: said(&begun.body) });
        };
        let upload = if location.starts_with('/') {
            format!("https://{host}{location}")
        } else {
            location.clone()
        };
        // The registry's own address; elsewhere nothing is sent.
        if crate::fetch::host_of(&upload) != host || !upload.starts_with("https://") {
            return Err(MoveError::Redirect { url, to: upload });
        }
        let mark = if upload.contains('?') { '&' } else { '?' };
        let upload = format!("{upload}{mark}digest={}", encoded(&blob.digest.to_string()));
        let headers = [("content-type", "application/octet-stream")];
        let put = self.fetcher.ask(Method::Put, &upload, &headers, bytes, &scope, MAX_DOCUMENT)?;
        progress.at(&name, size, size);
        match put.status {
            201 => Ok(()),
            status => {
                let url = self.url(host, "blobs/uploads/");
                Err(MoveError::Status { url, status, said: said(&put.body) })
            }
        }
    }
}

impl Found {
    fn take(&mut self, descriptor: Descriptor, bytes: Vec<u8>) {
        self.documents.insert(descriptor.digest, bytes);
        self.descriptors.push(descriptor);
    }
}

/// A layout whose index is what was found, and whose blobs are the repository's.
struct Remote<'a> {
    registry: &'a Registry<'a>,
    found: Found,
    progress: &'a dyn Progress,
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
        let registry = self.registry;
        let url = registry.url(&self.found.host, &format!("blobs/{digest}"));
        registry
            .fetcher
            .blob(&url, &registry.scope("pull"), &digest, most as u64, self.progress)
            .map_err(|error| as_layout(error, name))
    }
}

/// The tag under which referrers stand in registries of 1.0.
fn fallback(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}
