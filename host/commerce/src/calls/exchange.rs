//! `semper:exchange`, version 1.0: proposing, accepting, and carrying exchanges out.

mod carry;
mod words;

use std::sync::Arc;

use semper_archive::Write;
use semper_base::{Digest, Timestamp, cbor};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{Propose, Refusal, Reject};
use semper_exchange::package::{self, Enclosed, Part, Talk, Wanted, deal_name};
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Fairness, Role};
use semper_items::Item;
use semper_items::statement::Content;
use wasmtime::component::Resource;

use super::v1_2::semper::deal::waiting;
use super::v1_2::semper::exchange::exchange as wit;
use super::waiting::{Ended, Heard};
use crate::context::{Context, Received};
use crate::exchange::{Give, Till, answered, moved, proposed, receipts_match, wanted};
use crate::flow::Moving;
use crate::host::Wanted as Waited;
use crate::outside::{Asked, Outside};
use crate::stop::Stop;
use words::{paid_for, parts_out, purposes, wants_in, wants_out};

/// The call in which the person decides about an exchange.
pub(crate) const CONSENT: &str = "exchange/consent";
/// The wait for an exchange's end.
pub(crate) const END_OF_EXCHANGE: &str = "exchange/end";

/// A proposal of the other side.
#[derive(Debug)]
pub struct ProposalHandle {
    propose: Signed<Standard, Propose<Standard>>,
    enclosed: Vec<Enclosed>,
    parts: Vec<Part>,
    wants: Vec<Wanted>,
}

/// An answer to a proposal of ours: an agreement that nobody has signed yet.
#[derive(Debug)]
pub struct AnswerHandle {
    agreement: Agreed<Standard>,
    propose: Digest,
    ours: Side,
    theirs: Side,
}

/// What one side gives: in the deal's words, and what stands behind its leaves.
#[derive(Debug)]
pub(crate) struct Side {
    pub parts: Vec<Part>,
    pub enclosed: Vec<Enclosed>,
}

/// An exchange that is about to begin.
pub(crate) struct Begun<'a> {
    pub agreement: &'a Agreed<Standard>,
    pub ours: &'a Side,
    pub theirs: &'a Side,
    /// Whether we have proposed it.
    pub proposed: bool,
}

impl Begun<'_> {
    /// Which role is ours.
    pub fn role(&self, keys: &semper_items::DealKeys) -> Role {
        match self.agreement.originator.sign == keys.sign {
            true => Role::Originator,
            false => Role::Responder,
        }
    }
}

type Failed = wit::Failure;

fn declined(words: impl ToString) -> Failed {
    wit::Failure::Declined(words.to_string())
}

impl Context {
    fn till(&mut self) -> Result<Option<Till>, Stop> {
        let (outside, deal, at) = (self.outside.clone(), Arc::clone(&self.deal), self.clock);
        self.journal.read("exchange/till", &(), || outside.till(&deal, at))
    }

    /// The account that this deal's offer names.
    pub(crate) fn payee(&self) -> Option<String> {
        self.statements.iter().find_map(|it| match &it.statement().content {
            Content::Offer(offer) => Some(offer.account.clone()),
            _ => None,
        })
    }

    /// Sends something about an exchange.
    fn talk(
        &mut self,
        function: &str,
        talk: &Talk,
        at: Timestamp,
        with: impl FnOnce() -> Result<Vec<Write>, Stop>,
    ) -> Result<(), Stop> {
        self.post(function, Item::Exchange(cbor::encode(talk).into()), at, with)
    }

    /// Refuses a proposal, or what an answer makes of ours.
    fn refuse(&mut self, propose: Digest, why: Refusal, words: &str) -> Result<(), Stop> {
        let at = self.now()?;
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let reject = Reject { propose, why };
        let words: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
        let talk: Talk = self.journal.read("exchange/refusal", &(&reject, &words), || {
            let reject = outside.sign_talk(&deal, reject.clone())?;
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
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let (payee, till) = (self.payee(), self.till()?);
        let asked = (gives, wants, answers.map(|it| it.propose.digest()));
        let answers = answers.map(|it| (&it.propose, it.parts.as_slice()));
        let to_draw = Asked { gives, wants, answers, till, payee, at };
        self.journal.read("exchange/draw-up", &asked, || outside.draw_up(&deal, &to_draw))
    }
}

impl Context {
    fn proposal(&mut self, talk: Talk) -> Result<ProposalHandle, Stop> {
        let Talk::Propose { propose, enclosed, wants } = talk else {
            return Err(self.unexpected(&talk));
        };
        let (peer, till) = (self.deal.side.other(), self.till()?);
        let keys = self.deal.agreement.keys(peer);
        let parts = proposed(&propose, &enclosed, self.deal.id, keys, till.as_ref());
        let parts = parts.map_err(|why| Stop::Peer(format!("a proposal: {why}")))?;
        let moving = (moved(&parts), wanted(&wants));
        self.monitor.check(peer, Moving::Exchange(&moving.0, &moving.1), true, self.clock)?;
        Ok(ProposalHandle { propose, enclosed, parts, wants })
    }

    /// Waits for the next word about a negotiation, named by its proposal; or why there is none.
    /// What the other side does instead is for the component's next wait.
    fn told(&mut self, propose: Digest, until: Timestamp) -> Result<Result<Talk, String>, Stop> {
        let wanted = Waited { message: true, until: Some(until), ..Waited::default() };
        let taken = match self.first_of(&wanted)? {
            Ended::Message(taken) => taken,
            Ended::Time(at) => {
                self.clock = self.clock.max(at);
                return Ok(Err("there was no answer in time".into()));
            }
            Ended::Cancelled(reason) => return Ok(Err(reason)),
            Ended::Answer(_) => return Err(Stop::Service("an answer to no question".into())),
        };
        match self.take(taken)? {
            Received::Talk(talk) => match *talk {
                Talk::Reject { reject, words } => {
                    let peers = self.deal.agreement.keys(self.deal.side.other());
                    let ours = reject.is_by(&peers.sign, deal_name(self.deal.id))
                        && reject.body().propose == propose;
                    match ours {
                        true => Ok(Err(words)),
                        false => Err(Stop::Peer("it refuses what nobody has proposed".into())),
                    }
                }
                other => Ok(Ok(other)),
            },
            other => {
                self.held_back.push_back(other);
                Ok(Err("the other side went on without an answer".into()))
            }
        }
    }

    /// Waits for the answer to a proposal; the handle, or why there is none.
    fn answer_to(
        &mut self,
        propose: &Signed<Standard, Propose<Standard>>,
        ours: Side,
        wants: &[Wanted],
    ) -> Result<Result<AnswerHandle, Failed>, Stop> {
        let name = propose.digest();
        let (select, enclosed) = match self.told(name, propose.body().wishes.accept_by)? {
            Ok(Talk::Select { select, enclosed }) => (select, enclosed),
            Ok(_) => return Err(Stop::Peer("another word came than an answer".into())),
            Err(why) => return Ok(Err(declined(why))),
        };
        let (peer, till) = (self.deal.side.other(), self.till()?);
        let keys = self.deal.agreement.keys(peer);
        let found = answered(propose, &select, &enclosed, self.deal.id, keys, till.as_ref());
        let (agreement, parts) = found.map_err(|why| Stop::Peer(format!("an answer: {why}")))?;
        if !package::satisfies(&parts, wants) || !receipts_match(&parts, self.deal.id, &ours.parts)
        {
            return Err(Stop::Peer("it does not give what was wanted".into()));
        }
        let moving = (moved(&ours.parts), moved(&parts));
        let side = self.deal.side;
        self.monitor.check(side, Moving::Exchange(&moving.0, &moving.1), true, self.clock)?;
        let theirs = Side { parts, enclosed };
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
        let gives = self.gives(gives, &purposes(&wants))?;
        let at = self.now()?;
        let talk = match self.drawn_up(&gives, &wants, None, at)? {
            Ok(talk) => talk,
            Err(refusal) => return Ok(Err(declined(refusal))),
        };
        let Talk::Propose { propose, enclosed, .. } = &talk else {
            return Err(Stop::Service("no proposal was drawn up".into()).into());
        };
        let parts = self.own_parts(propose.body().wishes.gives.as_slice(), enclosed)?;
        let moving = (moved(&parts), wanted(&wants));
        let side = self.deal.side;
        self.monitor
            .check(side, Moving::Exchange(&moving.0, &moving.1), true, at)
            .map_err(Stop::from)?;
        self.talk("exchange/exchange.propose", &talk, at, || Ok(Vec::new()))?;
        let ours = Side { parts, enclosed: enclosed.clone() };
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
        if let Err(why) = self.consent_to(&begun)? {
            self.refuse(*propose, Refusal::Person, &why)?;
            return Ok(Err(declined(why)));
        }
        // The word and the exchange that it begins are stored together.
        let at = self.now()?;
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let talk = Talk::Conclude { exchange: agreement.subject() };
        let with = || Ok(vec![outside.host()?.begun(&deal, &begun)?]);
        self.talk("exchange/exchange.conclude", &talk, at, with)?;
        self.began(&begun);
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
        let at = self.now()?;
        let name = proposal.propose.digest();
        let talk = match self.drawn_up(&gives, &[], Some(&proposal), at)? {
            Ok(talk) => talk,
            Err(refusal) => {
                let words = refusal.to_string();
                self.refuse(name, refusal, &words)?;
                return Ok(Err(declined(words)));
            }
        };
        let Talk::Select { select, enclosed } = &talk else {
            return Err(Stop::Service("no answer was drawn up".into()).into());
        };
        let parts = self.own_parts(select.body().wishes.gives.as_slice(), enclosed)?;
        if !package::satisfies(&parts, &proposal.wants) {
            let what = "it gives something else than was wanted, or in another order";
            return Err(Stop::Service(what.into()).into());
        }
        let agreement = semper_exchange::negotiation::agree(&proposal.propose, select)
            .map_err(|error| Stop::Service(error.to_string()))?;
        let (peer, moving) = (self.deal.side.other(), (moved(&proposal.parts), moved(&parts)));
        self.monitor
            .check(peer, Moving::Exchange(&moving.0, &moving.1), true, at)
            .map_err(Stop::from)?;
        if !receipts_match(&proposal.parts, self.deal.id, &parts) {
            return Err(Stop::Peer("its receipt is not for this payment".into()).into());
        }
        let ours = Side { parts, enclosed: enclosed.clone() };
        let theirs = Side { parts: proposal.parts, enclosed: proposal.enclosed };
        let begun = Begun { agreement: &agreement, ours: &ours, theirs: &theirs, proposed: false };
        if let Err(why) = self.consent_to(&begun)? {
            self.refuse(name, Refusal::Person, &why)?;
            return Ok(Err(declined(why)));
        }
        let at = self.now()?;
        self.talk("exchange/exchange.accept", &talk, at, || Ok(Vec::new()))?;
        // Nothing begins before both persons have decided.
        match self.told(name, agreement.accept_by)? {
            Ok(Talk::Conclude { exchange }) if exchange == agreement.subject() => {}
            Ok(_) => return Err(Stop::Peer("another word came than the conclusion".into()).into()),
            Err(why) => return Ok(Err(declined(why))),
        }
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        self.journal.effect("exchange/begin", &agreement.subject(), |_| match &outside {
            Outside::Stage(_) => Ok(((), Vec::new())),
            _ => Ok(((), vec![outside.host()?.begun(&deal, &begun)?])),
        })?;
        self.began(&begun);
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
        package::read_wishes(gives, enclosed, self.deal.id, signer)
            .map_err(|error| Stop::Service(error.to_string()))
    }

    /// The host goes on with it from here.
    fn began(&self, begun: &Begun<'_>) {
        match &self.outside {
            Outside::Host(host) => host.tend(begun.agreement.id()),
            Outside::Stage(stage) => stage.begin(begun),
            Outside::Recorded(_) => {}
        }
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
