//! Rows: what a statement says, label by label, in types. Screens draw them, and nothing else.

use semper_base::text::counted;
use semper_base::{Amount, Digest, KeyId, Timestamp};

use super::{Address, Content, Kind, Line, Statement};

/// A row: what it is called, and what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The label in English, and the key under which other languages have it.
    pub label: &'static str,
    /// What stands beside the label.
    pub value: Value<'a>,
}

/// What stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text of the signer's.
    Text(&'a str),
    /// Money.
    Amount(Amount),
    /// A moment, shown to the second.
    Moment(Timestamp),
    /// A day, shown without the time.
    Day(Timestamp),
    /// The digest of something that is no statement.
    Digest(Digest),
    /// Somebody's key, shown by its id.
    Key(KeyId),
    /// An account and the bank that keeps it.
    Account {
        /// The account's number.
        number: &'a str,
        /// The bank's certified name.
        bank: &'a str,
    },
    /// Where goods go, in one line.
    Address(&'a Address),
    /// The cost of delivery, and within how many days it comes.
    Delivery {
        /// What it costs.
        cost: Amount,
        /// Days until the goods arrive.
        days: u16,
    },
    /// Lines of goods. Each is drawn as a row of its own, labelled by what it is.
    Lines(&'a [Line]),
    /// A statement that is referred to, shown by its summary.
    Statement(Digest),
    /// A statement that is accepted as a whole: its own rows follow, if it is of this kind.
    Accepted(Kind, Digest),
}

impl<'a> Row<'a> {
    /// A row.
    pub const fn new(label: &'static str, value: Value<'a>) -> Self {
        Self { label, value }
    }

    /// Label and value in words. A row with lines, or with an accepted statement, becomes several.
    /// Of `known` are the statements that can be referred to.
    pub fn drawn(&self, known: &[(Digest, Statement)]) -> Vec<(String, String)> {
        let words = match self.value {
            Value::Text(text) => text.to_owned(),
            Value::Amount(amount) => amount.to_string(),
            Value::Moment(at) => at.to_string(),
            Value::Day(at) => at.date(),
            Value::Digest(digest) => digest.to_string(),
            Value::Key(key) => key.to_string(),
            Value::Account { number, bank } => format!("{number} at {bank}"),
            Value::Address(to) => to.in_one_line(),
            Value::Delivery { cost, days } => {
                format!("{cost}, within {}", counted(days, "day", "days"))
            }
            Value::Lines(lines) => return lines.iter().map(Line::drawn).collect(),
            Value::Statement(digest) | Value::Accepted(_, digest) => referred(&digest, known),
        };
        let mut drawn = vec![(self.label.to_owned(), words)];
        if let Value::Accepted(kind, digest) = self.value
            && let Some(accepted) = find(&digest, known).filter(|it| it.content.kind() == kind)
        {
            drawn.extend(accepted.content.drawn(known));
        }
        drawn
    }
}

impl Content {
    /// Its rows in words, in order. Of `known` are the statements that it may refer to.
    pub fn drawn(&self, known: &[(Digest, Statement)]) -> Vec<(String, String)> {
        self.rows().iter().flat_map(|row| row.drawn(known)).collect()
    }
}

/// A statement that is referred to, in one sentence. One that is not among the `known` is shown
/// as unknown: a person must not take a digest for an offer that nobody has seen.
pub fn referred(digest: &Digest, known: &[(Digest, Statement)]) -> String {
    let unknown = || format!("{digest} — UNKNOWN TO YOUR HOST");
    find(digest, known).map_or_else(unknown, Statement::summary)
}

fn find<'a>(digest: &Digest, known: &'a [(Digest, Statement)]) -> Option<&'a Statement> {
    known.iter().find(|(other, _)| other == digest).map(|(_, statement)| statement)
}
