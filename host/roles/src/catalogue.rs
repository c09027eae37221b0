//! The merchant's catalogue and stock: SQLite with full-text search, imported from CSV.

mod feed;
mod price;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::types::Value;
use rusqlite::{
    Connection, OptionalExtension as _, Statement, Transaction, TransactionBehavior, params,
    params_from_iter,
};
use semper_base::{Amount, Currency, DealId, Digest, Mend, fault};
use semper_runtime::business::{Article, Business, Query};
use serde::Serialize;

use feed::Feed;
pub use feed::Trouble;

/// The catalogue's file in a merchant's home.
pub const FILE: &str = "catalogue.sqlite";
/// Lines between two reports of progress.
const STEP: u64 = 500;
/// Memory that SQLite may use for pages while it imports, and otherwise, in KiB.
const IMPORT_KIB: i64 = 192 * 1024;
const USUAL_KIB: i64 = 2_000;
/// Errors that are listed; of the others, their number is said.
const LISTED: usize = 100;

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

/// Why a catalogue cannot be imported or used.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum CatalogueError {
    /// Lines that are wrong; nothing was imported.
    #[error("the catalogue has errors; nothing was imported:{}", listed(.0))]
    #[mend("mend these lines and import again; the README has the columns")]
    Lines(Vec<Trouble>),
    /// The store.
    #[error("the catalogue cannot be used: {0}")]
    #[mend("check the disk and the file's permissions")]
    Sqlite(#[from] rusqlite::Error),
    /// No article has this number.
    #[error("there is no article {0} in the catalogue")]
    #[mend("semper catalogue list shows the numbers")]
    Unknown(String),
}

/// A parcel that was sent off, or is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parcel {
    /// Its number, as the shipping note has it.
    pub number: String,
    /// The deal that it belongs to.
    pub deal: String,
    /// What is in it: article numbers, and how many of each.
    pub articles: Vec<(String, u32)>,
    /// Where it goes, line by line.
    pub ship_to: String,
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
        let connect = || semper_store::open(path, SCHEMA).map(Mutex::new);
        Ok(Self { writer: connect()?, reader: connect()? })
    }

    /// Opens the catalogue in this file for a look: nothing on the disk changes.
    pub fn look(path: &Path) -> Result<Self, CatalogueError> {
        let connect = || semper_store::look(path, SCHEMA).map(Mutex::new);
        Ok(Self { writer: connect()?, reader: connect()? })
    }

    /// Imports a file of articles: those that are there are replaced, others added; all or nothing.
    /// `currency` is what prices without one are in, `progress` hears how many bytes have been
    /// read. With `dry` everything is checked and nothing kept.
    pub fn import(
        &self,
        file: &[u8],
        currency: Option<Currency>,
        dry: bool,
        progress: impl Fn(u64),
    ) -> Result<Imported, CatalogueError> {
        let feed = Feed::open(file, currency).map_err(CatalogueError::Lines)?;
        let mut writer = lock(&self.writer);
        // Rows come in the order of the file and go to all places of the indexes: with little memory
        // SQLite writes and reads the same pages again and again.
        writer.pragma_update(None, "cache_size", -IMPORT_KIB)?;
        let imported = Self::import_into(&mut writer, feed, dry, progress);
        writer.pragma_update(None, "cache_size", -USUAL_KIB)?;
        imported
    }

    fn import_into(
        writer: &mut Connection,
        feed: Feed<'_>,
        dry: bool,
        progress: impl Fn(u64),
    ) -> Result<Imported, CatalogueError> {
        let transaction = writer.transaction()?;
        let mut import = Import::begin(&transaction)?;
        let mut failed = Ok(());
        feed.entries(|line, byte, entry| {
            if failed.is_ok() {
                failed = import.take(line, entry);
            }
            if import.lines.is_multiple_of(STEP) {
                progress(byte);
            }
        });
        failed?;
        let imported = import.end(feed.ignored)?;
        if !dry {
            transaction.execute("INSERT INTO words (words) VALUES ('rebuild')", [])?;
            transaction.commit()?;
        }
        Ok(imported)
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

    /// Articles with these words in title or category, or all: some, from an offset on; how many there
    /// are in all.
    pub fn list(
        &self,
        words: &str,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Article>, u32), CatalogueError> {
        let words = words.to_owned();
        Ok(self.find(&Query { words, offset, limit, ..Query::default() })?)
    }

    /// Sets how many pieces of an article are in stock. What is reserved for deals is not counted.
    pub fn set_stock(&self, number: &str, stock: u32) -> Result<(), CatalogueError> {
        let sql = "UPDATE articles SET stock = ?2 WHERE number = ?1";
        match lock(&self.writer).execute(sql, params![number, stock])? {
            0 => Err(CatalogueError::Unknown(number.to_owned())),
            _ => Ok(()),
        }
    }

    /// Takes an article out of the catalogue. Deals that have reserved some keep them.
    pub fn remove(&self, number: &str) -> Result<(), CatalogueError> {
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "DELETE FROM articles WHERE number = ?1";
        if transaction.execute(sql, [number])? == 0 {
            return Err(CatalogueError::Unknown(number.to_owned()));
        }
        transaction.execute("INSERT INTO words (words) VALUES ('rebuild')", [])?;
        Ok(transaction.commit()?)
    }

    /// The parcels of all deals, the oldest first.
    pub fn parcels(&self) -> Result<Vec<Parcel>, CatalogueError> {
        let reader = lock(&self.reader);
        let mut parcels =
            reader.prepare("SELECT number, deal, ship_to FROM parcels ORDER BY number")?;
        let sql = "SELECT article, quantity FROM reservations
                   WHERE deal = ?1 AND done AND state = 'shipped' ORDER BY article";
        let mut articles = reader.prepare(sql)?;
        let rows = parcels.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, String>(2)?))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (number, deal, ship_to) = row?;
            let within = articles.query_map([deal], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let articles = within.collect::<rusqlite::Result<_>>()?;
            let deal = Digest::from_bytes(deal).hex();
            all.push(Parcel { number: parcel(number), deal, articles, ship_to });
        }
        Ok(all)
    }

    fn find(&self, query: &Query) -> rusqlite::Result<(Vec<Article>, u32)> {
        let (tables, conditions, mut values) = conditions(query);
        let reader = lock(&self.reader);
        let count = format!("SELECT count(*) FROM {tables} WHERE {conditions}");
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

/// An import that is under way, in a transaction.
struct Import<'a> {
    transaction: &'a Transaction<'a>,
    insert: Statement<'a>,
    /// The line that each article has come from, by its row.
    seen: HashMap<i64, u64>,
    currency: Option<Currency>,
    wrong: Vec<Trouble>,
    lines: u64,
}

impl<'a> Import<'a> {
    fn begin(transaction: &'a Transaction<'a>) -> Result<Self, CatalogueError> {
        let insert = transaction.prepare(
            "INSERT INTO articles (number, title, category, size, colour, minor, currency, stock, days)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (number) DO UPDATE SET title = ?2, category = ?3, size = ?4, colour = ?5,
                 minor = ?6, currency = ?7, stock = ?8, days = ?9
             RETURNING id",
        )?;
        let (seen, wrong) = (HashMap::new(), Vec::new());
        Ok(Self { transaction, insert, seen, currency: None, wrong, lines: 0 })
    }

    /// Takes one line.
    fn take(&mut self, line: u64, entry: Result<Article, Trouble>) -> Result<(), CatalogueError> {
        self.lines += 1;
        let entry = match entry {
            Ok(entry) => entry,
            Err(trouble) => {
                self.wrong.push(trouble);
                return Ok(());
            }
        };
        let price = entry.price;
        let first = *self.currency.get_or_insert(price.currency());
        if first != price.currency() {
            let why = format!("a catalogue has one currency, and this file begins with {first}");
            let (column, value) = ("price".into(), price.to_string());
            self.wrong.push(Trouble { line, column, value, why });
        }
        let id: i64 = self.insert.query_row(
            params![
                entry.number,
                entry.title,
                entry.category,
                entry.size,
                entry.colour,
                price.minor(),
                price.currency().code(),
                entry.stock,
                entry.delivery_days
            ],
            |it| it.get(0),
        )?;
        if let Some(before) = self.seen.insert(id, line) {
            let why = format!("is the number of line {before}, too");
            let (column, value) = ("number".into(), entry.number);
            self.wrong.push(Trouble { line, column, value, why });
        }
        Ok(())
    }

    /// What has been taken, if nothing was wrong.
    fn end(mut self, ignored: Vec<String>) -> Result<Imported, CatalogueError> {
        let whole =
            |why: String| Trouble { line: 1, column: String::new(), value: String::new(), why };
        if self.lines == 0 {
            self.wrong.push(whole("there is a heading and no article below it".into()));
        }
        // A limit such as "at most 50" is compared with prices: they must be of one currency.
        let other = "SELECT number, currency FROM articles WHERE currency <> ?1 LIMIT 1";
        let first = self.currency.map(|it| it.code().to_owned()).unwrap_or_default();
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let other = self.transaction.query_row(other, [&first], row).optional()?;
        if let (Some((number, code)), Some(_), true) = (other, self.currency, self.wrong.is_empty())
        {
            self.wrong.push(whole(format!(
                "a catalogue has one currency: this file is in {first}, and article {number} of the catalogue in {code}"
            )));
        }
        if !self.wrong.is_empty() {
            return Err(CatalogueError::Lines(self.wrong));
        }
        Ok(Imported { articles: self.lines, ignored })
    }
}

/// What an import has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Articles, new ones and replaced ones.
    pub articles: u64,
    /// Headings of columns that have no place in the catalogue.
    pub ignored: Vec<String>,
}

fn listed(wrong: &[Trouble]) -> String {
    let mut text: String = wrong.iter().take(LISTED).map(|it| format!("\n  {it}")).collect();
    if wrong.len() > LISTED {
        text.push_str(&format!("\n  … and {} more", wrong.len() - LISTED));
    }
    text
}

/// A parcel's number, as buyers read it.
fn parcel(number: i64) -> String {
    format!("P-{number:06}")
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
            Ok(parcel(number))
        };
        work().map_err(|error| error.to_string())
    }
}
