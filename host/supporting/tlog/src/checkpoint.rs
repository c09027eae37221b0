//! Checkpoints (c2sp.org/tlog-checkpoint): a log's tree heads.

use semper_base::text::counted;
use semper_base::{Digest, SigningKey, Timestamp};

use crate::note::{Note, NoteError, VerifierKey};

/// A tree head: which log, how many entries, the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its Merkle tree.
    pub root: Digest,
}

/// Two checkpoints of one log that contradict each other, both signed by it: proof that it
/// shows different people different things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log {origin} has signed two different trees of {}", counted(*size, "entry", "entries"))]
pub struct Fork {
    /// Which log.
    pub origin: String,
    /// Of how many entries.
    pub size: u64,
    /// One signed checkpoint.
    pub one: String,
    /// The other.
    pub other: String,
}

impl Checkpoint {
    /// Signs it as the log.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        let mut note =
            Note::new(format!("{}\n{}\n{}\n", self.origin, self.size, crate::text(&self.root)))?;
        note.sign(&self.origin, key)?;
        Ok(note)
    }

    /// The checkpoint in a note, which must be signed by its log.
    pub fn verify(note: &Note, log: &VerifierKey) -> Result<Self, NoteError> {
        note.verify(log)?;
        let this = Self::unverified(note)?;
        if this.origin == log.name { Ok(this) } else { Err(NoteError::Form("of another log")) }
    }

    /// The checkpoint that a note speaks of, whoever has signed it.
    pub fn unverified(note: &Note) -> Result<Self, NoteError> {
        let mut lines = note.text().lines();
        let form = NoteError::Form("it is no checkpoint");
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(form);
        };
        let number: u64 = size.parse().map_err(|_| form.clone())?;
        let root = crate::parse(root).ok_or_else(|| form.clone())?;
        if number.to_string() != size || origin.is_empty() {
            return Err(form);
        }
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }

    /// Whether two notes of one log, both verified with its key, contradict each other at
    /// first sight: the same size with different roots.
    pub fn fork(one: &Note, other: &Note, log: &VerifierKey) -> Result<Option<Fork>, NoteError> {
        let (a, b) = (Self::verify(one, log)?, Self::verify(other, log)?);
        let differ = a.size == b.size && a.root != b.root;
        Ok(differ.then(|| Fork {
            origin: a.origin,
            size: a.size,
            one: one.to_string(),
            other: other.to_string(),
        }))
    }
}

/// The witnesses of `all` that have cosigned the note, and when; wrong cosignatures are errors.
pub fn witnesses<'a>(
    note: &Note,
    all: impl IntoIterator<Item = &'a VerifierKey>,
) -> Result<Vec<(&'a VerifierKey, Timestamp)>, NoteError> {
    let mut found = Vec::new();
    for key in all {
        match note.verify(key) {
            Ok(at) => found.push((key, at.ok_or(NoteError::Form("a witness without a time"))?)),
            Err(NoteError::Unsigned(_)) => {}
            Err(wrong) => return Err(wrong),
        }
    }
    Ok(found)
}
