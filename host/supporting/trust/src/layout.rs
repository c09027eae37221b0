//! An OCI image layout (directory, or the same files over HTTPS), bounded and checked.
//!
//! Every blob is read by its digest and compared with it, so whatever carried the files
//! cannot change them. `skopeo` and `oras` can copy what [`Layout::write`] writes.

mod image;

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use cap_std::fs::Dir;
use semper_base::{Digest, Mend};
use serde::{Deserialize, Serialize};

/// Media type of OCI manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the layout's index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Largest manifest or description, in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// Largest component or text, in bytes.
pub const MAX_BLOB: usize = 64 * 1024 * 1024;
/// Most bytes of all blobs of a layout.
pub const MAX_TOTAL: usize = 192 * 1024 * 1024;
/// Most manifests in one layout.
pub const MAX_MANIFESTS: usize = 64;
/// Most layers in one manifest.
pub const MAX_LAYERS: usize = 32;

/// A content descriptor (OCI image spec, `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the bytes.
    pub media_type: String,
    /// The digest of those bytes, by which they are read.
    pub digest: Digest,
    /// The number of bytes.
    pub size: u64,
    /// The type of the artifact that a manifest describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations, such as a title.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest (OCI image spec, `manifest.md`), of an artifact of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The version of OCI's schema: always 2.
    pub schema_version: u32,
    /// The media type: always [`MANIFEST`].
    pub media_type: String,
    /// The type of the artifact.
    pub artifact_type: String,
    /// The description, or OCI's empty blob.
    pub config: Descriptor,
    /// Components, texts, envelopes.
    pub layers: Vec<Descriptor>,
    /// The manifest that it is about: signatures and certificates refer to a bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
}

/// An index of manifests (OCI image spec, `image-index.md`): a layout's `index.json`, a bundle
/// under a tag, the referrers of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// The version of OCI's schema: always 2.
    pub schema_version: u32,
    /// [`INDEX`]; absent in some tools' `index.json`.
    #[serde(default = "index_type")]
    pub media_type: String,
    /// The manifests that the index lists.
    pub manifests: Vec<Descriptor>,
}

fn index_type() -> String {
    INDEX.into()
}

impl Index {
    /// An index of these manifests.
    pub fn of(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: INDEX.into(), manifests }
    }

    /// Parses an index of at most [`MAX_MANIFESTS`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LayoutError> {
        let index: Self = json("index.json", bytes)?;
        if index.media_type != INDEX || index.schema_version != 2 {
            return Err(form("index.json", "not an OCI image index"));
        }
        if index.manifests.len() > MAX_MANIFESTS {
            return Err(form("index.json", format!("more than {MAX_MANIFESTS} manifests")));
        }
        Ok(index)
    }
}

impl Manifest {
    /// Parses a manifest of at most [`MAX_LAYERS`] layers.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, LayoutError> {
        let manifest: Self = json(name, bytes)?;
        if manifest.media_type != MANIFEST || manifest.schema_version != 2 {
            return Err(form(name, "not an OCI manifest"));
        }
        if manifest.layers.len() > MAX_LAYERS {
            return Err(form(name, format!("more than {MAX_LAYERS} layers")));
        }
        Ok(manifest)
    }
}

impl Descriptor {
    /// The descriptor of a manifest's bytes.
    pub fn of_manifest(bytes: &[u8], manifest: &Manifest) -> Self {
        Self {
            media_type: MANIFEST.into(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: Some(manifest.artifact_type.clone()),
            annotations: BTreeMap::new(),
        }
    }
}

/// A layout in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    manifests: Vec<Descriptor>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// The manifests, parsed once.
    parsed: BTreeMap<Digest, Manifest>,
}

/// A fault of a layout.
#[derive(Debug, thiserror::Error, Mend)]
pub enum LayoutError {
    /// A file or blob is not there.
    #[error("the bundle lacks {0}")]
    #[mend("make the bundle again with semper-sign, or fetch it again")]
    Missing(String),
    /// A blob is not what its digest says.
    #[error("{name} has been changed: its digest is {got}, {want} was expected")]
    #[mend("do not use it; fetch it again from the merchant")]
    Changed {
        /// The name of the file in the layout.
        name: String,
        /// The digest of what came.
        got: Digest,
        /// The digest that it must have.
        want: Digest,
    },
    /// Larger than its descriptor says or than is allowed.
    #[error("{name} has more than {most} bytes")]
    #[mend("make the bundle again with semper-sign, or fetch it again")]
    TooLarge {
        /// The name of the file in the layout.
        name: String,
        /// The greatest size in bytes.
        most: usize,
    },
    /// Not the document it should be.
    #[error("{name} is not valid: {detail}")]
    #[mend("make the bundle again with semper-sign, or fetch it again")]
    Form {
        /// The name of the file in the layout.
        name: String,
        /// The fault, in the parser's words.
        detail: String,
    },
    /// Reading or writing failed.
    #[error("{name}: {detail}")]
    #[mend("check the path, the disk or the connection")]
    Io {
        /// The name of the file in the layout.
        name: String,
        /// The system's or the network's words.
        detail: String,
    },
}

/// Where the files of a layout come from.
pub trait Source {
    /// The bytes of a file of the layout, such as `index.json`; at most `most`.
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError>;
}

impl Source for &Dir {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => LayoutError::Missing(name.to_owned()),
            _ => LayoutError::Io { name: name.to_owned(), detail: error.to_string() },
        };
        let mut bytes = Vec::new();
        let file = self.open(name).map_err(failed)?;
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

impl Layout {
    /// Reads a whole layout: the index, its manifests, and every blob that they name.
    pub fn read(source: impl Source) -> Result<Self, LayoutError> {
        Self::read_named(source, None)
    }

    /// Reads the bundle of that name, or the only one there is. Its manifests stand in the index
    /// itself, or in an index that this one names: so skopeo writes them, and so do we.
    pub fn read_named(mut source: impl Source, name: Option<&str>) -> Result<Self, LayoutError> {
        let marker = bounded(&mut source, "oci-layout", 1024)?;
        let marker: serde_json::Value = json("oci-layout", &marker)?;
        if marker["imageLayoutVersion"] != "1.0.0" {
            return Err(form("oci-layout", "not image layout 1.0.0"));
        }
        let index = Index::parse(&bounded(&mut source, "index.json", MAX_DOCUMENT)?)?;
        let mut layout = Self::default();
        let listed = layout.listed(&mut source, index, name)?;
        for descriptor in listed {
            let bytes = layout.fetch(&mut source, &descriptor, MAX_DOCUMENT)?;
            let manifest = manifest(&descriptor, &bytes)?;
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                layout.fetch(&mut source, blob, MAX_BLOB)?;
            }
            // What others have copied may have lost it; the manifest says it itself.
            let artifact_type = Some(manifest.artifact_type.clone());
            layout.parsed.insert(descriptor.digest, manifest);
            layout.manifests.push(Descriptor { artifact_type, ..descriptor });
        }
        Ok(layout)
    }

    fn fetch(
        &mut self,
        source: &mut impl Source,
        descriptor: &Descriptor,
        most: usize,
    ) -> Result<Vec<u8>, LayoutError> {
        if let Some(bytes) = self.blobs.get(&descriptor.digest) {
            return Ok(bytes.clone());
        }
        let name = blob_name(&descriptor.digest);
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        if size > most {
            return Err(LayoutError::TooLarge { name, most });
        }
        let held: usize = self.blobs.values().map(Vec::len).sum();
        if held.saturating_add(size) > MAX_TOTAL {
            let name = "the bundle".into();
            return Err(LayoutError::TooLarge { name, most: MAX_TOTAL });
        }
        let bytes = bounded(source, &name, size)?;
        let got = Digest::of(&bytes);
        if got != descriptor.digest {
            return Err(LayoutError::Changed { name, got, want: descriptor.digest });
        }
        self.blobs.insert(got, bytes.clone());
        Ok(bytes)
    }

    /// Adds a blob; the descriptor that names it.
    pub fn add_blob(&mut self, media_type: &str, title: &str, bytes: Vec<u8>) -> Descriptor {
        let digest = Digest::of(&bytes);
        let mut annotations = BTreeMap::new();
        if !title.is_empty() {
            annotations.insert("org.opencontainers.image.title".to_owned(), title.to_owned());
        }
        let size = bytes.len() as u64;
        self.blobs.insert(digest, bytes);
        Descriptor { media_type: media_type.into(), digest, size, artifact_type: None, annotations }
    }

    /// Adds a manifest; the descriptor that names it. An equal one is not added twice.
    pub fn add_manifest(&mut self, manifest: &Manifest, title: &str) -> Descriptor {
        let mut descriptor = self.add_blob(MANIFEST, title, canonical(manifest));
        self.parsed.insert(descriptor.digest, manifest.clone());
        descriptor.artifact_type = Some(manifest.artifact_type.clone());
        if !self.manifests.contains(&descriptor) {
            self.manifests.push(descriptor.clone());
        }
        descriptor
    }

    /// Takes over everything of another layout.
    pub fn merge(&mut self, other: &Self) {
        for descriptor in &other.manifests {
            if !self.manifests.contains(descriptor) {
                self.manifests.push(descriptor.clone());
            }
        }
        self.blobs.extend(other.blobs.iter().map(|(digest, bytes)| (*digest, bytes.clone())));
        self.parsed.extend(other.parsed.iter().map(|(digest, it)| (*digest, it.clone())));
    }

    /// The manifests of these artifact types with their blobs, and nothing else.
    pub fn only(&self, kinds: &[&str]) -> Result<Self, LayoutError> {
        let mut some = Self::default();
        for kind in kinds {
            for descriptor in self.artifacts(kind) {
                let manifest = self.manifest(descriptor)?;
                for digest in manifest
                    .layers
                    .iter()
                    .chain([&manifest.config])
                    .map(|it| it.digest)
                    .chain([descriptor.digest])
                {
                    some.blobs.insert(digest, self.blob(&digest)?.to_vec());
                }
                some.parsed.insert(descriptor.digest, manifest);
                some.manifests.push(descriptor.clone());
            }
        }
        Ok(some)
    }

    /// Takes out the manifests of an artifact type, whatever refers to them, and the blobs that
    /// nobody names any more.
    pub fn drop_artifacts(&mut self, kind: &str) {
        let mut gone: Vec<Digest> = self.artifacts(kind).map(|it| it.digest).collect();
        let mut next = 0;
        while let Some(subject) = gone.get(next).copied() {
            next += 1;
            for descriptor in &self.manifests {
                let refers = self
                    .manifest(descriptor)
                    .is_ok_and(|it| it.subject.is_some_and(|it| it.digest == subject));
                if refers && !gone.contains(&descriptor.digest) {
                    gone.push(descriptor.digest);
                }
            }
        }
        self.manifests.retain(|it| !gone.contains(&it.digest));
        let mut named: Vec<Digest> = self.manifests.iter().map(|it| it.digest).collect();
        for descriptor in &self.manifests {
            if let Ok(manifest) = self.manifest(descriptor) {
                named.extend(manifest.layers.iter().chain([&manifest.config]).map(|it| it.digest));
            }
        }
        self.blobs.retain(|digest, _| named.contains(digest));
        self.parsed.retain(|digest, _| named.contains(digest));
    }

    /// Descriptors of all manifests of an artifact type.
    pub fn artifacts<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Descriptor> {
        self.manifests.iter().filter(move |it| it.artifact_type.as_deref() == Some(kind))
    }

    /// The manifest of a descriptor.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, LayoutError> {
        match self.parsed.get(&descriptor.digest) {
            Some(manifest) => Ok(manifest.clone()),
            None => manifest(descriptor, self.blob(&descriptor.digest)?),
        }
    }

    /// Manifests of an artifact type that refer to `subject` (OCI 1.1 referrers).
    pub fn referrers(&self, subject: &Digest, kind: &str) -> Result<Vec<Manifest>, LayoutError> {
        Ok(self.referring(subject, kind)?.into_iter().map(|it| it.1).collect())
    }

    /// As [`Layout::referrers`], each with its own digest.
    pub fn referring(
        &self,
        subject: &Digest,
        kind: &str,
    ) -> Result<Vec<(Digest, Manifest)>, LayoutError> {
        let mut found = Vec::new();
        for descriptor in self.artifacts(kind) {
            let known = self.parsed.get(&descriptor.digest);
            let other =
                known.is_some_and(|it| it.subject.as_ref().is_none_or(|it| it.digest != *subject));
            if other {
                continue;
            }
            let manifest = self.manifest(descriptor)?;
            if manifest.subject.as_ref().is_some_and(|it| it.digest == *subject) {
                found.push((descriptor.digest, manifest));
            }
        }
        Ok(found)
    }

    /// Descriptors of all manifests.
    pub fn manifests(&self) -> &[Descriptor] {
        &self.manifests
    }

    /// The bytes of a blob.
    pub fn blob(&self, digest: &Digest) -> Result<&[u8], LayoutError> {
        self.blobs
            .get(digest)
            .map(Vec::as_slice)
            .ok_or_else(|| LayoutError::Missing(blob_name(digest)))
    }

    /// Every file of the layout, by name, with all manifests in `index.json` itself.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let named = ["oci-layout", "index.json"].map(str::to_owned);
        let names = named.into_iter().chain(self.blobs.keys().map(blob_name));
        names.filter_map(|name| self.file(&name).map(|bytes| (name, bytes))).collect()
    }

    /// The file of a layout by its name, for a server that publishes it.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "oci-layout" => Some(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            "index.json" => Some(canonical(&Index::of(self.manifests.clone()))),
            other => {
                let digest = Digest::from_hex(other.strip_prefix("blobs/sha256/")?).ok()?;
                self.blobs.get(&digest).cloned()
            }
        }
    }
}

/// Canonical JSON (RFC 8785).
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("our own types serialise")
}

/// The file name of a blob.
pub fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn bounded(source: &mut impl Source, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
    let bytes = source.read(name, most)?;
    if bytes.len() > most {
        return Err(LayoutError::TooLarge { name: name.to_owned(), most });
    }
    Ok(bytes)
}

fn manifest(descriptor: &Descriptor, bytes: &[u8]) -> Result<Manifest, LayoutError> {
    let manifest = Manifest::parse(&blob_name(&descriptor.digest), bytes)?;
    // An index that calls a manifest something else than it is would hide or forge it.
    match &descriptor.artifact_type {
        Some(kind) if *kind != manifest.artifact_type => {
            Err(form("index.json", format!("calls a {} a {kind}", manifest.artifact_type)))
        }
        _ => Ok(manifest),
    }
}

fn json<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, LayoutError> {
    crate::json::parse(name, bytes)
}

pub(crate) fn form(name: &str, detail: impl Into<String>) -> LayoutError {
    LayoutError::Form { name: name.to_owned(), detail: detail.into() }
}
