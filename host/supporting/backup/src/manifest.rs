//! What is in a copy, by name, length and digest.

use semper_base::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// What is in a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The kind of home, such as `party`.
    pub kind: String,
    /// When the copy was begun.
    pub made: Timestamp,
    /// The program that made it.
    pub program: String,
    /// Its files.
    pub files: Vec<Copied>,
}

/// A file of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Its name in the home.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl Manifest {
    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|it| it.bytes).sum()
    }
}
