//! Why there is no copy, or no home of it.

use std::io;
use std::path::{Path, PathBuf};

use semper_archive::HomeError;
use semper_base::Mend;
use semper_tinguin::keystore::KeystoreError;

/// Why a copy was not made, or not put back.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum BackupError {
    /// The home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// The pass-phrase cannot be one.
    #[error(transparent)]
    #[mend(from)]
    PassPhrase(#[from] KeystoreError),
    /// Nothing is written over.
    #[error("{} is there already", .0.display())]
    #[mend("choose another name")]
    Exists(PathBuf),
    /// A copy of the copy would be in the copy.
    #[error("{} lies in the home that is to be copied", .0.display())]
    #[mend("choose a place outside, best on another disk")]
    Within(PathBuf),
    /// Something in the home that cannot be copied.
    #[error("{} is neither a file nor a folder", .0.display())]
    #[mend("put what it leads to in its place")]
    Strange(PathBuf),
    /// A file that belongs to no home.
    #[error("{} is larger than anything that belongs into a home", .0.display())]
    #[mend("look at what it is")]
    TooLarge(PathBuf),
    /// It does not stand still.
    #[error("{} changes faster than it can be copied", .0.display())]
    #[mend("stop its server, or try again when it is quiet")]
    Busy(PathBuf),
    /// A store in the home.
    #[error("{}: {source}", path.display())]
    #[mend("check that the disk has room and that the file is whole")]
    Store {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The operating system's word.
    #[error("{}: {source}", path.display())]
    #[mend("check that the disk has room and the place is yours")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is no backup of a home", .0.display())]
    #[mend("give a file that semper backup has made")]
    NotOne(PathBuf),
    /// A newer program has made it.
    #[error("{} was made by a newer program, in format {format}; this one knows format {}", path.display(), crate::sealed::FORMAT)]
    #[mend("use the newer program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Another pass-phrase than the one that it was sealed with.
    #[error("the pass-phrase is not the one that {} was sealed with", .0.display())]
    #[mend("a home's own pass-phrase of the day it was copied, or the one that was chosen then")]
    Wrong(PathBuf),
    /// The file ends too early.
    #[error("{} is not whole: its end is missing", .0.display())]
    #[mend("copy it anew from where it lies whole; nothing was put in place")]
    Truncated(PathBuf),
    /// The file is not what was written.
    #[error("{} was changed or is damaged: {why}", path.display())]
    #[mend("use another copy; nothing was put in place")]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is not as it was.
        why: String,
    },
}

impl BackupError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn changed(path: &Path, why: impl Into<String>) -> Self {
        Self::Changed { path: path.to_owned(), why: why.into() }
    }
}
