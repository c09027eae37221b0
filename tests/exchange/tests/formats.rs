//! What travels is what the CDDL says, and what a stranger computes from the description alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use cddl_cat::validate_cbor_bytes;
use semper_base::{Digest, SigningKey, cbor};
use semper_exchange::bank::{Claim, ClaimRequest};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{self, Counter, MAX_COUNTERS, Propose, Refusal, Reject, Select};
use semper_exchange::obtained::{By, Obtained, Stated, obtained};
use semper_exchange::package::{Enclosed, Talk, Wanted};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::Abort;
use semper_exchange::{Body, Crypto as _, Debtor, Fee, Fees, Mode, Role, Share, party};
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

#[test]
fn what_is_said_before_an_exchange_is_what_the_cddl_says() {
    let local = Local::new();
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let (bank, named) = (local.bank.public(), local.named());
    let certify = |_: &Prepared| unreachable!("nothing is certified");
    let gives = [Kind::Statement, Kind::Information(b"a text".to_vec())];
    let originator = Trader::new(&otto, &anna, bank, &gives, &certify);
    let money = [Kind::Money(2_500, vec![Mode::Hold])];
    let responder = Trader::new(&anna, &otto, bank, &money, &certify);
    let now = semper_base::Timestamp::now();
    let wishes = originator.wishes(Role::Originator, &named, now);
    let deal = wishes.deal;
    let propose: Signed<_, Propose<Standard>> =
        Signed::new(&originator.keys, deal, Propose { wishes, answers: None }).unwrap();
    let (select, agreed) =
        negotiation::answer(&propose, responder.wishes(Role::Responder, &named, now)).unwrap();
    let select: Signed<_, Select<Standard>> = Signed::new(&responder.keys, deal, select).unwrap();
    let name = propose.digest();
    let enclosed = vec![
        Enclosed::Statement(b"canonical".to_vec().into()),
        Enclosed::Information { kind: "text".into(), sealed: b"chunks".to_vec().into() },
    ];
    let amount = "25.00 EUR".parse().unwrap();
    let wants = vec![
        Wanted::Money(amount, Digest::ZERO),
        Wanted::Information("text".into()),
        Wanted::Statement(semper_items::Kind::ShippingNote),
    ];
    for talk in [
        Talk::Propose { propose, enclosed, wants },
        Talk::Select { select, enclosed: vec![Enclosed::Money(Digest::ZERO)] },
        Talk::Conclude { exchange: agreed.subject() },
    ] {
        check("talk", &cbor::encode(&talk));
    }
    for why in [Refusal::Person, Refusal::TooMuch("items".into())] {
        let reject = Signed::new(&responder.keys, deal, Reject { propose: name, why }).unwrap();
        check("talk", &cbor::encode(&Talk::Reject { reject, words: "no".into() }));
    }

    // A fee, and a counter about who owes it.
    let sharing = |trader: &Trader, role: Role, shares: &[Share]| {
        let mut wishes = trader.wishes(role, &named, now);
        wishes.fees = Some(Fees { takes: vec![Some(amount)], shares: shares.to_vec() });
        wishes
    };
    let proposing = |shares: &[Share], answers| {
        let wishes = sharing(&originator, Role::Originator, shares);
        let propose = Propose { wishes, answers };
        let propose: Signed<_, Propose<Standard>> =
            Signed::new(&originator.keys, deal, propose).unwrap();
        propose
    };
    let first = proposing(&[Share::Theirs], None);
    let answer = || sharing(&responder, Role::Responder, &[Share::Halves]);
    let refused = negotiation::answer(&first, answer()).unwrap_err();
    let counter = negotiation::counter(&first, answer(), &refused, None).unwrap();
    let counter: Signed<Standard, _> = Signed::new(&responder.keys, deal, counter).unwrap();
    check("talk", &cbor::encode(&Talk::Counter { counter: counter.clone() }));
    let again = proposing(&[Share::Theirs, Share::Halves], Some(counter.digest()));
    assert!(negotiation::answers(again.body(), &counter, first.body()));
    let (_, agreed) = negotiation::answer(&again, answer()).unwrap();
    assert_eq!(agreed.fee, Some(Fee { amount, owed_by: Debtor::Both }));
    check("exchange", &cbor::encode(&agreed));
    // There is an end of it.
    let last = Counter { round: MAX_COUNTERS - 1, ..counter.body().clone() };
    assert!(negotiation::counter(&first, answer(), &refused, Some(&last)).is_none());

    // A signature by hand, and an affidavit in its place, stand by themselves.
    for vanished in [None, Some(Silence { role: Role::Originator, before: 1 })] {
        let scene = [Kind::Statement];
        let originator = Trader::new(&otto, &anna, bank, &scene, &certify);
        let agreed = agree(&originator, &responder, &named, |_| {}).unwrap();
        let mut run = Run::new(&local, &agreed, &originator, &responder);
        run.silence = vanished;
        run.to_the_end();
        let end = run.responder.end().unwrap();
        let got = obtained(&agreed, Role::Originator, &run.responder.kept, end).unwrap();
        let Obtained::Statement(by) = &got[0] else { panic!("{got:?}") };
        assert_eq!(matches!(by, By::Affidavit(_)), vanished.is_some());
        let (agreement, from, index) = (agreed.clone(), Role::Originator, 0);
        let statement = b"statement 0".to_vec().into();
        let stated = Stated { agreement, from, index, statement, by: by.clone() };
        check("stated", &cbor::encode(&stated));
        // The text is none of ours, so it proves the signature and then cannot be read.
        let proved = stated.verify().unwrap_err().to_string();
        assert!(proved.contains("it cannot be read"), "{proved}");
        let mut other = stated;
        other.statement = b"statement 1".to_vec().into();
        assert!(other.verify().unwrap_err().to_string().contains("is another"));
    }
}
