//! Answers by others: what a business application has answered for the person, or a link has filled in
//! for her; and whether an application may do that at all.
//!
//! A question without consequence may be answered anywhere. Its answer is kept here like the
//! person's own, and stands in her next decision of that deal as not checked.

use semper_base::{DealId, Digest, cbor};
use semper_tinguin_protocol::pairing::Pairing;
use semper_tinguin_protocol::protocol::{Filled, MAX_FRAME, Reply};
use semper_tinguin_protocol::screen::{self, Answer, MAX_OPTIONS, MAX_SAYS, Question, Screen};
use semper_tinguin_protocol::{Cause, Failure};

use crate::failure::{broken, malformed};
use crate::service::{Service, taken_back};
use crate::signing::reason;

/// Characters of an answer in a decision's row, at most.
const MOST: usize = 300;

impl Service {
    /// Puts a service's question to the person.
    pub(crate) fn put_question(
        &self,
        id: &Digest,
        deal: DealId,
        question: &Question,
        filled: Option<&Filled>,
    ) -> Result<Reply, Failure> {
        bounded(question)?;
        let filled = filled.filter(|it| question.takes(&it.answer));
        self.once(id, &cbor::encode(question), |this| {
            let known = this.known(&deal)?;
            let mut status = format!("the service asks: {}", question.topic());
            let shown = match filled {
                None => question.clone(),
                Some(Filled { by, answer }) => {
                    let said = clipped(&question.answered(answer));
                    // First: a topic is the service's, and may be as long as the line.
                    status = format!("NOT CHECKED, by “{by}”: {said} · {status}");
                    filled_in(question, answer)
                }
            };
            let screen = Screen::Question(shown.readable());
            let answer = this.ask(id, &known, screen, status)?;
            this.remember(&known, question, &answer)?;
            Ok(Reply::Answered(answer))
        })
    }

    /// Keeps an answer that somebody has given whom the person has allowed to. The first one stays.
    pub(crate) fn fill(
        &self,
        id: &Digest,
        deal: DealId,
        question: &Question,
        filled: &Filled,
    ) -> Result<Reply, Failure> {
        bounded(question)?;
        let known = self.known(&deal)?;
        if !question.takes(&filled.answer) {
            let what = format!("the answer does not fit the question “{}”", question.topic());
            return Err(Failure::new(Cause::Malformed, what, "answer what is asked"));
        }
        let asked = Digest::of(&cbor::encode(question));
        if self.stored(id, asked)?.is_none() {
            self.remember(&known, question, &filled.answer)?;
            let reply = cbor::encode(&Reply::Answered(filled.answer.clone()));
            let said = clipped(&question.answered(&filled.answer));
            let topic: String = question.topic().chars().take(60).collect();
            let mark = (filled.by.as_str(), topic.as_str(), said.as_str());
            self.memory
                .keep_filled(id, &asked, &reply, &known.nonce, mark)
                .map_err(|error| broken(&error))?;
            // It leaves the screen, and whoever waits for the answer hears of it.
            self.posed.answered_elsewhere(*id);
            let status = format!("“{}” has answered “{}” for you", filled.by, question.topic());
            self.shows(Some(&known), status);
        }
        match self.stored(id, asked)? {
            Some(reply) => Ok(reply),
            None => Err(taken_back()),
        }
    }

    /// The person decides about a business application.
    pub(crate) fn decide_pairing(&self, id: &Digest, bytes: &[u8]) -> Result<Reply, Failure> {
        let pairing: Pairing = cbor::decode(bytes, MAX_FRAME).map_err(|error| malformed(&error))?;
        if let Some(fault) = pairing.fault() {
            return Err(Failure::new(Cause::Malformed, fault, "semper applications --help"));
        }
        let consent = screen::pairing(&pairing, Digest::of(bytes));
        let status = format!("deciding about the application “{}”", pairing.name);
        match self.ask_about(id, None, Screen::Consent(consent), status)? {
            Answer::Yes => Ok(Reply::Done),
            other => Ok(Reply::Declined(reason(other))),
        }
    }
    /// The person decides whether to open a link.
    pub(crate) fn decide_link(
        &self,
        id: &Digest,
        merchant: &str,
        fills: &[(String, String)],
    ) -> Result<Reply, Failure> {
        let texts = fills.iter().flat_map(|(topic, text)| [topic.as_str(), text]);
        let long = texts.chain([merchant]).any(|it| it.chars().count() > MAX_SAYS);
        if long || fills.len() > MAX_OPTIONS {
            let what = "the link is longer than one can be";
            return Err(Failure::new(Cause::Malformed, what, "semper open --help"));
        }
        let asked = cbor::encode(&(merchant, fills));
        self.once(id, &asked, |this| {
            let consent = screen::link(merchant, fills, Digest::of(&asked));
            let status = "deciding whether to open a link".to_owned();
            match this.ask_about(id, None, Screen::Consent(consent), status)? {
                Answer::Yes => Ok(Reply::Done),
                other => Ok(Reply::Declined(reason(other))),
            }
        })
    }
}

fn bounded(question: &Question) -> Result<(), Failure> {
    let Some(fault) = question.fault() else { return Ok(()) };
    Err(Failure::new(Cause::Malformed, fault, "the service must be mended by its author"))
}

/// A form with the texts that somebody has filled in. Of several options none is chosen for anybody.
fn filled_in(question: &Question, answer: &Answer) -> Question {
    match (question, answer) {
        (Question::Form { topic, says, fields }, Answer::Fields(texts)) => {
            let names = fields.iter().map(|(name, _)| name.clone());
            let fields = names.zip(texts.iter().cloned()).collect();
            Question::Form { topic: topic.clone(), says: says.clone(), fields }
        }
        _ => question.clone(),
    }
}

fn clipped(text: &str) -> String {
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(MOST).collect();
    clipped.push('…');
    clipped
}
