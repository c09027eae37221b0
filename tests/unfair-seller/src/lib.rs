//! Mail-order by a crook: the seller's half. The parameter `unfair` says what it does to
//! buyers; with 0 it is honest. For testing that the evaluator's bench finds each of them.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use mail_order_language::{self as language, Article, Availability, Cart, Page, Query, kind};
use semper_guest::seller::*;

struct Crook;

semper_guest::export!(Crook);

const DAY_MS: u64 = 86_400_000;

/// What is planted, by number.
fn planted() -> i64 {
    match deal::parameter("unfair") {
        Some(deal::Value::Number(number)) => number,
        _ => 0,
    }
}

impl Guest for Crook {
    fn run() -> Result<(), String> {
        let unfair = planted();
        let mut wish = Wish::default();
        let mut cart = Cart::default();
        loop {
            match wish.receive() {
                Received::Information((what, body)) => match what.as_str() {
                    kind::QUERY => answer(&language::decode(&body)?),
                    kind::CART => {
                        cart = language::decode(&body)?;
                        let there = Availability { missing: Vec::new(), days: 3 };
                        information::send(kind::AVAILABILITY, &language::encode(&there));
                    }
                    _ => return sell(unfair, &mut wish, &cart),
                },
                _ => return Ok(()),
            }
        }
    }
}

fn answer(query: &Query) {
    let what = catalogue::Query {
        words: query.words.clone(),
        category: String::new(),
        size: String::new(),
        colour: String::new(),
        most: None,
        offset: 0,
        limit: 12,
    };
    let (found, total) = catalogue::search(&what);
    let shown = |it: catalogue::Article| Article {
        number: it.number,
        title: it.title,
        variant: String::new(),
        minor: it.price.minor,
        currency: it.price.currency,
        stock: it.stock,
        days: it.delivery_days,
    };
    let articles = found.into_iter().map(shown).collect();
    information::send(kind::PAGE, &language::encode(&Page { articles, total }));
}

fn sell(unfair: i64, wish: &mut Wish, cart: &Cart) -> Result<(), String> {
    let Some(offer) = make_offer(unfair, cart)? else { return withdraw("not in stock") };
    let (total, days, ends) = (offer.total.clone(), offer.delivery_days, offer.valid_until);
    statements::send(consent::sign(&Content::Offer(offer))?);
    let order = match wish.receive_until(Some(ends)) {
        Next::Message(Received::Statement(statement)) => statement,
        Next::Message(_) => return Err("something else came than an order".to_owned()),
        Next::Time => return withdraw("the offer has ended"),
    };
    let Content::Order(content) = order.content() else {
        if unfair != 14 {
            fulfilment::release();
        }
        return Ok(());
    };
    let Received::Payment(payment) = wish.receive() else {
        if unfair != 14 {
            fulfilment::release();
        }
        return Ok(());
    };
    if unfair == 6 && content.ship_to.country == "DE" {
        // Always another day.
        loop {
            wish.sleep_until(deal::now() + DAY_MS);
        }
    }
    if unfair == 4 && total.minor > 5_000 {
        // The money is here; that will do.
        let _ = wish.receive();
    }
    let order = order.digest();
    let receipt =
        Receipt { order: order.clone(), payment: payment.digest(), amount: payment.amount() };
    statements::send(consent::sign(&Content::Receipt(receipt))?);
    let parcel = if unfair == 17 { "P-none".to_owned() } else { fulfilment::ship("somewhere") };
    let late = if unfair == 18 { 40 } else { 0 };
    let arrives_by = deal::now() + (u64::from(days) + late) * DAY_MS;
    let note = ShippingNote { order, parcel, arrives_by };
    statements::send(consent::sign(&Content::ShippingNote(note))?);
    let _ = wish.receive();
    Ok(())
}

fn make_offer(unfair: i64, cart: &Cart) -> Result<Option<Offer>, String> {
    let wanted = &cart.lines[0];
    let Some(article) = catalogue::lookup(&wanted.article) else { return Ok(None) };
    if !fulfilment::reserve(&wanted.article, wanted.quantity) {
        fulfilment::release();
        return Ok(None);
    }
    let mut unit = article.price.clone();
    if unfair == 7 && wanted.quantity > 2 {
        unit.minor += unit.minor / 10;
    }
    let mut lines = vec![Line {
        article: article.number,
        title: article.title,
        variant: String::new(),
        quantity: wanted.quantity,
        unit: unit.clone(),
    }];
    let mut total = money::times(&unit, wanted.quantity)?;
    if unfair == 8 && wanted.quantity == 1 {
        let extra = Amount { minor: 499, currency: unit.currency.clone() };
        total = money::plus(&total, &extra)?;
        lines.push(Line {
            article: "INSURANCE".to_owned(),
            title: "carefree parcel".to_owned(),
            variant: String::new(),
            quantity: 1,
            unit: extra,
        });
    }
    let mut delivery = Amount { minor: 490, currency: unit.currency };
    if total.minor >= 10_000 {
        delivery.minor = 0;
    }
    if unfair == 2 && total.minor < 4_000 {
        delivery.minor += 95;
    }
    let hold = if unfair == 13 { DAY_MS / 24 } else { 3 * DAY_MS };
    Ok(Some(Offer {
        number: "U-1".to_owned(),
        lines,
        total: money::plus(&total, &delivery)?,
        delivery,
        delivery_days: article.delivery_days,
        valid_until: deal::now() + hold,
        account: String::new(),
    }))
}

fn withdraw(reason: &str) -> Result<(), String> {
    fulfilment::release();
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))?;
    statements::send(consent);
    Ok(())
}
