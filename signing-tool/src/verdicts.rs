//! What a monitor finds in a third party's log of verdicts: two verdicts about one exchange, a line
//! that is missing, a verdict about an exchange of one's own, two keys that follow one.
//!
//! The state file remembers of each exchange the first bytes of its name. If an exchange seems to
//! come again, or one's own has come before, the log is read once more from its beginning: that is
//! rare, and the file stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use semper_base::digest::hex;
use semper_base::text::counted;
use semper_base::{Digest, ExchangeId, Report, cbor};
use semper_distribution::Progress;
use semper_distribution::logs::{LogClient, Watched};
use semper_exchange::judge::Evidence;
use semper_exchange::published::{Line, Logged};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::Answer;
use semper_tlog::tree::Tree;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::files;
use crate::say::Said;

/// How the name of a third party's log ends.
const VERDICTS: &str = "/verdicts";
/// Bytes of evidence at most.
const MAX_EVIDENCE: usize = 16 * 1024 * 1024;

/// Whether a log of this name is one of verdicts; whose it is then.
pub fn origin(name: &str) -> Option<&str> {
    name.strip_suffix(VERDICTS)
}

/// An exchange of one's own, and the verdicts about it that one has been given.
#[derive(Debug)]
pub struct Own {
    exchange: Digest,
    given: BTreeSet<Digest>,
    /// Where they are; nothing, if only the exchange was named.
    file: Option<String>,
}

impl Own {
    /// An exchange by its name.
    pub fn named(text: &str) -> Result<Self, Report> {
        let id: ExchangeId = text.parse().map_err(|error| {
            let mend = "give it as semper judge and semper archive show print it: exchange:…";
            Report::input(format!("“{text}”: {error}"), mend)
        })?;
        Ok(Self { exchange: *id.digest(), given: BTreeSet::new(), file: None })
    }

    /// What a home or another has kept of an exchange.
    pub fn of(file: &Path, origin: &str) -> Result<Self, Report> {
        let wrong = |error: &dyn std::fmt::Display| {
            let mend = "give the evidence of an exchange, as semper archive save writes it";
            Report::input(format!("{}: {error}", file.display()), mend)
        };
        let bytes = files::bytes(file)?;
        let evidence: Evidence<Standard> =
            cbor::decode(&bytes, MAX_EVIDENCE).map_err(|error| wrong(&error))?;
        let named = &evidence.agreement.third_party;
        if named.origin != origin {
            let what = format!("its third party is {}, and the log is {origin}'s", named.origin);
            return Err(wrong(&what));
        }
        let exchange = evidence.agreement.subject();
        let given = evidence.answers.iter().filter_map(|answer| match answer {
            Answer::Decided(it) if it.verdict.is_by(&named.sign, exchange) => {
                Some(it.verdict.digest())
            }
            _ => None,
        });
        Ok(Self { exchange, given: given.collect(), file: Some(file.display().to_string()) })
    }
}

/// Something that is wrong with a log of verdicts, or that its reader must know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Finding {
    /// More verdicts about an exchange than there can be.
    TwoVerdicts { exchange: ExchangeId, lines: Vec<Place> },
    /// A fault that follows a completion which is not there.
    WithoutFirst { exchange: ExchangeId, lines: Vec<Place> },
    /// A line that is neither about a verdict nor a change of keys.
    Foreign { number: u64 },
    /// Two keys follow the same one.
    TwoKeys { number: u64, key: String },
    /// A verdict that was given has no line.
    Missing { exchange: ExchangeId, verdict: Digest, file: String },
    /// A verdict about an exchange of one's own, which one has not been given.
    Own { exchange: ExchangeId, line: Place },
}

/// A line about a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    number: u64,
    verdict: Digest,
}

impl Finding {
    fn words(&self) -> String {
        let at = |lines: &[Place]| {
            let lines =
                lines.iter().map(|it| format!("line {} ({})", it.number, it.verdict.short()));
            lines.collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::TwoVerdicts { exchange, lines } => format!(
                "{exchange} has several verdicts: {}. Unless the last is a fault that was shown \
                 after a completion, the third party has decided twice; semper judge finds it from \
                 the evidence of both sides",
                at(lines)
            ),
            Self::WithoutFirst { exchange, lines } => format!(
                "{exchange} has a fault after a completion that is not in the log: {}",
                at(lines)
            ),
            Self::Foreign { number } => {
                format!("line {number} is neither about a verdict nor a change of keys")
            }
            Self::TwoKeys { number, key } => format!(
                "line {number} has another key follow {key}, which one has followed already: believe \
                 neither before the third party has told you which, by another way"
            ),
            Self::Missing { exchange, verdict, file } => format!(
                "{exchange}: the verdict {} in {file} has no line in the log. Keep both: a third \
                 party that gives verdicts beside its log may give two",
                verdict.short()
            ),
            Self::Own { exchange, line } => format!(
                "{exchange} is yours, and line {} is about a verdict ({}) that you have not been \
                 given: have your host ask the third party (semper deals --resume)",
                line.number,
                line.verdict.short()
            ),
        }
    }

    fn value(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["words"] = self.words().into();
        value
    }
}

/// What is remembered of a log of verdicts.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    /// The first bytes of the exchanges' names, sorted, in hexadecimal.
    seen: String,
    /// What was found, which stays wrong.
    findings: Vec<Finding>,
    /// Keys that others have followed.
    followed: Vec<String>,
}

/// The first bytes of an exchange's name.
fn start(exchange: &Digest) -> [u8; 8] {
    let mut start = [0; 8];
    start.copy_from_slice(&exchange.as_bytes()[..8]);
    start
}

impl Notes {
    fn starts(&self) -> Option<BTreeSet<[u8; 8]>> {
        let bytes = semper_base::digest::unhex(&self.seen)?;
        let (starts, rest) = bytes.as_chunks::<8>();
        rest.is_empty().then(|| starts.iter().copied().collect())
    }
}

/// The lines that were read.
#[derive(Default)]
struct Read {
    verdicts: BTreeMap<Digest, Vec<(u64, Logged)>>,
    changes: Vec<(u64, String, String, String)>,
    foreign: Vec<u64>,
}

impl Read {
    fn of(entries: &[(u64, Vec<u8>)]) -> Self {
        let mut read = Self::default();
        for (number, entry) in entries {
            match Line::<Standard>::read(entry) {
                Some(Line::Verdict(line)) => {
                    read.verdicts.entry(line.exchange).or_default().push((*number, line));
                }
                Some(Line::Succession(statement)) => match statement.verify() {
                    Some(follows) => read.changes.push((
                        *number,
                        hex(follows.before.sign.as_bytes()),
                        hex(follows.after.sign.as_bytes()),
                        follows.from.to_string(),
                    )),
                    None => read.foreign.push(*number),
                },
                None => read.foreign.push(*number),
            }
        }
        read
    }

    /// What is wrong with the lines of one exchange.
    fn contradiction(exchange: Digest, lines: &[(u64, Logged)]) -> Option<Finding> {
        let places = || {
            let place =
                |(number, line): &(u64, Logged)| Place { number: *number, verdict: line.verdict };
            lines.iter().map(place).collect()
        };
        let id = ExchangeId::new(exchange);
        match lines {
            [(_, only)] if only.after.is_none() => None,
            [_] => Some(Finding::WithoutFirst { exchange: id, lines: places() }),
            [(_, first), (_, second)]
                if first.after.is_none() && second.after == Some(first.verdict) =>
            {
                None
            }
            _ => Some(Finding::TwoVerdicts { exchange: id, lines: places() }),
        }
    }
}

/// Looks at what is new in a log of verdicts, and at one's own exchanges in all of it.
pub fn look(
    log: &LogClient<'_>,
    watched: &mut Watched,
    new: &[(u64, Vec<u8>)],
    own: &[Own],
    progress: &dyn Progress,
) -> Result<Said, Report> {
    let unreadable = || Report::input("the state is damaged", "name a new file with --state");
    let known: Option<Notes> = match watched.notes.take() {
        None => None,
        Some(value) => Some(serde_json::from_value(value).map_err(|_| unreadable())?),
    };
    let begun = watched.size() - new.len() as u64;
    let is_first = known.is_none() && begun > 0;
    let mut notes = known.unwrap_or_default();
    let mut starts = notes.starts().ok_or_else(unreadable)?;

    let fresh = Read::of(new);
    let again = |exchange: &Digest| starts.contains(&start(exchange));
    let is_again = fresh.verdicts.keys().any(again) || own.iter().any(|it| again(&it.exchange));
    let read = match is_first || is_again {
        true => Read::of(&whole(log, watched, progress)?),
        false => Read::of(new),
    };

    let mut found = Vec::new();
    for (exchange, lines) in &read.verdicts {
        if is_first || fresh.verdicts.contains_key(exchange) {
            found.extend(Read::contradiction(*exchange, lines));
        }
        starts.insert(start(exchange));
    }
    let from = if is_first { &read } else { &fresh };
    found.extend(from.foreign.iter().map(|number| Finding::Foreign { number: *number }));
    for (number, before, _, _) in &from.changes {
        if notes.followed.contains(before) {
            found.push(Finding::TwoKeys { number: *number, key: before.clone() });
        }
        notes.followed.push(before.clone());
    }
    for finding in found {
        // An exchange that gets a third line is told anew, with all of them.
        if !notes.findings.contains(&finding) {
            notes.findings.push(finding);
        }
    }
    notes.seen = starts.iter().map(|it| hex(it)).collect();
    let mut findings = notes.findings.clone();
    findings.extend(own.iter().flat_map(|it| about_own(it, &read)));
    watched.notes = serde_json::to_value(&notes).ok();

    Ok(said(watched.size(), new.len(), &fresh, &findings))
}

/// Every entry up to what has been watched; they must be the same as then.
fn whole(
    log: &LogClient<'_>,
    watched: &Watched,
    progress: &dyn Progress,
) -> Result<Vec<(u64, Vec<u8>)>, Report> {
    let mut entries = log.watch(&mut Watched::default(), progress)?;
    let mut tree = Tree::new();
    entries.retain(|(number, _)| *number < watched.size());
    for (_, entry) in &entries {
        tree.append(semper_tlog::leaf(entry), |_, _, _| {});
    }
    if tree.root() != watched.root() {
        let what = "read once more, the log has another past than it was seen with";
        let mend = "keep the state file: it has the checkpoint that the log has signed";
        return Err(Report::refusal(what, mend));
    }
    Ok(entries)
}

fn about_own(own: &Own, read: &Read) -> Vec<Finding> {
    let exchange = ExchangeId::new(own.exchange);
    let empty = Vec::new();
    let lines = read.verdicts.get(&own.exchange).unwrap_or(&empty);
    let logged: BTreeSet<Digest> = lines.iter().map(|(_, line)| line.verdict).collect();
    let mut findings = Vec::new();
    for verdict in own.given.difference(&logged) {
        let file = own.file.clone().unwrap_or_default();
        findings.push(Finding::Missing { exchange, verdict: *verdict, file });
    }
    for (number, line) in lines {
        if !own.given.contains(&line.verdict) {
            let line = Place { number: *number, verdict: line.verdict };
            findings.push(Finding::Own { exchange, line });
        }
    }
    findings
}

fn said(size: u64, new: usize, fresh: &Read, findings: &[Finding]) -> Said {
    let verdicts: usize = fresh.verdicts.values().map(Vec::len).sum();
    let entries = counted(size, "entry", "entries");
    let mut text = format!("{entries}, {new} of them new: {verdicts} about verdicts\n");
    for (number, before, after, from) in &fresh.changes {
        text += &format!("{number:8}  the key {before} is followed by {after} from {from}\n");
    }
    for finding in findings {
        text += &format!("- {}\n", finding.words());
    }
    let changes: Vec<Value> = fresh
        .changes
        .iter()
        .map(|(number, before, after, from)| {
            json!({ "number": number, "before": before, "after": after, "from": from })
        })
        .collect();
    let value = json!({
        "size": size,
        "new": new,
        "verdicts": verdicts,
        "keys": changes,
        "findings": findings.iter().map(Finding::value).collect::<Vec<_>>(),
    });
    Said { text, value, refused: !findings.is_empty() }
}
