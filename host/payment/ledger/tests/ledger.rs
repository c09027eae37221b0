//! Money is conserved, whatever is asked and however often.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use semper_base::{Amount, Currency, Digest, KeyId, Timestamp};
use semper_ledger::{Ledger, LedgerError, Movement};

fn eur(minor: i64) -> Amount {
    Amount::new(minor, Currency::EUR)
}

fn key(name: &str) -> KeyId {
    KeyId::new(Digest::of(name.as_bytes()))
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).unwrap()
}

fn movement(reference: u8, from: &str, to: &str, minor: i64) -> Movement {
    Movement {
        reference: Digest::of(&[reference]),
        request: Digest::of(format!("{reference}{from}{to}{minor}").as_bytes()),
        debit: from.into(),
        credit: to.into(),
        amount: eur(minor),
        text: "test".into(),
    }
}

#[test]
fn the_same_payment_is_booked_once_and_gets_its_first_answer_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&file).unwrap();
    let anna = ledger.open_account(key("anna"), "Anna", Currency::EUR).unwrap().id;
    let otto = ledger.open_account(key("otto"), "Otto", Currency::EUR).unwrap().id;
    ledger.fund(&anna, eur(10_000), now()).unwrap();
    let pay = movement(1, &anna, &otto, 4_000);

    let first = ledger.book(&pay, now(), |_| b"confirmed".to_vec()).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&file).unwrap();
    let again = ledger.book(&pay, now(), |_| b"another answer".to_vec()).unwrap();

    assert_eq!(first, again);
    assert_eq!(ledger.account(&anna).unwrap().balance, eur(6_000));
    assert_eq!(ledger.account(&otto).unwrap().balance, eur(4_000));
    // The same reference for another payment is refused.
    let other = movement(1, &anna, &otto, 4_001);
    assert!(matches!(ledger.book(&other, now(), |_| vec![]), Err(LedgerError::Conflict)));
    ledger.audit().unwrap();
}

#[test]
fn what_cannot_be_paid_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
    let anna = ledger.open_account(key("anna"), "Anna", Currency::EUR).unwrap().id;
    let otto = ledger.open_account(key("otto"), "Otto", Currency::EUR).unwrap().id;
    let yen = ledger.open_account(key("anna"), "Anna", "JPY".parse().unwrap()).unwrap().id;
    ledger.fund(&anna, eur(100), now()).unwrap();

    let book = |movement: Movement| ledger.book(&movement, now(), |_| vec![]).unwrap_err();

    assert!(matches!(book(movement(1, &anna, &otto, 101)), LedgerError::NoFunds { .. }));
    assert!(matches!(book(movement(2, &anna, &otto, 0)), LedgerError::Amount(_)));
    assert!(matches!(book(movement(3, &anna, &otto, -5)), LedgerError::Amount(_)));
    assert!(matches!(book(movement(4, &anna, &anna, 5)), LedgerError::Amount(_)));
    assert!(matches!(book(movement(5, &anna, &yen, 5)), LedgerError::Currency { .. }));
    assert!(matches!(book(movement(6, &anna, "acct:none", 5)), LedgerError::UnknownAccount(_)));
    assert_eq!(ledger.account(&anna).unwrap().balance, eur(100));
}

#[test]
fn entries_are_never_changed_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&file).unwrap();
    let anna = ledger.open_account(key("anna"), "Anna", Currency::EUR).unwrap().id;
    ledger.fund(&anna, eur(100), now()).unwrap();
    let connection = rusqlite::Connection::open(&file).unwrap();

    assert!(connection.execute("DELETE FROM entries", []).is_err());
    assert!(connection.execute("UPDATE entries SET minor = 1", []).is_err());
    // A balance that somebody has written over is found.
    connection.execute("UPDATE accounts SET balance = 999 WHERE id = ?1", [&anna]).unwrap();
    assert!(matches!(ledger.audit(), Err(LedgerError::Audit(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn money_is_conserved_over_any_sequence_of_payments(
        steps in proptest::collection::vec((0_u8..40, 0_usize..3, 0_usize..3, -10_i64..5_000), 1..40)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
        let mut accounts = Vec::new();
        for name in ["a", "b", "c"] {
            let id = ledger.open_account(key(name), name, Currency::EUR).unwrap().id;
            ledger.fund(&id, eur(5_000), now()).unwrap();
            accounts.push(id);
        }
        for (reference, from, to, minor) in steps {
            let movement = movement(reference, &accounts[from], &accounts[to], minor);
            let _ = ledger.book(&movement, now(), |_| vec![]);
        }
        let balances: Vec<i64> =
            accounts.iter().map(|id| ledger.account(id).unwrap().balance.minor()).collect();
        prop_assert_eq!(balances.iter().sum::<i64>(), 15_000);
        prop_assert!(balances.iter().all(|it| *it >= 0));
        prop_assert!(ledger.audit().is_ok());
    }
}
