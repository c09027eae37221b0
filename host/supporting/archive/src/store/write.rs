//! Writing: each [`Write`] as SQL, inside the transaction of a group commit.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, params};
use semper_base::DealId;

use super::{ArchiveError, applications, translate};
use crate::entries::{self, Booked};
use crate::rows::{DealRow, EvidenceRow, ExchangeRow, JournalRow, MessageRow, OpeningRow, Write};

pub(super) fn apply(
    connection: &Connection,
    writes: &[Write],
    entries: &[Booked],
    path: &Path,
) -> Result<(), ArchiveError> {
    let mut entries = entries.iter();
    for write in writes {
        let done = match write {
            Write::Evidence(row) => evidence(connection, row, entries.next()),
            write => one(connection, write),
        };
        if let Err(error) = done {
            return Err(match (write, error.sqlite_error_code()) {
                (Write::Journal(row), Some(ErrorCode::ConstraintViolation)) => {
                    ArchiveError::JournalTaken { deal: row.deal.to_string(), seq: row.seq }
                }
                _ => translate(path, &error),
            });
        }
    }
    Ok(())
}

fn one(connection: &Connection, write: &Write) -> rusqlite::Result<usize> {
    match write {
        Write::Opening(row) => opening(connection, AGAIN, row),
        Write::NextOpening(row) => next_opening(connection, row),
        Write::NewOpening(row) => opening(connection, "NOTHING", row),
        Write::Opened(nonce) => connection
            .prepare_cached("UPDATE openings SET state = x'' WHERE nonce = ?1")?
            .execute([nonce.as_bytes()]),
        Write::ForgetOpening(nonce) => connection
            .prepare_cached("DELETE FROM openings WHERE nonce = ?1 AND state <> x''")?
            .execute([nonce.as_bytes()]),
        Write::LeaveOpening(nonce, state) => connection
            .prepare_cached(
                "DELETE FROM openings WHERE nonce = ?1 AND state = ?2 AND state <> x''",
            )?
            .execute(params![nonce.as_bytes(), state]),
        Write::NewDeal(row) => new_deal(connection, row),
        Write::Deal { id, state, note, at } => {
            if state.is_final() {
                entries::ended(connection, id.digest(), state.name())?;
            }
            connection
                .prepare_cached(
                    "UPDATE deals SET state = ?2, note = ?3, changed = ?4, asleep = 0,
                     wake_at = NULL, question = NULL, wake_message = NULL,
                     cancel = CASE ?2 WHEN 'running' THEN cancel END
                 WHERE id = ?1 AND (?2 <> 'running' OR state = 'running')",
                )?
                .execute(params![id.digest().as_bytes(), state.name(), note, at.millis() as i64])
        }
        Write::Basis { digest, bytes } => connection
            .prepare_cached("INSERT INTO bases VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![digest.as_bytes(), bytes]),
        Write::Adopt(digest) => connection
            .prepare_cached(
                "UPDATE deals SET basis = ?1 WHERE basis IS NULL AND state = 'running'",
            )?
            .execute([digest.as_bytes()]),
        Write::Sleep { .. } => sleep(connection, write),
        Write::Cancel(id, reason) => connection
            .prepare_cached(
                "UPDATE deals SET cancel = coalesce(cancel, ?2), asleep = 0
                 WHERE id = ?1 AND state = 'running'",
            )?
            .execute(params![id.digest().as_bytes(), reason]),
        Write::Heard(id) => highest(connection, &told(*id), 1),
        Write::Told(id) => {
            highest(connection, &told(*id), 1)?;
            connection
                .prepare_cached("UPDATE deals SET cancel = NULL WHERE id = ?1")?
                .execute([id.digest().as_bytes()])
        }
        Write::Begins(id, seq) => connection
            .prepare_cached("UPDATE deals SET begins = ?2 WHERE id = ?1")?
            .execute(params![id.digest().as_bytes(), *seq as i64]),
        Write::Channel(id, bytes) => connection
            .prepare_cached("UPDATE deals SET channel = ?2 WHERE id = ?1")?
            .execute(params![id.digest().as_bytes(), bytes]),
        Write::Journal(row) => journal(connection, row),
        Write::Message(row) => message(connection, row),
        Write::Exchange(row) => exchange(connection, row),
        Write::ExchangeClosed(id) => connection
            .prepare_cached("UPDATE exchanges SET open = 0 WHERE id = ?1 AND ended IS NOT NULL")?
            .execute([id.digest().as_bytes()]),
        Write::Evidence(row) => evidence(connection, row, None),
        Write::Preference(key, value) => connection
            .prepare_cached("INSERT OR REPLACE INTO preferences VALUES (?1, ?2)")?
            .execute(params![key, value]),
        Write::Highest(key, value) => highest(connection, key, *value),
        Write::Pair(row) => applications::pair(connection, row),
        Write::Unpair(number) => applications::unpair(connection, *number),
        Write::Propose(row) => applications::propose(connection, row),
        Write::Proposed(nonce, topic, question) => {
            applications::used(connection, *nonce, topic, *question)
        }
    }
}

fn highest(connection: &Connection, key: &str, value: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO highest VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
        )?
        .execute(params![key, value as i64])
}

/// By what it is remembered that a deal's service knows of the person's wish to leave.
pub(super) fn told(id: DealId) -> String {
    format!("told/{}", id.hex())
}

/// Whatever a deal waits for may have come between its last look and this commit. A service that knows
/// of the wish to leave hears of its reason at its next wait; at a question it sleeps.
fn sleep(connection: &Connection, write: &Write) -> rusqlite::Result<usize> {
    let Write::Sleep { id, note, at, message, wants_message, until, question, exchange } = write
    else {
        return Ok(0);
    };
    connection
        .prepare_cached(
            "UPDATE deals SET note = ?2, changed = ?3, wake_at = ?5, question = ?6,
                 wake_message = ?7,
                 asleep = (cancel IS NULL OR ?6 IS NOT NULL AND ?7 IS NULL
                     AND EXISTS (SELECT 1 FROM highest WHERE key = ?9))
                 AND NOT EXISTS (
                     SELECT 1 FROM messages WHERE deal = ?1 AND sent = 0 AND seq = ?4)
                 AND NOT EXISTS (SELECT 1 FROM exchanges WHERE id = ?8 AND ended IS NOT NULL)
             WHERE id = ?1 AND state = 'running'",
        )?
        .execute(params![
            id.digest().as_bytes(),
            note,
            at.millis() as i64,
            message.map(|seq| seq as i64),
            until.map(|until| until.millis() as i64),
            question.as_ref().map(|id| id.as_bytes().as_slice()),
            message.filter(|_| *wants_message).map(|seq| seq as i64),
            exchange.as_ref().map(|id| id.digest().as_bytes().as_slice()),
            told(*id),
        ])
}

/// What becomes of an opening that is there, unless its deal is there already.
const AGAIN: &str = "UPDATE SET deal = excluded.deal, address = excluded.address,
    state = excluded.state WHERE length(openings.state) > 0";

/// `again` says what becomes of an opening that is there.
fn opening(connection: &Connection, again: &str, row: &OpeningRow) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO openings VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (nonce) DO";
    connection.prepare_cached(&format!("{sql} {again}"))?.execute(params![
        row.nonce.as_bytes(),
        row.deal.as_ref().map(|id| id.digest().as_bytes().as_slice()),
        row.side.name(),
        row.address,
        row.state,
    ])
}

fn next_opening(connection: &Connection, row: &OpeningRow) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE openings SET deal = ?2, address = ?3, state = ?4
             WHERE nonce = ?1 AND length(state) > 0",
        )?
        .execute(params![
            row.nonce.as_bytes(),
            row.deal.as_ref().map(|id| id.digest().as_bytes().as_slice()),
            row.address,
            row.state,
        ])
}

fn new_deal(connection: &Connection, row: &DealRow) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO deals (id, side, peer, address, terms, agreement, state, note, opened,
                 changed, basis, known, suspicious)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            row.id.digest().as_bytes(),
            row.side.name(),
            row.peer,
            row.address,
            row.terms.as_bytes(),
            row.agreement,
            row.state.name(),
            row.note,
            row.opened.millis() as i64,
            row.changed.millis() as i64,
            row.basis.as_ref().map(|it| it.as_bytes().as_slice()),
            row.seen.known,
            row.seen.suspicious,
        ])
}

fn journal(connection: &Connection, row: &JournalRow) -> rusqlite::Result<usize> {
    connection.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        row.deal.digest().as_bytes(),
        row.seq as i64,
        row.record,
        row.request,
        row.result,
    ])
}

fn message(connection: &Connection, row: &MessageRow) -> rusqlite::Result<usize> {
    if !row.sent {
        connection
            .prepare_cached("UPDATE deals SET asleep = 0 WHERE id = ?1 AND asleep")?
            .execute([row.deal.digest().as_bytes()])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            row.deal.digest().as_bytes(),
            row.sent,
            row.seq as i64,
            row.digest.as_bytes(),
            row.bytes,
            row.wire,
        ])
}

fn exchange(connection: &Connection, row: &ExchangeRow) -> rusqlite::Result<usize> {
    let deal = row.deal.digest().as_bytes();
    if row.ended.is_some() {
        connection
            .prepare_cached("UPDATE deals SET asleep = 0 WHERE id = ?1 AND asleep")?
            .execute([deal])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO exchanges VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, open = excluded.open,
                 ended = excluded.ended, changed = excluded.changed",
        )?
        .execute(params![
            row.id.digest().as_bytes(),
            deal,
            row.state,
            row.open,
            row.ended,
            row.changed.millis() as i64,
        ])
}

/// Stores evidence and its entry; evidence that is there has its own.
fn evidence(
    connection: &Connection,
    row: &EvidenceRow,
    booked: Option<&Booked>,
) -> rusqlite::Result<usize> {
    let new = connection
        .prepare_cached(
            "INSERT INTO evidence (deal, kind, digest, signer, summary, stored, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (digest) DO NOTHING",
        )?
        .execute(params![
            row.deal.as_ref().map(|id| id.digest().as_bytes().as_slice()),
            row.kind,
            row.digest.as_bytes(),
            row.signer,
            row.summary,
            row.stored.millis() as i64,
            row.bytes,
        ])?;
    if let (1, Some(booked)) = (new, booked) {
        entries::store(connection, connection.last_insert_rowid(), row, booked)?;
    }
    Ok(new)
}
