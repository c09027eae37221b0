//! What happened, in words: a line for each step, and lines of detail below it.

use std::time::Duration;

use semper_base::{Digest, Timestamp, cbor, text};
use semper_exchange::package::{MAX_TALK, Talk};
use semper_items::{Item, Statement};
use semper_stage::{Seen, Shopped};
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use serde::Serialize;

use crate::exercise::statement;
use crate::table::Moment;

/// Characters of one text of the service's that are shown.
const SHOWN: usize = 400;

/// A step of a play.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Whose half: `buyer` or `seller`.
    pub half: &'static str,
    /// When, by the deal's clock.
    pub at: Timestamp,
    /// What kind of step: `asks`, `signs`, `sends`, `log` …
    pub what: &'static str,
    /// The step in one line.
    pub text: String,
    /// What belongs to it: a form's fields, a statement's rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// The steps that a story was.
pub fn steps(story: &[Moment]) -> Vec<Step> {
    let known: Vec<(Digest, Statement)> = story.iter().filter_map(stated).collect();
    let step = |moment: &Moment| {
        let (what, text, details) = told(&moment.seen, &known);
        Step { half: moment.side.name(), at: moment.at, what, text, details }
    };
    story.iter().map(step).collect()
}

/// A statement by its digest, for those that refer to it.
fn stated(moment: &Moment) -> Option<(Digest, Statement)> {
    let Seen::Consent(statement, Ok(())) = &moment.seen else { return None };
    Some((Digest::of(&statement.encode().ok()?), Statement::clone(statement)))
}

/// How much later, for people; nothing if it is hardly later.
pub fn later(before: Timestamp, now: Timestamp) -> Option<String> {
    let while_ = now.since(before);
    if while_ < Duration::from_secs(60) {
        return None;
    }
    let minutes = while_.as_secs() / 60;
    let units = [(minutes / 1440, "day"), (minutes / 60 % 24, "hour"), (minutes % 60, "minute")];
    let said = units.iter().filter(|it| it.0 > 0);
    let said =
        said.map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }));
    Some(format!("{} later", said.collect::<Vec<_>>().join(", ")))
}

type Told = (&'static str, String, Vec<String>);

fn told(seen: &Seen, known: &[(Digest, Statement)]) -> Told {
    let plain = |what, text: String| (what, text, Vec::new());
    match seen {
        Seen::Asked(question, answer) => asked(question, answer),
        Seen::Consent(statement, said) => {
            let name = statement.content.kind().name();
            let over = over(statement.content.amount());
            let rows = statement.content.drawn(known);
            let rows = rows.iter().map(|(label, value)| clean(&format!("{label}: {value}")));
            match said {
                Ok(()) => ("signs", format!("the person signs the {name}{over}"), rows.collect()),
                Err(why) => {
                    let text = format!("the person does not sign the {name}{over}: {}", clean(why));
                    ("declines", text, rows.collect())
                }
            }
        }
        Seen::Detail(key) => plain("reads", format!("reads the person's {}", clean(key))),
        Seen::Paid(order) => {
            plain("pays", format!("{} leave the account, to {}", order.amount, clean(&order.to)))
        }
        Seen::Unpaid => plain("unpaid", "the account does not hold enough: nothing is paid".into()),
        Seen::Sent(item) => plain("sends", sent(item)),
        Seen::Given(kind) => plain("gives", format!("gives {}", clean(kind))),
        Seen::Received(number) => plain("receives", format!("receives message {number}")),
        Seen::Leaving(reason) => {
            plain("leaves", format!("is told that the person wants to leave: {}", clean(reason)))
        }
        Seen::Progress(text) => plain("progress", format!("tells the person: {}", clean(text))),
        Seen::Logged(text) => plain("log", format!("log: {}", clean(text))),
        Seen::Shopped(what) => shopped(what),
    }
}

/// A text of the service's, as a terminal may show it.
fn clean(text: &str) -> String {
    text::shown(text, SHOWN)
}

fn over(amount: Option<semper_base::Amount>) -> String {
    amount.map_or_else(String::new, |amount| format!(" over {amount}"))
}

fn asked(question: &Question, answer: &Answer) -> Told {
    let says: Vec<String> = question.says().lines().map(clean).collect();
    let topic = clean(question.topic());
    let mut details = Vec::new();
    let what = match question {
        Question::Inform { .. } => "shows",
        Question::Choose { options, .. } => {
            details.extend(options.iter().enumerate().map(|(at, it)| {
                let mark = if *answer == Answer::Choice(at as u32) { "→" } else { " " };
                format!("{mark} {}", clean(it))
            }));
            "asks"
        }
        Question::Form { fields, .. } => {
            if let Answer::Fields(filled) = answer {
                let one = |((name, _), text): (&(String, String), &String)| {
                    format!("{}: “{}”", clean(name), clean(text))
                };
                details.extend(fields.iter().zip(filled).map(one));
            }
            "asks"
        }
    };
    if *answer == Answer::Leave {
        details.push("the person leaves".into());
    }
    (what, format!("{what} “{topic}”: {}", says.join(" / ")), details)
}

fn sent(item: &Item) -> String {
    match item {
        Item::Information { kind, body } => match std::str::from_utf8(body) {
            Ok("") => format!("sends {}", clean(kind)),
            Ok(text) => format!("sends {}: “{}”", clean(kind), clean(text)),
            Err(_) => format!("sends {}: {} bytes", clean(kind), body.len()),
        },
        Item::Statement(_) => match statement(item) {
            Some(it) => {
                format!("sends the {}{}", it.content.kind().name(), over(it.content.amount()))
            }
            None => "sends a statement".into(),
        },
        Item::Money(_) => "sends the payment".into(),
        Item::Exchange(bytes) => match cbor::decode::<Talk>(bytes, MAX_TALK) {
            Ok(talk) => clean(&talk.words()),
            Err(_) => "sends something about an exchange".into(),
        },
    }
}

fn shopped(what: &Shopped) -> Told {
    let one = |it: &semper_runtime::business::Article| {
        format!("{}: {}, {}, {} in stock", clean(&it.number), clean(&it.title), it.price, it.stock)
    };
    match what {
        Shopped::Search(query, found, total) => {
            let words = clean(&query.words);
            let text = format!("searches the catalogue for “{words}”: {} of {total}", found.len());
            ("searches", text, found.iter().map(one).collect())
        }
        Shopped::Lookup(number, found) => {
            let found = found.as_ref().map_or("there is none".into(), one);
            ("looks-up", format!("looks up article {}", clean(number)), vec![found])
        }
        Shopped::Reserve(article, quantity, done) => {
            let done = if *done { "done" } else { "there are not so many" };
            let text = format!("puts {quantity} × {} aside: {done}", clean(article));
            ("reserves", text, Vec::new())
        }
        Shopped::Release => ("releases", "puts back what was put aside".into(), Vec::new()),
        Shopped::Ship(to, parcel) => {
            let to = to.lines().map(clean).collect::<Vec<_>>().join(", ");
            ("ships", format!("hands parcel {} to fulfilment, to {to}", clean(parcel)), Vec::new())
        }
    }
}
