//! A log grows, is witnessed, and proves what is in it; whoever lies is caught.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::RefCell;
use std::collections::HashMap;

use proptest::prelude::*;
use semper_base::{Digest, SigningKey, Timestamp};
use semper_tlog::checkpoint::Checkpoint;
use semper_tlog::tree::{self, Tree, WIDTH};
use semper_tlog::witness::{Asked, Witness, WitnessError};
use semper_tlog::{Kind, Note, Proof, ProofError, VerifierKey, leaf};

const LOG: &str = "log.example/terms";

/// A log in memory: a tree and its tiles by path.
struct Log {
    key: SigningKey,
    tree: Tree,
    tiles: RefCell<HashMap<String, Vec<u8>>>,
}

impl Log {
    fn of(entries: impl IntoIterator<Item = u64>) -> Self {
        let tiles = RefCell::default();
        let mut log = Self { key: SigningKey::from_seed(&[1; 32]), tree: Tree::new(), tiles };
        entries.into_iter().for_each(|entry| log.append(entry));
        log
    }

    fn append(&mut self, entry: u64) {
        let tiles = &self.tiles;
        let put = |level: u8, number: u64, hashes: &[Digest]| {
            let bytes = hashes.iter().flat_map(|it| *it.as_bytes()).collect();
            tiles.borrow_mut().insert(tree::path(level, number, hashes.len()), bytes);
        };
        self.tree.append(leaf(&entry.to_be_bytes()), put);
        for (level, number, hashes) in self.tree.partial() {
            put(level, number, hashes);
        }
    }

    fn vkey(&self) -> VerifierKey {
        VerifierKey::new(LOG, Kind::Log, self.key.public()).unwrap()
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: LOG.into(), size: self.tree.size(), root: self.tree.root() }
    }

    fn note(&self) -> Note {
        self.checkpoint().sign(&self.key).unwrap()
    }

    fn tile(&self, path: &str) -> Option<Vec<u8>> {
        self.tiles.borrow().get(path).cloned()
    }

    fn proof(&self, index: u64) -> Proof {
        let at = self.checkpoint();
        let path = tree::prove(at.size, at.root, index, |path| self.tile(path)).unwrap();
        Proof { index, path, checkpoint: self.note() }
    }

    fn growth(&self, old: u64) -> Vec<Digest> {
        let at = self.checkpoint();
        tree::prove_growth(at.size, at.root, old, |path| self.tile(path)).unwrap()
    }

    fn ask(&self, old: u64) -> Asked {
        Asked { old, path: self.growth(old), checkpoint: self.note() }
    }
}

fn witness(name: &str, seed: u8) -> (Witness, VerifierKey) {
    let key = SigningKey::from_seed(&[seed; 32]);
    let vkey = VerifierKey::new(name, Kind::Witness, key.public()).unwrap();
    (Witness { name: name.into(), key }, vkey)
}

fn at() -> Timestamp {
    Timestamp::from_secs(1_790_000_000).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_entry_of_every_tree_can_be_proved_offline(size in 1_u64..700, pick in any::<u64>()) {
        let log = Log::of(0..size);
        let index = pick % size;
        let proof = Proof::parse(log.proof(index).to_string().as_bytes()).unwrap();

        let logged = proof.verify(&index.to_be_bytes(), &log.vkey(), &[], 0).unwrap();
        prop_assert_eq!(logged.checkpoint.size, size);
        let other = (index + 1).to_be_bytes();
        let refused = proof.verify(&other, &log.vkey(), &[], 0);
        let refused = matches!(refused, Err(ProofError::NotIncluded { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn a_tree_is_the_same_after_a_restart(size in 0_u64..70_000) {
        let log = Log::of(0..size.min(600));
        let tile = |level, number, width| log.tile(&tree::path(level, number, width));
        let loaded = Tree::load(log.tree.size(), tile).unwrap();
        prop_assert_eq!(&loaded, &log.tree);
        prop_assert_eq!(loaded.root(), log.tree.root());
    }

    #[test]
    fn growth_is_proved_and_nothing_else_is(old in 0_u64..600, more in 0_u64..300) {
        let (before, log) = (Log::of(0..old), Log::of(0..old + more));
        let (a, b) = (before.checkpoint(), log.checkpoint());
        let path = log.growth(old);
        tree::check_growth(&path, (a.size, a.root), (b.size, b.root)).unwrap();

        if old > 0 {
            // One entry of the past is another.
            let forged = Log::of((0..old - 1).chain([9_999]));
            let wrong = forged.checkpoint();
            let checked = tree::check_growth(&path, (wrong.size, wrong.root), (b.size, b.root));
            prop_assert!(checked.is_err());
        }
    }

    #[test]
    fn whatever_comes_is_a_note_a_proof_a_request_or_an_error(bytes in any::<Vec<u8>>()) {
        let _ = Note::parse(&bytes);
        let _ = Proof::parse(&bytes);
        let _ = Asked::parse(&bytes);
        let _ = tree::entries(&bytes);
    }
}

#[test]
fn a_root_is_the_one_that_the_algorithms_of_others_compute() {
    // RFC 6962's own example tree of one and the empty one, and one over a full tile.
    assert_eq!(Tree::new().root(), semper_tlog::empty());
    for size in [1, 2, 3, 255, 256, 257, 511, 513] {
        let log = Log::of(0..size);
        let mut hashes: Vec<tlog_tiles::Hash> = Vec::new();
        for entry in 0..size {
            let reader = Stored(&hashes);
            let more = tlog_tiles::stored_hashes(entry, &entry.to_be_bytes(), &reader).unwrap();
            hashes.extend(more);
        }
        let root = tlog_tiles::tree_hash(size, &Stored(&hashes)).unwrap();
        assert_eq!(log.tree.root().as_bytes(), &root.0, "of {size}");
    }
}

struct Stored<'a>(&'a [tlog_tiles::Hash]);

impl tlog_tiles::HashReader for Stored<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

#[test]
fn a_witness_cosigns_growth_and_nothing_else() {
    let (one, key) = witness("witness.example/one", 2);
    let mut log = Log::of(0..5);
    let line = one.cosign(&log.vkey(), None, &log.ask(0), at()).unwrap();
    let mut first = log.note();
    first.add(&line).unwrap();
    assert_eq!(first.verify(&key).unwrap(), Some(at()));

    for entry in 5..300 {
        log.append(entry);
    }
    let asked = Asked::parse(log.ask(5).to_string().as_bytes()).unwrap();
    assert!(one.cosign(&log.vkey(), Some(&first), &asked, at()).is_ok());

    // The log forgot what the witness has seen; it is told.
    let refused = one.cosign(&log.vkey(), Some(&first), &log.ask(3), at());
    assert_eq!(refused, Err(WitnessError::Conflict(5)));
    // The log has rewritten its past.
    let rewritten = Log::of((0..4).chain([77]).chain(5..300));
    let refused = one.cosign(&log.vkey(), Some(&first), &rewritten.ask(5), at());
    assert!(matches!(refused, Err(WitnessError::Tree(_))), "{refused:?}");
    // It shows another tree of the same size: both notes are the evidence.
    let split = Log::of((0..4).chain([77]));
    let refused = one.cosign(&log.vkey(), Some(&first), &split.ask(5), at());
    let Err(WitnessError::Fork(fork)) = refused else { panic!("{refused:?}") };
    assert!(fork.one.contains(LOG) && fork.other.contains(LOG) && fork.one != fork.other);
    // Somebody else signs in its name.
    let mut stranger = Log::of(0..300);
    stranger.key = SigningKey::from_seed(&[9; 32]);
    let refused = one.cosign(&log.vkey(), Some(&first), &stranger.ask(5), at());
    assert!(matches!(refused, Err(WitnessError::Note(_))), "{refused:?}");
}

#[test]
fn a_quorum_counts_keys_not_names() {
    let log = Log::of(0..3);
    let (one, key) = witness("witness.example/one", 2);
    let (twin, twin_key) = witness("witness.example/twin", 2);
    let (two, two_key) = witness("witness.example/two", 3);
    let mut proof = log.proof(1);
    let entry = 1_u64.to_be_bytes();
    let believed = [key, twin_key, two_key];
    proof.checkpoint.cosign(&one.name, &one.key, at()).unwrap();
    proof.checkpoint.cosign(&twin.name, &twin.key, at()).unwrap();
    let refused = proof.verify(&entry, &log.vkey(), &believed, 2);
    assert_eq!(refused, Err(ProofError::Quorum { got: 1, want: 2 }));

    proof.checkpoint.cosign(&two.name, &two.key, at()).unwrap();
    let logged = proof.verify(&entry, &log.vkey(), &believed, 2).unwrap();
    assert_eq!(logged.witnesses.len(), 3);

    // A cosignature that was made for another time is wrong, not merely missing.
    let text = proof.to_string();
    let line = text.lines().find(|it| it.starts_with("— witness.example/two")).unwrap();
    let damaged = text.replace(line, &line.replace("AAAAA", "AAAAB"));
    assert_ne!(damaged, text);
    let proof = Proof::parse(damaged.as_bytes()).unwrap();
    assert!(matches!(proof.verify(&entry, &log.vkey(), &believed, 1), Err(ProofError::Note(_))));
}

#[test]
fn keys_have_one_text_form() {
    let log = Log::of(0..1);
    let text = log.vkey().to_string();
    assert_eq!(text.parse::<VerifierKey>().unwrap(), log.vkey());
    for wrong in [text.replace("log.example", "log.exemple"), text.replace('+', " "), "a+b".into()]
    {
        assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
    }
    assert_eq!(tree::path(0, 1_234_067, WIDTH), "tile/0/x001/x234/067");
    assert_eq!(tree::path(1, 7, 5), "tile/1/007.p/5");
    assert_eq!(tree::entries_path(255, WIDTH), "tile/entries/255");
    let two = vec![b"one".to_vec(), Vec::new()];
    assert_eq!(tree::entries(&tree::bundle(&two)), Some(two));
    assert_eq!(tree::entries(&[0, 5, 1]), None);
}
