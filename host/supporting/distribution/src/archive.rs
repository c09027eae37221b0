//! A layout as one tar file (what others call an OCI archive).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use semper_trust::layout::{MAX_BLOB, MAX_MANIFESTS, MAX_TOTAL, Source};
use semper_trust::{Layout, LayoutError};

use crate::{MoveError, io};

/// Most files of an archive.
const MAX_FILES: usize = MAX_MANIFESTS * 40;

/// Reads an archive. Only plain files with the names of a layout are looked at; links, devices
/// and names that lead elsewhere are refused.
/// If several bundles are in it, `name` says which.
pub fn read(path: &Path, name: Option<&str>) -> Result<Layout, MoveError> {
    let file = File::open(path).map_err(|error| io(path, &error))?;
    let mut archive = tar::Archive::new(file);
    let mut files = BTreeMap::new();
    let mut total = 0_usize;
    let form = |detail: String| LayoutError::Form { name: path.display().to_string(), detail };
    for entry in archive.entries().map_err(|error| io(path, &error))? {
        let entry = entry.map_err(|error| form(error.to_string()))?;
        let kind = entry.header().entry_type();
        let name = entry.path().map_err(|error| form(error.to_string()))?;
        let name = name.to_string_lossy().trim_start_matches("./").trim_end_matches('/').to_owned();
        if kind.is_dir() {
            continue;
        }
        let plain = matches!(name.as_str(), "oci-layout" | "index.json")
            || name.strip_prefix("blobs/sha256/").is_some_and(|it| !it.contains(['/', '.']));
        if !kind.is_file() || !plain {
            return Err(form(format!("“{name}” does not belong into a layout")).into());
        }
        let mut bytes = Vec::new();
        entry
            .take(MAX_BLOB as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| form(error.to_string()))?;
        total = total.saturating_add(bytes.len());
        if bytes.len() > MAX_BLOB || total > MAX_TOTAL || files.len() >= MAX_FILES {
            return Err(LayoutError::TooLarge { name, most: MAX_TOTAL }.into());
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(form(format!("“{name}” is there twice")).into());
        }
    }
    Ok(Layout::read_named(Files(files), name)?)
}

/// Writes an archive: to a second name, synced, then renamed.
pub fn write(layout: &Layout, path: &Path) -> Result<(), MoveError> {
    let new = path.with_extension("tar.new");
    let failed = |error: std::io::Error| io(path, &error);
    let mut builder = tar::Builder::new(File::create(&new).map_err(failed)?);
    for (name, bytes) in layout.image_files() {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // No times, no owners: the same bundle is the same archive.
        header.set_mtime(0);
        builder.append_data(&mut header, &name, bytes.as_slice()).map_err(failed)?;
    }
    let mut file = builder.into_inner().map_err(failed)?;
    file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)
}

/// Files in memory, by name.
pub(crate) struct Files(pub BTreeMap<String, Vec<u8>>);

impl Source for Files {
    fn read(&mut self, name: &str, _most: usize) -> Result<Vec<u8>, LayoutError> {
        self.0.get(name).cloned().ok_or_else(|| LayoutError::Missing(name.to_owned()))
    }
}
