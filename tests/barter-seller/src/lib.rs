//! Barter: the seller's half. Gives a report for its price, or for a page of the buyer's.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use semper_guest::seller::*;

struct Barter;

semper_guest::export!(Barter);

const DAY_MS: u64 = 86_400_000;

impl Guest for Barter {
    fn run() -> Result<(), String> {
        let mut wish = Wish::default();
        let Ok(consent) = consent::sign(&Content::Offer(offer()?)) else {
            return withdraw("nothing is offered");
        };
        statements::send(consent);
        loop {
            let proposal = match wish.receive_proposal() {
                Proposed::Proposal(proposal) => proposal,
                // An order is followed by a proposal; a withdrawal ends the deal.
                Proposed::Message(Received::Statement(it)) => match it.content() {
                    Content::Order(_) => continue,
                    _ => return Ok(()),
                },
                Proposed::Message(_) => return Err("something else came".to_owned()),
            };
            let body = b"Report: what the seller knows.".to_vec();
            let report = exchange::Info { kind: "report".to_owned(), body };
            if exchange::accept(proposal, &[exchange::Item::Information(report)]).is_ok() {
                return Ok(());
            }
        }
    }
}

fn offer() -> Result<Offer, String> {
    let Some(deal::Value::Money(price)) = deal::parameter("price") else {
        return Err("the terms name no price".to_owned());
    };
    let line = Line {
        article: "report".to_owned(),
        title: "A report".to_owned(),
        variant: String::new(),
        quantity: 1,
        unit: price.clone(),
    };
    Ok(Offer {
        number: "B-1".to_owned(),
        lines: vec![line],
        delivery: Amount { minor: 0, currency: price.currency.clone() },
        total: price,
        delivery_days: 0,
        valid_until: deal::now() + DAY_MS,
        account: String::new(),
    })
}

fn withdraw(reason: &str) -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))
        .map_err(|no| format!("not signed: {no}"))?;
    statements::send(consent);
    Ok(())
}
