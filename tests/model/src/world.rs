//! One exchange, explored: the machines that ship, a network that loses, repeats and reorders,
//! crashes, a bank, and whoever cheats.

use std::collections::BTreeMap;

use semper_base::Digest;
use semper_exchange::bank::{Claim, Order};
use semper_exchange::crypto::Signed;
use semper_exchange::driven::Driven;
use semper_exchange::fence::Phase;
use semper_exchange::responder::State as ResponderState;
use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{Answer, Request, Verdict};
use semper_exchange::{Effect, End, Event, HolderError, Message, Originator, Responder, Role};

use crate::bank::Bank;
use crate::setup::{Date, Setup};
use crate::symbolic::{Hand, Keys, Symbolic, Who};

/// Who cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Corrupt {
    /// Nobody.
    Nobody,
    /// One side.
    Side(Role),
    /// The third party together with one side.
    ThirdPartyAnd(Role),
}

impl Corrupt {
    /// Whether this side is honest.
    pub fn is_honest(self, role: Role) -> bool {
        match self {
            Self::Nobody => true,
            Self::Side(side) | Self::ThirdPartyAnd(side) => side != role,
        }
    }

    /// Whether the third party is honest.
    pub const fn has_honest_third_party(self) -> bool {
        !matches!(self, Self::ThirdPartyAnd(_))
    }
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Config {
    /// The exchange.
    pub setup: Setup,
    /// Who cheats.
    pub corrupt: Corrupt,
    /// Whether a rule is left out, so that more is tried and less is expected.
    pub mutated: bool,
    /// Whether parties crash between two effects.
    pub crashes: bool,
    /// Whether time passes beyond the last acceptance.
    pub late: bool,
    /// Whether nobody loses patience: for seeing that the third party is not needed.
    pub patient: bool,
}

impl Config {
    /// Nobody cheats, nobody crashes, no rule is left out.
    pub const fn of(setup: Setup) -> Self {
        let corrupt = Corrupt::Nobody;
        Self { setup, corrupt, mutated: false, crashes: false, late: false, patient: false }
    }

    /// The hand of a side, or of the third party.
    pub const fn hand(&self, who: Who) -> Hand {
        Hand { who }
    }
}

/// A side's key.
pub const fn key(role: Role) -> Who {
    match role {
        Role::Originator => Who::Originator,
        Role::Responder => Who::Responder,
    }
}

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The originator, if it is honest.
    pub originator: Option<Originator<Symbolic>>,
    /// The responder, if it is honest.
    pub responder: Option<Responder<Symbolic>>,
    /// What the sides' keys remember.
    pub phases: [Option<Phase>; 2],
    /// What the third party has stored.
    pub case: Option<Case<Symbolic>>,
    /// What it has still to ask the bank.
    pub fences: Vec<(Role, Claim<Symbolic>)>,
    /// To whose banks it has still to show its verdict.
    pub lodges: Vec<Role>,
    /// The bank.
    pub bank: Bank,
    /// What was ever sent: never taken away, so all of it may come again, late, or never.
    pub net: BTreeMap<(u8, Digest), Message<Symbolic>>,
    /// What the honest have ever asked of the third party.
    pub asked: BTreeMap<Digest, Request<Symbolic>>,
    /// What a corrupt third party has signed.
    pub issued: BTreeMap<Digest, Signed<Symbolic, Verdict<Symbolic>>>,
    /// The digest of the first verdict of an honest one.
    pub first: Option<Digest>,
    /// Whether a later verdict was another.
    pub contradicted: bool,
    /// What time it is.
    pub date: Date,
    /// Whether the responder accepted after its time.
    pub accepted_late: bool,
    /// Whether a cheat has had an escrow opened in an exchange of its own.
    pub leaked: bool,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The originator begins.
    Start,
    /// A message arrives.
    Deliver(Role, (u8, Digest), Crash),
    /// A side loses patience.
    TimeUp(Role, Crash),
    /// The originator wants to leave.
    Cancel,
    /// A side sends again.
    Resend(Role),
    /// A side has signed what it has stored as about to be signed.
    Sign(Role, Crash),
    /// The third party serves a side's request; its answer arrives, or not.
    Serve(Role, bool),
    /// An old request comes to the third party again.
    Replay(Digest),
    /// The bank serves a side's order or claim; its answer arrives, or not.
    Bank(Role, bool),
    /// The bank refuses a side's order for want of money.
    Refuse(Role),
    /// The bank answers the third party; the answer arrives, or the third party crashes.
    Fence(bool),
    /// The third party shows its verdict to the bank.
    Lodge,
    /// It gets late.
    Later,
    /// Whoever cheats does something.
    Cheat(Box<Cheat>),
}

/// Whether a side crashes after the first effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crash {
    /// It does not.
    No,
    /// It does, and starts again from what it has stored.
    AfterFirst,
    /// It crashes before anything is stored; the keys remember what they have signed.
    BeforeFirst,
}

/// What whoever cheats can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// Send.
    Send(Message<Symbolic>),
    /// Ask the third party.
    Ask(Request<Symbolic>),
    /// Order a hold.
    Hold(Order<Symbolic>),
    /// Claim some side's money.
    Claim(Role, Claim<Symbolic>),
    /// An honest side is answered: by a corrupt third party, or with an honest one's words of
    /// another exchange.
    Answer(Role, Answer<Symbolic>),
    /// Ask the third party about an exchange with ourselves, to have an escrow of this one opened.
    Oracle(Request<Symbolic>),
}

/// The place of a message in the network: its number and its digest.
pub fn rank(message: &Message<Symbolic>) -> (u8, Digest) {
    match message {
        Message::Promise(it) => (1, it.digest()),
        Message::Accept(it) => (2, it.digest()),
        Message::Deliver(it) => (3, it.digest()),
        Message::Settle(it) => (4, it.digest()),
    }
}

/// A side's place in what both have.
pub const fn index(role: Role) -> usize {
    match role {
        Role::Originator => 0,
        Role::Responder => 1,
    }
}

impl World {
    /// The beginning.
    pub fn new(config: &Config) -> Self {
        let setup = &config.setup;
        let honest = |role| config.corrupt.is_honest(role);
        Self {
            originator: honest(Role::Originator)
                .then(|| Originator::new(setup.agreement.clone(), setup.originator.clone())),
            responder: honest(Role::Responder)
                .then(|| Responder::new(setup.agreement.clone(), setup.responder.clone())),
            phases: [None; 2],
            case: None,
            fences: Vec::new(),
            lodges: Vec::new(),
            bank: Bank::default(),
            net: BTreeMap::new(),
            asked: BTreeMap::new(),
            issued: BTreeMap::new(),
            first: None,
            contradicted: false,
            date: Date::Early,
            accepted_late: false,
            leaked: false,
        }
    }

    /// How an honest side has ended.
    pub fn end(&self, role: Role) -> Option<End> {
        match role {
            Role::Originator => self.originator.as_ref().and_then(Originator::end),
            Role::Responder => self.responder.as_ref().and_then(Responder::end),
        }
    }

    /// An honest side's machine.
    pub fn driven(&self, role: Role) -> Option<Driven<Symbolic>> {
        match role {
            Role::Originator => self.originator.clone().map(Driven::Originator),
            Role::Responder => self.responder.clone().map(Driven::Responder),
        }
    }

    /// Stores where a side stands.
    pub fn keep(&mut self, next: Driven<Symbolic>) {
        match next {
            Driven::Originator(it) => self.originator = Some(it),
            Driven::Responder(it) => self.responder = Some(it),
        }
    }

    /// A side's keys.
    pub fn keys(&self, role: Role, config: &Config, away: bool) -> Keys {
        let protocol = config.setup.agreement.protocol;
        Keys::new(config.hand(key(role)), role, protocol, self.phases[index(role)], away)
    }

    /// What a side would do again: what it has under way.
    pub fn pending(&self, role: Role, config: &Config) -> Vec<Effect<Symbolic>> {
        let (now, keys) = (self.date.time(), self.keys(role, config, false));
        let again = self.driven(role).map(|it| it.step(Event::Resend, now, &keys));
        again.and_then(Result::ok).map(|it| it.1).unwrap_or_default()
    }

    /// Whether a side has a bank's answer to wait for.
    pub fn waits_for_bank(&self, role: Role, config: &Config) -> bool {
        let pending = self.pending(role, config);
        pending.iter().any(|it| matches!(it, Effect::Hold(_) | Effect::Claim(_)))
    }

    /// Sends something, as whoever.
    pub fn send(&mut self, message: Message<Symbolic>) {
        self.net.insert(rank(&message), message);
    }

    /// Something happens to a side.
    pub fn run(&mut self, role: Role, event: Event<Symbolic>, crash: Crash, config: &Config) {
        let (now, keys) = (self.date.time(), self.keys(role, config, false));
        let accepted_before = self.has_accepted();
        let Some(before) = self.driven(role) else { return };
        let stepped = before.step(event, now, &keys);
        self.phases[index(role)] = keys.phase();
        match stepped {
            Ok((next, effects)) => {
                let signs = effects.get(1) == Some(&Effect::Sign) || effects == [Effect::Sign];
                let stored = self.perform(effects, role, crash, config);
                if stored {
                    self.keep(next);
                }
                if signs && crash == Crash::No {
                    self.run(role, Event::Sign, crash, config);
                }
            }
            Err(HolderError::Denied { kind, .. }) => {
                self.run(role, Event::Denied { kind }, crash, config);
            }
            Err(HolderError::Away(_)) => {}
        }
        if !accepted_before && self.has_accepted() && self.date == Date::Late {
            let committing = self
                .responder
                .as_ref()
                .is_some_and(|it| it.agreement.money(Role::Responder).is_some());
            self.accepted_late |= !committing;
        }
    }

    fn has_accepted(&self) -> bool {
        self.responder.as_ref().is_some_and(|it| it.kept.accept.is_some())
    }

    /// Does what a machine wants, up to a crash; whether the new state was stored.
    fn perform(
        &mut self,
        effects: Vec<Effect<Symbolic>>,
        role: Role,
        crash: Crash,
        config: &Config,
    ) -> bool {
        let most = match crash {
            Crash::No => effects.len(),
            Crash::AfterFirst => 1,
            Crash::BeforeFirst => 0,
        };
        let mut stored = false;
        for effect in effects.into_iter().take(most) {
            match effect {
                Effect::Persist => stored = true,
                Effect::Send(message) => self.send(message),
                Effect::Ask(request) => {
                    self.asked.insert(request.wish.digest(), request);
                }
                Effect::Claim(claimed) if claimed.claim == Claim::Look => {
                    self.look(role, claimed.payer, config);
                }
                // Under way until they are answered, or signed.
                Effect::Sign | Effect::Hold(_) | Effect::Claim(_) | Effect::Ended(_) => {}
            }
        }
        stored
    }

    fn look(&mut self, role: Role, payer: Role, config: &Config) {
        if let Some(fact) = self.claim(payer, &Claim::Look, config) {
            self.run(role, Event::Fact(fact), Crash::No, config);
        }
    }

    /// Claims at the bank.
    pub fn claim(
        &mut self,
        payer: Role,
        claim: &Claim<Symbolic>,
        config: &Config,
    ) -> Option<Signed<Symbolic, semper_exchange::bank::Fact<Symbolic>>> {
        let agreement = &config.setup.agreement;
        let (index, _) = agreement.money(payer)?;
        let leaf = (agreement.leaf(payer, index), agreement.subject());
        let third = agreement.third_party.sign;
        self.bank.claim(third, leaf, claim, self.date.time())
    }

    /// The bank serves what a side has under way.
    pub fn bank(&mut self, role: Role, heard: bool, config: &Config) {
        for effect in self.pending(role, config) {
            let fact = match effect {
                Effect::Hold(order) => self.bank.hold(&order, self.date.time()),
                Effect::Claim(claimed) => self.claim(claimed.payer, &claimed.claim, config),
                _ => None,
            };
            if let (Some(fact), true) = (fact, heard) {
                self.run(role, Event::Fact(fact), Crash::No, config);
            }
        }
    }

    /// The third party serves a request; what it answers.
    pub fn serve(
        &mut self,
        request: Request<Symbolic>,
        config: &Config,
    ) -> Option<Answer<Symbolic>> {
        let role = request.wish.role();
        let event = third::Event::Requested(request.clone());
        let rejection = self.third(event, config);
        let hand = config.hand(Who::ThirdParty);
        match (rejection, &self.case) {
            (Some(why), _) => third::rejected(&request, why, &hand).ok(),
            (None, Some(Case::Decided(stored))) => third::answer(stored, role, &hand).ok(),
            _ => None,
        }
    }

    /// A step of the third party, and whether it rejects.
    fn third(
        &mut self,
        event: third::Event<Symbolic>,
        config: &Config,
    ) -> Option<semper_exchange::verdict::Rejection> {
        let hand = config.hand(Who::ThirdParty);
        let stepped =
            third::step(self.case.clone(), event, &Who::ThirdParty, self.date.time(), &hand);
        let Ok((case, effects)) = stepped else { return None };
        let mut rejection = None;
        for effect in effects {
            match effect {
                third::Effect::Persist => self.store(case.clone()),
                third::Effect::Fence(asks) => self.fences = asks,
                third::Effect::Lodge(roles) => self.lodges = roles,
                third::Effect::Answer => {}
                third::Effect::Reject(why) => rejection = Some(why),
            }
        }
        rejection
    }

    fn store(&mut self, case: Option<Case<Symbolic>>) {
        if let Some(Case::Decided(stored)) = &case {
            let digest = crate::symbolic::digest("verdict", &stored.verdict);
            self.contradicted |= self.first.is_some_and(|first| first != digest);
            self.first.get_or_insert(digest);
            self.fences.clear();
        }
        self.case = case;
    }

    /// The third party serves what a side asks.
    pub fn ask(&mut self, role: Role, heard: bool, config: &Config) {
        for effect in self.pending(role, config) {
            if let Effect::Ask(request) = effect {
                let answer = self.serve(request, config);
                if let (Some(answer), true) = (answer, heard) {
                    self.run(role, Event::Answer(answer), Crash::No, config);
                }
            }
        }
    }

    /// The bank answers the third party.
    pub fn fence(&mut self, heard: bool, config: &Config) {
        let mut facts = Vec::new();
        for (payer, claim) in self.fences.clone() {
            facts.extend(self.claim(payer, &claim, config));
        }
        if heard {
            self.third(third::Event::Facts(facts), config);
        }
    }

    /// The third party shows its verdict to the bank.
    pub fn lodge(&mut self, config: &Config) {
        let Some(Case::Decided(stored)) = &self.case else { return };
        let hand = config.hand(Who::ThirdParty);
        if let Ok(Answer::Decided(decided)) = third::answer(stored, Role::Originator, &hand) {
            let claim = Claim::Verdict(Box::new(decided.verdict));
            for payer in std::mem::take(&mut self.lodges) {
                self.claim(payer, &claim, config);
            }
        }
    }

    /// Whether a side can lose patience now; a responder that has promised nothing just leaves.
    pub fn is_impatient(&self, role: Role) -> bool {
        let idle = self.responder.as_ref().is_some_and(|it| it.state == ResponderState::Idle);
        let waits = self.driven(role).is_some_and(|it| it.patience().is_some());
        waits && !(role == Role::Responder && idle)
    }

    /// What happens when this side takes no more part but to end, helped by nobody but the third
    /// party and the bank: timeliness says that it ends.
    #[must_use]
    pub fn closed(&self, role: Role, config: &Config) -> Self {
        let mut world = self.clone();
        for _ in 0..24 {
            if world.end(role).is_some() && !world.waits_for_bank(role, config) {
                break;
            }
            let pending = world.pending(role, config);
            if pending.contains(&Effect::Sign) {
                world.run(role, Event::Sign, Crash::No, config);
            }
            let asks = pending.iter().any(|it| matches!(it, Effect::Ask(_)));
            if asks && config.corrupt.has_honest_third_party() {
                world.ask(role, true, config);
                if !world.fences.is_empty() {
                    world.fence(true, config);
                }
            }
            if world.waits_for_bank(role, config) {
                world.bank(role, true, config);
            }
            if world.is_impatient(role) {
                world.run(role, Event::TimeUp, Crash::No, config);
            }
        }
        world
    }
}
