//! A log in memory, with one witness.

use std::collections::BTreeMap;

use semper_base::{SigningKey, Timestamp};
use semper_tlog::tree::{self, Tree};
use semper_tlog::{Checkpoint, Kind, Note, Proof, VerifierKey, leaf};
use semper_trust::Layout;
use semper_trust::bundle::{self, SIGNATURE};
use semper_trust::trustfile::BelievedLog;

use crate::{LOG, World, envelope_of, terms_of};

/// A log in memory, with one witness.
pub struct Log {
    pub key: SigningKey,
    pub witness: SigningKey,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { key: SigningKey::generate(), witness: SigningKey::generate() }
    }

    pub fn vkey(&self) -> VerifierKey {
        VerifierKey::new(LOG, Kind::Log, self.key.public()).unwrap()
    }

    pub fn witness_key(&self) -> VerifierKey {
        VerifierKey::new("witness.example/one", Kind::Witness, self.witness.public()).unwrap()
    }

    pub fn believed(&self, quorum: usize) -> BelievedLog {
        let witnesses = vec![self.witness_key()];
        BelievedLog { key: self.vkey(), url: None, witnesses, quorum }
    }

    /// The proof that an entry is the third of five, witnessed.
    pub fn prove(&self, entry: &[u8]) -> Proof {
        let entries = [b"one".as_slice(), b"two", entry, b"four", b"five"];
        let mut tree = Tree::new();
        entries.iter().for_each(|it| tree.append(leaf(it), |_, _, _| {}));
        let tiles: BTreeMap<String, Vec<u8>> = tree
            .partial()
            .map(|(level, number, hashes)| {
                let bytes = hashes.iter().flat_map(|it| *it.as_bytes()).collect();
                (tree::path(level, number, hashes.len()), bytes)
            })
            .collect();
        let path = tree::prove(5, tree.root(), 2, |name| tiles.get(name).cloned()).unwrap();
        let checkpoint = Checkpoint { origin: LOG.into(), size: 5, root: tree.root() };
        let mut note: Note = checkpoint.sign(&self.key).unwrap();
        note.cosign("witness.example/one", &self.witness, Timestamp::now()).unwrap();
        Proof { index: 2, path, checkpoint: note }
    }
}

/// A bundle whose terms are logged, with what becomes of the proof.
pub fn logged(world: &World, change: impl FnOnce(&World, &[u8]) -> Vec<u8>) -> Layout {
    let mut layout = world.bundle();
    let terms = terms_of(&layout);
    let (manifest, _, entry) = envelope_of(&layout, SIGNATURE, &terms.digest);
    let proof = change(world, &entry);
    let own = layout.manifests().iter().find(|it| it.digest == manifest).unwrap().clone();
    bundle::prove(&mut layout, &own, proof);
    layout
}
