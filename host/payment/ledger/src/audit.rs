//! The audit: everything that follows from entries and holds is worked out again, and every row that
//! does not fit is named. What an operator corrects is an entry of its own.

use std::fmt;

use rusqlite::Connection;
use semper_base::{Amount, Currency, Digest, Timestamp, keys};
use serde::Serialize;

use crate::{AccountName, Hold, Ledger, LedgerError, Movement, Own, Result, keep_own};

/// For how long after its date a hold may stand: the loop that looks after dates comes every few
/// seconds.
const LATE: u64 = 10 * 60 * 1000;

/// A row that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The row: an account, an entry, a hold, a currency.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
    /// Whether the books as a whole do not balance with it: then nothing may be booked. A single hold
    /// that is damaged only keeps itself.
    pub breaks: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.row, self.what)
    }
}

impl Ledger {
    /// Works everything out again; every row that does not fit. `now` says which holds should have
    /// fallen.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn findings(&self, now: Timestamp) -> Result<Vec<Finding>> {
        let connection = self.lock()?;
        let mut found = Vec::new();
        accounts(&connection, &mut found)?;
        entries(&connection, &mut found)?;
        holds(&connection, now, &mut found)?;
        sums(&connection, &mut found)?;
        Ok(found)
    }

    /// As [`Ledger::findings`], for whoever wants them to be none.
    ///
    /// # Errors
    /// [`LedgerError::Audit`] names the first row that does not fit, and how many more there are.
    pub fn audit(&self, now: Timestamp) -> Result<()> {
        let found = self.findings(now)?;
        match found.as_slice() {
            [] => Ok(()),
            [one] => Err(LedgerError::Audit(one.to_string())),
            [first, rest @ ..] => {
                Err(LedgerError::Audit(format!("{first}; and {} more", rest.len())))
            }
        }
    }

    /// Books a correction between any two accounts, in the operator's words: an entry like any other,
    /// which stays. Gives its number.
    ///
    /// # Errors
    /// As for a payment: a customer's account cannot go below zero.
    pub fn correct(
        &self,
        debit: &AccountName,
        credit: &AccountName,
        amount: Amount,
        words: &str,
        now: Timestamp,
    ) -> Result<u64> {
        {
            let connection = self.lock()?;
            for name in [debit, credit] {
                if let AccountName::Own(own) = name {
                    keep_own(&connection, *own)?;
                }
            }
        }
        let reference = Digest::from_bytes(keys::random());
        let movement = Movement {
            reference,
            request: reference,
            ordered: now,
            debit: debit.clone(),
            credit: credit.clone(),
            amount,
            text: format!("correction: {words}"),
        };
        Ok(self.book_named(&movement, now, |_| Vec::new())?.0)
    }

    /// Sets each account's balance to the sum of its entries, which are what counts; how many were
    /// another.
    ///
    /// # Errors
    /// The file cannot be written, or a customer's entries come to less than nothing.
    pub fn recompute(&self) -> Result<usize> {
        let changed = self.lock()?.execute(
            &format!("UPDATE accounts AS a SET balance = {SUM} WHERE balance <> {SUM}"),
            [],
        )?;
        Ok(changed)
    }
}

/// What an account `a` holds by its entries.
const SUM: &str = "((SELECT coalesce(sum(minor), 0) FROM entries WHERE credit = a.id)
     - (SELECT coalesce(sum(minor), 0) FROM entries WHERE debit = a.id))";

fn accounts(connection: &Connection, found: &mut Vec<Finding>) -> Result<()> {
    let sql = format!("SELECT id, owner IS NOT NULL, currency, balance, {SUM} FROM accounts a");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, owned, code): (String, bool, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (balance, sum): (i64, i64) = (row.get(3)?, row.get(4)?);
        let mut say =
            |what: String| found.push(Finding { row: format!("account {id}"), what, breaks: true });
        let Ok(currency) = code.parse::<Currency>() else {
            say(format!("it is in “{code}”, which is no currency"));
            continue;
        };
        let amount = |minor| Amount::new(minor, currency);
        if balance != sum {
            let (balance, sum) = (amount(balance), amount(sum));
            say(format!("its balance is {balance}, but its entries come to {sum}"));
        }
        if owned && balance < 0 {
            say(format!("a customer's account holds {}", amount(balance)));
        }
        match id.parse::<AccountName>() {
            Ok(AccountName::Own(own)) if own.currency() != currency => {
                say(format!("it is in {currency}"));
            }
            Ok(AccountName::Own(_)) if owned => say("the bank's own account has an owner".into()),
            Ok(_) => {}
            Err(error) => say(error.to_string()),
        }
    }
    Ok(())
}

fn entries(connection: &Connection, found: &mut Vec<Finding>) -> Result<()> {
    let sql = "SELECT number, d.currency, c.currency, minor FROM entries e
               LEFT JOIN accounts d ON d.id = e.debit LEFT JOIN accounts c ON c.id = e.credit
               WHERE d.currency IS NOT c.currency OR d.currency IS NULL OR minor <= 0
                 OR e.debit = e.credit";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let currencies: [Option<String>; 2] = [row.get(1)?, row.get(2)?];
        let what = match currencies {
            [Some(one), Some(other)] if one != other => {
                format!("it moves {one} into an account of {other}")
            }
            [Some(_), Some(_)] => "it moves nothing".into(),
            _ => "it names an account that is not there".into(),
        };
        found.push(Finding { row: format!("entry {number}"), what, breaks: true });
    }
    Ok(())
}

fn holds(connection: &Connection, now: Timestamp, found: &mut Vec<Finding>) -> Result<()> {
    let mut statement = connection.prepare("SELECT name, state, held, until FROM holds")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name = Digest::from_bytes(row.get(0)?);
        let (state, held): (String, i64) = (row.get(1)?, row.get(2)?);
        let until: Option<i64> = row.get(3)?;
        let mut say =
            |what: String| found.push(Finding { row: format!("hold {name}"), what, breaks: false });
        let hold: Hold = match serde_json::from_str(&state) {
            Ok(hold) => hold,
            Err(error) => {
                say(format!("its state cannot be read: {error}"));
                continue;
            }
        };
        let (want, by_itself) = match hold {
            Hold::Held(terms) | Hold::Provisional { terms, frozen: false } => {
                (terms.amount.minor(), Some(terms.until))
            }
            Hold::Provisional { terms, frozen: true } => (terms.amount.minor(), None),
            Hold::Released(_) | Hold::Refunded(_) | Hold::Never => (0, None),
        };
        if held != want {
            say(format!("{held} is noted as held, where its state says {want} (minor units)"));
        }
        if until != by_itself.map(|it| it.millis().cast_signed()) {
            say("the date at which it ends by itself is not that of its state".into());
        }
        if let Some(until) = by_itself
            && until.millis().saturating_add(LATE) < now.millis()
        {
            say(format!("it should have ended at {until}, and still stands"));
        }
    }
    Ok(())
}

/// Every currency sums to zero, and what is held in it is the sum of its holds.
fn sums(connection: &Connection, found: &mut Vec<Finding>) -> Result<()> {
    let sql = "SELECT currency, sum(balance),
                 coalesce((SELECT balance FROM accounts h WHERE h.id = 'held:' || a.currency), 0),
                 coalesce((SELECT sum(held) FROM holds JOIN accounts d ON d.id = debit
                           WHERE d.currency = a.currency), 0)
               FROM accounts a GROUP BY currency";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let code: String = row.get(0)?;
        // An account in no currency has been named above.
        let Ok(currency) = code.parse::<Currency>() else { continue };
        let amount = |index| row.get(index).map(|minor| Amount::new(minor, currency));
        let (all, held, holds) = (amount(1)?, amount(2)?, amount(3)?);
        if all.minor() != 0 {
            let row = format!("currency {code}");
            let what = format!("its accounts sum to {all}, not to zero");
            found.push(Finding { row, what, breaks: true });
        }
        if held != holds {
            let row = format!("account {}", Own::Held(currency));
            let what = format!("it holds {held}, but holds come to {holds}");
            found.push(Finding { row, what, breaks: true });
        }
    }
    Ok(())
}
