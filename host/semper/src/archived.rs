//! The archive as a bank statement: the list, its totals, and who knows what.

use std::path::Path;
use std::time::Duration;

use semper_archive::{Archive, ArchiveError, DealState, Direction, Entry, Filter, Total};
use semper_base::{Report, Timestamp};
use semper_examine::disclosed::{Disclosure, UNKNOWN};
use semper_items::Kind;
use semper_roles::party::Party;
use serde_json::{Value, json};

use crate::arguments::FilterArguments;
use crate::letters::{self, LETTER};
use crate::print;

/// Kinds of entries that are no statements.
const OTHER_KINDS: [&str; 7] =
    ["agreement", "certificate", "exchange", "information", "incident", "fork", LETTER];
/// Characters of a text in a line of the list.
const SHOWN: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub fn list(
    home: &Path,
    filter: &FilterArguments,
    before: Option<i64>,
    most: u16,
    as_json: bool,
) -> Result<(), Report> {
    let party = Party::open(home)?;
    let filter = wanted(&party.archive, filter)?;
    whole(&party.archive)?;
    let page = party.archive.entries(&filter, before, usize::from(most))?;
    if as_json {
        print::json(&page.entries)?;
    } else if page.entries.is_empty() {
        print::line(match (before, filter == Filter::default()) {
            (None, true) => "nothing has been signed yet",
            _ => "there is nothing like that",
        });
    } else {
        page.entries.iter().for_each(|entry| print::line(&drawn(entry)));
    }
    if let Some(before) = page.before.filter(|_| !as_json) {
        print::note(format_args!("there is more: the same with --before {before}"));
    }
    Ok(())
}

/// An entry in one line.
fn drawn(entry: &Entry) -> String {
    let deal = entry.deal.map_or("-".into(), |deal| deal.short());
    let stored = entry.stored.to_string();
    let day = stored.get(..16).unwrap_or(&stored).replace('T', " ");
    let moved = entry.moved.iter().map(|it| {
        let sign = if it.direction == Direction::In { '+' } else { '-' };
        format!("{sign}{} by {}", it.amount, cut(&it.system, 24))
    });
    let moved: Vec<String> = moved.collect();
    let moved = if moved.is_empty() { String::new() } else { format!("  {}", moved.join(", ")) };
    let (with, kind) = (cut(&entry.with, 24), cut(&entry.kind, 20));
    let what = cut(&entry.what, SHOWN);
    format!("{:5}  {day}  {deal:8}  {with:20}  {kind:20}  {what}{moved}", entry.number)
}

/// At most so many characters, on one line.
fn cut(text: &str, most: usize) -> String {
    let line = |c: char| if c.is_whitespace() { ' ' } else { c };
    let mut short: String = text.chars().take(most).map(line).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

pub fn totals(home: &Path, filter: &FilterArguments, as_json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let filter = wanted(&party.archive, filter)?;
    whole(&party.archive)?;
    let totals = party.archive.totals(&filter)?;
    if as_json {
        return print::json(&totals);
    }
    if totals.is_empty() {
        print::line("no money has moved");
    }
    for Total { month, system, paid_in, paid_out, payments } in totals {
        let (paid_in, paid_out, system) =
            (paid_in.to_string(), paid_out.to_string(), cut(&system, 24));
        print::line(&format!(
            "{month}  {system:20}  in {paid_in:>16}  out {paid_out:>16}  payments {payments}"
        ));
    }
    Ok(())
}

pub fn disclosed(home: &Path, to: Option<&str>, as_json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let mut all = letters::disclosed(&party)?;
    all.retain(|it| to.is_none_or(|to| has(&it.to, to)));
    all.sort_by(|one, other| (&one.to, one.at).cmp(&(&other.to, other.at)));
    let mut letters = party.archive.evidence(None)?;
    letters.retain(|it| it.kind == LETTER);
    if as_json {
        let letters: Vec<Value> = letters
            .iter()
            .map(|it| json!({ "number": it.number, "written": it.stored, "about": it.summary }))
            .collect();
        return print::json(&json!({ "disclosed": all, "unknown": UNKNOWN, "letters": letters }));
    }
    if all.is_empty() {
        print::line("nothing about you was given to anybody like that");
    }
    let mut receiver = None;
    for Disclosure { to, what, value, at, deal, by, travelled } in &all {
        if receiver != Some(to) {
            print::line(&cut(to, 200));
            receiver = Some(to);
            for letter in letters::about(&party.archive, to)? {
                let (day, words) = (letter.stored.date(), cut(&letter.summary, 200));
                print::line(&format!("  {day}  letter: {words}"));
            }
        }
        let (value, what) = (cut(value, SHOWN), cut(what, 60));
        print::line(&format!("  {}  deal {}  {what}: {value}", at.date(), deal.short()));
        print::line(&format!("              in the {by}; {}", travelled.words()));
    }
    UNKNOWN.iter().for_each(print::note);
    Ok(())
}

/// Gives an older home's evidence its entries, before they are looked at.
fn whole(archive: &Archive) -> Result<(), ArchiveError> {
    if archive.has_all_entries()? {
        return Ok(());
    }
    if !print::is_for_machines() {
        print::note("the archive is from an earlier version: it is being indexed, this once");
    }
    let mut after = 0;
    while let Some(come_to) = archive.fill_entries(after)? {
        after = come_to;
    }
    Ok(())
}

/// Whether a name has this in it, in whatever case.
fn has(name: &str, part: &str) -> bool {
    name.to_lowercase().contains(&part.to_lowercase())
}

fn wanted(archive: &Archive, filter: &FilterArguments) -> Result<Filter, Report> {
    let FilterArguments { search, with, kind, currency, month, from, until, paid, state } = filter;
    let with = match with {
        None => Vec::new(),
        Some(part) => {
            let found: Vec<String> =
                archive.peers()?.into_iter().filter(|it| has(it, part)).collect();
            if found.is_empty() {
                let what = format!("there is no deal with anybody called “{part}”");
                return Err(Report::input(what, "semper deals lists with whom there are"));
            }
            found
        }
    };
    let known = |it: &str| it.parse::<Kind>().is_ok() || OTHER_KINDS.contains(&it);
    if let Some(unknown) = kind.iter().find(|it| !known(it)) {
        let kinds = Kind::ALL.iter().map(|it| it.name()).chain(OTHER_KINDS);
        let mend = format!("there are {}", kinds.collect::<Vec<_>>().join(", "));
        return Err(Report::input(format!("“{unknown}” is no kind of entry"), mend));
    }
    let (mut first, mut end) =
        (from.as_deref().map(day).transpose()?, until.as_deref().map(end_of).transpose()?);
    if let Some(month) = month {
        (first, end) = months(month)?;
    }
    Ok(Filter {
        words: search.clone().unwrap_or_default(),
        with,
        kinds: kind.clone(),
        currency: currency.as_deref().map(str::parse).transpose()?,
        from: first,
        until: end,
        direction: paid.as_deref().map(direction).transpose()?,
        state: state.as_deref().map(standing).transpose()?,
        deal: None,
    })
}

fn direction(word: &str) -> Result<Direction, Report> {
    match word {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(Report::input(format!("--paid {word}"), "money is paid in or out")),
    }
}

fn standing(word: &str) -> Result<DealState, Report> {
    DealState::parse(word).ok_or_else(|| {
        let mend = "there are running, completed, withdrawn, failed, disputed";
        Report::input(format!("“{word}” is no state of a deal"), mend)
    })
}

/// The beginning of a day, or a time.
fn day(text: &str) -> Result<Timestamp, Report> {
    let whole = format!("{text}T00:00:00Z");
    text.parse().or_else(|_| whole.parse()).map_err(|_| {
        Report::input(
            format!("“{text}” is no date"),
            "write it as 2026-11-21, or as 2026-11-21T16:00:00Z",
        )
    })
}

/// The end of a day, or a time.
fn end_of(text: &str) -> Result<Timestamp, Report> {
    let at = day(text)?;
    Ok(if text.contains('T') { at } else { at.after(DAY) })
}

/// A month's beginning and end.
fn months(text: &str) -> Result<(Option<Timestamp>, Option<Timestamp>), Report> {
    let wrong = || Report::input(format!("“{text}” is no month"), "write it as 2026-11");
    let (year, month) = text.split_once('-').ok_or_else(wrong)?;
    let number = |it: &str| it.parse::<u16>().map_err(|_| wrong());
    let (year, month) = (number(year)?, number(month)?);
    let next = if month == 12 { (year.saturating_add(1), 1) } else { (year, month + 1) };
    let at =
        |(year, month): (u16, u16)| day(&format!("{year:04}-{month:02}-01")).map_err(|_| wrong());
    Ok((Some(at((year, month))?), Some(at(next)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_days_are_bounds_of_time() {
        let month = |text: &str| {
            months(text).map(|(from, until)| [from, until].map(|it| it.expect("a date").date()))
        };
        assert_eq!(month("2026-11").expect("a month"), ["2026-11-01", "2026-12-01"]);
        assert_eq!(month("2026-12").expect("a month"), ["2026-12-01", "2027-01-01"]);
        for wrong in ["2026", "2026-13", "November", "2026-1x", "99999-01"] {
            assert!(month(wrong).is_err(), "{wrong}");
        }
        assert_eq!(end_of("2026-11-30").expect("a day").date(), "2026-12-01");
        assert_eq!(end_of("2026-11-30T12:00:00Z").expect("a time").date(), "2026-11-30");
    }

    #[test]
    fn long_and_broken_texts_are_one_short_line() {
        assert_eq!(cut("two\nlines\tof text", 100), "two lines of text");
        assert_eq!(cut(&"x".repeat(100_000), 3), "xxx…");
    }
}
