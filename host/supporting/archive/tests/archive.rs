//! What is committed is there; what cannot be committed leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt as _;

use semper_archive::{
    Archive, ArchiveError, DealRow, DealState, ExchangeRow, Home, HomeError, JournalRow,
    MessageRow, Waits, Write,
};
use semper_base::{DealId, Digest, ExchangeId, Mend as _, Timestamp};
use semper_items::Side;

fn deal(name: &str) -> DealRow {
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
    DealRow::opened(
        DealId::new(Digest::of(name.as_bytes())),
        Side::Buyer,
        ("Otto", "https://localhost"),
        Digest::of(b"terms"),
        vec![1],
        now,
    )
}

fn record(deal: DealId, seq: u64, size: usize) -> Write {
    Write::Journal(JournalRow { deal, seq, record: vec![0; size], request: vec![], result: vec![] })
}

#[test]
fn what_was_committed_is_there_after_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.sqlite");
    let row = deal("one");
    {
        let archive = Archive::open_file(&file).unwrap();
        archive.commit(vec![Write::NewDeal(Box::new(row.clone())), record(row.id, 0, 10)]).unwrap();
    }

    let archive = Archive::open_file(&file).unwrap();

    assert_eq!(archive.deals().unwrap(), std::slice::from_ref(&row));
    assert_eq!(archive.journal(row.id).unwrap().len(), 1);
    let mode = file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn a_list_of_writes_is_carried_out_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_file(&folder.path().join("archive.sqlite")).unwrap();
    let row = deal("one");
    archive.commit(vec![Write::NewDeal(Box::new(row.clone())), record(row.id, 0, 1)]).unwrap();

    // Two hosts that run one deal would both append record 0.
    let error = archive
        .commit(vec![Write::Preference("name".into(), "Anna".into()), record(row.id, 0, 1)])
        .unwrap_err();

    assert!(matches!(error, ArchiveError::JournalTaken { seq: 0, .. }), "{error}");
    assert_eq!(archive.preference("name").unwrap(), None);
}

#[test]
fn many_writers_are_committed_in_groups_and_each_hears_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_file(&folder.path().join("archive.sqlite")).unwrap();
    let row = deal("one");
    archive.commit(vec![Write::NewDeal(Box::new(row.clone()))]).unwrap();

    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (archive, id) = (archive.clone(), row.id);
            scope.spawn(move || {
                for seq in 0..20 {
                    let outcome = archive.commit(vec![record(id, writer * 20 + seq, 100)]);
                    assert!(outcome.is_ok());
                }
            });
        }
    });

    assert_eq!(archive.journal(row.id).unwrap().len(), 160);
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.sqlite");
    let row = deal("one");
    {
        let archive = Archive::open_within(&file, Some(40)).unwrap();
        archive.commit(vec![Write::NewDeal(Box::new(row.clone()))]).unwrap();
        let mut stored = 0;
        let error = loop {
            match archive.commit(vec![record(row.id, stored, 4000)]) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };

        assert!(matches!(error, ArchiveError::Full(_)), "{error}");
        assert!(error.mend().contains("make room"));
        assert_eq!(archive.journal(row.id).unwrap().len() as u64, stored);
    }

    // Room has been made: it goes on where it was.
    let archive = Archive::open_file(&file).unwrap();
    let next = archive.journal(row.id).unwrap().len() as u64;
    archive.commit(vec![record(row.id, next, 4000)]).unwrap();
}

#[test]
fn a_damaged_or_newer_archive_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.sqlite");
    drop(Archive::open_file(&file).unwrap());
    let good = std::fs::read(&file).unwrap();

    std::fs::write(&file, b"this is no database, but long enough to look at".repeat(100)).unwrap();
    assert!(matches!(Archive::open_file(&file), Err(ArchiveError::Corrupt { .. })));

    std::fs::write(&file, good).unwrap();
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(Archive::open_file(&file), Err(ArchiveError::Newer { found: 99, .. })));
}

/// An archive with one deal and a hundred journal records of a page or more, in one file.
fn filled(file: &std::path::Path) {
    let archive = Archive::open_file(file).unwrap();
    let row = deal("one");
    archive.commit(vec![Write::NewDeal(Box::new(row.clone()))]).unwrap();
    archive.commit((0..100).map(|seq| record(row.id, seq, 4000)).collect()).unwrap();
    drop(archive);
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// What the error about a damaged archive says.
fn damage(file: &std::path::Path) -> String {
    match Archive::open_file(file) {
        Err(ArchiveError::Corrupt { detail, .. }) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_before_and_behind_the_damage_can_be_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.sqlite");
    filled(&file);
    let connection = rusqlite::Connection::open(&file).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'journal'";
    let root: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let root = root as usize;
    drop(connection);
    let mut bytes = std::fs::read(&file).unwrap();
    let page = &bytes[(root - 1) * 4096..root * 4096];
    // The file format of SQLite, 1.6: cells of an inner page begin with the number of a child.
    assert_eq!(page[0], 2, "an inner page of an index tree");
    let cell = usize::from(u16::from_be_bytes([page[12], page[13]]));
    let child = u32::from_be_bytes(page[cell..cell + 4].try_into().unwrap()) as usize;
    bytes[(child - 1) * 4096..child * 4096].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();

    let said = damage(&file);

    let (damaged, whole) = said.split_once("; whole: ").unwrap();
    let rows = damaged.strip_prefix("damaged: journal (").and_then(|it| it.split_once(" rows)"));
    let rows: usize = rows.unwrap().0.parse().unwrap();
    assert!((1..100).contains(&rows), "{said}");
    assert!(whole.contains("deals (1 row)"), "{said}");
}

#[test]
fn of_a_file_that_has_lost_its_end_the_tables_that_are_left_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.sqlite");
    filled(&file);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&file, &bytes).unwrap();

    let said = damage(&file);

    let (damaged, whole) = said.split_once("; whole: ").unwrap();
    assert!(damaged.contains("journal (") && whole.contains("deals (1 row)"), "{said}");

    // Without its first page nobody knows what the others are.
    bytes[100..4096].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert!(damage(&file).starts_with("the list of its tables cannot be read"));
}

#[test]
fn messages_are_stored_once_under_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_file(&folder.path().join("archive.sqlite")).unwrap();
    let row = deal("one");
    let message = |text: &[u8]| {
        Write::Message(MessageRow {
            deal: row.id,
            sent: true,
            seq: 1,
            digest: Digest::of(text),
            bytes: text.to_vec(),
            wire: text.to_vec(),
        })
    };
    archive.commit(vec![Write::NewDeal(Box::new(row.clone())), message(b"first")]).unwrap();

    archive.commit(vec![message(b"second")]).unwrap();

    assert_eq!(archive.message(row.id, true, 1).unwrap().unwrap().bytes, b"first");
}

#[test]
fn a_home_that_others_can_enter_is_refused_with_the_command_that_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anna");
    let home = Home::create(&path).unwrap();
    home.write("secret", b"hush").unwrap();
    std::fs::set_permissions(path.join("secret"), std::fs::Permissions::from_mode(0o644)).unwrap();

    let error = home.read_secret("secret").unwrap_err();
    assert!(error.mend().starts_with("chmod 600 "), "{}", error.mend());
    assert!(home.read("../outside").is_err());

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = Home::open(&path).unwrap_err();
    assert!(matches!(error, HomeError::Loose { mode: 0o755, .. }), "{error}");
    assert!(error.mend().starts_with("chmod 700 "));
}

#[test]
fn a_deal_sleeps_unless_what_it_waits_for_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_file(&folder.path().join("archive.sqlite")).unwrap();
    let row = deal("sleeper");
    let (id, at) = (row.id, row.opened);
    archive.commit(vec![Write::NewDeal(Box::new(row))]).unwrap();
    assert_eq!(archive.awake().unwrap(), [id]);

    let until = Timestamp::from_millis(at.millis() + 1_000).unwrap();
    let question = Digest::of(b"question");
    let exchange = ExchangeId::new(Digest::of(b"exchange"));
    let sleep = |message| Write::Sleep {
        id,
        note: "waits".into(),
        at,
        message,
        wants_message: true,
        until: Some(until),
        question: Some(question),
        exchange: Some(exchange),
    };
    archive.commit(vec![sleep(Some(1))]).unwrap();
    assert!(archive.awake().unwrap().is_empty());
    assert_eq!(archive.asking(Some(question)).unwrap(), [id]);
    assert_eq!(archive.asking(None).unwrap(), [id]);
    assert_eq!(archive.next_date().unwrap(), Some(until));
    assert!(archive.due(at, 10).unwrap().is_empty());
    assert_eq!(archive.due(until, 10).unwrap(), [id]);

    // A message that comes wakes it; one that was there when it went to sleep keeps it awake.
    let message = MessageRow {
        deal: id,
        sent: false,
        seq: 1,
        digest: Digest::of(b"m"),
        bytes: vec![1],
        wire: vec![],
    };
    archive.commit(vec![Write::Message(message)]).unwrap();
    assert_eq!(archive.awake().unwrap(), [id]);
    archive.commit(vec![sleep(Some(1))]).unwrap();
    assert_eq!(archive.awake().unwrap(), [id]);
    archive.commit(vec![sleep(Some(2))]).unwrap();
    assert!(archive.awake().unwrap().is_empty());

    // The person's wish to leave wakes it, until its service has been told.
    archive.commit(vec![Write::Cancel(id, "too dear".into())]).unwrap();
    assert_eq!((archive.awake().unwrap(), archive.cancelled().unwrap()), (vec![id], vec![id]));
    assert_eq!(archive.cancel(id).unwrap().as_deref(), Some("too dear"));
    archive.commit(vec![Write::Told(id), sleep(Some(2))]).unwrap();
    assert!(archive.awake().unwrap().is_empty() && archive.cancelled().unwrap().is_empty());

    // So does the end of the exchange that it waits for, also if that came just before it slept.
    let mut stands = ExchangeRow {
        id: exchange,
        deal: id,
        state: vec![1],
        open: true,
        ended: None,
        changed: at,
    };
    archive.commit(vec![Write::Exchange(Box::new(stands.clone())), sleep(Some(2))]).unwrap();
    assert!(archive.awake().unwrap().is_empty());
    (stands.open, stands.ended) = (false, Some("done".into()));
    archive.commit(vec![Write::Exchange(Box::new(stands))]).unwrap();
    assert_eq!(archive.awake().unwrap(), [id]);
    archive.commit(vec![sleep(Some(2))]).unwrap();
    assert_eq!(archive.awake().unwrap(), [id], "it would sleep for ever");

    // What has ended waits for nothing and cannot be left.
    let state = DealState::Completed;
    archive.commit(vec![Write::Deal { id, state, note: "done".into(), at }]).unwrap();
    archive.commit(vec![Write::Cancel(id, "late".into())]).unwrap();
    assert!(archive.due(until, 10).unwrap().is_empty() && archive.cancelled().unwrap().is_empty());
    assert!(archive.asking(None).unwrap().is_empty() && archive.next_date().unwrap().is_none());
}

#[test]
fn an_archive_of_the_first_format_is_migrated_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.sqlite");
    let now = 1_790_000_000_000_i64;
    {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch(include_str!("format-1.sql")).unwrap();
        let sql = "INSERT INTO deals VALUES (?1, 'buyer', 'Otto', 'https://localhost', ?2, ?3,
                   'running', 'waits for message 3', ?4, ?4, NULL)";
        let params = rusqlite::params![[7_u8; 32], [8_u8; 32], [1_u8], now];
        connection.execute(sql, params).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
    }
    let archive = Archive::open_file(&file).unwrap();
    let deals = archive.deals().unwrap();
    assert_eq!(deals.len(), 1);
    assert_eq!((deals[0].peer.as_str(), deals[0].note.as_str()), ("Otto", "waits for message 3"));
    // It is run at the first start, and finds out by itself what it waits for.
    assert_eq!(deals[0].waits, Waits::default());
    assert_eq!(archive.awake().unwrap(), [deals[0].id]);
}
