//! What a screen says, in the person's language.
//!
//! The TINGUIN's own sentences come in English. Those that are known by heart are said in the window's
//! language; every other text is shown as it came, and never guessed at. Dates and amounts are written
//! as the language writes them.

mod known;
mod pattern;

use semper_base::{Amount, Digest, Timestamp};

use crate::words::{Words, value};

/// What the TINGUIN says of a service that nobody has certified.
const UNCERTIFIED: &str = "not certified by anyone you trust";
const CERTIFIED: &str = "certified by ";

/// Longest line about a service that is believed, in letters: of a longer one the end, which is the
/// TINGUIN's own, may have been cut off.
const LONGEST: usize = 1_000;

/// The fixed line about a service in two: what the service calls itself, and the TINGUIN's word about
/// who certified it. The last dash is the TINGUIN's own.
pub fn service(line: &str) -> (&str, &str) {
    if line.is_empty() {
        return ("", "");
    }
    match line.rsplit_once(" — ") {
        Some(parts) if line.chars().nth(LONGEST).is_none() => parts,
        _ => (line, UNCERTIFIED),
    }
}

/// The fixed line about a service in one.
pub fn service_line(words: &Words, line: &str) -> String {
    match service(line) {
        ("", _) => String::new(),
        (service, by) => format!("{service} — {}", certified(words, by)),
    }
}

/// Whether the TINGUIN's word about a service names an organisation.
pub fn is_certified(by: &str) -> bool {
    by.starts_with(CERTIFIED)
}

/// Who certified a service.
pub fn certified(words: &Words, by: &str) -> String {
    match by.strip_prefix(CERTIFIED) {
        Some(who) => words.fill("head-certified", &[("who", value(who.to_owned()))]),
        None => words.say("head-uncertified"),
    }
}

/// Whether a row says nothing but a digest or a key's number.
pub fn is_for_experts(says: &str) -> bool {
    says.parse::<Digest>().is_ok() || says.starts_with("key:")
}

/// How a row begins that somebody else has filled in.
const NOT_CHECKED: &str = "NOT CHECKED, by “";

/// A row's label.
pub fn label(words: &Words, label: &str) -> String {
    let by = label.strip_prefix(NOT_CHECKED).and_then(|it| it.strip_suffix('”'));
    if let Some(by) = by {
        return words.fill("row-not-checked", &[("who", value(known::by(words, by)))]);
    }
    let id = label.to_lowercase().replace(' ', "-").replace('\'', "");
    let known = id.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let found = known.then(|| words.find(&format!("row-{id}"), &[])).flatten();
    found.unwrap_or_else(|| label.to_owned())
}

/// Whom and what a screen is about: its sentences name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// The other side's name.
    pub peer: &'a str,
    /// The money at stake.
    pub amount: Option<Amount>,
}

/// A title, a value or a sentence of the TINGUIN's.
pub fn told(words: &Words, text: &str, about: About<'_>) -> String {
    if let Some(value) = plain(words, text) {
        return value;
    }
    if let Some(known) = known::say(words, text, about) {
        return known;
    }
    // Several sentences are told one by one, unless a line's end or a letter could be lost.
    if text.contains(". ") && !text.contains('\n') {
        let sentences = text.split_inclusive(". ").map(|it| {
            let (plain, end) = it.strip_suffix(' ').map_or((it, ""), |plain| (plain, " "));
            let told = known::say(words, plain, about);
            format!("{}{end}", told.as_deref().unwrap_or(plain))
        });
        return sentences.collect();
    }
    text.to_owned()
}

/// A date or an amount, as the language writes it.
fn plain(words: &Words, text: &str) -> Option<String> {
    let moment = || text.parse().ok().map(|at: Timestamp| words.moment(at));
    let amount = || text.parse().ok().map(|sum: Amount| words.amount(sum));
    let day = || known::day(words, text);
    moment().or_else(amount).or_else(day)
}

/// What stands in a row of a decision. Rows in which others' words stand are shown as they came.
pub fn row(words: &Words, label: &str, says: &str, about: About<'_>) -> String {
    match label {
        "service" => service_line(words, says),
        "reason" | "parcel" | "it fills in" | "it calls itself" | "a shop at" | "its web page" => {
            says.to_owned()
        }
        "from account" => known::account(words, says),
        "payment by" => known::way(words, says),
        _ if label.starts_with(NOT_CHECKED) => known::filled_in(words, label, says),
        _ => told(words, says, about),
    }
}

/// The line about where things stand; what is told beside it stands behind a point.
pub fn status(words: &Words, line: &str, about: About<'_>) -> String {
    let whole = told(words, line, about);
    match line.rsplit_once(" · ") {
        Some((first, last)) if whole == line => match tried(line) {
            Some((count, since)) => {
                format!("{} · {}", told(words, first, about), wrong(words, count, since))
            }
            None => format!("{} · {}", told(words, first, about), told(words, last, about)),
        },
        _ => whole,
    }
}

/// The wrong pass-phrases that the TINGUIN tells of once, at the end of what it says: how many, and
/// since when.
pub fn tried(status: &str) -> Option<(u32, Timestamp)> {
    let (_, tried) = status.rsplit_once(" · ")?;
    let (count, since) = tried.split_once(" wrong pass-phrase")?;
    let since = since.trim_start_matches('s').strip_prefix(" since ")?;
    Some((count.parse().ok()?, since.parse().ok()?))
}

/// Wrong pass-phrases in a sentence.
pub fn wrong(words: &Words, count: u32, since: Timestamp) -> String {
    let written = value(count.to_string());
    let since = value(words.moment(since));
    words.fill("unlock-tried", &[("count", count.into()), ("written", written), ("since", since)])
}

/// What a signed thing is called.
pub fn kind(words: &Words, kind: &str) -> String {
    let known = kind.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let found = known.then(|| words.find(&format!("kind-{kind}"), &[])).flatten();
    found.unwrap_or_else(|| kind.to_owned())
}

/// What a step of a deal is about. What a service calls its information is shown as it came.
pub fn item(words: &Words, name: &str) -> String {
    let both = name.strip_prefix("exchange of ").and_then(|it| it.split_once(" for "));
    if let Some((gives, wants)) = both {
        let all = |of: &str| {
            let and = format!(" {} ", words.say("part-and"));
            of.split(" and ").map(|it| item(words, it)).collect::<Vec<_>>().join(&and)
        };
        let values = [("gives", value(all(gives))), ("gets", value(all(wants)))];
        return words.fill("steps-exchange", &values);
    }
    if name == "payment" {
        return words.say("steps-payment");
    }
    known::kind(words, name)
        .unwrap_or_else(|| words.fill("steps-information", &[("name", value(name.to_owned()))]))
}

/// The ids that stand in no page's code: what the test of the languages has to know.
pub fn known_ids() -> impl Iterator<Item = &'static str> {
    known::ids()
}
