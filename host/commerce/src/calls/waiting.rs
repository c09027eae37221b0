//! `semper:deal/waiting` and `semper:deal/continuation`, version 1.1.

use std::sync::Arc;

use semper_archive::Write;
use semper_base::Timestamp;
use semper_tinguin::Answer;
use semper_tinguin::screen::Question;
use serde::{Deserialize, Serialize};

use super::v1_2::semper::deal::{continuation, waiting};
use crate::context::{Context, Received, Taken};
use crate::host::{Came, Wanted};
use crate::outside::Outside;
use crate::stage::First;
use crate::stop::Stop;

/// What is journaled of the end of a wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Ended {
    Message(Taken),
    Time(Timestamp),
    Answer(u32),
    Cancelled(String),
}

impl Context {
    pub(super) fn first_of(&mut self, wanted: &Wanted) -> Result<Ended, Stop> {
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let (next, clock, cancel) = (self.received + 1, self.clock, &mut self.cancel);
        self.journal.wait("deal/waiting.first-of", wanted, |key| {
            if let Outside::Stage(stage) = &outside {
                let at = outside.clock().max(clock);
                let ended = match stage.first_of(next, wanted)? {
                    First::Message(digest) => Ended::Message(Taken { seq: next, digest, at }),
                    First::Time(_) => Ended::Time(at),
                    First::Answer(Answer::Choice(index)) => Ended::Answer(index),
                    First::Answer(_) => Ended::Cancelled("the person left at a question".into()),
                    First::Cancelled(reason) => Ended::Cancelled(reason),
                };
                return Ok((ended, Vec::new()));
            }
            let host = outside.host()?;
            let wanted = Wanted { key: Some(key), ..wanted.clone() };
            let now = || Timestamp::now().max(clock);
            match host.first_of(&deal, next, wanted, cancel.take())? {
                Came::Message(row) => {
                    let at = now();
                    let taken = Taken { seq: next, digest: row.digest, at };
                    let evidence = outside.evidence(&deal, next, row.digest, at);
                    Ok((Ended::Message(taken), evidence))
                }
                Came::Time(at) => Ok((Ended::Time(at.max(clock)), Vec::new())),
                Came::Answer(Answer::Choice(index)) => Ok((Ended::Answer(index), Vec::new())),
                // Leaving at a question is leaving the deal.
                Came::Answer(_) => {
                    Ok((Ended::Cancelled("the person left at a question".into()), Vec::new()))
                }
                Came::Cancelled(reason) => {
                    Ok((Ended::Cancelled(reason), vec![Write::Told(deal.id)]))
                }
            }
        })
    }
}

/// What has come first, before the component gets it.
pub(super) enum Heard {
    /// A message.
    Received(Received),
    /// Anything else.
    Event(waiting::Event),
}

impl Context {
    /// Waits for the first of what a component wants.
    pub(super) fn hear(&mut self, what: waiting::Wanted) -> Result<Heard, Stop> {
        let until = what.until.map(Timestamp::from_millis).transpose();
        let until = until.map_err(|error| Stop::Service(error.to_string()))?;
        let question = what.answer.map(|it| Question::Choose {
            topic: it.topic,
            says: it.says,
            options: it.options,
        });
        if let Some(fault) = question.as_ref().and_then(Question::fault) {
            return Err(Stop::Service(fault));
        }
        if what.message
            && let Some(received) = self.held_back.pop_front()
        {
            return Ok(Heard::Received(received));
        }
        let wanted = Wanted { message: what.message, until, question, ..Wanted::default() };
        if wanted == Wanted::default() {
            return Err(Stop::Service("it waits for nothing".into()));
        }
        let options = match &wanted.question {
            Some(Question::Choose { options, .. }) => options.len(),
            _ => 0,
        };
        let event = match Context::first_of(self, &wanted)? {
            Ended::Message(taken) => return Ok(Heard::Received(self.take(taken)?)),
            Ended::Time(at) => {
                self.clock = self.clock.max(at);
                waiting::Event::Time(at.millis())
            }
            Ended::Answer(index) if (index as usize) < options => waiting::Event::Answer(index),
            Ended::Answer(_) => waiting::Event::Cancelled("the answer is not an option".into()),
            Ended::Cancelled(reason) => waiting::Event::Cancelled(reason),
        };
        Ok(Heard::Event(event))
    }
}

impl waiting::Host for Context {
    fn first_of(&mut self, what: waiting::Wanted) -> wasmtime::Result<waiting::Event> {
        self.calls += 1;
        Ok(match self.hear(what)? {
            Heard::Received(received) => waiting::Event::Message(self.hand_over(received)?),
            Heard::Event(event) => event,
        })
    }
}

impl continuation::Host for Context {
    fn checkpoint(&mut self, state: Vec<u8>) -> wasmtime::Result<()> {
        Ok(Context::checkpoint(self, state)?)
    }

    fn resumed(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.journal.resumed().map(|it| it.state.to_vec()))
    }
}
