//! What every payment system must keep to that holds money for exchanges: money is conserved,
//! every step happens once, a hold ends once, dates are the payment system's own.
//!
//! The suite speaks to a [`HoldingBank`]; the ledger is the first of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use semper_base::{Amount, Currency, Digest, KeyId, Timestamp};
use semper_ledger::{
    AccountId, Hold, HoldOrder, HoldRow, Instruction, Ledger, LedgerError, Own, Terms,
};
use tempfile::TempDir;

/// A payment system that holds money.
trait HoldingBank {
    /// Orders a hold.
    fn order(&self, order: &HoldOrder, now: Timestamp) -> Result<Hold, String>;
    /// Instructs it; where it stands then, or why nothing has changed.
    fn instruct(
        &self,
        name: Digest,
        instruction: Instruction,
        now: Timestamp,
    ) -> Result<Hold, String>;
    /// Payer's balance, payee's, and what is held.
    fn money(&self) -> (i64, i64, i64);
    /// Its own check of its books.
    fn audit(&self);
    /// It starts again, after a crash.
    fn restart(&mut self);
}

const FUNDS: i64 = 10_000;

struct Books {
    folder: TempDir,
    ledger: Ledger,
    payer: AccountId,
    payee: AccountId,
}

fn euro() -> Currency {
    "EUR".parse().unwrap()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

impl Books {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
        let open = |name: &str| {
            let owner = KeyId::new(Digest::of(name.as_bytes()));
            ledger.open_account(owner, name, euro()).unwrap().id
        };
        let (payer, payee) = (open("payer"), open("payee"));
        ledger.fund(&payer, Amount::new(FUNDS, euro()), at(0)).unwrap();
        Self { folder, ledger, payer, payee }
    }

    fn order_of(&self, name: u8, instruction: Instruction) -> HoldOrder {
        HoldOrder {
            name: Digest::of(&[name]),
            ordered: at(0),
            debit: self.payer.clone(),
            credit: self.payee.clone(),
            instruction,
            record: vec![name],
            text: "a test".into(),
        }
    }
}

impl HoldingBank for Books {
    fn order(&self, order: &HoldOrder, now: Timestamp) -> Result<Hold, String> {
        self.ledger.hold(order, now).map(|row| row.hold).map_err(|error| error.to_string())
    }

    fn instruct(
        &self,
        name: Digest,
        instruction: Instruction,
        now: Timestamp,
    ) -> Result<Hold, String> {
        let decide = |_: Option<&HoldRow>| Ok::<_, ()>(instruction);
        let followed = self.ledger.follow(name, now, decide, None);
        followed.map(|row| row.unwrap().hold).map_err(|error| error.to_string())
    }

    fn money(&self) -> (i64, i64, i64) {
        let of = |id: &AccountId| self.ledger.account(id).unwrap().balance.minor();
        let held = self.ledger.balance_of(Own::Held(euro())).unwrap();
        (of(&self.payer), of(&self.payee), held.minor())
    }

    fn audit(&self) {
        // At the beginning of time no date has come.
        self.ledger.audit(at(0)).unwrap();
    }

    fn restart(&mut self) {
        self.ledger = Ledger::open(&self.folder.path().join("ledger.sqlite")).unwrap();
    }
}

/// What can be done to one of three holds, and how much time passes before.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    prop::collection::vec((0..3_u8, 0..11_u8, 0..400_u64), 1..40)
}

fn terms(amount: i64) -> Terms {
    Terms { amount: Amount::new(amount, euro()), until: at(5_000) }
}

fn instruction(kind: u8) -> Instruction {
    match kind {
        3 => Instruction::Release { from: None },
        4 => Instruction::Release { from: Some(at(3_000)) },
        5 => Instruction::Refund,
        6 => Instruction::Fence,
        7 => Instruction::Revoke,
        8 => Instruction::Finalize { verdict: false },
        9 => Instruction::Finalize { verdict: true },
        _ => Instruction::Look,
    }
}

fn is_over(hold: Hold) -> bool {
    matches!(hold, Hold::Released(_) | Hold::Refunded(_) | Hold::Never)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn money_is_conserved_and_every_hold_ends_once_whatever_is_instructed(steps in steps()) {
        let mut bank = Books::new();
        let mut now = 0;
        let mut known: [Option<Hold>; 3] = [None; 3];
        for (index, (which, kind, passes)) in steps.into_iter().enumerate() {
            now += passes;
            let name = Digest::of(&[which]);
            let slot = &mut known[usize::from(which)];
            let outcome = match kind {
                0 => bank.order(&bank.order_of(which, Instruction::Lock(terms(700))), at(now)),
                1 => bank.order(&bank.order_of(which, Instruction::Pay(terms(700))), at(now)),
                2 => bank.order(&bank.order_of(which, Instruction::Transfer(terms(700))), at(now)),
                kind => bank.instruct(name, instruction(kind), at(now)),
            };
            // What the pure machine says is what the books do.
            if kind > 2 {
                let pure = Hold::step(*slot, instruction(kind), at(now)).map(|it| it.0);
                prop_assert_eq!(pure.ok(), outcome.clone().ok());
            }
            if let Ok(hold) = outcome {
                if let Some(before) = slot.filter(|it| is_over(*it)) {
                    prop_assert_eq!(before, hold, "what is over stays over");
                }
                *slot = Some(hold);
                // The same again changes nothing.
                let money = bank.money();
                if kind > 2 {
                    let again = bank.instruct(name, instruction(kind), at(now));
                    // What fell to a side by its date was told the first time; it is refused now.
                    prop_assert!(again.is_err() || again == Ok(hold));
                }
                prop_assert_eq!(money, bank.money());
            }
            let (payer, payee, held) = bank.money();
            prop_assert_eq!(payer + payee + held, FUNDS);
            prop_assert!(held >= 0 && payer >= 0 && payee >= 0);
            bank.audit();
            if index % 7 == 0 {
                bank.restart();
            }
        }
    }
}

#[test]
fn a_lock_lives_as_verdicts_of_every_order_and_number_say() {
    let ends = [
        Instruction::Release { from: None },
        Instruction::Refund,
        Instruction::Release { from: Some(at(100)) },
    ];
    for first in ends {
        for second in ends {
            for third in ends {
                let bank = Books::new();
                let order = bank.order_of(0, Instruction::Lock(terms(700)));
                bank.order(&order, at(1)).unwrap();
                let end = bank.instruct(order.name, first, at(200)).unwrap();
                for later in [second, third] {
                    if let Ok(hold) = bank.instruct(order.name, later, at(300)) {
                        assert_eq!(hold, end);
                    }
                }
                let paid = matches!(end, Hold::Released(_));
                let expected = if paid { (FUNDS - 700, 700, 0) } else { (FUNDS, 0, 0) };
                assert_eq!(bank.money(), expected);
                bank.audit();
            }
        }
    }
}

#[test]
fn dates_are_the_banks_own() {
    let bank = Books::new();
    let lock = bank.order_of(0, Instruction::Lock(terms(700)));
    let payment = bank.order_of(1, Instruction::Pay(terms(300)));
    bank.order(&lock, at(1)).unwrap();
    bank.order(&payment, at(1)).unwrap();
    assert_eq!(bank.money(), (FUNDS - 1_000, 0, 1_000));

    assert_eq!(bank.ledger.lapse(at(4_999)).unwrap(), 0);
    assert_eq!(bank.ledger.lapse(at(5_000)).unwrap(), 2);

    // A lock falls back to its payer, a payment on to its payee.
    assert_eq!(bank.money(), (FUNDS - 300, 300, 0));
    let late = bank.instruct(lock.name, Instruction::Release { from: None }, at(5_001));
    assert!(late.is_err(), "{late:?}");
    let order = bank.order_of(2, Instruction::Lock(terms(1)));
    assert!(bank.order(&order, at(5_000)).is_err(), "an order that comes after its own date");
    bank.audit();
}

#[test]
fn a_frozen_payment_waits_for_the_verdict_alone() {
    let bank = Books::new();
    let payment = bank.order_of(0, Instruction::Pay(terms(300)));
    bank.order(&payment, at(1)).unwrap();
    bank.instruct(payment.name, Instruction::Fence, at(2)).unwrap();

    let waived = bank.instruct(payment.name, Instruction::Finalize { verdict: false }, at(3));
    assert!(waived.is_err());
    assert_eq!(bank.ledger.lapse(at(9_000)).unwrap(), 0, "it does not lapse while it is frozen");
    bank.instruct(payment.name, Instruction::Revoke, at(9_001)).unwrap();

    assert_eq!(bank.money(), (FUNDS, 0, 0));
    bank.audit();
}

#[test]
fn nothing_is_held_for_an_account_that_is_not_there_or_is_in_another_currency() {
    let bank = Books::new();
    let owner = KeyId::new(Digest::of(b"payee"));
    let yen = bank.ledger.open_account(owner, "payee", "JPY".parse().unwrap()).unwrap().id;
    let lock = bank.order_of(0, Instruction::Lock(terms(700)));
    let nobody = HoldOrder { credit: "acct:nobody".parse().unwrap(), ..lock.clone() };
    let foreign = HoldOrder { credit: yen, ..lock.clone() };

    let refused = |order: &HoldOrder| bank.ledger.hold(order, at(1)).unwrap_err();

    assert!(matches!(refused(&nobody), LedgerError::UnknownAccount(_)));
    assert!(matches!(refused(&foreign), LedgerError::Currency { .. }));
    assert_eq!(bank.money(), (FUNDS, 0, 0));
    // The name is not used up by what was refused.
    bank.order(&lock, at(1)).unwrap();
    assert_eq!(bank.money(), (FUNDS - 700, 0, 700));
}

#[test]
fn a_hold_that_cannot_lapse_is_reported_and_keeps_no_other_from_it() {
    let bank = Books::new();
    for name in 0..3 {
        bank.order(&bank.order_of(name, Instruction::Lock(terms(700))), at(1)).unwrap();
    }
    let file = bank.folder.path().join("ledger.sqlite");
    let books = rusqlite::Connection::open(file).unwrap();
    let first = bank.order_of(0, Instruction::Look).name;
    let damage = "UPDATE holds SET state = 'damaged' WHERE name = ?1";
    books.execute(damage, [first.as_bytes()]).unwrap();

    let lapsed = bank.ledger.lapse(at(5_000));

    assert!(matches!(lapsed, Err(LedgerError::Audit(_))), "{lapsed:?}");
    assert_eq!(bank.money(), (FUNDS - 700, 0, 700));
}

#[test]
fn what_was_fenced_is_never_held_and_one_name_holds_one_thing() {
    let bank = Books::new();
    let order = bank.order_of(0, Instruction::Lock(terms(700)));
    bank.instruct(order.name, Instruction::Fence, at(1)).unwrap();
    assert!(bank.order(&order, at(2)).is_err());

    let order = bank.order_of(1, Instruction::Lock(terms(700)));
    bank.order(&order, at(2)).unwrap();
    let other = HoldOrder { record: vec![9], ..order.clone() };
    assert!(matches!(bank.ledger.hold(&other, at(3)), Err(LedgerError::Conflict)));
    let much = bank.order_of(2, Instruction::Lock(terms(FUNDS)));
    assert!(matches!(bank.ledger.hold(&much, at(3)), Err(LedgerError::NoFunds { .. })));
    assert_eq!(bank.money(), (FUNDS - 700, 0, 700));
    bank.audit();
}
