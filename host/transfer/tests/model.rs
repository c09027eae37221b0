//! The machines that ship, under the model checker (stateright): a network that loses, repeats
//! and reorders, crashes between any two effects, and a sender who cheats.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use semper_base::{DealId, Digest, SealSecret, SigningKey, Timestamp};
use semper_items::{Agreement, Attributes, DealKeys, Hello};
use semper_transfer::channel::{self, Channel, Numbered};
use semper_transfer::opening::{self, Buyer, Merchant};
use stateright::{Checker as _, Model, Property};

/// A message of the model: its number, what it follows, what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Toy {
    seq: u64,
    previous: Digest,
    says: u8,
}

impl Numbered for Toy {
    fn seq(&self) -> u64 {
        self.seq
    }

    fn previous(&self) -> Digest {
        self.previous
    }

    fn digest(&self) -> Digest {
        Digest::of_parts(&[&self.seq.to_be_bytes(), self.previous.as_bytes(), &[self.says]])
    }
}

/// Two parties, of whom one sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    sender: Channel,
    sent: Vec<Toy>,
    receiver: Channel,
    stored: Vec<Toy>,
    delivered: Vec<Toy>,
    forks: Vec<Toy>,
    /// What is on the way: never taken away, so everything may come again and in any order.
    messages: BTreeSet<Toy>,
    acknowledgements: BTreeSet<u64>,
    cheated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Happens {
    Submit(u8),
    /// A message arrives; the receiver crashes after so many of its effects.
    Arrive(Toy, usize),
    Acknowledge(u64),
    /// The sender signs another message with a number it has used.
    Cheat(u64),
}

struct ChannelModel {
    messages: u8,
    cheats: bool,
}

impl Model for ChannelModel {
    type State = World;
    type Action = Happens;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            sender: Channel::default(),
            sent: Vec::new(),
            receiver: Channel::default(),
            stored: Vec::new(),
            delivered: Vec::new(),
            forks: Vec::new(),
            messages: BTreeSet::new(),
            acknowledgements: BTreeSet::new(),
            cheated: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Happens>) {
        let count = u8::try_from(world.sent.len()).unwrap();
        if count < self.messages {
            actions.push(Happens::Submit(count));
        }
        for message in &world.messages {
            actions.extend((0..=3).map(|effects| Happens::Arrive(*message, effects)));
        }
        actions.extend(world.acknowledgements.iter().map(|seq| Happens::Acknowledge(*seq)));
        if self.cheats && !world.cheated {
            actions.extend(world.sent.iter().map(|message| Happens::Cheat(message.seq)));
        }
    }

    fn next_state(&self, world: &World, action: Happens) -> Option<World> {
        let mut world = world.clone();
        match action {
            Happens::Submit(says) => {
                let message =
                    Toy { seq: world.sender.next(), previous: world.sender.sent.head, says };
                let (next, effects) = world.sender.step(channel::Event::Submit(message));
                for effect in effects {
                    match effect {
                        channel::Effect::PersistSent(message) => {
                            world.sender = next;
                            world.sent.push(message);
                        }
                        channel::Effect::Send(message) => {
                            world.messages.insert(message);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            Happens::Arrive(message, effects) => arrive(&mut world, message, effects),
            Happens::Acknowledge(seq) => {
                let event = channel::Event::<Toy>::Acknowledge(seq);
                let (next, effects) = world.sender.step(event);
                if effects == [channel::Effect::PersistState] {
                    world.sender = next;
                }
            }
            Happens::Cheat(seq) => {
                let first = world.sent.iter().find(|it| it.seq == seq)?;
                world.messages.insert(Toy { says: 99, ..*first });
                world.cheated = true;
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "what is delivered is what was sent, in order, once",
                |model: &Self, world: &World| {
                    model.cheats || world.sent.starts_with(&world.delivered)
                },
            ),
            Property::always("nothing is delivered that is not stored", |_, world: &World| {
                world.stored.starts_with(&world.delivered)
            }),
            Property::always("nothing is acknowledged that is not stored", |_, world: &World| {
                world.acknowledgements.iter().all(|seq| *seq <= world.stored.len() as u64)
            }),
            Property::always("the sender believes only what was stored", |_, world: &World| {
                world.sender.acknowledged <= world.stored.len() as u64
            }),
            Property::always(
                "a fork is kept as evidence and ends the channel",
                |_, world: &World| world.receiver.forked != world.forks.is_empty(),
            ),
            Property::always("the honest are never taken for cheats", |_, world: &World| {
                world.cheated || !world.receiver.forked
            }),
            Property::sometimes("everything arrives", |model: &Self, world: &World| {
                world.delivered.len() == usize::from(model.messages)
            }),
            Property::sometimes("everything is acknowledged", |model: &Self, world: &World| {
                world.sender.acknowledged == u64::from(model.messages)
            }),
        ]
    }
}

/// The receiver takes a message and crashes after some of the effects; a delivery that is lost
/// in a crash is made up from the store when the host starts again.
fn arrive(world: &mut World, message: Toy, effects: usize) {
    let stored = world.stored.iter().find(|it| it.seq == message.seq).map(Numbered::digest);
    let (next, list) = world.receiver.step(channel::Event::Receive(message, stored));
    for effect in list.into_iter().take(effects) {
        match effect {
            channel::Effect::PersistReceived(message) => {
                world.receiver = next;
                world.stored.push(message);
            }
            channel::Effect::PersistFork(message) => {
                world.receiver = next;
                world.forks.push(message);
            }
            channel::Effect::Acknowledge(seq) => {
                world.acknowledgements.insert(seq);
            }
            channel::Effect::Deliver(message) => {
                if world.delivered.len() < world.stored.len() {
                    world.delivered.push(message);
                }
            }
            channel::Effect::Refuse(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // Restart: what was stored is given to the deal.
    while world.delivered.len() < world.stored.len() {
        world.delivered.push(world.stored[world.delivered.len()]);
    }
}

#[test]
fn the_channel_keeps_its_word_over_any_network_and_any_crash() {
    let checker = ChannelModel { messages: 3, cheats: false }.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 20, "{}", checker.unique_state_count());
}

#[test]
fn a_cheating_sender_is_found_out_and_never_followed() {
    let checker = ChannelModel { messages: 2, cheats: true }.checker().spawn_bfs().join();
    checker.assert_no_discovery("nothing is delivered that is not stored");
    checker.assert_no_discovery("a fork is kept as evidence and ends the channel");
    checker.assert_no_discovery("nothing is acknowledged that is not stored");
}

/// What travels in an opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Letter {
    Hello,
    Agree,
    Agreed,
    Accepted,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Opening {
    buyer: Buyer,
    merchant: Option<Merchant>,
    letters: BTreeSet<Letter>,
    late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// A letter arrives (and may again).
    Arrive(Letter),
    /// Our own signature, or refusal, at the buyer.
    BuyerSigns(bool),
    MerchantSigns,
    /// Restart or time-out: what is stored is gone on with.
    BuyerTick,
    MerchantTick,
    /// The time to countersign is over.
    Late,
}

struct OpeningModel;

fn hello() -> Hello {
    let keys = |seed| DealKeys {
        sign: SigningKey::from_seed(&[seed; 32]).public(),
        seal: SealSecret::from_seed(&[seed; 32]).public(),
    };
    Hello {
        nonce: Digest::of(b"buyer"),
        terms: Digest::of(b"terms"),
        merchant: "Otto".into(),
        buyer: "Anna".into(),
        keys: keys(1),
        attributes: Attributes::default(),
        payment: vec!["purse".into()],
        made: at(0),
    }
}

fn agreement() -> Agreement {
    Agreement {
        nonce: Digest::of(b"merchant"),
        keys: hello().keys,
        payment: "purse".into(),
        countersign_by: at(100),
        expires: at(1000),
        hello: hello(),
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

impl Model for OpeningModel {
    type State = Opening;
    type Action = Step;

    fn init_states(&self) -> Vec<Opening> {
        let (buyer, _) = Buyer::start(hello());
        vec![Opening { buyer, merchant: None, letters: [Letter::Hello].into(), late: false }]
    }

    fn actions(&self, state: &Opening, actions: &mut Vec<Step>) {
        actions.extend(state.letters.iter().cloned().map(Step::Arrive));
        actions.extend([Step::BuyerTick, Step::MerchantTick, Step::MerchantSigns]);
        actions.extend([Step::BuyerSigns(true), Step::BuyerSigns(false)]);
        if !state.late {
            actions.push(Step::Late);
        }
    }

    fn next_state(&self, state: &Opening, step: Step) -> Option<Opening> {
        let mut next = state.clone();
        let now = if state.late { at(101) } else { at(50) };
        let id: DealId = agreement().id();
        match step {
            Step::Late => next.late = true,
            Step::BuyerTick => buyer(&mut next, opening::Event::Tick, now),
            Step::BuyerSigns(true) => {
                if !matches!(state.buyer, Buyer::Signing(..)) {
                    return None;
                }
                buyer(&mut next, opening::Event::Signed(vec![2]), now);
            }
            Step::BuyerSigns(false) => {
                buyer(&mut next, opening::Event::Declined("no".into()), now);
            }
            Step::MerchantSigns => merchant(&mut next, opening::Event::Signed(vec![1]), now),
            Step::MerchantTick => merchant(&mut next, opening::Event::Tick, now),
            Step::Arrive(Letter::Hello) => match next.merchant {
                None => next.merchant = Some(Merchant::start(agreement()).0),
                Some(_) => merchant(&mut next, opening::Event::Tick, now),
            },
            Step::Arrive(Letter::Agree) => {
                buyer(&mut next, opening::Event::Received(agreement(), vec![1]), now);
            }
            Step::Arrive(Letter::Agreed) => {
                merchant(&mut next, opening::Event::Received(agreement(), vec![2]), now);
            }
            Step::Arrive(Letter::Accepted) => buyer(&mut next, opening::Event::Accepted(id), now),
            Step::Arrive(Letter::Refused) => {
                buyer(&mut next, opening::Event::Refused(opening::Refusal::Expired), now);
            }
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "the buyer's deal is open only if the merchant's is",
                |_, state: &Opening| {
                    !matches!(state.buyer, Buyer::Open(..))
                        || matches!(state.merchant, Some(Merchant::Open(..)))
                },
            ),
            Property::always("an open deal holds both signatures", |_, state: &Opening| {
                match (&state.buyer, &state.merchant) {
                    (Buyer::Open(it, theirs, ours), Some(Merchant::Open(other, mine, yours))) => {
                        it == other && theirs == mine && ours == yours
                    }
                    _ => true,
                }
            }),
            Property::always("nobody is bound who has not signed", |_, state: &Opening| {
                !matches!(state.merchant, Some(Merchant::Open(..)))
                    || !matches!(state.buyer, Buyer::Asking(_) | Buyer::Signing(..))
            }),
            Property::sometimes("a deal is opened", |_, state: &Opening| {
                matches!(state.buyer, Buyer::Open(..))
            }),
            Property::sometimes("a deal is refused", |_, state: &Opening| {
                matches!(state.buyer, Buyer::Refused(_))
            }),
        ]
    }
}

fn buyer(state: &mut Opening, event: opening::Event, now: Timestamp) {
    let (next, effects) = state.buyer.clone().step(event, now);
    state.buyer = next;
    post(&mut state.letters, effects);
}

fn merchant(state: &mut Opening, event: opening::Event, now: Timestamp) {
    let Some(machine) = state.merchant.clone() else { return };
    let (next, effects) = machine.step(event, now);
    state.merchant = Some(next);
    post(&mut state.letters, effects);
}

fn post(letters: &mut BTreeSet<Letter>, effects: Vec<opening::Effect>) {
    for effect in effects {
        match effect {
            opening::Effect::SendHello(_) => letters.insert(Letter::Hello),
            opening::Effect::SendAgree(_) => letters.insert(Letter::Agree),
            opening::Effect::SendAgreed(..) => letters.insert(Letter::Agreed),
            opening::Effect::SendAccepted(_) => letters.insert(Letter::Accepted),
            opening::Effect::Refuse(_) => letters.insert(Letter::Refused),
            _ => false,
        };
    }
}

#[test]
fn both_sign_one_agreement_or_neither_is_bound() {
    let checker = OpeningModel.checker().spawn_bfs().join();
    checker.assert_properties();
}
