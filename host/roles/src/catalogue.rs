//! The merchant's catalogue and stock: SQLite with full-text search, imported from CSV.

use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params, params_from_iter};
use semper_base::{Amount, DealId, Digest, Mend, fault};
use semper_runtime::business::{Article, Business, Query};
use serde::Deserialize;

/// The catalogue's file in a merchant's home.
pub const FILE: &str = "catalogue.sqlite";
/// Rows between two reports of progress.
const STEP: usize = 500;
/// Errors that an import lists before it stops looking.
const MAX_ERRORS: usize = 20;
/// Matches that are counted exactly; beyond, the total says "at least".
const COUNTED: u32 = 1000;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS articles (
        id       INTEGER PRIMARY KEY,
        number   TEXT NOT NULL UNIQUE,
        title    TEXT NOT NULL,
        category TEXT NOT NULL,
        size     TEXT NOT NULL,
        colour   TEXT NOT NULL,
        minor    INTEGER NOT NULL,
        currency TEXT NOT NULL,
        stock    INTEGER NOT NULL CHECK (stock >= 0),
        days     INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS articles_by_category ON articles (category, size, colour);
    CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
        title, category, content = 'articles', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
    );
    CREATE TABLE IF NOT EXISTS reservations (
        key      BLOB PRIMARY KEY,
        deal     BLOB NOT NULL,
        article  TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        done     INTEGER NOT NULL,
        state    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS reservations_by_deal ON reservations (deal);
    CREATE TABLE IF NOT EXISTS parcels (
        number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, deal BLOB NOT NULL, ship_to TEXT NOT NULL
    ) STRICT;
";

/// One line of the CSV file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    number: String,
    title: String,
    category: String,
    #[serde(default)]
    size: String,
    #[serde(default)]
    colour: String,
    price: String,
    stock: u32,
    delivery_days: u16,
}

/// Why a catalogue cannot be imported or used.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum CatalogueError {
    /// Lines that are wrong; nothing was imported.
    #[error("the catalogue has errors; nothing was imported:\n{}", .0.join("\n"))]
    #[mend("mend these lines and import again; the README has the columns")]
    Lines(Vec<String>),
    /// The store.
    #[error("the catalogue cannot be used: {0}")]
    #[mend("check the disk and the file's permissions")]
    Sqlite(#[from] rusqlite::Error),
}

/// A catalogue.
#[derive(Debug)]
pub struct Catalogue {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Catalogue {
    /// Opens or makes the catalogue in this file.
    pub fn open(path: &Path) -> Result<Self, CatalogueError> {
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(Duration::from_secs(10))?;
            Ok(connection)
        };
        let writer = connect()?;
        writer.execute_batch(SCHEMA)?;
        Ok(Self { writer: Mutex::new(writer), reader: Mutex::new(connect()?) })
    }

    /// Imports a CSV file: articles that are there are replaced, others added; all or nothing.
    /// `progress` hears how many lines have been read.
    pub fn import(
        &self,
        csv: impl Read,
        progress: impl Fn(usize),
    ) -> Result<usize, CatalogueError> {
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction()?;
        let mut errors = Vec::new();
        let mut count = 0;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO articles (number, title, category, size, colour, minor, currency, stock, days)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (number) DO UPDATE SET title = ?2, category = ?3, size = ?4, colour = ?5,
                     minor = ?6, currency = ?7, stock = ?8, days = ?9",
            )?;
            let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
            let headers = reader.headers().map_err(|error| heading(&error))?.clone();
            for record in reader.records() {
                let parsed = record.map_err(|error| error.to_string()).and_then(|record| {
                    let line = record.position().map_or(0, csv::Position::line);
                    parse(&record, &headers).map_err(|error| format!("line {line}: {error}"))
                });
                match parsed {
                    Ok((row, price)) => {
                        insert.execute(params![
                            row.number,
                            row.title,
                            row.category,
                            row.size,
                            row.colour,
                            price.minor(),
                            price.currency().code(),
                            row.stock,
                            row.delivery_days
                        ])?;
                        count += 1;
                        if count % STEP == 0 {
                            progress(count);
                        }
                    }
                    Err(error) => errors.push(error),
                }
                if errors.len() >= MAX_ERRORS {
                    errors.push("… and perhaps more".into());
                    break;
                }
            }
            transaction.execute("INSERT INTO words (words) VALUES ('rebuild')", [])?;
        }
        if !errors.is_empty() {
            return Err(CatalogueError::Lines(errors));
        }
        transaction.commit()?;
        progress(count);
        Ok(count)
    }

    /// How many articles there are.
    pub fn len(&self) -> Result<u64, CatalogueError> {
        let sql = "SELECT count(*) FROM articles";
        let count: i64 = lock(&self.reader).query_row(sql, [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> Result<bool, CatalogueError> {
        Ok(self.len()? == 0)
    }

    fn find(&self, query: &Query) -> rusqlite::Result<(Vec<Article>, u32)> {
        let (tables, conditions, mut values) = conditions(query);
        let reader = lock(&self.reader);
        let count = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {tables} WHERE {conditions} LIMIT {COUNTED})"
        );
        let total: u32 = reader
            .prepare_cached(&count)?
            .query_row(params_from_iter(values.iter()), |row| row.get(0))?;
        // Full-text hits come best first; plain filters in the order of their numbers.
        let order = if tables.contains("words") { "rank, articles.id" } else { "articles.id" };
        let select = format!(
            "SELECT {COLUMNS} FROM {tables} WHERE {conditions} ORDER BY {order} LIMIT ? OFFSET ?"
        );
        values.push(Value::from(i64::from(query.limit)));
        values.push(Value::from(i64::from(query.offset)));
        let mut statement = reader.prepare_cached(&select)?;
        let rows = statement.query_map(params_from_iter(values.iter()), article)?;
        Ok((rows.collect::<rusqlite::Result<_>>()?, total))
    }
}

const COLUMNS: &str = "articles.number, articles.title, articles.category, articles.size, \
    articles.colour, articles.minor, articles.currency, articles.stock, articles.days";

/// Tables, conditions and values of a search; every text is a bound value.
fn conditions(query: &Query) -> (&'static str, String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values = Vec::new();
    let words: Vec<String> = query
        .words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(8)
        .map(|word| format!("\"{word}\"*"))
        .collect();
    let tables = if words.is_empty() {
        "articles"
    } else {
        conditions.push("words MATCH ?".into());
        values.push(Value::from(words.join(" ")));
        "words JOIN articles ON articles.id = words.rowid"
    };
    for (column, value) in
        [("category", &query.category), ("size", &query.size), ("colour", &query.colour)]
    {
        if !value.is_empty() {
            conditions.push(format!("articles.{column} = ?"));
            values.push(Value::from(value.clone()));
        }
    }
    if let Some(most) = query.most {
        conditions.push("articles.minor <= ?".into());
        values.push(Value::from(most));
    }
    (tables, conditions.join(" AND "), values)
}

fn article(row: &rusqlite::Row<'_>) -> rusqlite::Result<Article> {
    let code: String = row.get(6)?;
    let currency = code.parse().map_err(|_| {
        rusqlite::Error::InvalidColumnType(6, code.clone(), rusqlite::types::Type::Text)
    })?;
    Ok(Article {
        number: row.get(0)?,
        title: row.get(1)?,
        category: row.get(2)?,
        size: row.get(3)?,
        colour: row.get(4)?,
        price: Amount::new(row.get(5)?, currency),
        stock: row.get(7)?,
        delivery_days: row.get(8)?,
    })
}

fn heading(error: &csv::Error) -> CatalogueError {
    CatalogueError::Lines(vec![format!("line 1: {error}")])
}

fn parse(record: &csv::StringRecord, headers: &csv::StringRecord) -> Result<(Row, Amount), String> {
    let row = record.deserialize::<Row>(Some(headers)).map_err(|error| match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let field = err.field().and_then(|at| headers.get(usize::try_from(at).ok()?));
            format!("{}: {}", field.unwrap_or("the columns"), err.kind())
        }
        _ => error.to_string(),
    })?;
    check(row)
}

fn check(row: Row) -> Result<(Row, Amount), String> {
    let wrong = |field: &str, why: &str| Err(format!("article {}: {field} {why}", row.number));
    if row.number.is_empty() || row.number.len() > 64 {
        return wrong("number", "must have 1 to 64 characters");
    }
    if row.title.is_empty() || row.title.chars().count() > 200 {
        return wrong("title", "must have 1 to 200 characters");
    }
    if row.size.len() > 32 || row.colour.len() > 32 || row.category.len() > 64 {
        return wrong("size, colour or category", "is too long");
    }
    let price: Amount = match row.price.parse() {
        Ok(price) => price,
        Err(error) => return wrong("price", &error.to_string()),
    };
    if price.minor() <= 0 {
        return wrong("price", "must be more than nothing");
    }
    Ok((row, price))
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the shop's application answers.
fn usable(border: &'static str) -> Result<(), String> {
    if fault::fails(border) { Err("the catalogue's disk has failed".into()) } else { Ok(()) }
}

impl Business for Catalogue {
    fn search(&self, query: &Query) -> Result<(Vec<Article>, u32), String> {
        usable("catalogue.read")?;
        self.find(query).map_err(|error| error.to_string())
    }

    fn lookup(&self, number: &str) -> Result<Option<Article>, String> {
        usable("catalogue.read")?;
        let sql = format!("SELECT {COLUMNS} FROM articles WHERE number = ?1");
        let reader = lock(&self.reader);
        let found = reader.query_row(&sql, [number], article).optional();
        found.map_err(|error| error.to_string())
    }

    fn reserve(
        &self,
        deal: DealId,
        key: Digest,
        article: &str,
        quantity: u32,
    ) -> Result<bool, String> {
        usable("catalogue.write")?;
        let mut writer = lock(&self.writer);
        let mut work = || -> rusqlite::Result<bool> {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let before = "SELECT done FROM reservations WHERE key = ?1";
            if let Some(done) =
                transaction.query_row(before, [key.as_bytes()], |row| row.get(0)).optional()?
            {
                return Ok(done);
            }
            let taken = transaction.execute(
                "UPDATE articles SET stock = stock - ?2 WHERE number = ?1 AND stock >= ?2",
                params![article, quantity],
            )?;
            let done = taken == 1;
            transaction.execute(
                "INSERT INTO reservations VALUES (?1, ?2, ?3, ?4, ?5, 'reserved')",
                params![key.as_bytes(), deal.digest().as_bytes(), article, quantity, done],
            )?;
            fault::point("catalogue.before");
            transaction.commit()?;
            fault::point("catalogue.after");
            Ok(done)
        };
        work().map_err(|error| error.to_string())
    }

    fn release(&self, deal: DealId, _key: Digest) -> Result<(), String> {
        usable("catalogue.write")?;
        let mut writer = lock(&self.writer);
        let mut work = || -> rusqlite::Result<()> {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let id = deal.digest().as_bytes();
            transaction.execute(
                "UPDATE articles SET stock = stock + (SELECT sum(quantity) FROM reservations r
                     WHERE r.article = number AND r.deal = ?1 AND done AND state = 'reserved')
                 WHERE number IN (SELECT article FROM reservations
                     WHERE deal = ?1 AND done AND state = 'reserved')",
                [id],
            )?;
            let sql =
                "UPDATE reservations SET state = 'released' WHERE deal = ?1 AND state = 'reserved'";
            transaction.execute(sql, [id])?;
            fault::point("catalogue.before");
            transaction.commit()?;
            fault::point("catalogue.after");
            Ok(())
        };
        work().map_err(|error| error.to_string())
    }

    fn ship(&self, deal: DealId, key: Digest, to: &str) -> Result<String, String> {
        usable("catalogue.write")?;
        let mut writer = lock(&self.writer);
        let mut work = || -> rusqlite::Result<String> {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let id = deal.digest().as_bytes();
            transaction.execute(
                "INSERT INTO parcels (key, deal, ship_to) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING",
                params![key.as_bytes(), id, to],
            )?;
            let sql =
                "UPDATE reservations SET state = 'shipped' WHERE deal = ?1 AND state = 'reserved'";
            transaction.execute(sql, [id])?;
            let number: i64 = transaction.query_row(
                "SELECT number FROM parcels WHERE key = ?1",
                [key.as_bytes()],
                |row| row.get(0),
            )?;
            fault::point("catalogue.before");
            transaction.commit()?;
            fault::point("catalogue.after");
            Ok(format!("P-{number:06}"))
        };
        work().map_err(|error| error.to_string())
    }
}
