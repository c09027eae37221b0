//! Barter: the buyer's half. Gets a report for money, or for a page of her own, and nothing beside it:
//! neither side signs a receipt, so that each protocol for information can be tried in a deal.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use semper_guest::buyer::*;

struct Barter;

semper_guest::export!(Barter);

impl Guest for Barter {
    fn run() -> Result<(), String> {
        let mut wish = Wish::default();
        let Received::Statement(offered) = wish.receive() else {
            return Err("something else came than an offer".to_owned());
        };
        let Content::Offer(offer) = offered.content() else {
            return Err("another statement came than an offer".to_owned());
        };
        let menu = ["barter: the report for money", "barter: the report for a page"];
        let options: Vec<String> = menu.iter().map(|it| (*it).to_owned()).collect();
        let gives = match display::choose("trade", "What do you give for the report?", &options) {
            Ok(0) => {
                let ship_to = receiver();
                let order = Order { offer: offered.digest(), total: offer.total.clone(), ship_to };
                let Ok(consent) = consent::sign(&Content::Order(order)) else {
                    return withdraw("it is not ordered");
                };
                let order = statements::send(consent).digest();
                exchange::Item::Money(exchange::Money { amount: offer.total, order })
            }
            Ok(_) => {
                let body = b"A page of the buyer's own, for a report.".to_vec();
                exchange::Item::Information(exchange::Info { kind: "page".to_owned(), body })
            }
            Err(_) => return withdraw("the buyer has left"),
        };
        let wants = [exchange::Wanted::Information("report".to_owned())];
        let answer = match exchange::propose(&[gives], &wants) {
            Ok(answer) => answer,
            Err(failure) => return nothing(failure),
        };
        match exchange::conclude(answer) {
            Ok(received) => show(&received),
            Err(failure) => nothing(failure),
        }
    }
}

fn receiver() -> Address {
    let nothing = || "-".to_owned();
    Address {
        name: nothing(),
        street: nothing(),
        postcode: nothing(),
        city: nothing(),
        country: "ZZ".to_owned(),
    }
}

fn show(received: &[exchange::Received]) -> Result<(), String> {
    let Some(exchange::Received::Information((_, body))) = received.first() else {
        return Err("no report has come".to_owned());
    };
    display::inform("report", &String::from_utf8_lossy(body));
    Ok(())
}

fn nothing(failure: exchange::Failure) -> Result<(), String> {
    let (exchange::Failure::Declined(why) | exchange::Failure::Undone(why)) = failure;
    display::inform("exchange", &format!("Nothing was exchanged: {why}"));
    withdraw(&why)
}

fn withdraw(reason: &str) -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))
        .map_err(|no| format!("wanted to withdraw ({reason}), but: {no}"))?;
    statements::send(consent);
    Ok(())
}
