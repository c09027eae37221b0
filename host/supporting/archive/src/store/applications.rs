//! Business applications that are paired with a home, and what they, or links, have proposed: which
//! purchases they have begun, with which answers beforehand.

use rusqlite::{Connection, Row, params};
use semper_base::Digest;

use super::read::{digest, stamp};
use super::{Archive, ArchiveError};
use crate::rows::{ApplicationRow, ProposalRow};

const PROPOSALS: &str =
    "SELECT nonce, application, by, address, begun, answers, outcome FROM proposals";
const APPLICATIONS: &str = "SELECT number, name, token, may, origin, paired FROM applications
                            WHERE token IS NOT NULL";

impl Archive {
    /// The applications that are paired, by their names.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn applications(&self) -> Result<Vec<ApplicationRow>, ArchiveError> {
        self.rows(&format!("{APPLICATIONS} ORDER BY name"), [], application)
    }

    /// The application with a token of this digest.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn application(&self, token: Digest) -> Result<Option<ApplicationRow>, ArchiveError> {
        let sql = format!("{APPLICATIONS} AND token = ?1");
        Ok(self.rows(&sql, [token.as_bytes()], application)?.pop())
    }

    /// Whether the application with this number is still paired.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn is_paired(&self, number: i64) -> Result<bool, ArchiveError> {
        let sql = format!("{APPLICATIONS} AND number = ?1");
        Ok(self.rows(&sql, [number], |_| Ok(()))?.pop().is_some())
    }

    /// What was proposed for the deal with this nonce.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn proposal(&self, nonce: Digest) -> Result<Option<ProposalRow>, ArchiveError> {
        let sql = format!("{PROPOSALS} WHERE nonce = ?1");
        Ok(self.rows(&sql, [nonce.as_bytes()], proposal)?.pop())
    }

    /// The purchases that an application has begun, the latest first, at most so many.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn proposals_of(
        &self,
        application: i64,
        most: usize,
    ) -> Result<Vec<ProposalRow>, ArchiveError> {
        let sql =
            format!("{PROPOSALS} WHERE application = ?1 ORDER BY begun DESC, rowid DESC LIMIT ?2");
        self.rows(&sql, params![application, most as i64], proposal)
    }

    /// How many purchases an application has begun.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn count_proposals(&self, application: i64) -> Result<u64, ArchiveError> {
        let sql = "SELECT count(*) FROM proposals WHERE application = ?1";
        let count = self.rows(sql, [application], |row| row.get::<_, i64>(0))?.pop();
        Ok(count.unwrap_or_default().cast_unsigned())
    }

    /// The question that has got the answer proposed for its topic, if one has.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn proposed(&self, nonce: Digest, topic: &str) -> Result<Option<Digest>, ArchiveError> {
        let sql = "SELECT question FROM proposed WHERE nonce = ?1 AND topic = ?2";
        Ok(self.rows(sql, params![nonce.as_bytes(), topic], |row| digest(row, 0))?.pop())
    }
}

pub(super) fn pair(connection: &Connection, row: &ApplicationRow) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO applications (name, token, may, origin, paired)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        row.name,
        row.token.as_bytes(),
        row.may.join(" "),
        row.origin,
        row.paired.millis() as i64
    ])
}

pub(super) fn unpair(connection: &Connection, number: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE applications SET token = NULL WHERE number = ?1")?
        .execute([number])
}

pub(super) fn propose(connection: &Connection, row: &ProposalRow) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO proposals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (nonce) DO UPDATE SET outcome = excluded.outcome";
    connection.prepare_cached(sql)?.execute(params![
        row.nonce.as_bytes(),
        row.application,
        row.by,
        row.address,
        row.begun.millis() as i64,
        row.answers,
        row.outcome
    ])
}

pub(super) fn used(
    connection: &Connection,
    nonce: Digest,
    topic: &str,
    question: Digest,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO proposed VALUES (?1, ?2, ?3)")?
        .execute(params![nonce.as_bytes(), topic, question.as_bytes()])
}

fn application(row: &Row<'_>) -> rusqlite::Result<ApplicationRow> {
    let may: String = row.get(3)?;
    Ok(ApplicationRow {
        number: row.get(0)?,
        name: row.get(1)?,
        token: digest(row, 2)?,
        may: may.split_whitespace().map(str::to_owned).collect(),
        origin: row.get(4)?,
        paired: stamp(row, 5)?,
    })
}

fn proposal(row: &Row<'_>) -> rusqlite::Result<ProposalRow> {
    Ok(ProposalRow {
        nonce: digest(row, 0)?,
        application: row.get(1)?,
        by: row.get(2)?,
        address: row.get(3)?,
        begun: stamp(row, 4)?,
        answers: row.get(5)?,
        outcome: row.get(6)?,
    })
}
