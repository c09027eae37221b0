//! What travels is what the CDDL says, and what a stranger computes from the description alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use cddl_cat::validate_cbor_bytes;
use semper_base::{Digest, SigningKey, cbor};
use semper_exchange::bank::{Claim, ClaimRequest};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::Abort;
use semper_exchange::{Body, Crypto as _, Mode, Role, party};
use semper_exchange_tests::goods::Prepared;
use semper_exchange_tests::{Kind, Local, Run, Services as _, Silence, Trader, agree};

const CDDL: &str = include_str!("../../../host/exchange/exchange.cddl");

fn check(rule: &str, bytes: &[u8]) {
    validate_cbor_bytes(rule, CDDL, bytes).unwrap_or_else(|error| panic!("{rule}: {error}"));
}

#[test]
fn every_structure_is_what_the_cddl_says() {
    let money = |mode| Kind::Money(2_500, vec![mode]);
    let text = || Kind::Information(b"a text".repeat(5_000));
    let cells: [(Vec<Kind>, Vec<Kind>); 6] = [
        (vec![Kind::Statement, text()], vec![money(Mode::Hold), Kind::Statement]),
        (vec![text()], vec![Kind::Certified(b"x".to_vec())]),
        (vec![Kind::Statement], vec![money(Mode::Fenced)]),
        (vec![money(Mode::Reversible)], vec![money(Mode::Reversible)]),
        (vec![text()], vec![text()]),
        (vec![Kind::False(b"one".repeat(9_000), b"two".repeat(9_000))], vec![money(Mode::Hold)]),
    ];
    let mut seen = 0;
    for (gives, wants) in cells {
        for silence in [None, Some(Role::Originator), Some(Role::Responder)] {
            let local = Local::new();
            let (anna, otto) = (local.account("Anna"), local.account("Otto"));
            let (bank, seal) = (local.bank.public(), local.third.seal_public());
            let certify = |prepared: &Prepared| {
                semper_exchange_tests::trader::certify(&local.third, &seal, prepared)
            };
            let originator = Trader::new(&otto, &anna, bank, &gives, &certify);
            let responder = Trader::new(&anna, &otto, bank, &wants, &certify);
            responder.keys.goods().knows(&b"two".repeat(9_000));
            let agreed = agree(&originator, &responder, &local.named(), |_| {}).unwrap();
            check("exchange", &cbor::encode(&agreed));
            let mut run = Run::new(&local, &agreed, &originator, &responder);
            run.silence = silence.map(|role| Silence { role, before: 2 });
            run.to_the_end();
            let evidence = run.evidence();
            check("evidence", &cbor::encode(&evidence));
            for request in &evidence.requests {
                check("request", &cbor::encode(request));
            }
            for answer in &evidence.answers {
                check("answer", &cbor::encode(answer));
                seen += 1;
            }
            if let Some(leaf) = party::money_leaf(&agreed, Role::Responder) {
                let request = ClaimRequest {
                    exchange: agreed.subject(),
                    leaf,
                    third_party: agreed.third_party.sign,
                    claim: Claim::Look,
                };
                check("claim-request", &cbor::encode(&request));
                if let Some(fact) = local.claim(&request) {
                    check("fact-signed", &cbor::encode(&fact));
                }
            }
        }
    }
    assert!(seen >= 10, "{seen} answers");
    let wrong = validate_cbor_bytes("request", CDDL, &cbor::encode(&"no"));
    assert!(wrong.is_err(), "the check can fail");
}

/// Computed by hand from the first lines of the CDDL.
#[test]
fn a_signature_can_be_verified_by_whoever_reads_the_description() {
    use sha2::Digest as _;
    let keys = Keys::new(SigningKey::from_seed(&[1; 32]), NoGoods);
    let subject = Digest::of(b"an exchange");
    let body = Abort { promise: Digest::of(b"a promise"), role: Role::Originator };
    let signed: Signed<Standard, Abort> = Signed::new(&keys, subject, body.clone()).unwrap();

    let digest: [u8; 32] =
        sha2::Sha256::digest([b"abort-request\0".as_slice(), &cbor::encode(&body)].concat()).into();
    assert_eq!(signed.digest().as_bytes(), &digest);
    let message =
        [b"SEMPER/x/v1\0abort-request\0".as_slice(), subject.as_bytes(), &digest].concat();
    let signature = signed.detached().signature;
    keys.public().verify(&message, signature.as_bytes()).unwrap();
    assert_eq!(Standard::digest(Abort::KIND, &body), signed.digest());
}

/// The same everywhere, and never to change: what was signed once must verify for ever.
#[test]
fn digests_of_version_one_stay_what_they_are() {
    let body = Abort { promise: Digest::ZERO, role: Role::Responder };
    let digest = Standard::digest(Abort::KIND, &body);
    assert_eq!(digest.hex(), "b44d2089cc7141379bc04b348126482bc57ddf4ad66d251d401c4502a48f9270");
}
