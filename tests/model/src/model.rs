//! The properties, and stateright's view of a session.

use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{Answer, Decision};
use semper_exchange::{Effect, End, Event, Protocol, Role};
use stateright::{Model, Property};

use crate::adversary::moves;
use crate::properties::*;
use crate::setup::Date;
use crate::symbolic::Who;
use crate::world::{Act, Cheat, Config, Corrupt, Crash, World};

/// One exchange under exploration.
#[derive(Clone, Debug)]
pub struct Session(pub Config);

pub(crate) const SIDES: [Role; 2] = [Role::Originator, Role::Responder];

impl Session {
    /// What can happen next.
    pub fn acts(&self, world: &World, acts: &mut Vec<Act>) {
        let config = &self.0;
        if world.originator.as_ref().is_some_and(|it| it.kept.promise.is_none()) {
            acts.push(Act::Start);
        }
        let crashes: &[Crash] = match config.crashes {
            true => &[Crash::No, Crash::AfterFirst, Crash::BeforeFirst],
            false => &[Crash::No],
        };
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
            if pending.contains(&Effect::Sign) {
                acts.extend(crashes.iter().map(|crash| Act::Sign(role, *crash)));
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
            Act::Sign(role, crash) => world.run(role, Event::Sign, crash, config),
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

    pub(crate) fn cheat(&self, world: &mut World, cheat: Cheat) {
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
        let inline = self.0.setup.agreement.protocol == Protocol::Inline;
        if self.0.corrupt == Corrupt::Nobody && !self.0.mutated && !inline {
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
