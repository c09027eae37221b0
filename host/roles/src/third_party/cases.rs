//! Where a third party keeps its cases: one linearizable store, in a file or in PostgreSQL.
//!
//! A case is stored only if it is still what the step began with, so whichever of two requests
//! (of two processes) comes first decides, and the other sees that. A verdict's line for the
//! public log is written in the same commit; it is published from there, in its order. Once it is,
//! the commit that takes it out notes the log's size and root: so cases know how much of the log they
//! have seen.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use semper_base::{Digest, Timestamp, fault};
use semper_keeper::{Post, Spawn, Turn};

use crate::log::Head;
use crate::queue::{Queue, Waiting as Queued, queue};

/// Stores of one commit at most.
const BATCH: usize = 256;
/// How long the writing thread may sleep when nothing waits.
const LONG: Duration = Duration::from_secs(3_600);

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS cases (
        exchange BLOB PRIMARY KEY,
        version  INTEGER NOT NULL,
        bytes    BLOB NOT NULL,
        lodge    INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS cases_to_lodge ON cases (exchange) WHERE lodge = 1;
    CREATE TABLE IF NOT EXISTS submissions (
        request BLOB PRIMARY KEY, decide_by INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS to_log (
        number INTEGER PRIMARY KEY, entry BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS to_log_by_entry ON to_log (entry);
    CREATE TABLE IF NOT EXISTS published (
        one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL
    ) STRICT;
";

/// A case as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Rises with every change.
    pub version: i64,
    /// The case, canonical CBOR.
    pub bytes: Vec<u8>,
}

/// A change to a case.
#[derive(Clone, Debug)]
pub struct Change {
    /// The exchange.
    pub exchange: Digest,
    /// The version that the step began with; none for a new case.
    pub before: Option<i64>,
    /// The case.
    pub bytes: Vec<u8>,
    /// What goes into the public log with it.
    pub entry: Option<Vec<u8>>,
    /// Whether payment systems must still be shown the verdict.
    pub lodge: bool,
}

/// Why the store cannot be used now. Nothing has changed, or it will be seen by asking again.
#[derive(Debug, thiserror::Error)]
#[error("the third party's store cannot be used: {0}")]
pub struct CasesError(pub String);

type Result<T> = std::result::Result<T, CasesError>;

/// The store.
pub trait Cases: Send + Sync + std::fmt::Debug {
    /// A case.
    fn load(&self, exchange: &Digest) -> Result<Option<Row>>;
    /// Stores a change, unless the case is another than it began with: then `false`.
    fn store(&self, change: Change) -> Result<bool>;
    /// Notes that a request has come, once; by when it is decided.
    fn submitted(&self, request: &Digest, decide_by: Timestamp) -> Result<Timestamp>;
    /// What is to be logged, in its order.
    fn to_log(&self, most: u32) -> Result<Vec<(i64, Vec<u8>)>>;
    /// Whether one of these is still to be logged.
    fn waits(&self, entries: &[Vec<u8>]) -> Result<bool>;
    /// They have been logged: the log has this head now. One commit.
    fn logged(&self, numbers: &[i64], head: Head) -> Result<()>;
    /// The newest head that was noted so.
    fn published(&self) -> Result<Option<Head>>;
    /// Some of the cases, by their names, that come after this one.
    fn after(&self, exchange: Option<&Digest>, most: u32) -> Result<Vec<(Digest, Row)>>;
    /// Cases whose verdict payment systems must still be shown.
    fn to_lodge(&self, most: u32) -> Result<Vec<(Digest, Row)>>;
    /// They have been.
    fn lodged(&self, exchange: &Digest) -> Result<()>;
    /// Bytes that the store has.
    fn size(&self) -> Result<u64>;
    /// Whether other processes may store there, too.
    fn is_shared(&self) -> bool {
        false
    }
    /// The file that they lie in, if it is one of this machine.
    fn file(&self) -> Option<&Path> {
        None
    }
}

type Waiting = (Change, SyncSender<Result<bool>>);

/// Cases in a file. Stores that come at the same time share a commit.
pub struct FileCases {
    reader: Mutex<Connection>,
    file: PathBuf,
    queue: Queue<Waiting>,
}

impl std::fmt::Debug for FileCases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileCases")
    }
}

impl From<rusqlite::Error> for CasesError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

fn open(path: &Path) -> Result<Connection> {
    Ok(semper_store::open(path, SCHEMA)?)
}

impl FileCases {
    /// Opens or makes the file; the loop that writes runs there.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn open(path: &Path, spawn: &dyn Spawn) -> Result<Self> {
        let (mut writer, reader) = (open(path)?, open(path)?);
        let (queue, waiting, bell) = queue();
        spawn.keep("cases", &bell, Box::new(move |post| write(&mut writer, &waiting, post)));
        Ok(Self { reader: Mutex::new(reader), file: path.to_owned(), queue })
    }

    /// The file for a look, as it would be made if it is not there. Nothing changes, and nothing is
    /// stored by it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(path: &Path) -> Result<Self> {
        let reader = Mutex::new(semper_store::look(path, SCHEMA)?);
        Ok(Self { reader, file: path.to_owned(), queue: queue().0 })
    }

    fn reader(&self) -> Result<MutexGuard<'_, Connection>> {
        Ok(self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A turn of the one thread that writes: everything that waits goes into one commit.
fn write(connection: &mut Connection, waiting: &Queued<Waiting>, post: &Post) -> Turn {
    let Ok(batch) = waiting.take(BATCH) else { return Turn::End };
    if batch.is_empty() {
        return Turn::Wait(LONG);
    }
    let stored = commit(connection, &batch);
    match &stored {
        Ok(_) => post.well(),
        Err(error) => {
            tracing::error!(%error, "cases cannot be stored");
            post.ill("cases cannot be stored; the server's log says why");
        }
    }
    for (index, (_, done)) in batch.into_iter().enumerate() {
        let outcome = match &stored {
            Ok(stored) => Ok(stored.get(index).copied().unwrap_or(false)),
            Err(error) => Err(CasesError(error.to_string())),
        };
        // Whoever asked may have left.
        let _ = done.send(outcome);
    }
    Turn::Again
}

/// A case with its name.
fn named_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Digest, Row)> {
    let exchange = Digest::from_bytes(row.get(0)?);
    Ok((exchange, Row { version: row.get(1)?, bytes: row.get(2)? }))
}

/// What a disk does that has a fault.
const fn failed() -> rusqlite::Error {
    let error = rusqlite::ffi::Error {
        code: rusqlite::ErrorCode::SystemIoFailure,
        extended_code: rusqlite::ffi::SQLITE_IOERR,
    };
    rusqlite::Error::SqliteFailure(error, None)
}

fn commit(
    connection: &mut Connection,
    batch: &[Waiting],
) -> std::result::Result<Vec<bool>, rusqlite::Error> {
    if fault::fails("cases.write") {
        return Err(failed());
    }
    let transaction = connection.transaction()?;
    let mut stored = Vec::with_capacity(batch.len());
    for (change, _) in batch {
        let exchange = change.exchange.as_bytes();
        let lodge = i64::from(change.lodge);
        let changed = match change.before {
            None => transaction
                .prepare_cached(
                    "INSERT INTO cases (exchange, version, bytes, lodge) VALUES (?1, 1, ?2, ?3)
                     ON CONFLICT (exchange) DO NOTHING",
                )?
                .execute(params![exchange, change.bytes, lodge])?,
            Some(version) => transaction
                .prepare_cached(
                    "UPDATE cases SET version = version + 1, bytes = ?2, lodge = ?3
                     WHERE exchange = ?1 AND version = ?4",
                )?
                .execute(params![exchange, change.bytes, lodge, version])?,
        };
        if let (1, Some(entry)) = (changed, &change.entry) {
            transaction
                .prepare_cached("INSERT INTO to_log (entry) VALUES (?1)")?
                .execute([entry])?;
        }
        stored.push(changed == 1);
    }
    fault::point("verdict.before");
    transaction.commit()?;
    fault::point("verdict.after");
    Ok(stored)
}

impl Cases for FileCases {
    fn file(&self) -> Option<&Path> {
        Some(&self.file)
    }

    fn size(&self) -> Result<u64> {
        let size = self.file.metadata().map(|it| it.len());
        size.map_err(|error| CasesError(error.to_string()))
    }

    fn load(&self, exchange: &Digest) -> Result<Option<Row>> {
        if fault::fails("cases.read") {
            return Err(failed().into());
        }
        let reader = self.reader()?;
        let mut statement =
            reader.prepare_cached("SELECT version, bytes FROM cases WHERE exchange = ?1")?;
        let row = |row: &rusqlite::Row<'_>| Ok(Row { version: row.get(0)?, bytes: row.get(1)? });
        Ok(statement.query_row([exchange.as_bytes()], row).optional()?)
    }

    fn store(&self, change: Change) -> Result<bool> {
        let closed = || CasesError("it has been closed".into());
        let (done, outcome) = sync_channel(1);
        self.queue.put((change, done)).map_err(|_| closed())?;
        outcome.recv().map_err(|_| closed())?
    }

    fn submitted(&self, request: &Digest, decide_by: Timestamp) -> Result<Timestamp> {
        let reader = self.reader()?;
        reader.execute(
            "INSERT INTO submissions VALUES (?1, ?2) ON CONFLICT (request) DO NOTHING",
            params![request.as_bytes(), decide_by.millis().cast_signed()],
        )?;
        let stored: i64 = reader.query_row(
            "SELECT decide_by FROM submissions WHERE request = ?1",
            [request.as_bytes()],
            |row| row.get(0),
        )?;
        Timestamp::from_millis(stored.cast_unsigned()).map_err(|it| CasesError(it.to_string()))
    }

    fn to_log(&self, most: u32) -> Result<Vec<(i64, Vec<u8>)>> {
        let reader = self.reader()?;
        let mut statement =
            reader.prepare_cached("SELECT number, entry FROM to_log ORDER BY number LIMIT ?1")?;
        let rows = statement.query_map([most], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn waits(&self, entries: &[Vec<u8>]) -> Result<bool> {
        let reader = self.reader()?;
        let mut statement = reader.prepare_cached("SELECT 1 FROM to_log WHERE entry = ?1")?;
        for entry in entries {
            if statement.exists([entry])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn published(&self) -> Result<Option<Head>> {
        let reader = self.reader()?;
        // A file of an earlier version that is only looked at has no such table.
        if !reader.table_exists(None, "published")? {
            return Ok(None);
        }
        let head = |row: &rusqlite::Row<'_>| {
            let (size, root): (i64, _) = (row.get(0)?, row.get(1)?);
            Ok(Head { size: size.cast_unsigned(), root: Digest::from_bytes(root) })
        };
        Ok(reader.query_row("SELECT size, root FROM published", [], head).optional()?)
    }

    fn after(&self, exchange: Option<&Digest>, most: u32) -> Result<Vec<(Digest, Row)>> {
        let reader = self.reader()?;
        let mut statement = reader.prepare_cached(
            "SELECT exchange, version, bytes FROM cases WHERE exchange > ?1
             ORDER BY exchange LIMIT ?2",
        )?;
        let begin = exchange.map_or(&[][..], |it| it.as_bytes());
        let rows = statement.query_map(params![begin, most], named_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn logged(&self, numbers: &[i64], head: Head) -> Result<()> {
        let mut reader = self.reader()?;
        let transaction = reader.transaction()?;
        transaction
            .prepare_cached(
                "INSERT INTO published (one, size, root) VALUES (1, ?1, ?2)
             ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root",
            )?
            .execute(params![head.size.cast_signed(), head.root.as_bytes()])?;
        for number in numbers {
            let mut statement =
                transaction.prepare_cached("DELETE FROM to_log WHERE number = ?1")?;
            statement.execute([number])?;
        }
        Ok(transaction.commit()?)
    }

    fn to_lodge(&self, most: u32) -> Result<Vec<(Digest, Row)>> {
        let reader = self.reader()?;
        let mut statement = reader.prepare_cached(
            "SELECT exchange, version, bytes FROM cases WHERE lodge = 1 LIMIT ?1",
        )?;
        let rows = statement.query_map([most], named_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn lodged(&self, exchange: &Digest) -> Result<()> {
        let sql = "UPDATE cases SET lodge = 0 WHERE exchange = ?1";
        self.reader()?.execute(sql, [exchange.as_bytes()])?;
        Ok(())
    }
}
