//! A key and its certificate, in two files that are replaced as one.
//!
//! The next ones are written beside those in use, as `….next`: first the key, then its certificate. With that they
//! count. Those in use are kept under other names, and the next ones take their places. Whatever ends in
//! between is done by [`Pair::finish`]. Until then one of the two may be in its place before the other:
//! the certificate that belongs to the key is in use, or it waits ([`Pair::waiting`]).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use semper_base::keys::KeyError;
use semper_base::{Certificate, Mend, SigningKey, Timestamp, fault};

/// A key's file, and that of its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key's, its owner's alone.
    pub key: PathBuf,
    /// The certificate's.
    pub certificate: PathBuf,
}

/// Under which names those of before are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// `bank.key.old` for `bank.key`; what had that name is replaced.
    Old,
    /// `evaluator-2026-11-29.key` for `evaluator.key`, by the day of this time; nothing is replaced.
    Dated(Timestamp),
}

/// Why a pair is not replaced.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum PairError {
    /// The operating system's word.
    #[error("{}: {source}", path.display())]
    #[mend("make room for files there, and renew again: nothing is lost")]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error itself.
        source: io::Error,
    },
    /// A key that waits, and is none.
    #[error("{}: {source}", path.display())]
    #[mend("remove {}, and renew again: no certificate is for it yet", path.display())]
    Key {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl Pair {
    /// The key that is to be certified next: the one that an interrupted renewal has left, or a new one.
    ///
    /// # Errors
    /// It cannot be written, or what was left is no key.
    pub fn next_key(&self) -> Result<SigningKey, PairError> {
        let path = next(&self.key);
        if path.exists() {
            let pem = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
            return SigningKey::from_pem(&pem).map_err(|source| PairError::Key { path, source });
        }
        let key = SigningKey::generate();
        write(&path, key.to_pem().as_bytes(), 0o600)?;
        Ok(key)
    }

    /// Has the next key and this certificate of it take the places of those in use; where those are
    /// kept now.
    ///
    /// # Errors
    /// A file cannot be written. What was begun goes on by [`Pair::finish`].
    pub fn replace(
        &self,
        chain: &[Certificate],
        former: Former,
    ) -> Result<Vec<PathBuf>, PairError> {
        let pem = Certificate::chain_to_pem(chain);
        write(&self.waiting(), pem.as_bytes(), mode(&self.certificate))?;
        Ok(self.finish(former)?.unwrap_or_default())
    }

    /// Puts the next ones in their places, if both are there; what it has kept of those in use. `None`
    /// if nothing was left to do.
    ///
    /// # Errors
    /// A file cannot be written; the same again goes on.
    pub fn finish(&self, former: Former) -> Result<Option<Vec<PathBuf>>, PairError> {
        if !self.waiting().exists() {
            return Ok(None);
        }
        let mut kept = Vec::new();
        // Gone if this was interrupted after the key was put in its place.
        if next(&self.key).exists() {
            kept = self.keep(former)?;
            take_place(&self.key)?;
        }
        take_place(&self.certificate)?;
        Ok(Some(kept))
    }

    /// Where the next certificate waits for its place.
    pub fn waiting(&self) -> PathBuf {
        next(&self.certificate)
    }

    /// Copies those in use to their other names, before anything takes their places.
    fn keep(&self, former: Former) -> Result<Vec<PathBuf>, PairError> {
        let names = match former {
            Former::Old => self.both().map(|it| beside(it, "old")),
            Former::Dated(at) => self.dated(&at.date())?,
        };
        let mut kept = Vec::new();
        for (file, name) in self.both().into_iter().zip(names) {
            // One of them may be lost, which can be why it is renewed.
            if let Some(bytes) = read(file)? {
                write(&name, &bytes, mode(file))?;
                kept.push(name);
            }
        }
        Ok(kept)
    }

    /// The first names with this date that are free, or have the same already.
    fn dated(&self, date: &str) -> Result<[PathBuf; 2], PairError> {
        let mut number = 1;
        loop {
            let names = self.both().map(|it| named(it, date, number));
            let mut are_free = true;
            for (file, name) in self.both().into_iter().zip(&names) {
                let there = read(name)?;
                are_free &= there.is_none() || there == read(file)?;
            }
            if are_free {
                return Ok(names);
            }
            number += 1;
        }
    }

    fn both(&self) -> [&Path; 2] {
        [&self.key, &self.certificate]
    }
}

/// `bank.key.old` for `bank.key`.
fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".");
    name.push(end);
    name.into()
}

fn next(file: &Path) -> PathBuf {
    beside(file, "next")
}

/// `evaluator-2026-11-29.key` for `evaluator.key`, and `evaluator-2026-11-29-2.key` for the second on a day.
fn named(file: &Path, date: &str, number: u32) -> PathBuf {
    let mut name = file.file_stem().map(OsString::from).unwrap_or_default();
    name.push("-");
    name.push(date);
    if number > 1 {
        name.push(format!("-{number}"));
    }
    if let Some(end) = file.extension() {
        name.push(".");
        name.push(end);
    }
    file.with_file_name(name)
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, PairError> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(file, source)),
    }
}

/// Who may read a file: those who may now; everybody, if there is none yet.
fn mode(file: &Path) -> u32 {
    file.metadata().map_or(0o644, |it| it.permissions().mode() & 0o777)
}

/// Writes a file: the whole of it, or nothing.
fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), PairError> {
    let part = beside(file, "part");
    let written = || {
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(mode).open(&part)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&part, file)?;
        settle(file)
    };
    written().map_err(|source| failed(file, source))
}

/// The next file takes the place of this one.
fn take_place(file: &Path) -> Result<(), PairError> {
    let moved = fs::rename(next(file), file).and_then(|()| settle(file));
    moved.map_err(|source| failed(file, source))
}

/// What was renamed is where it is after a power cut, too.
fn settle(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    fault::point("pair.step");
    Ok(())
}

fn failed(file: &Path, source: io::Error) -> PairError {
    PairError::Io { path: file.to_owned(), source }
}
