//! A layout's files, to be spoiled one by one.

use std::collections::BTreeMap;

use semper_base::Digest;
use semper_trust::layout::{Source, canonical};
use semper_trust::{Layout, LayoutError};

/// A layout's files, to be spoiled one by one.
#[derive(Clone)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    pub fn of(layout: &Layout) -> Self {
        Self(layout.files().into_iter().collect())
    }

    pub fn read(self) -> Result<Layout, LayoutError> {
        Layout::read(self)
    }

    /// Changes a file by name.
    pub fn edit(mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(self.0.get_mut(name).unwrap());
        self
    }

    /// Puts another blob in the place of one, under its own digest, and mends every descriptor
    /// that names it, up to the index: what a thief who can write files but not sign can do.
    pub fn reseal(mut self, old: &Digest, bytes: Vec<u8>) -> Self {
        let mut queue = vec![(*old, bytes)];
        while let Some((old, bytes)) = queue.pop() {
            let new = Digest::of(&bytes);
            let size = bytes.len() as u64;
            self.0.remove(&format!("blobs/sha256/{}", old.hex()));
            self.0.insert(format!("blobs/sha256/{}", new.hex()), bytes);
            let names: Vec<String> = self.0.keys().cloned().collect();
            for name in names {
                let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(&self.0[&name])
                else {
                    continue;
                };
                if !mend(&mut value, &old, &new, size) {
                    continue;
                }
                let bytes = canonical(&value);
                match name.strip_prefix("blobs/sha256/").map(|it| Digest::from_hex(it).unwrap()) {
                    Some(own) => queue.push((own, bytes)),
                    None => {
                        self.0.insert(name, bytes);
                    }
                }
            }
        }
        self
    }
}

/// Mends descriptors in a document; whether there were any.
fn mend(value: &mut serde_json::Value, old: &Digest, new: &Digest, size: u64) -> bool {
    match value {
        serde_json::Value::Object(all) => {
            let own = all.get("digest").and_then(|it| it.as_str()) == Some(&old.to_string());
            if own && all.contains_key("size") {
                all.insert("digest".into(), new.to_string().into());
                all.insert("size".into(), size.into());
                return true;
            }
            all.values_mut().fold(false, |any, it| mend(it, old, new, size) | any)
        }
        serde_json::Value::Array(all) => {
            all.iter_mut().fold(false, |any, it| mend(it, old, new, size) | any)
        }
        _ => false,
    }
}

impl Source for Files {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        let bytes = self.0.get(name).ok_or_else(|| LayoutError::Missing(name.to_owned()))?;
        Ok(bytes[..bytes.len().min(most + 1)].to_vec())
    }
}
