//! Pages and totals, as SQL: by numbers downwards from where the page begins, never by counting
//! off what came before.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use semper_base::{Amount, DealId, Digest, Timestamp};

use super::{Direction, Entry, Filter, MOST, Moved, Page, Sum, Total};
use crate::rows::DealState;
use crate::store::{Archive, ArchiveError};

/// Sums of this size of whole and rest never overflow in SQLite.
const HALF: i64 = 1_000_000_000;

impl Archive {
    /// A page of the entries that pass the filter, newest first: at most so many (and no more than
    /// [`MOST`]), of those before the entry with this number.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn entries(
        &self,
        filter: &Filter,
        before: Option<i64>,
        most: usize,
    ) -> Result<Page, ArchiveError> {
        let most = most.clamp(1, MOST);
        let lead = Lead::of(filter);
        let Some(mut wanted) = self.wanted(filter, lead.words)? else { return Ok(Page::default()) };
        if let Some(before) = before {
            wanted.also(&format!("{} < ?", lead.number), Value::from(before));
        }
        let sql = wanted.page(&lead);
        wanted.values.push(Value::from(most as i64 + 1));
        let mut entries = self.rows(&sql, params_from_iter(wanted.values), entry)?;
        let more = entries.len() > most;
        entries.truncate(most);
        for entry in entries.iter_mut().filter(|it| it.1) {
            entry.0.moved = self.moved(entry.0.number)?;
        }
        let entries: Vec<Entry> = entries.into_iter().map(|it| it.0).collect();
        let before = entries.last().filter(|_| more).map(|it| it.number);
        Ok(Page { entries, before })
    }

    /// How many entries pass the filter, and the numbers with which pages of so many begin, newest
    /// first: for whoever goes to any page of a list, and not from one to the next.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn starts(&self, filter: &Filter, each: usize) -> Result<(usize, Vec<i64>), ArchiveError> {
        let lead = Lead::of(filter);
        let Some(wanted) = self.wanted(filter, lead.words)? else { return Ok((0, Vec::new())) };
        let Lead { from, number, .. } = lead;
        let sql = format!("SELECT {number} FROM {from} {} ORDER BY 1 DESC", wanted.clause());
        let numbers = self.rows(&sql, params_from_iter(wanted.values), |row| row.get(0))?;
        let all = numbers.len();
        Ok((all, numbers.into_iter().step_by(each.max(1)).collect()))
    }

    /// When the first entry was stored, and when the last.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, ArchiveError> {
        let end = |order: &str| {
            let sql = format!("SELECT stored FROM entries ORDER BY stored {order} LIMIT 1");
            self.rows(&sql, [], |row| stamp(row, 0)).map(|mut it| it.pop())
        };
        Ok(end("ASC")?.zip(end("DESC")?))
    }

    /// What has moved by the entries that pass the filter: by month, currency and payment system,
    /// the newest month first. Exact.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn totals(&self, filter: &Filter) -> Result<Vec<Total>, ArchiveError> {
        let Some(mut wanted) = self.wanted(filter, FOUND)? else { return Ok(Vec::new()) };
        if let Some(direction) = filter.direction {
            wanted.also("m.way = ?", Value::from(direction.bit()));
        }
        // The money that has moved leads: there is less of it than of entries. Without a filter the
        // entries are not looked at.
        let entries = match wanted.conditions.is_empty() {
            true => "",
            false => "CROSS JOIN entries e ON e.number = m.number",
        };
        let sql = format!(
            "SELECT month, m.currency, system, m.way, count(*),
                 sum(m.minor / {HALF}), sum(m.minor % {HALF})
             FROM moved m {entries} {} GROUP BY month, m.currency, system, m.way
             ORDER BY month DESC, m.currency, system",
            wanted.clause()
        );
        let sums = self.rows(&sql, params_from_iter(wanted.values), sum)?;
        let mut totals: Vec<Total> = Vec::new();
        for (month, system, direction, payments, sum) in sums {
            let nothing = Sum { minor: 0, ..sum };
            let same = totals.last().is_some_and(|it| {
                it.month == month && it.system == system && it.paid_in.currency == sum.currency
            });
            if !same {
                let (paid_in, paid_out) = (nothing, nothing);
                totals.push(Total { month, system, paid_in, paid_out, payments: 0 });
            }
            let Some(total) = totals.last_mut() else { continue };
            total.payments += payments;
            match direction {
                Direction::In => total.paid_in = sum,
                Direction::Out => total.paid_out = sum,
            }
        }
        Ok(totals)
    }

    /// Everybody with whom there have been deals, by name.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn peers(&self) -> Result<Vec<String>, ArchiveError> {
        self.rows("SELECT DISTINCT peer FROM deals ORDER BY peer", [], |row| row.get(0))
    }

    /// Whether every piece of evidence has its entry. Those of homes of before entries were kept
    /// get theirs by [`Archive::fill_entries`].
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn has_all_entries(&self) -> Result<bool, ArchiveError> {
        let sql = "SELECT (SELECT count(*) FROM evidence) = (SELECT count(*) FROM entries)";
        Ok(self.rows(sql, [], |row| row.get(0))?.pop().unwrap_or(false))
    }

    fn moved(&self, number: i64) -> Result<Vec<Moved>, ArchiveError> {
        let sql = "SELECT way, minor, currency, system FROM moved WHERE number = ?1 ORDER BY rowid";
        self.rows(sql, [number], |row| {
            let direction = Direction::of_bit(row.get(0)?);
            let Some(amount) = amount(row, 1)? else { return Ok(None) };
            Ok(Some(Moved { direction, amount, system: row.get(3)? }))
        })
        .map(|all| all.into_iter().flatten().collect())
    }

    /// The conditions of a filter, with this one for its words; `None` if nothing can pass it.
    fn wanted(&self, filter: &Filter, words: &str) -> Result<Option<Wanted>, ArchiveError> {
        let mut wanted = Wanted::default();
        if !filter.words.is_empty() {
            let Some(query) = query(&filter.words) else { return Ok(None) };
            wanted.also(words, Value::from(query));
        }
        if filter.from.is_some() || filter.until.is_some() {
            let (from, until) =
                (filter.from.map_or(0, millis), filter.until.map_or(i64::MAX, millis));
            // Numbers rise with dates, but for clocks that were set: they bound the search, the
            // dates decide.
            let sql = "SELECT min(number), max(number) FROM entries
                       WHERE stored >= ?1 AND stored < ?2";
            let bounds = self.rows(sql, [from, until], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
            })?;
            let Some((Some(first), Some(last))) = bounds.into_iter().next() else {
                return Ok(None);
            };
            wanted.also("e.number >= ?", Value::from(first));
            wanted.also("e.number <= ?", Value::from(last));
            wanted.also("e.stored >= ?", Value::from(from));
            wanted.also("e.stored < ?", Value::from(until));
        }
        wanted.any("e.peer", &filter.with);
        wanted.any("e.kind", &filter.kinds);
        if let Some(currency) = filter.currency {
            wanted.also("e.currency = ?", Value::from(currency.code().to_owned()));
        }
        if let Some(direction) = filter.direction {
            wanted.also("e.ways & ? <> 0", Value::from(direction.bit()));
        }
        if let Some(state) = filter.state {
            wanted.also("e.state = ?", Value::from(state.name().to_owned()));
        }
        if let Some(deal) = filter.deal {
            let sql = "e.number IN (SELECT number FROM evidence WHERE deal = ?)";
            wanted.also(sql, Value::from(deal.digest().as_bytes().to_vec()));
        }
        Ok(Some(wanted))
    }
}

fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.millis()).unwrap_or(i64::MAX)
}

/// Words, where something else leads.
const FOUND: &str = "m.number IN (SELECT rowid FROM entries_words WHERE words MATCH ?)";

/// The table that leads a search of entries. Where words are looked for that is their index, which has
/// them in the order of numbers.
struct Lead {
    from: &'static str,
    number: &'static str,
    words: &'static str,
}

impl Lead {
    const fn of(filter: &Filter) -> Self {
        match filter.words.is_empty() {
            true => Self { from: "entries e", number: "e.number", words: "" },
            false => Self {
                from: "entries_words w CROSS JOIN entries e ON e.number = w.rowid",
                number: "w.rowid",
                words: "w.words MATCH ?",
            },
        }
    }
}

/// Conditions, and the values in them, in their order.
#[derive(Default)]
struct Wanted {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Wanted {
    fn also(&mut self, condition: &str, value: Value) {
        self.conditions.push(condition.to_owned());
        self.values.push(value);
    }

    fn any(&mut self, column: &str, all: &[String]) {
        if all.is_empty() {
            return;
        }
        let places = vec!["?"; all.len()].join(", ");
        self.conditions.push(format!("{column} IN ({places})"));
        self.values.extend(all.iter().cloned().map(Value::from));
    }

    fn clause(&self) -> String {
        match self.conditions.as_slice() {
            [] => String::new(),
            all => format!("WHERE {}", all.join(" AND ")),
        }
    }

    fn page(&self, lead: &Lead) -> String {
        let Lead { from, number, .. } = lead;
        let clause = self.clause();
        format!(
            "SELECT e.number, e.stored, v.deal, e.peer, e.kind, v.signer, v.summary, e.state,
                 e.minor, e.currency, e.ways
             FROM {from} CROSS JOIN evidence v ON v.number = e.number {clause}
             ORDER BY {number} DESC LIMIT ?"
        )
    }
}

/// Words as the index takes them: each is the beginning of a word. `None` if nothing of it is a
/// word.
fn query(words: &str) -> Option<String> {
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty());
    let quoted: Vec<String> = words.take(32).map(|it| format!("\"{it}\"*")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" AND "))
}

/// An entry, and whether money has moved by it.
fn entry(row: &Row<'_>) -> rusqlite::Result<(Entry, bool)> {
    let deal: Option<[u8; 32]> = row.get(2)?;
    let state: String = row.get(7)?;
    let entry = Entry {
        number: row.get(0)?,
        stored: stamp(row, 1)?,
        deal: deal.map(|bytes| DealId::new(Digest::from_bytes(bytes))),
        with: row.get(3)?,
        kind: row.get(4)?,
        signer: row.get(5)?,
        what: row.get(6)?,
        state: DealState::parse(&state),
        about: amount(row, 8)?,
        moved: Vec::new(),
    };
    Ok((entry, row.get::<_, i64>(10)? != 0))
}

fn stamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let millis = u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default();
    Timestamp::from_millis(millis).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

/// An amount whose currency stands in the next column.
fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Amount>> {
    let (minor, code) =
        (row.get::<_, Option<i64>>(column)?, row.get::<_, Option<String>>(column + 1)?);
    let currency = code.and_then(|code| code.parse().ok());
    Ok(minor.zip(currency).map(|(minor, currency)| Amount::new(minor, currency)))
}

type Summed = (String, String, Direction, u64, Sum);

fn sum(row: &Row<'_>) -> rusqlite::Result<Summed> {
    let code: String = row.get(1)?;
    let currency = code.parse().map_err(|_| {
        rusqlite::Error::InvalidColumnType(1, code.clone(), rusqlite::types::Type::Text)
    })?;
    let (wholes, rests): (i64, i64) = (row.get(5)?, row.get(6)?);
    let minor = i128::from(wholes) * i128::from(HALF) + i128::from(rests);
    let payments = u64::try_from(row.get::<_, i64>(4)?).unwrap_or_default();
    let direction = Direction::of_bit(row.get(3)?);
    Ok((row.get(0)?, row.get(2)?, direction, payments, Sum { minor, currency }))
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn words_are_beginnings_and_nothing_in_them_is_obeyed() {
        assert_eq!(query("red scarf"), Some("\"red\"* AND \"scarf\"*".into()));
        let hostile = query("\" OR words:* NEAR(a) 44.88 -- Müller");
        let words =
            ["OR", "words", "NEAR", "a", "44", "88", "Müller"].map(|it| format!("\"{it}\"*"));
        assert_eq!(hostile, Some(words.join(" AND ")));
        assert_eq!(query("\"*-\u{202e}"), None);
    }
}
