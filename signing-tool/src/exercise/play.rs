//! One deal, from its seed: two components, or one component and a forger who holds the other
//! side's keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use semper_base::{Digest, Report, Timestamp, cbor};
use semper_exchange::package::{Enclosed, MAX_TALK, Talk, Wanted};
use semper_items::statement::{Content, Kind, PaymentOrder, Says};
use semper_items::{Item, Message, Side, Statement};
use semper_runtime::END;
use semper_runtime::Stop;
use semper_runtime::business::Business;
use semper_stage::{Part, Played, Script, Seen};
use semper_trust::flow::ItemKind;

use super::bench::Bench;
use super::world::{Merchant, Person, Shop};

/// Turns after which a deal counts as endless.
const TURNS: u32 = 160;
/// How far the clock is turned before a deal counts as endless.
const PATIENCE: Duration = Duration::from_secs(120 * 86_400);

/// A deal that was played.
pub struct Deal {
    /// Who forges the other side's messages, if anybody does.
    pub forged: Option<Side>,
    /// How it ended, in words.
    pub end: String,
    /// What the buyer's and the seller's world saw, in order.
    pub buyer: Vec<Seen>,
    pub seller: Vec<Seen>,
    /// How each side's component ended.
    pub ended: [Option<Ended>; 2],
    /// Whether both waited, and nothing could have woken them.
    pub stuck: bool,
    /// Whether it went on without end.
    pub endless: bool,
    pub states: BTreeSet<String>,
    pub shop: Arc<Shop>,
}

/// How a component ended.
#[derive(Clone, Debug)]
pub enum Ended {
    Returned(Result<(), String>),
    Stopped(Stop),
}

impl Deal {
    /// Statements put to anybody: kind, and whether they were signed.
    pub fn consents(&self) -> impl Iterator<Item = (Kind, bool)> {
        self.buyer.iter().chain(&self.seller).filter_map(|seen| match seen {
            Seen::Consent(statement, said) => Some((statement.content.kind(), said.is_ok())),
            _ => None,
        })
    }

    /// Payments made by the buyer.
    pub fn payments(&self) -> impl Iterator<Item = &PaymentOrder> {
        self.buyer.iter().filter_map(|seen| match seen {
            Seen::Paid(order) => Some(order),
            _ => None,
        })
    }

    /// Items sent, as flows name them.
    pub fn sent_items(&self) -> impl Iterator<Item = String> {
        let of = |side: Side, seen: &Seen| match seen {
            Seen::Sent(item) => Some(format!("{} by the {}", name(item), side.name())),
            _ => None,
        };
        let buyer = self.buyer.iter().filter_map(move |it| of(Side::Buyer, it));
        buyer.chain(self.seller.iter().filter_map(move |it| of(Side::Seller, it)))
    }
}

/// The statement in an item, if it is one.
pub fn statement(item: &Item) -> Option<Statement> {
    let Item::Statement(bytes) = item else { return None };
    let parsed = semper_base::cose::parse(bytes, "statement", bytes.len()).ok()?;
    Statement::decode(parsed.peek()).ok()
}

fn name(item: &Item) -> String {
    match item {
        Item::Information { kind, .. } => kind.clone(),
        Item::Money(_) => "payment".into(),
        Item::Exchange(bytes) => exchange(bytes),
        Item::Statement(_) => {
            statement(item).map_or("statement".into(), |it| it.content.kind().name().into())
        }
    }
}

/// A proposal, as flows name it; its answer is no action of its own.
fn exchange(bytes: &[u8]) -> String {
    let Ok(Talk::Propose { enclosed, wants, .. }) = cbor::decode(bytes, MAX_TALK) else {
        return "answer to a proposal".into();
    };
    let gives = enclosed.iter().map(|it| match it {
        Enclosed::Statement(bytes) => match Statement::decode(bytes) {
            Ok(statement) => ItemKind::Statement(statement.content.kind()),
            Err(_) => ItemKind::Information("unreadable".into()),
        },
        Enclosed::Money(_) => ItemKind::Money,
        Enclosed::Information { kind, .. } => ItemKind::Information(kind.clone()),
    });
    let wants = wants.iter().map(|it| match it {
        Wanted::Statement(kind) => ItemKind::Statement(*kind),
        Wanted::Money(..) => ItemKind::Money,
        Wanted::Information(kind) => ItemKind::Information(kind.clone()),
    });
    ItemKind::Exchange { gives: gives.collect(), wants: wants.collect() }.name()
}

/// Plays the deal of a seed.
pub fn deal(bench: &Bench, seed: u64) -> Result<Deal, Report> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x0f0f);
    let mood = Person::mood(seed);
    let forged = match rng.random_range(0..6) {
        0 => Some(Side::Seller),
        1 => Some(Side::Buyer),
        _ => None,
    };
    let shop = Arc::new(Shop::new(bench.currency));
    let part = |side: Side, script: Box<dyn Script>| {
        let business = (side == Side::Seller).then(|| Arc::clone(&shop) as Arc<dyn Business>);
        Part::new(&bench.cast, &bench.terms, side, seed, script, business)
    };
    let parts = [
        part(Side::Buyer, Box::new(Person::new(seed, mood))),
        part(Side::Seller, Box::new(Merchant)),
    ];
    let mut table = Table {
        bench,
        rng,
        forged,
        parts,
        taken: [0, 0],
        ready: [true, true],
        until: [None, None],
        ended: [None, None],
        seen: [Vec::new(), Vec::new()],
        now: bench.begins,
        states: BTreeSet::new(),
    };
    let (stuck, endless) = table.play()?;
    let end = table.words(stuck, endless);
    let Table { seen: [buyer, seller], ended, states, .. } = table;
    Ok(Deal { forged, end, buyer, seller, ended, stuck, endless, states, shop })
}

/// Both sides, and what is between them.
struct Table<'a> {
    bench: &'a Bench,
    rng: StdRng,
    forged: Option<Side>,
    parts: [Part; 2],
    /// Messages of each side that have been taken to the other.
    taken: [usize; 2],
    ready: [bool; 2],
    until: [Option<Timestamp>; 2],
    ended: [Option<Ended>; 2],
    seen: [Vec<Seen>; 2],
    now: Timestamp,
    states: BTreeSet<String>,
}

const SIDES: [Side; 2] = [Side::Buyer, Side::Seller];

impl Table<'_> {
    /// Until both have ended; whether both are stuck, whether it went on without end.
    fn play(&mut self) -> Result<(bool, bool), Report> {
        for _ in 0..TURNS {
            for index in 0..2 {
                if self.ready[index] && self.ended[index].is_none() {
                    self.turn(index)?;
                }
            }
            let moved = self.carry();
            if self.ended.iter().all(Option::is_some) {
                return Ok((false, false));
            }
            if moved || self.awake() {
                continue;
            }
            // Nothing moves: the clock goes on to the next date that somebody waits for.
            let waiting = (0..2).filter(|it| self.ended[*it].is_none());
            let Some(next) = waiting.filter_map(|it| self.until[it]).min() else {
                return Ok((true, false));
            };
            if next > self.bench.begins.after(PATIENCE) {
                return Ok((false, true));
            }
            self.now = self.now.max(next);
            for index in 0..2 {
                self.parts[index].at(self.now);
                self.ready[index] |= self.until[index].is_some_and(|it| it <= self.now);
            }
        }
        Ok((false, true))
    }

    fn awake(&self) -> bool {
        (0..2).any(|it| self.ready[it] && self.ended[it].is_none())
    }

    /// Runs one side until it waits or ends.
    fn turn(&mut self, index: usize) -> Result<(), Report> {
        let broken = |stop: Stop| {
            let mend = "the component must run on a host first: semper-sign inspect";
            Report::refusal(format!("the {}'s component: {stop}", SIDES[index].name()), mend)
        };
        let played = self.parts[index].play(&self.bench.runtime).map_err(broken)?;
        self.ready[index] = false;
        self.until[index] = None;
        self.seen[index].extend(self.parts[index].take_seen());
        self.states.insert(self.parts[index].flow().to_owned());
        match played {
            Played::Ended(said) => self.ended[index] = Some(Ended::Returned(said)),
            Played::Stopped(stop) => self.ended[index] = Some(Ended::Stopped(stop)),
            Played::Waits(waiting) => self.until[index] = waiting.until,
        }
        self.farewell(index);
        Ok(())
    }

    /// The host of a side whose component has failed tells the other side.
    fn farewell(&mut self, index: usize) {
        let why = match &self.ended[index] {
            Some(Ended::Returned(Err(why))) => why.clone(),
            Some(Ended::Stopped(stop)) => stop.to_string(),
            _ => return,
        };
        let other = 1 - index;
        if self.ended[other].is_none() {
            // What was sent before comes first.
            self.carry();
            let item = Item::Information { kind: END.into(), body: why.into_bytes().into() };
            let word = self.parts[other].forge(item);
            self.parts[other].deliver(word);
            self.ready[other] = true;
        }
    }

    /// Takes new messages across; a forger changes some of them on the way.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        for (index, own) in SIDES.into_iter().enumerate() {
            let new = self.parts[index].outbox(self.taken[index]);
            self.taken[index] += new.len();
            let other = 1 - index;
            for bytes in new {
                moved = true;
                let bytes = match self.forged {
                    Some(side) if side == own => self.forge(other, &bytes),
                    _ => bytes,
                };
                self.parts[other].deliver(bytes);
                self.ready[other] = true;
            }
        }
        moved
    }

    /// What a forger makes of a message: mostly the same, now and then another, signed well.
    fn forge(&mut self, to: usize, bytes: &[u8]) -> Vec<u8> {
        let Some(item) = Message::unverified(bytes).and_then(|it| it.container.item().cloned())
        else {
            return bytes.to_vec();
        };
        let item = if self.rng.random_range(0..100) < 35 { self.other(to, &item) } else { item };
        self.parts[to].forge(item)
    }

    fn other(&mut self, to: usize, item: &Item) -> Item {
        match (statement(item), item) {
            (Some(statement), _) => {
                let content = self.changed(statement.content);
                self.parts[to].sign_as_other(content).unwrap_or_else(|_| item.clone())
            }
            (None, Item::Information { kind, body }) => {
                let mut body = body.to_vec();
                match self.rng.random_range(0..3) {
                    0 => body.clear(),
                    1 if !body.is_empty() => {
                        let at = self.rng.random_range(0..body.len());
                        body[at] ^= 1 << self.rng.random_range(0..8);
                    }
                    _ => body.extend([0xff; 7]),
                }
                Item::Information { kind: kind.clone(), body: body.into() }
            }
            _ => item.clone(),
        }
    }

    /// Content that says something else, and still makes sense in itself.
    fn changed(&mut self, content: Content) -> Content {
        let dice = self.rng.random_range(0..4);
        match content {
            Content::Offer(mut offer) => {
                if let Some(line) = offer.lines.first_mut() {
                    match dice {
                        0 => line.article = "EX-008".into(),
                        1 => {
                            if let (Ok(unit), Ok(total)) = (
                                line.unit.plus(line.unit),
                                line.unit.times(line.quantity).and_then(|it| offer.total.plus(it)),
                            ) {
                                (line.unit, offer.total) = (unit, total);
                            }
                        }
                        2 => {
                            if let (Ok(delivery), Ok(total)) =
                                (offer.delivery.plus(line.unit), offer.total.plus(line.unit))
                            {
                                (offer.delivery, offer.total) = (delivery, total);
                            }
                        }
                        _ => offer.valid_until = self.now,
                    }
                }
                Content::Offer(offer)
            }
            // The last word of a deal takes nothing from anybody.
            last if last.kind().says() == Says::Done => last,
            // Everything else is about another statement than it was.
            mut other => {
                let mut named = other.refers_mut().into_iter();
                let one = if dice < 2 { named.next() } else { named.next_back() };
                if let Some(digest) = one {
                    *digest = Digest::of(b"another");
                }
                other
            }
        }
    }

    fn words(&self, stuck: bool, endless: bool) -> String {
        let side = |index: usize| match &self.ended[index] {
            Some(Ended::Returned(Ok(()))) => format!("ends in “{}”", self.parts[index].flow()),
            Some(Ended::Returned(Err(_))) => "gives up".into(),
            Some(Ended::Stopped(stop)) => format!("is stopped ({})", stop.code()),
            None if endless => "goes on without end".into(),
            None if stuck => "waits for ever".into(),
            None => "waits".into(),
        };
        let forged = match self.forged {
            Some(by) => format!(" [a forger plays the {}]", by.name()),
            None => String::new(),
        };
        format!("buyer {}, seller {}{forged}", side(0), side(1))
    }
}
