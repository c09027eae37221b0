//! A blob while it comes in: in a file of the cache, or in memory alone.
//!
//! The cache only saves work. One that cannot be written is read, and one that cannot be read is
//! done without; what it holds is hashed like what comes, and thrown away if it is spoilt.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use semper_base::Digest;
use semper_trust::LayoutError;
use sha2::{Digest as _, Sha256};

use crate::MoveError;

/// A blob while it comes in.
pub(crate) struct Part {
    want: Digest,
    size: u64,
    hasher: Sha256,
    memory: Vec<u8>,
    /// Bytes that the cache had of it.
    kept: usize,
    file: Option<(PathBuf, File)>,
}

impl Part {
    /// What the cache has of a blob; and what is wrong with the cache, if anything is.
    pub(crate) fn open(cache: Option<&Path>, want: &Digest, size: u64) -> (Self, Option<String>) {
        let mut this = Self {
            want: *want,
            size,
            hasher: Sha256::new(),
            memory: Vec::new(),
            kept: 0,
            file: None,
        };
        let Some(folder) = cache else { return (this, None) };
        let path = folder.join(want.hex());
        let trouble = this.look(folder, &path).err();
        this.kept = this.memory.len();
        if this.kept as u64 == size && !this.is_right() {
            this.restart();
        }
        // One that is whole needs no file any more.
        let whole = this.len() == size;
        let told = trouble.filter(|_| !whole).map(|error| format!("{}: {error}", folder.display()));
        (this, told)
    }

    /// Reads what is there, and keeps the file to go on in it, if that can be.
    fn look(&mut self, folder: &Path, path: &Path) -> io::Result<()> {
        let made = fs::create_dir_all(folder);
        let mut options = OpenOptions::new();
        let opened = made
            .and_then(|()| options.read(true).write(true).create(true).truncate(false).open(path));
        let (mut file, trouble) = match opened {
            Ok(file) => (file, None),
            Err(error) => {
                (File::open(path).map_err(|_| io::Error::from(error.kind()))?, Some(error))
            }
        };
        let mut there = Vec::new();
        (&mut file).take(self.size).read_to_end(&mut there)?;
        self.hasher.update(&there);
        self.memory = there;
        match trouble {
            Some(error) => Err(error),
            None => {
                file.set_len(self.len())?;
                file.seek(SeekFrom::Start(self.len()))?;
                self.file = Some((path.to_owned(), file));
                Ok(())
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.memory.len() as u64
    }

    /// Whether some of it comes from the cache.
    pub(crate) const fn has_old(&self) -> bool {
        self.kept > 0
    }

    /// Takes more; not more than the blob has.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), MoveError> {
        let room = usize::try_from(self.size - self.len()).unwrap_or(usize::MAX);
        if bytes.len() > room {
            let name = format!("blob {}", self.want.short());
            let most = usize::try_from(self.size).unwrap_or(usize::MAX);
            return Err(LayoutError::TooLarge { name, most }.into());
        }
        self.hasher.update(bytes);
        self.memory.extend_from_slice(bytes);
        // A disk that is full costs the cache, and not the bundle.
        if let Some((path, file)) = &mut self.file
            && file.write_all(bytes).is_err()
        {
            let _ = fs::remove_file(path);
            self.file = None;
        }
        Ok(())
    }

    /// Forgets everything: from the first byte on.
    pub(crate) fn restart(&mut self) {
        (self.hasher, self.kept) = (Sha256::new(), 0);
        self.memory.clear();
        if let Some((path, file)) = &mut self.file
            && file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).is_err()
        {
            let _ = fs::remove_file(path);
            self.file = None;
        }
    }

    fn is_right(&self) -> bool {
        self.digest() == self.want
    }

    fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// The blob, if it is the one that was wanted.
    pub(crate) fn finish(&mut self, name: &str) -> Result<Vec<u8>, MoveError> {
        let got = self.digest();
        if got == self.want {
            return Ok(std::mem::take(&mut self.memory));
        }
        if let Some((path, _)) = self.file.take() {
            let _ = fs::remove_file(path);
        }
        Err(LayoutError::Changed { name: name.to_owned(), got, want: self.want }.into())
    }
}
