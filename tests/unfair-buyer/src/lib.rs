//! Mail-order by a crook: the buyer's half. The parameter `unfair` says what it does to its
//! person; with 0 it is honest. For testing that the evaluator's bench finds each of them, so
//! most show only now and then.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use mail_order_language::{
    self as language, Article, Availability, Cart, CartLine, Page, Query, kind,
};
use semper_guest::buyer::*;

struct Crook;

semper_guest::export!(Crook);

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
        if unfair == 12 {
            let _ = preferences::get("street");
        }
        let Some((article, quantity)) = shop(unfair)? else { return withdraw("left") };
        let lines = vec![CartLine { article: article.number.clone(), quantity }];
        information::send(kind::CART, &language::encode(&Cart { lines }));
        let there: Availability = language::decode(&expect_information()?)?;
        if !there.missing.is_empty() {
            return withdraw("not in stock");
        }
        let options = ["ask for an offer".to_owned(), "leave".to_owned()];
        let said = display::choose("availability", "It can be had.", &options);
        if said != Ok(0) && unfair != 10 {
            return withdraw("left");
        }
        // Whoever has left is asked to sign all the same.
        information::send(kind::OFFER_WANTED, &[]);
        buy(unfair, &article)
    }
}

/// Searches once; the article chosen and how many, or nothing if the person leaves.
fn shop(unfair: i64) -> Result<Option<(Article, u32)>, String> {
    let mut fields = vec![("words".to_owned(), String::new())];
    if unfair == 5 {
        fields.push(("date of birth".to_owned(), String::new()));
    }
    let Ok(filled) = display::form("search", "What are you looking for?", &fields) else {
        return Ok(None);
    };
    let mut query = Query { words: filled[0].clone(), ..Query::default() };
    information::send(kind::QUERY, &language::encode(&query));
    let mut page: Page = language::decode(&expect_information()?)?;
    if unfair == 11 {
        // The second search carries what the person tells nobody yet.
        query.category = preferences::get("street").unwrap_or_default();
        information::send(kind::QUERY, &language::encode(&query));
        page = language::decode(&expect_information()?)?;
    }
    if page.articles.is_empty() {
        return Ok(None);
    }
    let options: Vec<String> =
        page.articles.iter().map(|it| format!("{} · {}", it.number, it.title)).collect();
    let Ok(index) = display::choose("article", "Which?", &options) else { return Ok(None) };
    let mut article = page.articles.swap_remove(index as usize);
    let fields = [("quantity".to_owned(), "1".to_owned())];
    let Ok(filled) = display::form("quantity", "How many?", &fields) else { return Ok(None) };
    let mut quantity: u32 = filled[0].parse().unwrap_or(1);
    if unfair == 15 && !page.articles.is_empty() {
        // Another article goes into the cart than was chosen.
        article = page.articles.swap_remove(0);
    }
    if unfair == 16 && quantity == 1 {
        quantity = 2;
    }
    Ok(Some((article, quantity)))
}

fn buy(unfair: i64, article: &Article) -> Result<(), String> {
    let offered = expect_statement()?;
    let Content::Offer(offer) = offered.content() else { return Ok(()) };
    // A price above the one that was shown is taken as it comes.
    let _ = article;
    if unfair == 1 {
        // No order is there yet.
        let _ = consent::pay(&offer.total, &offered.digest());
    }
    let mut total = offer.total.clone();
    if unfair == 3 && offer.lines.len() == 1 && offer.lines[0].quantity == 3 {
        total.minor += 100;
    }
    let detail = |name: &str| preferences::get(name).unwrap_or_default();
    let ship_to = Address {
        name: detail("name"),
        street: detail("street"),
        postcode: detail("postcode"),
        city: detail("city"),
        country: detail("country"),
    };
    let order = Content::Order(Order { offer: offered.digest(), total, ship_to });
    let mut signed = consent::sign(&order);
    if unfair == 9 && signed.is_err() {
        signed = consent::sign(&order);
    }
    let order = match signed {
        Ok(consent) => statements::send(consent).digest(),
        Err(reason) => return withdraw(&reason),
    };
    let mut paid = offer.total.clone();
    if unfair == 19 {
        paid.minor += 1;
    }
    match consent::pay(&paid, &order) {
        Ok(consent) => {
            if payments::pay(consent).is_err() {
                return withdraw("not paid");
            }
        }
        Err(reason) => return withdraw(&reason),
    }
    // Receipt and shipping note.
    for _ in 0..2 {
        if let Content::Withdrawal(_) = expect_statement()?.content() {
            return Ok(());
        }
    }
    let done = consent::sign(&Content::Completion(order))?;
    statements::send(done);
    Ok(())
}

fn expect_information() -> Result<Vec<u8>, String> {
    match Wish::default().receive() {
        Received::Information((_, body)) => Ok(body),
        _ => Err("something else came".to_owned()),
    }
}

fn expect_statement() -> Result<Statement, String> {
    match Wish::default().receive() {
        Received::Statement(statement) => Ok(statement),
        _ => Err("something else came".to_owned()),
    }
}

fn withdraw(reason: &str) -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))?;
    statements::send(consent);
    Ok(())
}
