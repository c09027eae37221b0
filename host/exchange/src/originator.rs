//! The originator: promises first, delivers when it has the responder's promise, and may have
//! the third party abort until then.
//!
//! ```text
//! Locking ─▶ Offered ─ X2 ─▶ Delivering ─▶ Delivered ─ X4 ─▶ (Redeeming ─▶) Over: done
//!               │ time, wish     │ no         │ time, or X4 that is no good
//!               ▼                ▼            ▼
//!            GivingUp ◀──────────┘         Resolving ──── verdict ────▶ Over
//!               │    ─────── no ──────────────▲
//!               ▼
//!            Aborting
//! ```
//!
//! Delivering and GivingUp are stored before the keys are asked: keys that have signed the one
//! never sign the other, also when their answer has got lost. “No” is their answer.
//! Other protocols add Paying (two payments), Claiming (hash lock) and Depositing (inline).
//! See `docs/exchange.md`, “The originator”.

mod answers;

use std::ops::ControlFlow;

use semper_base::Timestamp;
use semper_items::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::Protocol;
use crate::bank::{Claim, Fact, order_for};
use crate::crypto::{Body as _, Crypto, Holder, HolderError, Signed};
use crate::item::Role;
use crate::machine::{self, Machine, Standing};
use crate::message::{Accept, Deliver, Delivery, Message, Promise, Settle};
use crate::mutation::{Rule, leaves_out};
use crate::party::{Effect, End, Event, Taken, are_good, is_committed, items, take, tokens};
use crate::verdict::Complaint;

/// The states of an originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not begun: nothing is promised or locked.
    Idle,
    /// Own money is being locked; nothing is promised.
    Locking,
    /// As before, but we want to leave: what is locked comes back only by an abort.
    Leaving,
    /// X1 is out; X2 is waited for, and giving up is still possible.
    Offered,
    /// X2 is here, and the keys are asked for the delivery: perhaps it is signed already.
    Delivering,
    /// The keys are asked for the request to abort: perhaps it is signed already.
    GivingUp,
    /// The third party is asked to abort.
    Aborting,
    /// Own payment is being made, after the responder's (RR).
    Paying,
    /// The hash lock is being opened (HL).
    Claiming,
    /// The package is with the third party (INLINE).
    Depositing,
    /// X3 is out; from here on the originator never aborts.
    Delivered,
    /// X4 is here; its money is being claimed.
    Redeeming,
    /// The third party is asked to complete.
    Resolving,
    /// Over, with this end; duplicates are still answered.
    Over(End),
}

/// The machine of an originator.
pub type Originator<C> = Machine<C, State>;

/// The outcome of a step of the originator.
type Stepped<C> = machine::Stepped<C, State>;

const US: Role = Role::Originator;
const PEER: Role = Role::Responder;

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
        matches!(self, Self::Aborting | Self::Resolving | Self::Depositing | Self::Redeeming)
    }
}

impl<C: Crypto> Originator<C> {
    /// One step; an event that does not fit the state changes nothing.
    ///
    /// # Errors
    /// When keys are needed that cannot be reached: nothing has changed, and the same event may
    /// be given again.
    pub fn step(self, event: Event<C>, now: Timestamp, holder: &impl Holder<C>) -> Stepped<C> {
        match event {
            Event::Start if self.state == State::Idle => self.start(holder),
            Event::Message(Message::Accept(accept)) => self.accepted(accept, holder),
            Event::Message(Message::Settle(settle)) => self.settled(settle, holder),
            Event::Answer(answer) => self.answered(answer, now, holder),
            Event::Fact(fact) => self.told(fact, holder),
            Event::Refused => self.refused(holder),
            Event::Resend => Ok(self.again()),
            Event::TimeUp => self.time_up(holder),
            Event::Cancel => self.cancel(holder),
            Event::Sign => self.sign(holder),
            Event::Denied { kind } => self.denied(kind, holder),
            Event::LastDate => self.lapse(now),
            Event::Start | Event::Message(_) => self.stay(),
        }
    }

    /// Signs what is stored as about to be signed.
    fn sign(self, holder: &impl Holder<C>) -> Stepped<C> {
        match self.state {
            State::Delivering => self.deliver(holder),
            State::GivingUp => self.abort(holder),
            _ => self.stay(),
        }
    }

    /// Moves on to a state that signs, which is stored before the keys are asked.
    fn intend(self, state: State, holder: &impl Holder<C>) -> Stepped<C> {
        if leaves_out(Rule::IntentFirst) || leaves_out(Rule::PersistFirst) {
            return Self { state, ..self }.sign(holder);
        }
        self.to(state, [Effect::Sign])
    }

    /// The keys do not sign what the state wants, so it wants something else.
    fn denied(self, kind: &str, holder: &impl Holder<C>) -> Stepped<C> {
        let this = match self.deny(kind) {
            ControlFlow::Continue(this) => this,
            ControlFlow::Break(stepped) => return stepped,
        };
        match this.state {
            // Nothing is promised; the lock ends by itself.
            State::Locking | State::Leaving => {
                this.claim(US, Claim::Look, State::Over(End::Aborted))
            }
            // The payment is here, and the key was shown with it.
            State::Delivering if this.agreement.protocol == Protocol::Hl => this.ended(End::Done),
            // Given up before, by a host that has lost its store.
            State::Delivering => this.to(State::GivingUp, [Effect::Sign]),
            State::Over(_) => this.stay(),
            // What came is false, and nobody can be told so.
            _ if kind == Complaint::<C>::KIND => this.ended(End::Disputed),
            // Delivered before, perhaps: the third party knows what became of it.
            _ => this.resolve(holder),
        }
    }

    /// Locks own money before promising it, where the protocol holds it.
    fn start(self, holder: &impl Holder<C>) -> Stepped<C> {
        if !self.agreement.protocol.pays(US)
            && let Some(order) = order_for(&self.agreement, US)
        {
            return self.to(State::Locking, [Effect::Hold(order)]);
        }
        self.offer(holder)
    }

    fn promise(&self, holder: &impl Holder<C>) -> Result<Signed<C, Promise<C>>, HolderError> {
        let tokens = tokens(&self.agreement, US, &self.secrets, &self.kept.facts);
        let promise = Promise { agreement: self.agreement.clone(), tokens };
        Signed::new(holder, self.agreement.subject(), promise)
    }

    fn offer(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        let promise = self.promise(holder)?;
        self.kept.promise = Some(promise.clone());
        self.to(State::Offered, [Effect::Send(Message::Promise(promise))])
    }

    /// Whether this is the X2 that is waited for: everything the responder promises must be worth
    /// what the protocol needs.
    fn takes(
        &self,
        accept: &Signed<C, Accept<C>>,
        holder: &impl Holder<C>,
    ) -> Result<bool, HolderError> {
        let subject = match leaves_out(Rule::MessageNamesExchange) {
            true => accept.subject(),
            false => self.agreement.subject(),
        };
        let key = &self.agreement.responder.sign;
        let names = self.promised_as() == Some(accept.body().promise)
            || leaves_out(Rule::AcceptNamesPromise);
        let fits = names && accept.is_by(key, subject);
        Ok(fits && are_good(&self.agreement, PEER, &accept.body().tokens, holder)?)
    }

    /// X2 makes us deliver, where the protocol has nothing to do before that.
    fn accepted(mut self, accept: Signed<C, Accept<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        // A store that was put back may have lost the X2 that was delivered for.
        let asks_anew = self.state == State::Resolving && self.kept.accept.is_none();
        if self.state != State::Offered && !asks_anew {
            return Ok(self.resend_delivery(&accept));
        }
        if !self.takes(&accept, holder)? {
            return self.stay();
        }
        self.kept.accept = Some(accept);
        if asks_anew {
            // The keys have delivered before: the same is delivered again.
            return self.intend(State::Delivering, holder);
        }
        match self.agreement.protocol {
            Protocol::Rr => match order_for(&self.agreement, US) {
                Some(order) => self.to(State::Paying, [Effect::Hold(order)]),
                None => self.stay(),
            },
            Protocol::Hl => self.claim_hash_lock(holder),
            Protocol::Inline => self.deposit(holder),
            _ => self.intend(State::Delivering, holder),
        }
    }

    /// The responder has not had X3, it seems.
    fn resend_delivery(self, accept: &Signed<C, Accept<C>>) -> (Self, Vec<Effect<C>>) {
        let known = self.kept.accept.as_ref() == Some(accept);
        let again = match (&self.kept.deliver, self.state) {
            (Some(deliver), State::Delivered | State::Over(_)) if known => {
                vec![Effect::Send(Message::Deliver(deliver.clone()))]
            }
            _ => Vec::new(),
        };
        (self, again)
    }

    /// X3: from here on we can only be completed, or shown that the third party has cheated.
    fn deliver(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        let Some(accept) = self.accepted_as() else {
            return self.stay();
        };
        let items = items(&self.agreement, US, &self.secrets, &self.kept.facts, holder)?;
        let subject = self.agreement.subject();
        let deliver = Signed::new(holder, subject, Deliver { accept, items })?;
        self.kept.deliver = Some(deliver.clone());
        let state = match self.agreement.protocol {
            // The payment is here already.
            Protocol::Ge | Protocol::Ger | Protocol::Hl => State::Over(End::Done),
            _ => State::Delivered,
        };
        let unstored = leaves_out(Rule::PersistFirst);
        let (this, mut effects) = self.to(state, [Effect::Send(Message::Deliver(deliver))])?;
        if unstored {
            effects.swap(0, 1);
        }
        Ok((this, effects))
    }

    fn claim_hash_lock(self, holder: &impl Holder<C>) -> Stepped<C> {
        let key = items(&self.agreement, US, &self.secrets, &[], holder)?.pop();
        let Some(Delivery::Key(share)) = key else { return self.stay() };
        self.claim(PEER, Claim::Open(share), State::Claiming)
    }

    /// X4: what the responder gives must be here for good before we are done.
    fn settled(mut self, settle: Signed<C, Settle<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        if !matches!(self.state, State::Delivered | State::Resolving) {
            return self.stay();
        }
        let subject = match leaves_out(Rule::MessageNamesExchange) {
            true => settle.subject(),
            false => self.agreement.subject(),
        };
        let names = self.kept.deliver.as_ref().map(Signed::digest) == Some(settle.body().deliver)
            || leaves_out(Rule::MessageNamesExchange);
        if !names || !settle.is_by(&self.agreement.responder.sign, subject) {
            return self.stay();
        }
        let Some(accept) = &self.kept.accept else { return self.stay() };
        let (given, items) = (&accept.body().tokens, &settle.body().items);
        match take(&self.agreement, PEER, given, items, holder)? {
            Taken::Here => {
                self.kept.settle = Some(settle);
                self.ended(End::Done)
            }
            Taken::Claim(claim) => {
                self.kept.settle = Some(settle);
                let state = match leaves_out(Rule::RedeemFirst) {
                    true => State::Over(End::Done),
                    false => State::Redeeming,
                };
                self.claim(PEER, claim, state)
            }
            Taken::False(index, fraud, proof) => {
                self.kept.settle = Some(settle);
                self.kept.fraud = Some((fraud, proof.clone()));
                self.dispute(index, proof, holder)
            }
            Taken::Bad if self.state == State::Delivered => self.resolve(holder),
            Taken::Bad => self.stay(),
        }
    }

    /// A payment system's word, about own money or the peer's.
    fn told(mut self, fact: Signed<C, Fact<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let (own, peers) = self.said(&fact);
        let committed = || is_committed(&self.agreement, US, &fact);
        match (self.state, own, peers) {
            (State::Locking, Some(_), _) if committed() => {
                self.kept.keep(fact);
                self.offer(holder)
            }
            (State::Leaving, Some(_), _) if committed() => {
                self.kept.keep(fact);
                self.kept.promise = Some(self.promise(holder)?);
                self.intend(State::GivingUp, holder)
            }
            // Given back before it was promised.
            (State::Locking | State::Leaving, Some(Hold::Refunded(_)), _) => {
                self.kept.keep(fact);
                self.ended(End::Aborted)
            }
            (State::Paying, Some(_), _) if committed() => {
                self.kept.keep(fact);
                self.intend(State::Delivering, holder)
            }
            // The third party has been there before us: it will say why.
            (State::Paying, Some(_), _) => self.resolve(holder),
            (State::Claiming, _, Some(Hold::Released(_))) => {
                self.kept.keep(fact);
                self.kept.owed = None;
                self.intend(State::Delivering, holder)
            }
            (State::Claiming, _, Some(Hold::Refunded(_) | Hold::Never)) => {
                self.kept.keep(fact);
                self.kept.owed = None;
                self.ended(End::Aborted)
            }
            (State::Redeeming, _, Some(Hold::Released(_))) => {
                self.kept.keep(fact);
                self.kept.owed = None;
                self.ended(End::Done)
            }
            // An older word, or not yet.
            (
                State::Redeeming,
                _,
                Some(Hold::Held(_) | Hold::Provisional { frozen: false, .. }),
            ) => self.stay(),
            (State::Redeeming, _, Some(_)) => {
                self.kept.keep(fact);
                self.resolve(holder)
            }
            (State::Over(_), ..) => self.confirmed(fact),
            _ => self.stay(),
        }
    }

    /// Our own payment system will not hold or pay.
    fn refused(self, holder: &impl Holder<C>) -> Stepped<C> {
        match self.state {
            State::Locking | State::Leaving => self.ended(End::Aborted),
            State::Paying => self.intend(State::GivingUp, holder),
            _ => self.stay(),
        }
    }

    fn time_up(self, holder: &impl Holder<C>) -> Stepped<C> {
        match self.state {
            // What became of the lock must be known first: a promise without it is none.
            State::Locking => self.to(State::Leaving, []),
            State::Offered => self.give_up(holder),
            State::Depositing => self.abort(holder),
            State::Paying | State::Delivered | State::Redeeming => {
                if self.state == State::Delivered && leaves_out(Rule::NoAbortAfterDelivery) {
                    return self.abort(holder);
                }
                self.resolve(holder)
            }
            _ => self.stay(),
        }
    }

    fn cancel(self, holder: &impl Holder<C>) -> Stepped<C> {
        match self.state {
            State::Idle => self.ended(End::Aborted),
            State::Locking | State::Offered | State::Depositing => self.time_up(holder),
            _ => self.stay(),
        }
    }

    /// Before delivery. With a hash lock nobody but us can take anything, so we just leave.
    fn give_up(self, holder: &impl Holder<C>) -> Stepped<C> {
        if self.agreement.protocol == Protocol::Hl {
            return self.ended(End::Aborted);
        }
        self.intend(State::GivingUp, holder)
    }

    /// Sends again everything that is under way; nothing is made anew.
    fn again(self) -> (Self, Vec<Effect<C>>) {
        let effects = match self.state {
            State::Idle => Vec::new(),
            State::Locking | State::Leaving | State::Paying => {
                order_for(&self.agreement, US).into_iter().map(Effect::Hold).collect()
            }
            State::Delivering | State::GivingUp => vec![Effect::Sign],
            State::Offered => {
                self.kept.promise.iter().cloned().map(Message::Promise).map(Effect::Send).collect()
            }
            State::Delivered => {
                self.kept.deliver.iter().cloned().map(Message::Deliver).map(Effect::Send).collect()
            }
            State::Aborting | State::Resolving | State::Depositing => {
                // Who does not know any more what it has delivered for asks the other side, too.
                let lost = self.state == State::Resolving && self.kept.accept.is_none();
                let promise = self.kept.promise.iter().filter(|_| lost).cloned();
                let says = promise.map(Message::Promise).map(Effect::Send);
                self.kept.request.iter().cloned().map(Effect::Ask).chain(says).collect()
            }
            State::Claiming | State::Redeeming | State::Over(_) => {
                self.kept.owed.iter().cloned().map(Effect::Claim).collect()
            }
        };
        (self, effects)
    }
}
