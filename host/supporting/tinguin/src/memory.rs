//! What the TINGUIN remembers across restarts: answers, deals, certificates.
//!
//! No question is put to the person twice: an answer is stored before it is given, under the
//! question's id, together with a digest of what was asked.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use semper_base::{DealId, Digest, fault};

/// The file's name in a home.
pub const FILE: &str = "tinguin.sqlite";

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
}

type Result<T> = std::result::Result<T, rusqlite::Error>;

impl Memory {
    /// Opens or makes the store in this file.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The stored reply to a question, and the digest of what was asked then.
    pub fn answer(&self, id: &Digest) -> Result<Option<(Digest, Vec<u8>)>> {
        self.with(|it| {
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
        self.with(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO answers VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), asked.as_bytes(), reply])
        })?;
        fault::point("tinguin.after");
        Ok(())
    }

    /// A deal whose agreement was signed here.
    pub fn deal(&self, id: &DealId) -> Result<Option<KnownDeal>> {
        self.with(|it| {
            it.prepare_cached("SELECT nonce, side, peer, service FROM deals WHERE id = ?1")?
                .query_row([id.digest().as_bytes()], |row| {
                    Ok(KnownDeal {
                        nonce: Digest::from_bytes(row.get(0)?),
                        side: row.get(1)?,
                        peer: row.get(2)?,
                        service: row.get(3)?,
                    })
                })
                .optional()
        })
    }

    /// Remembers a deal.
    pub fn keep_deal(&self, id: &DealId, deal: &KnownDeal) -> Result<()> {
        let nonce = deal.nonce.as_bytes();
        self.with(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO deals VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![id.digest().as_bytes(), nonce, deal.side, deal.peer, deal.service])
        })?;
        Ok(())
    }

    /// A single fact, such as the certificate chain.
    pub fn fact(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.with(|it| {
            it.prepare_cached("SELECT value FROM facts WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
    }

    /// Sets a fact.
    pub fn keep_fact(&self, key: &str, value: &[u8]) -> Result<()> {
        self.with(|it| {
            it.prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)")?
                .execute(params![key, value])
        })?;
        Ok(())
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
