//! A double-entry ledger in SQLite.
//!
//! Every entry debits one account and credits another by the same amount, so that all balances
//! always sum to zero; balances follow from entries (a trigger keeps the running sums, and
//! [`Ledger::audit`] recomputes them); nothing is ever deleted or changed. A reference books
//! once: the same request again gets the first answer, another request under it is refused.
//! Customers' accounts never go below zero; the bank's own, where test money comes from, does.
//!
//! | module | what it is for |
//! |---|---|
//! | `names` | names of accounts: customers' and the bank's own are two types |
//! | `holds` | money that is held under a condition |
//! | `audit` | everything worked out again, row by row; corrections |
#![forbid(unsafe_code)]

mod audit;
mod holds;
mod names;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use semper_base::{Amount, Currency, Digest, KeyId, Mend, Timestamp, fault};

pub use audit::Finding;
pub use holds::{HoldOrder, HoldRow};
pub use names::{AccountId, AccountName, NotAnAccount, Own};
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
    CREATE TABLE IF NOT EXISTS owners (
        account TEXT NOT NULL REFERENCES accounts (id),
        key     BLOB NOT NULL,
        PRIMARY KEY (account, key)
    ) STRICT, WITHOUT ROWID;
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
    CREATE TABLE IF NOT EXISTS asked (nonce BLOB PRIMARY KEY, made INTEGER NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS asked_by_date ON asked (made);
    CREATE INDEX IF NOT EXISTS holds_by_date ON holds (until) WHERE until IS NOT NULL;
";

/// A ledger. One writer at a time.
#[derive(Debug)]
pub struct Ledger {
    connection: Mutex<Connection>,
    /// The hold whose date was looked at last.
    looked: Mutex<Option<[u8; 32]>>,
}

/// A request to move money: from a customer's account to a customer's, or, inside this crate, from
/// or to one of the bank's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement<Name = AccountId> {
    /// Names the movement for ever.
    pub reference: Digest,
    /// The digest of the whole request: the same reference must come with the same request.
    pub request: Digest,
    /// When it was ordered: an old order is not carried out any more.
    pub ordered: Timestamp,
    /// The account that pays.
    pub debit: Name,
    /// The account that is paid.
    pub credit: Name,
    /// The amount that moves.
    pub amount: Amount,
    /// The purpose, in words.
    pub text: String,
}

impl From<Movement> for Movement<AccountName> {
    fn from(of: Movement) -> Self {
        let Movement { reference, request, ordered, debit, credit, amount, text } = of;
        let (debit, credit) = (debit.into(), credit.into());
        Self { reference, request, ordered, debit, credit, amount, text }
    }
}

/// An account, as its holder may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The number of the account.
    pub id: AccountId,
    /// The name of its holder.
    pub holder: String,
    /// The balance.
    pub balance: Amount,
}

/// A line of a statement of account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the entry, over the whole ledger.
    pub number: u64,
    /// Positive when the account was paid.
    pub change: Amount,
    /// The account on the other side of the entry.
    pub other: AccountName,
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
    UnknownAccount(AccountName),
    /// Not enough in it.
    #[error("account {account} holds {balance}, which is less than {amount}")]
    #[mend("put money into the account first")]
    NoFunds {
        /// The account that was to pay.
        account: AccountName,
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
        account: AccountName,
        /// The currency of that account.
        currency: Currency,
    },
    /// The reference was used for another movement.
    #[error("this reference was used for another payment before")]
    #[mend("check the account and the amount")]
    Conflict,
    /// The account has been handed over too often.
    #[error("account {0} has had {MOST_KEYS} keys")]
    #[mend("have the bank hand it over: semper bank hand-over")]
    Keys(AccountId),
    /// Nothing, or less, cannot be moved; nor from an account to itself.
    #[error("{0} cannot be moved between these accounts")]
    #[mend("check the account and the amount")]
    Amount(Amount),
    /// The order is too old to be carried out, or is dated in the time to come.
    #[error("the order is of {ordered}, and it is {now}: orders are carried out within {} days, and if they are no more than twelve hours ahead", LASTS.as_secs() / 86_400)]
    #[mend("set the clock if it is wrong; otherwise order again")]
    Date {
        /// When it was ordered, by the customer's clock.
        ordered: Timestamp,
        /// The time by the bank's clock.
        now: Timestamp,
    },
    /// A hold cannot be followed so any more, or not yet.
    #[error(transparent)]
    #[mend("look at where it stands, and at the verdict")]
    Hold(#[from] HoldError),
    /// The books do not balance.
    #[error("the books do not balance: {0}")]
    #[mend("semper bank audit names every row; semper bank correct books a correction")]
    Audit(String),
    /// The file.
    #[error("the ledger cannot be used: {0}")]
    #[mend("check the disk and the file's permissions")]
    Sqlite(#[from] rusqlite::Error),
}

type Result<T> = std::result::Result<T, LedgerError>;

/// Keys that an account may be handed over to.
const MOST_KEYS: u32 = 64;

impl Ledger {
    /// Opens or makes the ledger in this file.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::on(semper_store::open(path, SCHEMA)?))
    }

    /// Opens the ledger in this file for a look: nothing on the disk changes.
    pub fn look(path: &Path) -> Result<Self> {
        Ok(Self::on(semper_store::look(path, SCHEMA)?))
    }

    fn on(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection), looked: Mutex::default() }
    }

    /// The account of this owner in this currency, opened if there is none.
    pub fn open_account(&self, owner: KeyId, holder: &str, currency: Currency) -> Result<Account> {
        let name = Digest::of_parts(&[owner.digest().as_bytes(), currency.code().as_bytes()]);
        let id = AccountId::of(&name);
        let connection = self.lock()?;
        // What was handed over to a key is its holder's alone.
        let sql = "SELECT account FROM owners JOIN accounts ON id = account
                   WHERE key = ?1 AND currency = ?2 AND holder = ?3 ORDER BY account LIMIT 1";
        let key = params![owner.digest().as_bytes(), currency.code(), holder];
        let earlier: Option<String> =
            connection.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
        if let Some(earlier) = earlier {
            let unknown = |_| LedgerError::UnknownAccount(id.clone().into());
            return account(&connection, earlier.parse().map_err(unknown)?);
        }
        connection
            .prepare_cached(
                "INSERT INTO accounts (id, owner, holder, currency) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![id.as_str(), owner.digest().as_bytes(), holder, currency.code()])?;
        let sql = "SELECT owner IS ?2 FROM accounts WHERE id = ?1";
        let own = params![id.as_str(), owner.digest().as_bytes()];
        // The bank has given it to another key.
        match connection.prepare_cached(sql)?.query_row(own, |row| row.get(0))? {
            true => account(&connection, id),
            false => Err(LedgerError::UnknownAccount(id.into())),
        }
    }

    /// The account with this number.
    pub fn account(&self, id: &AccountId) -> Result<Account> {
        account(&*self.lock()?, id.clone())
    }

    /// What is in one of the bank's own accounts; nothing before it is first used.
    pub fn balance_of(&self, own: Own) -> Result<Amount> {
        match balance(&*self.lock()?, &own.into()) {
            Err(LedgerError::UnknownAccount(_)) => Ok(Amount::new(0, own.currency())),
            found => found.map(|it| it.1),
        }
    }

    /// Whether a holder owns the account by this key: it opened it, or the account was handed over to
    /// it. A key that is certified for somebody else owns nothing of the holder's.
    pub fn is_owner(&self, id: &AccountId, key: KeyId, holder: &str) -> Result<bool> {
        let sql = "SELECT holder = ?3 AND (owner IS ?2 OR EXISTS
                       (SELECT 1 FROM owners WHERE account = id AND key = ?2))
                   FROM accounts WHERE id = ?1";
        let asked = params![id.as_str(), key.digest().as_bytes(), holder];
        let owner: Option<bool> =
            self.lock()?.prepare_cached(sql)?.query_row(asked, |row| row.get(0)).optional()?;
        owner.ok_or_else(|| LedgerError::UnknownAccount(id.clone().into()))
    }

    /// Has a customer's account owned by one more key: the one that takes the place of another.
    ///
    /// # Errors
    /// There is no such account, or it has had too many keys.
    pub fn hand_over(&self, id: &AccountId, to: KeyId) -> Result<()> {
        let connection = self.lock()?;
        account(&connection, id.clone())?;
        let sql = "INSERT INTO owners SELECT ?1, ?2
                   WHERE (SELECT count(*) FROM owners WHERE account = ?1) < ?3
                   ON CONFLICT DO NOTHING";
        connection.prepare_cached(sql)?.execute(params![
            id.as_str(),
            to.digest().as_bytes(),
            MOST_KEYS
        ])?;
        let sql = "SELECT EXISTS (SELECT 1 FROM owners WHERE account = ?1 AND key = ?2)";
        let row = params![id.as_str(), to.digest().as_bytes()];
        match connection.prepare_cached(sql)?.query_row(row, |row| row.get(0))? {
            true => Ok(()),
            false => Err(LedgerError::Keys(id.clone())),
        }
    }

    /// Has a customer's account owned by this key and no other: the ones before are lost.
    ///
    /// # Errors
    /// There is no such account.
    pub fn replace_keys(&self, id: &AccountId, by: KeyId) -> Result<()> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        account(&transaction, id.clone())?;
        transaction
            .prepare_cached("DELETE FROM owners WHERE account = ?1")?
            .execute([id.as_str()])?;
        let owned = params![id.as_str(), by.digest().as_bytes()];
        transaction.prepare_cached("INSERT INTO owners VALUES (?1, ?2)")?.execute(owned)?;
        transaction
            .prepare_cached("UPDATE accounts SET owner = ?2 WHERE id = ?1")?
            .execute(owned)?;
        Ok(transaction.commit()?)
    }

    /// Whether a request with this nonce is the first; it is remembered. Those made before `since` are
    /// forgotten: whoever asks looks at dates, too.
    pub fn is_first(&self, nonce: Digest, made: Timestamp, since: Timestamp) -> Result<bool> {
        let connection = self.lock()?;
        let since = since.millis().cast_signed();
        connection.prepare_cached("DELETE FROM asked WHERE made < ?1")?.execute([since])?;
        let sql = "INSERT INTO asked VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let new = connection
            .prepare_cached(sql)?
            .execute(params![nonce.as_bytes(), made.millis().cast_signed()])?;
        Ok(new == 1)
    }

    /// Puts test money into an account, from the bank's own.
    pub fn fund(&self, id: &AccountId, amount: Amount, now: Timestamp) -> Result<u64> {
        let own = Own::Funds(amount.currency());
        keep_own(&*self.lock()?, own)?;
        let reference = Digest::from_bytes(semper_base::keys::random());
        let movement = Movement {
            reference,
            request: reference,
            ordered: now,
            debit: own.into(),
            credit: id.clone().into(),
            amount,
            text: "funding".into(),
        };
        Ok(self.book_named(&movement, now, |_| Vec::new())?.0)
    }

    /// Books a movement once. `answer` makes what is given back, from the entry's number, in
    /// the same commit; asked again, the first answer comes back.
    pub fn book(
        &self,
        movement: &Movement,
        now: Timestamp,
        answer: impl FnOnce(u64) -> Vec<u8>,
    ) -> Result<(u64, Vec<u8>)> {
        self.book_named(&movement.clone().into(), now, answer)
    }

    /// The answer to a request that was booked under this reference.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub fn answered(&self, reference: Digest, request: Digest) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT bytes FROM entries JOIN answers ON entry = number
                   WHERE reference = ?1 AND request = ?2";
        let connection = self.lock()?;
        let asked = params![reference.as_bytes(), request.as_bytes()];
        Ok(connection.prepare_cached(sql)?.query_row(asked, |row| row.get(0)).optional()?)
    }

    fn book_named(
        &self,
        movement: &Movement<AccountName>,
        now: Timestamp,
        answer: impl FnOnce(u64) -> Vec<u8>,
    ) -> Result<(u64, Vec<u8>)> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(before) = booked(&transaction, movement)? {
            return Ok(before);
        }
        recent(movement.ordered, now)?;
        check(&transaction, movement)?;
        let number = insert(&transaction, movement, now)?;
        let bytes = answer(number);
        transaction
            .prepare_cached("INSERT INTO answers VALUES (?1, ?2)")?
            .execute(params![number.cast_signed(), bytes])?;
        fault::point("bank.before");
        transaction.commit()?;
        fault::point("bank.after");
        Ok((number, bytes))
    }

    /// The newest entries of an account, newest first.
    pub fn entries(&self, id: &AccountId, limit: u32) -> Result<Vec<Entry>> {
        let connection = self.lock()?;
        let currency = balance(&connection, &id.clone().into())?.1.currency();
        let sql = "SELECT number, debit, credit, minor, text, booked FROM entries
                   WHERE debit = ?1 OR credit = ?1 ORDER BY number DESC LIMIT ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![id.as_str(), limit])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let (debit, credit): (String, String) = (row.get(1)?, row.get(2)?);
            let minor: i64 = row.get(3)?;
            let paid = credit == id.as_str();
            let booked: i64 = row.get(5)?;
            entries.push(Entry {
                number: row.get::<_, i64>(0)?.cast_unsigned(),
                change: Amount::new(if paid { minor } else { -minor }, currency),
                other: AccountName::stored(if paid { &debit } else { &credit })?,
                text: row.get(4)?,
                booked: Timestamp::from_millis(booked.cast_unsigned()).unwrap_or(Timestamp::now()),
            });
        }
        Ok(entries)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>> {
        if fault::fails("ledger.open") {
            let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
            return Err(rusqlite::Error::SqliteFailure(error, None).into());
        }
        Ok(self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn account(connection: &Connection, id: AccountId) -> Result<Account> {
    let (holder, balance) = balance(connection, &id.clone().into())?;
    Ok(Account { id, holder, balance })
}

/// Whose an account is, and what is in it.
fn balance(connection: &Connection, name: &AccountName) -> Result<(String, Amount)> {
    let sql = "SELECT holder, currency, balance FROM accounts WHERE id = ?1";
    let row: Option<(String, String, i64)> = connection
        .prepare_cached(sql)?
        .query_row([name.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (holder, code, minor) = row.ok_or_else(|| LedgerError::UnknownAccount(name.clone()))?;
    let currency: Currency =
        code.parse().map_err(|_| LedgerError::Audit(format!("account {name} is in “{code}”")))?;
    Ok((holder, Amount::new(minor, currency)))
}

/// Makes one of the bank's own accounts, if it is not there.
fn keep_own(connection: &Connection, own: Own) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO accounts (id, owner, holder, currency) VALUES (?1, NULL, ?2, ?3)
         ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![own.to_string(), own.holder(), own.currency().code()])?;
    Ok(())
}

fn booked(
    transaction: &Transaction<'_>,
    movement: &Movement<AccountName>,
) -> Result<Option<(u64, Vec<u8>)>> {
    let row: Option<(i64, [u8; 32], Vec<u8>)> = transaction
        .prepare_cached(
            "SELECT number, request, bytes FROM entries JOIN answers ON entry = number
             WHERE reference = ?1",
        )?
        .query_row([movement.reference.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
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
fn insert(
    transaction: &Transaction<'_>,
    movement: &Movement<AccountName>,
    now: Timestamp,
) -> Result<u64> {
    transaction
        .prepare_cached(
            "INSERT INTO entries (reference, request, debit, credit, minor, text, booked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            movement.reference.as_bytes(),
            movement.request.as_bytes(),
            movement.debit.to_string(),
            movement.credit.to_string(),
            movement.amount.minor(),
            movement.text,
            now.millis() as i64,
        ])?;
    Ok(transaction.last_insert_rowid().cast_unsigned())
}

/// For how long after it was signed an order is carried out.
const LASTS: Duration = Duration::from_secs(7 * 86_400);
/// How far a customer's clock may run before the bank's: somebody's clock that is wrong by hours is
/// no reason to break a deal off.
const AHEAD: Duration = Duration::from_secs(12 * 3_600);

/// Whether an order that has not been carried out yet may be carried out now.
fn recent(ordered: Timestamp, now: Timestamp) -> Result<()> {
    if ordered > now.after(AHEAD) || ordered.after(LASTS) < now {
        return Err(LedgerError::Date { ordered, now });
    }
    Ok(())
}

fn check(transaction: &Transaction<'_>, movement: &Movement<AccountName>) -> Result<()> {
    let amount = movement.amount;
    if amount.minor() <= 0 || movement.debit == movement.credit {
        return Err(LedgerError::Amount(amount));
    }
    in_currency(transaction, &movement.credit, amount.currency())?;
    let balance = in_currency(transaction, &movement.debit, amount.currency())?;
    if !movement.debit.is_own() && balance.minor() < amount.minor() {
        return Err(LedgerError::NoFunds { account: movement.debit.clone(), balance, amount });
    }
    Ok(())
}

/// What is in an account, if it is there and in this currency.
fn in_currency(connection: &Connection, name: &AccountName, wanted: Currency) -> Result<Amount> {
    let (_, balance) = balance(connection, name)?;
    match balance.currency() {
        currency if currency == wanted => Ok(balance),
        currency => Err(LedgerError::Currency { account: name.clone(), currency }),
    }
}
