//! The TINGUIN signs what it shows, asks once, and knows its user.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{anna, time};
use semper_base::{Amount, DealId, Digest, Role, cbor};
use semper_items::statement::*;
use semper_items::{
    Container, Header, Item, Message, Side, SignedAgreement, SignedStatement, Statement,
};
use semper_tinguin::keystore::{Keystore, KeystoreError};
use semper_tinguin_protocol::{Cause, Reply, Request, Screen};

fn order(deal: DealId, offer: Digest) -> Statement {
    let ship_to = Address {
        name: "Anna Berg".into(),
        street: "Lindenweg 4".into(),
        postcode: "22765".into(),
        city: "Hamburg".into(),
        country: "DE".into(),
    };
    let total: Amount = "44.88 EUR".parse().unwrap();
    Statement {
        deal,
        made: time(1_790_000_000_000),
        content: Content::Order(Order { offer, total, ship_to }),
    }
}

fn offer(deal: DealId) -> Statement {
    let line = Line {
        article: "A0000001".into(),
        title: "woollen scarf".into(),
        variant: "(L, red)".into(),
        quantity: 2,
        unit: "19.99 EUR".parse().unwrap(),
    };
    let offer = Offer {
        number: "A-1".into(),
        lines: vec![line],
        delivery: "4.90 EUR".parse().unwrap(),
        total: "44.88 EUR".parse().unwrap(),
        delivery_days: 3,
        valid_until: time(1_800_000_000_000),
        account: "acct:0123456789abcdef".into(),
    };
    Statement { deal, made: time(1_790_000_000_000), content: Content::Offer(offer) }
}

#[test]
fn an_agreement_is_signed_with_the_certified_name_after_it_was_shown() {
    let anna = anna();
    let agreement = anna.agreement();

    let reply = anna.sign_agreement(&agreement).unwrap();

    let Reply::Signed(bytes) = reply else { panic!("{reply:?}") };
    let signed = SignedAgreement::verify(&bytes, Side::Buyer, &anna.verifier, anna.now).unwrap();
    assert_eq!(signed.agreement, agreement);
    let frames = anna.seen.0.lock().unwrap();
    assert_eq!(frames[0].user, "Anna Berg");
    assert_eq!(frames[0].phrase, "two owls");
    assert_eq!(frames[0].service, "mail-order 1.0.0 — certified by Verbraucherbund");
}

#[test]
fn an_agreement_with_other_keys_or_another_name_is_not_even_shown() {
    let anna = anna();
    let mut agreement = anna.agreement();
    agreement.hello.keys = agreement.keys;
    assert!(anna.sign_agreement(&agreement).is_err());
    let mut agreement = anna.agreement();
    agreement.hello.buyer = "Somebody Else".into();
    assert!(anna.sign_agreement(&agreement).is_err());
    assert!(anna.seen.0.lock().unwrap().is_empty());
}

#[test]
fn a_question_is_put_once_and_another_under_its_id_is_refused() {
    let anna = anna();
    let deal = anna.open_deal();
    let sign = |statement: &Statement| {
        anna.service.answer(Request::SignStatement {
            id: Digest::of(b"call 7"),
            statement: cbor::encode(statement).into(),
            refers: vec![],
        })
    };
    let statement = order(deal, Digest::of(b"offer"));

    let first = sign(&statement).unwrap();
    let again = sign(&statement).unwrap();

    assert_eq!(first, again);
    assert_eq!(anna.seen.0.lock().unwrap().len(), 2, "the agreement and the order, once each");
    let other = order(deal, Digest::of(b"another offer"));
    let refused = sign(&other).unwrap_err();
    assert_eq!(refused.cause, Cause::Rule);
    assert!(refused.what.contains("asked before, in other words"), "{refused}");
    let Reply::Signed(bytes) = first else { panic!() };
    SignedStatement::verify(&bytes, &anna.verifier, Role::Buyer, anna.now).unwrap();
    drop(anna.folder);
}

#[test]
fn what_an_order_refers_to_is_shown_from_its_own_bytes() {
    let anna = anna();
    let deal = anna.open_deal();
    let offer = cbor::encode(&offer(deal));
    let show = |refers: Vec<Vec<u8>>, id: &[u8]| {
        let request = Request::SignStatement {
            id: Digest::of(id),
            statement: cbor::encode(&order(deal, Digest::of(&offer))).into(),
            refers: refers.into_iter().map(Into::into).collect(),
        };
        anna.service.answer(request).unwrap();
        let frames = anna.seen.0.lock().unwrap();
        let Screen::Consent(consent) = &frames.last().unwrap().screen else { panic!() };
        consent.rows.iter().map(|(a, b)| format!("{a}: {b}\n")).collect::<String>()
    };

    let with = show(vec![offer.clone()], b"with");
    let without = show(vec![], b"without");

    assert!(with.contains("2 × woollen scarf (L, red): 19.99 EUR each"), "{with}");
    assert!(without.contains("UNKNOWN TO YOUR HOST"), "{without}");
}

#[test]
fn nothing_is_signed_for_a_deal_that_was_not_opened_here_or_for_the_other_side() {
    let anna = anna();
    let strange = DealId::new(Digest::of(b"strange"));
    let statement = cbor::encode(&order(strange, Digest::of(b"offer")));
    let id = Digest::of(b"q");
    let request = Request::SignStatement { id, statement: statement.into(), refers: vec![] };
    let refused = anna.service.answer(request).unwrap_err();
    assert_eq!(refused.cause, Cause::Rule);
    assert!(refused.what.contains("you have not opened"), "{refused}");

    let deal = anna.open_deal();
    let message = |from| {
        let header = Header {
            deal,
            from,
            seq: 1,
            previous: Digest::ZERO,
            journal: Digest::ZERO,
            made: anna.now,
        };
        let container = Container::of(Item::Money(vec![1].into()));
        Request::SignMessage(cbor::encode(&Message { header, container }).into())
    };
    assert!(anna.service.answer(message(Side::Buyer)).is_ok());
    let refused = anna.service.answer(message(Side::Seller)).unwrap_err();
    assert_eq!(refused.cause, Cause::Rule);
    let request = Request::SignMessage(vec![1, 2, 3].into());
    assert_eq!(anna.service.answer(request).unwrap_err().cause, Cause::Malformed);
}

#[test]
fn a_key_store_opens_with_its_pass_phrase_alone() {
    let (keys, text) = Keystore::create("correct horse battery").unwrap();

    let again = Keystore::open(&text, "correct horse battery").unwrap();

    assert_eq!(keys.identity(0, None).unwrap().public(), again.identity(0, None).unwrap().public());
    let wrong = Keystore::open(&text, "correct horse batterz").unwrap_err();
    assert_eq!(wrong, KeystoreError::PassPhrase);
    assert_eq!(Keystore::create("short").unwrap_err(), KeystoreError::Short);
    let greedy = text.replace("\"memory_kib\": 65536", "\"memory_kib\": 4000000000");
    assert!(matches!(Keystore::open(&greedy, "x"), Err(KeystoreError::Damaged(_))));
    assert!(!text.contains("correct"));
}
