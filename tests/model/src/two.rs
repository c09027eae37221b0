//! Two exchanges of the same parties at once: whatever was said in one may be brought into the
//! other.

use semper_base::Digest;
use semper_exchange::{Event, Role};
use stateright::{Expectation, Model, Property};

use crate::model::Session;
use crate::world::{Act, Config, Crash, World};

/// Two sessions under exploration.
#[derive(Clone, Debug)]
pub struct Two(pub [Session; 2]);

/// What happens next: something in one of them, or something of one in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happens {
    /// In this one.
    In(usize, Act),
    /// A message of the other one comes to a side of this one.
    Across(usize, Role, (u8, Digest)),
    /// A request that was made in the other one comes to the third party, in this one's name.
    Replay(usize, Digest),
}

impl Two {
    /// Two of these.
    pub fn new(one: Config, other: Config) -> Self {
        Self([Session(one), Session(other)])
    }
}

impl Model for Two {
    type State = [World; 2];
    type Action = Happens;

    fn init_states(&self) -> Vec<[World; 2]> {
        vec![[World::new(&self.0[0].0), World::new(&self.0[1].0)]]
    }

    fn actions(&self, worlds: &[World; 2], happens: &mut Vec<Happens>) {
        for (index, session) in self.0.iter().enumerate() {
            let mut acts = Vec::new();
            session.acts(&worlds[index], &mut acts);
            happens.extend(acts.into_iter().map(|act| Happens::In(index, act)));
            for name in worlds[1 - index].net.keys() {
                for role in [Role::Originator, Role::Responder] {
                    happens.push(Happens::Across(index, role, *name));
                }
            }
            let asked = worlds[1 - index].asked.keys();
            happens.extend(asked.map(|name| Happens::Replay(index, *name)));
        }
    }

    fn next_state(&self, worlds: &[World; 2], happens: Happens) -> Option<[World; 2]> {
        let mut next = worlds.clone();
        match happens {
            Happens::In(index, act) => next[index] = self.0[index].next(&worlds[index], act),
            Happens::Across(index, role, name) => {
                let message = worlds[1 - index].net.get(&name)?.clone();
                let config = &self.0[index].0;
                next[index].run(role, Event::Message(message), Crash::No, config);
            }
            // The third party keeps each exchange's case by the exchange that the request itself
            // names: in another's place it would stand for nothing.
            Happens::Replay(index, name) => {
                let request = worlds[1 - index].asked.get(&name)?;
                let own = self.0[index].0.setup.agreement.subject();
                if request.promise.body().agreement.subject() == own {
                    next[index].serve(request.clone(), &self.0[index].0);
                }
            }
        }
        (next != *worlds).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("each keeps its properties", |it: &Self, worlds: &[World; 2]| {
            it.0.iter().zip(worlds).all(|(session, world)| {
                session
                    .properties()
                    .iter()
                    .filter(|property| matches!(property.expectation, Expectation::Always))
                    .all(|property| (property.condition)(session, world))
            })
        })]
    }
}
