//! `semper:deal/waiting` and `semper:deal/continuation`, version 1.1.

use std::sync::Arc;

use semper_base::Timestamp;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use serde::{Deserialize, Serialize};

use super::v1_2::semper::deal::{continuation, waiting};
use crate::context::Context;
use crate::handles::{Received, Taken};
use crate::stop::Stop;
use crate::verified::take;
use crate::world::{Came, Wanted};

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
        let (world, deal) = (Arc::clone(&self.world), Arc::clone(&self.deal));
        let (next, clock) = (self.received + 1, self.clock);
        self.journal.wait("deal/waiting.first-of", wanted, |key| {
            let wanted = Wanted { key: Some(key), ..wanted.clone() };
            let (came, mut writes) = world.first_of(next, &wanted)?;
            let ended = match came {
                Came::Message(digest) => {
                    let at = world.now().max(clock);
                    let (taken, kept) = take(&*world, &deal, next, digest, at)?;
                    writes.extend(kept);
                    Ended::Message(taken)
                }
                Came::Time(at) => Ended::Time(at.max(clock)),
                Came::Answer(Answer::Choice(index)) => Ended::Answer(index),
                // Leaving at a question is leaving the deal.
                Came::Answer(_) => Ended::Cancelled("the person left at a question".into()),
                Came::Cancelled(reason) => Ended::Cancelled(reason),
            };
            Ok((ended, writes))
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
        let until = until.map_err(Stop::service)?;
        let question = what.answer.map(|it| Question::Choose {
            topic: it.topic,
            says: it.says,
            options: it.options,
        });
        if let Some(fault) = question.as_ref().and_then(Question::fault) {
            return Err(Stop::service(fault));
        }
        while what.message
            && let Some(received) = self.held_back.pop_front()
        {
            if !self.passes_over(&received)? {
                return Ok(Heard::Received(received));
            }
        }
        let wanted = Wanted { message: what.message, until, question, ..Wanted::default() };
        if wanted == Wanted::default() {
            return Err(Stop::service("it waits for nothing"));
        }
        let options = match &wanted.question {
            Some(Question::Choose { options, .. }) => options.len(),
            _ => 0,
        };
        let ended = loop {
            match Context::first_of(self, &wanted)? {
                Ended::Message(taken) => {
                    let received = self.take(taken)?;
                    if !self.passes_over(&received)? {
                        return Ok(Heard::Received(received));
                    }
                }
                other => break other,
            }
        };
        let event = match ended {
            Ended::Message(_) => return Err(Stop::broken("a message that was taken already")),
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
