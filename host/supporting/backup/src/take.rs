//! Making a copy while the home is in use.
//!
//! Each store is copied by SQLite's own backup, within one read transaction: a snapshot of one
//! moment, whoever writes meanwhile. Stores are copied in an order in which they fit together.
//! Homes with a public log (a log's, a third party's) have files that belong to one another to the
//! byte; there everything has to stand still while it is copied, or it is copied again.
//!
//! The file is written under another name, synced, then renamed: it is there whole, or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use semper_archive::{Home, HomeKind};
use semper_base::{Digest, Timestamp, fault};
use semper_tinguin::keystore::fits;
use sha2::{Digest as _, Sha256};

use crate::contents::{self, Found, STAGE};
use crate::error::BackupError;
use crate::manifest::{Copied, Manifest};
use crate::sealed::Sealing;
use crate::{Progress, restore};

/// Largest file that is no store.
const MAX_FILE: u64 = 1024 * 1024 * 1024;
/// Pages of a store between two looks at how far it is.
const PAGES: std::ffi::c_int = 1_000;
/// How often everything is copied again where it has to stand still.
const ROUNDS: u32 = 5;

type Tar = tar::Builder<Sealing<BufWriter<File>>>;

/// Copies a home into a new file, encrypted under this pass-phrase.
///
/// # Errors
/// Nothing is left of the file then.
pub fn take(
    home: &Home,
    out: &Path,
    pass_phrase: &str,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Manifest, BackupError> {
    fits(pass_phrase)?;
    let kind = home.kind()?;
    let place = place(home, out)?;
    let part = Part { path: beside(&place), stage: home.path().join(STAGE) };
    part.clear();
    let mut rounds = 1..=ROUNDS;
    loop {
        let made = Timestamp::now();
        let whole = Copying { home, kind, made, tell, part: &part }.copy(pass_phrase)?;
        if let Some(manifest) = whole {
            fault::point("backup.written");
            std::fs::rename(&part.path, &place).map_err(|it| BackupError::io(&place, it))?;
            restore::sync(place.parent().unwrap_or(Path::new(".")))?;
            return Ok(manifest);
        }
        if rounds.next().is_none() {
            return Err(BackupError::Busy(home.path().to_owned()));
        }
    }
}

/// Takes away what is not whole of a copy: for whoever is interrupted.
pub fn clear(home: &Home, out: &Path) {
    if let Ok(place) = place(home, out) {
        Part { path: beside(&place), stage: home.path().join(STAGE) }.clear();
    }
}

/// Where the copy goes: to a new file, outside the home.
///
/// # Errors
/// Something is there, it lies in the home, or its folder is not there.
pub fn place(home: &Home, out: &Path) -> Result<PathBuf, BackupError> {
    if out.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(out.to_owned()));
    }
    let io = |error| BackupError::io(out, error);
    let name = out.file_name().ok_or_else(|| io(io::ErrorKind::InvalidFilename.into()))?;
    let folder = out.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| BackupError::io(folder, error))?;
    if folder.starts_with(home.path()) {
        return Err(BackupError::Within(out.to_owned()));
    }
    Ok(folder.join(name))
}

fn beside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    place.with_file_name(name)
}

/// What is not whole yet: gone with this value, and with the next copy after a kill.
struct Part {
    path: PathBuf,
    stage: PathBuf,
}

impl Part {
    fn clear(&self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir_all(&self.stage);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One attempt.
struct Copying<'a> {
    home: &'a Home,
    kind: HomeKind,
    made: Timestamp,
    tell: &'a dyn Fn(Progress<'_>),
    part: &'a Part,
}

impl Copying<'_> {
    /// Copies everything; `None` if something has changed that must not.
    fn copy(&self, pass_phrase: &str) -> Result<Option<Manifest>, BackupError> {
        let all = contents::of(self.home.path())?;
        let of = all.iter().map(|it| it.bytes).sum();
        let io = |error| BackupError::io(&self.part.path, error);
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&self.part.path);
        let file = BufWriter::new(file.map_err(io)?);
        let sealing = Sealing::begin(file, pass_phrase, self.kind.name(), self.made)?;
        let mut tar = tar::Builder::new(sealing.map_err(io)?);
        let mut watched = Vec::new();
        let mut manifest = Manifest {
            kind: self.kind.name().to_owned(),
            made: self.made,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            files: Vec::new(),
        };
        for found in &all {
            (self.tell)(Progress { name: &found.name, bytes: manifest.bytes(), of });
            let copied = match found.is_store {
                true => {
                    let (copied, store) = self.store(&mut tar, found, manifest.bytes(), of)?;
                    watched.push(store);
                    Some(copied)
                }
                false => self.file(&mut tar, found)?,
            };
            manifest.files.extend(copied);
        }
        if self.kind.has_public_log() && !self.still(&all, &watched)? {
            return Ok(None);
        }
        let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        append(&mut tar, restore::MANIFEST, text.len() as u64, text.as_slice()).map_err(io)?;
        let file = tar.into_inner().and_then(Sealing::end).map_err(io)?;
        let file = file.into_inner().map_err(|it| io(it.into_error()))?;
        file.sync_all().map_err(io)?;
        Ok(Some(manifest))
    }

    /// Copies a snapshot of a store; its connection tells whether somebody has written since.
    fn store(
        &self,
        tar: &mut Tar,
        found: &Found,
        before: u64,
        of: u64,
    ) -> Result<(Copied, Watched), BackupError> {
        let path = self.home.path().join(&found.name);
        let failed = |source| BackupError::Store { path: path.clone(), source };
        let io = |error| BackupError::io(&self.part.stage, error);
        private_folder(&self.part.stage).map_err(io)?;
        let stage = self.part.stage.join("snapshot.sqlite");
        let _ = std::fs::remove_file(&stage);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Connection::open_with_flags(&path, flags).map_err(failed)?;
        source.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
        let told = |pages: u64| {
            (self.tell)(Progress { name: &found.name, bytes: before + pages, of });
        };
        let version = snapshot(&source, &stage, &told).map_err(failed)?;
        let mut file = File::open(&stage).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut hashed = Hashed::of(&mut file);
        append(tar, &format!("{}{}", restore::HOME, found.name), bytes, &mut hashed)
            .map_err(|error| BackupError::io(&self.part.path, error))?;
        let copied = Copied { name: found.name.clone(), bytes, digest: hashed.digest() };
        std::fs::remove_file(&stage).map_err(io)?;
        Ok((copied, Watched { store: source, version }))
    }

    /// Copies a file that is no store; none if it went meanwhile.
    fn file(&self, tar: &mut Tar, found: &Found) -> Result<Option<Copied>, BackupError> {
        let path = self.home.path().join(&found.name);
        let io = |error| BackupError::io(&path, error);
        // Whole, in memory: it may be replaced while it is read.
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        let read = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.and_then(|it| it.take(MAX_FILE + 1).read_to_end(&mut bytes)),
        };
        read.map_err(io)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(BackupError::TooLarge(path));
        }
        let name = format!("{}{}", restore::HOME, found.name);
        let length = bytes.len() as u64;
        append(tar, &name, length, bytes.as_slice())
            .map_err(|error| BackupError::io(&self.part.path, error))?;
        let digest = Digest::of(&bytes);
        Ok(Some(Copied { name: found.name.clone(), bytes: length, digest }))
    }

    /// Whether everything is as it was at the beginning.
    fn still(&self, before: &[Found], watched: &[Watched]) -> Result<bool, BackupError> {
        let plain = |all: &[Found]| -> Vec<Found> {
            all.iter().filter(|it| !it.is_store).cloned().collect()
        };
        let now = contents::of(self.home.path())?;
        let same = plain(before) == plain(&now);
        Ok(same && watched.iter().all(|it| version(&it.store).is_ok_and(|now| now == it.version)))
    }
}

/// A store that was copied, and the version that it had.
struct Watched {
    store: Connection,
    version: i64,
}

fn version(store: &Connection) -> rusqlite::Result<i64> {
    store.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// A snapshot of a store in another file; the version that it is of.
fn snapshot(source: &Connection, to: &Path, told: &dyn Fn(u64)) -> rusqlite::Result<i64> {
    // One transaction from the first page to the last: else whoever writes has it begin again.
    let held = source.unchecked_transaction()?;
    held.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let version = version(source)?;
    let page: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let mut copy = Connection::open(to)?;
    let backup = Backup::new(source, &mut copy)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            _ => {}
        }
        let progress = backup.progress();
        let done = progress.pagecount.saturating_sub(progress.remaining);
        told(u64::from(page) * u64::try_from(done).unwrap_or(0));
    }
    drop(backup);
    // The copy is one file: it has no log beside it.
    copy.pragma_update(None, "journal_mode", "delete")?;
    Ok(version)
}

fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn append(tar: &mut Tar, name: &str, bytes: u64, from: impl Read) -> io::Result<()> {
    if fault::fails("backup.write") {
        return Err(io::ErrorKind::StorageFull.into());
    }
    fault::point("backup.file");
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(0);
    tar.append_data(&mut header, name, from)
}

/// Hashes what is read through it.
pub(crate) struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    pub fn of(from: R) -> Self {
        Self { from, hash: Sha256::new() }
    }

    pub fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(out)?;
        self.hash.update(&out[..read]);
        Ok(read)
    }
}
