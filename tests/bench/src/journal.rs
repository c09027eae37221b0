//! A journaled call and a plain one; group commit and one commit each.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use semper_archive::{Archive, DealRow, JournalRow, Write};
use semper_base::{DealId, Digest, Timestamp};
use semper_items::Side;
use semper_runtime::journal::Journal;
use semper_trust::{Limit, Limits};

const CALLS: u32 = 2_000;

pub fn run() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let archive = Archive::open_file(&folder.path().join("archive.sqlite"))?;
    let deals: Vec<DealId> =
        (0..64_u64).map(|n| DealId::new(Digest::of(&n.to_be_bytes()))).collect();
    for deal in &deals {
        archive.commit(vec![Write::NewDeal(Box::new(row(*deal)))])?;
    }

    let plain = super::each(CALLS * 100, || {
        black_box(Timestamp::now());
    });
    let mut journal = Journal::load(&archive, deals[0], 0, limits())?;
    let read = super::each(CALLS, || {
        let now = journal.read("now", &(), || Ok(Timestamp::now()));
        black_box(now.is_ok());
    });
    super::row(
        "a journaled read (committed with the next effect) vs a plain host call",
        read,
        plain,
    );
    let over = read.saturating_sub(plain);
    super::note(
        "a journaled read, over the plain host call (target: 3 µs)",
        &format!("{over:.1?}"),
    );
    let effect = super::each(200, || {
        let done = journal.effect("send", &1, |_| Ok((1, Vec::new())));
        black_box(done.is_ok());
    });
    super::row("a journaled effect (two durable commits) vs a plain host call", effect, plain);
    replay(&archive, deals[1])?;
    commits(&archive, &deals)
}

/// Limits that do not matter here.
fn limits() -> Limits {
    let most = 1 << 40;
    Limits::default().with(Limit::Records, most).with(Limit::JournalBytes, most)
}

/// Records a second that a journal answers from, each checked and chained.
fn replay(archive: &Archive, deal: DealId) -> Result<(), Box<dyn Error>> {
    const RECORDS: u32 = 200_000;
    let mut journal = Journal::load(archive, deal, 0, limits())?;
    for _ in 0..RECORDS {
        journal.read("now", &(), || Ok(Timestamp::now()))?;
    }
    archive.commit(journal.take_pending())?;
    let start = Instant::now();
    let mut journal = Journal::load(archive, deal, 0, limits())?;
    let loaded = start.elapsed();
    let start = Instant::now();
    for _ in 0..RECORDS {
        black_box(journal.read("now", &(), || Ok(Timestamp::now()))?);
    }
    let replayed = start.elapsed();
    let rate = f64::from(RECORDS) / replayed.as_secs_f64();
    let with = f64::from(RECORDS) / (loaded + replayed).as_secs_f64();
    super::note(
        "replay: records a second, checked and chained (target: 200,000)",
        &format!("{rate:.0}; {with:.0} with reading them from the archive"),
    );
    Ok(())
}

/// Appends by 1, 8 and 64 deals at once, against one SQLite commit each.
fn commits(archive: &Archive, deals: &[DealId]) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let connection = rusqlite::Connection::open(folder.path().join("bare.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE journal (seq INTEGER PRIMARY KEY, record BLOB)")?;
    let mut seq = 0_i64;
    let bare = super::each(CALLS, || {
        seq += 1;
        let done = connection.execute(
            "INSERT INTO journal VALUES (?1, ?2)",
            rusqlite::params![seq, vec![0_u8; 300]],
        );
        black_box(done.is_ok());
    });
    for writers in [1_usize, 8, 64] {
        let each = u64::from(CALLS) / writers as u64;
        let start = Instant::now();
        std::thread::scope(|scope| {
            for deal in &deals[..writers] {
                scope.spawn(move || {
                    for seq in 0..each {
                        let row = JournalRow {
                            deal: *deal,
                            seq: 10_000_000 * (writers as u64 + 1) + seq,
                            record: vec![0; 300],
                            request: Vec::new(),
                            result: Vec::new(),
                        };
                        black_box(archive.commit(vec![Write::Journal(row)]).is_ok());
                    }
                });
            }
        });
        let per: Duration = start.elapsed() / CALLS;
        let figure = format!("journal append, {writers} deals at once vs one SQLite commit each");
        super::row(&figure, per, bare);
    }
    Ok(())
}

fn row(id: DealId) -> DealRow {
    let now = Timestamp::now();
    DealRow::opened(id, Side::Buyer, ("Otto", ""), Digest::ZERO, Vec::new(), now)
}
