//! A home's copy in one file: made while the home is in use, encrypted, and put back whole or not at
//! all.
//!
//! | module | what it is for |
//! |---|---|
//! | [`take`] | the copy: SQLite's own snapshots, then the rest, in an order that fits together |
//! | [`restore`] | back into a new folder, every digest looked at before anything is put in place |
//! | [`sealed`] | the file: a header in clear, then chunks under a key made of a pass-phrase |
//! | [`manifest`] | what is in a copy, by name, length and digest |
//! | [`error`] | why there is no copy, or no home of it |
//!
//! Every copy is encrypted. Homes of servers have their keys in clear; that of a buyer has its keys
//! encrypted, and in clear what she bought, where it went and what it cost.
//!
//! ```
//! use semper_archive::{Home, HomeKind};
//! use semper_backup::{restore, take};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let witness = folder.path().join("witness");
//! let home = Home::create(&witness).unwrap();
//! home.write("witness.key", b"a key").unwrap();
//!
//! let file = folder.path().join("witness.backup");
//! take::take(&home, &file, "correct horse battery", &|_| {}).unwrap();
//!
//! let copy = folder.path().join("copy");
//! let whole = restore::unpack(&file, &copy, "correct horse battery", &|_| {}).unwrap();
//! assert_eq!(whole.manifest.kind, HomeKind::Witness.name());
//! whole.put_in_place().unwrap();
//! assert_eq!(std::fs::read(copy.join("witness.key")).unwrap(), b"a key");
//! ```
#![forbid(unsafe_code)]

mod contents;
pub mod error;
pub mod manifest;
pub mod restore;
pub mod sealed;
pub mod take;

pub use error::BackupError;
pub use manifest::Manifest;

/// How far a copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file that is being copied, by its name in the home.
    pub name: &'a str,
    /// Bytes so far, of all files together.
    pub bytes: u64,
    /// Bytes in all, as far as is known.
    pub of: u64,
}
