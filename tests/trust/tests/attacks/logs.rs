//! Log proofs.

use semper_base::{Digest, SigningKey};
use semper_tlog::Kind;
use semper_trust::{Knowledge, Layout};
use semper_trust_tests::{World, logged};

use super::*;

#[test]
fn log_proofs() {
    // A good proof is believed.
    let w = World::new();
    let good = logged(&w, |w, entry| w.log.prove(entry).to_string().into_bytes());
    let terms = w.verify_by(&good, &w.trust_with_log(), &Knowledge::default()).unwrap();
    assert_eq!(terms.log().unwrap().index, 2);
    assert!(terms.grants().certified);

    fn wants_log(w: &World, layout: &Layout) -> Outcome {
        w.verify_by(layout, &w.trust_with_log(), &Knowledge::default()).into()
    }
    all_fail(&[
        ("no proof", "the bundle has no proof", |w| wants_log(w, &w.bundle())),
        ("a proof of another statement", "is not number 2", |w| {
            wants_log(w, &logged(w, |w, _| w.log.prove(b"another").to_string().into_bytes()))
        }),
        ("a proof that is cut off", "the last line has no end", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let text = w.log.prove(entry).to_string();
                    text.as_bytes()[..text.len() - 90].to_vec()
                }),
            )
        }),
        ("a proof without its checkpoint", "it is cut off", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let text = w.log.prove(entry).to_string();
                    text.split_once("\n\n").unwrap().0.as_bytes().to_vec()
                }),
            )
        }),
        ("a path with a changed hash", "is not number 2", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let mut proof = w.log.prove(entry);
                    proof.path[0] = Digest::of(b"x");
                    proof.to_string().into_bytes()
                }),
            )
        }),
        ("a number beyond the tree", "is not number 5", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let mut proof = w.log.prove(entry);
                    proof.index = 5;
                    proof.to_string().into_bytes()
                }),
            )
        }),
        ("a checkpoint that the log has not signed", "is wrong", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let text = w.log.prove(entry).to_string();
                    text.replace("\n5\n", "\n6\n").into_bytes()
                }),
            )
        }),
        ("a log of the thief's own", "is not signed by log.example/terms", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let other = World::new();
                    let _ = w;
                    other.log.prove(entry).to_string().into_bytes()
                }),
            )
        }),
        ("a checkpoint that no witness has seen", "have cosigned", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let mut proof = w.log.prove(entry);
                    let text = proof.checkpoint.to_string();
                    let alone: String = text
                        .lines()
                        .filter(|it| !it.contains("witness"))
                        .fold(String::new(), |a, b| a + b + "\n");
                    proof.checkpoint = semper_tlog::Note::parse(alone.as_bytes()).unwrap();
                    proof.to_string().into_bytes()
                }),
            )
        }),
        ("a witness whom nobody knows", "have cosigned", |w| {
            let layout = logged(w, |w, entry| w.log.prove(entry).to_string().into_bytes());
            let mut trust = w.trust_with_log();
            let stranger = SigningKey::generate();
            let key =
                semper_tlog::VerifierKey::new("other.example", Kind::Witness, stranger.public());
            trust.logs.get_mut(semper_trust_tests::LOG).unwrap().witnesses = vec![key.unwrap()];
            w.verify_by(&layout, &trust, &Knowledge::default()).into()
        }),
        ("a proof of something that is no proof", "its first line is another", |w| {
            wants_log(w, &logged(w, |_, _| b"hello\n\nworld".to_vec()))
        }),
        (
            "certificates that are not logged, where they must be",
            "not proved to be in a log",
            |w| {
                let layout = logged(w, |w, entry| w.log.prove(entry).to_string().into_bytes());
                let mut trust = w.trust_with_log();
                trust.transparency.certificates = true;
                w.verify_by(&layout, &trust, &Knowledge::default()).into()
            },
        ),
    ]);
}
