//! What the TINGUIN remembers across restarts: answers, deals, certificates.
//!
//! No question is put to the person twice: an answer is stored before it is given, under the
//! question's id, together with a digest of what was asked.

mod told;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use semper_base::{DealId, Digest, Mend, fault};
use semper_exchange::fence::Phase;

/// The file's name in a home.
pub const FILE: &str = "tinguin.sqlite";

/// Topics of questions that one decision names, of those that others have answered.
const TOPICS: usize = 24;

/// The version of the store, SQLite's `user_version`.
const VERSION: u32 = 1;

/// From version 0: one key, whose chain was a fact.
const UPGRADE: &str = "
    BEGIN IMMEDIATE;
    INSERT OR IGNORE INTO identities SELECT 0, value FROM facts WHERE key = 'chain';
    PRAGMA user_version = 1;
    COMMIT;
";

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS answers (
        id BLOB PRIMARY KEY, asked BLOB NOT NULL, reply BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS deals (
        id BLOB PRIMARY KEY, nonce BLOB NOT NULL, side TEXT NOT NULL,
        peer TEXT NOT NULL, service TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS peers (deal BLOB PRIMARY KEY, sign BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS exchanges (
        id BLOB PRIMARY KEY, deal BLOB NOT NULL, agreement BLOB NOT NULL,
        account TEXT NOT NULL, phase TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE TABLE IF NOT EXISTS generations (
        deal BLOB PRIMARY KEY, generation INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS identities (
        generation INTEGER PRIMARY KEY, chain BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS filled (
        number INTEGER PRIMARY KEY, nonce BLOB NOT NULL, by TEXT NOT NULL,
        topic TEXT NOT NULL, said TEXT NOT NULL,
        seen INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS filled_by_deal ON filled (nonce, seen);
    CREATE TABLE IF NOT EXISTS details (
        nonce BLOB NOT NULL, what TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (nonce, what, value)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS told (
        number INTEGER PRIMARY KEY, deal BLOB NOT NULL, receiver TEXT NOT NULL,
        what TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
        sealed INTEGER NOT NULL, UNIQUE (deal, receiver, what, value)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS sealed (deal BLOB PRIMARY KEY) STRICT;
    CREATE TABLE IF NOT EXISTS lost (before INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
";

/// The store.
#[derive(Debug)]
pub struct Memory {
    connection: Mutex<Connection>,
}

/// A deal as the TINGUIN knows it: from the agreement that it signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDeal {
    /// Names the deal's keys.
    pub nonce: Digest,
    /// `buyer` or `seller`: which we are.
    pub side: String,
    /// The other side's name in the agreement.
    pub peer: String,
    /// The line about the service.
    pub service: String,
    /// Which of our identity's keys signed the agreement.
    pub generation: u32,
}

/// A fair exchange that the person has agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownExchange {
    /// The deal.
    pub deal: DealId,
    /// The canonical agreement.
    pub agreement: Vec<u8>,
    /// The account that we pay from, with its bank; empty if we do not pay.
    pub account: String,
}

/// Answers of others that the person has not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Who has answered, and in words what.
    pub rows: Vec<(String, String)>,
    /// The number of the last of them.
    pub last: Option<i64>,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error, Mend)]
pub enum MemoryError {
    /// It cannot be read or written.
    #[error("the TINGUIN's store cannot be used: {0}")]
    #[mend("check the disk")]
    Store(#[from] rusqlite::Error),
    /// A newer program has written it.
    #[error("the TINGUIN's store is of version {0}, this program knows versions up to {VERSION}")]
    #[mend("use the newer program; this one would spoil the store")]
    Newer(u32),
}

type Result<T> = std::result::Result<T, rusqlite::Error>;

impl Memory {
    /// Opens or makes the store in this file.
    pub fn open(path: &Path) -> std::result::Result<Self, MemoryError> {
        semper_store::make_private(path).map_err(|error| {
            let reason = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
            rusqlite::Error::SqliteFailure(reason, Some(error.to_string()))
        })?;
        let connection = Connection::open(path)?;
        semper_store::steady(&connection)?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > VERSION {
            return Err(MemoryError::Newer(version));
        }
        connection.execute_batch(SCHEMA)?;
        if version < VERSION {
            connection.execute_batch(UPGRADE)?;
        }
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The stored reply to a question, and the digest of what was asked then.
    pub fn answer(&self, id: &Digest) -> Result<Option<(Digest, Vec<u8>)>> {
        self.read(|it| {
            it.prepare_cached("SELECT asked, reply FROM answers WHERE id = ?1")?
                .query_row([id.as_bytes()], |row| {
                    Ok((Digest::from_bytes(row.get(0)?), row.get(1)?))
                })
                .optional()
        })
    }

    /// Stores a reply; the first one stays.
    pub fn keep_answer(&self, id: &Digest, asked: &Digest, reply: &[u8]) -> Result<()> {
        fault::point("tinguin.before");
        self.write(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO answers VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), asked.as_bytes(), reply])
        })?;
        fault::point("tinguin.after");
        Ok(())
    }

    /// Stores an answer that somebody else has given for the person, and that she has not seen it; the
    /// first answer stays.
    pub fn keep_filled(
        &self,
        id: &Digest,
        asked: &Digest,
        reply: &[u8],
        nonce: &Digest,
        (by, topic, said): (&str, &str, &str),
    ) -> Result<()> {
        self.write(|it| {
            let all = it.unchecked_transaction()?;
            let kept = all
                .prepare_cached("INSERT OR IGNORE INTO answers VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), asked.as_bytes(), reply])?;
            if kept > 0 {
                let sql = "INSERT INTO filled (nonce, by, topic, said) VALUES (?1, ?2, ?3, ?4)";
                all.prepare_cached(sql)?.execute(params![nonce.as_bytes(), by, topic, said])?;
            }
            all.commit()
        })
    }

    /// What others have answered in a deal, by its nonce, and the person has not seen in a decision: the
    /// last answer for each topic, and how many there were. However many there are, a decision stays
    /// one that can be read.
    pub fn filled(&self, nonce: &Digest) -> Result<Unseen> {
        self.read(|it| {
            let sql = "SELECT max(number), by, topic, said, count(*) FROM filled
                       WHERE nonce = ?1 AND seen = 0 GROUP BY by, topic ORDER BY 1 DESC";
            let mut statement = it.prepare_cached(sql)?;
            let (mut unseen, mut topics, mut more) = (Unseen::default(), 0, 0_i64);
            let mut rows = statement.query([nonce.as_bytes()])?;
            while let Some(row) = rows.next()? {
                let (by, topic, said): (String, String, String) =
                    (row.get(1)?, row.get(2)?, row.get(3)?);
                let count: i64 = row.get(4)?;
                unseen.last = unseen.last.max(Some(row.get(0)?));
                topics += 1;
                if topics > TOPICS {
                    more += count;
                    continue;
                }
                let before = match count {
                    1 => String::new(),
                    count => format!(" (the last of {count} answers)"),
                };
                unseen.rows.push((by, format!("{topic}: {said}{before}")));
            }
            unseen.rows.reverse();
            if more > 0 {
                let words = format!("{more} more answers to other questions");
                unseen.rows.push(("applications".into(), words));
            }
            Ok(unseen)
        })
    }

    /// The person has seen what was answered in a deal, up to this number.
    pub fn seen(&self, nonce: &Digest, last: i64) -> Result<()> {
        self.write(|it| {
            it.prepare_cached("UPDATE filled SET seen = 1 WHERE nonce = ?1 AND number <= ?2")?
                .execute(params![nonce.as_bytes(), last])
        })?;
        Ok(())
    }

    /// A deal whose agreement was signed here.
    pub fn deal(&self, id: &DealId) -> Result<Option<KnownDeal>> {
        self.read(|it| {
            let sql = "SELECT nonce, side, peer, service, coalesce(generation, 0)
                       FROM deals LEFT JOIN generations ON deal = id WHERE id = ?1";
            it.prepare_cached(sql)?
                .query_row([id.digest().as_bytes()], |row| {
                    Ok(KnownDeal {
                        nonce: Digest::from_bytes(row.get(0)?),
                        side: row.get(1)?,
                        peer: row.get(2)?,
                        service: row.get(3)?,
                        generation: row.get(4)?,
                    })
                })
                .optional()
        })
    }

    /// Remembers a deal.
    pub fn keep_deal(&self, id: &DealId, deal: &KnownDeal) -> Result<()> {
        let nonce = deal.nonce.as_bytes();
        self.write(|it| {
            // First: a deal that is known signs by the right key. The first key's need no row.
            if deal.generation > 0 {
                it.prepare_cached("INSERT OR IGNORE INTO generations VALUES (?1, ?2)")?
                    .execute(params![id.digest().as_bytes(), deal.generation])?;
            }
            it.prepare_cached("INSERT OR IGNORE INTO deals VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![id.digest().as_bytes(), nonce, deal.side, deal.peer, deal.service])
        })?;
        Ok(())
    }

    /// Remembers the key by which the other side of a deal signs.
    pub fn keep_peer(&self, deal: &DealId, sign: &[u8; 32]) -> Result<()> {
        self.write(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO peers VALUES (?1, ?2)")?
                .execute(params![deal.digest().as_bytes(), sign])
        })?;
        Ok(())
    }

    /// The key by which the other side of a deal signs.
    pub fn peer(&self, deal: &DealId) -> Result<Option<[u8; 32]>> {
        self.read(|it| {
            it.prepare_cached("SELECT sign FROM peers WHERE deal = ?1")?
                .query_row([deal.digest().as_bytes()], |row| row.get(0))
                .optional()
        })
    }

    /// An exchange that was agreed to.
    pub fn exchange(&self, id: &Digest) -> Result<Option<KnownExchange>> {
        self.read(|it| {
            it.prepare_cached("SELECT deal, agreement, account FROM exchanges WHERE id = ?1")?
                .query_row([id.as_bytes()], |row| {
                    Ok(KnownExchange {
                        deal: DealId::new(Digest::from_bytes(row.get(0)?)),
                        agreement: row.get(1)?,
                        account: row.get(2)?,
                    })
                })
                .optional()
        })
    }

    /// Remembers an exchange that was agreed to.
    pub fn keep_exchange(&self, id: &Digest, known: &KnownExchange) -> Result<()> {
        let deal = known.deal.digest().as_bytes();
        self.write(|it| {
            it.prepare_cached(
                "INSERT OR IGNORE INTO exchanges (id, deal, agreement, account)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id.as_bytes(), deal, known.agreement, known.account])
        })?;
        Ok(())
    }

    /// Begins to deliver or to abort; false if the other was begun before.
    pub fn enter(&self, id: &Digest, phase: Phase) -> Result<bool> {
        let word = match phase {
            Phase::Delivering => "delivering",
            Phase::Aborting => "aborting",
        };
        let changed = self.write(|it| {
            it.prepare_cached(
                "UPDATE exchanges SET phase = ?2 WHERE id = ?1 AND phase IN ('', ?2)",
            )?
            .execute(params![id.as_bytes(), word])
        })?;
        Ok(changed == 1)
    }

    /// All keys before this one are lost, as soon as it has a certificate.
    pub fn keep_lost(&self, before: u32) -> Result<()> {
        self.write(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO lost VALUES (?1)")?.execute([before])
        })?;
        Ok(())
    }

    /// A certificate was asked for this key of our identity: an authority may have made one, even if
    /// it never came.
    pub fn keep_asked(&self, generation: u32) -> Result<()> {
        let sql = "INSERT INTO facts VALUES ('asked', ?1) ON CONFLICT (key)
                   DO UPDATE SET value = max(value, excluded.value)";
        let number = generation.to_be_bytes();
        self.write(|it| it.prepare_cached(sql)?.execute([number.as_slice()]))?;
        Ok(())
    }

    /// The first number of our identity for which no certificate was ever asked.
    pub fn unasked(&self) -> Result<u32> {
        let sql = "SELECT value FROM facts WHERE key = 'asked'";
        let asked: Option<[u8; 4]> =
            self.read(|it| it.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional())?;
        let newest = self.newest_identity()?.map(|it| it.0);
        let last = asked.map(u32::from_be_bytes).max(newest);
        Ok(last.map_or(0, |it| it.saturating_add(1)))
    }

    /// The chain of one of our identity's keys, unless that is lost.
    pub fn identity(&self, generation: u32) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT chain FROM identities WHERE generation = ?1 AND NOT EXISTS
                       (SELECT 1 FROM lost JOIN identities AS newer ON newer.generation = before
                        WHERE before > ?1)";
        self.read(|it| it.prepare_cached(sql)?.query_row([generation], |row| row.get(0)).optional())
    }

    /// The number of the key that is in use, and its chain.
    pub fn newest_identity(&self) -> Result<Option<(u32, Vec<u8>)>> {
        let sql = "SELECT generation, chain FROM identities ORDER BY generation DESC LIMIT 1";
        self.read(|it| {
            it.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
    }

    /// Keeps the chain of one of our identity's keys; from now on the newest is in use.
    pub fn keep_identity(&self, generation: u32, chain: &[u8]) -> Result<()> {
        self.write(|it| {
            it.prepare_cached("INSERT OR REPLACE INTO identities VALUES (?1, ?2)")?
                .execute(params![generation, chain])
        })?;
        Ok(())
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if fault::fails("tinguin.read") {
            return Err(failed(rusqlite::ffi::SQLITE_IOERR));
        }
        self.with(work)
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if fault::fails("tinguin.write") {
            return Err(failed(rusqlite::ffi::SQLITE_FULL));
        }
        self.with(work)
    }

    /// Writes what may be lost when the power fails, and not when a program is killed: the disk is not
    /// waited for. The next write that does wait takes it along.
    fn write_soon<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.write(|it| {
            it.execute_batch("PRAGMA synchronous = NORMAL")?;
            let done = work(it);
            it.execute_batch("PRAGMA synchronous = FULL")?;
            done
        })
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn failed(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}
