//! Money is conserved, whatever is asked and however often.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use semper_base::{Amount, Currency, Digest, KeyId, Timestamp};
use semper_ledger::{AccountId, AccountName, Ledger, LedgerError, Movement, Own};

fn eur(minor: i64) -> Amount {
    Amount::new(minor, Currency::EUR)
}

fn key(name: &str) -> KeyId {
    KeyId::new(Digest::of(name.as_bytes()))
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).unwrap()
}

fn movement(reference: u8, from: &AccountId, to: &AccountId, minor: i64) -> Movement {
    Movement {
        reference: Digest::of(&[reference]),
        request: Digest::of(format!("{reference}{from}{to}{minor}").as_bytes()),
        ordered: now(),
        debit: from.clone(),
        credit: to.clone(),
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
    ledger.audit(now()).unwrap();
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
    let nobody = "acct:none".parse().unwrap();
    assert!(matches!(book(movement(6, &anna, &nobody, 5)), LedgerError::UnknownAccount(_)));
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
    connection.execute("UPDATE accounts SET balance = 999 WHERE id = ?1", [anna.as_str()]).unwrap();
    assert!(matches!(ledger.audit(now()), Err(LedgerError::Audit(_))));
}

#[test]
fn books_of_before_accounts_had_types_hold_the_same_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&file).unwrap();
    let anna = ledger.open_account(key("anna"), "Anna", Currency::EUR).unwrap().id;
    ledger.fund(&anna, eur(100), now()).unwrap();

    let books = rusqlite::Connection::open(&file).unwrap();
    let mut names = books.prepare("SELECT id FROM accounts ORDER BY id").unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    let names: Vec<String> = names.collect::<Result<_, _>>().unwrap();
    assert_eq!(names, ["acct:fc8c03b2e3db1acd", "bank:EUR"]);
    let entries = ledger.entries(&anna, 10).unwrap();
    assert_eq!(entries[0].other, AccountName::Own(Own::Funds(Currency::EUR)));
}

/// Names of accounts: customers' and the bank's own.
fn names() -> impl Strategy<Value = AccountName> {
    let currency = prop::sample::select(vec!["EUR", "JPY", "USD"]);
    let own = (currency, any::<bool>()).prop_map(|(code, held)| {
        let currency = code.parse().unwrap();
        AccountName::Own(if held { Own::Held(currency) } else { Own::Funds(currency) })
    });
    let customer = "acct:[a-z0-9-]{1,64}".prop_map(|it| AccountName::Customer(it.parse().unwrap()));
    prop_oneof![own, customer]
}

proptest! {
    #[test]
    fn a_name_is_its_text_and_no_customer_can_give_the_name_of_an_account_of_the_banks_own(
        name in names()
    ) {
        let text = name.to_string();

        prop_assert_eq!(&text.parse::<AccountName>().unwrap(), &name);
        match (text.parse::<AccountId>(), name) {
            (Ok(number), AccountName::Customer(id)) => prop_assert_eq!(number, id),
            (Err(error), AccountName::Own(_)) => {
                prop_assert!(error.to_string().contains(&text), "{}", error);
            }
            (number, name) => prop_assert!(false, "{:?} and {:?}", number, name),
        }
    }

    #[test]
    fn whatever_a_customer_writes_is_a_number_as_it_stands_or_refused(
        text in "(acct:|held:|bank:)?.{0,70}"
    ) {
        match text.parse::<AccountId>() {
            Ok(number) => prop_assert_eq!(number.to_string(), text.as_str()),
            Err(error) => prop_assert!(error.to_string().chars().all(|it| !it.is_control())),
        }
        if let Ok(name) = text.parse::<AccountName>() {
            prop_assert_eq!(name.to_string(), text.as_str());
        }
    }
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
        prop_assert!(ledger.audit(now()).is_ok());
    }
}

#[test]
fn what_is_handed_to_a_key_is_the_purse_of_nobody_but_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
    let mallory = ledger.open_account(key("mallory"), "Mallory", Currency::EUR).unwrap().id;
    // Otto's key is known to everybody, and he has not asked for her account.
    ledger.hand_over(&mallory, key("otto")).unwrap();

    let otto = ledger.open_account(key("otto"), "Otto", Currency::EUR).unwrap().id;

    assert_ne!(otto, mallory);
    assert!(!ledger.is_owner(&mallory, key("otto"), "Otto").unwrap());
    assert!(ledger.is_owner(&mallory, key("mallory"), "Mallory").unwrap());
    // Whoever has her key certified under another name has nothing of it.
    assert!(!ledger.is_owner(&mallory, key("mallory"), "Eve").unwrap());
}

#[test]
fn an_account_whose_key_is_lost_goes_to_the_new_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
    let anna = ledger.open_account(key("anna"), "Anna", Currency::EUR).unwrap().id;
    ledger.hand_over(&anna, key("thief's")).unwrap();

    ledger.replace_keys(&anna, key("anna's next")).unwrap();

    for lost in ["anna", "thief's"] {
        assert!(!ledger.is_owner(&anna, key(lost), "Anna").unwrap(), "{lost}");
    }
    let opened = ledger.open_account(key("anna's next"), "Anna", Currency::EUR).unwrap();
    assert_eq!(opened.id, anna);
    assert!(ledger.open_account(key("anna"), "Anna", Currency::EUR).is_err());
    assert!(ledger.findings(now()).unwrap().is_empty());
}
