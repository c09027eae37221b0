//! Cases in PostgreSQL, for a third party that has outgrown one machine: several processes, one
//! primary with synchronous commit. A replica that takes over may lack verdicts that were
//! signed; so one that is a replica is refused, and failing over by itself is forbidden.
//!
//! A server on another machine is reached by TLS 1.3, and must be certified by a root that the
//! configuration names.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};
use semper_base::{Digest, Timestamp};

use tokio_postgres_rustls::MakeRustlsConnect;

use super::cases::{Cases, CasesError, Change, Row};
use crate::log::Head;

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
    CREATE INDEX IF NOT EXISTS to_log_by_entry ON to_log (entry);
    CREATE TABLE IF NOT EXISTS published (
        one INTEGER PRIMARY KEY CHECK (one = 1), size BIGINT NOT NULL, root BYTEA NOT NULL
    );
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
    config: Config,
    /// How TLS is spoken; without it only to this machine.
    tls: Option<MakeRustlsConnect>,
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
    pub fn open(url: &str, root: Option<&Path>, publishes: bool) -> Result<Self> {
        let mut config: Config = url.parse()?;
        let tls = root.map(tls).transpose()?;
        if tls.is_some() {
            config.ssl_mode(SslMode::Require);
        } else if !is_local(&config) {
            let why = "it is on another machine: name the root behind its TLS certificate, under \
                       [third-party] store-root";
            return Err(CasesError(why.into()));
        }
        let (idle, publisher) = (Mutex::default(), Mutex::new(None));
        let this = Self { config, tls, idle, publisher };
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
        let mut client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone())?,
            None => self.config.connect(NoTls)?,
        };
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

/// How TLS is spoken to a server that this root vouches for.
fn tls(root: &Path) -> Result<MakeRustlsConnect> {
    let wrong = |why: &dyn std::fmt::Display| CasesError(format!("{}: {why}", root.display()));
    let pem = std::fs::read(root).map_err(|error| wrong(&error))?;
    let config = semper_net::database::client_config(&pem).map_err(|error| wrong(&error))?;
    Ok(MakeRustlsConnect::new(config))
}

/// Whether what is said to it stays on this machine.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
        }
    });
    // An address beside the name is where it really goes.
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Whether a store's address holds a password.
pub(super) fn has_password(url: &str) -> bool {
    // What cannot be read is refused elsewhere.
    url.parse::<Config>().is_ok_and(|it| it.get_password().is_some())
}

/// A case with its name.
fn named_row(row: postgres::Row) -> Result<(Digest, Row)> {
    Ok((digest(row.get(0))?, Row { version: row.get(1), bytes: row.get(2) }))
}

fn digest(bytes: Vec<u8>) -> Result<Digest> {
    let bytes = <[u8; 32]>::try_from(bytes);
    bytes.map(Digest::from_bytes).map_err(|_| CasesError("a digest is damaged".into()))
}

impl Cases for PostgresCases {
    fn is_shared(&self) -> bool {
        true
    }

    fn size(&self) -> Result<u64> {
        let sql = "SELECT pg_total_relation_size('cases') + pg_total_relation_size('submissions')
                   + pg_total_relation_size('to_log')";
        let size: i64 = self.with(|client| Ok(client.query_one(sql, &[])?.get(0)))?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

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

    fn waits(&self, entries: &[Vec<u8>]) -> Result<bool> {
        let sql = "SELECT 1 FROM to_log WHERE entry = ANY($1) LIMIT 1";
        Ok(self.with(|client| client.query_opt(sql, &[&entries]))?.is_some())
    }

    fn logged(&self, numbers: &[i64], head: Head) -> Result<()> {
        // One statement is one commit.
        let sql = "
            WITH noted AS (
                INSERT INTO published (one, size, root) VALUES (1, $2, $3)
                ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root
            )
            DELETE FROM to_log WHERE number = ANY($1)";
        let (size, root) = (head.size.cast_signed(), head.root.as_bytes().as_slice());
        self.with(|client| client.execute(sql, &[&numbers, &size, &root]))?;
        Ok(())
    }

    fn published(&self) -> Result<Option<Head>> {
        let sql = "SELECT size, root FROM published";
        let row = self.with(|client| client.query_opt(sql, &[]))?;
        let head = |row: postgres::Row| {
            let size: i64 = row.get(0);
            Ok(Head { size: size.cast_unsigned(), root: digest(row.get(1))? })
        };
        row.map(head).transpose()
    }

    fn after(&self, exchange: Option<&Digest>, most: u32) -> Result<Vec<(Digest, Row)>> {
        let sql = "SELECT exchange, version, bytes FROM cases WHERE exchange > $1
                   ORDER BY exchange LIMIT $2";
        let begin = exchange.map_or(&[][..], |it| it.as_bytes());
        let rows = self.with(|client| client.query(sql, &[&begin, &i64::from(most)]))?;
        rows.into_iter().map(named_row).collect()
    }

    fn to_lodge(&self, most: u32) -> Result<Vec<(Digest, Row)>> {
        let sql = "SELECT exchange, version, bytes FROM cases WHERE lodge LIMIT $1";
        let rows = self.with(|client| client.query(sql, &[&i64::from(most)]))?;
        rows.into_iter().map(named_row).collect()
    }

    fn lodged(&self, exchange: &Digest) -> Result<()> {
        let sql = "UPDATE cases SET lodge = FALSE WHERE exchange = $1";
        self.with(|client| client.execute(sql, &[&exchange.as_bytes().as_slice()]))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{PostgresCases, has_password, is_local};

    #[test]
    fn a_store_on_another_machine_is_not_reached_without_tls() {
        let local = |url: &str| is_local(&url.parse().unwrap());
        assert!(local("postgresql://third@localhost/verdicts"));
        assert!(local("postgresql://third@127.0.0.1:5433/verdicts"));
        assert!(local("host=/run/postgresql user=third"));
        assert!(!local("postgresql://third@db.example/verdicts"));
        assert!(!local("postgresql://third@localhost,db.example/verdicts"));
        assert!(!local("host=localhost hostaddr=192.0.2.7 user=third"));

        let url = "postgresql://third:secret@db.example/verdicts";
        let error = PostgresCases::open(url, None, true).unwrap_err().to_string();
        assert!(error.contains("[third-party] store-root"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_password_in_the_address_is_noticed_in_all_its_forms() {
        assert!(has_password("postgresql://third:secret@localhost/verdicts"));
        assert!(has_password("host=localhost user=third password=secret"));
        assert!(!has_password("postgresql://third@localhost/verdicts"));
    }
}
