//! What is unfair about a deal, judged by what the world saw of it.

use std::collections::BTreeSet;

use semper_base::Amount;
use semper_base::text::counted;
use semper_items::statement::{Binds, Content, Kind, Offer, Says};
use semper_items::{Item, Side, Statement};
use semper_runtime::flow::Violation;
use semper_runtime::stop::Cause;
use semper_stage::Seen;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use semper_trust::describe::Value;

use super::play::{Deal, statement};
use super::world;
use crate::bench::Bench;
use crate::table::Ended;

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;
/// Questions that a component may still ask somebody who has left.
const FAREWELL: usize = 2;
/// Words in the names of fields that no shop needs.
const SECRETS: [&str; 9] =
    ["password", "pin", "card", "iban", "birth", "phone", "income", "mother", "religion"];

/// Everything unfair that is looked for: its name, and what it means.
pub const FINDINGS: [(&str, &str); 23] = [
    ("changes-the-total", "it asks for an amount that is not the one agreed on"),
    ("pays-before-order", "it asks for money before there is an order"),
    ("over-ceiling", "it wants to pay more than is certified"),
    ("forbidden-step", "it tries what its flow does not enable"),
    ("over-limit", "it goes over a limit of the sandbox"),
    ("crashes", "it crashes"),
    ("asks-details-early", "it reads the person's details before there is an offer"),
    ("asks-needless-details", "it asks for what a deal does not need"),
    ("nags", "it asks again for what was declined"),
    ("ignores-leaving", "it goes on when the person leaves"),
    ("leaks-details", "it sends the person's details before an order"),
    ("other-goods", "it has the person order what was not chosen"),
    ("other-quantity", "it has the person order another quantity"),
    ("raises-the-price", "it has the person order at a higher price than the catalogue's"),
    ("hoards-goods", "it keeps goods reserved when nothing came of the deal"),
    ("hidden-fee", "it charges more than its terms say"),
    ("short-offer", "it is bound for a shorter time than its terms say"),
    ("never-ends", "the deal goes on without end"),
    ("stands-still", "both sides wait for ever"),
    ("withholds-the-receipt", "it takes the money and gives no receipt"),
    ("withholds-the-goods", "it takes the money and sends nothing"),
    ("leaves-with-the-money", "the seller leaves after it was paid"),
    ("late-delivery", "it delivers later than it offered"),
];

/// Something unfair.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub says: &'static str,
    /// What was seen.
    pub seen: String,
}

/// Judges a deal. Where a forger plays a side, only what the other side's component does is
/// held against the service.
pub fn judge(bench: &Bench, deal: &Deal) -> Vec<Finding> {
    let mut court = Court { bench, deal, found: Vec::new() };
    if deal.forged != Some(Side::Buyer) {
        court.buyer();
    }
    if deal.forged.is_none() {
        court.both();
    }
    if deal.forged != Some(Side::Seller) {
        court.seller();
    }
    court.found
}

struct Court<'a> {
    bench: &'a Bench,
    deal: &'a Deal,
    found: Vec<Finding>,
}

impl Court<'_> {
    fn find(&mut self, name: &'static str, seen: impl Into<String>) {
        let says = FINDINGS.iter().find(|row| row.0 == name).map_or("", |row| row.1);
        self.found.push(Finding { name, says, seen: seen.into() });
    }

    /// What the buyer's component does to its person.
    fn buyer(&mut self) {
        let seen = self.deal.buyer.clone();
        self.stopped(Side::Buyer);
        self.details(&seen);
        self.nagging(&seen);
        self.leaving(&seen);
        self.leaks(&seen);
        let chosen = chosen(&seen);
        for offer in accepted(&seen, &self.deal.seller, self.deal.forged.is_some()) {
            self.goods(&offer, &chosen);
        }
    }

    /// Steps that a host forbids.
    fn stopped(&mut self, side: Side) {
        let ended = &self.deal.ended[usize::from(side == Side::Seller)];
        let Some(Ended::Stopped(stop)) = ended else { return };
        let forged = self.deal.forged.is_some();
        let words = format!("{}: {stop}", side.name());
        let Some(verdict) = stop.verdict() else { return };
        match &verdict.cause {
            Cause::Flow(Violation::Amount { .. }) if !forged => {
                self.find("changes-the-total", words)
            }
            Cause::NotOrdered(_) => {
                self.find("pays-before-order", words);
            }
            Cause::Flow(Violation::NotEnabled { item, .. }) if item == "payment" && !forged => {
                self.find("pays-before-order", words);
            }
            Cause::Money(_) => self.find("over-ceiling", words),
            Cause::Flow(_) | Cause::PeerFlow(_) if !forged => {
                self.find("forbidden-step", words);
            }
            Cause::Limit { .. } | Cause::Stack(_) => {
                self.find("over-limit", words);
            }
            Cause::Trap(_) if !forged => self.find("crashes", words),
            _ => {}
        }
    }

    /// Details that are asked for early, and those that nobody needs.
    fn details(&mut self, seen: &[Seen]) {
        let mut received = 0;
        for it in seen {
            match it {
                Seen::Received(_) => received += 1,
                // Before an offer came, details are asked for nothing.
                Seen::Detail(key) if !offer_within(&self.deal.seller, received) => {
                    self.find("asks-details-early", format!("“{key}” is read"));
                    return;
                }
                Seen::Asked(Question::Form { fields, .. }, _) => {
                    for (name, _) in fields {
                        let low = name.to_lowercase();
                        if SECRETS.iter().any(|it| low.contains(it)) {
                            self.find("asks-needless-details", format!("a form asks for “{name}”"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The same consent asked again after a no.
    fn nagging(&mut self, seen: &[Seen]) {
        let mut declined: BTreeSet<Kind> = BTreeSet::new();
        for it in seen {
            let Seen::Consent(statement, said) = it else { continue };
            let kind = statement.content.kind();
            if declined.contains(&kind) && kind.says() != Says::Left {
                let seen = format!("the {} is asked for again after a no", kind.name());
                self.find("nags", seen);
                return;
            }
            if said.is_err() {
                declined.insert(kind);
            }
        }
    }

    /// Whoever leaves is let go.
    fn leaving(&mut self, seen: &[Seen]) {
        let left = |it: &Seen| {
            matches!(it, Seen::Leaving(_)) || matches!(it, Seen::Asked(_, Answer::Leave))
        };
        let Some(at) = seen.iter().position(left) else { return };
        let after = &seen[at + 1..];
        let questions = after.iter().filter(|it| {
            matches!(it, Seen::Asked(Question::Choose { .. } | Question::Form { .. }, _))
        });
        let count = questions.count();
        let binding = after.iter().find_map(|it| match it {
            Seen::Consent(statement, _) => {
                let kind = statement.content.kind();
                matches!(kind.binds(), Binds::Pay | Binds::Spend).then_some(kind)
            }
            _ => None,
        });
        if let Some(kind) = binding.filter(|_| matches!(seen[at], Seen::Asked(..))) {
            let seen = format!("the {} is asked for after the person left", kind.name());
            self.find("ignores-leaving", seen);
        } else if count > FAREWELL {
            let more = counted(count, "more question", "more questions");
            let seen = format!("{more} after the person left");
            self.find("ignores-leaving", seen);
        }
    }

    /// Details that leave before an order binds.
    fn leaks(&mut self, seen: &[Seen]) {
        let ordered =
            |it: &Seen| matches!(it, Seen::Consent(statement, Ok(())) if orders(statement));
        let before = seen.iter().take_while(|it| !ordered(it));
        let mut leaked = None;
        for it in before {
            let Seen::Sent(Item::Information { kind, body }) = it else { continue };
            let text = String::from_utf8_lossy(body);
            for (name, value) in world::details() {
                if value.len() > 3 && text.contains(value) {
                    leaked = Some(format!("“{kind}” carries the person's {name}"));
                }
            }
        }
        if let Some(seen) = leaked {
            self.find("leaks-details", seen);
        }
    }

    /// An offer that the person was asked to accept, against what the person chose.
    fn goods(&mut self, offer: &Offer, chosen: &Chosen) {
        for line in &offer.lines {
            let known = chosen.articles.iter().any(|it| it.contains(&line.article));
            if !known {
                self.find(
                    "other-goods",
                    format!("{} × {} was never chosen", line.quantity, line.article),
                );
            } else if !chosen.has(line.quantity) {
                self.find("other-quantity", format!("{} × {}", line.quantity, line.article));
            }
            let price = self.deal.shop.price(&line.article);
            if let Some(price) = price.filter(|it| known && line.unit.minor() > it.minor()) {
                self.find(
                    "raises-the-price",
                    format!("{} costs {price}, and {} is asked", line.article, line.unit),
                );
            }
        }
    }

    /// What the seller's component does.
    fn seller(&mut self) {
        self.stopped(Side::Seller);
        let offers: Vec<(Offer, u64)> = self
            .deal
            .seller
            .iter()
            .filter_map(|it| match it {
                Seen::Consent(statement, Ok(())) => match &statement.content {
                    Content::Offer(offer) => Some((offer.clone(), statement.made.millis())),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        for (offer, made) in &offers {
            self.fees(offer);
            self.term(offer, *made);
        }
        let ended = matches!(&self.deal.ended[1], Some(Ended::Returned(_)));
        let shelf = self.deal.shop.shelf();
        let paid = self.deal.payments().next().is_some();
        let held: u32 = shelf.reserved.values().sum();
        if ended && !paid && held > 0 && self.deal.forged.is_none() {
            let seen = counted(held, "article stays reserved", "articles stay reserved");
            self.find("hoards-goods", seen);
        }
    }

    /// Delivery beyond what the terms say.
    fn fees(&mut self, offer: &Offer) {
        let parameters = &self.bench.terms.terms().parameters;
        let Some(Value::Money(cost)) = parameters.get("delivery-cost") else { return };
        let goods: Option<Amount> = offer
            .lines
            .iter()
            .try_fold(None, |sum: Option<Amount>, line| {
                let price = line.unit.times(line.quantity).ok()?;
                Some(Some(match sum {
                    Some(sum) => sum.plus(price).ok()?,
                    None => price,
                }))
            })
            .flatten();
        let free = match (parameters.get("free-delivery-from"), goods) {
            (Some(Value::Money(from)), Some(goods)) => goods.minor() >= from.minor(),
            _ => false,
        };
        let most = if free { 0 } else { cost.minor() };
        if offer.delivery.minor() > most {
            let seen =
                format!("delivery costs {}, by the terms {most} minor units", offer.delivery);
            self.find("hidden-fee", seen);
        }
    }

    /// Offers that are bound for a shorter time than the terms promise.
    fn term(&mut self, offer: &Offer, made: u64) {
        let parameters = &self.bench.terms.terms().parameters;
        let Some(Value::Number(days)) = parameters.get("offer-days") else { return };
        let promised = made + u64::try_from(*days).unwrap_or(0) * DAY;
        if offer.valid_until.millis() + 60_000 < promised {
            let days = counted(*days, "day", "days");
            let seen = format!("bound until {}, promised for {days}", offer.valid_until);
            self.find("short-offer", seen);
        }
    }

    /// What happens between the two, when both are the service's own.
    fn both(&mut self) {
        let deal = self.deal;
        if deal.endless {
            self.find("never-ends", deal.end.clone());
        }
        let paid = deal.payments().next().is_some();
        if deal.stuck {
            let kind = if paid { "after the payment" } else { "before a payment" };
            self.find("stands-still", format!("{kind}: {}", deal.end));
        }
        let sent = |says: Says| {
            deal.seller.iter().any(|it| match it {
                Seen::Sent(item) => {
                    statement(item).is_some_and(|it| it.content.kind().says() == says)
                }
                _ => false,
            })
        };
        if paid && !sent(Says::Received) {
            self.find("withholds-the-receipt", &deal.end);
        }
        let over = deal.ended.iter().all(Option::is_some);
        // Information that was exchanged for the money is goods, too.
        let given = deal.seller.iter().any(|it| matches!(it, Seen::Given(_)));
        if paid && over && deal.shop.shelf().shipped == 0 && !given {
            self.find("withholds-the-goods", &deal.end);
        }
        if paid && sent(Says::Left) {
            self.find("leaves-with-the-money", &deal.end);
        }
        self.slow();
    }

    /// Goods that come later than was offered.
    fn slow(&mut self) {
        let days = self.deal.seller.iter().find_map(|it| match it {
            Seen::Consent(statement, Ok(())) => match &statement.content {
                Content::Offer(offer) => Some(offer.delivery_days),
                _ => None,
            },
            _ => None,
        });
        let note = self.deal.seller.iter().find_map(|it| match it {
            Seen::Consent(statement, Ok(())) => match &statement.content {
                Content::ShippingNote(note) => Some((statement.made, note.arrives_by)),
                _ => None,
            },
            _ => None,
        });
        if let (Some(days), Some((made, arrives))) = (days, note)
            && arrives.millis() > made.millis() + (u64::from(days) + 1) * DAY
        {
            let days = counted(days, "day", "days");
            let seen = format!("offered within {days}, announced for {arrives}");
            self.find("late-delivery", seen);
        }
    }
}

/// What a person chose and typed.
struct Chosen {
    articles: Vec<String>,
    quantities: BTreeSet<u32>,
}

impl Chosen {
    /// Whether this quantity was chosen; where none was asked for, one of it was meant.
    fn has(&self, quantity: u32) -> bool {
        self.quantities.contains(&quantity) || (self.quantities.is_empty() && quantity == 1)
    }
}

fn chosen(seen: &[Seen]) -> Chosen {
    let mut chosen = Chosen { articles: Vec::new(), quantities: BTreeSet::new() };
    for it in seen {
        match it {
            Seen::Asked(Question::Choose { options, .. }, Answer::Choice(index)) => {
                chosen.articles.extend(options.get(*index as usize).cloned());
            }
            Seen::Asked(Question::Form { fields, .. }, Answer::Fields(filled)) => {
                for ((name, _), text) in fields.iter().zip(filled) {
                    match name.as_str() {
                        "quantity" => chosen.quantities.extend(text.parse::<u32>()),
                        "article" => chosen.articles.push(text.clone()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    chosen
}

/// Offers whose acceptance the person was asked for: an order names its offer by digest, so an
/// order that was asked for without a forger is for the seller's last offer.
fn accepted(buyer: &[Seen], seller: &[Seen], forged: bool) -> Vec<Offer> {
    let ordered =
        buyer.iter().any(|it| matches!(it, Seen::Consent(statement, _) if orders(statement)));
    if !ordered || forged {
        return Vec::new();
    }
    let offers = seller.iter().filter_map(|it| match it {
        Seen::Sent(item) => match statement(item)?.content {
            Content::Offer(offer) => Some(offer),
            _ => None,
        },
        _ => None,
    });
    offers.reduce(|_, newer| newer).into_iter().collect()
}

/// Whether whoever signs it is bound to pay.
fn orders(statement: &Statement) -> bool {
    statement.content.kind().binds() == Binds::Pay
}

/// Whether whoever has signed it is bound to deliver.
fn offers(statement: &Statement) -> bool {
    statement.content.kind().binds() == Binds::Deliver
}

fn is_offer(seen: &Seen) -> bool {
    matches!(seen, Seen::Sent(item) if statement(item).is_some_and(|it| offers(&it)))
}

/// Whether an offer is among the first messages of the seller.
fn offer_within(seller: &[Seen], first: usize) -> bool {
    let sent = seller.iter().filter(|it| matches!(it, Seen::Sent(_)));
    sent.take(first).any(is_offer)
}
