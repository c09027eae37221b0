//! Mail-order: the seller's half of the terms of business.
//!
//! Answers queries from the catalogue, says whether and when a cart can be had, makes a signed
//! offer for reserved goods, exchanges the receipt for the payment, and ships.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use mail_order_language::{self as language, Article, Availability, Cart, Page, Query, kind};
use semper_guest::seller::*;

struct MailOrder;

semper_guest::export!(MailOrder);

/// Articles on one page.
const PAGE: u32 = 12;
const DAY_MS: u64 = 86_400_000;
/// How long after the end of an offer an order may still be under way.
const UNDER_WAY_MS: u64 = 600_000;

impl Guest for MailOrder {
    fn run() -> Result<(), String> {
        let mut wish = Wish::default();
        let mut cart = Cart::default();
        loop {
            let received = wish.receive();
            if let (Received::Information(_), Some(reason)) = (&received, wish.take()) {
                return withdraw(&reason);
            }
            match received {
                Received::Information((what, body)) => match what.as_str() {
                    kind::QUERY => answer_query(&language::decode(&body)?),
                    kind::CART => {
                        cart = language::decode(&body)?;
                        information::send(
                            kind::AVAILABILITY,
                            &language::encode(&availability(&cart)),
                        );
                    }
                    kind::OFFER_WANTED => return sell(&mut wish, &cart),
                    other => return Err(format!("the buyer sent “{other}”")),
                },
                // The flow lets nothing else through here but a withdrawal.
                Received::Statement(_) => return Ok(()),
                Received::Payment(_) => return Err("money came before an order".to_owned()),
            }
        }
    }
}

fn answer_query(query: &Query) {
    let mut what = catalogue::Query {
        words: query.words.clone(),
        category: query.category.clone(),
        size: query.size.clone(),
        colour: query.colour.clone(),
        most: None,
        offset: query.offset,
        limit: PAGE,
    };
    if let Some(units) = query.most {
        // A catalogue has one currency; any article shows which.
        let any = catalogue::search(&catalogue::Query { offset: 0, limit: 1, ..what.clone() }).0;
        let currency = any.first().map(|article| &*article.price.currency);
        what.most = currency.and_then(|currency| money::whole(units, currency));
    }
    let (found, total) = catalogue::search(&what);
    let articles = found.into_iter().map(shown).collect();
    information::send(kind::PAGE, &language::encode(&Page { articles, total }));
}

fn shown(article: catalogue::Article) -> Article {
    Article {
        variant: variant(&article),
        number: article.number,
        title: article.title,
        minor: article.price.minor,
        currency: article.price.currency,
        stock: article.stock,
        days: article.delivery_days,
    }
}

fn variant(article: &catalogue::Article) -> String {
    match (article.size.is_empty(), article.colour.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("({})", article.size),
        (true, false) => format!("({})", article.colour),
        (false, false) => format!("({}, {})", article.size, article.colour),
    }
}

fn availability(cart: &Cart) -> Availability {
    let mut answer = Availability::default();
    for line in &cart.lines {
        match catalogue::lookup(&line.article) {
            Some(article) if article.stock >= line.quantity => {
                answer.days = answer.days.max(article.delivery_days);
            }
            _ => answer.missing.push(line.article.clone()),
        }
    }
    answer
}

/// From the offer to the end.
fn sell(wish: &mut Wish, cart: &Cart) -> Result<(), String> {
    let offer = match make_offer(cart) {
        Ok(offer) => offer,
        Err(reason) => {
            fulfilment::release();
            return withdraw(&reason);
        }
    };
    let total = offer.total.clone();
    let days = offer.delivery_days;
    let ends = offer.valid_until + UNDER_WAY_MS;
    match consent::sign(&Content::Offer(offer)) {
        Ok(consent) => {
            statements::send(consent);
        }
        Err(reason) => {
            fulfilment::release();
            return withdraw(&reason);
        }
    }
    let order = match wish.receive_until(Some(ends)) {
        Next::Time => {
            fulfilment::release();
            return withdraw("the offer has ended");
        }
        Next::Message(Received::Statement(statement)) => statement,
        Next::Message(_) => return Err("something else came than an order".to_owned()),
    };
    let Content::Order(content) = order.content() else {
        // A withdrawal: the flow lets nothing else through.
        fulfilment::release();
        return Ok(());
    };
    finish(wish, &order.digest(), &content, &total, days)
}

/// Exchanges the receipt for the payment, then ships.
fn finish(
    wish: &mut Wish,
    order: &str,
    content: &Order,
    total: &Amount,
    days: u16,
) -> Result<(), String> {
    if let Err(reason) = exchange_receipt(order, total) {
        // Nothing was paid, so the buyer says why it leaves, or we do.
        fulfilment::release();
        return match wish.receive_until(Some(deal::now() + UNDER_WAY_MS)) {
            Next::Message(_) => Ok(()),
            Next::Time => withdraw(&reason),
        };
    }
    let to = &content.ship_to;
    let label = format!("{}\n{}\n{} {}\n{}", to.name, to.street, to.postcode, to.city, to.country);
    let parcel = fulfilment::ship(&label);
    let arrives_by = deal::now() + u64::from(days) * DAY_MS;
    let note = ShippingNote { order: order.to_owned(), parcel, arrives_by };
    sign_and_send(Content::ShippingNote(note))?;
    match wish.receive() {
        Received::Statement(_) => Ok(()),
        _ => Err("something else came than the completion".to_owned()),
    }
}

/// The receipt for the money: both, or neither.
fn exchange_receipt(order: &str, total: &Amount) -> Result<(), String> {
    // The host fills in what names the payment.
    let receipt =
        Receipt { order: order.to_owned(), payment: String::new(), amount: total.clone() };
    let gives = [exchange::Item::Statement(Content::Receipt(receipt))];
    let money = exchange::Money { amount: total.clone(), order: order.to_owned() };
    let said = |failure| match failure {
        exchange::Failure::Declined(why) | exchange::Failure::Undone(why) => why,
    };
    let answer = exchange::propose(&gives, &[exchange::Wanted::Money(money)]).map_err(said)?;
    exchange::conclude(answer).map(drop).map_err(said)
}

fn make_offer(cart: &Cart) -> Result<Offer, String> {
    let mut lines = Vec::new();
    let mut sum: Option<Amount> = None;
    let mut days = 0;
    for line in &cart.lines {
        let article = catalogue::lookup(&line.article)
            .ok_or_else(|| format!("article {} is no longer sold", line.article))?;
        if !fulfilment::reserve(&line.article, line.quantity) {
            return Err(format!("article {} has just been sold out", line.article));
        }
        let price = money::times(&article.price, line.quantity)?;
        sum = Some(match sum {
            Some(sum) => money::plus(&sum, &price)?,
            None => price,
        });
        days = days.max(article.delivery_days);
        lines.push(Line {
            article: article.number.clone(),
            title: article.title.clone(),
            variant: variant(&article),
            quantity: line.quantity,
            unit: article.price,
        });
    }
    let sum = sum.ok_or_else(|| "the cart is empty".to_owned())?;
    let delivery = delivery_cost(&sum);
    let hold = match deal::parameter("offer-days") {
        Some(deal::Value::Number(days)) => u64::try_from(days).unwrap_or(1),
        _ => 1,
    };
    Ok(Offer {
        number: format!("A-{}", deal::id().chars().skip(5).take(8).collect::<String>()),
        lines,
        total: money::plus(&sum, &delivery)?,
        delivery,
        delivery_days: days,
        valid_until: deal::now() + hold * DAY_MS,
        account: String::new(),
    })
}

/// What delivery costs by the terms: free from some sum on.
fn delivery_cost(sum: &Amount) -> Amount {
    let nothing = Amount { minor: 0, currency: sum.currency.clone() };
    if let Some(deal::Value::Money(from)) = deal::parameter("free-delivery-from")
        && from.currency == sum.currency
        && sum.minor >= from.minor
    {
        return nothing;
    }
    match deal::parameter("delivery-cost") {
        Some(deal::Value::Money(cost)) if cost.currency == sum.currency => cost,
        _ => nothing,
    }
}

fn withdraw(reason: &str) -> Result<(), String> {
    sign_and_send(Content::Withdrawal(reason.to_owned()))
}

fn sign_and_send(content: Content) -> Result<(), String> {
    let consent = consent::sign(&content).map_err(|no| format!("not signed: {no}"))?;
    statements::send(consent);
    Ok(())
}
