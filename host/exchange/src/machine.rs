//! The part of a side's machine that both sides have: what it holds, how it moves on, how it asks
//! the third party, and what it makes of a verdict before looking at what is decided.

use std::ops::ControlFlow;

use semper_base::{Digest, Timestamp};
use semper_items::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::bank::{Claim, Fact, order_for};
use crate::crypto::{Body as _, Crypto, Half, Holder, HolderError, Signed};
use crate::dates::{self, Bounds};
use crate::information::Proof;
use crate::item::Role;
use crate::judge::{self, Evidence};
use crate::manager::Secret;
use crate::message::{Delivery, Token};
use crate::mutation::{Rule, leaves_out};
use crate::party::{Claimed, Effect, End, Kept, items, said};
use crate::verdict::{
    Abort, Answer, Complaint, Decided, Decision, Deposit, Replacement, Request, Resolve, Submitted,
    Wish,
};

/// Both shares of a key, if both are known: the escrowed one and the peer's.
type Shares<C> = Option<(<C as Crypto>::Share, <C as Crypto>::Share)>;

/// A side's machine, in states `S`: [`crate::Originator`] or [`crate::Responder`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(serialize = "S: Serialize", deserialize = "S: Deserialize<'de>")
)]
pub struct Machine<C: Crypto, S> {
    /// The exchange agreement that this machine carries out.
    pub agreement: Agreed<C>,
    /// One for each of our leaves.
    pub secrets: Vec<Secret<C>>,
    /// The state of this side.
    pub state: S,
    /// Everything signed so far.
    pub kept: Kept<C>,
}

/// The common part of both sides' states.
pub trait Standing: Copy + PartialEq {
    /// The role whose states they are.
    const US: Role;
    /// The state before anything has happened.
    const IDLE: Self;
    /// The third party is asked to abort.
    const ABORTING: Self;
    /// The third party is asked to complete.
    const RESOLVING: Self;
    /// The package is with the third party.
    const DEPOSITING: Self;

    /// The final state with this end.
    fn over(end: End) -> Self;

    /// How it ended, if it has.
    fn end(self) -> Option<End>;

    /// Whether a verdict is waited for, or would be heard.
    fn hears_verdicts(self) -> bool;
}

/// The outcome of a step: the next machine and the effects, in order.
pub(crate) type Stepped<C, S> = Result<(Machine<C, S>, Vec<Effect<C>>), HolderError>;

/// The standing of a verdict, before looking at its decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Not for us, not now, or not the third party's.
    Nothing,
    /// Of the future, by our clock: no verdict yet. It is kept beside the others, since it and
    /// another convict the third party.
    Early,
    /// Signed by the third party, and without a basis: that is evidence against it.
    Baseless,
    /// The verdict has its basis and counts.
    Founded,
}

impl<C: Crypto, S: Standing> Machine<C, S> {
    /// An exchange that has been agreed on.
    pub fn new(agreement: Agreed<C>, secrets: Vec<Secret<C>>) -> Self {
        Self { agreement, secrets, state: S::IDLE, kept: Kept::default() }
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<End> {
        self.state.end()
    }

    pub(crate) fn stay(self) -> Stepped<C, S> {
        Ok((self, Vec::new()))
    }

    /// Moves on: stored first, then done.
    pub(crate) fn to(
        mut self,
        state: S,
        effects: impl IntoIterator<Item = Effect<C>>,
    ) -> Stepped<C, S> {
        self.state = state;
        let mut all = vec![Effect::Persist];
        all.extend(effects);
        all.extend(state.end().map(Effect::Ended));
        Ok((self, all))
    }

    /// Closes an exchange whose last date has passed, with what is known.
    pub(crate) fn lapse(mut self, now: Timestamp) -> Stepped<C, S> {
        if now < self.agreement.closed_at() || leaves_out(Rule::Closes) {
            return self.stay();
        }
        let owed = self.kept.owed.take().is_some();
        match self.end() {
            // What could be taken back is where it is for good, by now: its bank says where.
            None => match self.payer_in_doubt() {
                Some(payer) => self.claim(payer, Claim::Look, S::over(End::Lapsed)),
                None => self.ended(End::Lapsed),
            },
            Some(_) if owed => Ok((self, vec![Effect::Persist])),
            Some(_) => self.stay(),
        }
    }

    /// Whose money may be here or there, as far as we know: it was paid so that it can be taken back, or
    /// we have let go what was locked.
    fn payer_in_doubt(&self) -> Option<Role> {
        let let_go = match S::US {
            Role::Originator => self.kept.deliver.is_some(),
            Role::Responder => self.kept.settle.is_some(),
        };
        let promised = self.tokens_of_peer().into_iter().filter_map(|it| match it {
            Token::Fact(fact) => Some(*fact),
            _ => None,
        });
        let words = self.kept.facts.iter().cloned().chain(promised).map(|it| self.said(&it));
        let (ours, theirs): (Vec<_>, Vec<_>) = words.unzip();
        let open = |it: &Option<Hold>| matches!(it, Some(Hold::Provisional { .. }));
        let may_have_gone = |it: &Option<Hold>| let_go && matches!(it, Some(Hold::Held(_)));
        if ours.iter().any(|it| open(it) || may_have_gone(it)) {
            return Some(S::US);
        }
        theirs.iter().any(open).then_some(S::US.other())
    }

    /// The keys do not even sign that the third party is asked: nothing is left but to hear the
    /// others, until the last date.
    fn mute(mut self) -> Stepped<C, S> {
        if self.state == S::RESOLVING {
            return self.stay();
        }
        self.kept.request = None;
        self.to(S::RESOLVING, [])
    }

    pub(crate) fn ended(self, end: End) -> Stepped<C, S> {
        self.to(S::over(end), [])
    }

    /// Moves on to where a payment system has to confirm a claim.
    pub(crate) fn claim(mut self, payer: Role, claim: Claim<C>, state: S) -> Stepped<C, S> {
        let claimed = Claimed { payer, claim };
        self.kept.owed = Some(claimed.clone());
        self.to(state, [Effect::Claim(claimed)])
    }

    /// The states of our money and of the peer's, by a payment system's word.
    pub(crate) fn said(&self, fact: &Signed<C, Fact<C>>) -> (Option<Hold>, Option<Hold>) {
        (said(&self.agreement, S::US, fact), said(&self.agreement, S::US.other(), fact))
    }

    /// A payment system's word about what is still owed when all is over.
    pub(crate) fn confirmed(mut self, fact: Signed<C, Fact<C>>) -> Stepped<C, S> {
        let about = self.kept.owed.as_ref().and_then(|it| said(&self.agreement, it.payer, &fact));
        if matches!(about, Some(Hold::Provisional { .. })) && !self.kept.facts.contains(&fact) {
            // Frozen since, perhaps: that is known, and asked again.
            self.kept.keep(fact);
            return Ok((self, vec![Effect::Persist]));
        }
        if matches!(about, None | Some(Hold::Held(_) | Hold::Provisional { .. })) {
            return self.stay();
        }
        self.kept.keep(fact);
        self.kept.owed = None;
        Ok((self, vec![Effect::Persist]))
    }

    pub(crate) fn abort(self, holder: &impl Holder<C>) -> Stepped<C, S> {
        let Some(promise) = self.promised_as() else { return self.stay() };
        let abort = Abort { promise, role: S::US };
        let wish = Wish::Abort(Signed::new(holder, self.agreement.subject(), abort)?);
        self.ask(wish, S::ABORTING)
    }

    pub(crate) fn resolve(self, holder: &impl Holder<C>) -> Stepped<C, S> {
        let Some(promise) = self.promised_as() else { return self.stay() };
        let resolve = Resolve { promise, accept: self.accepted_as(), role: S::US };
        let wish = Wish::Resolve(Signed::new(holder, self.agreement.subject(), resolve)?);
        self.ask(wish, S::RESOLVING)
    }

    /// Hands our package to the third party.
    pub(crate) fn deposit(self, holder: &impl Holder<C>) -> Stepped<C, S> {
        let Some(accept) = self.accepted_as() else { return self.stay() };
        let items = items(&self.agreement, S::US, &self.secrets, &self.kept.facts, holder)?;
        let deposit = Deposit { accept, role: S::US, items };
        let wish = Wish::Deposit(Signed::new(holder, self.agreement.subject(), deposit)?);
        self.ask(wish, S::DEPOSITING)
    }

    pub(crate) fn ask(mut self, wish: Wish<C>, state: S) -> Stepped<C, S> {
        let Some(promise) = self.kept.promise.clone() else { return self.stay() };
        let request = Request { wish, promise, accept: self.kept.accept.clone() };
        self.kept.request = Some(request.clone());
        self.to(state, [Effect::Ask(request)])
    }

    /// Ends with a complaint about the peer's information that is for a judge alone: nobody can undo
    /// what was given.
    pub(crate) fn dispute(
        mut self,
        index: usize,
        proof: Proof,
        holder: &impl Holder<C>,
    ) -> Stepped<C, S> {
        let wish = self.complaint(index, proof, holder)?;
        let (promise, accept) = (self.kept.promise.clone(), self.kept.accept.clone());
        if let (Some(wish), Some(promise)) = (wish, promise) {
            self.kept.request = Some(Request { wish, promise, accept });
        }
        self.ended(End::Disputed)
    }

    /// The complaint that a leaf of the peer's is false, shown with both shares of its key.
    pub(crate) fn complaint(
        &self,
        index: usize,
        proof: Proof,
        holder: &impl Holder<C>,
    ) -> Result<Option<Wish<C>>, HolderError> {
        let shares = self.shares(index, holder)?;
        let (Some(shares), Some(promise), Ok(leaf)) =
            (shares, self.promised_as(), u32::try_from(index))
        else {
            return Ok(None);
        };
        let complaint = Complaint { promise, of: S::US.other(), leaf, shares, proof };
        let signed = Signed::new(holder, self.agreement.subject(), complaint)?;
        Ok(Some(Wish::Complain(Box::new(signed))))
    }

    /// What the peer has promised its leaves with.
    pub(crate) fn tokens_of_peer(&self) -> Vec<Token<C>> {
        let tokens = match S::US {
            Role::Responder => self.kept.promise.as_ref().map(|it| &it.body().tokens),
            Role::Originator => self.kept.accept.as_ref().map(|it| &it.body().tokens),
        };
        tokens.cloned().unwrap_or_default()
    }

    /// Both shares of the key of one of the peer's leaves, from what came.
    fn shares(&self, index: usize, holder: &impl Holder<C>) -> Result<Shares<C>, HolderError> {
        let leaf = self.agreement.leaf(S::US.other(), index);
        let given = self.tokens_of_peer();
        let (Some(Token::Escrow { share, .. }) | Some(Token::Certified { share, .. })) =
            given.get(index)
        else {
            return Ok(None);
        };
        let Some(peers) = holder.open(Half::Peers, &leaf, share)? else { return Ok(None) };
        let items = match S::US {
            Role::Responder => self.kept.deliver.as_ref().map(|it| &it.body().items),
            Role::Originator => self.kept.settle.as_ref().map(|it| &it.body().items),
        };
        if let Some(Delivery::Key(key)) = items.and_then(|items| items.get(index)) {
            return Ok(Some((key.clone(), peers)));
        }
        if let Some(key) = self.kept.facts.iter().find_map(|it| it.body().opened.clone()) {
            return Ok(Some((key, peers)));
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

    /// The promise's name, once there is one.
    pub(crate) fn promised_as(&self) -> Option<Digest> {
        self.kept.promise.as_ref().map(Signed::digest)
    }

    /// The acceptance's name, once there is one.
    pub(crate) fn accepted_as(&self) -> Option<Digest> {
        self.kept.accept.as_ref().map(Signed::digest)
    }

    /// Keeps an answer that changes nothing else.
    pub(crate) fn noted(mut self, answer: &Answer<C>) -> Stepped<C, S> {
        self.kept.note(answer);
        Ok((self, vec![Effect::Persist]))
    }

    /// Whether a verdict is for us and counts; if it is the third party's, it is kept.
    fn hear(&mut self, decided: &Decided<C>, now: Timestamp) -> Heard {
        let verdict = &decided.verdict;
        let unnamed = leaves_out(Rule::VerdictNamesExchange);
        let subject = if unnamed { verdict.subject() } else { self.agreement.subject() };
        let third = &self.agreement.third_party.sign;
        if !self.state.hears_verdicts() || !verdict.is_by(third, subject) {
            return Heard::Nothing;
        }
        let believed = unnamed && matches!(verdict.body().decision, Decision::Abort { .. });
        let founded = believed || verdict.body().check(verdict, &self.agreement).is_ok();
        let bounds = Bounds::of(&self.agreement);
        if founded && dates::check(verdict.body().dates(), &bounds, Some(now)).is_err() {
            self.kept.note(&Answer::Decided(Box::new(decided.clone())));
            return Heard::Early;
        }
        self.kept.decide(decided);
        if founded { Heard::Founded } else { Heard::Baseless }
    }

    /// Whether a note of receipt is the third party's, and not of the future. One that gives the
    /// third party more time than it may have is kept as well: it convicts it.
    pub(crate) fn is_note(&self, note: &Signed<C, Submitted>, now: Timestamp) -> bool {
        let dated = dates::check_note(note.body().at, note.body().decide_by, Some(now));
        note.is_by(&self.agreement.third_party.sign, self.agreement.subject())
            && dated.err().is_none_or(dates::Misdated::convicts)
    }

    /// The third party has done what it must not, it seems. We say so if, and only if, any judge
    /// finds it from what is kept here; otherwise the third party is asked again.
    pub(crate) fn accuse(self, now: Timestamp) -> Stepped<C, S> {
        let finding = judge::judge(&self.evidence(), now);
        if finding.convicts_third_party() {
            return self.ended(End::ThirdPartyFault);
        }
        Ok((self, vec![Effect::Persist]))
    }

    /// We are called a cheat. If it is shown to be false the third party is at fault; otherwise it
    /// stands, for an arbiter, and ends the exchange as an abort does.
    fn accused(self, decided: &Decided<C>, now: Timestamp) -> Stepped<C, S> {
        self.undone(End::Disputed, decided, now)
    }

    /// What we can lay before a judge. Whoever is called a cheat for an escrow shows how it was made.
    pub fn evidence(&self) -> Evidence<C> {
        let mut evidence = Evidence::of(self.agreement.clone()).with(&self.kept);
        evidence.rebut(S::US, &self.secrets);
        evidence
    }

    /// What both sides make of a verdict alike; the machine goes on if it is a completion.
    pub(crate) fn weigh(
        mut self,
        decided: &Decided<C>,
        now: Timestamp,
    ) -> ControlFlow<Stepped<C, S>, Self> {
        match self.hear(decided, now) {
            Heard::Nothing => return ControlFlow::Break(self.stay()),
            Heard::Early => return ControlFlow::Break(Ok((self, vec![Effect::Persist]))),
            Heard::Baseless => return ControlFlow::Break(self.accuse(now)),
            Heard::Founded => {}
        }
        let end = match &decided.verdict.body().decision {
            Decision::Complete { .. } => return ControlFlow::Continue(self),
            Decision::Fault { culprit, .. } if *culprit == S::US => {
                return ControlFlow::Break(self.accused(decided, now));
            }
            // An originator has given what does not come back.
            Decision::Fault { .. } if S::US == Role::Originator => End::Wronged,
            Decision::Abort { .. } | Decision::Fault { .. } => End::Aborted,
            Decision::Expired { .. } => End::Expired,
        };
        ControlFlow::Break(self.undone(end, decided, now))
    }

    /// What both sides make alike of keys that do not sign a body of this kind; the machine goes on
    /// if it is for its own state to say.
    pub(crate) fn deny(self, kind: &str) -> ControlFlow<Stepped<C, S>, Self> {
        if leaves_out(Rule::DenialMoves) {
            return ControlFlow::Break(self.stay());
        }
        if kind == Resolve::KIND {
            return ControlFlow::Break(self.mute());
        }
        // Nothing is promised, and nothing is locked.
        if self.state == S::IDLE {
            return ControlFlow::Break(self.ended(End::Aborted));
        }
        ControlFlow::Continue(self)
    }

    /// It will never be completed: own money comes back.
    pub(crate) fn undone(
        mut self,
        end: End,
        decided: &Decided<C>,
        now: Timestamp,
    ) -> Stepped<C, S> {
        self.kept.owed = None;
        let convicts = judge::judge(&self.evidence(), now).convicts_third_party();
        let end = if convicts { End::ThirdPartyFault } else { end };
        if order_for(&self.agreement, S::US).is_none() {
            return self.ended(end);
        }
        let claim = Claim::Verdict(Box::new(decided.verdict.clone()));
        self.claim(S::US, claim, S::over(end))
    }
}
