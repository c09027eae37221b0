//! Putting a bundle into a registry.

use std::collections::BTreeMap;

use semper_base::Digest;
use semper_net::Method;
use semper_trust::Layout;
use semper_trust::layout::{Descriptor, INDEX, Index, MANIFEST, MAX_DOCUMENT, canonical};

use super::Registry;
use super::upload::Upload;
use crate::fetch::{Answer, Wish, said};
use crate::place::Version;
use crate::{MoveError, Progress};

impl Registry<'_> {
    /// Puts a bundle into the registry: blobs, manifests, what refers to them, and at last the
    /// tag. What is there already is not sent again.
    pub fn push(&self, layout: &Layout, progress: &dyn Progress) -> Result<(), MoveError> {
        let Version::Tag(tag) = &self.version else {
            let why = "push to a tag; the digest follows from the content".to_owned();
            return Err(MoveError::Place { text: self.version.to_string(), why });
        };
        let host = self.own();
        let mut manifests = Vec::new();
        let mut pushed = std::collections::BTreeSet::new();
        for descriptor in layout.manifests() {
            let manifest = layout.manifest(descriptor)?;
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                if pushed.insert(blob.digest) {
                    let bytes = layout.blob(&blob.digest)?;
                    Upload::new(self, host, &blob.digest, bytes, progress).run()?;
                }
            }
            manifests.push((descriptor, manifest));
        }
        let mut notes: BTreeMap<Digest, Vec<&Descriptor>> = BTreeMap::new();
        for (descriptor, manifest) in &manifests {
            let bytes = layout.blob(&descriptor.digest)?;
            let version = descriptor.digest.to_string();
            let answer = self.put(host, &version, MANIFEST, bytes, None, progress)?;
            progress.at(&format!("manifest {}", descriptor.digest.short()), 1, 1);
            // A registry of 1.1 says that it has noted the subject.
            if let Some(subject) = &manifest.subject
                && !answer.headers.contains_key("oci-subject")
            {
                notes.entry(subject.digest).or_default().push(descriptor);
            }
        }
        self.note(host, &notes, progress)?;
        let index = Index::of(layout.manifests().to_vec());
        self.put(host, tag, INDEX, &canonical(&index), None, progress)?;
        progress.at(&format!("{}:{tag}", self.name), 1, 1);
        Ok(())
    }

    /// Puts a document under a tag or its digest; `condition` is a header that says over what.
    pub(super) fn put(
        &self,
        host: &str,
        version: &str,
        media_type: &str,
        bytes: &[u8],
        condition: Option<(&str, &str)>,
        progress: &dyn Progress,
    ) -> Result<Answer, MoveError> {
        let url = self.url(host, &format!("manifests/{version}"));
        let mut headers = vec![("content-type", media_type)];
        headers.extend(condition);
        let wish = Wish {
            method: Method::Put,
            url: &url,
            headers: &headers,
            body: bytes,
            scope: &self.scope("pull,push"),
            most: MAX_DOCUMENT,
        };
        let answer = self.fetcher.ask(wish, progress)?;
        match answer.status {
            200..=204 => Ok(answer),
            status => Err(MoveError::Status { url, status, said: said(&answer.body) }),
        }
    }
}
