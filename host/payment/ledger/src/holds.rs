//! Holds in the books: what is held lies in an account of the bank's own, and every step of a
//! hold's life is stored in the commit that moves its money.

use std::sync::PoisonError;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use semper_base::{Digest, Timestamp, fault};

use crate::{AccountId, AccountName, Own};
use crate::{Hold, HoldMovement as Moves, Instruction};
use crate::{Ledger, LedgerError, Movement, Result};
use crate::{check, in_currency, insert, keep_own, recent};

/// An order to hold or pay under a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOrder {
    /// The name under which it is held, once.
    pub name: Digest,
    /// When it was ordered: an old order is not carried out any more.
    pub ordered: Timestamp,
    /// The account that pays.
    pub debit: AccountId,
    /// The account that is paid.
    pub credit: AccountId,
    /// Lock, pay provisionally, or pay.
    pub instruction: Instruction,
    /// The order itself, as whoever verifies claims wants it back.
    pub record: Vec<u8>,
    /// The purpose, in words.
    pub text: String,
}

/// A hold as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRow {
    /// The state of the hold.
    pub hold: Hold,
    /// The order; empty for a fence.
    pub record: Vec<u8>,
    /// The share that opened it, if it was opened so.
    pub opened: Option<Vec<u8>>,
    debit: Option<AccountId>,
    credit: Option<AccountId>,
}

impl Ledger {
    /// Holds or pays, once: an order that has been taken gives what has become of it.
    ///
    /// # Errors
    /// [`LedgerError::NoFunds`] and the like; [`LedgerError::Hold`] when the name was fenced.
    pub fn hold(&self, order: &HoldOrder, now: Timestamp) -> Result<HoldRow> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = row(&transaction, order.name)?;
        if let Some(row) = before {
            if !row.record.is_empty() && row.record != order.record {
                return Err(LedgerError::Conflict);
            }
            if row.record.is_empty() {
                return Err(LedgerError::Hold(crate::HoldError::Fenced));
            }
            return Ok(row);
        }
        recent(order.ordered, now)?;
        let (hold, movement) = Hold::step(None, order.instruction, now)?;
        // What is held could go to nobody else later.
        if let Some(amount) = movement.map(amount_of) {
            in_currency(&transaction, &order.credit.clone().into(), amount.currency())?;
        }
        let sql = "INSERT INTO holds (name, debit, credit, record, state)
                   VALUES (?1, ?2, ?3, ?4, '')";
        transaction.prepare_cached(sql)?.execute(params![
            order.name.as_bytes(),
            order.debit.as_str(),
            order.credit.as_str(),
            order.record
        ])?;
        let made = HoldRow {
            hold,
            record: order.record.clone(),
            opened: None,
            debit: Some(order.debit.clone()),
            credit: Some(order.credit.clone()),
        };
        if let Some(movement) = movement {
            book(&transaction, order.name, &made, movement, now, &order.text)?;
        }
        store(&transaction, order.name, &made)?;
        commit(transaction)?;
        Ok(made)
    }

    /// Follows an instruction about a hold, whoever gives it having been verified by `decide`,
    /// which sees what is held; with what opened it, for a hash lock. A fence makes a row where
    /// there was none. `None` when nothing is held and nothing is to be.
    ///
    /// # Errors
    /// [`LedgerError::Hold`] when it cannot be followed: nothing has changed.
    pub fn follow<E>(
        &self,
        name: Digest,
        now: Timestamp,
        decide: impl FnOnce(Option<&HoldRow>) -> std::result::Result<Instruction, E>,
        opened: Option<Vec<u8>>,
    ) -> Result<std::result::Result<HoldRow, E>> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = row(&transaction, name)?;
        let instruction = match decide(before.as_ref()) {
            Ok(instruction) => instruction,
            Err(why) => return Ok(Err(why)),
        };
        let (hold, movement) = Hold::step(before.as_ref().map(|row| row.hold), instruction, now)?;
        let mut after = before.clone().unwrap_or(HoldRow {
            hold,
            record: Vec::new(),
            opened: None,
            debit: None,
            credit: None,
        });
        after.hold = hold;
        if before.is_none() {
            transaction
                .prepare_cached("INSERT INTO holds (name, record, state) VALUES (?1, x'', '')")?
                .execute(params![name.as_bytes()])?;
        }
        if let Some(movement) = movement {
            if matches!(movement, Moves::ToPayee(_)) {
                after.opened = opened;
            }
            book(&transaction, name, &after, movement, now, "")?;
        }
        if before.as_ref() != Some(&after) {
            store(&transaction, name, &after)?;
        }
        commit(transaction)?;
        Ok(Ok(after))
    }

    /// Shows every order that was taken, as it was stored.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub fn orders(&self, mut each: impl FnMut(&[u8])) -> Result<()> {
        let connection = self.lock()?;
        let mut statement = connection.prepare("SELECT record FROM holds WHERE record <> x''")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob().unwrap_or_default());
        }
        Ok(())
    }

    /// Names that were fenced before anything was ordered under them.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub fn fences(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM holds WHERE record = x''";
        let count: i64 = self.lock()?.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// Holds whose date has come fall to whom they fall; how many were looked at. Each call goes on
    /// where the one before has ended, so that no number of damaged rows keeps others from falling.
    ///
    /// # Errors
    /// The first that could not; all others have fallen.
    pub fn lapse(&self, now: Timestamp) -> Result<usize> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.due(now, looked.unwrap_or_default())?;
        *looked = due.last().copied().filter(|_| due.len() == AT_ONCE);
        drop(looked);
        let mut failed = Ok(due.len());
        for name in &due {
            let look = |_: Option<&HoldRow>| Ok::<_, ()>(Instruction::Look);
            if let Err(error) = self.follow(Digest::from_bytes(*name), now, look, None) {
                failed = failed.and(Err(error));
            }
        }
        failed
    }

    /// Holds whose date has come, after this name.
    fn due(&self, now: Timestamp, after: [u8; 32]) -> Result<Vec<[u8; 32]>> {
        let connection = self.lock()?;
        let sql = "SELECT name FROM holds WHERE until <= ?1 AND name > ?2 ORDER BY name LIMIT ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let most = AT_ONCE.cast_signed();
        let asked = params![now.millis().cast_signed(), after, most as i64];
        let rows = statement.query_map(asked, |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// Dates of holds that are looked after in one call.
const AT_ONCE: usize = 1000;

fn commit(transaction: Transaction<'_>) -> Result<()> {
    fault::point("bank.before");
    transaction.commit()?;
    fault::point("bank.after");
    Ok(())
}

const fn amount_of(movement: Moves) -> semper_base::Amount {
    match movement {
        Moves::IntoHold(amount)
        | Moves::Across(amount)
        | Moves::ToPayee(amount)
        | Moves::ToPayer(amount) => amount,
    }
}

/// Books what moves: into, out of, or past the bank's account of what is held.
fn book(
    transaction: &Transaction<'_>,
    name: Digest,
    row: &HoldRow,
    movement: Moves,
    now: Timestamp,
    text: &str,
) -> Result<()> {
    let amount = amount_of(movement);
    let held = Own::Held(amount.currency());
    keep_own(transaction, held)?;
    let (Some(payer), Some(payee)) = (row.debit.clone(), row.credit.clone()) else {
        return Err(LedgerError::Audit(format!("hold {name} has no accounts")));
    };
    let (held, payer, payee) = (held.into(), payer.into(), payee.into());
    let (step, debit, credit, words): (_, AccountName, AccountName, _) = match movement {
        Moves::IntoHold(_) => ("in", payer, held, "held"),
        Moves::Across(_) => ("across", payer, payee, "paid"),
        Moves::ToPayee(_) => ("out", held, payee, "released"),
        Moves::ToPayer(_) => ("out", held, payer, "given back"),
    };
    let reference = Digest::of_parts(&[b"hold", name.as_bytes(), step.as_bytes()]);
    let text = match text {
        "" => words.to_owned(),
        text => format!("{words}: {text}"),
    };
    let (request, ordered) = (reference, now);
    let movement = Movement { reference, request, ordered, debit, credit, amount, text };
    check(transaction, &movement)?;
    insert(transaction, &movement, now)?;
    Ok(())
}

fn store(transaction: &Transaction<'_>, name: Digest, row: &HoldRow) -> Result<()> {
    let (held, until) = match row.hold {
        Hold::Held(terms) | Hold::Provisional { terms, frozen: false } => {
            (terms.amount.minor(), Some(terms.until.millis().cast_signed()))
        }
        Hold::Provisional { terms, frozen: true } => (terms.amount.minor(), None),
        _ => (0, None),
    };
    let state = serde_json::to_string(&row.hold)
        .map_err(|error| LedgerError::Audit(format!("hold {name}: {error}")))?;
    transaction
        .prepare_cached(
            "UPDATE holds SET state = ?2, held = ?3, opened = ?4, until = ?5 WHERE name = ?1",
        )?
        .execute(params![name.as_bytes(), state, held, row.opened, until])?;
    Ok(())
}

fn row(connection: &Connection, name: Digest) -> Result<Option<HoldRow>> {
    let sql = "SELECT record, state, opened, debit, credit FROM holds WHERE name = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let state: String = row.get(1)?;
        let accounts: [Option<String>; 2] = [row.get(3)?, row.get(4)?];
        Ok((state, (row.get(0)?, row.get(2)?), accounts))
    };
    let found = connection.prepare_cached(sql)?.query_row([name.as_bytes()], read).optional()?;
    let Some((state, (record, opened), [debit, credit])) = found else { return Ok(None) };
    let wrong = |error: &dyn std::fmt::Display| LedgerError::Audit(format!("hold {name}: {error}"));
    let hold = serde_json::from_str(&state).map_err(|error| wrong(&error))?;
    let number = |text: Option<String>| {
        text.map(|it| it.parse::<AccountId>()).transpose().map_err(|error| wrong(&error))
    };
    Ok(Some(HoldRow { hold, record, opened, debit: number(debit)?, credit: number(credit)? }))
}
