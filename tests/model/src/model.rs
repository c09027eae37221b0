//! The properties, and stateright's view of a session.

use semper_base::Timestamp;
use semper_exchange::judge::{Blame, Evidence, Finding, Got, Rebuttal, judge};
use semper_exchange::manager::Secret;
use semper_exchange::message::Delivery;
use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{Answer, Decided, Decision};
use semper_exchange::{Effect, End, Event, Fairness, Item, Message, Protocol, Role};
use semper_ledger::Hold;
use stateright::{Model, Property};

use crate::adversary::moves;
use crate::setup::Date;
use crate::symbolic::{Hand, Symbolic, Who, false_description};
use crate::world::{Act, Cheat, Config, Corrupt, Crash, World, key};

/// One exchange under exploration.
#[derive(Clone, Debug)]
pub struct Session(pub Config);

const SIDES: [Role; 2] = [Role::Originator, Role::Responder];

impl Session {
    /// What can happen next.
    pub fn acts(&self, world: &World, acts: &mut Vec<Act>) {
        let config = &self.0;
        if world.originator.as_ref().is_some_and(|it| it.kept.promise.is_none()) {
            acts.push(Act::Start);
        }
        let crashes: &[Crash] =
            if config.crashes { &[Crash::No, Crash::AfterFirst] } else { &[Crash::No] };
        for role in SIDES.into_iter().filter(|role| config.corrupt.is_honest(*role)) {
            for name in world.net.keys() {
                let to = if name.0 % 2 == 1 { Role::Responder } else { Role::Originator };
                // A cheat may send anything anywhere; the honest would not be heard.
                if to == role || config.corrupt != Corrupt::Nobody {
                    acts.extend(crashes.iter().map(|crash| Act::Deliver(role, *name, *crash)));
                }
            }
            if world.is_impatient(role) && !config.patient {
                acts.extend(crashes.iter().map(|crash| Act::TimeUp(role, *crash)));
            }
            if role == Role::Originator && !config.patient {
                acts.push(Act::Cancel);
            }
            let pending = world.pending(role, config);
            if pending.iter().any(|it| matches!(it, Effect::Send(_))) && config.crashes {
                acts.push(Act::Resend(role));
            }
            let honest = config.corrupt.has_honest_third_party();
            if honest && pending.iter().any(|it| matches!(it, Effect::Ask(_))) {
                acts.extend([Act::Serve(role, true), Act::Serve(role, false)]);
            }
            if pending.iter().any(|it| matches!(it, Effect::Hold(_) | Effect::Claim(_))) {
                acts.extend([Act::Bank(role, true), Act::Bank(role, false)]);
            }
            if pending.iter().any(|it| matches!(it, Effect::Hold(_))) && !config.patient {
                acts.push(Act::Refuse(role));
            }
        }
        if !world.fences.is_empty() {
            acts.extend([Act::Fence(true), Act::Fence(false)]);
        }
        if !world.lodges.is_empty() {
            acts.push(Act::Lodge);
        }
        if config.corrupt.has_honest_third_party() {
            acts.extend(world.asked.keys().map(|name| Act::Replay(*name)));
        }
        if config.late && world.date == Date::Early {
            acts.push(Act::Later);
        }
        acts.extend(moves(world, config).into_iter().map(|it| Act::Cheat(Box::new(it))));
    }

    /// What then is.
    pub fn next(&self, world: &World, act: Act) -> World {
        let (mut world, config) = (world.clone(), &self.0);
        match act {
            Act::Start => world.run(Role::Originator, Event::Start, Crash::No, config),
            Act::Deliver(role, name, crash) => {
                if let Some(message) = world.net.get(&name).cloned() {
                    world.run(role, Event::Message(message), crash, config);
                }
            }
            Act::TimeUp(role, crash) => world.run(role, Event::TimeUp, crash, config),
            Act::Cancel => world.run(Role::Originator, Event::Cancel, Crash::No, config),
            Act::Resend(role) => world.run(role, Event::Resend, Crash::No, config),
            Act::Serve(role, heard) => world.ask(role, heard, config),
            Act::Replay(name) => {
                if let Some(request) = world.asked.get(&name).cloned() {
                    world.serve(request, config);
                }
            }
            Act::Bank(role, heard) => world.bank(role, heard, config),
            Act::Refuse(role) => {
                // Only what was not booked before is refused.
                let booked = world.pending(role, config).into_iter().any(|it| match it {
                    Effect::Hold(order) => world.bank.row(order.third_party, order.leaf).is_some(),
                    _ => false,
                });
                if !booked {
                    world.run(role, Event::Refused, Crash::No, config);
                }
            }
            Act::Fence(heard) => world.fence(heard, config),
            Act::Lodge => world.lodge(config),
            Act::Later => world.date = Date::Late,
            Act::Cheat(cheat) => self.cheat(&mut world, *cheat),
        }
        world
    }

    fn cheat(&self, world: &mut World, cheat: Cheat) {
        let config = &self.0;
        match cheat {
            Cheat::Send(message) => world.send(message),
            Cheat::Ask(request) => {
                world.serve(request, config);
            }
            Cheat::Hold(order) => {
                let now = world.date.time();
                world.bank.hold(&order, now);
            }
            Cheat::Claim(payer, claim) => {
                world.claim(payer, &claim, config);
            }
            Cheat::Oracle(request) => {
                let (now, hand) = (world.date.time(), config.hand(Who::ThirdParty));
                let event = third::Event::Requested(request);
                let stepped = third::step(None, event, &Who::ThirdParty, now, &hand);
                if let Ok((Some(Case::Decided(stored)), _)) = stepped {
                    world.leaked |= matches!(stored.verdict.decision, Decision::Complete { .. });
                }
            }
            Cheat::Answer(to, answer) => {
                let here = config.setup.agreement.subject();
                if let Answer::Decided(decided) = &answer
                    && decided.verdict.subject() == here
                {
                    let verdict = decided.verdict.clone();
                    world.issued.insert(verdict.digest(), verdict);
                }
                world.run(to, Event::Answer(answer), Crash::No, config);
            }
        }
    }
}

/// Which leaves of a side's package the other side has.
pub fn got(world: &World, config: &Config, from: Role) -> Vec<bool> {
    let agreement = &config.setup.agreement;
    let completed = world.issued.values().any(|it| {
        matches!(it.body().decision, Decision::Complete { .. })
            && it.body().check(it, agreement).is_ok()
    });
    let stored = match &world.case {
        Some(Case::Decided(stored)) => Some(stored),
        _ => None,
    };
    let leaves = agreement.gives(from).iter().enumerate();
    leaves
        .map(|(index, leaf)| {
            let place = semper_exchange::manager::Place { agreement, from, index };
            let sent = world.net.values().any(|message| {
                let items = match (message, from) {
                    (Message::Deliver(it), Role::Originator)
                        if it.is_by(&key(from), agreement.subject()) =>
                    {
                        &it.body().items
                    }
                    (Message::Settle(it), Role::Responder)
                        if it.is_by(&key(from), agreement.subject()) =>
                    {
                        &it.body().items
                    }
                    _ => return false,
                };
                matches!(items.get(index), Some(Delivery::Signature(_) | Delivery::Key(_)))
            });
            let replaced = completed
                || stored
                    .is_some_and(|it| matches!(it.verdict.decision, Decision::Complete { .. }));
            match &leaf.item {
                Item::Money(_) => {
                    let row = world.bank.row(agreement.third_party.sign, place.name());
                    // Money that went to another payee, or under other terms, is not this.
                    let as_agreed = row.is_some_and(|row| {
                        row.order == semper_exchange::bank::order_for(agreement, from)
                    });
                    // A completion that nothing has been shown against moves it in time.
                    let standing =
                        completed || replaced && stored.is_some_and(|it| it.after.is_none());
                    as_agreed
                        && row.is_some_and(|row| match row.hold {
                            Hold::Released(_) => true,
                            Hold::Held(_) => standing,
                            // Nobody but the third party can take it back, by a fault.
                            Hold::Provisional { .. } => {
                                standing || stored.is_none() && agreement.protocol == Protocol::Ger
                            }
                            _ => false,
                        })
                }
                Item::Information(info) => {
                    let opened = agreement.money(from.other()).is_some_and(|(index, _)| {
                        let leaf = agreement.leaf(from.other(), index);
                        let row = world.bank.row(agreement.third_party.sign, leaf);
                        row.is_some_and(|row| row.opened.is_some())
                    });
                    let good = info.description != false_description();
                    (sent || opened || (replaced && openable(world, config, from))) && good
                }
                Item::Statement { .. } => sent || replaced,
            }
        })
        .collect()
}

/// Whether the third party can open what a side has escrowed; the model's cheat escrows either
/// what it should or nothing of worth.
fn openable(world: &World, config: &Config, from: Role) -> bool {
    let Some(Case::Decided(stored)) = &world.case else { return true };
    let to = from.other();
    let hand = Hand { who: Who::ThirdParty };
    let answer = third::answer(stored, to, &hand);
    let Ok(Answer::Decided(decided)) = answer else { return false };
    let information = |index: usize| {
        let leaf = config.setup.agreement.gives(from).get(index);
        leaf.is_some_and(|leaf| matches!(leaf.item, Item::Information(_)))
    };
    use semper_exchange::verdict::Replacement;
    decided.replacements.iter().enumerate().all(|(index, it)| {
        !information(index) || matches!(it, Replacement::Opening(_) | Replacement::Deposited(_))
    })
}

/// I1, I2: an honest side that has ended has what it was promised, or the other has nothing of
/// it. Looked at once everything that is owed to it has been claimed.
fn is_fair(world: &World, config: &Config, role: Role) -> bool {
    let Some(end) = world.end(role) else { return true };
    let given = got(world, config, role);
    let has = got(world, config, role.other());
    // What the third party would give to whoever asked is no use to whoever has left.
    let left = !matches!(end, End::Done | End::Completed);
    let has = if left { vec![false] } else { has };
    let weak = config.setup.agreement.fairness == Fairness::Weak && end == End::Wronged;
    weak || !given.contains(&true) || !has.contains(&false)
}

fn evidence(world: &World, config: &Config) -> Evidence<Symbolic> {
    let mut all = Evidence::of(config.setup.agreement.clone());
    for message in world.net.values() {
        match message.clone() {
            Message::Promise(it) => all.promises.push(it),
            Message::Accept(it) => all.accepts.push(it),
            Message::Deliver(it) => all.delivers.push(it),
            Message::Settle(it) => all.settles.push(it),
        }
    }
    all.requests.extend(world.asked.values().cloned());
    if let Some(it) = &world.originator {
        all = all.with(&it.kept);
    }
    if let Some(it) = &world.responder {
        all = all.with(&it.kept);
    }
    for verdict in world.issued.values() {
        let decided = Decided {
            verdict: verdict.clone(),
            promise: None,
            accept: None,
            replacements: Vec::new(),
        };
        all.answers.push(Answer::Decided(Box::new(decided)));
    }
    if let Some(Case::Decided(stored)) = &world.case {
        let hand = Hand { who: Who::ThirdParty };
        for role in SIDES {
            all.answers.extend(third::answer(stored, role, &hand).ok());
        }
    }
    for (from, secrets) in
        [(Role::Originator, &config.setup.originator), (Role::Responder, &config.setup.responder)]
    {
        for (index, secret) in secrets.iter().enumerate() {
            if let (Secret::Shares { escrowed, seeds, .. }, true) =
                (secret, config.corrupt.is_honest(from))
            {
                let leaf = u32::try_from(index).unwrap_or(0);
                let (share, seed) = (*escrowed, seeds.0);
                all.rebuttals.push(Rebuttal { from, leaf, share, seed });
            }
        }
    }
    all
}

/// What a side itself has, and the verdicts that are public.
fn own_evidence(world: &World, config: &Config, role: Role) -> Evidence<Symbolic> {
    let mut own = Evidence::of(config.setup.agreement.clone());
    let kept = match role {
        Role::Originator => world.originator.as_ref().map(|it| &it.kept),
        Role::Responder => world.responder.as_ref().map(|it| &it.kept),
    };
    if let Some(kept) = kept {
        own = own.with(kept);
    }
    own
}

fn finding(world: &World, config: &Config, at: Timestamp) -> Finding {
    judge(&evidence(world, config), at)
}

/// I10: the judge blames nobody honest.
fn blames_no_honest(world: &World, config: &Config) -> bool {
    let finding = finding(world, config, world.date.time());
    finding.blame.iter().all(|blame| match blame.culprit() {
        None => !config.corrupt.has_honest_third_party(),
        Some(Role::Originator) if matches!(blame, Blame::Fraud(..)) && sells_false(config) => true,
        Some(role) => !config.corrupt.is_honest(role),
    })
}

fn sells_false(config: &Config) -> bool {
    config.setup.agreement.from_originator.iter().any(|leaf| match &leaf.item {
        Item::Information(info) => info.description == false_description(),
        _ => false,
    })
}

/// I11: what the judge holds proven of an honest side, that side has signed.
fn proves_only_what_was_signed(world: &World, config: &Config) -> bool {
    let finding = finding(world, config, world.date.time());
    let proven = |got: &[Got]| got.iter().any(|it| *it != Got::Unproven);
    let originator = world.originator.as_ref().is_none_or(|it| {
        (it.kept.promise.is_some() || !finding.promised.0)
            && (it.kept.promise.is_some() || !proven(&finding.from_originator))
    });
    let responder = world.responder.as_ref().is_none_or(|it| {
        let pays = config.setup.agreement.protocol.pays(Role::Responder);
        (it.kept.accept.is_some() || !finding.promised.1)
            && (it.kept.accept.is_some() || pays || !proven(&finding.from_responder))
    });
    originator && responder
}

/// I12: nothing is completed that an honest side has not promised.
fn completes_only_what_was_promised(world: &World, config: &Config) -> bool {
    let Some(Case::Decided(stored)) = &world.case else { return true };
    if !matches!(stored.verdict.decision, Decision::Complete { .. }) {
        return true;
    }
    let pays = config.setup.agreement.protocol.pays(Role::Responder);
    world.originator.as_ref().is_none_or(|it| it.kept.promise.is_some())
        && world.responder.as_ref().is_none_or(|it| it.kept.accept.is_some() || pays)
}

/// I9: with a corrupt third party, whoever is harmed can show who has broken its word: the third
/// party, or whoever sold what is not what it says.
fn shows_a_corrupt_third_party(world: &World, config: &Config) -> bool {
    shows_silence(world, config)
        && SIDES.into_iter().filter(|role| config.corrupt.is_honest(*role)).all(|role| {
            let world = world.closed(role, config);
            let shown = |evidence: &Evidence<Symbolic>| {
                judge(evidence, world.date.time())
                    .blame
                    .iter()
                    .any(|it| it.culprit().is_none() || matches!(it, Blame::Fraud(..)))
            };
            // By what the victim has; or by all there is, but whoever shows an item gives it.
            is_fair(&world, config, role)
                || shown(&evidence(&world, config))
                || shown(&own_evidence(&world, config, role))
        })
}

/// Whoever has a note of receipt and hears no more can show that.
fn shows_silence(world: &World, config: &Config) -> bool {
    let kept =
        [world.originator.as_ref().map(|it| &it.kept), world.responder.as_ref().map(|it| &it.kept)];
    kept.into_iter().flatten().all(|kept| {
        let noted = kept.answers.iter().find_map(|it| match it {
            Answer::Submitted(it) => Some(it.body().decide_by),
            _ => None,
        });
        let Some(decide_by) = noted.filter(|_| kept.decided().is_none()) else { return true };
        let own = Evidence::of(config.setup.agreement.clone()).with(kept);
        let later = decide_by.after(std::time::Duration::from_millis(1));
        judge(&own, later).blame.iter().any(|it| it.culprit().is_none())
    })
}

fn honest<'a>(config: &'a Config) -> impl Iterator<Item = Role> + 'a {
    SIDES.into_iter().filter(|role| config.corrupt.is_honest(*role))
}

/// I4: whoever has begun can end, by itself with third party and bank; then fairness holds.
fn ends_and_is_fair(world: &World, config: &Config, role: Role) -> (bool, bool) {
    let begun = match role {
        Role::Originator => world
            .originator
            .as_ref()
            .is_some_and(|it| it.state != semper_exchange::originator::State::Idle),
        Role::Responder => world
            .responder
            .as_ref()
            .is_some_and(|it| it.state != semper_exchange::responder::State::Idle),
    };
    if !begun {
        return (true, true);
    }
    let closed = world.closed(role, config);
    (closed.end(role).is_some(), is_fair(&closed, config, role))
}

fn third_party_is_away(config: &Config) -> bool {
    !config.corrupt.has_honest_third_party()
}

impl Model for Session {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.0)]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        self.acts(world, acts);
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let next = self.next(world, act);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("I1 I2 fair", |it: &Self, world: &World| {
                third_party_is_away(&it.0)
                    || honest(&it.0).all(|role| ends_and_is_fair(world, &it.0, role).1)
            }),
            Property::always("I3 one verdict", |_, world: &World| !world.contradicted),
            Property::always("I4 timely", |it: &Self, world: &World| {
                third_party_is_away(&it.0)
                    || honest(&it.0).all(|role| {
                        // A hash lock ends by the bank's clock.
                        let waits = it.0.setup.agreement.protocol == Protocol::Hl
                            && role == Role::Responder;
                        waits || ends_and_is_fair(world, &it.0, role).0
                    })
            }),
            Property::always("I6 both end alike", |it: &Self, world: &World| {
                let done = |end: Option<End>| matches!(end, Some(End::Done | End::Completed));
                let undone = |end| matches!(end, Some(End::Aborted | End::Expired));
                let (one, other) = (world.end(Role::Originator), world.end(Role::Responder));
                it.0.corrupt != Corrupt::Nobody
                    || !(done(one) && undone(other) || undone(one) && done(other))
            }),
            Property::always("I9 a corrupt third party is shown", |it: &Self, world: &World| {
                it.0.corrupt.has_honest_third_party() || shows_a_corrupt_third_party(world, &it.0)
            }),
            Property::always("I10 the honest are not blamed", |it: &Self, world: &World| {
                blames_no_honest(world, &it.0)
            }),
            Property::always("I11 only what was signed is proven", |it: &Self, world: &World| {
                proves_only_what_was_signed(world, &it.0)
            }),
            Property::always("I12 the third party alone can do nothing", |it: &Self, world| {
                completes_only_what_was_promised(world, &it.0)
            }),
            Property::always("I7 I14 money is conserved", |_, world: &World| world.bank.balances()),
            Property::always("I8 only this exchange's items", |it: &Self, world: &World| {
                let here = it.0.setup.agreement.subject();
                let all = [
                    world.originator.as_ref().map(|it| &it.kept),
                    world.responder.as_ref().map(|it| &it.kept),
                ];
                all.into_iter().flatten().all(|kept| {
                    kept.accept.as_ref().is_none_or(|it| it.subject() == here)
                        && kept.deliver.as_ref().is_none_or(|it| it.subject() == here)
                        && kept.settle.as_ref().is_none_or(|it| it.subject() == here)
                })
            }),
            Property::always("I13 no escrow is opened elsewhere", |_, world: &World| !world.leaked),
            Property::always(
                "a third party decides only what names it",
                |it: &Self, world: &World| {
                    let named = it.0.setup.agreement.third_party.sign == Who::ThirdParty;
                    named || !matches!(world.case, Some(Case::Decided(_)))
                },
            ),
            Property::always("nothing is accepted late", |_, world: &World| !world.accepted_late),
        ];
        if self.0.corrupt == Corrupt::Nobody && !self.0.mutated {
            all.push(Property::sometimes("I5 effective", |_, world: &World| {
                world.case.is_none()
                    && world.end(Role::Originator) == Some(End::Done)
                    && world.end(Role::Responder) == Some(End::Done)
            }));
            all.push(Property::always("I5 four messages", |it: &Self, world: &World| {
                world.net.len() <= 4
                    && (!it.0.patient
                        || world.asked.is_empty()
                        || it.0.setup.agreement.protocol == Protocol::Inline)
            }));
        }
        if self.0.corrupt == Corrupt::Side(Role::Originator)
            && self.0.setup.agreement.protocol == Protocol::Gg
            && !self.0.mutated
        {
            all.push(Property::sometimes(
                "I17 the originator alone chooses",
                |_, world: &World| {
                    world.responder.as_ref().is_some_and(|it| {
                        it.state == semper_exchange::responder::State::Accepted
                            && it.kept.deliver.is_none()
                    }) && world.case.is_none()
                },
            ));
        }
        all
    }
}
