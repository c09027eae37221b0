//! The archive as a bank statement shows what was booked: entries, newest first.
//!
//! Every piece of evidence is one entry. What an entry says about money is read from the evidence
//! itself: what a statement is about, and what a payment system says has moved. A face asks for a
//! [`Page`] at a time, by a [`Filter`] and the number before which the page begins, so that the
//! length of the archive costs it nothing.
//!
//! | module | what it is for |
//! |---|---|
//! | `book` | what an entry knows beside its evidence, read from the evidence |
//! | `find` | pages and totals, as SQL |

mod book;
mod find;

use std::fmt;

use semper_base::{Amount, Currency, DealId, Timestamp};
use serde::{Serialize, Serializer};

use crate::rows::DealState;

pub(crate) use book::{Booked, ended, fill, store};

/// Entries of one page, at most.
pub const MOST: usize = 1_000;

/// One line of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number: that of its evidence. A page begins before one.
    pub number: i64,
    /// When it was stored here; for a statement of one's own, when it was made.
    pub stored: Timestamp,
    /// The deal that it belongs to.
    pub deal: Option<DealId>,
    /// The other side of the deal, by its certified name; empty without a deal.
    pub with: String,
    /// `agreement`, `offer`, `order`, `payment-confirmation` …
    pub kind: String,
    /// Who signed it; empty where several did, or nobody.
    pub signer: String,
    /// What it is, in one sentence.
    #[serde(rename = "summary")]
    pub what: String,
    /// Where its deal stands.
    pub state: Option<DealState>,
    /// The money that it is about.
    pub about: Option<Amount>,
    /// The money that has moved by it, as its payment system says.
    pub moved: Vec<Moved>,
}

/// Money that has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// To us, or from us.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// The payment system that moved it, by its certified name; the payment module's name where a
    /// deal names no more.
    pub system: String,
}

/// Which way money has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// We were paid.
    In,
    /// We have paid.
    Out,
}

impl Direction {
    /// Its bit in the store.
    const fn bit(self) -> i64 {
        match self {
            Self::In => 1,
            Self::Out => 2,
        }
    }

    const fn of_bit(bit: i64) -> Self {
        match bit {
            1 => Self::In,
            _ => Self::Out,
        }
    }
}

/// Which entries are wanted. Each part that is set narrows them down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Words, all of which must stand in the entry, or begin a word in it. Looked for in what the
    /// entry says: articles, addresses, amounts, names.
    pub words: String,
    /// Other sides, any of which it must be with, by their certified names.
    pub with: Vec<String>,
    /// Kinds, any of which it must be of.
    pub kinds: Vec<String>,
    /// The currency that it must be about.
    pub currency: Option<Currency>,
    /// Stored at that time or later.
    pub from: Option<Timestamp>,
    /// Stored before that time.
    pub until: Option<Timestamp>,
    /// Money must have moved that way.
    pub direction: Option<Direction>,
    /// Where its deal must stand.
    pub state: Option<DealState>,
    /// The deal that it must belong to.
    pub deal: Option<DealId>,
}

/// A page of entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next page begins: before the entry of this number. `None` if there is no more.
    pub before: Option<i64>,
}

/// What has moved in a month, in one currency, by one payment system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The month, such as `2026-11`, by Greenwich's clock.
    pub month: String,
    /// The payment system's name.
    pub system: String,
    /// What we were paid.
    pub paid_in: Sum,
    /// What we have paid.
    pub paid_out: Sum,
    /// Payments in and out.
    pub payments: u64,
}

/// A sum of amounts: exact, however many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// In the currency's minor unit.
    pub minor: i128,
    /// The currency.
    pub currency: Currency,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.digits();
        let (unit, minor) = (10_u128.pow(digits), self.minor.unsigned_abs());
        let sign = if self.minor < 0 { "-" } else { "" };
        if digits == 0 {
            return write!(f, "{sign}{minor} {}", self.currency);
        }
        let width = digits as usize;
        write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency)
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_written_as_an_amount_and_outgrows_one() {
        let sum = |minor, code: &str| Sum { minor, currency: code.parse().expect("a currency") };
        assert_eq!(sum(-190_205, "EUR").to_string(), "-1902.05 EUR");
        assert_eq!(sum(5, "JPY").to_string(), "5 JPY");
        let twice = i128::from(i64::MAX) * 2;
        assert_eq!(sum(twice, "EUR").to_string(), "184467440737095516.14 EUR");
    }
}
