//! Information as it is exchanged: encrypted in chunks before, opened after.
//!
//! ```text
//! K        HKDF-SHA256 of both shares, salted                 (who has one share has nothing)
//! chunk    16 KiB of plain information under ChaCha20-Poly1305; its number is the nonce
//! cipher   root of the encrypted chunks (RFC 6962), known before anything is promised
//! content  root of the plain chunks, where the buyer knows from elsewhere what is to come
//! ```
//!
//! The roots and the commitments to the shares fix the plain information, so what was
//! delivered can be shown to anybody: one chunk and its path are a [`Proof`] of fraud.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use semper_base::Digest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::Sha256;
use tlog_tiles::{Error, Hash as Node};
use zeroize::Zeroizing;

use crate::item::{Fraud, Information};

/// Plain bytes of a chunk.
pub const CHUNK: usize = 16 * 1024;
/// Bytes that encryption adds to a chunk.
pub const TAG: usize = 16;
/// Plain bytes of one information at most.
pub const MAX_LENGTH: u64 = 16 * 1024 * 1024 * 1024;
/// Nodes of a path at most.
const MAX_PATH: usize = 32;

/// That one chunk is not what was promised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The number of the chunk, from 0.
    pub index: u64,
    /// The encrypted chunk, as it travelled.
    pub chunk: ByteBuf,
    /// Its path to the root of the encrypted chunks.
    pub cipher: Vec<Digest>,
    /// If it decrypts: the leaf hash that the plain chunk ought to have, and its path to the
    /// root of the plain chunks.
    pub content: Option<(Digest, Vec<Digest>)>,
}

/// Both shares of a key: the escrowed one and the peer's.
pub type Shares<'a> = [&'a [u8; 32]; 2];

/// Roots and length that encrypting gives: they fix the information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// Root of the encrypted chunks.
    pub cipher: Digest,
    /// Root of the plain chunks.
    pub content: Digest,
    /// Bytes of the plain information.
    pub length: u64,
}

/// Why information could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum InformationError {
    /// A file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is longer than allowed.
    #[error("information of more than {MAX_LENGTH} bytes")]
    TooLong,
    /// What is here is not what has that root.
    #[error("the encrypted information is not the one that was agreed on")]
    OtherCipher,
    /// The plain chunks' hashes that are here are not of what was agreed on.
    #[error("the hashes at hand are those of other information than was agreed on")]
    OtherHashes,
    /// It is not what was promised; the proof shows it.
    #[error("{0}")]
    Fraud(Fraud, Box<Proof>),
}

/// How many chunks hold so many bytes: at least one.
const fn chunks(length: u64) -> u64 {
    let chunks = length.div_ceil(CHUNK as u64);
    if chunks == 0 { 1 } else { chunks }
}

fn cipher(salt: &Digest, shares: Shares<'_>) -> ChaCha20Poly1305 {
    let mut both = Zeroizing::new([0; 64]);
    both[..32].copy_from_slice(shares[0]);
    both[32..].copy_from_slice(shares[1]);
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), both.as_slice())
        .expand(b"semper/item/v1", key.as_mut_slice())
        .expect("32 bytes are within HKDF's limit");
    ChaCha20Poly1305::new(&Key::from(*key))
}

/// The chunk's number and whether it is the last: no chunk can be cut off unseen.
fn nonce(index: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::from(nonce)
}

/// A Merkle tree that grows leaf by leaf (RFC 6962 §2.1).
#[derive(Default)]
struct Merkle {
    nodes: Vec<Node>,
    leaves: u64,
}

impl Merkle {
    fn push(&mut self, data: &[u8]) {
        let leaf = tlog_tiles::record_hash(data);
        let stored =
            tlog_tiles::stored_hashes_for_record_hash(self.leaves, leaf, &Nodes(&self.nodes));
        self.nodes.extend(stored.expect("the nodes before it are here"));
        self.leaves += 1;
    }

    fn root(&self) -> Digest {
        let root = tlog_tiles::tree_hash(self.leaves, &Nodes(&self.nodes));
        Digest::from_bytes(root.expect("all nodes are here").0)
    }

    fn path(&self, index: u64) -> Vec<Digest> {
        let path = tlog_tiles::prove_record(self.leaves, index, &Nodes(&self.nodes));
        let path = path.expect("all nodes are here");
        path.into_iter().map(|node| Digest::from_bytes(node.0)).collect()
    }

    fn leaf(&self, index: u64) -> Digest {
        let place = tlog_tiles::stored_hash_index(0, index);
        Digest::from_bytes(self.nodes[usize::try_from(place).expect("as many as in memory")].0)
    }
}

struct Nodes<'a>(&'a [Node]);

impl tlog_tiles::HashReader for Nodes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Node>, Error> {
        let node = |index: &u64| {
            let place = usize::try_from(*index).ok();
            place.and_then(|it| self.0.get(it)).copied().ok_or(Error::IndexesNotInTree)
        };
        indexes.iter().map(node).collect()
    }
}

/// Whether a leaf of this hash stands at `index` of the tree of so many leaves.
fn stands(leaf: Digest, index: u64, leaves: u64, path: &[Digest], root: Digest) -> bool {
    if index >= leaves || path.len() > MAX_PATH {
        return false;
    }
    let path = path.iter().map(|it| Node(*it.as_bytes())).collect();
    let (leaf, root) = (Node(*leaf.as_bytes()), Node(*root.as_bytes()));
    tlog_tiles::check_record(&path, leaves, root, index, leaf).is_ok()
}

/// Fills the buffer as far as there is something.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Encrypts information under both shares.
///
/// # Errors
/// Files, and [`InformationError::TooLong`].
pub fn encrypt(
    mut plain: impl Read,
    mut out: impl Write,
    salt: &Digest,
    shares: Shares<'_>,
) -> Result<Encrypted, InformationError> {
    let aead = cipher(salt, shares);
    let (mut ciphers, mut contents) = (Merkle::default(), Merkle::default());
    let (mut now, mut next) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut filled = fill(&mut plain, &mut now)?;
    let mut length = 0;
    loop {
        let following = if filled == CHUNK { fill(&mut plain, &mut next)? } else { 0 };
        let chunk = &now[..filled];
        length += filled as u64;
        if length > MAX_LENGTH {
            return Err(InformationError::TooLong);
        }
        let sealed = aead.encrypt(&nonce(contents.leaves, following == 0), chunk);
        let sealed = sealed.expect("a chunk is within the cipher's limit");
        ciphers.push(&sealed);
        contents.push(chunk);
        out.write_all(&sealed)?;
        if following == 0 {
            out.flush()?;
            return Ok(Encrypted { cipher: ciphers.root(), content: contents.root(), length });
        }
        std::mem::swap(&mut now, &mut next);
        filled = following;
    }
}

/// The root of encrypted information, as it lies here; for whoever holds it before a promise.
///
/// # Errors
/// Files, and what is longer than `length` says.
pub fn root(mut sealed: impl Read, length: u64) -> Result<Digest, InformationError> {
    let mut tree = Merkle::default();
    let mut chunk = vec![0; CHUNK + TAG];
    for _ in 0..chunks(length) {
        let filled = fill(&mut sealed, &mut chunk)?;
        tree.push(&chunk[..filled]);
    }
    match fill(&mut sealed, &mut chunk[..1])? {
        0 => Ok(tree.root()),
        _ => Err(InformationError::OtherCipher),
    }
}

/// Opens encrypted information into `out`, and holds every chunk against what was agreed: against
/// its root, and, for a buyer who has the plain chunks' hashes from elsewhere, against those.
///
/// # Errors
/// [`InformationError::Fraud`] with a proof of the first chunk that is not what was promised; what
/// has been written until then is to be thrown away.
pub fn open(
    mut sealed: impl Read,
    mut out: impl Write,
    leaf: &Information,
    shares: Shares<'_>,
    hashes: Option<&Hashes>,
) -> Result<(), InformationError> {
    if leaf.length > MAX_LENGTH {
        return Err(InformationError::TooLong);
    }
    let last = chunks(leaf.length) - 1;
    let of_others = |it: &Hashes| leaf.content != Some(it.root()) || it.0.leaves != last + 1;
    if hashes.is_some_and(of_others) {
        return Err(InformationError::OtherHashes);
    }
    let aead = cipher(&leaf.salt, shares);
    let mut ciphers = Merkle::default();
    let mut wrong = None;
    let mut chunk = vec![0; CHUNK + TAG];
    for index in 0..=last {
        let filled = fill(&mut sealed, &mut chunk)?;
        ciphers.push(&chunk[..filled]);
        // The root needs all of it; what is wrong is found once.
        if wrong.is_some() {
            continue;
        }
        let plain = aead.decrypt(&nonce(index, index == last), &chunk[..filled]);
        let wanted = hashes.map(|it| it.0.leaf(index));
        match plain {
            Ok(plain)
                if wanted.is_none_or(|it| it.as_bytes() == &tlog_tiles::record_hash(&plain).0) =>
            {
                out.write_all(&plain)?;
            }
            Ok(_) => wrong = Some((index, chunk[..filled].to_vec(), Fraud::Content)),
            Err(_) => wrong = Some((index, chunk[..filled].to_vec(), Fraud::Cipher)),
        }
    }
    if ciphers.root() != leaf.cipher || fill(&mut sealed, &mut chunk[..1])? != 0 {
        return Err(InformationError::OtherCipher);
    }
    if let Some((index, chunk, fraud)) = wrong {
        let content = hashes
            .filter(|_| fraud == Fraud::Content)
            .map(|it| (it.0.leaf(index), it.0.path(index)));
        let proof = Proof { index, chunk: chunk.into(), cipher: ciphers.path(index), content };
        return Err(InformationError::Fraud(fraud, Box::new(proof)));
    }
    out.flush()?;
    Ok(())
}

/// The hashes of the plain chunks of some information, as an index or catalogue gives them.
pub struct Hashes(Merkle);

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hashes({} chunks)", self.0.leaves)
    }
}

impl Hashes {
    /// Of information that somebody has.
    pub fn of(plain: &[u8]) -> Self {
        let mut tree = Merkle::default();
        match plain {
            [] => tree.push(&[]),
            _ => plain.chunks(CHUNK).for_each(|chunk| tree.push(chunk)),
        }
        Self(tree)
    }

    /// The root of the plain chunks, as an agreement names it.
    pub fn root(&self) -> Digest {
        self.0.root()
    }
}

/// The fraud that a proof shows in this information under these shares, if any. Whoever
/// calls has checked the shares against their commitments.
pub fn shows(leaf: &Information, shares: Shares<'_>, proof: &Proof) -> Option<Fraud> {
    let count = chunks(leaf.length);
    let hash = Digest::from_bytes(tlog_tiles::record_hash(&proof.chunk).0);
    if proof.chunk.len() > CHUNK + TAG
        || !stands(hash, proof.index, count, &proof.cipher, leaf.cipher)
    {
        return None;
    }
    let aead = cipher(&leaf.salt, shares);
    let last = proof.index + 1 == count;
    let Ok(plain) = aead.decrypt(&nonce(proof.index, last), proof.chunk.as_slice()) else {
        return Some(Fraud::Cipher);
    };
    let (wanted, path) = proof.content.as_ref()?;
    let described = stands(*wanted, proof.index, count, path, leaf.content?);
    let here = Digest::from_bytes(tlog_tiles::record_hash(&plain).0);
    (described && here != *wanted).then_some(Fraud::Content)
}
