//! `semper:exchange`, version 1.0: proposing, accepting, and carrying exchanges out.

mod carry;
mod words;

use std::sync::Arc;

use semper_archive::Write;
use semper_base::{Digest, Timestamp, cbor};
use semper_exchange::negotiation::{Refusal, Reject};
use semper_exchange::package::{self, Enclosed, MAX_TALK, Part, Talk, Wanted, deal_name};
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Fairness};
use semper_items::Item;
use wasmtime::component::Resource;

use super::v1_2::semper::deal::waiting;
use super::v1_2::semper::exchange::exchange as wit;
use super::waiting::{Ended, Heard};
use crate::context::Context;
use crate::exchange::{
    Begun, Declared, Give, Package, Proposal, Till, ToDraw, answered, moved, proposed,
    receipts_match, wanted,
};
use crate::flow::Moving;
use crate::handles::Received;
use crate::stop::Stop;
use crate::world::Wanted as Waited;
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

/// A negotiation that is open: its proposal, and the exchange whose conclusion is waited for once
/// the proposal has been answered.
struct Open {
    propose: Digest,
    exchange: Option<Digest>,
}

impl Open {
    /// Whether a word is the answer, or the conclusion, that is waited for.
    fn is_about(&self, talk: &Talk) -> bool {
        match (talk, self.exchange) {
            (Talk::Select { select, .. }, None) => select.body().propose == self.propose,
            (Talk::Conclude { exchange }, Some(ours)) => *exchange == ours,
            _ => false,
        }
    }
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
        answers: Option<&ProposalHandle>,
        at: Timestamp,
    ) -> Result<Result<Talk, Refusal>, Stop> {
        let world = Arc::clone(&self.world);
        let (payee, till) = (self.payee(), self.till()?);
        let asked = (gives, wants, answers.map(|it| it.propose.digest()));
        let answers = answers.map(|it| (&it.propose, it.parts.as_slice()));
        let to_draw = ToDraw { gives, wants, answers, till, payee, at };
        self.journal.read("exchange/draw-up", &asked, || world.draw_up(&to_draw))
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

    /// Waits for the next word about a negotiation; or why there is none. What the other side does
    /// instead is for the component's next wait. A word about another negotiation comes late, from
    /// one that we have left meanwhile: nobody is to blame for it.
    fn told(&mut self, about: &Open, until: Timestamp) -> Result<Result<Talk, String>, Stop> {
        loop {
            let word = self.next_word(until)?;
            match word {
                Ok(Talk::Reject { reject, words }) => {
                    let peers = self.deal.agreement.keys(self.deal.side.other());
                    if !reject.is_by(&peers.sign, deal_name(self.deal.id)) {
                        return Err(Stop::peer("a refusal is not signed with its deal's key"));
                    }
                    if reject.body().propose == about.propose {
                        return Ok(Err(words));
                    }
                    self.late.another()?;
                }
                Ok(talk) if about.is_about(&talk) => return Ok(Ok(talk)),
                Ok(_) => self.late.another()?,
                Err(why) => return Ok(Err(why)),
            }
        }
    }

    /// The next word about any negotiation, or why there is none.
    fn next_word(&mut self, until: Timestamp) -> Result<Result<Talk, String>, Stop> {
        let wanted = Waited { message: true, until: Some(until), ..Waited::default() };
        let taken = match self.first_of(&wanted)? {
            Ended::Message(taken) => taken,
            Ended::Time(at) => {
                self.clock = self.clock.max(at);
                return Ok(Err("there was no answer in time".into()));
            }
            Ended::Cancelled(reason) => return Ok(Err(reason)),
            Ended::Answer(_) => return Err(Stop::broken("an answer to no question")),
        };
        match self.take(taken)? {
            Received::Talk(talk) if !matches!(*talk, Talk::Propose { .. }) => Ok(Ok(*talk)),
            other => {
                self.held_back.push_back(other);
                Ok(Err("the other side went on without an answer".into()))
            }
        }
    }

    /// Waits for the answer to a proposal; the handle, or why there is none.
    fn answer_to(
        &mut self,
        propose: &Proposal,
        ours: Package,
        wants: &[Wanted],
    ) -> Result<Result<AnswerHandle, Failed>, Stop> {
        let about = Open { propose: propose.digest(), exchange: None };
        let (select, enclosed) = match self.told(&about, propose.body().wishes.accept_by)? {
            Ok(Talk::Select { select, enclosed }) => (select, enclosed),
            Ok(_) => return Err(Stop::broken("another word than an answer was let through")),
            Err(why) => return Ok(Err(declined(why))),
        };
        let (peer, till) = (self.deal.side.other(), self.till()?);
        let keys = self.deal.agreement.keys(peer);
        let found = answered(propose, &select, &enclosed, self.deal.id, keys, till.as_ref());
        let (agreement, parts) = found.map_err(|why| why.stop("an answer"))?;
        if !package::satisfies(&parts, wants) || !receipts_match(&parts, self.deal.id, &ours.parts)
        {
            return Err(Stop::peer("it does not give what was wanted"));
        }
        let moving = (moved(&ours.parts), moved(&parts));
        let side = self.deal.side;
        self.monitor
            .check(side, Moving::Exchange(&moving.0, &moving.1), true, self.clock)
            .map_err(Stop::peer_outside_flow)?;
        let theirs = Package { parts, enclosed };
        Ok(Ok(AnswerHandle { agreement, propose: propose.digest(), ours, theirs }))
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
        let talk = match self.drawn_up(&gives, &wants, None, at)? {
            Ok(talk) => talk,
            Err(refusal) => return Ok(Err(declined(refusal))),
        };
        let Talk::Propose { propose, enclosed, .. } = &talk else {
            return Err(Stop::broken("no proposal was drawn up").into());
        };
        let parts = self.own_parts(propose.body().wishes.gives.as_slice(), enclosed)?;
        let moving = (moved(&parts), wanted(&wants));
        let side = self.deal.side;
        self.monitor
            .check(side, Moving::Exchange(&moving.0, &moving.1), true, at)
            .map_err(Stop::outside_flow)?;
        self.talk("exchange/exchange.propose", &talk, at, || Ok(Vec::new()))?;
        let ours = Package { parts, enclosed: enclosed.clone() };
        match self.answer_to(propose, ours, &wants)? {
            Ok(answer) => Ok(Ok(self.hold(answer)?)),
            Err(failure) => Ok(Err(failure)),
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
        let talk = match self.drawn_up(&gives, &[], Some(&proposal), at)? {
            Ok(talk) => talk,
            Err(refusal) => {
                let words = refusal.to_string();
                self.refuse(name, refusal, &words)?;
                return Ok(Err(declined(words)));
            }
        };
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
        let about = Open { propose: name, exchange: Some(agreement.subject()) };
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

#[cfg(test)]
mod tests {
    use semper_base::{Digest, SigningKey};
    use semper_exchange::Signed;
    use semper_exchange::negotiation::{Refusal, Reject};
    use semper_exchange::package::Talk;
    use semper_exchange::standard::{Keys, NoGoods};

    use super::Open;
    use crate::handles::Received;

    #[test]
    fn a_word_about_a_negotiation_that_was_left_is_no_answer_to_the_one_that_is_open() {
        let (old, new) = (Digest::of(b"the earlier exchange"), Digest::of(b"the exchange"));
        let propose = Digest::of(b"the proposal");
        let concluding = Open { propose, exchange: Some(new) };
        let answering = Open { propose, exchange: None };

        assert!(concluding.is_about(&Talk::Conclude { exchange: new }));
        assert!(!concluding.is_about(&Talk::Conclude { exchange: old }));
        assert!(!answering.is_about(&Talk::Conclude { exchange: new }));
    }

    #[test]
    fn a_refusal_or_conclusion_that_nobody_waits_for_comes_late() {
        let keys = Keys::new(SigningKey::generate(), NoGoods);
        let reject = Reject { propose: Digest::of(b"an earlier proposal"), why: Refusal::Person };
        let reject = Signed::new(&keys, Digest::of(b"the deal"), reject).unwrap();
        let refusal = Talk::Reject { reject, words: "no longer".into() };
        let conclusion = Talk::Conclude { exchange: Digest::of(b"an earlier exchange") };

        for talk in [refusal, conclusion] {
            assert!(Received::Talk(Box::new(talk)).comes_late());
        }
        assert!(!Received::Information("page".into(), Vec::new()).comes_late());
    }
}
