//! A negotiation's words, in turn: a proposal, counters and the proposals that answer them, the answer, the
//! conclusion. What comes late, from a negotiation that our side has left, says nothing any more.

use semper_base::{Digest, Timestamp};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{self, Counter, MAX_COUNTERS};
use semper_exchange::package::{self, Talk, Wanted, deal_name};
use semper_exchange::standard::Standard;

use super::{AnswerHandle, Failed, ProposalHandle, declined};
use crate::calls::waiting::Ended;
use crate::context::Context;
use crate::exchange::{
    Countered, Give, Package, Proposal, answered, moved, receipts_match, wanted,
};
use crate::flow::Moving;
use crate::handles::Received;
use crate::stop::Stop;
use crate::world::Wanted as Waited;

/// A negotiation that is open: its proposal, and what is waited for.
pub(super) struct Open {
    pub propose: Digest,
    pub waits: Awaited,
}

/// What is waited for in a negotiation.
pub(super) enum Awaited {
    /// The answer to our proposal, or a counter to it.
    Answer,
    /// The proposal that answers this counter of ours.
    Again(Digest),
    /// The conclusion of this exchange, once we have answered.
    Conclusion(Digest),
}

impl Open {
    /// Whether a word is what is waited for.
    fn is_about(&self, talk: &Talk) -> bool {
        match (talk, &self.waits) {
            (Talk::Select { select, .. }, Awaited::Answer) => select.body().propose == self.propose,
            (Talk::Counter { counter }, Awaited::Answer) => counter.body().propose == self.propose,
            (Talk::Propose { propose, .. }, Awaited::Again(counter)) => {
                propose.body().answers.as_ref() == Some(counter)
            }
            (Talk::Conclude { exchange }, Awaited::Conclusion(ours)) => exchange == ours,
            _ => false,
        }
    }
}

/// What has come of a proposal of ours.
pub(super) enum Answered {
    /// The other side would exchange it so.
    With(Box<AnswerHandle>),
    /// It would exchange it otherwise.
    Countered(Box<Countered>),
    /// It does not exchange it.
    Not(Failed),
}

impl Context {
    /// Waits for the next word about a negotiation; or why there is none. What the other side does
    /// instead is for the component's next wait. A word about another negotiation comes late, from
    /// one that we have left meanwhile: nobody is to blame for it.
    pub(super) fn told(
        &mut self,
        about: &Open,
        until: Timestamp,
    ) -> Result<Result<Talk, String>, Stop> {
        loop {
            let word = self.next_word(about, until)?;
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

    /// The next word about any negotiation, or why there is none. A proposal is one if it is what is
    /// waited for.
    fn next_word(&mut self, about: &Open, until: Timestamp) -> Result<Result<Talk, String>, Stop> {
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
            Received::Talk(talk)
                if !matches!(*talk, Talk::Propose { .. }) || about.is_about(&talk) =>
            {
                Ok(Ok(*talk))
            }
            other => {
                self.held_back.push_back(other);
                Ok(Err("the other side went on without an answer".into()))
            }
        }
    }

    /// Waits for the answer to a proposal, which itself answered `countered`, if it did.
    fn answer_to(
        &mut self,
        (propose, countered): (&Proposal, Option<&Countered>),
        ours: Package,
        wants: &[Wanted],
    ) -> Result<Answered, Stop> {
        let about = Open { propose: propose.digest(), waits: Awaited::Answer };
        let (select, enclosed) = match self.told(&about, propose.body().wishes.accept_by)? {
            Ok(Talk::Select { select, enclosed }) => (select, enclosed),
            Ok(Talk::Counter { counter }) => {
                self.check_counter(&counter, countered.map(Signed::body))?;
                return Ok(Answered::Countered(Box::new(counter)));
            }
            Ok(_) => return Err(Stop::broken("another word than an answer was let through")),
            Err(why) => return Ok(Answered::Not(declined(why))),
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
        let propose = propose.digest();
        Ok(Answered::With(Box::new(AnswerHandle { agreement, propose, ours, theirs })))
    }

    /// Whether a counter is the other side's, and the next in its negotiation.
    fn check_counter(
        &self,
        counter: &Countered,
        before: Option<&Counter<Standard>>,
    ) -> Result<(), Stop> {
        let keys = self.deal.agreement.keys(self.deal.side.other());
        let deal = deal_name(self.deal.id);
        let wishes = &counter.body().wishes;
        if !counter.is_by(&keys.sign, deal) || (wishes.deal, wishes.party.sign) != (deal, keys.sign)
        {
            return Err(Stop::peer("a counter is not signed with its deal's key"));
        }
        let next = before.map_or(0, |it| it.round + 1);
        if counter.body().round != next || next >= MAX_COUNTERS {
            return Err(Stop::peer("it counters more often than a negotiation allows"));
        }
        Ok(())
    }

    /// Answers a proposal of the other side: our selection, which its wishes permit; or why not.
    /// Where only who owes the fee stands in the way, it counters first, and takes the proposal that
    /// comes then.
    pub(super) fn select(
        &mut self,
        mut proposal: ProposalHandle,
        gives: &[Give],
        at: Timestamp,
    ) -> Result<Result<(ProposalHandle, Talk), Failed>, Stop> {
        let mut countered: Option<Countered> = None;
        loop {
            let name = proposal.propose.digest();
            let talk = match self.drawn_up(gives, &[], (Some(&proposal), countered.as_ref()), at)? {
                Ok(talk) => talk,
                Err(refusal) => {
                    let words = refusal.to_string();
                    self.refuse(name, refusal, &words)?;
                    return Ok(Err(declined(words)));
                }
            };
            let Talk::Counter { counter } = &talk else { return Ok(Ok((proposal, talk))) };
            self.talk("exchange/exchange.counter", &talk, at, || Ok(Vec::new()))?;
            let about = Open { propose: name, waits: Awaited::Again(counter.digest()) };
            // As long as both would have it: the other side's date is whatever it likes.
            let theirs = proposal.propose.body().wishes.accept_by;
            let until = theirs.min(counter.body().wishes.accept_by);
            let again = match self.told(&about, until)? {
                Ok(talk) => self.proposal(talk)?,
                Err(why) => return Ok(Err(declined(why))),
            };
            let (first, next) = (proposal.propose.body(), again.propose.body());
            if !negotiation::answers(next, counter, first)
                || !package::gives_the_same(&again.parts, &proposal.parts)
                || again.wants != proposal.wants
            {
                return Err(Stop::peer("it proposes something else after a counter"));
            }
            (proposal, countered) = (again, Some(counter.clone()));
        }
    }

    /// Proposes what was drawn up, and hears what the other side makes of it.
    pub(super) fn proposed(
        &mut self,
        talk: &Talk,
        wants: &[Wanted],
        countered: Option<&Countered>,
        at: Timestamp,
    ) -> Result<Answered, Stop> {
        let Talk::Propose { propose, enclosed, .. } = talk else {
            return Err(Stop::broken("no proposal was drawn up"));
        };
        let parts = self.own_parts(propose.body().wishes.gives.as_slice(), enclosed)?;
        let moving = (moved(&parts), wanted(wants));
        let side = self.deal.side;
        self.monitor
            .check(side, Moving::Exchange(&moving.0, &moving.1), true, at)
            .map_err(Stop::outside_flow)?;
        self.talk("exchange/exchange.propose", talk, at, || Ok(Vec::new()))?;
        let ours = Package { parts, enclosed: enclosed.clone() };
        self.answer_to((propose, countered), ours, wants)
    }
}

#[cfg(test)]
mod tests {
    use semper_base::{Digest, SigningKey};
    use semper_exchange::Signed;
    use semper_exchange::negotiation::{Refusal, Reject};
    use semper_exchange::package::Talk;
    use semper_exchange::standard::{Keys, NoGoods};

    use super::{Awaited, Open};
    use crate::handles::Received;

    #[test]
    fn a_word_about_a_negotiation_that_was_left_is_no_answer_to_the_one_that_is_open() {
        let (old, new) = (Digest::of(b"the earlier exchange"), Digest::of(b"the exchange"));
        let propose = Digest::of(b"the proposal");
        let concluding = Open { propose, waits: Awaited::Conclusion(new) };
        let answering = Open { propose, waits: Awaited::Answer };

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
