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
//! Source: `design/exchange.md` §3.5.

mod answers;

use semper_base::Timestamp;
use semper_ledger::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::{Agreed, Protocol};
use crate::bank::{Claim, Fact};
use crate::crypto::{Away, Crypto, Half, Holder, Signed};
use crate::information::Proof;
use crate::item::{Fraud, Role};
use crate::manager::Secret;
use crate::message::{Accept, Deliver, Delivery, Message, Promise, Settle, Token};
use crate::mutation::{Rule, leaves_out};
use crate::party::{
    Claimed, Effect, End, Event, Kept, Taken, are_good, is_committed, items, own_order, said, take,
    tokens,
};
use crate::verdict::{Abort, Complaint, Deposit, Replacement, Request, Resolve, Wish};

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waiting for X1.
    Idle,
    /// Own money is being locked or paid.
    Committing,
    /// X2 is out.
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
    /// Over.
    Over(End),
}

/// The responder's machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Responder<C: Crypto> {
    /// What is exchanged.
    pub agreement: Agreed<C>,
    /// One for each of our leaves.
    pub secrets: Vec<Secret<C>>,
    /// Where it stands.
    pub state: State,
    /// Everything signed so far.
    pub kept: Kept<C>,
}

/// The escrowed share of an information's key, and the peer's.
type Shares<C> = (<C as Crypto>::Share, <C as Crypto>::Share);

type Stepped<C> = Result<(Responder<C>, Vec<Effect<C>>), Away>;

const US: Role = Role::Responder;
const PEER: Role = Role::Originator;

impl<C: Crypto> Responder<C> {
    /// An exchange that has been agreed on: with our own nonce, which is used once.
    pub fn new(agreement: Agreed<C>, secrets: Vec<Secret<C>>) -> Self {
        Self { agreement, secrets, state: State::Idle, kept: Kept::default() }
    }

    /// How it ended, if it has.
    pub const fn end(&self) -> Option<End> {
        match self.state {
            State::Over(end) => Some(end),
            _ => None,
        }
    }

    /// One step; an event that does not fit the state changes nothing.
    ///
    /// # Errors
    /// When keys are needed that cannot be reached: nothing has changed, and the same event may
    /// be given again.
    pub fn step(self, event: Event<C>, now: Timestamp, holder: &impl Holder<C>) -> Stepped<C> {
        match event {
            Event::Message(Message::Promise(promise)) => self.promised(promise, now, holder),
            Event::Message(Message::Deliver(deliver)) => self.delivered(deliver, holder),
            Event::Answer(answer) => self.answered(answer, holder),
            Event::Fact(fact) => self.told(fact, holder),
            Event::Refused if self.state == State::Committing => {
                self.to(State::Over(End::Aborted), [])
            }
            Event::Resend => Ok(self.again()),
            Event::TimeUp => self.time_up(holder),
            Event::Cancel => match self.state {
                State::Idle => self.to(State::Over(End::Aborted), []),
                State::Depositing => self.time_up(holder),
                _ => self.stay(),
            },
            Event::Start | Event::Message(_) | Event::Refused => self.stay(),
        }
    }

    fn stay(self) -> Stepped<C> {
        Ok((self, Vec::new()))
    }

    fn to(mut self, state: State, effects: impl IntoIterator<Item = Effect<C>>) -> Stepped<C> {
        self.state = state;
        let mut all = vec![Effect::Persist];
        all.extend(effects);
        if let State::Over(end) = state {
            all.push(Effect::Ended(end));
        }
        Ok((self, all))
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
            let again = self.kept.accept.iter().filter(|_| known && self.state == State::Accepted);
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
        match own_order(&self.agreement, US) {
            Some(order) => self.to(State::Committing, [Effect::Hold(order)]),
            None => self.accept(holder),
        }
    }

    /// X2: from here on we can only complete, or be released.
    fn accept(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        let Some(promise) = self.kept.promise.as_ref().map(Signed::digest) else {
            return self.stay();
        };
        let subject = self.agreement.subject();
        let tokens = tokens(&self.agreement, US, &self.secrets, &self.kept.facts);
        let accept = Signed::new(holder, subject, Accept { promise, tokens })?;
        self.kept.accept = Some(accept.clone());
        let send = Effect::Send(Message::Accept(accept.clone()));
        if self.agreement.protocol == Protocol::Inline {
            let items = items(&self.agreement, US, &self.secrets, &self.kept.facts, holder)?;
            let deposit = Deposit { accept: accept.digest(), role: US, items };
            let wish = Wish::Deposit(Signed::new(holder, subject, deposit)?);
            let (this, mut effects) = self.ask(wish, State::Depositing)?;
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

    fn tokens_of_peer(&self) -> Vec<Token<C>> {
        self.kept.promise.as_ref().map(|it| it.body().tokens.clone()).unwrap_or_default()
    }

    /// X3: checked, and its money claimed, before we give anything.
    fn delivered(mut self, deliver: Signed<C, Deliver<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let subject = match leaves_out(Rule::MessageNamesExchange) {
            true => deliver.subject(),
            false => self.agreement.subject(),
        };
        let names = self.kept.accept.as_ref().map(Signed::digest) == Some(deliver.body().accept)
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
            Taken::Here => self.settle(holder),
            Taken::Claim(claim) => {
                let claimed = Claimed { payer: PEER, claim };
                self.kept.owed = Some(claimed.clone());
                if leaves_out(Rule::RedeemFirst) {
                    let (this, mut effects) = self.settle(holder)?;
                    effects.push(Effect::Claim(claimed));
                    return Ok((this, effects));
                }
                self.to(State::Redeeming, [Effect::Claim(claimed)])
            }
            Taken::False(..) if leaves_out(Rule::ExamineFirst) => self.settle(holder),
            Taken::False(index, fraud, proof) => self.complain(index, fraud, proof, holder),
            Taken::Bad => self.stay(),
        }
    }

    /// X4.
    fn settle(mut self, holder: &impl Holder<C>) -> Stepped<C> {
        let Some(deliver) = self.kept.deliver.as_ref().map(Signed::digest) else {
            return self.to(State::Over(End::Done), []);
        };
        let items = items(&self.agreement, US, &self.secrets, &self.kept.facts, holder)?;
        let settle = Signed::new(holder, self.agreement.subject(), Settle { deliver, items })?;
        self.kept.settle = Some(settle.clone());
        self.to(State::Over(End::Done), [Effect::Send(Message::Settle(settle))])
    }

    /// What came, or what the third party opened, is false: shown with both shares.
    fn complain(
        mut self,
        index: usize,
        fraud: Fraud,
        proof: Proof,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        self.kept.fraud = Some((fraud, proof.clone()));
        let shares = self.shares(index, holder)?;
        let promise = self.kept.promise.as_ref().map(Signed::digest);
        let (Some(shares), Some(promise), Ok(leaf)) = (shares, promise, u32::try_from(index))
        else {
            return self.to(State::Over(End::Disputed), []);
        };
        if self.agreement.protocol == Protocol::Hl {
            return self.to(State::Over(End::Disputed), []);
        }
        let complaint = Complaint { promise, leaf, shares, proof };
        let signed = Signed::new(holder, self.agreement.subject(), complaint)?;
        self.ask(Wish::Complain(Box::new(signed)), State::Complaining)
    }

    /// Both shares of an information's key, from what came.
    fn shares(&self, index: usize, holder: &impl Holder<C>) -> Result<Option<Shares<C>>, Away> {
        let leaf = self.agreement.leaf(PEER, index);
        let given = self.tokens_of_peer();
        let (Some(Token::Escrow { share, .. }) | Some(Token::Certified { share, .. })) =
            given.get(index)
        else {
            return Ok(None);
        };
        let Some(peers) = holder.open(Half::Peers, &leaf, share)? else { return Ok(None) };
        let items = self.kept.deliver.as_ref().map(|it| &it.body().items);
        if let Some(Delivery::Key(key)) = items.and_then(|items| items.get(index)) {
            return Ok(Some((key.clone(), peers)));
        }
        let opened = self.kept.decided().and_then(|it| it.replacements.get(index));
        match opened {
            Some(Replacement::Opening(opening)) => {
                let key = holder.open(Half::Escrowed, &leaf, &opening.body().share)?;
                Ok(key.map(|key| (key, peers)))
            }
            Some(Replacement::Deposited(Delivery::Key(key))) => Ok(Some((key.clone(), peers))),
            _ => Ok(None),
        }
    }

    fn told(mut self, fact: Signed<C, Fact<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let own = said(&self.agreement, US, &fact);
        let peers = said(&self.agreement, PEER, &fact);
        if own.is_none() && peers.is_none() {
            return self.stay();
        }
        let committed = is_committed(&self.agreement, US, &fact);
        match (self.state, own, peers) {
            (State::Committing, Some(_), _) if committed => {
                self.kept.keep(fact);
                self.accept(holder)
            }
            // Fenced before it was made, or given back before it was promised: nothing was paid.
            (State::Committing, Some(Hold::Never | Hold::Refunded(_)), _) => {
                self.kept.keep(fact);
                self.to(State::Over(End::Aborted), [])
            }
            (State::Accepted, Some(Hold::Released(_) | Hold::Refunded(_)), _)
                if self.agreement.protocol == Protocol::Hl =>
            {
                self.hash_lock(fact, holder)
            }
            (State::Redeeming, _, Some(Hold::Released(_))) => {
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
            (State::Over(_), own, peers) if self.kept.owed.is_some() => {
                let ours = self.kept.owed.as_ref().is_some_and(|it| it.payer == US);
                let about = if ours { own } else { peers };
                if matches!(about, None | Some(Hold::Held(_) | Hold::Provisional { .. })) {
                    return self.stay();
                }
                self.kept.keep(fact);
                self.kept.owed = None;
                Ok((self, vec![Effect::Persist]))
            }
            _ => self.stay(),
        }
    }

    /// The hash lock was opened, which shows us the key, or has expired.
    fn hash_lock(mut self, fact: Signed<C, Fact<C>>, holder: &impl Holder<C>) -> Stepped<C> {
        let opened = fact.body().opened.clone();
        self.kept.keep(fact);
        let Some(share) = opened else { return self.to(State::Over(End::Aborted), []) };
        let given = self.tokens_of_peer();
        match take(&self.agreement, PEER, &given, &[Delivery::Key(share)], holder)? {
            Taken::Here => self.to(State::Over(End::Done), []),
            Taken::False(_, fraud, proof) => {
                self.kept.fraud = Some((fraud, proof));
                self.to(State::Over(End::Disputed), [])
            }
            _ => self.stay(),
        }
    }

    fn time_up(self, holder: &impl Holder<C>) -> Stepped<C> {
        match (self.state, self.agreement.protocol) {
            (State::Accepted | State::Redeeming, Protocol::Hl) => {
                let look = Claimed { payer: US, claim: Claim::Look };
                Ok((self, vec![Effect::Claim(look)]))
            }
            (State::Accepted, _) if leaves_out(Rule::ResolveAlways) => {
                self.to(State::Over(End::Aborted), [])
            }
            (State::Accepted | State::Redeeming, _) => self.resolve(holder),
            // A payment may have been made, and its answer lost: the third party has it told.
            (State::Committing, Protocol::Ge | Protocol::Ger | Protocol::Rr) => {
                self.resolve(holder)
            }
            (State::Depositing, _) => self.abort(holder),
            _ => self.stay(),
        }
    }

    fn abort(self, holder: &impl Holder<C>) -> Stepped<C> {
        let Some(promise) = self.kept.promise.as_ref().map(Signed::digest) else {
            return self.stay();
        };
        let abort = Abort { promise, role: US };
        let wish = Wish::Abort(Signed::new(holder, self.agreement.subject(), abort)?);
        self.ask(wish, State::Aborting)
    }

    fn resolve(self, holder: &impl Holder<C>) -> Stepped<C> {
        let (Some(promise), accept) = (&self.kept.promise, &self.kept.accept) else {
            return self.stay();
        };
        let accept = accept.as_ref().map(Signed::digest);
        let resolve = Resolve { promise: promise.digest(), accept, role: US };
        let wish = Wish::Resolve(Signed::new(holder, self.agreement.subject(), resolve)?);
        self.ask(wish, State::Resolving)
    }

    fn ask(mut self, wish: Wish<C>, state: State) -> Stepped<C> {
        let Some(promise) = self.kept.promise.clone() else { return self.stay() };
        let request = Request { wish, promise, accept: self.kept.accept.clone() };
        self.kept.request = Some(request.clone());
        self.to(state, [Effect::Ask(request)])
    }

    /// What is under way, again; nothing is made anew.
    fn again(self) -> (Self, Vec<Effect<C>>) {
        let effects = match self.state {
            State::Idle => Vec::new(),
            State::Committing => {
                own_order(&self.agreement, US).into_iter().map(Effect::Hold).collect()
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
