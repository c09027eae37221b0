//! The face that answers by rules: standing consents of the user's, for servers and tests.
//!
//! Rules are tried from the top; the first that fits answers. What no rule fits is declined.
//! Each screen and its answer go to a transcript, one JSON object a line, so that a person can
//! read afterwards what was consented to in her name.
#![forbid(unsafe_code)]

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use semper_base::text::Text;
use semper_base::{Amount, Mend};
use semper_tinguin_protocol::screen::{
    Answer, CERTIFICATE, Frame, LINK, PAIRING, Question, Screen,
};
use semper_tinguin_protocol::{Face, Told};
use serde::{Deserialize, Serialize};

/// The rules of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

/// A standing consent or answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The topic of the screen: `agreement`, `order`, `search` …; `*` fits every one but
    /// `pairing` and `link`.
    topic: String,
    /// Only in deals with this party.
    #[serde(default)]
    peer: Option<String>,
    /// Only up to this much money.
    #[serde(default)]
    most: Option<String>,
    /// Only so many times since the TINGUIN was started.
    #[serde(default)]
    times: Option<u32>,
    /// Answer after so many milliseconds, as a person does who thinks about it.
    #[serde(default)]
    after_ms: u64,
    /// `yes`, `no`, `seen` or `leave`.
    #[serde(default)]
    answer: Option<String>,
    /// Choose the first option that contains this text.
    #[serde(default)]
    choose: Option<String>,
    /// Fill in fields by their names; what is not named keeps what stands in it.
    #[serde(default)]
    fields: Option<std::collections::BTreeMap<String, String>>,
    #[serde(skip)]
    limit: Option<Amount>,
}

/// What is wrong with a file of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[error("the rules are not valid: {0}")]
#[mend(input, "each [[rule]] needs a topic and one of answer, choose, fields")]
pub struct RulesError(String);

/// The face.
pub struct Scripted {
    rules: Mutex<Vec<(Rule, u32)>>,
    /// The file that they stand in, if it has a name.
    file: String,
    transcript: Mutex<Box<dyn Write + Send>>,
    /// What was told lately, as it was written last: it is written again when it has changed.
    told: Mutex<Vec<Told>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

#[derive(Serialize)]
struct Line<'a> {
    frame: &'a Frame,
    answer: Option<&'a Answer>,
}

impl Scripted {
    /// Parses rules (TOML); screens and answers are written to `transcript`.
    pub fn new(rules: &str, transcript: Box<dyn Write + Send>) -> Result<Self, RulesError> {
        let file: File = toml::from_str(rules).map_err(|error| RulesError(error.to_string()))?;
        let mut parsed = Vec::new();
        for (index, mut rule) in file.rule.into_iter().enumerate() {
            let number = index + 1;
            let wrong = |why: String| RulesError(format!("rule {number}: {why}"));
            if let Some(most) = &rule.most {
                rule.limit = Some(most.parse().map_err(|error| wrong(format!("{error}")))?);
            }
            let answers = [rule.answer.is_some(), rule.choose.is_some(), rule.fields.is_some()];
            if answers.iter().filter(|it| **it).count() != 1 {
                return Err(wrong("one of answer, choose, fields is needed".into()));
            }
            let words = ["yes", "no", "seen", "leave"];
            if rule.answer.as_deref().is_some_and(|it| !words.contains(&it)) {
                return Err(wrong("answer is yes, no, seen or leave".into()));
            }
            parsed.push((rule, 0));
        }
        let (rules, transcript) = (Mutex::new(parsed), Mutex::new(transcript));
        Ok(Self { rules, file: String::new(), transcript, told: Mutex::default() })
    }

    /// The file that the rules stand in: whoever has to write another one is told where.
    #[must_use]
    pub fn of_file(mut self, file: &str) -> Self {
        file.clone_into(&mut self.file);
        self
    }

    /// Says what no rule has covered to whoever keeps the rules.
    fn uncovered(&self, topic: &str, amount: Option<Amount>, peer: &str) {
        let amount = amount.map(|it| it.to_string()).unwrap_or_default();
        let file = &self.file;
        tracing::warn!(
            topic,
            amount,
            peer,
            file,
            "declined: no standing consent covers this; a [[rule]] for the topic would"
        );
    }

    fn write(&self, frame: &Frame, answer: Option<&Answer>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let same = !frame.told.is_empty() && *told == frame.told;
        let frame = match same {
            true => &Frame { told: Vec::new(), ..frame.clone() },
            false => frame,
        };
        if !frame.told.is_empty() {
            told.clone_from(&frame.told);
        }
        let mut out = self.transcript.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(&Line { frame, answer }).unwrap_or_default();
        // A transcript that cannot be written must not stop business that rules allow.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            tracing::warn!("the transcript cannot be written");
        }
    }

    /// The answer, and how long it takes.
    fn decide(&self, frame: &Frame) -> (Answer, Duration) {
        let (topic, amount, also) = match &frame.screen {
            Screen::Idle | Screen::Locked(_) => return (Answer::Seen, Duration::ZERO),
            Screen::Consent(it) => (it.topic.as_str(), it.amount, it.also),
            Screen::Question(question) => (question.topic(), None, None),
        };
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, used) in rules.iter_mut() {
            // Whoever lets a program in says so.
            let fits = (rule.topic == topic
                || rule.topic == "*" && !matches!(topic, PAIRING | LINK | CERTIFICATE))
                && rule.peer.as_deref().is_none_or(|peer| frame.peer == peer)
                && rule.times.is_none_or(|times| *used < times)
                && within(rule.limit, amount)
                && within(rule.limit, also);
            if !fits {
                continue;
            }
            if let Some(answer) = rule.answer_to(&frame.screen) {
                *used += 1;
                return (answer, Duration::from_millis(rule.after_ms));
            }
        }
        let answer = match &frame.screen {
            Screen::Question(Question::Inform { .. }) => Answer::Seen,
            Screen::Question(_) => {
                self.uncovered(topic, amount, &frame.peer);
                Answer::Leave
            }
            _ => {
                self.uncovered(topic, amount, &frame.peer);
                // The other side may read this: what is missing, and nothing about the rules.
                let of = amount.map(|it| format!(" of {it}")).unwrap_or_default();
                Answer::No(format!("no standing consent covers “{topic}”{of}"))
            }
        };
        (answer, Duration::ZERO)
    }
}

/// A rule with a limit covers money up to it, in its currency; one without covers any.
fn within(limit: Option<Amount>, amount: Option<Amount>) -> bool {
    match (limit, amount) {
        (Some(limit), Some(amount)) => {
            limit.currency() == amount.currency() && amount.minor() <= limit.minor()
        }
        _ => true,
    }
}

impl Rule {
    /// The answer, if it is one to this kind of screen.
    fn answer_to(&self, screen: &Screen) -> Option<Answer> {
        if self.answer.as_deref() == Some("leave") {
            return Some(Answer::Leave);
        }
        match screen {
            Screen::Consent(_) => match self.answer.as_deref()? {
                "yes" => Some(Answer::Yes),
                "no" => Some(Answer::No("a rule says no".into())),
                _ => None,
            },
            Screen::Question(Question::Inform { .. }) => Some(Answer::Seen),
            Screen::Question(Question::Choose { options, .. }) => {
                let wanted = self.choose.as_deref()?;
                let index = options.iter().position(|option| option.contains(wanted))?;
                u32::try_from(index).ok().map(Answer::Choice)
            }
            Screen::Question(Question::Form { fields, .. }) => {
                let mine = self.fields.as_ref()?;
                let fill = |(name, now): &(Text, Text)| {
                    mine.get(&**name).cloned().unwrap_or_else(|| now.to_string())
                };
                Some(Answer::Fields(fields.iter().map(fill).collect()))
            }
            Screen::Idle | Screen::Locked(_) => None,
        }
    }
}

impl Face for Scripted {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        let (answer, time) = self.decide(frame);
        let until = Instant::now() + time;
        while Instant::now() < until {
            if withdrawn() {
                // Nothing is answered in the person's name to a question that is taken back.
                self.write(frame, None);
                return Answer::Leave;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.write(frame, Some(&answer));
        answer
    }

    fn show(&self, frame: &Frame) {
        self.write(frame, None);
    }
}
