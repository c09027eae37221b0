//! Market report: the seller's half of the terms of business.
//!
//! Offers a report about what the buyer names, and gives it, with its receipt, for the money.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use semper_guest::seller::*;

struct MarketReport;

semper_guest::export!(MarketReport);

/// Articles that a report lists.
const LISTED: u32 = 500;
/// Articles asked for at once.
const PAGE: u32 = 50;
const DAY_MS: u64 = 86_400_000;

impl Guest for MarketReport {
    fn run() -> Result<(), String> {
        let mut wish = Wish::default();
        let subject = match wish.receive() {
            Received::Information((_, body)) => {
                String::from_utf8(body).map_err(|_| "the subject is no text".to_owned())?
            }
            // The flow lets nothing else through here but a withdrawal.
            _ => return Ok(()),
        };
        let (first, total) = catalogue::search(&query(&subject, 0));
        if first.is_empty() {
            return withdraw("there is nothing to report about that");
        }
        let (offer, ends) = offer(&subject, total)?;
        let price = offer.total.clone();
        let consent = match consent::sign(&Content::Offer(offer)) {
            Ok(consent) => consent,
            Err(reason) => return withdraw(&reason),
        };
        statements::send(consent);
        let ordered = match wish.receive_until(Some(ends)) {
            Next::Time => return withdraw("the offer has ended"),
            Next::Message(Received::Statement(statement)) => statement,
            Next::Message(_) => return Err("something else came than an order".to_owned()),
        };
        let Content::Order(_) = ordered.content() else { return Ok(()) };
        sell(&mut wish, &subject, &ordered.digest(), &price)
    }
}

fn query(words: &str, offset: u32) -> catalogue::Query {
    catalogue::Query {
        words: words.to_owned(),
        category: String::new(),
        size: String::new(),
        colour: String::new(),
        most: None,
        offset,
        limit: PAGE,
    }
}

fn offer(subject: &str, total: u32) -> Result<(Offer, u64), String> {
    let Some(deal::Value::Money(price)) = deal::parameter("price") else {
        return Err("the terms name no price".to_owned());
    };
    let days = match deal::parameter("offer-days") {
        Some(deal::Value::Number(days)) => u64::try_from(days).unwrap_or(1),
        _ => 1,
    };
    let subject: String = subject.chars().take(60).collect();
    let line = Line {
        article: "market-report".to_owned(),
        title: format!("Market report on “{subject}”: {} articles", total.min(LISTED)),
        variant: String::new(),
        quantity: 1,
        unit: price.clone(),
    };
    let ends = deal::now() + days * DAY_MS;
    let offer = Offer {
        number: format!("R-{}", deal::id().chars().skip(5).take(8).collect::<String>()),
        lines: vec![line],
        delivery: Amount { minor: 0, currency: price.currency.clone() },
        total: price,
        delivery_days: 0,
        valid_until: ends,
        account: String::new(),
    };
    Ok((offer, ends))
}

/// The report and its receipt for the money: all of it, or nothing.
fn sell(wish: &mut Wish, subject: &str, order: &str, price: &Amount) -> Result<(), String> {
    let proposal = match wish.receive_proposal() {
        Proposed::Proposal(proposal) => proposal,
        // What is not paid may be withdrawn.
        Proposed::Message(_) => return Ok(()),
    };
    let gives = proposal.gives();
    let [exchange::Promised::Money(money)] = gives.as_slice() else {
        return Err("something else was proposed than money".to_owned());
    };
    if money.order != order || money.amount.minor != price.minor {
        return Err("the money is not for this order".to_owned());
    }
    // The host fills in what names the payment.
    let receipt =
        Receipt { order: order.to_owned(), payment: String::new(), amount: price.clone() };
    let body = report(subject).into_bytes();
    let items = [
        exchange::Item::Information(exchange::Info { kind: "report".to_owned(), body }),
        exchange::Item::Statement(Content::Receipt(receipt)),
    ];
    match exchange::accept(proposal, &items) {
        Ok(_) => Ok(()),
        // Nothing was given; the buyer says why it leaves.
        Err(_) => match wish.receive() {
            Received::Statement(_) => Ok(()),
            _ => Err("something else came than a withdrawal".to_owned()),
        },
    }
}

/// What there is of it, at which prices.
fn report(subject: &str) -> String {
    let mut lines = Vec::new();
    let mut prices = Vec::new();
    let mut stock = 0_u64;
    let mut offset = 0;
    loop {
        let (found, total) = catalogue::search(&query(subject, offset));
        offset += found.len() as u32;
        for it in &found {
            prices.push(it.price.minor);
            stock += u64::from(it.stock);
            let price = money::text(&it.price);
            lines.push(format!("{};{};{};{}", it.number, it.title, price, it.stock));
        }
        if found.is_empty() || offset >= total.min(LISTED) {
            break;
        }
    }
    prices.sort_unstable();
    let at = |index: usize| prices.get(index).copied().unwrap_or_default();
    let summary = format!(
        "{} articles, {stock} pieces in stock; lowest price {}, median {}, highest {} minor units",
        lines.len(),
        at(0),
        at(prices.len() / 2),
        at(prices.len().saturating_sub(1))
    );
    format!(
        "Market report on “{subject}”\n{summary}\n\nnumber;title;price;stock\n{}\n",
        lines.join("\n")
    )
}

fn withdraw(reason: &str) -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))
        .map_err(|no| format!("not signed: {no}"))?;
    statements::send(consent);
    Ok(())
}
