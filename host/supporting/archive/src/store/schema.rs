//! The tables, their migrations, and how a file is opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use semper_base::text::counted;

use super::{ArchiveError, translate};

/// Each entry brings the file from format n to n + 1; entries are never changed, only added.
const MIGRATIONS: [&str; 7] = [FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH];

const FIRST: &str = "
    CREATE TABLE openings (
        nonce   BLOB PRIMARY KEY CHECK (length(nonce) = 32),
        deal    BLOB,
        side    TEXT NOT NULL,
        address TEXT NOT NULL,
        state   BLOB NOT NULL
    ) STRICT;
    CREATE INDEX openings_by_deal ON openings (deal);
    CREATE TABLE deals (
        id        BLOB PRIMARY KEY CHECK (length(id) = 32),
        side      TEXT NOT NULL CHECK (side IN ('buyer', 'seller')),
        peer      TEXT NOT NULL,
        address   TEXT NOT NULL,
        terms     BLOB NOT NULL,
        agreement BLOB NOT NULL,
        state     TEXT NOT NULL,
        note      TEXT NOT NULL,
        opened    INTEGER NOT NULL,
        changed   INTEGER NOT NULL,
        channel   BLOB
    ) STRICT;
    CREATE INDEX deals_by_state ON deals (state, opened);
    CREATE TABLE journal (
        deal    BLOB NOT NULL REFERENCES deals (id),
        seq     INTEGER NOT NULL,
        record  BLOB NOT NULL,
        request BLOB NOT NULL,
        result  BLOB NOT NULL,
        PRIMARY KEY (deal, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE messages (
        deal   BLOB NOT NULL REFERENCES deals (id),
        sent   INTEGER NOT NULL,
        seq    INTEGER NOT NULL,
        digest BLOB NOT NULL,
        bytes  BLOB NOT NULL,
        wire   BLOB NOT NULL,
        PRIMARY KEY (deal, sent, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE evidence (
        number  INTEGER PRIMARY KEY,
        deal    BLOB REFERENCES deals (id),
        kind    TEXT NOT NULL,
        digest  BLOB NOT NULL UNIQUE,
        signer  TEXT NOT NULL,
        summary TEXT NOT NULL,
        stored  INTEGER NOT NULL,
        bytes   BLOB NOT NULL
    ) STRICT;
    CREATE INDEX evidence_by_deal ON evidence (deal);
    CREATE TABLE preferences (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE highest (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
";

/// The waits of a deal, so that waiting ones cost nothing at a start; where its present run
/// begins; the person's wish to leave.
const SECOND: &str = "
    ALTER TABLE deals ADD COLUMN asleep INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE deals ADD COLUMN wake_at INTEGER;
    ALTER TABLE deals ADD COLUMN question BLOB;
    ALTER TABLE deals ADD COLUMN cancel TEXT;
    ALTER TABLE deals ADD COLUMN begins INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX deals_peers ON deals (peer);
    CREATE INDEX deals_awake ON deals (opened) WHERE state = 'running' AND asleep = 0;
    CREATE INDEX deals_timers ON deals (wake_at)
        WHERE state = 'running' AND wake_at IS NOT NULL;
    CREATE INDEX deals_questions ON deals (question) WHERE question IS NOT NULL;
    CREATE INDEX deals_cancelled ON deals (id) WHERE state = 'running' AND cancel IS NOT NULL;
";

/// Fair exchanges, each as its machine stands.
const THIRD: &str = "
    CREATE TABLE exchanges (
        id      BLOB PRIMARY KEY CHECK (length(id) = 32),
        deal    BLOB NOT NULL REFERENCES deals (id),
        state   BLOB NOT NULL,
        open    INTEGER NOT NULL,
        ended   TEXT,
        changed INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX exchanges_by_deal ON exchanges (deal);
    CREATE INDEX exchanges_open ON exchanges (id) WHERE open = 1;
";

/// The configuration that each deal began with; which message a deal waits for.
const FOURTH: &str = "
    CREATE TABLE bases (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
        bytes  BLOB NOT NULL
    ) STRICT;
    ALTER TABLE deals ADD COLUMN basis BLOB REFERENCES bases (digest);
    ALTER TABLE deals ADD COLUMN wake_message INTEGER;
";

/// How the other side was seen when a deal was opened: what its policies were asked by.
const FIFTH: &str = "
    ALTER TABLE deals ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE deals ADD COLUMN suspicious INTEGER NOT NULL DEFAULT 0;
";

/// What the archive is listed and searched by: an entry for each piece of evidence, the money that
/// has moved by it, and an index of words. Evidence that is there gets its entries in steps, when a
/// list is asked for first (`entries::book`).
const SIXTH: &str = "
    CREATE TABLE entries (
        number   INTEGER PRIMARY KEY REFERENCES evidence (number),
        stored   INTEGER NOT NULL,
        peer     TEXT NOT NULL,
        kind     TEXT NOT NULL,
        state    TEXT NOT NULL,
        minor    INTEGER,
        currency TEXT,
        ways     INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_date ON entries (stored, number);
    CREATE INDEX entries_by_peer ON entries (peer, number);
    CREATE INDEX entries_moved ON entries (number) WHERE ways <> 0;
    CREATE TABLE moved (
        number   INTEGER NOT NULL REFERENCES entries (number),
        month    TEXT NOT NULL,
        currency TEXT NOT NULL,
        system   TEXT NOT NULL,
        way      INTEGER NOT NULL,
        minor    INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX moved_by_number ON moved (number);
    CREATE INDEX moved_by_month ON moved (month, currency, system, way, minor);
    CREATE VIRTUAL TABLE entries_words USING fts5 (
        words, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
    );
";

/// Business applications, and the purchases that they and links have begun. One that is not paired any
/// more has no token; its number stays with its purchases.
const SEVENTH: &str = "
    CREATE TABLE applications (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name   TEXT NOT NULL,
        token  BLOB CHECK (length(token) = 32),
        may    TEXT NOT NULL,
        origin TEXT,
        paired INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX applications_by_name ON applications (name) WHERE token IS NOT NULL;
    CREATE UNIQUE INDEX applications_by_token ON applications (token) WHERE token IS NOT NULL;
    CREATE TABLE proposals (
        nonce       BLOB PRIMARY KEY CHECK (length(nonce) = 32),
        application INTEGER REFERENCES applications (number),
        by          TEXT NOT NULL,
        address     TEXT NOT NULL,
        begun       INTEGER NOT NULL,
        answers     BLOB NOT NULL,
        outcome     TEXT NOT NULL
    ) STRICT;
    CREATE INDEX proposals_by_application ON proposals (application, begun);
    CREATE TABLE proposed (
        nonce    BLOB NOT NULL REFERENCES proposals (nonce),
        topic    TEXT NOT NULL,
        question BLOB NOT NULL,
        PRIMARY KEY (nonce, topic)
    ) STRICT;
";

/// Opens for writing: makes, migrates and checks the file.
pub(super) fn open(path: &Path, quota: Option<u32>) -> Result<Connection, ArchiveError> {
    let failed = |error: rusqlite::Error| translate(path, &error);
    make_private(path)?;
    let mut connection = Connection::open(path).map_err(failed)?;
    prepare(&connection).map_err(|error| explain(translate(path, &error)))?;
    check(&connection, path).map_err(explain)?;
    migrate(&mut connection, path)?;
    if let Some(pages) = quota {
        connection.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    }
    Ok(connection)
}

/// Opens for copying the write-ahead log.
pub(super) fn copier(path: &Path) -> Result<Connection, ArchiveError> {
    let failed = |error: rusqlite::Error| translate(path, &error);
    let connection = Connection::open(path).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    Ok(connection)
}

/// Opens for reading only.
pub(super) fn reader(path: &Path) -> Result<Connection, ArchiveError> {
    let failed = |error: rusqlite::Error| translate(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    semper_store::steady(&connection).map_err(failed)?;
    Ok(connection)
}

/// Opens for a look at what is there: see [`semper_store::look`]. `whole` checks all of the file.
pub(super) fn look(path: &Path, whole: bool) -> Result<Connection, ArchiveError> {
    let failed = |error: rusqlite::Error| explain(translate(path, &error));
    let connection = semper_store::look(path, &MIGRATIONS.concat()).map_err(failed)?;
    if path.exists() {
        if whole {
            check(&connection, path).map_err(explain)?;
        }
        known_format(&connection, path)?;
    }
    Ok(connection)
}

/// An archive holds what nobody else may read; SQLite gives its side files the same mode.
fn make_private(path: &Path) -> Result<(), ArchiveError> {
    semper_store::make_private(path)
        .map_err(|error| ArchiveError::Sqlite { path: path.to_owned(), detail: error.to_string() })
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    semper_store::steady(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A thread of its own copies the log; the writer only when that has fallen far behind.
    connection.pragma_update(None, "wal_autocheckpoint", 20_000)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn check(connection: &Connection, path: &Path) -> Result<(), ArchiveError> {
    let detail: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| translate(path, &error))?;
    if detail == "ok" {
        return Ok(());
    }
    Err(ArchiveError::Corrupt { path: path.to_owned(), detail })
}

/// The same error; of a damaged archive it says which tables are, and what can be saved.
fn explain(error: ArchiveError) -> ArchiveError {
    let ArchiveError::Corrupt { path, detail } = error else { return error };
    let detail = damage(&path)
        .unwrap_or_else(|_| format!("the list of its tables cannot be read ({detail})"));
    ArchiveError::Corrupt { path, detail }
}

/// Which tables are damaged, and what can be saved: whole tables, and of the others the rows that
/// can still be read.
fn damage(path: &Path) -> rusqlite::Result<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Without this SQLite reads nothing of a file that has lost its end.
    connection.pragma_update(None, "writable_schema", true)?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let names: Vec<String> =
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    // The index of words can be made again of the evidence.
    let ours = |name: &&String| !name.starts_with("sqlite_") && !name.starts_with("entries_words");
    for name in names.iter().filter(ours) {
        let check = format!("PRAGMA integrity_check('{name}')");
        let word = connection.query_row(&check, [], |row| row.get::<_, String>(0));
        let (rows, to_the_end) = readable(&connection, name, "");
        if to_the_end && matches!(word, Ok(word) if word == "ok") {
            whole.push(format!("{name} ({})", counted(rows, "row", "rows")));
        } else {
            let behind = if to_the_end { 0 } else { behind_damage(&connection, name) };
            damaged.push(format!("{name} ({})", counted(rows + behind, "row", "rows")));
        }
    }
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    Ok(format!("damaged: {}, as far as they can be read; whole: {}", list(&damaged), list(&whole)))
}

/// How many rows of a table can be read in this order, and whether that is to its end.
fn readable(connection: &Connection, table: &str, order: &str) -> (usize, bool) {
    let sql = format!("SELECT * FROM {table} NOT INDEXED {order}");
    let Ok(mut rows) = connection.prepare(&sql) else { return (0, false) };
    let Ok(mut rows) = rows.query([]) else { return (0, false) };
    let mut count = 0;
    loop {
        match rows.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, true),
            Err(_) => return (count, false),
        }
    }
}

/// How many rows can be read from a table's end backwards, up to the damage.
fn behind_damage(connection: &Connection, table: &str) -> usize {
    let sql = "SELECT group_concat(name || ' DESC', ', ') FROM
               (SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk)";
    let key = connection.query_row(sql, [table], |row| row.get::<_, String>(0));
    let (rows, _) = readable(connection, table, "ORDER BY rowid DESC");
    match key {
        // A table without row numbers is kept in the order of its key.
        Ok(key) if rows == 0 => readable(connection, table, &format!("ORDER BY {key}")).0,
        _ => rows,
    }
}

/// The number of the file's format, if this program knows it.
fn known_format(connection: &Connection, path: &Path) -> Result<i64, ArchiveError> {
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| translate(path, &error))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(ArchiveError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), ArchiveError> {
    let failed = |error: rusqlite::Error| translate(path, &error);
    let found = known_format(connection, path)?;
    for (index, script) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let at_once = TransactionBehavior::Immediate;
        let transaction = connection.transaction_with_behavior(at_once).map_err(failed)?;
        // Another process that has opened the file meanwhile may have done it.
        if known_format(&transaction, path)? > index as i64 {
            continue;
        }
        transaction.execute_batch(script).map_err(failed)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
