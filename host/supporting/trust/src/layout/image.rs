//! A layout as an image that others can copy, and such images that others have written.
//!
//! `skopeo` takes one image out of a layout: `index.json` names it, and it may be an index itself.
//! So a bundle is written as one index of all its manifests, the very one that a registry has
//! under the bundle's tag, and is read in that form as well as in the flat one.

use cap_std::fs::Dir;
use semper_base::Digest;

use super::{
    Descriptor, INDEX, Index, Layout, LayoutError, MAX_DOCUMENT, MAX_MANIFESTS, Source, blob_name,
    canonical, form,
};

/// The annotation that names a bundle among those of a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

impl Layout {
    /// The manifests of the bundle: those of the index, and those of the index in it.
    pub(super) fn listed(
        &mut self,
        source: &mut impl Source,
        index: Index,
        name: Option<&str>,
    ) -> Result<Vec<Descriptor>, LayoutError> {
        let mut listed = index.manifests;
        if let Some(name) = name {
            let names: Vec<String> = listed.iter().filter_map(name_of).collect();
            listed.retain(|it| name_of(it).as_deref() == Some(name));
            if listed.is_empty() {
                let detail = format!("no bundle “{name}” in it, but {}", all(&names));
                return Err(form("index.json", detail));
            }
        }
        let (inner, mut listed): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|it| it.media_type == INDEX);
        if inner.len() > 1 {
            let names: Vec<String> = inner.iter().filter_map(name_of).collect();
            let detail = format!("several bundles in it: name one of {}", all(&names));
            return Err(form("index.json", detail));
        }
        for descriptor in inner {
            let bytes = self.fetch(source, &descriptor, MAX_DOCUMENT)?;
            // It follows from what it lists, and is no part of the bundle.
            self.blobs.remove(&descriptor.digest);
            for manifest in Index::parse(&bytes)?.manifests {
                if !listed.iter().any(|it| it.digest == manifest.digest) {
                    listed.push(manifest);
                }
            }
        }
        if listed.len() > MAX_MANIFESTS {
            return Err(form("index.json", format!("more than {MAX_MANIFESTS} manifests")));
        }
        Ok(listed)
    }

    /// Writes the layout into a directory, as an image that others can copy; blobs first, the
    /// index last. Each file appears whole or not at all, and one that is right already is left
    /// alone: others may be reading it.
    pub fn write(&self, dir: &Dir) -> Result<(), LayoutError> {
        let put = |name: &str, bytes: &[u8]| {
            if dir.read(name).is_ok_and(|there| there == bytes) {
                return Ok(());
            }
            let new = format!("{name}.new");
            dir.write(&new, bytes)
                .and_then(|()| dir.rename(&new, dir, name))
                .map_err(|error| LayoutError::Io { name: name.into(), detail: error.to_string() })
        };
        dir.create_dir_all("blobs/sha256").map_err(|error| LayoutError::Io {
            name: "blobs/sha256".into(),
            detail: error.to_string(),
        })?;
        for (digest, bytes) in &self.blobs {
            put(&blob_name(digest), bytes)?;
        }
        for (name, bytes) in self.image() {
            put(&name, &bytes)?;
        }
        Ok(())
    }

    /// The files around the blobs, the last of them `index.json`, which names one image: an index
    /// of all manifests, the very one that a registry has under the bundle's tag. Others would
    /// not know which of several to take.
    fn image(&self) -> [(String, Vec<u8>); 3] {
        let index = canonical(&Index::of(self.manifests.clone()));
        let (digest, size) = (Digest::of(&index), index.len() as u64);
        let annotations = [(NAME.to_owned(), "bundle".to_owned())].into();
        let media_type = INDEX.to_owned();
        let one = Descriptor { media_type, digest, size, artifact_type: None, annotations };
        [
            (blob_name(&digest), index),
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), canonical(&Index::of(vec![one]))),
        ]
    }

    /// Every file of the layout as an image that others can copy, by name.
    pub fn image_files(&self) -> Vec<(String, Vec<u8>)> {
        let blobs = self.blobs.iter().map(|(digest, bytes)| (blob_name(digest), bytes.clone()));
        self.image().into_iter().chain(blobs).collect()
    }
}

/// The name by which a descriptor is found in a layout.
fn name_of(descriptor: &Descriptor) -> Option<String> {
    descriptor.annotations.get(NAME).cloned()
}

/// Names for people.
fn all(names: &[String]) -> String {
    if names.is_empty() { "none with a name".to_owned() } else { names.join(", ") }
}
