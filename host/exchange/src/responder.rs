//! The responder: answers a promise with its own. From then on it can only complete, or be
//! released by the third party; so it commits nothing that the originator's promise is not
//! worth.
//!
//! ```text
//! Idle ─ X1 ─▶ (Committing ─▶) Accepted ─ X3 ─▶ (Redeeming ─▶) Over: done, X4 is out
//!                                  │ time             │ X3 is false
//!                                  ▼                  ▼
//!                              Resolving          Complaining ──▶ Over
//! ```
//!
//! See `docs/exchange.md`, “The responder”.

mod answers;

use std::ops::ControlFlow;

use semper_base::Timestamp;
use semper_items::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::Protocol;
use crate::bank::{Claim, Fact, order_for};
use crate::crypto::{Body as _, Crypto, Holder, Signed};
use crate::information::Proof;
use crate::item::{Fraud, Role};
use crate::machine::{self, Machine, Standing};
use crate::message::{Accept, Deliver, Delivery, Message, Promise, Settle};
use crate::mutation::{Rule, leaves_out};
use crate::party::{
    Claimed, Effect, End, Event, Taken, are_good, is_committed, items, take, tokens,
};
use crate::verdict::Complaint;

/// The states of a responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waiting for X1; nothing is promised.
    Idle,
    /// Own money is being locked or paid.
    Committing,
    /// X2 is out; X3 is waited for, and giving up is no longer possible.
    Accepted,
    /// The package is with the third party (INLINE).
    Depositing,
    /// X3 is here; its money is being claimed.
    Redeeming,
    /// The third party is asked to complete.
    Resolving,
    /// The third party is asked to stop the money.
    Complaining,
    /// The third party is asked to abort (INLINE).
    Aborting,
    /// Over, with this end; duplicates are still answered.
    Over(End),
}

/// The machine of a responder.
pub type Responder<C> = Machine<C, State>;

/// The outcome of a step of the responder.
type Stepped<C> = machine::Stepped<C, State>;

const US: Role = Role::Responder;
const PEER: Role = Role::Originator;

impl Standing for State {
    const US: Role = US;
    const IDLE: Self = Self::Idle;
    const ABORTING: Self = Self::Aborting;
    const RESOLVING: Self = Self::Resolving;
    const DEPOSITING: Self = Self::Depositing;

    fn over(end: End) -> Self {
        Self::Over(end)
    }

    fn end(self) -> Option<End> {
        match self {
            Self::Over(end) => Some(end),
            _ => None,
        }
    }

    fn hears_verdicts(self) -> bool {
        matches!(
            self,
            Self::Resolving
                | Self::Complaining
                | Self::Depositing
                | Self::Aborting
                | Self::Redeeming
        )
    }
}

impl<C: Crypto> Responder<C> {
    /// One step; an event that does not fit the state changes nothing.
    ///
    /// # Errors
    /// When keys are needed that cannot be reached: nothing has changed, and the same event may
    /// be given again.
    pub fn step(self, event: Event<C>, now: Timestamp, holder: &impl Holder<C>) -> Stepped<C> {
        match event {
            Event::Message(Message::Promise(promise)) => self.promised(promise, now, holder),
            Event::Message(Message::Deliver(deliver)) => self.delivered(deliver, holder),
            Event::Answer(answer) => self.answered(answer, now, holder),
            Event::Fact(fact) => self.told(fact, holder),
            Event::Refused if self.state == State::Committing => self.ended(End::Aborted),
            Event::Resend => Ok(self.again()),
            Event::TimeUp => self.time_up(holder),
            Event::Cancel => match self.state {
                State::Idle => self.ended(End::Aborted),
                State::Depositing => self.time_up(holder),
                _ => self.stay(),
            },
            Event::Denied { kind } => self.denied(kind, holder),
            Event::LastDate => self.lapse(now),
            // What a responder signs excludes nothing: its states say themselves what is to be
            // signed, and the same event comes again.
            Event::Start | Event::Sign | Event::Message(_) | Event::Refused => self.stay(),
        }
    }

    /// The keys do not sign what the state wants, so it wants something else.
    fn denied(self, kind: &str, holder: &impl Holder<C>) -> Stepped<C> {
        let this = match self.deny(kind) {
            ControlFlow::Continue(this) => this,
            ControlFlow::Break(stepped) => return stepped,
        };
        match this.state {
            // What came is false, and nobody can be told so.
            State::Accepted | State::Resolving if kind == Complaint::<C>::KIND => {
                this.ended(End::Disputed)
            }
            // The third party knows how it ends, or that it was never promised.
            State::Committing | State::Accepted | State::Redeeming => this.resolve(holder),
            _ => this.stay(),
        }
    }

    /// X1: the agreement must be the one that we have made out ourselves.
    fn promised(
        mut self,
        promise: Signed<C, Promise<C>>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        if self.state != State::Idle {
            let known = self.kept.promise.as_ref() == Some(&promise);
            // An originator whose store was put back asks for it when all is done, too.
            let stands = matches!(self.state, State::Accepted | State::Over(End::Done));
            let again = self.kept.accept.iter().filter(|_| known && stands);
            let again = again.cloned().map(|it| Effect::Send(Message::Accept(it))).collect();
            return Ok((self, again));
        }
        let in_time = now <= self.agreement.accept_by || leaves_out(Rule::AcceptInTime);
        if !in_time
            || promise.body().agreement != self.agreement
            || !promise.is_by(&self.agreement.originator.sign, self.agreement.subject())
        {
            return self.stay();
        }
        if !are_good(&self.agreement, PEER, &promise.body().tokens, holder)? {
            return self.stay();
        }
        self.kept.promise = Some(promise);
        match order_for(&self.agreement, US) {
            Some(order) => self.to(State::Committing, [Effect::Hold(order)]),
            None => self.accept(holder),
        }
    }

    /// X2: from here on we can only complete, or be released.
    fn accept(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        let Some(promise) = self.promised_as() else {
            return self.stay();
        };
        let subject = self.agreement.subject();
        let tokens = tokens(&self.agreement, US, &self.secrets, &self.kept.facts);
        let accept = Signed::new(holder, subject, Accept { promise, tokens })?;
        self.kept.accept = Some(accept.clone());
        let send = Effect::Send(Message::Accept(accept.clone()));
        if self.agreement.protocol == Protocol::Inline {
            let (this, mut effects) = self.deposit(holder)?;
            effects.insert(1, send);
            return Ok((this, effects));
        }
        if leaves_out(Rule::ReceiveFirst) {
            let items = items(&self.agreement, US, &self.secrets, &self.kept.facts, holder)?;
            let settle = Signed::new(holder, subject, Settle { deliver: accept.digest(), items })?;
            let early = Effect::Send(Message::Settle(settle));
            return self.to(State::Accepted, [send, early]);
        }
        self.to(State::Accepted, [send])
    }

    /// X3: checked, and its money claimed, before we give anything.
    fn delivered(mut self, deliver: Signed<C, Deliver<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let subject = match leaves_out(Rule::MessageNamesExchange) {
            true => deliver.subject(),
            false => self.agreement.subject(),
        };
        let names = self.accepted_as() == Some(deliver.body().accept)
            || leaves_out(Rule::MessageNamesExchange);
        if !names || !deliver.is_by(&self.agreement.originator.sign, subject) {
            return self.stay();
        }
        match self.state {
            State::Accepted => {}
            // Until the verdict we give nothing; it is evidence.
            State::Resolving if self.kept.deliver.is_none() => {
                self.kept.deliver = Some(deliver);
                return Ok((self, vec![Effect::Persist]));
            }
            State::Over(End::Done) => {
                let again = self.kept.settle.iter().cloned().map(Message::Settle);
                let again = again.map(Effect::Send).collect();
                return Ok((self, again));
            }
            _ => return self.stay(),
        }
        let (given, body) = (self.tokens_of_peer(), deliver.body());
        let taken = take(&self.agreement, PEER, &given, &body.items, holder)?;
        if taken != Taken::Bad {
            self.kept.deliver = Some(deliver);
        }
        match taken {
            // The bank's word is the payer's only proof that it has paid: it is had before the end.
            Taken::Here if self.agreement.protocol == Protocol::Hl => {
                self.claim(US, Claim::Look, State::Redeeming)
            }
            Taken::Here => self.settle(holder),
            Taken::Claim(claim) => {
                if leaves_out(Rule::RedeemFirst) {
                    let claimed = Claimed { payer: PEER, claim };
                    self.kept.owed = Some(claimed.clone());
                    let (this, mut effects) = self.settle(holder)?;
                    effects.push(Effect::Claim(claimed));
                    return Ok((this, effects));
                }
                self.claim(PEER, claim, State::Redeeming)
            }
            Taken::False(..) if leaves_out(Rule::ExamineFirst) => self.settle(holder),
            Taken::False(index, fraud, proof) => self.complain(index, fraud, proof, holder),
            Taken::Bad => self.stay(),
        }
    }

    /// Sends X4: everything of X3 has been checked and claimed.
    fn settle(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        let Some(deliver) = self.kept.deliver.as_ref().map(Signed::digest) else {
            return self.ended(End::Done);
        };
        let items = items(&self.agreement, US, &self.secrets, &self.kept.facts, holder)?;
        let settle = Signed::new(holder, self.agreement.subject(), Settle { deliver, items })?;
        self.kept.settle = Some(settle.clone());
        self.to(State::Over(End::Done), [Effect::Send(Message::Settle(settle))])
    }

    /// Complains that delivered or opened information is false: shown with both shares.
    fn complain(
        mut self,
        index: usize,
        fraud: Fraud,
        proof: Proof,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        self.kept.fraud = Some((fraud, proof.clone()));
        // Nobody can be asked to stop what a hash lock has paid.
        if self.agreement.protocol == Protocol::Hl {
            return self.dispute(index, proof, holder);
        }
        match self.complaint(index, proof, holder)? {
            Some(wish) => self.ask(wish, State::Complaining),
            None => self.ended(End::Disputed),
        }
    }

    fn told(mut self, fact: Signed<C, Fact<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let (own, peers) = self.said(&fact);
        let committed = || is_committed(&self.agreement, US, &fact);
        match (self.state, own, peers) {
            (State::Committing, Some(_), _) if committed() => {
                self.kept.keep(fact);
                self.accept(holder)
            }
            // Fenced before it was made, or given back before it was promised: nothing was paid.
            (State::Committing, Some(Hold::Never | Hold::Refunded(_)), _) => {
                self.kept.keep(fact);
                self.ended(End::Aborted)
            }
            (State::Accepted, Some(Hold::Released(_) | Hold::Refunded(_)), _)
                if self.agreement.protocol == Protocol::Hl =>
            {
                self.hash_lock(fact, holder)
            }
            // Opened, or gone back although the key is here: either way we have what we paid for.
            (State::Redeeming, Some(Hold::Released(_) | Hold::Refunded(_)), _)
            | (State::Redeeming, _, Some(Hold::Released(_))) => {
                self.kept.keep(fact);
                self.kept.owed = None;
                self.settle(holder)
            }
            // An older word, or not yet.
            (
                State::Redeeming,
                _,
                Some(Hold::Held(_) | Hold::Provisional { frozen: false, .. }),
            ) => self.stay(),
            // The originator has had it back: it cheats, and the third party knows.
            (State::Redeeming, _, Some(_)) => {
                self.kept.keep(fact);
                self.kept.owed = None;
                self.resolve(holder)
            }
            (State::Over(_), ..) => self.confirmed(fact),
            _ => self.stay(),
        }
    }

    /// The hash lock was opened, which shows us the key, or has expired.
    fn hash_lock(mut self, fact: Signed<C, Fact<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let opened = fact.body().opened.clone();
        self.kept.keep(fact);
        let Some(share) = opened else { return self.ended(End::Aborted) };
        let given = self.tokens_of_peer();
        match take(&self.agreement, PEER, &given, &[Delivery::Key(share)], holder)? {
            Taken::Here => self.ended(End::Done),
            Taken::False(index, fraud, proof) => self.complain(index, fraud, proof, holder),
            _ => self.stay(),
        }
    }

    fn time_up(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        match (self.state, self.agreement.protocol) {
            (State::Accepted, Protocol::Hl) => {
                let look = Claimed { payer: US, claim: Claim::Look };
                Ok((self, vec![Effect::Claim(look)]))
            }
            // A bank that does not answer keeps nobody from the goods.
            (State::Redeeming, Protocol::Hl) => {
                self.kept.owed = None;
                self.settle(holder)
            }
            (State::Accepted, _) if leaves_out(Rule::ResolveAlways) => self.ended(End::Aborted),
            (State::Accepted | State::Redeeming, _) => self.resolve(holder),
            // A payment may have been made, and its answer lost: the third party has it told.
            (State::Committing, Protocol::Ge | Protocol::Ger | Protocol::Rr) => {
                self.resolve(holder)
            }
            (State::Depositing, _) => self.abort(holder),
            _ => self.stay(),
        }
    }

    /// Sends again everything that is under way; nothing is made anew.
    fn again(self) -> (Self, Vec<Effect<C>>) {
        let effects = match self.state {
            State::Idle => Vec::new(),
            State::Committing => {
                order_for(&self.agreement, US).into_iter().map(Effect::Hold).collect()
            }
            State::Accepted => {
                self.kept.accept.iter().cloned().map(Message::Accept).map(Effect::Send).collect()
            }
            State::Resolving | State::Complaining | State::Depositing | State::Aborting => {
                self.kept.request.iter().cloned().map(Effect::Ask).collect()
            }
            State::Redeeming | State::Over(_) => {
                self.kept.owed.iter().cloned().map(Effect::Claim).collect()
            }
        };
        (self, effects)
    }
}
