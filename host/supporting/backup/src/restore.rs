//! Back into a new folder. Everything is unpacked beside it first, and every digest looked at; then
//! the folder gets its name. Until then nothing is in place, and what is not whole is taken away.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use semper_base::fault;

use crate::Progress;
use crate::error::BackupError;
use crate::manifest::{Copied, Manifest};
use crate::sealed::{self, Header, Opening};
use crate::take::Hashed;

/// The last entry.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Before the names of a home's files.
pub(crate) const HOME: &str = "home/";
/// Bytes of a manifest, at most.
const MAX_MANIFEST: u64 = 64 * 1024 * 1024;

/// What anybody may read of a copy: the kind of home, and when it was made.
///
/// # Errors
/// It is none, or a newer program's.
pub fn header(file: &Path) -> Result<Header, BackupError> {
    let mut from = File::open(file).map_err(|error| BackupError::io(file, error))?;
    Ok(sealed::header(&mut from, file)?.0)
}

/// A home that is unpacked and whole, and has not its place yet. Dropped, it is taken away.
#[derive(Debug)]
pub struct Unpacked {
    /// What is in it.
    pub manifest: Manifest,
    folder: Folder,
    place: PathBuf,
}

/// A folder that is taken away again.
#[derive(Debug)]
struct Folder(Option<PathBuf>);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Where a copy is unpacked before it gets its place: the name is the place's own, so that what a
/// kill has left is found and taken away by the next one.
fn beside(place: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(".restoring");
    place.with_file_name(name)
}

/// Where the home goes, if nothing is there.
///
/// # Errors
/// Something is there, or its folder is not.
pub fn place(to: &Path) -> Result<PathBuf, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let io = |error| BackupError::io(to, error);
    let name = to.file_name().ok_or_else(|| io(io::ErrorKind::InvalidFilename.into()))?;
    let parent = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(parent.canonicalize().map_err(|error| BackupError::io(parent, error))?.join(name))
}

/// Takes away what is not whole of a home at this place: for whoever is interrupted.
pub fn clear(to: &Path) {
    if let Ok(place) = place(to) {
        let _ = std::fs::remove_dir_all(beside(&place));
    }
}

/// Unpacks a copy beside its place, and sees that it is what was copied.
///
/// # Errors
/// Nothing is left of it then.
pub fn unpack(
    file: &Path,
    to: &Path,
    pass_phrase: &str,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Unpacked, BackupError> {
    let place = place(to)?;
    let from = File::open(file).map_err(|error| BackupError::io(file, error))?;
    let of = from.metadata().map_or(0, |it| it.len());
    let (_, opening) = Opening::begin(BufReader::new(from), file, pass_phrase)?;
    let path = beside(&place);
    let _ = std::fs::remove_dir_all(&path);
    make(&path)?;
    let folder = Folder(Some(path.clone()));
    let mut archive = tar::Archive::new(opening);
    let unpacked = entries(&mut archive, &path, file, &|name, bytes| {
        tell(Progress { name, bytes, of });
    });
    // What the file itself is not comes first: a tar that ends early is a file that was cut off.
    let mut opening = archive.into_inner();
    let rest = unpacked.and_then(|found| {
        // To the last chunk: it says that nothing is missing.
        io::copy(&mut opening, &mut io::sink()).map_err(|error| BackupError::io(file, error))?;
        Ok(found)
    });
    if let Some(why) = opening.why() {
        return Err(why);
    }
    let (files, manifest) = rest?;
    let manifest: Manifest = manifest
        .ok_or_else(|| BackupError::changed(file, "it has no list of its files"))
        .and_then(|text| {
            serde_json::from_slice(&text).map_err(|it| BackupError::changed(file, it.to_string()))
        })?;
    compare(file, files, &manifest)?;
    sync_all(&path)?;
    fault::point("restore.unpacked");
    Ok(Unpacked { manifest, folder, place })
}

impl Unpacked {
    /// Where it lies now: for a look at it.
    pub fn path(&self) -> &Path {
        self.folder.0.as_deref().unwrap_or(&self.place)
    }

    /// Gives the home its place.
    ///
    /// # Errors
    /// It cannot be had; nothing is left then.
    pub fn put_in_place(mut self) -> Result<Manifest, BackupError> {
        let io = |error| BackupError::io(&self.place, error);
        // A folder takes the place of no file, and of no folder with something in it.
        std::fs::rename(self.path(), &self.place).map_err(io)?;
        self.folder.0 = None;
        fault::point("restore.renamed");
        sync(self.place.parent().unwrap_or(Path::new(".")))?;
        Ok(self.manifest)
    }
}

type Found = (BTreeMap<String, Copied>, Option<Vec<u8>>);

fn entries<R: Read>(
    archive: &mut tar::Archive<R>,
    to: &Path,
    file: &Path,
    tell: &dyn Fn(&str, u64),
) -> Result<Found, BackupError> {
    let (mut files, mut manifest, mut bytes) = (BTreeMap::new(), None, 0);
    let wrong = |error: io::Error| BackupError::changed(file, error.to_string());
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let name = entry.path().map_err(wrong)?.to_string_lossy().into_owned();
        if manifest.is_some() {
            return Err(BackupError::changed(file, "something follows the list of its files"));
        }
        if name == MANIFEST {
            let mut text = Vec::new();
            entry.take(MAX_MANIFEST).read_to_end(&mut text).map_err(wrong)?;
            manifest = Some(text);
            continue;
        }
        let inner = name.strip_prefix(HOME).filter(|it| is_plain(it));
        let inner = inner.filter(|_| entry.header().entry_type().is_file());
        let Some(inner) = inner else {
            return Err(BackupError::changed(file, format!("“{name}” belongs to no home")));
        };
        tell(inner, bytes);
        let copied = write(&to.join(inner), inner, &mut entry)?;
        bytes += copied.bytes;
        if files.insert(inner.to_owned(), copied).is_some() {
            return Err(BackupError::changed(file, format!("“{inner}” is there twice")));
        }
    }
    Ok((files, manifest))
}

/// Whether a name leads nowhere else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|it| matches!(it, Component::Normal(_)))
}

fn write(path: &Path, name: &str, entry: &mut impl Read) -> Result<Copied, BackupError> {
    let io = |error| BackupError::io(path, error);
    if fault::fails("restore.write") {
        return Err(io(io::ErrorKind::StorageFull.into()));
    }
    fault::point("restore.file");
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    }
    let mut out =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    let mut hashed = Hashed::of(entry);
    let bytes = io::copy(&mut hashed, &mut out).map_err(io)?;
    out.flush().and_then(|()| out.sync_all()).map_err(io)?;
    Ok(Copied { name: name.to_owned(), bytes, digest: hashed.digest() })
}

fn compare(
    file: &Path,
    mut files: BTreeMap<String, Copied>,
    manifest: &Manifest,
) -> Result<(), BackupError> {
    for copied in &manifest.files {
        match files.remove(&copied.name) {
            Some(it) if it == *copied => {}
            Some(_) => {
                let why = format!("“{}” is not what was copied", copied.name);
                return Err(BackupError::changed(file, why));
            }
            None => {
                let why = format!("“{}” is missing", copied.name);
                return Err(BackupError::changed(file, why));
            }
        }
    }
    match files.into_keys().next() {
        None => Ok(()),
        Some(name) => {
            let why = format!("“{name}” is not in the list of its files");
            Err(BackupError::changed(file, why))
        }
    }
}

fn make(path: &Path) -> Result<(), BackupError> {
    let io = |error| BackupError::io(path, error);
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(io)
}

/// Makes names durable, those in folders below included.
fn sync_all(path: &Path) -> Result<(), BackupError> {
    for entry in path.read_dir().map_err(|error| BackupError::io(path, error))? {
        let entry = entry.map_err(|error| BackupError::io(path, error))?;
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            sync_all(&entry.path())?;
        }
    }
    sync(path)
}

pub(crate) fn sync(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|it| it.sync_all());
    synced.map_err(|error| BackupError::io(folder, error))
}
