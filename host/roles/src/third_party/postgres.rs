//! Cases in PostgreSQL, for a third party that has outgrown one machine: several processes, one
//! primary with synchronous commit. A replica that takes over may lack verdicts that were
//! signed; so one that is a replica is refused, and failing over by itself is forbidden.

use std::sync::{Mutex, PoisonError};

use postgres::{Client, NoTls};
use semper_base::{Digest, Timestamp};

use super::cases::{Cases, CasesError, Change, Row};

/// Connections that are kept.
const IDLE: usize = 32;
/// The advisory lock of whoever publishes verdicts: "semper".
const PUBLISHES: i64 = 0x7365_6d70_6572;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS cases (
        exchange BYTEA PRIMARY KEY,
        version  BIGINT NOT NULL,
        bytes    BYTEA NOT NULL,
        lodge    BOOLEAN NOT NULL DEFAULT FALSE
    );
    CREATE INDEX IF NOT EXISTS cases_to_lodge ON cases (exchange) WHERE lodge;
    CREATE TABLE IF NOT EXISTS submissions (
        request BYTEA PRIMARY KEY, decide_by BIGINT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS to_log (number BIGSERIAL PRIMARY KEY, entry BYTEA NOT NULL);
";

const INSERT: &str = "
    WITH changed AS (
        INSERT INTO cases (exchange, version, bytes, lodge) VALUES ($1, 1, $2, $3)
        ON CONFLICT (exchange) DO NOTHING RETURNING 1
    ), logged AS (
        INSERT INTO to_log (entry) SELECT $4::BYTEA FROM changed WHERE $4::BYTEA IS NOT NULL
    )
    SELECT count(*) FROM changed";

const UPDATE: &str = "
    WITH changed AS (
        UPDATE cases SET version = version + 1, bytes = $2, lodge = $3
        WHERE exchange = $1 AND version = $5 RETURNING 1
    ), logged AS (
        INSERT INTO to_log (entry) SELECT $4::BYTEA FROM changed WHERE $4::BYTEA IS NOT NULL
    )
    SELECT count(*) FROM changed";

/// The store.
pub struct PostgresCases {
    url: String,
    idle: Mutex<Vec<Client>>,
    /// Held as long as this process publishes.
    publisher: Mutex<Option<Client>>,
}

impl std::fmt::Debug for PostgresCases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresCases")
    }
}

impl From<postgres::Error> for CasesError {
    fn from(error: postgres::Error) -> Self {
        // The library's own words leave out what the server said.
        match error.as_db_error() {
            Some(server) => Self(server.to_string()),
            None => Self(error.to_string()),
        }
    }
}

type Result<T> = std::result::Result<T, CasesError>;

impl PostgresCases {
    /// Opens the store at this address, such as `postgresql://third@localhost/verdicts`, and
    /// makes its tables. Whoever publishes is the only one.
    ///
    /// # Errors
    /// When it is not there, is a replica, or another process publishes.
    pub fn open(url: &str, publishes: bool) -> Result<Self> {
        let this = Self { url: url.into(), idle: Mutex::default(), publisher: Mutex::new(None) };
        let mut client = this.connect()?;
        // Two processes that start at once would make the tables twice.
        client.batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({}); {SCHEMA} COMMIT",
            PUBLISHES + 1
        ))?;
        let replica: bool = client.query_one("SELECT pg_is_in_recovery()", &[])?.get(0);
        if replica {
            let why = "it is a replica: verdicts may be missing there that have been signed";
            return Err(CasesError(why.into()));
        }
        if publishes {
            let sql = "SELECT pg_try_advisory_lock($1)";
            if !client.query_one(sql, &[&PUBLISHES])?.get::<_, bool>(0) {
                let why = "another process publishes its verdicts: set publish = false here";
                return Err(CasesError(why.into()));
            }
            *this.publisher.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        }
        Ok(this)
    }

    fn connect(&self) -> Result<Client> {
        let mut client = Client::connect(&self.url, NoTls)?;
        // What is signed must have been stored, whatever the server's default.
        client.batch_execute("SET synchronous_commit = on")?;
        Ok(client)
    }

    /// Does something by a connection of the pool; one that has failed is thrown away.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Client) -> std::result::Result<T, postgres::Error>,
    ) -> Result<T> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = match kept.filter(|it| !it.is_closed()) {
            Some(client) => client,
            None => self.connect()?,
        };
        let done = work(&mut client)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(client);
        }
        Ok(done)
    }
}

impl Cases for PostgresCases {
    fn load(&self, exchange: &Digest) -> Result<Option<Row>> {
        let sql = "SELECT version, bytes FROM cases WHERE exchange = $1";
        let key = exchange.as_bytes().as_slice();
        let row = self.with(|client| client.query_opt(sql, &[&key]))?;
        Ok(row.map(|row| Row { version: row.get(0), bytes: row.get(1) }))
    }

    fn store(&self, change: Change) -> Result<bool> {
        let key = change.exchange.as_bytes().as_slice();
        let (bytes, lodge, entry) = (&change.bytes, &change.lodge, &change.entry);
        let count: i64 = self.with(|client| {
            let row = match &change.before {
                None => client.query_one(INSERT, &[&key, bytes, lodge, entry])?,
                Some(version) => client.query_one(UPDATE, &[&key, bytes, lodge, entry, version])?,
            };
            Ok(row.get(0))
        })?;
        Ok(count == 1)
    }

    fn submitted(&self, request: &Digest, decide_by: Timestamp) -> Result<Timestamp> {
        let sql = "
            WITH made AS (
                INSERT INTO submissions VALUES ($1, $2) ON CONFLICT (request) DO NOTHING
                RETURNING decide_by
            )
            SELECT decide_by FROM made UNION ALL
            SELECT decide_by FROM submissions WHERE request = $1 LIMIT 1";
        let (key, date) = (request.as_bytes().as_slice(), decide_by.millis().cast_signed());
        let stored: i64 = self.with(|client| Ok(client.query_one(sql, &[&key, &date])?.get(0)))?;
        Timestamp::from_millis(stored.cast_unsigned()).map_err(|it| CasesError(it.to_string()))
    }

    fn to_log(&self, most: u32) -> Result<Vec<(i64, Vec<u8>)>> {
        if self.publisher.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(Vec::new());
        }
        let sql = "SELECT number, entry FROM to_log ORDER BY number LIMIT $1";
        let rows = self.with(|client| client.query(sql, &[&i64::from(most)]))?;
        Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn logged(&self, numbers: &[i64]) -> Result<()> {
        let sql = "DELETE FROM to_log WHERE number = ANY($1)";
        self.with(|client| client.execute(sql, &[&numbers]))?;
        Ok(())
    }

    fn to_lodge(&self, most: u32) -> Result<Vec<(Digest, Row)>> {
        let sql = "SELECT exchange, version, bytes FROM cases WHERE lodge LIMIT $1";
        let rows = self.with(|client| client.query(sql, &[&i64::from(most)]))?;
        rows.into_iter()
            .map(|row| {
                let key: Vec<u8> = row.get(0);
                let key = <[u8; 32]>::try_from(key);
                let key = key.map_err(|_| CasesError("a case's name is damaged".into()))?;
                Ok((Digest::from_bytes(key), Row { version: row.get(1), bytes: row.get(2) }))
            })
            .collect()
    }

    fn lodged(&self, exchange: &Digest) -> Result<()> {
        let sql = "UPDATE cases SET lodge = FALSE WHERE exchange = $1";
        self.with(|client| client.execute(sql, &[&exchange.as_bytes().as_slice()]))?;
        Ok(())
    }
}
