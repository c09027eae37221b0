//! One deal, from its seed: two components, or one component and a forger who holds the other
//! side's keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use semper_base::{Digest, Report, Timestamp, cbor};
use semper_exchange::package::{Enclosed, MAX_TALK, Talk, Wanted};
use semper_items::statement::{Content, Kind, PaymentOrder, Says};
use semper_items::{Item, Message, Side, Statement};
use semper_runtime::business::Business;
use semper_stage::{Part, Script, Seen};
use semper_trust::flow::ItemKind;

use super::world::{Merchant, Person, Shop};
use crate::bench::Bench;
use crate::table::{Courier, Ended, Rest, SIDES, Table};

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
    let mut table = Table::new(&bench.runtime, bench.begins, parts);
    let rest = table.play(&mut Forger { rng, forged })?;
    let end = words(&table, rest, forged);
    let Table { story, ended, states, .. } = table;
    let (buyer, seller) = story.into_iter().partition::<Vec<_>, _>(|it| it.side == Side::Buyer);
    let seen = |all: Vec<crate::table::Moment>| all.into_iter().map(|it| it.seen).collect();
    let (stuck, endless) = (rest == Rest::Stuck, rest == Rest::Endless);
    let (buyer, seller, states) = (seen(buyer), seen(seller), states.into_iter().collect());
    Ok(Deal { forged, end, buyer, seller, ended, stuck, endless, states, shop })
}

/// Who changes some of the messages of a side whose keys it holds, or of none.
struct Forger {
    rng: StdRng,
    forged: Option<Side>,
}

impl Courier for Forger {
    /// What a forger makes of a message: mostly the same, now and then another, signed well.
    fn carry(&mut self, to: &Part, from: Side, now: Timestamp, message: &[u8]) -> Vec<u8> {
        let item = Message::unverified(message).and_then(|it| it.container.item().cloned());
        let (true, Some(item)) = (self.forged == Some(from), item) else { return message.to_vec() };
        let item =
            if self.rng.random_range(0..100) < 35 { self.other(to, now, &item) } else { item };
        to.forge(item)
    }
}

impl Forger {
    fn other(&mut self, to: &Part, now: Timestamp, item: &Item) -> Item {
        match (statement(item), item) {
            (Some(statement), _) => {
                let content = self.changed(now, statement.content);
                to.sign_as_other(content).unwrap_or_else(|_| item.clone())
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
    fn changed(&mut self, now: Timestamp, content: Content) -> Content {
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
                        _ => offer.valid_until = now,
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
}

fn words(table: &Table<'_>, rest: Rest, forged: Option<Side>) -> String {
    let side = |index: usize| match &table.ended[index] {
        Some(Ended::Returned(Ok(()))) => format!("ends in “{}”", table.parts[index].flow()),
        Some(Ended::Returned(Err(_))) => "gives up".into(),
        Some(Ended::Stopped(stop)) => format!("is stopped ({})", stop.code()),
        None if rest == Rest::Endless => "goes on without end".into(),
        None if rest == Rest::Stuck => "waits for ever".into(),
        None => "waits".into(),
    };
    let by = forged.map_or(String::new(), |by| format!(" [a forger plays the {}]", by.name()));
    let [buyer, seller] = SIDES.map(|it| side(usize::from(it == Side::Seller)));
    format!("buyer {buyer}, seller {seller}{by}")
}
