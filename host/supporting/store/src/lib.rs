//! Opening the SQLite files of servers, in one way: private to their owner and durable for whoever
//! works with them ([`open`]); with nothing changed for whoever only looks ([`look`]).
//!
//! ```
//! let folder = tempfile::tempdir().unwrap();
//! let file = folder.path().join("names.sqlite");
//! let schema = "CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY) STRICT;";
//!
//! // A look at a store that is not there yet sees an empty one, and makes none.
//! let count = |store: &rusqlite::Connection| -> i64 {
//!     store.query_row("SELECT count(*) FROM names", [], |row| row.get(0)).unwrap()
//! };
//! assert_eq!(count(&semper_store::look(&file, schema).unwrap()), 0);
//! assert!(!file.exists());
//!
//! let store = semper_store::open(&file, schema).unwrap();
//! store.execute("INSERT INTO names VALUES ('Anna')", []).unwrap();
//! assert_eq!(count(&semper_store::look(&file, schema).unwrap()), 1);
//! ```
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Result, ffi};

/// How long somebody waits for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Every commit is on the disk when it returns, and readers do not wait for writers.
const DURABLE: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
";
/// Statements that a connection keeps: more than any of our stores has.
const STATEMENTS: usize = 128;
/// What SQLite keeps beside a file: its log, the log's index, and the journal of older files.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Opens or makes a store in this file; `schema` makes the tables that are not there.
///
/// # Errors
/// When the file cannot be used, or is no store.
pub fn open(path: &Path, schema: &str) -> Result<Connection> {
    make_private(path).map_err(|error| {
        let reason = ffi::Error::new(ffi::SQLITE_CANTOPEN);
        rusqlite::Error::SqliteFailure(reason, Some(format!("{}: {error}", path.display())))
    })?;
    let store = Connection::open(path)?;
    steady(&store)?;
    store.execute_batch(DURABLE)?;
    store.execute_batch(schema)?;
    Ok(store)
}

/// Opens a store for a look: nothing on the disk changes, neither the file nor what lies beside it.
/// One that is not there is seen as it would be made.
///
/// # Errors
/// When the file cannot be read, or is no store.
pub fn look(path: &Path, schema: &str) -> Result<Connection> {
    if !path.exists() {
        let store = Connection::open_in_memory()?;
        steady(&store)?;
        store.execute_batch(schema)?;
        return Ok(store);
    }
    // A log that is there is somebody's who has it open, also while it is empty: what is in the store
    // may change under whoever takes it for unchanging.
    let is_open = beside(path, "-wal").exists();
    let is_left = beside(path, "-journal").metadata().is_ok_and(|it| it.len() > 0);
    if !is_open && !is_left {
        // Nobody has it open, and no crash has left anything to it: it stays as it is.
        return reading(path, "immutable=1");
    }
    match reading(path, "readonly_shm=1") {
        // Beside somebody who writes now, the log's index may have no place for those who only
        // read; then the look takes one. In a copy that was put back without its index there is
        // none, and whoever closes the store takes it away.
        Err(error) if matches!(error.sqlite_error_code(), Some(it) if is_index(it)) => {
            reading(path, "cache=private")
        }
        read => read,
    }
}

/// Whether it is the index of the write-ahead log that is missing or taken.
fn is_index(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ReadOnly | ErrorCode::CannotOpen)
}

/// A connection that only reads.
fn reading(path: &Path, how: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let address = format!("file:{}?mode=ro&{how}", quoted(path));
    let store = Connection::open_with_flags(address, flags)?;
    steady(&store)?;
    // Read at once: whatever is no store is refused here.
    store.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(store)
}

/// Makes a connection wait for others, and keep what it has prepared: all its statements, and as they
/// were planned, whatever values they are given. Without that SQLite plans a statement anew as often
/// as another value could lead to another plan, which costs more than most statements do. For those
/// who open a store by themselves.
///
/// # Errors
/// When SQLite refuses.
pub fn steady(store: &Connection) -> Result<()> {
    store.busy_timeout(PATIENCE)?;
    store.set_prepared_statement_cache_capacity(STATEMENTS);
    store.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Looks whether a store that was opened is still there and can be read.
///
/// # Errors
/// When it cannot.
pub fn probe(path: &Path) -> Result<()> {
    if path.exists() {
        return look(path, "").map(drop);
    }
    let reason = ffi::Error::new(ffi::SQLITE_CANTOPEN);
    Err(rusqlite::Error::SqliteFailure(reason, Some("the file is not there any more".into())))
}

/// Makes the file of a store, if it is not there, and makes it its owner's alone, with what lies
/// beside it: SQLite gives that the same mode. For those who open it by themselves.
///
/// # Errors
/// When it is not ours to change.
pub fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // Stores of before this was so.
    let all = BESIDE.iter().map(|end| beside(path, end)).chain([path.to_owned()]);
    for file in all {
        match file.metadata() {
            Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
                std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// A path as it stands in an address.
fn quoted(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = path.as_os_str().as_bytes().iter();
    bytes
        .map(|&byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect()
}
