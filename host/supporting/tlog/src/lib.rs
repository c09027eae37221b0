//! Transparency logs in the C2SP formats: what a log, its witnesses, and those who check it
//! offline agree on. Nothing here does IO.
//!
//! ```text
//! entry → leaf hash → Merkle tree → checkpoint, signed by the log → cosigned by witnesses
//!                                 ↘ proof of inclusion ↗ = tlog-proof, checked offline
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`note`] | signed notes (c2sp.org/signed-note): keys, signatures, cosignatures |
//! | [`checkpoint`] | tree heads (c2sp.org/tlog-checkpoint), and two that contradict each other |
//! | [`proof`] | tlog-proof@v1: that an entry is in a witnessed log |
//! | [`tree`] | growing a tree, in tiles (c2sp.org/tlog-tiles); proofs out of tiles |
//! | [`witness`] | a witness's one decision: cosign growth, refuse everything else |
//!
//! The Merkle algorithms (RFC 6962 §2.1) are `tlog_tiles`'s. Notes are our own: that project's
//! crate for them brings a second Ed25519 and has no cosignatures.
//!
//! See `docs/trust.md`, “Transparency”.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod note;
pub mod proof;
pub mod tree;
pub mod witness;

pub use checkpoint::{Checkpoint, Fork};
pub use note::{Kind, Note, NoteError, VerifierKey};
pub use proof::{Proof, ProofError};
pub use tree::{Tree, TreeError};
pub use witness::{Witness, WitnessError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::Digest;

/// The leaf hash of an entry (RFC 6962 §2.1).
pub fn leaf(entry: &[u8]) -> Digest {
    outer(tlog_tiles::record_hash(entry))
}

/// The root of the tree without entries (RFC 6962 §2.1).
pub fn empty() -> Digest {
    outer(tlog_tiles::EMPTY_HASH)
}

fn inner(hash: Digest) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn outer(hash: tlog_tiles::Hash) -> Digest {
    Digest::from_bytes(hash.0)
}

/// A hash as notes and proofs have it.
fn text(hash: &Digest) -> String {
    BASE64_STANDARD.encode(hash.as_bytes())
}

fn parse(text: &str) -> Option<Digest> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    Some(Digest::from_bytes(bytes.try_into().ok()?))
}
