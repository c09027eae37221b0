//! The authority's revocation list: signed once for its life, and anew when a certificate has been
//! withdrawn. Whoever asks for it costs a look, and no signature.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use semper_base::Timestamp;
use semper_base::cert::{Authority, Crl, Withdrawn};

use super::{Ca, CaError};

/// How long a list is good for.
const LIFE: Duration = Duration::from_secs(48 * 3_600);
/// How long before its end the next one is made: those who have fetched it just before still have
/// it for so long.
const RENEWED: Duration = Duration::from_secs(24 * 3_600);

impl Ca {
    /// The revocation list that is good now.
    ///
    /// # Errors
    /// When a new one is due and cannot be made, and the old one is over.
    pub fn list(&self) -> Result<Vec<u8>, CaError> {
        let now = Timestamp::now();
        let last = newest(&self.reading())?;
        if let Some((list, true)) = &last
            && now.after(RENEWED) < list.next_update()
            // A clock that was wrong once does not hold the list back.
            && list.issued() <= now
        {
            return Ok(list.der().to_vec());
        }
        match (self.new_list(now), last) {
            (Ok(list), _) => Ok(list.der().to_vec()),
            (Err(error), Some((list, true))) if now < list.next_update() => {
                tracing::error!(%error, "no new revocation list can be made; the last one is shown");
                Ok(list.der().to_vec())
            }
            (Err(error), _) => Err(error),
        }
    }

    /// A new list, with the next number, unless another has just made one.
    fn new_list(&self, now: Timestamp) -> Result<Crl, CaError> {
        let mut store = self.lock();
        let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some((list, true)) = newest(&transaction)?
            && list.issued() <= now
            && now.after(RENEWED) < list.next_update()
        {
            return Ok(list);
        }
        Self::signed(&self.authority, transaction, now, now.after(LIFE))
    }

    /// A new list, with the next number, until then.
    pub(super) fn sign_list(&self, now: Timestamp, until: Timestamp) -> Result<Crl, CaError> {
        let mut store = self.lock();
        let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Self::signed(&self.authority, transaction, now, until)
    }

    fn signed(
        authority: &Authority,
        transaction: Transaction<'_>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Crl, CaError> {
        let sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM lists";
        let number: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
        let withdrawn = withdrawn(&transaction)?;
        let list = authority.crl(number.cast_unsigned(), &withdrawn, now, until)?;
        let revoked = i64::try_from(withdrawn.len()).unwrap_or(i64::MAX);
        transaction.execute("DELETE FROM lists", [])?;
        transaction.execute("INSERT INTO lists VALUES (?1)", [number])?;
        transaction.execute("DELETE FROM signed_lists", [])?;
        let sql = "INSERT INTO signed_lists VALUES (?1, ?2, ?3)";
        transaction.execute(sql, params![number, revoked, list.der()])?;
        transaction.commit()?;
        tracing::info!(number, revoked, "a new revocation list is signed");
        Ok(list)
    }
}

/// The list that was signed last, and whether it has everything that is withdrawn.
fn newest(store: &Connection) -> Result<Option<(Crl, bool)>, CaError> {
    let sql = "SELECT der, revoked = (SELECT count(*) FROM revoked)
               FROM signed_lists ORDER BY number DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?));
    let row = store.prepare_cached(sql)?.query_row([], read).optional()?;
    // One that cannot be read is made anew.
    Ok(row.and_then(|(der, whole)| Some((Crl::from_der(&der).ok()?, whole))))
}

fn withdrawn(store: &Connection) -> Result<Vec<Withdrawn>, CaError> {
    let mut rows = store.prepare("SELECT serial, since FROM revoked")?;
    let rows = rows.query_map([], |row| {
        let since: i64 = row.get(1)?;
        let since = Timestamp::from_millis(since.cast_unsigned());
        Ok(Withdrawn { serial: row.get(0)?, since: since.unwrap_or_else(|_| Timestamp::now()) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
