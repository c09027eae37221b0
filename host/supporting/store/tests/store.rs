//! Whoever looks changes nothing; whoever works with a store has it alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY) STRICT;";

/// Everything in a folder: names and bytes.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap());
    files
        .map(|it| (it.file_name().into_string().unwrap(), std::fs::read(it.path()).unwrap()))
        .collect()
}

fn count(store: &Connection) -> i64 {
    store.query_row("SELECT count(*) FROM names", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_look_sees_what_is_there_and_changes_nothing_whatever_a_crash_has_left() {
    let folder = tempfile::tempdir().unwrap();
    // With characters that mean something in an address.
    let file = folder.path().join("what? 100% #1.sqlite");
    let store = semper_store::open(&file, SCHEMA).unwrap();
    store.execute("INSERT INTO names VALUES ('Anna')", []).unwrap();

    // A crash leaves the log as it is.
    let crashed = tempfile::tempdir().unwrap();
    for (name, bytes) in everything(folder.path()) {
        std::fs::write(crashed.path().join(name), bytes).unwrap();
    }
    drop(store);

    for place in [folder.path(), crashed.path()] {
        let before = everything(place);
        let seen = semper_store::look(&place.join(file.file_name().unwrap()), SCHEMA).unwrap();
        assert_eq!(count(&seen), 1);
        assert!(seen.execute("INSERT INTO names VALUES ('Berta')", []).is_err());
        drop(seen);
        assert_eq!(everything(place), before);
    }
}

#[test]
fn a_look_beside_somebody_who_writes_sees_what_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    let store = semper_store::open(&file, SCHEMA).unwrap();
    for number in 0..20 {
        store.execute("INSERT INTO names VALUES (?1)", [number.to_string()]).unwrap();
        assert_eq!(count(&semper_store::look(&file, SCHEMA).unwrap()), number + 1);
    }
}

#[test]
fn what_is_no_store_is_refused_and_what_is_gone_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    let store = semper_store::open(&file, SCHEMA).unwrap();
    drop(store);
    semper_store::probe(&file).unwrap();

    std::fs::write(&file, [7; 8_192]).unwrap();
    assert!(semper_store::look(&file, SCHEMA).is_err());
    assert!(semper_store::probe(&file).is_err());
    std::fs::remove_file(&file).unwrap();
    let gone = semper_store::probe(&file).unwrap_err().to_string();
    assert!(gone.contains("not there any more"), "{gone}");
}

#[test]
fn a_store_is_its_owners_alone_also_one_of_before_that_was_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();

    let store = semper_store::open(&file, SCHEMA).unwrap();
    store.execute("INSERT INTO names VALUES ('Anna')", []).unwrap();

    let files = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap());
    let modes: Vec<u32> =
        files.map(|it| it.metadata().unwrap().permissions().mode() & 0o777).collect();
    assert_eq!(modes, [0o600; 3]);
}
