//! Whether cases and public log belong together, looked at before a third party starts.
//!
//! A verdict is stored, then its line is logged and the log's head signed, then it leaves the third
//! party. The commit that ends the wait of a line notes that head beside the cases. So cases that
//! were put back from a copy are always found: whatever verdict they lack, and anybody may have,
//! stands in the log, behind the head that the copy notes, and is none of the lines that the copy
//! still has to log. And a log that was put back alone lacks the head that the cases note, or has
//! another root there.
//!
//! So the start looks at the noted head, at one root, and at the lines behind it, which are those of
//! one round if nothing is wrong; however many cases there are. Cases of an earlier version have
//! noted nothing. Once, they are all held against the log.

use std::collections::HashSet;
use std::fmt;

use semper_base::{Digest, Mend, cbor};
use semper_exchange::published::{Line, Logged};
use semper_exchange::standard::Standard;
use semper_exchange::third::Case;
use semper_exchange::verdict::Verdict;
use semper_exchange::{Body as _, Crypto as _};

use super::cases::{Cases, Row};
use super::config::ThirdPartyError;
use super::kept::{Kept, Verdicts};
use crate::log::{LogConfig, LogError, Stored};

/// Cases that are read at once.
const PAGE: u32 = 256;
/// Exchanges that are named.
const NAMED: usize = 5;

/// Cases and log do not belong together.
#[derive(Debug, thiserror::Error, Mend)]
pub enum Disagreement {
    /// The log has lines that no case stands behind.
    #[error(
        "its cases are older than its public log, which has verdicts that they do not: {0}. \
         Whoever asks again would get a second verdict, and two convict you"
    )]
    #[mend(refusal, "{TOGETHER}")]
    OlderCases(Exchanges),
    /// The cases have verdicts that are not in the log, and do not wait for it.
    #[error(
        "its public log is older than its cases: it has {has} lines, and the cases have seen \
         {seen}. {without} Lines that are logged anew would give the log a second past"
    )]
    #[mend(refusal, "{TOGETHER}")]
    OlderLog {
        /// Lines that the log has.
        has: u64,
        /// Lines that the cases have seen.
        seen: u64,
        /// What is known to be missing.
        without: Missing,
    },
    /// Verdicts without a line, found when all were looked at.
    #[error("its public log lacks verdicts that its cases have given: {0}")]
    #[mend(refusal, "{TOGETHER}")]
    NotLogged(Exchanges),
    /// Another log, or one that went on differently from a copy.
    #[error(
        "its public log is another one than its cases have seen: its first {seen} lines have \
         another root"
    )]
    #[mend(refusal, "{TOGETHER}")]
    OtherLog {
        /// So many lines the cases have seen.
        seen: u64,
    },
    /// The log has a line that contradicts a case.
    #[error(
        "its public log has other verdicts than its cases, or two of one exchange: {0}. If both \
         were signed, they convict you"
    )]
    #[mend(refusal, "{TOGETHER}")]
    TwoVerdicts(Exchanges),
    /// Something in the log is no line.
    #[error("line {0} of its public log is neither about a verdict nor a change of its own key")]
    #[mend(refusal, "{TOGETHER}")]
    Foreign(u64),
}

const TOGETHER: &str = "put cases (cases.sqlite with what lies beside it, or the PostgreSQL \
    database) and the folder verdicts back from the same, newest moment; change neither, and let \
    nothing be signed anew. If the newest cases are lost: see “After a restore” in \
    docs/fair-exchange-for-operators.md";

/// Some exchanges by name, and how many there are.
#[derive(Debug, Default)]
pub struct Exchanges {
    named: Vec<Digest>,
    count: usize,
}

impl Exchanges {
    fn add(&mut self, exchange: Digest) {
        if self.named.len() < NAMED {
            self.named.push(exchange);
        }
        self.count += 1;
    }
}

impl fmt::Display for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, exchange) in self.named.iter().enumerate() {
            let before = if index > 0 { ", " } else { "" };
            write!(f, "{before}{}", semper_base::ExchangeId::new(*exchange))?;
        }
        match self.count - self.named.len() {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

/// Which verdicts an older log lacks.
#[derive(Debug)]
pub struct Missing(Exchanges);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.count {
            0 => Ok(()),
            _ => write!(f, "It lacks the verdicts about {}.", self.0),
        }
    }
}

type Result<T> = std::result::Result<T, ThirdPartyError>;

/// The lines that verdicts have in the log, in their order; of the second also the form that it had
/// before it named the first.
pub(super) fn lines(exchange: Digest, (verdict, after): Verdicts<'_>) -> Vec<Vec<Vec<u8>>> {
    let digest = |verdict: &Verdict<Standard>| Standard::digest(Verdict::<Standard>::KIND, verdict);
    let line = |verdict, after| cbor::encode(&Logged { exchange, verdict, after });
    let first = digest(verdict);
    let follows = after.map(digest);
    let follows = follows.map(|after| vec![line(after, Some(first)), line(after, None)]);
    [vec![line(first, None)]].into_iter().chain(follows).collect()
}

/// The lines of a stored case; none if it is not decided.
fn lines_of(exchange: Digest, kept: &Kept) -> Vec<Vec<Vec<u8>>> {
    kept.verdicts().map(|it| lines(exchange, it)).unwrap_or_default()
}

/// The line that a case has just got.
pub(super) fn newest(exchange: Digest, case: &Case<Standard>) -> Option<Vec<u8>> {
    let Case::Decided(stored) = case else { return None };
    let forms = lines(exchange, (&stored.verdict, stored.after.as_ref())).pop();
    forms.and_then(|forms| forms.into_iter().next())
}

/// Holds cases against the log on the disk; `own` are the third party's statements about its own
/// keys, as they stand in the log. Whether all cases were looked at.
pub(super) fn agree(cases: &dyn Cases, log: &LogConfig, own: &[Vec<u8>]) -> Result<bool> {
    // In this order: a check may look while a server runs, whose log has then what it notes later.
    let (seen, waiting) = (cases.published()?, cases.to_log(u32::MAX)?);
    let log = &Stored::look(log)?;
    let waiting = waiting.into_iter().map(|it| it.1).collect();
    let agree = Agree { cases, log, own, waiting };
    match seen {
        Some(seen) if seen.size > log.head.size => agree.older_log(seen.size)?,
        Some(seen) if log.root_at(seen.size)? != seen.root => {
            return Err(Disagreement::OtherLog { seen: seen.size }.into());
        }
        Some(seen) => agree.behind(seen.size)?,
        None => {
            agree.all()?;
            return Ok(true);
        }
    }
    Ok(false)
}

struct Agree<'a> {
    cases: &'a dyn Cases,
    log: &'a Stored,
    own: &'a [Vec<u8>],
    waiting: HashSet<Vec<u8>>,
}

impl Agree<'_> {
    /// Looks at the lines that the cases have not noted.
    fn behind(&self, size: u64) -> Result<()> {
        let (mut older, mut other) = (Exchanges::default(), Exchanges::default());
        let mut foreign = None;
        let mut failed = None;
        self.log
            .walk(size, |number, entry| {
                match self.stands_behind(entry) {
                    Ok(Behind::This) => {}
                    Ok(Behind::Nothing(exchange)) => older.add(exchange),
                    Ok(Behind::Other(exchange)) => other.add(exchange),
                    Ok(Behind::Foreign) => foreign = foreign.or(Some(number)),
                    Err(error) => failed = Some(error),
                }
                match failed {
                    None => Ok(()),
                    Some(_) => Err(LogError::Closed),
                }
            })
            .or_else(|error| if failed.is_some() { Ok(()) } else { Err(error) })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if other.count > 0 {
            return Err(Disagreement::TwoVerdicts(other).into());
        }
        if older.count > 0 {
            return Err(Disagreement::OlderCases(older).into());
        }
        foreign.map_or(Ok(()), |number| Err(Disagreement::Foreign(number).into()))
    }

    fn stands_behind(&self, entry: &[u8]) -> Result<Behind> {
        if self.waiting.contains(entry) || self.own.iter().any(|it| it == entry) {
            return Ok(Behind::This);
        }
        let Some(Line::<Standard>::Verdict(line)) = Line::read(entry) else {
            return Ok(Behind::Foreign);
        };
        let Some(row) = self.cases.load(&line.exchange)? else {
            return Ok(Behind::Nothing(line.exchange));
        };
        let lines = lines_of(line.exchange, &Kept::decode(&row)?);
        if lines.iter().flatten().any(|it| it == entry) {
            return Ok(Behind::This);
        }
        // A case that is undecided, or is about to get its fault, is older. Another verdict in the
        // place of the first is a second one.
        let is_later = line.after.is_some() || lines.is_empty();
        match is_later {
            true => Ok(Behind::Nothing(line.exchange)),
            false => Ok(Behind::Other(line.exchange)),
        }
    }

    /// Every case, and whether every line is one of theirs.
    fn all(&self) -> Result<()> {
        let mut known: u64 = 0;
        let mut missing = Exchanges::default();
        self.each(&mut |exchange, row| {
            for forms in lines_of(exchange, &Kept::decode(&row)?) {
                let mut found = false;
                for form in &forms {
                    found |= self.log.has(form)?;
                }
                known += u64::from(found);
                if !found && !forms.iter().any(|it| self.waiting.contains(it)) {
                    missing.add(exchange);
                }
            }
            Ok(())
        })?;
        for statement in self.own {
            known += u64::from(self.log.has(statement)?);
        }
        // Lines differ from each other, so if there are as many, they are the same.
        if known != self.log.head.size {
            self.behind(0)?;
        }
        match missing.count {
            0 => Ok(()),
            _ => Err(Disagreement::NotLogged(missing).into()),
        }
    }

    /// The log has fewer lines than the cases have seen: says which are missing.
    fn older_log(&self, seen: u64) -> Result<()> {
        let mut missing = Exchanges::default();
        self.each(&mut |exchange, row| {
            for forms in lines_of(exchange, &Kept::decode(&row)?) {
                let mut found = forms.iter().any(|it| self.waiting.contains(it));
                for form in &forms {
                    found = found || self.log.has(form)?;
                }
                if !found {
                    missing.add(exchange);
                }
            }
            Ok(())
        })?;
        let has = self.log.head.size;
        Err(Disagreement::OlderLog { has, seen, without: Missing(missing) }.into())
    }

    fn each(&self, each: &mut dyn FnMut(Digest, Row) -> Result<()>) -> Result<()> {
        let mut last = None;
        loop {
            let page = self.cases.after(last.as_ref(), PAGE)?;
            let Some((end, _)) = page.last() else { return Ok(()) };
            last = Some(*end);
            for (exchange, row) in page {
                each(exchange, row)?;
            }
        }
    }
}

/// What stands behind a line.
enum Behind {
    /// A case, a line that is still to be noted, or the third party's own statement.
    This,
    /// No case, or one that is not so far.
    Nothing(Digest),
    /// A case with another verdict.
    Other(Digest),
    /// It is no line.
    Foreign,
}
