//! The journal: answered from on replay, checked against what is asked, impossible to rewrite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_archive::{Archive, DealRow, JournalRow, Write};
use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_items::statement::*;
use semper_items::{Side, Statement};
use semper_runtime::flow::{Monitor, Moving, Violation};
use semper_runtime::journal::{Journal, verify_chain};
use semper_runtime::stop::{Doubt, Stop, Waiting};
use semper_trust::{Flow, Limit, Limits};

fn archive() -> (tempfile::TempDir, Archive, DealId) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_file(&folder.path().join("archive.sqlite")).unwrap();
    let id = DealId::new(Digest::of(b"deal"));
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
    let row = DealRow::opened(id, Side::Buyer, ("Otto", ""), Digest::ZERO, vec![], now);
    archive.commit(vec![Write::NewDeal(Box::new(row))]).unwrap();
    (folder, archive, id)
}

/// The journal, with at most so many records.
fn load(archive: &Archive, id: DealId, most: u64) -> Result<Journal, Stop> {
    Journal::load(archive, id, 0, Limits::default().with(Limit::Records, most))
}

/// One run of a component: a read, a wait, an effect.
fn run(journal: &mut Journal, counter: &mut u32, ask: &str) -> Result<(u32, u32, u32), Stop> {
    let mut count = || {
        *counter += 1;
        *counter
    };
    let read = journal.read("now", &(), || Ok(count()))?;
    let waited = journal.wait("receive", &ask, |_| Ok((count(), vec![])))?;
    let done = journal.effect("send", &7, |_| Ok((count(), vec![])))?;
    Ok((read, waited, done))
}

#[test]
fn a_second_run_gets_the_first_ones_answers_and_nothing_is_done_again() {
    let (_folder, archive, id) = archive();
    let mut counter = 0;
    let first = run(&mut load(&archive, id, 100).unwrap(), &mut counter, "x").unwrap();

    let mut journal = load(&archive, id, 100).unwrap();
    let second = run(&mut journal, &mut counter, "x").unwrap();

    assert_eq!((first, second, counter), ((1, 2, 3), (1, 2, 3), 3));
    assert!(!journal.is_replaying());
    assert_eq!(journal.len(), 4, "read, wait, intent, done");
    assert_eq!(verify_chain(&archive.journal(id).unwrap()).unwrap().len(), 4);
}

#[test]
fn an_intent_without_a_result_is_carried_out_again_under_the_same_key() {
    let (_folder, archive, id) = archive();
    let mut keys = Vec::new();
    let mut journal = load(&archive, id, 100).unwrap();
    let crashed: Result<u32, Stop> = journal.effect("pay", &1, |call| {
        keys.push((call.key, call.head));
        Err(Stop::wait(Waiting::default()))
    });
    assert!(crashed.is_err());

    let mut journal = load(&archive, id, 100).unwrap();
    let paid: u32 = journal
        .effect("pay", &1, |call| {
            keys.push((call.key, call.head));
            Ok((42, vec![]))
        })
        .unwrap();

    assert_eq!(paid, 42);
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_component_that_asks_something_else_diverges_and_changes_nothing() {
    let (_folder, archive, id) = archive();
    run(&mut load(&archive, id, 100).unwrap(), &mut 0, "x").unwrap();
    let before = archive.journal(id).unwrap();

    let error = run(&mut load(&archive, id, 100).unwrap(), &mut 0, "y").unwrap_err();

    let Stop::Doubt(Doubt::Diverged { call, function, journal, component }) = error else {
        panic!("{error}")
    };
    assert_eq!((call, function.as_str()), (1, "receive"));
    assert_ne!(journal, component);
    assert_eq!(archive.journal(id).unwrap(), before);
}

#[test]
fn any_change_of_a_stored_journal_is_found_at_its_record() {
    let (_folder, archive, id) = archive();
    run(&mut load(&archive, id, 100).unwrap(), &mut 0, "x").unwrap();
    let rows = archive.journal(id).unwrap();

    for index in 0..rows.len() {
        let change = |with: &dyn Fn(&mut JournalRow)| {
            let mut changed = rows.clone();
            with(&mut changed[index]);
            verify_chain(&changed)
        };
        let flips: [&dyn Fn(&mut JournalRow); 3] =
            [&|row| row.request[0] ^= 1, &|row| row.result.push(0), &|row| row.record[5] ^= 1];
        for (number, flip) in flips.iter().enumerate() {
            let is_intent = rows[index].result.is_empty();
            // An intent has no result that it could commit to.
            if number == 1 && is_intent {
                continue;
            }
            assert!(change(*flip).is_err(), "record {index}, change {number}");
        }
        let mut short = rows.clone();
        short.remove(index);
        assert_eq!(verify_chain(&short).is_ok(), index == rows.len() - 1, "{index}");
    }
}

#[test]
fn a_journal_cannot_outgrow_its_limit() {
    let (_folder, archive, id) = archive();
    let error = run(&mut load(&archive, id, 3).unwrap(), &mut 0, "x").unwrap_err();
    assert_eq!(error.to_string(), "the service has gone over its limit of 3 journal records");
}

const FLOW: &str = r#"{
    "start": "open",
    "states": {
        "open": {"actions": [
            {"by": "seller", "item": {"statement": "offer"}, "to": "offered"},
            {"by": "buyer", "item": {"information": "query"}, "to": "open"}]},
        "offered": {"actions": [
            {"by": "buyer", "item": {"statement": "order"}, "to": "ordered", "consent": true, "amount": "offer"}]},
        "ordered": {"actions": [
            {"by": "buyer", "item": "money", "to": "paid", "consent": true, "amount": "offer"}]},
        "paid": {"end": "completed"}
    }
}"#;

fn statement(content: Content) -> (Statement, Digest) {
    let made = Timestamp::from_millis(1_790_000_000_000).unwrap();
    let statement = Statement { deal: DealId::new(Digest::of(b"deal")), made, content };
    let digest = Digest::of(&semper_base::cbor::encode(&statement));
    (statement, digest)
}

fn eur(minor: i64) -> Amount {
    Amount::new(minor, semper_base::Currency::EUR)
}

fn offer() -> (Statement, Digest) {
    statement(Content::Offer(Offer {
        number: "A-1".into(),
        lines: vec![],
        delivery: eur(0),
        total: eur(4488),
        delivery_days: 3,
        valid_until: Timestamp::from_millis(1_800_000_000_000).unwrap(),
        account: "acct:1".into(),
    }))
}

fn order(offer: Digest, total: i64) -> (Statement, Digest) {
    let ship_to = Address {
        name: "A".into(),
        street: "B".into(),
        postcode: "C".into(),
        city: "D".into(),
        country: "DE".into(),
    };
    statement(Content::Order(Order { offer, total: eur(total), ship_to }))
}

#[test]
fn the_monitor_lets_through_what_the_flow_enables_and_names_what_it_does_not() {
    let flow: Flow = serde_json::from_str(FLOW).unwrap();
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
    let mut monitor = Monitor::new(flow);
    let (offer, offered) = offer();

    // A merchant who answers outside the flow.
    let error = monitor.check(Side::Seller, Moving::Information("page"), false, now).unwrap_err();
    assert_eq!(
        error.to_string(),
        "page by the seller is not enabled in state “open”, which enables: offer by the seller, \
         query by the buyer"
    );
    let error = monitor.check(Side::Buyer, Moving::Statement(&offer, offered), true, now);
    assert!(matches!(error, Err(Violation::NotEnabled { .. })));
    monitor.advance(Side::Seller, Moving::Statement(&offer, offered), true, now).unwrap();

    let (good, ordered) = order(offered, 4488);
    let moving = Moving::Statement(&good, ordered);
    assert!(matches!(
        monitor.check(Side::Buyer, moving, false, now),
        Err(Violation::NoConsent { .. })
    ));
    let late = Timestamp::from_millis(1_800_000_000_001).unwrap();
    assert!(matches!(
        monitor.check(Side::Buyer, moving, true, late),
        Err(Violation::Expired { .. })
    ));
    let (cheap, digest) = order(offered, 1);
    let error =
        monitor.check(Side::Buyer, Moving::Statement(&cheap, digest), true, now).unwrap_err();
    assert_eq!(error.to_string(), "order is over 0.01 EUR, but the offer is over 44.88 EUR");
    let (other, digest) = order(Digest::of(b"another offer"), 4488);
    let error = monitor.check(Side::Buyer, Moving::Statement(&other, digest), true, now);
    assert!(matches!(error, Err(Violation::Reference { of: Kind::Offer, .. })));
    monitor.advance(Side::Buyer, moving, true, now).unwrap();

    let pay = |amount, order| Moving::Money(amount, order);
    let error = monitor.check(Side::Buyer, pay(eur(4489), ordered), true, now);
    assert!(matches!(error, Err(Violation::Amount { .. })));
    let error = monitor.check(Side::Buyer, pay(eur(4488), offered), true, now);
    assert!(matches!(error, Err(Violation::Reference { of: Kind::Order, .. })));
    monitor.advance(Side::Buyer, pay(eur(4488), ordered), true, now).unwrap();
    assert_eq!(monitor.end(), Some(semper_trust::flow::End::Completed));
    let error = monitor.check(Side::Buyer, Moving::Information("query"), false, now).unwrap_err();
    assert!(error.to_string().contains("nothing; the deal has ended"), "{error}");
}
