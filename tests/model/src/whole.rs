//! The whole party: beside the machine its store, its keys with what they remember, and the
//! driver that ships ([`Underway`]): what is due, what is to be said, whom others are being asked
//! for. Hosts and keys die and come back by themselves, in any order; errands get lost on the way
//! there or on the way back.
//!
//! Machine, network, bank and third party are those of [`World`].

use semper_base::Digest;
use semper_exchange::driven::{AtTheBank, Driven, Errand, Task, Underway};
use semper_exchange::mutation::{Rule, leaves_out};
use semper_exchange::originator::State;
use semper_exchange::verdict::Request;
use semper_exchange::{Effect, End, Event, HolderError, Message, Role};
use stateright::{Model, Property};

use crate::adversary::moves;
use crate::model::{SIDES, Session};
use crate::properties::{blames_no_honest, is_fair};
use crate::setup::Date;
use crate::symbolic::Symbolic;
use crate::world::{Cheat, Config, Corrupt, Crash, World, index};

/// What is lost when a side's host dies, and whether its keys are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Host {
    underway: Underway<Symbolic>,
    /// Whom the third party's errand carries.
    asked: Option<Request<Symbolic>>,
    /// What the bank's errand carries.
    at_the_bank: Option<AtTheBank<Symbolic>>,
    /// Whether its keys do not answer.
    keys_are_away: bool,
    /// Whether it has begun once, for a driver that would not begin again.
    has_begun: bool,
}

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Whole {
    /// What outlives a crash, and what is outside.
    pub world: World,
    /// What does not.
    pub hosts: [Host; 2],
    /// How often somebody has died.
    pub deaths: u8,
    /// How often an errand was lost.
    pub losses: u8,
    /// Whether the third party is away, for ever.
    pub abandoned: bool,
    /// A copy of the originator's store, from when it had just promised.
    pub copy: Option<Driven<Symbolic>>,
    /// Whether that was put back.
    pub put_back: bool,
}

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happens {
    /// A side looks after the exchange; whoever is waited for has had its time, or not; it may
    /// die on the way.
    Look(Role, bool, Crash),
    /// A message of the network arrives; the host may die over it.
    Hear(Role, (u8, Digest), Crash),
    /// What is to be said is said: the other side takes it, or the answer gets lost.
    Say(Role, bool),
    /// An errand comes back: served or not, with the answer or without.
    Back(Role, Errand, Way),
    /// The keys go away, or come back.
    Keys(Role),
    /// The third party goes away, for ever.
    Abandon,
    /// The originator's store is put back from its copy; its keys remember what they remember.
    PutBack,
    /// The last date passes.
    Close,
    /// Whoever cheats does something.
    Cheat(Box<Cheat>),
}

/// What becomes of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// It never gets there.
    LostGoing,
    /// It is served, and the answer never comes.
    LostComing,
    /// It is served, and the answer comes; the host may die over it.
    Answered(Crash),
}

/// How much may go wrong.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Deaths of hosts, and times that keys are away.
    pub deaths: u8,
    /// Errands that get lost.
    pub losses: u8,
    /// Whether the third party may go away for ever, and the last date come.
    pub abandons: bool,
    /// Whether the originator's store may be put back.
    pub puts_back: bool,
}

/// An exchange of whole parties under exploration.
#[derive(Clone, Debug)]
pub struct Parties(pub Config, pub Trouble);

const CRASHES: [Crash; 3] = [Crash::No, Crash::AfterFirst, Crash::BeforeFirst];

impl Parties {
    /// Something happens to a side, as the driver that ships has it happen.
    fn happens(&self, whole: &mut Whole, role: Role, event: Event<Symbolic>, crash: Crash) {
        let place = index(role);
        let now = whole.world.date.time();
        let keys = whole.world.keys(role, &self.0, whole.hosts[place].keys_are_away);
        let Some(before) = whole.world.driven(role) else { return };
        let stepped = before.step(event, now, &keys);
        whole.world.phases[place] = keys.phase();
        let (next, effects) = match stepped {
            Ok(stepped) => stepped,
            Err(HolderError::Denied { kind, .. }) => {
                return self.happens(whole, role, Event::Denied { kind }, crash);
            }
            Err(HolderError::Away(_)) => return,
        };
        if crash == Crash::BeforeFirst {
            return self.dies(whole, role);
        }
        if effects.contains(&Effect::Persist) {
            whole.world.keep(next.clone());
            let offered = matches!(&next, Driven::Originator(it) if it.state == State::Offered);
            if self.1.puts_back && offered && whole.copy.is_none() {
                whole.copy = Some(next.clone());
            }
        }
        if crash == Crash::AfterFirst {
            return self.dies(whole, role);
        }
        whole.hosts[place].underway.keep_meant(&next);
        for effect in effects {
            if let Some(task) = whole.hosts[place].underway.take(effect) {
                self.perform(whole, role, task);
            }
        }
    }

    fn perform(&self, whole: &mut Whole, role: Role, task: Task<Symbolic>) {
        let host = &mut whole.hosts[index(role)];
        match task {
            Task::Stored | Task::Say | Task::Ended(_) => {}
            Task::Sign => self.happens(whole, role, Event::Sign, Crash::No),
            Task::ThirdParty(request) => {
                whole.world.asked.insert(request.wish.digest(), (*request).clone());
                host.asked = Some(*request);
            }
            Task::Bank(what) => host.at_the_bank = Some(what),
        }
    }

    fn dies(&self, whole: &mut Whole, role: Role) {
        let host = &mut whole.hosts[index(role)];
        *host = Host { keys_are_away: host.keys_are_away, has_begun: true, ..Host::default() };
        whole.deaths += 1;
    }

    fn look(&self, whole: &mut Whole, role: Role, late: bool, crash: Crash) {
        let Some(machine) = whole.world.driven(role) else { return };
        let due = machine.due(late && machine.patience().is_some(), whole.world.date.time());
        let begun = std::mem::replace(&mut whole.hosts[index(role)].has_begun, true);
        let consumed = leaves_out(Rule::BeginsAgain) && begun;
        let due = due.filter(|event| !(consumed && *event == Event::Start));
        let event = due.unwrap_or(Event::Resend);
        self.happens(whole, role, event, crash);
    }

    fn say(&self, whole: &mut Whole, role: Role, taken: bool) {
        let said = whole.hosts[index(role)].underway.unsent().to_vec();
        for message in &said {
            whole.world.send(message.clone());
        }
        if taken {
            whole.hosts[index(role)].underway.said(&said);
        }
    }

    fn back(&self, whole: &mut Whole, role: Role, errand: Errand, way: Way) {
        let place = index(role);
        let served = way != Way::LostGoing;
        let event = match errand {
            Errand::ThirdParty => {
                let Some(request) = whole.hosts[place].asked.take() else { return };
                let answers = served && !whole.abandoned;
                let answer = answers.then(|| whole.world.serve(request, &self.0)).flatten();
                answer.map(Event::Answer)
            }
            Errand::Bank => {
                let Some(what) = whole.hosts[place].at_the_bank.take() else { return };
                let fact = match (served, what) {
                    (false, _) => None,
                    (true, AtTheBank::Hold(order)) => {
                        whole.world.bank.hold(&order, whole.world.date.time())
                    }
                    (true, AtTheBank::Claim(claimed)) => {
                        whole.world.claim(claimed.payer, &claimed.claim, &self.0)
                    }
                };
                fact.map(Event::Fact)
            }
        };
        if served && errand == Errand::ThirdParty && !whole.abandoned {
            if !whole.world.fences.is_empty() {
                whole.world.fence(true, &self.0);
            }
            whole.world.lodge(&self.0);
        }
        let next = whole.hosts[place].underway.back(errand);
        if let (Some(event), Way::Answered(crash)) = (event, way) {
            self.happens(whole, role, event, crash);
            if crash != Crash::No {
                return;
            }
        } else {
            whole.losses += u8::from(!matches!(way, Way::Answered(_)));
        }
        if let Some(task) = next {
            self.perform(whole, role, task);
        }
    }

    fn honest(&self) -> impl Iterator<Item = Role> + '_ {
        SIDES.into_iter().filter(|role| self.0.corrupt.is_honest(*role))
    }

    /// Everything is back and patient: both honest sides look, say, hear and send until nothing
    /// changes any more. Whoever cheats says nothing.
    #[must_use]
    pub fn settled(&self, whole: &Whole) -> Whole {
        let mut whole = whole.clone();
        for host in &mut whole.hosts {
            host.keys_are_away = false;
        }
        for round in 0..24 {
            let before = whole.clone();
            for role in self.honest() {
                self.look(&mut whole, role, round % 3 == 2, Crash::No);
                self.look(&mut whole, role, false, Crash::No);
                self.say(&mut whole, role, true);
                for errand in [Errand::Bank, Errand::ThirdParty] {
                    self.back(&mut whole, role, errand, Way::Answered(Crash::No));
                }
                for name in whole.world.net.keys().copied().collect::<Vec<_>>() {
                    self.hear(&mut whole, role, name, Crash::No);
                }
            }
            if whole == before && round % 3 == 2 {
                break;
            }
        }
        whole
    }

    fn hear(&self, whole: &mut Whole, role: Role, name: (u8, Digest), crash: Crash) {
        if let Some(message) = whole.world.net.get(&name).cloned() {
            self.happens(whole, role, Event::Message(message), crash);
        }
    }

    /// The last date passes, and everybody looks.
    fn closed(&self, whole: &Whole) -> Whole {
        let mut whole = self.settled(whole);
        whole.world.date = Date::Closed;
        whole.world.bank.pass(whole.world.date.time());
        self.settled(&whole)
    }

    fn ends(&self, whole: &Whole) -> bool {
        self.honest().all(|role| whole.world.end(role).is_some())
    }
}

impl Model for Parties {
    type State = Whole;
    type Action = Happens;

    fn init_states(&self) -> Vec<Whole> {
        let world = World::new(&self.0);
        let hosts = [Host::default(), Host::default()];
        let (deaths, losses, abandoned) = (0, 0, false);
        vec![Whole { world, hosts, deaths, losses, abandoned, copy: None, put_back: false }]
    }

    fn actions(&self, whole: &Whole, all: &mut Vec<Happens>) {
        let Self(config, trouble) = self;
        let crashes = if whole.deaths < trouble.deaths { &CRASHES[..] } else { &CRASHES[..1] };
        for role in self.honest() {
            let host = &whole.hosts[index(role)];
            for crash in crashes {
                all.push(Happens::Look(role, false, *crash));
                all.push(Happens::Look(role, true, *crash));
                for name in whole.world.net.keys() {
                    let to = if name.0 % 2 == 1 { Role::Responder } else { Role::Originator };
                    if to == role || config.corrupt != Corrupt::Nobody {
                        all.push(Happens::Hear(role, *name, *crash));
                    }
                }
            }
            if !host.underway.unsent().is_empty() {
                all.push(Happens::Say(role, true));
                all.push(Happens::Say(role, false));
            }
            let errands = [
                (Errand::Bank, host.at_the_bank.is_some()),
                (Errand::ThirdParty, host.asked.is_some()),
            ];
            for (errand, _) in errands.into_iter().filter(|(_, is)| *is) {
                let answered = crashes.iter().map(|crash| Way::Answered(*crash));
                let losses: &[Way] = match whole.losses < trouble.losses {
                    true => &[Way::LostGoing, Way::LostComing],
                    false => &[],
                };
                let ways = answered.chain(losses.iter().copied());
                all.extend(ways.map(|way| Happens::Back(role, errand, way)));
            }
            if host.keys_are_away || whole.deaths < trouble.deaths {
                all.push(Happens::Keys(role));
            }
        }
        if trouble.abandons && !whole.abandoned {
            all.push(Happens::Abandon);
        }
        if trouble.abandons && whole.abandoned && whole.world.date != Date::Closed {
            all.push(Happens::Close);
        }
        if whole.copy.is_some() && !whole.put_back {
            all.push(Happens::PutBack);
        }
        let cheats = moves(&whole.world, config);
        all.extend(cheats.into_iter().map(|it| Happens::Cheat(Box::new(it))));
    }

    fn next_state(&self, before: &Whole, what: Happens) -> Option<Whole> {
        let mut whole = before.clone();
        match what {
            Happens::Look(role, late, crash) => self.look(&mut whole, role, late, crash),
            Happens::Hear(role, name, crash) => self.hear(&mut whole, role, name, crash),
            Happens::Say(role, taken) => self.say(&mut whole, role, taken),
            Happens::Back(role, errand, way) => self.back(&mut whole, role, errand, way),
            Happens::Keys(role) => {
                let away = &mut whole.hosts[index(role)].keys_are_away;
                whole.deaths += u8::from(!*away);
                *away = !*away;
            }
            Happens::Abandon => whole.abandoned = true,
            Happens::PutBack => {
                if let Some(copy) = whole.copy.clone() {
                    self.dies(&mut whole, Role::Originator);
                    whole.world.keep(copy);
                    whole.put_back = true;
                }
            }
            Happens::Close => {
                whole.world.date = Date::Closed;
                whole.world.bank.pass(whole.world.date.time());
            }
            Happens::Cheat(cheat) => Session(self.0.clone()).cheat(&mut whole.world, *cheat),
        }
        (whole != *before).then_some(whole)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "everybody ends when everything is back",
                |it: &Self, whole: &Whole| whole.abandoned || it.ends(&it.settled(whole)),
            ),
            Property::always("everybody ends by the last date", |it: &Self, whole: &Whole| {
                let closed = it.closed(whole);
                it.ends(&closed)
                    && it.honest().all(|role| {
                        closed.world.driven(role).is_none_or(|machine| machine.is_closed())
                    })
            }),
            Property::always("fair when everything is back", |it: &Self, whole: &Whole| {
                whole.abandoned || {
                    let settled = it.settled(whole);
                    it.honest().all(|role| is_fair(&settled.world, &it.0, role))
                }
            }),
            Property::always("both end alike", |it: &Self, whole: &Whole| {
                let settled = it.settled(whole);
                let end = |role| settled.world.end(role);
                let done = |end| matches!(end, Some(End::Done | End::Completed));
                let undone = |end| matches!(end, Some(End::Aborted | End::Expired));
                let (one, other) = (end(Role::Originator), end(Role::Responder));
                whole.abandoned
                    || it.0.corrupt != Corrupt::Nobody
                    || !(done(one) && undone(other) || undone(one) && done(other))
            }),
            Property::always("the honest are not blamed", |it: &Self, whole: &Whole| {
                blames_no_honest(&whole.world, &it.0)
            }),
            Property::always("one verdict", |_, whole: &Whole| !whole.world.contradicted),
            Property::always("money is conserved", |_, whole: &Whole| whole.world.bank.balances()),
            Property::always("what is given up is not offered", |_, whole: &Whole| {
                let promises = |host: &Host| {
                    host.underway.unsent().iter().any(|it| matches!(it, Message::Promise(_)))
                };
                let over = matches!(&whole.world.driven(Role::Originator),
                    Some(Driven::Originator(it)) if it.end().is_some());
                !(over && promises(&whole.hosts[0]))
            }),
        ]
    }
}
