//! What the TINGUIN remembers of the person's details, and of what was told to whom. It is shown, and
//! nothing is signed by it: no write of it waits for the disk.

use rusqlite::{Row, params};
use semper_base::{DealId, Digest, Timestamp};
use semper_tinguin_protocol::Told;

use super::{Memory, Result};

impl Memory {
    /// Remembers a detail that a service was given in the deal with this nonce.
    pub fn keep_detail(&self, nonce: &Digest, what: &str, value: &str) -> Result<()> {
        self.write_soon(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO details VALUES (?1, ?2, ?3)")?
                .execute(params![nonce.as_bytes(), what, value])
        })?;
        Ok(())
    }

    /// The details that a service was given in the deal with this nonce, the last five hundred: what
    /// each is called, and what it is.
    pub fn details(&self, nonce: &Digest) -> Result<Vec<(String, String)>> {
        self.read(|it| {
            it.prepare_cached(
                "SELECT what, value FROM details WHERE nonce = ?1 ORDER BY rowid DESC
                         LIMIT 500",
            )?
            .query_map([nonce.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// Remembers what was told; true if it had not been told in that deal before.
    pub fn keep_told(&self, told: &Told) -> Result<bool> {
        let Told { to, what, value, at, deal, by, sealed } = told;
        let at = i64::try_from(at.millis()).unwrap_or(i64::MAX);
        let sql = "INSERT OR IGNORE INTO told (deal, receiver, what, value, at, by, sealed)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let deal = deal.digest().as_bytes();
        let kept = self.write_soon(|it| {
            it.prepare_cached(sql)?
                .execute(params![deal, &**to, &**what, &**value, at, &**by, sealed])
        })?;
        Ok(kept > 0)
    }

    /// What was told to whom: the last of it first, at most so much.
    pub fn told(&self, most: u32) -> Result<Vec<Told>> {
        let sql = "SELECT deal, receiver, what, value, at, by, sealed FROM told
                   ORDER BY number DESC LIMIT ?1";
        self.read(|it| it.prepare_cached(sql)?.query_map([most], told)?.collect())
    }

    /// The messages of this deal are encrypted to its keys.
    pub fn keep_sealed(&self, deal: &DealId) -> Result<()> {
        self.write_soon(|it| {
            it.prepare_cached("INSERT OR IGNORE INTO sealed VALUES (?1)")?
                .execute([deal.digest().as_bytes()])
        })?;
        Ok(())
    }

    /// Whether the messages of this deal are known to be encrypted to its keys.
    pub fn is_sealed(&self, deal: &DealId) -> Result<bool> {
        self.read(|it| {
            it.prepare_cached("SELECT 1 FROM sealed WHERE deal = ?1")?
                .exists([deal.digest().as_bytes()])
        })
    }
}

fn told(row: &Row<'_>) -> Result<Told> {
    let text = |at| row.get::<_, String>(at);
    let (to, what, value, by) = (text(1)?, text(2)?, text(3)?, text(5)?);
    let at = u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0);
    Ok(Told {
        deal: DealId::new(Digest::from_bytes(row.get(0)?)),
        to: to.as_str().into(),
        what: what.as_str().into(),
        value: value.as_str().into(),
        at: Timestamp::from_millis(at).unwrap_or(Timestamp::now()),
        by: by.as_str().into(),
        sealed: row.get(6)?,
    })
}
