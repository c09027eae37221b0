//! tlog-proof@v1 (c2sp.org/tlog-proof): that an entry is in a log which witnesses have seen,
//! checked offline.

use std::fmt;

use semper_base::text::counted;
use semper_base::{Digest, Timestamp};

use crate::checkpoint::{self, Checkpoint};
use crate::note::{MAX_NOTE, Note, NoteError, VerifierKey};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A path in a tree of at most 2^64 leaves.
const MAX_PATH: usize = 64;

/// A proof as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The entry's number.
    pub index: u64,
    /// The path from the leaf to the root.
    pub path: Vec<Digest>,
    /// The checkpoint, with cosignatures.
    pub checkpoint: Note,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a tlog-proof.
    #[error("not a log proof: {0}")]
    Form(&'static str),
    /// The checkpoint or a signature under it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The entry is not in that tree at that place.
    #[error("the entry is not number {index} in {log}, which has {}", counted(*size, "entry", "entries"))]
    NotIncluded {
        /// Which log.
        log: String,
        /// The number that the proof names.
        index: u64,
        /// The size of the checkpoint's tree.
        size: u64,
    },
    /// Not enough witnesses have cosigned.
    #[error("only {got} of the witnesses believed here have cosigned; {want} are wanted")]
    Quorum {
        /// How many have.
        got: usize,
        /// How many must.
        want: usize,
    },
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The log's name.
    pub log: String,
    /// The entry's number.
    pub index: u64,
    /// The tree that it is in.
    pub checkpoint: Checkpoint,
    /// Who has cosigned, and when.
    pub witnesses: Vec<(String, Timestamp)>,
}

impl Proof {
    /// Parses a proof.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > MAX_NOTE {
            return Err(ProofError::Form("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::Form("it is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Form("it is cut off"))?;
        let mut lines = head.lines();
        if lines.next() != Some(HEADER) {
            return Err(ProofError::Form("its first line is another"));
        }
        let mut line = lines.next();
        // Extra data has no meaning here; the format allows it.
        if line.is_some_and(|it| it.starts_with("extra ")) {
            line = lines.next();
        }
        let number = line.and_then(|it| it.strip_prefix("index "));
        let number = number.ok_or(ProofError::Form("it has no index"))?;
        let index: u64 = number.parse().map_err(|_| ProofError::Form("its index is no number"))?;
        if index.to_string() != number {
            return Err(ProofError::Form("its index is not in canonical form"));
        }
        let path: Option<Vec<Digest>> = lines.map(crate::parse).collect();
        let path = path.ok_or(ProofError::Form("a hash of it is damaged"))?;
        if path.len() > MAX_PATH {
            return Err(ProofError::Form("its path is too long"));
        }
        Ok(Self { index, path, checkpoint: Note::parse(note.as_bytes())? })
    }

    /// Checks that `entry` is in the log of `log`, in a tree that at least `quorum` of the
    /// witnesses have cosigned. Witnesses under one key count once.
    pub fn verify(
        &self,
        entry: &[u8],
        log: &VerifierKey,
        witnesses: &[VerifierKey],
        quorum: usize,
    ) -> Result<Logged, ProofError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, log)?;
        let cosigned = checkpoint::witnesses(&self.checkpoint, witnesses)?;
        let mut keys: Vec<_> = cosigned.iter().map(|it| it.0.key.as_bytes()).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() < quorum {
            return Err(ProofError::Quorum { got: keys.len(), want: quorum });
        }
        let missing = || ProofError::NotIncluded {
            log: log.name.clone(),
            index: self.index,
            size: checkpoint.size,
        };
        // Beyond its own range the library counts on being asked sensibly.
        if self.index >= checkpoint.size || checkpoint.size > 1 << 62 {
            return Err(missing());
        }
        let path = self.path.iter().copied().map(crate::inner).collect();
        let (leaf, root) = (tlog_tiles::record_hash(entry), crate::inner(checkpoint.root));
        tlog_tiles::check_record(&path, checkpoint.size, root, self.index, leaf)
            .map_err(|_| missing())?;
        let witnesses = cosigned.iter().map(|it| (it.0.name.clone(), it.1)).collect();
        Ok(Logged { log: log.name.clone(), index: self.index, checkpoint, witnesses })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", crate::text(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
