//! A play, as its file has it: the catalogue, the persons, and what must come of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use semper_base::{Amount, Report, Timestamp};
use serde::Deserialize;
use toml::{Table, Value};

use crate::files;

/// When a deal begins, if its play does not say: any day will do, as long as it is the same one.
const BEGINS: &str = "2026-01-05T09:00:00Z";
/// Plays that are like one another, at most.
const DEPTH: usize = 8;

/// A play: what `semper-sign try` plays. It is the world around the two halves, and what must come of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// Another play, beside this file: what this one does not say is as it is there.
    #[serde(rename = "like")]
    _like: Option<String>,
    /// The number of the deal: the same number plays the same deal.
    #[serde(default = "first")]
    pub seed: u64,
    /// When the deal begins by its clock, such as `2026-01-05T09:00:00Z`.
    begins: Option<String>,
    /// The merchant's catalogue: a CSV file beside this one, with the columns `number`, `title`,
    /// `category`, `size`, `colour`, `price`, `stock`, `delivery_days`.
    pub catalogue: Option<PathBuf>,
    /// The person on the buyer's side.
    #[serde(default)]
    pub buyer: Character,
    /// The person on the seller's side.
    #[serde(default)]
    pub seller: Character,
    /// What must come of it; `semper-sign try` fails otherwise.
    #[serde(default)]
    pub expect: Expected,
}

/// A person.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Character {
    /// What the person tells merchants: `name`, `street`, `postcode`, `city`, `country`.
    #[serde(default)]
    pub tells: BTreeMap<String, String>,
    /// What the person's account holds, such as `"100.00 EUR"`. Without it there is always enough.
    pub funds: Option<String>,
    /// The person's answers, tried from the top. Who is asked to sign and has no answer for it says yes.
    #[serde(default)]
    pub answer: Vec<Rule>,
    /// When the person wants to leave the deal.
    pub leaves: Option<Leaving>,
}

/// An answer: exactly one of `answer`, `choose`, `fields`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The question's topic, or the kind of what is to be signed: `order`, `payment-order`, `receipt` …;
    /// `*` fits everything.
    pub topic: String,
    /// Only so many times; then the next answer that fits.
    pub times: Option<u32>,
    /// The person takes so long, such as `"4 days"`, `"2 hours"`, `"10 minutes"`.
    pub after: Option<String>,
    /// `yes` or `no`, to a signature; `leave`, to a question; `seen`, to a text.
    pub answer: Option<Word>,
    /// The first option that contains this text.
    pub choose: Option<String>,
    /// A form's fields by their names; what is not named keeps what stands in it.
    pub fields: Option<BTreeMap<String, Filled>>,
}

/// A word that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Signs.
    Yes,
    /// Does not sign.
    No,
    /// Has read it.
    Seen,
    /// Leaves the deal.
    Leave,
}

/// What a field is filled with: a text, or the text of a file beside the play: `{ file = "question.txt" }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Filled {
    /// The text.
    Text(String),
    /// The file.
    File {
        /// Its path, beside the play.
        file: PathBuf,
    },
}

/// When a person wants to leave.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// At which wait of the half: 1 is the first.
    pub wait: u32,
    /// The reason.
    pub reason: String,
}

/// What must come of a play.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// How both halves end.
    pub ends: Option<Ends>,
    /// The money that left the buyer's account: an amount, or `"nothing"`.
    pub paid: Option<String>,
    /// The kinds of the statements that were signed and sent, in their order.
    pub signed: Option<Vec<String>>,
}

/// How a deal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// Both halves have returned, in a state that completes the deal.
    Completed,
    /// Both halves have returned, in a state in which one side has left.
    Withdrawn,
    /// Anything else.
    Failed,
}

impl Ends {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
        }
    }
}

const fn first() -> u64 {
    1
}

const EXPLAINED: &str = "semper-sign reference explains every entry";

impl Play {
    /// Reads a play, with the plays that it is like.
    pub fn read(file: &Path) -> Result<Self, Report> {
        let table = table(file, DEPTH)?;
        let wrong = |what: String| Report::input(format!("{}: {what}", file.display()), EXPLAINED);
        // Parsed from its text, so that an error names the line; from the whole, if it is like another.
        let own = !files::text(file)?.lines().any(|line| line.trim_start().starts_with("like"));
        let play: Self = if own {
            Value::Table(table).try_into().or_else(|error: toml::de::Error| {
                let text = files::text(file)?;
                let located = toml::from_str::<Self>(&text).err().unwrap_or(error);
                Err(wrong(located.to_string()))
            })?
        } else {
            let parsed = Value::Table(table).try_into();
            parsed.map_err(|error: toml::de::Error| wrong(error.to_string()))?
        };
        for (half, person) in [("buyer", &play.buyer), ("seller", &play.seller)] {
            person.check().map_err(|what| wrong(format!("{half}: {what}")))?;
        }
        play.begins().map_err(|error| wrong(format!("begins: {error}")))?;
        if let Some(paid) = play.expect.paid.as_deref().filter(|it| *it != "nothing") {
            paid.parse::<Amount>().map_err(|error| wrong(format!("expect.paid: {error}")))?;
        }
        Ok(play)
    }

    /// When the deal begins.
    pub fn begins(&self) -> Result<Timestamp, String> {
        let text = self.begins.as_deref().unwrap_or(BEGINS);
        text.parse().map_err(|error: semper_base::clock::ParseTimeError| error.to_string())
    }
}

impl Character {
    /// What the account holds, if that is said.
    pub fn funds(&self) -> Result<Option<Amount>, String> {
        let parse = |text: &String| text.parse().map_err(|error| format!("funds: {error}"));
        self.funds.as_ref().map(parse).transpose()
    }

    fn check(&self) -> Result<(), String> {
        self.funds()?;
        for rule in &self.answer {
            let given = [rule.answer.is_some(), rule.choose.is_some(), rule.fields.is_some()];
            if given.iter().filter(|it| **it).count() != 1 {
                let topic = &rule.topic;
                return Err(format!("the answer to “{topic}” needs one of answer, choose, fields"));
            }
            rule.after().map_err(|what| format!("the answer to “{}”: {what}", rule.topic))?;
        }
        Ok(())
    }
}

impl Rule {
    /// How long the person takes.
    pub fn after(&self) -> Result<Duration, String> {
        let Some(text) = &self.after else { return Ok(Duration::ZERO) };
        let wrong =
            || format!("“{text}” is no time such as \"4 days\", \"2 hours\", \"10 minutes\"");
        let (count, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let seconds: u64 = match unit.trim() {
            "second" | "seconds" => 1,
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3_600,
            "day" | "days" => 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = count.parse().map_err(|_| wrong())?;
        count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
    }
}

/// A play's entries, its paths made whole, and under them those of the play that it is like.
fn table(file: &Path, depth: usize) -> Result<Table, Report> {
    let wrong = |what: String| Report::input(format!("{}: {what}", file.display()), EXPLAINED);
    let text = files::text(file)?;
    let mut table: Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    if let Some(Value::String(path)) = table.get_mut("catalogue") {
        *path = folder.join(&*path).display().to_string();
    }
    table.iter_mut().for_each(|(_, value)| settle(value, folder));
    match table.remove("like") {
        None => Ok(table),
        Some(_) if depth == 0 => Err(wrong("it is like too many others, or like itself".into())),
        Some(Value::String(like)) => {
            Ok(over(table, self::table(&folder.join(like), depth - 1)?, true))
        }
        Some(_) => Err(wrong("like = “another play's file”".into())),
    }
}

/// Files in fields are beside the play that names them.
fn settle(value: &mut Value, folder: &Path) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|it| settle(it, folder)),
        Value::Table(table) => {
            if let (1, Some(Value::String(path))) = (table.len(), table.get_mut("file")) {
                *path = folder.join(&*path).display().to_string();
                return;
            }
            table.iter_mut().for_each(|(_, it)| settle(it, folder));
        }
        _ => {}
    }
}

/// Own entries before those of another; of a person, each entry by itself. What is expected is
/// expected of the play that says so.
fn over(mut own: Table, other: Table, top: bool) -> Table {
    for (key, value) in other {
        match (own.get_mut(&key), value) {
            (Some(Value::Table(mine)), Value::Table(theirs)) if top && key != "expect" => {
                *mine = over(std::mem::take(mine), theirs, false);
            }
            (Some(_), _) => {}
            (None, _) if top && key == "expect" => {}
            (None, value) => {
                own.insert(key, value);
            }
        }
    }
    own
}
