//! A double-entry ledger in SQLite.
//!
//! Every entry debits one account and credits another by the same amount, so that all balances
//! always sum to zero; balances follow from entries (a trigger keeps the running sums, and
//! [`Ledger::audit`] recomputes them); nothing is ever deleted or changed. A reference books
//! once: the same request again gets the first answer, another request under it is refused.
//! Customers' accounts never go below zero; the bank's own, where test money comes from, does.
#![forbid(unsafe_code)]

mod holds;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use semper_base::{Amount, Currency, Digest, KeyId, Mend, Timestamp, fault};
use serde::Serialize;

pub use holds::{HoldOrder, HoldRow};
pub use semper_items::hold::{Hold, HoldError, Instruction, Movement as HoldMovement, Terms};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS accounts (
        id       TEXT PRIMARY KEY,
        owner    BLOB,
        holder   TEXT NOT NULL,
        currency TEXT NOT NULL,
        balance  INTEGER NOT NULL DEFAULT 0,
        CHECK (owner IS NULL OR balance >= 0)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS entries (
        number    INTEGER PRIMARY KEY,
        reference BLOB NOT NULL UNIQUE,
        request   BLOB NOT NULL,
        debit     TEXT NOT NULL REFERENCES accounts (id),
        credit    TEXT NOT NULL REFERENCES accounts (id),
        minor     INTEGER NOT NULL CHECK (minor > 0),
        text      TEXT NOT NULL,
        booked    INTEGER NOT NULL,
        CHECK (debit <> credit)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS entries_by_debit ON entries (debit);
    CREATE INDEX IF NOT EXISTS entries_by_credit ON entries (credit);
    CREATE TRIGGER IF NOT EXISTS book AFTER INSERT ON entries BEGIN
        UPDATE accounts SET balance = balance - new.minor WHERE id = new.debit;
        UPDATE accounts SET balance = balance + new.minor WHERE id = new.credit;
    END;
    CREATE TRIGGER IF NOT EXISTS keep BEFORE DELETE ON entries BEGIN
        SELECT raise(ABORT, 'entries are never deleted');
    END;
    CREATE TRIGGER IF NOT EXISTS fix BEFORE UPDATE ON entries BEGIN
        SELECT raise(ABORT, 'entries are never changed');
    END;
    CREATE TABLE IF NOT EXISTS answers (
        entry INTEGER PRIMARY KEY REFERENCES entries (number), bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS holds (
        name   BLOB PRIMARY KEY,
        debit  TEXT REFERENCES accounts (id),
        credit TEXT REFERENCES accounts (id),
        record BLOB NOT NULL,
        state  TEXT NOT NULL,
        held   INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
        opened BLOB,
        until  INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS holds_by_date ON holds (until) WHERE until IS NOT NULL;
";

/// A ledger. One writer at a time.
#[derive(Debug)]
pub struct Ledger {
    connection: Mutex<Connection>,
}

/// A request to move money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Names the movement for ever.
    pub reference: Digest,
    /// The digest of the whole request: the same reference must come with the same request.
    pub request: Digest,
    /// The account that pays.
    pub debit: String,
    /// The account that is paid.
    pub credit: String,
    /// The amount that moves.
    pub amount: Amount,
    /// The purpose, in words.
    pub text: String,
}

/// An account, as its holder may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The number of the account, such as `acct:…`.
    pub id: String,
    /// The name of its holder.
    pub holder: String,
    /// The balance.
    pub balance: Amount,
}

/// A line of a statement of account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The number of the entry, over the whole ledger.
    pub number: u64,
    /// Positive when the account was paid.
    pub change: Amount,
    /// The account on the other side of the entry.
    pub other: String,
    /// The purpose, in words.
    pub text: String,
    /// The time of booking, by the bank's clock.
    pub booked: Timestamp,
}

/// Why money was not moved; nothing was booked.
#[derive(Debug, thiserror::Error, Mend)]
pub enum LedgerError {
    /// No such account.
    #[error("there is no account {0}")]
    #[mend("check the account and the amount")]
    UnknownAccount(String),
    /// Not enough in it.
    #[error("account {account} holds {balance}, which is less than {amount}")]
    #[mend("put money into the account first")]
    NoFunds {
        /// The account that was to pay.
        account: String,
        /// The balance of that account.
        balance: Amount,
        /// The amount that was to be paid.
        amount: Amount,
    },
    /// The account is in another currency.
    #[error("account {account} is in {currency}")]
    #[mend("check the account and the amount")]
    Currency {
        /// The account that was to take part.
        account: String,
        /// The currency of that account.
        currency: Currency,
    },
    /// The reference was used for another movement.
    #[error("this reference was used for another payment before")]
    #[mend("check the account and the amount")]
    Conflict,
    /// Nothing, or less, cannot be moved; nor from an account to itself.
    #[error("{0} cannot be moved between these accounts")]
    #[mend("check the account and the amount")]
    Amount(Amount),
    /// A hold cannot be followed so any more, or not yet.
    #[error(transparent)]
    #[mend("look at where it stands, and at the verdict")]
    Hold(#[from] HoldError),
    /// The books do not balance.
    #[error("the books do not balance: {0}")]
    #[mend("stop the bank and look at the ledger's entries")]
    Audit(String),
    /// The file.
    #[error("the ledger cannot be used: {0}")]
    #[mend("check the disk and the file's permissions")]
    Sqlite(#[from] rusqlite::Error),
}

type Result<T> = std::result::Result<T, LedgerError>;

impl Ledger {
    /// Opens or makes the ledger in this file.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The account of this owner in this currency, opened if there is none.
    pub fn open_account(&self, owner: KeyId, holder: &str, currency: Currency) -> Result<Account> {
        let name = Digest::of_parts(&[owner.digest().as_bytes(), currency.code().as_bytes()]);
        let id = format!("acct:{}", &name.hex()[..16]);
        let connection = self.lock()?;
        connection.execute(
            "INSERT INTO accounts (id, owner, holder, currency) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
            params![id, owner.digest().as_bytes(), holder, currency.code()],
        )?;
        account(&connection, &id)
    }

    /// The account with this number.
    pub fn account(&self, id: &str) -> Result<Account> {
        let connection = self.lock()?;
        account(&connection, id)
    }

    /// Whether this key owns the account.
    pub fn is_owner(&self, id: &str, key: KeyId) -> Result<bool> {
        let sql = "SELECT owner FROM accounts WHERE id = ?1";
        let owner: Option<Option<[u8; 32]>> =
            self.lock()?.query_row(sql, [id], |row| row.get(0)).optional()?;
        let owner = owner.ok_or_else(|| LedgerError::UnknownAccount(id.to_owned()))?;
        Ok(owner.as_ref() == Some(key.digest().as_bytes()))
    }

    /// Puts test money into an account, from the bank's own.
    pub fn fund(&self, id: &str, amount: Amount, now: Timestamp) -> Result<u64> {
        let own = format!("bank:{}", amount.currency());
        self.lock()?.execute(
            "INSERT INTO accounts (id, owner, holder, currency) VALUES (?1, NULL, 'the bank', ?2)
             ON CONFLICT (id) DO NOTHING",
            params![own, amount.currency().code()],
        )?;
        let reference = Digest::from_bytes(semper_base::keys::random());
        let movement = Movement {
            reference,
            request: reference,
            debit: own,
            credit: id.to_owned(),
            amount,
            text: "funding".into(),
        };
        Ok(self.book(&movement, now, |_| Vec::new())?.0)
    }

    /// Books a movement once. `answer` makes what is given back, from the entry's number, in
    /// the same commit; asked again, the first answer comes back.
    pub fn book(
        &self,
        movement: &Movement,
        now: Timestamp,
        answer: impl FnOnce(u64) -> Vec<u8>,
    ) -> Result<(u64, Vec<u8>)> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(before) = booked(&transaction, movement)? {
            return Ok(before);
        }
        check(&transaction, movement)?;
        let number = insert(&transaction, movement, now)?;
        let bytes = answer(number);
        transaction
            .execute("INSERT INTO answers VALUES (?1, ?2)", params![number.cast_signed(), bytes])?;
        fault::point("bank.before");
        transaction.commit()?;
        fault::point("bank.after");
        Ok((number, bytes))
    }

    /// The newest entries of an account, newest first.
    pub fn entries(&self, id: &str, limit: u32) -> Result<Vec<Entry>> {
        let connection = self.lock()?;
        let currency = account(&connection, id)?.balance.currency();
        let sql = "SELECT number, debit, credit, minor, text, booked FROM entries
                   WHERE debit = ?1 OR credit = ?1 ORDER BY number DESC LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![id, limit], |row| {
            let (debit, credit): (String, String) = (row.get(1)?, row.get(2)?);
            let minor: i64 = row.get(3)?;
            let paid = credit == id;
            let booked: i64 = row.get(5)?;
            Ok(Entry {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                change: Amount::new(if paid { minor } else { -minor }, currency),
                other: if paid { debit } else { credit },
                text: row.get(4)?,
                booked: Timestamp::from_millis(booked.cast_unsigned()).unwrap_or(Timestamp::now()),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Recomputes every balance from the entries and checks that each currency sums to zero.
    pub fn audit(&self) -> Result<()> {
        let connection = self.lock()?;
        let wrong: Option<String> = connection
            .query_row(
                "SELECT id FROM accounts a WHERE balance <>
                    (SELECT coalesce(sum(minor), 0) FROM entries WHERE credit = a.id)
                  - (SELECT coalesce(sum(minor), 0) FROM entries WHERE debit = a.id) LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(id) = wrong {
            return Err(LedgerError::Audit(format!("account {id} is not the sum of its entries")));
        }
        let wrong: Option<String> = connection
            .query_row(
                "SELECT currency FROM accounts GROUP BY currency HAVING sum(balance) <> 0 LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        holds::audit(&connection)?;
        match wrong {
            Some(currency) => Err(LedgerError::Audit(format!("{currency} does not sum to zero"))),
            None => Ok(()),
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>> {
        if fault::fails("ledger.open") {
            let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
            return Err(rusqlite::Error::SqliteFailure(error, None).into());
        }
        Ok(self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn account(connection: &Connection, id: &str) -> Result<Account> {
    let row: Option<(String, String, i64)> = connection
        .query_row("SELECT holder, currency, balance FROM accounts WHERE id = ?1", [id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (holder, code, minor) = row.ok_or_else(|| LedgerError::UnknownAccount(id.to_owned()))?;
    let currency: Currency =
        code.parse().map_err(|_| LedgerError::Audit(format!("account {id} is in “{code}”")))?;
    Ok(Account { id: id.to_owned(), holder, balance: Amount::new(minor, currency) })
}

fn booked(transaction: &Transaction<'_>, movement: &Movement) -> Result<Option<(u64, Vec<u8>)>> {
    let row: Option<(i64, [u8; 32], Vec<u8>)> = transaction
        .query_row(
            "SELECT number, request, bytes FROM entries JOIN answers ON entry = number
             WHERE reference = ?1",
            [movement.reference.as_bytes()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    match row {
        Some((_, request, _)) if request != *movement.request.as_bytes() => {
            Err(LedgerError::Conflict)
        }
        Some((number, _, bytes)) => Ok(Some((number.cast_unsigned(), bytes))),
        None => Ok(None),
    }
}

/// Books a movement that has been checked; the entry's number.
fn insert(transaction: &Transaction<'_>, movement: &Movement, now: Timestamp) -> Result<u64> {
    transaction.execute(
        "INSERT INTO entries (reference, request, debit, credit, minor, text, booked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            movement.reference.as_bytes(),
            movement.request.as_bytes(),
            movement.debit,
            movement.credit,
            movement.amount.minor(),
            movement.text,
            now.millis() as i64,
        ],
    )?;
    Ok(transaction.last_insert_rowid().cast_unsigned())
}

fn check(transaction: &Transaction<'_>, movement: &Movement) -> Result<()> {
    let amount = movement.amount;
    if amount.minor() <= 0 || movement.debit == movement.credit {
        return Err(LedgerError::Amount(amount));
    }
    for id in [&movement.debit, &movement.credit] {
        let account = account(transaction, id)?;
        let currency = account.balance.currency();
        if currency != amount.currency() {
            return Err(LedgerError::Currency { account: id.clone(), currency });
        }
        let own = id.starts_with("bank:") || id.starts_with(holds::HELD);
        if *id == movement.debit && !own && account.balance.minor() < amount.minor() {
            let balance = account.balance;
            return Err(LedgerError::NoFunds { account: id.clone(), balance, amount });
        }
    }
    Ok(())
}
