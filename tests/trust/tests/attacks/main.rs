//! Attacks on bundles, signatures, certificates, lists and proofs: each a small act of malice, and
//! the sentence by which it is refused. What is attacked is the whole pipeline, by the buyer's
//! own trust file, as a download would be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bytes;
mod certificates;
mod chains;
mod envelopes;
mod freshness;
mod logs;
mod rotation;
mod wishes;

use semper_base::Digest;
use semper_trust::{Layout, LayoutError, TrustError, VerifiedTerms};
use semper_trust_tests::{Files, World};

/// How an attack ended.
enum Outcome {
    /// The terms were refused, with this sentence.
    Refused(String),
    /// They count as uncertified; objections and warnings.
    Harmless(String),
    /// They count as certified: the attack has succeeded.
    Certified,
}

impl From<Result<VerifiedTerms, TrustError>> for Outcome {
    fn from(outcome: Result<VerifiedTerms, TrustError>) -> Self {
        match outcome {
            Err(error) => Self::Refused(error.to_string()),
            Ok(terms) if terms.grants().certified => Self::Certified,
            Ok(terms) => {
                let objections = terms.certificates().iter().filter_map(|it| it.objection.as_ref());
                let words: Vec<String> = objections.map(ToString::to_string).collect();
                Self::Harmless(words.join("; "))
            }
        }
    }
}

impl From<Result<Layout, LayoutError>> for Outcome {
    fn from(outcome: Result<Layout, LayoutError>) -> Self {
        match outcome {
            Err(error) => Self::Refused(error.to_string()),
            Ok(_) => Self::Certified,
        }
    }
}

/// An attack: its name, what must be said of it, and the act.
type Attack = (&'static str, &'static str, fn(&World) -> Outcome);

fn read_and_verify(world: &World, files: Files) -> Outcome {
    match files.read() {
        Ok(layout) => world.verify(&layout).into(),
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

/// Every attack of a table fails, as it should.
fn all_fail(attacks: &[Attack]) {
    let world = World::new();
    // The bundle that is spoiled below is a good one.
    let good = world.verify(&world.bundle()).unwrap();
    assert!(good.grants().certified);
    for (name, says, act) in attacks {
        match act(&world) {
            Outcome::Certified => panic!("{name}: it succeeded"),
            Outcome::Refused(words) | Outcome::Harmless(words) => {
                assert!(words.contains(says), "{name}: “{words}” does not say “{says}”");
            }
        }
    }
}

/// The first blob of a media type, over all manifests.
fn blob(layout: &Layout, media_type: &str) -> Digest {
    layout
        .manifests()
        .iter()
        .flat_map(|it| {
            let manifest = layout.manifest(it).unwrap();
            manifest.layers.into_iter().chain([manifest.config])
        })
        .find(|it| it.media_type == media_type)
        .unwrap()
        .digest
}

fn file(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A flipped byte in a blob.
fn flipped(world: &World, digest: impl Fn(&Layout) -> Digest) -> Outcome {
    let layout = world.bundle();
    let name = file(&digest(&layout));
    let spoiled = Files::of(&layout).edit(&name, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    read_and_verify(world, spoiled)
}

/// A bundle that only these organisations have certified, each with a change.
fn certified(
    w: &World,
    by: &[usize],
    change: impl Fn(&mut semper_trust::certificate::CertificateOf),
) -> Layout {
    let mut layout = w.uncertified(|_| {});
    by.iter().for_each(|it| w.certify(&mut layout, *it, &change));
    layout
}
