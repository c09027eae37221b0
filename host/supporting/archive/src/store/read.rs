//! Reading: deals, journals, messages, exchanges, evidence. Readers have connections of their
//! own, so that they never wait for the writer.

use rusqlite::{OptionalExtension as _, Params, Row, params};
use semper_base::{DealId, Digest, ExchangeId, Timestamp, fault};
use semper_items::Side;

use super::{Archive, ArchiveError};
use crate::rows::{
    DealRow, DealState, EvidenceRow, ExchangeRow, JournalRow, MessageRow, OpeningRow, Seen, Waits,
};

const DEAL: &str = "id, side, peer, address, terms, agreement, state, note, opened, changed, \
    asleep, wake_at, question, cancel, begins, wake_message, basis, known,
    suspicious";

impl Archive {
    /// The deal with this id, if there is one.
    pub fn deal(&self, id: DealId) -> Result<Option<DealRow>, ArchiveError> {
        let sql = format!("SELECT {DEAL} FROM deals WHERE id = ?1");
        Ok(self.rows(&sql, [id.digest().as_bytes()], deal)?.pop())
    }

    /// On which side of a deal we are, and whether there is something new in it for whoever has our
    /// messages up to a number: another one, or its end.
    pub fn news(&self, id: DealId, after: u64) -> Result<Option<(Side, bool)>, ArchiveError> {
        let sql = "SELECT side, state <> 'running' OR EXISTS (SELECT 1 FROM messages
                   WHERE deal = ?1 AND sent = 1 AND seq > ?2) FROM deals WHERE id = ?1";
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let found = self.rows(sql, params![id.digest().as_bytes(), after], |row| {
            Ok((side(row, 0)?, row.get(1)?))
        });
        Ok(found?.pop())
    }

    /// All deals, newest first.
    pub fn deals(&self) -> Result<Vec<DealRow>, ArchiveError> {
        self.rows(&format!("SELECT {DEAL} FROM deals ORDER BY opened DESC, id"), [], deal)
    }

    /// At most `most` deals, newest first, from number `from` on; and how many there are.
    pub fn deals_page(
        &self,
        from: usize,
        most: usize,
    ) -> Result<(Vec<DealRow>, usize), ArchiveError> {
        let sql = format!("SELECT {DEAL} FROM deals ORDER BY opened DESC, id LIMIT ?1 OFFSET ?2");
        let rows = self.rows(&sql, params![most as i64, from as i64], deal)?;
        let all = self.rows("SELECT count(*) FROM deals", [], |row| row.get::<_, i64>(0))?.pop();
        Ok((rows, all.and_then(|all| usize::try_from(all).ok()).unwrap_or(0)))
    }

    /// Deals that have not ended, oldest first.
    pub fn running(&self) -> Result<Vec<DealRow>, ArchiveError> {
        let sql = format!("SELECT {DEAL} FROM deals WHERE state = 'running' ORDER BY opened, id");
        self.rows(&sql, [], deal)
    }

    /// Everybody from whom this home has bought.
    pub fn merchants(&self) -> Result<Vec<String>, ArchiveError> {
        let sql = "SELECT DISTINCT peer FROM deals WHERE side = 'buyer' ORDER BY peer";
        self.rows(sql, [], |row| row.get(0))
    }

    /// The merchants of a buyer's deals, the latest first, with the address of the latest deal and how
    /// many there were; at most so many.
    pub fn merchants_met(&self, most: usize) -> Result<Vec<(String, String, u64)>, ArchiveError> {
        let sql = "SELECT peer, address, count(*), max(opened) AS last FROM deals
                   WHERE side = 'buyer' GROUP BY peer ORDER BY last DESC LIMIT ?1";
        self.rows(sql, [most as i64], |row| Ok((row.get(0)?, row.get(1)?, number(row, 2)?)))
    }

    /// Whether there has been a deal with this peer.
    pub fn knows(&self, peer: &str) -> Result<bool, ArchiveError> {
        let sql = "SELECT 1 FROM deals WHERE peer = ?1 LIMIT 1";
        Ok(self.rows(sql, [peer], |_| Ok(()))?.pop().is_some())
    }

    /// Running deals that are not asleep, oldest first: what a start of the host has to run.
    pub fn awake(&self) -> Result<Vec<DealId>, ArchiveError> {
        let sql = "SELECT id FROM deals WHERE state = 'running' AND asleep = 0 ORDER BY opened";
        self.rows(sql, [], id)
    }

    /// Deals whose date has come, longest ago first, at most so many.
    pub fn due(&self, now: Timestamp, most: usize) -> Result<Vec<DealId>, ArchiveError> {
        let sql = "SELECT id FROM deals WHERE state = 'running' AND wake_at IS NOT NULL
                   AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
        self.rows(sql, params![now.millis() as i64, most as i64], id)
    }

    /// The next date that a deal waits for.
    pub fn next_date(&self) -> Result<Option<Timestamp>, ArchiveError> {
        let sql = "SELECT wake_at FROM deals WHERE state = 'running' AND wake_at IS NOT NULL
                   ORDER BY wake_at LIMIT 1";
        Ok(self.rows(sql, [], |row| stamp(row, 0))?.pop())
    }

    /// The reason for which the person wants to leave a running deal, if its service has not
    /// been told yet.
    pub fn cancel(&self, id: DealId) -> Result<Option<String>, ArchiveError> {
        let sql = "SELECT cancel FROM deals WHERE id = ?1 AND cancel IS NOT NULL";
        Ok(self.rows(sql, [id.digest().as_bytes()], |row| row.get(0))?.pop())
    }

    /// Whether a deal's service has been told that the person wants to leave.
    pub fn was_told(&self, id: DealId) -> Result<bool, ArchiveError> {
        Ok(self.highest(&super::write::told(id))?.is_some())
    }

    /// The deals that wait for the answer to a question; of every question without one.
    pub fn asking(&self, question: Option<Digest>) -> Result<Vec<DealId>, ArchiveError> {
        match question {
            Some(question) => {
                let sql = "SELECT id FROM deals WHERE question = ?1";
                self.rows(sql, [question.as_bytes()], id)
            }
            None => self.rows("SELECT id FROM deals WHERE question IS NOT NULL", [], id),
        }
    }

    /// Running deals that the person wants to leave and whose services do not know yet.
    pub fn cancelled(&self) -> Result<Vec<DealId>, ArchiveError> {
        let sql = "SELECT id FROM deals WHERE state = 'running' AND cancel IS NOT NULL";
        self.rows(sql, [], id)
    }

    /// The exchange with this id, if there is one.
    pub fn exchange(&self, id: ExchangeId) -> Result<Option<ExchangeRow>, ArchiveError> {
        let sql = "SELECT id, deal, state, open, ended, changed FROM exchanges WHERE id = ?1";
        Ok(self.rows(sql, [id.digest().as_bytes()], exchange)?.pop())
    }

    /// The exchanges of a deal, those that changed first first.
    pub fn exchanges_of(&self, deal: DealId) -> Result<Vec<ExchangeRow>, ArchiveError> {
        let sql = "SELECT id, deal, state, open, ended, changed FROM exchanges
                   WHERE deal = ?1 ORDER BY changed, id";
        self.rows(sql, [deal.digest().as_bytes()], exchange)
    }

    /// Exchanges for which something is still to be done.
    pub fn open_exchanges(&self) -> Result<Vec<ExchangeId>, ArchiveError> {
        let sql = "SELECT id FROM exchanges WHERE open = 1";
        self.rows(sql, [], |row| Ok(ExchangeId::new(digest(row, 0)?)))
    }

    /// The opening with this nonce.
    pub fn opening(&self, nonce: Digest) -> Result<Option<OpeningRow>, ArchiveError> {
        let sql = "SELECT nonce, deal, side, address, state FROM openings WHERE nonce = ?1";
        Ok(self.rows(sql, [nonce.as_bytes()], opening)?.pop())
    }

    /// The opening that drew up this deal.
    pub fn opening_of(&self, deal: DealId) -> Result<Option<OpeningRow>, ArchiveError> {
        let sql = "SELECT nonce, deal, side, address, state FROM openings WHERE deal = ?1";
        Ok(self.rows(sql, [deal.digest().as_bytes()], opening)?.pop())
    }

    /// All openings, under way or over.
    pub fn openings(&self) -> Result<Vec<OpeningRow>, ArchiveError> {
        self.rows("SELECT nonce, deal, side, address, state FROM openings", [], opening)
    }

    /// A merchant's openings whose deal is not there, some at a time: those after this number, with
    /// their numbers.
    pub fn openings_under_way(
        &self,
        after: i64,
        most: u32,
    ) -> Result<Vec<(i64, OpeningRow)>, ArchiveError> {
        let sql = "SELECT nonce, deal, side, address, state, rowid FROM openings
                   WHERE rowid > ?1 AND side = 'seller' AND state <> x'' ORDER BY rowid LIMIT ?2";
        self.rows(sql, (after, most), |row| Ok((row.get(5)?, opening(row)?)))
    }

    /// The configuration of this name that deals began with.
    pub fn basis(&self, digest: Digest) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.blob("SELECT bytes FROM bases WHERE digest = ?1", [digest.as_bytes()])
    }

    /// A deal's channel state.
    pub fn channel(&self, id: DealId) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.blob("SELECT channel FROM deals WHERE id = ?1", [id.digest().as_bytes()])
    }

    /// A deal's journal, in order, over all its runs.
    pub fn journal(&self, id: DealId) -> Result<Vec<JournalRow>, ArchiveError> {
        self.journal_from(id, 0)
    }

    /// A deal's journal from this record on, in order.
    pub fn journal_from(&self, id: DealId, first: u64) -> Result<Vec<JournalRow>, ArchiveError> {
        let sql = "SELECT deal, seq, record, request, result FROM journal
                   WHERE deal = ?1 AND seq >= ?2 ORDER BY seq";
        self.rows(sql, params![id.digest().as_bytes(), first as i64], |row| {
            Ok(JournalRow {
                deal: id,
                seq: number(row, 1)?,
                record: row.get(2)?,
                request: row.get(3)?,
                result: row.get(4)?,
            })
        })
    }

    /// A message by its direction and number.
    pub fn message(
        &self,
        deal: DealId,
        sent: bool,
        seq: u64,
    ) -> Result<Option<MessageRow>, ArchiveError> {
        let sql = "SELECT deal, sent, seq, digest, bytes, wire FROM messages
                   WHERE deal = ?1 AND sent = ?2 AND seq = ?3";
        Ok(self.rows(sql, params![deal.digest().as_bytes(), sent, seq as i64], message)?.pop())
    }

    /// The newest message of a deal in one direction.
    pub fn last_message(
        &self,
        deal: DealId,
        sent: bool,
    ) -> Result<Option<(u64, Digest)>, ArchiveError> {
        let sql = "SELECT seq, digest FROM messages WHERE deal = ?1 AND sent = ?2
                   ORDER BY seq DESC LIMIT 1";
        let params = params![deal.digest().as_bytes(), sent];
        Ok(self.rows(sql, params, |row| Ok((number(row, 0)?, digest(row, 1)?)))?.pop())
    }

    /// Messages of a deal in one direction with numbers above `after`, in order, at most 100.
    pub fn messages(
        &self,
        deal: DealId,
        sent: bool,
        after: u64,
    ) -> Result<Vec<MessageRow>, ArchiveError> {
        let sql = "SELECT deal, sent, seq, digest, bytes, wire FROM messages
                   WHERE deal = ?1 AND sent = ?2 AND seq > ?3 ORDER BY seq LIMIT 100";
        self.rows(sql, params![deal.digest().as_bytes(), sent, after as i64], message)
    }

    /// Every message of a deal in one direction, in order.
    pub fn all_messages(&self, deal: DealId, sent: bool) -> Result<Vec<MessageRow>, ArchiveError> {
        let mut all: Vec<MessageRow> = Vec::new();
        loop {
            let page = self.messages(deal, sent, all.last().map_or(0, |row| row.seq))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// All evidence, or that of one deal, in the order it came.
    pub fn evidence(&self, deal: Option<DealId>) -> Result<Vec<EvidenceRow>, ArchiveError> {
        let columns = "number, deal, kind, digest, signer, summary, stored, bytes";
        match deal {
            Some(id) => {
                let sql = format!("SELECT {columns} FROM evidence WHERE deal = ?1 ORDER BY number");
                self.rows(&sql, [id.digest().as_bytes()], evidence)
            }
            None => {
                self.rows(&format!("SELECT {columns} FROM evidence ORDER BY number"), [], evidence)
            }
        }
    }

    /// The piece of evidence that has this number.
    pub fn piece(&self, number: i64) -> Result<Option<EvidenceRow>, ArchiveError> {
        let sql = "SELECT number, deal, kind, digest, signer, summary, stored, bytes FROM evidence
                   WHERE number = ?1";
        Ok(self.rows(sql, [number], evidence)?.pop())
    }

    /// The value of a preference, if it is set.
    pub fn preference(&self, key: &str) -> Result<Option<String>, ArchiveError> {
        Ok(self
            .rows("SELECT value FROM preferences WHERE key = ?1", [key], |row| row.get(0))?
            .pop())
    }

    /// The values of all preferences.
    pub fn preferences(&self) -> Result<Vec<String>, ArchiveError> {
        self.rows("SELECT value FROM preferences", [], |row| row.get(0))
    }

    /// The highest number remembered under a key.
    pub fn highest(&self, key: &str) -> Result<Option<u64>, ArchiveError> {
        let sql = "SELECT value FROM highest WHERE key = ?1";
        Ok(self.rows(sql, [key], |row| number(row, 0))?.pop())
    }

    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, ArchiveError> {
        if fault::fails("archive.read") {
            return Err(self.unusable());
        }
        let connection = self.reader();
        let all = || -> rusqlite::Result<Vec<T>> {
            connection.prepare_cached(sql)?.query_map(params, |row| read(row))?.collect()
        };
        all().map_err(|error| self.failed(&error))
    }

    fn blob(&self, sql: &str, params: impl Params) -> Result<Option<Vec<u8>>, ArchiveError> {
        if fault::fails("archive.read") {
            return Err(self.unusable());
        }
        let connection = self.reader();
        let read = || -> rusqlite::Result<Option<Option<Vec<u8>>>> {
            connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()
        };
        read().map(Option::flatten).map_err(|error| self.failed(&error))
    }
}

fn side(row: &Row<'_>, column: usize) -> rusqlite::Result<Side> {
    let word: String = row.get(column)?;
    word.parse()
        .map_err(|_| rusqlite::Error::InvalidColumnType(column, word, rusqlite::types::Type::Text))
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bytes(row.get(column)?))
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

pub(super) fn stamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millis(number(row, column)?)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

fn id(row: &Row<'_>) -> rusqlite::Result<DealId> {
    Ok(DealId::new(digest(row, 0)?))
}

fn deal(row: &Row<'_>) -> rusqlite::Result<DealRow> {
    let state: String = row.get(6)?;
    let state = DealState::parse(&state)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(6, state, rusqlite::types::Type::Text))?;
    Ok(DealRow {
        id: DealId::new(digest(row, 0)?),
        side: side(row, 1)?,
        peer: row.get(2)?,
        address: row.get(3)?,
        terms: digest(row, 4)?,
        agreement: row.get(5)?,
        state,
        note: row.get(7)?,
        opened: stamp(row, 8)?,
        changed: stamp(row, 9)?,
        waits: Waits {
            asleep: row.get(10)?,
            until: match row.get::<_, Option<i64>>(11)? {
                Some(_) => Some(stamp(row, 11)?),
                None => None,
            },
            question: row.get::<_, Option<[u8; 32]>>(12)?.map(Digest::from_bytes),
            cancel: row.get(13)?,
            begins: number(row, 14)?,
            message: row.get::<_, Option<i64>>(15)?.and_then(|it| u64::try_from(it).ok()),
        },
        basis: row.get::<_, Option<[u8; 32]>>(16)?.map(Digest::from_bytes),
        seen: Seen { known: row.get(17)?, suspicious: row.get(18)? },
    })
}

fn exchange(row: &Row<'_>) -> rusqlite::Result<ExchangeRow> {
    Ok(ExchangeRow {
        id: ExchangeId::new(digest(row, 0)?),
        deal: DealId::new(digest(row, 1)?),
        state: row.get(2)?,
        open: row.get(3)?,
        ended: row.get(4)?,
        changed: stamp(row, 5)?,
    })
}

fn opening(row: &Row<'_>) -> rusqlite::Result<OpeningRow> {
    let deal: Option<[u8; 32]> = row.get(1)?;
    Ok(OpeningRow {
        nonce: digest(row, 0)?,
        deal: deal.map(|bytes| DealId::new(Digest::from_bytes(bytes))),
        side: side(row, 2)?,
        address: row.get(3)?,
        state: row.get(4)?,
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        deal: DealId::new(digest(row, 0)?),
        sent: row.get(1)?,
        seq: number(row, 2)?,
        digest: digest(row, 3)?,
        bytes: row.get(4)?,
        wire: row.get(5)?,
    })
}

pub(crate) fn evidence(row: &Row<'_>) -> rusqlite::Result<EvidenceRow> {
    let deal: Option<[u8; 32]> = row.get(1)?;
    Ok(EvidenceRow {
        number: row.get(0)?,
        deal: deal.map(|bytes| DealId::new(Digest::from_bytes(bytes))),
        kind: row.get(2)?,
        digest: digest(row, 3)?,
        signer: row.get(4)?,
        summary: row.get(5)?,
        stored: stamp(row, 6)?,
        bytes: row.get(7)?,
    })
}
