//! The bundle reader and the whole verification behind it: files from anywhere, by name.
//! The input is a JSON object of file names and contents.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use semper_base::Timestamp;
use semper_trust::layout::{LayoutError, Source};
use semper_trust::{Layout, TrustFile, VerifiedTerms};

struct Files(BTreeMap<String, String>);

impl Source for Files {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        let text = self.0.get(name).ok_or_else(|| LayoutError::Missing(name.to_owned()))?;
        Ok(text.as_bytes().iter().copied().take(most + 1).collect())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(files) = serde_json::from_slice::<BTreeMap<String, String>>(bytes) else { return };
    // Digests cannot be guessed: blobs are also found under the digest of their content.
    let mut all = files.clone();
    for content in files.values() {
        all.insert(
            semper_trust::layout::blob_name(&semper_base::Digest::of(content.as_bytes())),
            content.clone(),
        );
    }
    let Ok(layout) = Layout::read(Files(all)) else { return };
    let Ok(trust) = TrustFile::parse("authorities = []", |_| Err(String::new())) else { return };
    let Ok(at) = Timestamp::from_millis(1_790_000_000_000) else { return };
    // Nobody is believed, so nothing verifies.
    assert!(VerifiedTerms::verify(&layout, &trust, Some(&semper_trust::Knowledge::default()), at).is_err());
});
