//! `semper:exchange`, version 1.0: proposing, accepting, and carrying exchanges out.

mod carry;
mod negotiating;
mod words;

use std::sync::Arc;

use semper_archive::Write;
use semper_base::{Digest, Timestamp, cbor};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{Refusal, Reject};
use semper_exchange::package::{self, Enclosed, MAX_TALK, Part, Talk, Wanted};
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Fairness};
use semper_items::Item;
use wasmtime::component::Resource;

use super::v1_2::semper::deal::waiting;
use super::v1_2::semper::exchange::exchange as wit;
use super::waiting::Heard;
use crate::context::Context;
use crate::exchange::{
    Begun, Countered, Declared, Give, Package, Proposal, Till, ToDraw, moved, proposed,
    receipts_match, wanted,
};
use crate::flow::Moving;
use crate::handles::Received;
use crate::stop::Stop;
use negotiating::{Answered, Awaited, Open};
use words::{paid_for, parts_out, purposes, wants_in, wants_out};

/// A proposal of the other side.
#[derive(Debug)]
pub struct ProposalHandle {
    propose: Proposal,
    enclosed: Vec<Enclosed>,
    parts: Vec<Part>,
    wants: Vec<Wanted>,
}

/// An answer to a proposal of ours: an agreement that nobody has signed yet.
#[derive(Debug)]
pub struct AnswerHandle {
    agreement: Agreed<Standard>,
    propose: Digest,
    ours: Package,
    theirs: Package,
}

type Failed = wit::Failure;

fn declined(words: impl ToString) -> Failed {
    wit::Failure::Declined(words.to_string())
}

impl Context {
    fn till(&mut self) -> Result<Option<Till>, Stop> {
        let (world, at) = (Arc::clone(&self.world), self.clock);
        self.journal.read("exchange/till", &(), || world.till(at))
    }

    /// The account that this deal's offer names.
    pub(crate) fn payee(&self) -> Option<String> {
        let payee = |it: &Declared| it.statement().content.payee().map(str::to_owned);
        self.statements.iter().find_map(payee)
    }

    /// Sends something about an exchange.
    fn talk(
        &mut self,
        function: &str,
        talk: &Talk,
        at: Timestamp,
        with: impl FnOnce() -> Result<Vec<Write>, Stop>,
    ) -> Result<(), Stop> {
        let bytes = cbor::encode(talk);
        if bytes.len() > MAX_TALK {
            return Err(Stop::broken(format!(
                "{} bytes would be said of an exchange",
                bytes.len()
            )));
        }
        self.post(function, Item::Exchange(bytes.into()), at, with)
    }

    /// Refuses a proposal, or what an answer makes of ours.
    fn refuse(&mut self, propose: Digest, why: Refusal, words: &str) -> Result<(), Stop> {
        let at = self.now()?;
        let world = Arc::clone(&self.world);
        let reject = Reject { propose, why };
        let words: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
        let talk: Talk = self.journal.read("exchange/refusal", &(&reject, &words), || {
            let reject = world.refuse(reject.clone())?;
            Ok(Talk::Reject { reject, words: words.clone() })
        })?;
        self.talk("exchange/exchange.decline", &talk, at, || Ok(Vec::new()))
    }

    fn drawn_up(
        &mut self,
        gives: &[Give],
        wants: &[Wanted],
        (answers, counter): (Option<&ProposalHandle>, Option<&Countered>),
        at: Timestamp,
    ) -> Result<Result<Talk, Refusal>, Stop> {
        let world = Arc::clone(&self.world);
        let (payee, till) = (self.payee(), self.till()?);
        let asked = (gives, wants, answers.map(|it| it.propose.digest()));
        let answers = answers.map(|it| (&it.propose, it.parts.as_slice()));
        let to_draw = ToDraw { gives, wants, answers, counter, till, payee, at };
        match counter.map(Signed::digest) {
            None => self.journal.read("exchange/draw-up", &asked, || world.draw_up(&to_draw)),
            Some(counter) => {
                let asked = (asked, counter);
                self.journal.read("exchange/draw-again", &asked, || world.draw_up(&to_draw))
            }
        }
    }
}

impl Context {
    fn proposal(&mut self, talk: Talk) -> Result<ProposalHandle, Stop> {
        let Talk::Propose { propose, enclosed, wants } = talk else {
            return Err(Stop::broken("a word that comes too late was not left out"));
        };
        let (peer, till) = (self.deal.side.other(), self.till()?);
        let keys = self.deal.agreement.keys(peer);
        let parts = proposed(&propose, &enclosed, self.deal.id, keys, till.as_ref());
        let parts = parts.map_err(|why| why.stop("a proposal"))?;
        let moving = (moved(&parts), wanted(&wants));
        self.monitor
            .check(peer, Moving::Exchange(&moving.0, &moving.1), true, self.clock)
            .map_err(Stop::peer_outside_flow)?;
        Ok(ProposalHandle { propose, enclosed, parts, wants })
    }
}

impl wit::Host for Context {
    fn first_of(&mut self, what: waiting::Wanted) -> wasmtime::Result<wit::Next> {
        self.calls += 1;
        Ok(match self.hear(what)? {
            Heard::Received(Received::Talk(talk)) => {
                let proposal = self.proposal(*talk)?;
                wit::Next::Proposal(self.hold(proposal)?)
            }
            Heard::Received(received) => {
                wit::Next::Other(waiting::Event::Message(self.hand_over(received)?))
            }
            Heard::Event(event) => wit::Next::Other(event),
        })
    }

    fn propose(
        &mut self,
        gives: Vec<wit::Item>,
        wants: Vec<wit::Wanted>,
    ) -> wasmtime::Result<Result<Resource<AnswerHandle>, Failed>> {
        self.calls += 1;
        let wants = wants_in(wants)?;
        let gives = match self.gives(gives, &purposes(&wants))? {
            Ok(gives) => gives,
            Err(why) => return Ok(Err(declined(why))),
        };
        let at = self.now()?;
        let mut countered: Option<Countered> = None;
        loop {
            let talk = match self.drawn_up(&gives, &wants, (None, countered.as_ref()), at)? {
                Ok(talk) => talk,
                Err(refusal) => {
                    // Whoever has countered waits.
                    if let Some(counter) = &countered {
                        let (name, words) = (counter.body().propose, refusal.to_string());
                        self.refuse(name, refusal.clone(), &words)?;
                    }
                    return Ok(Err(declined(refusal)));
                }
            };
            match self.proposed(&talk, &wants, countered.as_ref(), at)? {
                Answered::With(answer) => return Ok(Ok(self.hold(*answer)?)),
                Answered::Countered(counter) => countered = Some(*counter),
                Answered::Not(failure) => return Ok(Err(failure)),
            }
        }
    }

    fn conclude(
        &mut self,
        by: Resource<AnswerHandle>,
    ) -> wasmtime::Result<Result<Vec<wit::Received>, Failed>> {
        self.calls += 1;
        let answer = self.release(by)?;
        let AnswerHandle { agreement, propose, ours, theirs } = &answer;
        let begun = Begun { agreement, ours, theirs, proposed: true };
        if let Err(why) = self.agreed_to(&begun)? {
            self.refuse(*propose, Refusal::Person, &why)?;
            return Ok(Err(declined(why)));
        }
        // The word and the exchange that it begins are stored together.
        let at = self.now()?;
        let world = Arc::clone(&self.world);
        let talk = Talk::Conclude { exchange: agreement.subject() };
        let with = || world.begin(&begun);
        self.talk("exchange/exchange.conclude", &talk, at, with)?;
        self.world.begun(&begun);
        self.carried_out(&begun)
    }

    fn accept(
        &mut self,
        by: Resource<ProposalHandle>,
        gives: Vec<wit::Item>,
    ) -> wasmtime::Result<Result<Vec<wit::Received>, Failed>> {
        self.calls += 1;
        let proposal = self.release(by)?;
        let gives = self.gives(gives, &paid_for(&proposal.parts))?;
        let name = proposal.propose.digest();
        let gives = match gives {
            Ok(gives) => gives,
            Err(why) => {
                self.refuse(name, Refusal::Person, &why)?;
                return Ok(Err(declined(why)));
            }
        };
        let at = self.now()?;
        let (proposal, talk) = match self.select(proposal, &gives, at)? {
            Ok(selected) => selected,
            Err(failure) => return Ok(Err(failure)),
        };
        let name = proposal.propose.digest();
        let Talk::Select { select, enclosed } = &talk else {
            return Err(Stop::broken("no answer was drawn up").into());
        };
        let parts = self.own_parts(select.body().wishes.gives.as_slice(), enclosed)?;
        if !package::satisfies(&parts, &proposal.wants) {
            let what = "it gives something else than was wanted, or in another order";
            return Err(Stop::service(what).into());
        }
        let agreement =
            semper_exchange::negotiation::agree(&proposal.propose, select).map_err(Stop::broken)?;
        let (peer, moving) = (self.deal.side.other(), (moved(&proposal.parts), moved(&parts)));
        self.monitor
            .check(peer, Moving::Exchange(&moving.0, &moving.1), true, at)
            .map_err(Stop::outside_flow)?;
        if !receipts_match(&proposal.parts, self.deal.id, &parts) {
            return Err(Stop::peer("its receipt is not for this payment").into());
        }
        let ours = Package { parts, enclosed: enclosed.clone() };
        let theirs = Package { parts: proposal.parts, enclosed: proposal.enclosed };
        let begun = Begun { agreement: &agreement, ours: &ours, theirs: &theirs, proposed: false };
        if let Err(why) = self.agreed_to(&begun)? {
            self.refuse(name, Refusal::Person, &why)?;
            return Ok(Err(declined(why)));
        }
        let at = self.now()?;
        self.talk("exchange/exchange.accept", &talk, at, || Ok(Vec::new()))?;
        // Nothing begins before both persons have decided.
        let about = Open { propose: name, waits: Awaited::Conclusion(agreement.subject()) };
        match self.told(&about, agreement.accept_by)? {
            Ok(_) => {}
            Err(why) => return Ok(Err(declined(why))),
        }
        let world = Arc::clone(&self.world);
        self.journal
            .effect("exchange/begin", &agreement.subject(), |_| Ok(((), world.begin(&begun)?)))?;
        self.world.begun(&begun);
        self.carried_out(&begun)
    }

    fn decline(&mut self, by: Resource<ProposalHandle>, reason: String) -> wasmtime::Result<()> {
        self.calls += 1;
        let proposal = self.release(by)?;
        Ok(self.refuse(proposal.propose.digest(), Refusal::Person, &reason)?)
    }
}

impl Context {
    fn own_parts(
        &self,
        gives: &[semper_exchange::negotiation::Offered<Standard>],
        enclosed: &[Enclosed],
    ) -> Result<Vec<Part>, Stop> {
        let signer = &self.deal.agreement.keys(self.deal.side).sign;
        package::read_wishes(gives, enclosed, self.deal.id, signer).map_err(Stop::broken)
    }
}

impl wit::HostProposal for Context {
    fn gives(&mut self, this: Resource<ProposalHandle>) -> wasmtime::Result<Vec<wit::Promised>> {
        Ok(parts_out(&self.held(&this)?.parts)?)
    }

    fn wants(&mut self, this: Resource<ProposalHandle>) -> wasmtime::Result<Vec<wit::Wanted>> {
        Ok(wants_out(&self.held(&this)?.wants))
    }

    fn drop(&mut self, this: Resource<ProposalHandle>) -> wasmtime::Result<()> {
        self.release(this)?;
        Ok(())
    }
}

impl wit::HostAnswer for Context {
    fn gives(&mut self, this: Resource<AnswerHandle>) -> wasmtime::Result<Vec<wit::Promised>> {
        Ok(parts_out(&self.held(&this)?.theirs.parts)?)
    }

    fn fairness(&mut self, this: Resource<AnswerHandle>) -> wasmtime::Result<wit::Fairness> {
        Ok(match self.held(&this)?.agreement.fairness {
            Fairness::Weak => wit::Fairness::Weak,
            Fairness::Strong => wit::Fairness::Strong,
        })
    }

    fn drop(&mut self, this: Resource<AnswerHandle>) -> wasmtime::Result<()> {
        self.release(this)?;
        Ok(())
    }
}
