//! A person of a play: answers by its rules, and says what it has no answer for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use semper_base::{Amount, Report};
use semper_items::statement::PaymentOrder;
use semper_items::{Side, Statement};
use semper_stage::Script;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;

use super::play::{Character, Filled, Leaving, Rule, Word};
use crate::files;

/// How often one rule answers before the service is held to ask without end.
const PATIENCE: u32 = 100;

/// What a play has shown about its own file.
#[derive(Debug, Default)]
pub struct Notes {
    /// What there was no answer for: what is wrong, and the entry that mends it.
    missing: Option<(String, String)>,
    /// How often each rule has answered.
    used: Vec<u32>,
}

/// A person.
pub struct Person {
    side: Side,
    who: Character,
    funds: Option<Amount>,
    leaving: Option<Leaving>,
    waits: u32,
    took: u64,
    notes: Arc<Mutex<Notes>>,
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Person {
    /// The person, and what will be noted about her answers. The play has been checked before.
    pub fn new(side: Side, who: &Character) -> (Self, Arc<Mutex<Notes>>) {
        let used = vec![0; who.answer.len()];
        let notes = Arc::new(Mutex::new(Notes { missing: None, used }));
        let funds = who.funds().unwrap_or_default();
        let (who, leaving) = (who.clone(), who.leaves.clone());
        (Self { side, who, funds, leaving, waits: 0, took: 0, notes: Arc::clone(&notes) }, notes)
    }

    /// The first rule of a topic that `fits` makes an answer of.
    fn rule<T>(&mut self, topic: &str, fits: impl Fn(&Rule) -> Option<T>) -> Option<T> {
        let mut notes = lock(&self.notes);
        for (rule, used) in self.who.answer.iter().zip(&mut notes.used) {
            let about = rule.topic == topic || rule.topic == "*";
            if !about || rule.times.is_some_and(|times| *used >= times) || *used >= PATIENCE {
                continue;
            }
            if let Some(answer) = fits(rule) {
                *used += 1;
                let after = rule.after().unwrap_or_default();
                self.took = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                return Some(answer);
            }
        }
        None
    }

    /// There is no answer: the play goes on as if the person left, and its file is named at the end.
    fn lacks(&self, question: &Question) -> Answer {
        let mut notes = lock(&self.notes);
        let rules = self.who.answer.iter().zip(&notes.used);
        let mut own = rules.filter(|(rule, _)| rule.topic == question.topic());
        let (side, topic) = (self.side.name(), question.topic());
        let what = match (own.next(), question) {
            (Some((_, used)), _) if *used >= PATIENCE => {
                format!("the {side}'s half has asked “{topic}” {PATIENCE} times and is not content")
            }
            (Some((rule, _)), Question::Choose { options, .. }) => format!(
                "the {side}'s half asks “{topic}”, which offers {}; the play's answer to it is {}",
                quoted(options),
                given(rule),
            ),
            (Some((rule, _)), _) => format!(
                "the {side}'s half asks “{topic}”, and the play's answer to it, {}, is none to {}",
                given(rule),
                kind(question)
            ),
            (None, _) => format!(
                "the {side}'s half asks “{topic}” ({}), and the play has no answer to it",
                kind(question)
            ),
        };
        notes.missing.get_or_insert((what, entry(side, question)));
        Answer::Leave
    }

    /// The fields of a form; a note about one that the form does not have.
    fn filled(&self, rule: &Rule, fields: &[(String, String)]) -> Option<Answer> {
        let mine = rule.fields.as_ref()?;
        if let Some(other) = mine.keys().find(|name| !fields.iter().any(|it| it.0 == **name)) {
            let there: Vec<String> = fields.iter().map(|it| it.0.clone()).collect();
            let what = format!(
                "the play fills in “{other}”, which the form “{}” of the {}'s half does not have",
                rule.topic,
                self.side.name()
            );
            self.note(what, format!("it has {}", quoted(&there)));
        }
        let fill = |(name, now): &(String, String)| match mine.get(name) {
            None => now.clone(),
            Some(Filled::Text(text)) => text.clone(),
            Some(Filled::File { file }) => files::text(file).unwrap_or_else(|report| {
                self.note(report.what, report.mend);
                String::new()
            }),
        };
        Some(Answer::Fields(fields.iter().map(fill).collect()))
    }

    fn note(&self, what: String, mend: String) {
        lock(&self.notes).missing.get_or_insert((what, mend));
    }

    fn left(rule: &Rule) -> Option<Answer> {
        (rule.answer == Some(Word::Leave)).then_some(Answer::Leave)
    }
}

/// What is wrong with a play's file, if something is.
pub fn missing(notes: &Mutex<Notes>) -> Option<Report> {
    lock(notes).missing.clone().map(|(what, mend)| Report::input(what, mend))
}

/// Topics of answers that nobody asked for.
pub fn unused(notes: &Mutex<Notes>, who: &Character) -> Vec<String> {
    let notes = lock(notes);
    let unused = who.answer.iter().zip(&notes.used).filter(|(_, used)| **used == 0);
    unused.map(|(rule, _)| rule.topic.clone()).collect()
}

impl Script for Person {
    fn answer(&mut self, question: &Question) -> Answer {
        self.took = 0;
        let topic = question.topic().to_owned();
        let answer = match question {
            Question::Inform { .. } => {
                return self.rule(&topic, Self::left).unwrap_or(Answer::Seen);
            }
            Question::Choose { options, .. } => self.rule(&topic, |rule| {
                let chosen = |text: &String| options.iter().position(|it| it.contains(&**text));
                let chosen = rule.choose.as_ref().and_then(chosen);
                let chosen = chosen.and_then(|it| u32::try_from(it).ok()).map(Answer::Choice);
                chosen.or_else(|| Self::left(rule))
            }),
            Question::Form { fields, .. } => {
                let fill = |rule: &Rule| match rule.fields {
                    Some(_) => Some(Err(rule.clone())),
                    None => Self::left(rule).map(Ok),
                };
                match self.rule(&topic, fill) {
                    Some(Err(rule)) => self.filled(&rule, fields),
                    Some(Ok(answer)) => Some(answer),
                    None => None,
                }
            }
        };
        answer.unwrap_or_else(|| self.lacks(question))
    }

    fn consent(&mut self, statement: &Statement) -> Result<(), String> {
        self.took = 0;
        let topic = statement.content.kind().name();
        let signs = self.rule(topic, |rule| match rule.answer? {
            Word::Yes => Some(true),
            Word::No | Word::Leave => Some(false),
            Word::Seen => None,
        });
        if signs.unwrap_or(true) { Ok(()) } else { Err("the person says no".into()) }
    }

    fn pay(&mut self, order: &PaymentOrder) -> Result<(), Option<String>> {
        let Some(funds) = self.funds else { return Ok(()) };
        if funds.currency() != order.amount.currency() {
            return Err(Some(format!("the account holds {}", funds.currency().code())));
        }
        match funds.minus(order.amount) {
            Ok(rest) if rest.minor() >= 0 => self.funds = Some(rest),
            _ => return Err(None),
        }
        Ok(())
    }

    fn detail(&mut self, key: &str) -> Option<String> {
        self.who.tells.get(key).cloned()
    }

    fn leaves(&mut self) -> Option<String> {
        self.waits += 1;
        let now = self.leaving.as_ref().is_some_and(|it| it.wait <= self.waits);
        // A component is told once.
        if now { self.leaving.take().map(|it| it.reason) } else { None }
    }

    fn pondered(&mut self) -> u64 {
        std::mem::take(&mut self.took)
    }
}

fn quoted(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|it| format!("“{it}”")).collect();
    all.join(", ")
}

/// What a question wants.
fn kind(question: &Question) -> String {
    match question {
        Question::Inform { .. } => "a text to be read".into(),
        Question::Choose { options, .. } => format!("a choice of {}", quoted(options)),
        Question::Form { fields, .. } => {
            let names: Vec<String> = fields.iter().map(|it| it.0.clone()).collect();
            format!("a form with the fields {}", quoted(&names))
        }
    }
}

/// What a rule answers.
fn given(rule: &Rule) -> String {
    match (&rule.choose, &rule.fields) {
        (Some(text), _) => format!("choose = “{text}”"),
        (_, Some(_)) => "fields".into(),
        _ => "a word".into(),
    }
}

/// The entry that would answer a question.
fn entry(side: &str, question: &Question) -> String {
    let text = |it: &str| toml::Value::String(it.to_owned()).to_string();
    let answer = match question {
        Question::Inform { .. } => "answer = \"seen\"".to_owned(),
        Question::Choose { options, .. } => {
            format!("choose = {}", text(options.first().map_or("", |it| it)))
        }
        Question::Form { fields, .. } => {
            let one = |(name, now): &(String, String)| format!("{} = {}", text(name), text(now));
            let all: Vec<String> = fields.iter().map(one).collect();
            format!("fields = {{ {} }}", all.join(", "))
        }
    };
    let topic = text(question.topic());
    format!("an answer in the play:\n\n[[{side}.answer]]\ntopic = {topic}\n{answer}")
}
