//! Looks into the stores of processes that run.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// A store, to be looked into.
pub(crate) fn open(file: &Path) -> Connection {
    let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    store.busy_timeout(Duration::from_secs(20)).unwrap();
    store
}

/// Answers one question of SQL by a number.
pub(crate) fn ask(file: &Path, sql: &str) -> i64 {
    open(file).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Answers one question of SQL by rows of texts.
pub(crate) fn rows(file: &Path, sql: &str) -> Vec<Vec<String>> {
    let store = open(file);
    let mut asked = store.prepare(sql).unwrap();
    let width = asked.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..width).map(|it| row.get::<_, String>(it)).collect();
    asked.query_map([], row).unwrap().map(Result::unwrap).collect()
}
