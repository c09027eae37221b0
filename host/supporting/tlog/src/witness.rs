//! A witness (c2sp.org/tlog-witness): it cosigns a log's checkpoint if it is the one that it
//! saw last, grown; nothing else. Pure: what it remembers is stored by the caller before the
//! cosignature leaves.

use semper_base::text::counted;
use semper_base::{Digest, SigningKey, Timestamp};

use crate::checkpoint::{Checkpoint, Fork};
use crate::note::{Note, NoteError, VerifierKey};
use crate::tree::{self, TreeError};

/// A witness: its name, its key.
#[derive(Debug)]
pub struct Witness {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: SigningKey,
}

/// What a log asks: cosign this, which grew from a tree of `old` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The size that the log believes the witness saw last.
    pub old: u64,
    /// The proof of growth.
    pub path: Vec<Digest>,
    /// The checkpoint.
    pub checkpoint: Note,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The request is damaged.
    #[error("not a request to cosign: {0}")]
    Form(&'static str),
    /// The checkpoint or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It has seen another size than the log says; the log may ask again from there.
    #[error("the newest tree seen here has {}", counted(*.0, "entry", "entries"))]
    Conflict(u64),
    /// The tree is not the one seen before, grown.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The log contradicts itself: here is the proof.
    #[error(transparent)]
    Fork(#[from] Fork),
}

impl Asked {
    /// Parses a request.
    pub fn parse(bytes: &[u8]) -> Result<Self, WitnessError> {
        let text = std::str::from_utf8(bytes).map_err(|_| WitnessError::Form("not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(WitnessError::Form("cut off"))?;
        let mut lines = head.lines();
        let old = lines.next().and_then(|it| it.strip_prefix("old "));
        let old = old.and_then(|it| it.parse().ok()).ok_or(WitnessError::Form("no old size"))?;
        let path: Option<Vec<Digest>> = lines.map(crate::parse).collect();
        let path = path.ok_or(WitnessError::Form("a hash is damaged"))?;
        if path.len() > 63 {
            return Err(WitnessError::Form("the proof is too long"));
        }
        Ok(Self { old, path, checkpoint: Note::parse(note.as_bytes())? })
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", crate::text(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl Witness {
    /// Decides about a request by the note of that log that was cosigned last: the cosignature
    /// line. The caller stores the request's checkpoint first.
    pub fn cosign(
        &self,
        log: &VerifierKey,
        last: Option<&Note>,
        asked: &Asked,
        at: Timestamp,
    ) -> Result<String, WitnessError> {
        let new = Checkpoint::verify(&asked.checkpoint, log)?;
        let seen = last.map(|note| Checkpoint::verify(note, log)).transpose()?;
        if let Some(fork) =
            last.and_then(|last| Checkpoint::fork(last, &asked.checkpoint, log).transpose())
        {
            return Err(fork?.into());
        }
        let (size, root) = seen.map_or((0, crate::empty()), |it| (it.size, it.root));
        if asked.old != size {
            return Err(WitnessError::Conflict(size));
        }
        tree::check_growth(&asked.path, (size, root), (new.size, new.root))?;
        Ok(asked.checkpoint.clone().cosign(&self.name, &self.key, at)?)
    }
}
