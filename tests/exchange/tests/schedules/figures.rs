//! What came of the schedules, as a table for BENCHMARKS.md.

use std::collections::BTreeMap;
use std::time::Duration;

/// What came of one schedule.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What ran: a protocol between trader processes, or a purchase between the shipped ones.
    pub(crate) what: String,
    /// Who has what at the end.
    pub(crate) end: End,
    /// Whether the third party was asked.
    pub(crate) asked: bool,
    /// From "everything is back" to closed on both sides.
    pub(crate) closed: Duration,
}

/// Who has what at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Both have what they were promised.
    Both,
    /// Neither has anything of the other.
    Neither,
    /// It never came to an exchange.
    NotBegun,
    /// As before, when a date had passed: a hash lock knows no other way.
    ByDate,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Both => "both have it",
            Self::Neither => "neither has",
            Self::NotBegun => "not begun",
            Self::ByDate => "neither has, once a date had passed",
        }
    }
}

/// The so-manieth percentile, in seconds.
fn percentile(sorted: &[Duration], percent: usize) -> String {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).map_or_else(|| "–".into(), |it| format!("{:.1}", it.as_secs_f64()))
}

/// The lines of the table.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut rows: BTreeMap<(String, End, bool), Vec<Duration>> = BTreeMap::new();
    for it in outcomes {
        for what in [it.what.as_str(), "all of them"] {
            let key = (what.to_owned(), it.end, it.asked);
            rows.entry(key).or_default().push(it.closed);
        }
    }
    let mut text = String::from(
        "| what ran | how it ended | third party | schedules | closed after s: p50 | p99 |\n\
         |---|---|---|---|---|---|\n",
    );
    for ((what, end, asked), mut times) in rows {
        times.sort_unstable();
        let asked = if asked { "asked" } else { "not asked" };
        text += &format!(
            "| {what} | {} | {asked} | {} | {} | {} |\n",
            end.name(),
            times.len(),
            percentile(&times, 50),
            percentile(&times, 99)
        );
    }
    text
}
