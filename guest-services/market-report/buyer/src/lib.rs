//! Market report: the buyer's half of the terms of business.
//!
//! Says what the report is to be about, orders it as it is offered, proposes to exchange the money
//! for the report and its receipt, and shows the report.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use semper_guest::buyer::*;

struct MarketReport;

semper_guest::export!(MarketReport);

/// Characters of a report that are shown; the whole of it is in the archive.
const SHOWN: usize = 1_500;

impl Guest for MarketReport {
    fn run() -> Result<(), String> {
        let mut wish = Wish::default();
        let menu = ["market-report: what there is of something, and at which prices", "leave"];
        let options: Vec<String> = menu.iter().map(|it| (*it).to_owned()).collect();
        if display::choose("report", "What would you like?", &options) != Ok(0) {
            return withdraw("the buyer has left");
        }
        let fields = [("subject".to_owned(), String::new())];
        let says = "What shall the report be about? A word or two, as in a search.";
        let Ok(filled) = display::form("subject", says, &fields) else {
            return withdraw("the buyer has left");
        };
        let subject = filled.first().cloned().unwrap_or_default();
        information::send("subject", subject.as_bytes());
        let Received::Statement(offered) = wish.receive() else {
            return Err("something else came than an offer".to_owned());
        };
        let offer = match offered.content() {
            Content::Offer(offer) => offer,
            Content::Withdrawal(reason) => {
                display::inform("withdrawn", &format!("There is no report: {reason}"));
                return Ok(());
            }
            _ => return Err("another statement came than an offer".to_owned()),
        };
        if let Some(reason) = wish.take() {
            return withdraw(&reason);
        }
        let order =
            Order { offer: offered.digest(), total: offer.total.clone(), ship_to: receiver() };
        match consent::sign(&Content::Order(order)) {
            Ok(consent) => buy(&offer.total, &statements::send(consent).digest()),
            Err(reason) => withdraw(&reason),
        }
    }
}

/// Whom the report is for: nothing is sent by mail.
fn receiver() -> Address {
    let known = |key: &str| preferences::get(key).unwrap_or_else(|| "-".to_owned());
    Address {
        name: known("name"),
        street: "by semper".to_owned(),
        postcode: "-".to_owned(),
        city: known("city"),
        // "ZZ" is kept free by ISO 3166: no country that anything is sent to.
        country: preferences::get("country").unwrap_or_else(|| "ZZ".to_owned()),
    }
}

/// The money for the report and its receipt: all of it, or nothing.
fn buy(total: &Amount, order: &str) -> Result<(), String> {
    let money = exchange::Money { amount: total.clone(), order: order.to_owned() };
    let wants = [
        exchange::Wanted::Information("report".to_owned()),
        exchange::Wanted::Statement("receipt".to_owned()),
    ];
    let answer = match exchange::propose(&[exchange::Item::Money(money)], &wants) {
        Ok(answer) => answer,
        Err(failure) => return nothing(failure),
    };
    let gives = answer.gives();
    let [exchange::Promised::Information(_), exchange::Promised::Statement(Content::Receipt(it))] =
        gives.as_slice()
    else {
        return Err("something else was promised than a report and a receipt".to_owned());
    };
    if it.order != order || it.amount.minor != total.minor {
        return withdraw("the receipt is not for this order");
    }
    match exchange::conclude(answer) {
        Ok(received) => show(&received),
        Err(failure) => nothing(failure),
    }
}

fn show(received: &[exchange::Received]) -> Result<(), String> {
    let Some(exchange::Received::Information((_, body))) = received.first() else {
        return Err("no report has come".to_owned());
    };
    let text = String::from_utf8_lossy(body);
    let start: String = text.chars().take(SHOWN).collect();
    display::inform("report", &start);
    Ok(())
}

fn nothing(failure: exchange::Failure) -> Result<(), String> {
    let (exchange::Failure::Declined(why) | exchange::Failure::Undone(why)) = failure;
    display::inform("payment", &format!("Nothing was paid: {why}"));
    withdraw(&format!("not paid: {why}"))
}

/// Leaves the deal, signed.
fn withdraw(reason: &str) -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))
        .map_err(|no| format!("wanted to withdraw ({reason}), but: {no}"))?;
    statements::send(consent);
    Ok(())
}
