//! An exchange from beginning to end, with whatever goes wrong.

use std::collections::VecDeque;

use semper_exchange::bank::ClaimRequest;
use semper_exchange::judge::Evidence;
use semper_exchange::standard::Standard;
use semper_exchange::{Agreed, Effect, End, Event, Message, Originator, Responder, Role, party};

use crate::services::Services;
use crate::trader::Trader;

/// When a side falls silent for ever: before it does its so-manieth thing that others see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Which side.
    pub role: Role,
    /// Before which thing, from 0.
    pub before: usize,
}

/// An exchange under way.
pub struct Run<'a, S: Services> {
    /// Bank and third party.
    pub services: &'a S,
    /// The two sides.
    pub traders: [&'a Trader; 2],
    /// The originator's machine.
    pub originator: Originator<Standard>,
    /// The responder's.
    pub responder: Responder<Standard>,
    /// Who falls silent when.
    pub silence: Option<Silence>,
    /// What is on its way, and to whom.
    pub post: VecDeque<(Role, Message<Standard>)>,
    /// How many messages were sent.
    pub messages: usize,
    /// Their bytes, all together.
    pub bytes: usize,
    /// Whether the third party was asked.
    pub asked: bool,
    done: [usize; 2],
}

fn index(role: Role) -> usize {
    usize::from(role == Role::Responder)
}

impl<'a, S: Services> Run<'a, S> {
    /// Both sides, before anything.
    pub fn new(
        services: &'a S,
        agreement: &Agreed<Standard>,
        originator: &'a Trader,
        responder: &'a Trader,
    ) -> Self {
        Self {
            services,
            traders: [originator, responder],
            originator: Originator::new(agreement.clone(), originator.secrets.clone()),
            responder: Responder::new(agreement.clone(), responder.secrets.clone()),
            silence: None,
            post: VecDeque::new(),
            messages: 0,
            bytes: 0,
            asked: false,
            done: [0, 0],
        }
    }

    /// Whether a side has fallen silent.
    pub fn is_silent(&self, role: Role) -> bool {
        self.silence.is_some_and(|it| it.role == role && self.done[index(role)] >= it.before)
    }

    /// How a side has ended.
    pub fn end(&self, role: Role) -> Option<End> {
        match role {
            Role::Originator => self.originator.end(),
            Role::Responder => self.responder.end(),
        }
    }

    /// How both have.
    pub fn ends(&self) -> (Option<End>, Option<End>) {
        (self.originator.end(), self.responder.end())
    }

    /// Something happens to a side, and it does what follows.
    pub fn happens(&mut self, role: Role, event: Event<Standard>) {
        let now = self.services.clock(role);
        let keys = &self.traders[index(role)].keys;
        let effects = match role {
            Role::Originator => {
                let (next, effects) = self.originator.clone().step(event, now, keys).unwrap();
                self.originator = next;
                effects
            }
            Role::Responder => {
                let (next, effects) = self.responder.clone().step(event, now, keys).unwrap();
                self.responder = next;
                effects
            }
        };
        for effect in effects {
            self.perform(role, effect);
        }
    }

    fn perform(&mut self, role: Role, effect: Effect<Standard>) {
        if matches!(effect, Effect::Persist | Effect::Ended(_)) {
            return;
        }
        if self.is_silent(role) {
            return;
        }
        if effect == Effect::Sign {
            return self.happens(role, Event::Sign);
        }
        self.done[index(role)] += 1;
        match effect {
            Effect::Persist | Effect::Sign | Effect::Ended(_) => {}
            Effect::Send(message) => {
                self.messages += 1;
                self.bytes += semper_base::cbor::encode(&message).len();
                self.post.push_back((role.other(), message));
            }
            Effect::Ask(request) => {
                self.asked = true;
                if let Some(answer) = self.services.ask(&request) {
                    self.happens(role, Event::Answer(answer));
                }
            }
            Effect::Hold(order) => {
                let account = &self.traders[index(role)].account;
                match self.services.hold(account, &order) {
                    Some(Ok(fact)) => self.happens(role, Event::Fact(fact)),
                    Some(Err(_)) => self.happens(role, Event::Refused),
                    None => {}
                }
            }
            Effect::Claim(claimed) => {
                let agreement = self.originator.agreement.clone();
                let request = ClaimRequest {
                    exchange: agreement.subject(),
                    leaf: party::money_leaf(&agreement, claimed.payer).unwrap(),
                    third_party: agreement.third_party.sign,
                    claim: claimed.claim,
                };
                if let Some(fact) = self.services.claim(&request) {
                    self.happens(role, Event::Fact(fact));
                }
            }
        }
    }

    /// Delivers what is on its way, until nothing is.
    pub fn deliver(&mut self) {
        while let Some((to, message)) = self.post.pop_front() {
            self.happens(to, Event::Message(message));
        }
    }

    /// From the beginning to the end of everybody who has not fallen silent.
    pub fn to_the_end(&mut self) -> (Option<End>, Option<End>) {
        self.happens(Role::Originator, Event::Start);
        self.deliver();
        for _ in 0..12 {
            for role in [Role::Originator, Role::Responder] {
                if self.end(role).is_none() && !self.is_silent(role) {
                    self.happens(role, Event::TimeUp);
                    self.deliver();
                }
                if !self.is_silent(role) {
                    self.happens(role, Event::Resend);
                    self.deliver();
                }
            }
        }
        self.ends()
    }

    /// Everything that both have kept.
    pub fn evidence(&self) -> Evidence<Standard> {
        Evidence::of(self.originator.agreement.clone())
            .with(&self.originator.kept)
            .with(&self.responder.kept)
    }
}
