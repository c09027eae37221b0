//! What a driver needs beside the machines themselves: the machine of either role as one type,
//! what is due for it and whom it waits for, and what is under way for it in memory.
//!
//! Everything here is as pure as the machines, so that the model explores it with them: what is
//! under way is lost with a crash, and what the machine has stored must be enough to go on.

use std::collections::VecDeque;

use semper_base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::bank::Order;
use crate::crypto::{Crypto, Holder, HolderError};
use crate::item::Role;
use crate::manager::Secret;
use crate::message::Message;
use crate::originator::{Originator, State as Originating};
use crate::party::{Claimed, Effect, End, Event, Kept};
use crate::responder::{Responder, State as Responding};
use crate::verdict::Request;

/// The machine of either role.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Driven<C: Crypto> {
    /// The originator's.
    Originator(Originator<C>),
    /// The responder's.
    Responder(Responder<C>),
}

/// Whom an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// Our own side, which has to begin.
    OurSide,
    /// Our own keys, which have to sign.
    Keys,
    /// The other side.
    OtherSide,
    /// The payment system.
    Bank,
    /// The third party.
    ThirdParty,
    /// Nobody who could be asked: it closes at its last date.
    LastDate,
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OurSide => "its own side",
            Self::Keys => "the signature of its own TINGUIN",
            Self::OtherSide => "the other side",
            Self::Bank => "the bank",
            Self::ThirdParty => "the third party",
            Self::LastDate => "its last date, since nobody can be asked",
        })
    }
}

/// How long whoever is waited for may take, before something else is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Patience {
    /// As long as the home is patient.
    Whole,
    /// Half of that: the originator's advantage lasts as long.
    Half,
}

impl<C: Crypto> Driven<C> {
    /// The machine of this role for an exchange that has been agreed on.
    pub fn new(agreement: Agreed<C>, role: Role, secrets: Vec<Secret<C>>) -> Self {
        match role {
            Role::Originator => Self::Originator(Originator::new(agreement, secrets)),
            Role::Responder => Self::Responder(Responder::new(agreement, secrets)),
        }
    }

    /// What was agreed.
    pub fn agreement(&self) -> &Agreed<C> {
        match self {
            Self::Originator(it) => &it.agreement,
            Self::Responder(it) => &it.agreement,
        }
    }

    /// Whose machine it is.
    pub const fn role(&self) -> Role {
        match self {
            Self::Originator(_) => Role::Originator,
            Self::Responder(_) => Role::Responder,
        }
    }

    /// Everything signed so far.
    pub const fn kept(&self) -> &Kept<C> {
        match self {
            Self::Originator(it) => &it.kept,
            Self::Responder(it) => &it.kept,
        }
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<End> {
        match self {
            Self::Originator(it) => it.end(),
            Self::Responder(it) => it.end(),
        }
    }

    /// Whether nothing is left to do for it.
    pub fn is_closed(&self) -> bool {
        self.end().is_some() && self.kept().owed.is_none()
    }

    /// One step; an event that does not fit the state changes nothing.
    ///
    /// # Errors
    /// When keys are needed and do nothing: nothing has changed. Keys that deny are told to the
    /// machine by [`Event::Denied`]; otherwise the same event may be given again.
    pub fn step(
        self,
        event: Event<C>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Result<(Self, Vec<Effect<C>>), HolderError> {
        Ok(match self {
            Self::Originator(it) => {
                let (next, effects) = it.step(event, now, holder)?;
                (Self::Originator(next), effects)
            }
            Self::Responder(it) => {
                let (next, effects) = it.step(event, now, holder)?;
                (Self::Responder(next), effects)
            }
        })
    }

    /// What is to happen now, besides doing again what is under way. `late` says that whoever is
    /// waited for has had its time. Nothing of it is consumed: what could not be stored is due
    /// again, also after a restart.
    pub fn due(&self, late: bool, now: Timestamp) -> Option<Event<C>> {
        if !self.is_closed() && now >= self.agreement().closed_at() {
            return Some(Event::LastDate);
        }
        match self {
            Self::Originator(it) if it.state == Originating::Idle => Some(Event::Start),
            // Nothing has been promised yet.
            Self::Responder(it) if it.state == Responding::Idle => late.then_some(Event::Cancel),
            _ => late.then_some(Event::TimeUp),
        }
    }

    /// How long whoever is waited for now may take; `None` if nothing else would come of waiting
    /// longer.
    pub fn patience(&self) -> Option<Patience> {
        match self {
            Self::Originator(it) => match it.state {
                Originating::Locking
                | Originating::Offered
                | Originating::Paying
                | Originating::Depositing
                | Originating::Delivered
                | Originating::Redeeming => Some(Patience::Whole),
                _ => None,
            },
            Self::Responder(it) => match it.state {
                Responding::Idle | Responding::Redeeming | Responding::Depositing => {
                    Some(Patience::Whole)
                }
                Responding::Accepted => Some(Patience::Half),
                Responding::Committing if it.agreement.protocol.pays(Role::Responder) => {
                    Some(Patience::Whole)
                }
                _ => None,
            },
        }
    }

    /// Whom it waits for; the payment system also when it is over, until all money is where it
    /// belongs.
    pub fn waits_for(&self) -> Whom {
        let asked = self.kept().request.is_some();
        match self {
            Self::Originator(it) => match it.state {
                Originating::Idle => Whom::OurSide,
                Originating::Delivering | Originating::GivingUp => Whom::Keys,
                Originating::Offered | Originating::Delivered => Whom::OtherSide,
                Originating::Locking
                | Originating::Leaving
                | Originating::Paying
                | Originating::Claiming
                | Originating::Redeeming
                | Originating::Over(_) => Whom::Bank,
                Originating::Resolving if !asked => Whom::LastDate,
                Originating::Aborting | Originating::Depositing | Originating::Resolving => {
                    Whom::ThirdParty
                }
            },
            Self::Responder(it) => match it.state {
                Responding::Idle | Responding::Accepted => Whom::OtherSide,
                Responding::Committing | Responding::Redeeming | Responding::Over(_) => Whom::Bank,
                Responding::Resolving if !asked => Whom::LastDate,
                Responding::Depositing
                | Responding::Resolving
                | Responding::Complaining
                | Responding::Aborting => Whom::ThirdParty,
            },
        }
    }

    /// Whether nothing but the other side is waited for.
    pub fn listens(&self) -> bool {
        self.waits_for() == Whom::OtherSide
    }
}

/// What a payment system is to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AtTheBank<C: Crypto> {
    /// To hold or pay.
    Hold(Box<Order<C>>),
    /// To follow a claim.
    Claim(Box<Claimed<C>>),
}

/// Whom an errand goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// The payment system: one errand after the other, in the order in which they were wanted.
    Bank,
    /// The third party.
    ThirdParty,
}

/// What a driver has to do for an effect, now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task<C: Crypto> {
    /// The new state is stored: whoever waits for it may look.
    Stored,
    /// Give [`Event::Sign`].
    Sign,
    /// Something is to be said to the other side: it is among [`Underway::unsent`].
    Say,
    /// Send somebody to the third party, and tell [`Underway::back`] when it comes back.
    ThirdParty(Box<Request<C>>),
    /// Send somebody to the payment system, and tell [`Underway::back`] when it comes back.
    Bank(AtTheBank<C>),
    /// It is over.
    Ended(End),
}

/// What is under way for an exchange, in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Underway<C: Crypto> {
    /// Messages that have not been taken by the other side.
    unsent: Vec<Message<C>>,
    /// Whether the third party is being asked.
    asking: bool,
    /// What the payment system is to be asked; the first of it is being asked.
    at_the_bank: VecDeque<AtTheBank<C>>,
}

impl<C: Crypto> Default for Underway<C> {
    fn default() -> Self {
        Self { unsent: Vec::new(), asking: false, at_the_bank: VecDeque::new() }
    }
}

impl<C: Crypto> Underway<C> {
    /// Takes an effect of a machine; what is to be done for it now. Nobody is sent twice for the
    /// same thing.
    pub fn take(&mut self, effect: Effect<C>) -> Option<Task<C>> {
        match effect {
            Effect::Persist => Some(Task::Stored),
            Effect::Sign => Some(Task::Sign),
            Effect::Ended(end) => Some(Task::Ended(end)),
            Effect::Send(message) => {
                if !self.unsent.contains(&message) {
                    self.unsent.push(message);
                }
                Some(Task::Say)
            }
            Effect::Ask(request) => {
                let first = !std::mem::replace(&mut self.asking, true);
                first.then(|| Task::ThirdParty(Box::new(request)))
            }
            Effect::Hold(order) => self.bank(AtTheBank::Hold(Box::new(order))),
            Effect::Claim(claimed) => self.bank(AtTheBank::Claim(Box::new(claimed))),
        }
    }

    fn bank(&mut self, what: AtTheBank<C>) -> Option<Task<C>> {
        if self.at_the_bank.contains(&what) {
            return None;
        }
        self.at_the_bank.push_back(what.clone());
        (self.at_the_bank.len() == 1).then_some(Task::Bank(what))
    }

    /// An errand has come back, with an answer or without; what is to be done next.
    pub fn back(&mut self, errand: Errand) -> Option<Task<C>> {
        match errand {
            Errand::ThirdParty => {
                self.asking = false;
                None
            }
            Errand::Bank => {
                self.at_the_bank.pop_front();
                self.at_the_bank.front().cloned().map(Task::Bank)
            }
        }
    }

    /// Messages that the other side has not taken.
    pub fn unsent(&self) -> &[Message<C>] {
        &self.unsent
    }

    /// The other side has taken these.
    pub fn said(&mut self, messages: &[Message<C>]) {
        self.unsent.retain(|message| !messages.contains(message));
    }

    /// What is not meant any more is not said any more: a promise that was given up would have
    /// the other side lock its money for nothing.
    pub fn keep_meant(&mut self, machine: &Driven<C>) {
        self.unsent.retain(|message| match (machine, message) {
            (Driven::Originator(it), Message::Promise(_)) => {
                matches!(it.state, Originating::Offered | Originating::Resolving)
            }
            (Driven::Responder(it), Message::Accept(_)) => {
                matches!(it.state, Responding::Accepted | Responding::Depositing)
            }
            _ => true,
        });
    }

    /// Whether nobody is being asked, and nothing waits to be said.
    pub fn is_idle(&self) -> bool {
        self.unsent.is_empty() && !self.asking && self.at_the_bank.is_empty()
    }
}
