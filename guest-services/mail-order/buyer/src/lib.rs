//! Mail-order: the buyer's half of the terms of business.
//!
//! Browse and search, fill a cart, ask whether and when it can be had, get a signed offer,
//! order with the person's consent, exchange the payment for the receipt, and wait for the goods.
#![no_std]
// The bindings' export glue is generated unsafe code.
#![allow(unsafe_code)]

extern crate alloc;

use mail_order_language::{
    self as language, Article, Availability, Cart, CartLine, Page, Query, kind,
};
use semper_guest::buyer::*;

struct MailOrder;

semper_guest::export!(MailOrder);

/// What is in the cart, with what the person was shown.
struct Chosen {
    article: Article,
    quantity: u32,
}

impl Guest for MailOrder {
    fn run() -> Result<(), String> {
        let mut wish = Wish::default();
        let mut cart: Vec<Chosen> = Vec::new();
        loop {
            match shop(&mut wish, &mut cart)? {
                Step::Leave(reason) => return withdraw(&reason),
                Step::Order => {}
            }
            if !is_available(&mut wish, &cart)? {
                cart.clear();
                continue;
            }
            if let Some(reason) = wish.take() {
                return withdraw(&reason);
            }
            return buy(&mut wish, &cart);
        }
    }
}

enum Step {
    Order,
    Leave(String),
}

/// Leaving at a question: with the reason that the person has given, if she has given one.
fn leave(wish: &mut Wish) -> Step {
    Step::Leave(reason_to_leave(wish))
}

fn reason_to_leave(wish: &mut Wish) -> String {
    wish.hear();
    wish.take().unwrap_or_else(|| "the buyer has left".to_owned())
}

/// Browsing until the person wants to order or to leave.
fn shop(wish: &mut Wish, cart: &mut Vec<Chosen>) -> Result<Step, String> {
    loop {
        if let Some(reason) = wish.take() {
            return Ok(Step::Leave(reason));
        }
        let Some(query) = ask_query()? else { return Ok(leave(wish)) };
        let Some(article) = pick(wish, query)? else { continue };
        let Some(quantity) = ask_quantity(&article)? else { continue };
        cart.push(Chosen { article, quantity });
        let says = format!("Your cart:\n{}", describe(cart));
        let options = ["order now", "search for more", "empty the cart", "leave the shop"];
        match choose("cart", &says, &options) {
            Some(0) => return Ok(Step::Order),
            Some(1) => {}
            Some(2) => cart.clear(),
            _ => return Ok(leave(wish)),
        }
    }
}

/// The search form, asked until it can be understood; `None` when the person leaves.
fn ask_query() -> Result<Option<Query>, String> {
    let names = ["words", "category", "size", "colour", "at most"];
    let mut fields: Vec<_> = names.iter().map(|name| (name.to_string(), String::new())).collect();
    let mut says = "What are you looking for?";
    loop {
        let Ok(filled) = display::form("search", says, &fields) else {
            return Ok(None);
        };
        let [words, category, size, colour, most] = filled.as_slice() else {
            return Err("the form came back with other fields".to_owned());
        };
        let query = Query {
            words: words.clone(),
            category: category.clone(),
            size: size.clone(),
            colour: colour.clone(),
            most: most.trim().parse::<i64>().ok().filter(|units| *units > 0),
            offset: 0,
        };
        if most.trim().is_empty() || query.most.is_some() {
            return Ok(Some(query));
        }
        says = "“at most” takes a whole number, such as 50. What are you looking for?";
        for (field, value) in fields.iter_mut().zip(&filled) {
            field.1.clone_from(value);
        }
    }
}

/// Shows results page by page; the article picked, or `None` to search again.
fn pick(wish: &mut Wish, mut query: Query) -> Result<Option<Article>, String> {
    loop {
        information::send(kind::QUERY, &language::encode(&query));
        let page: Page = expect_information(wish, kind::PAGE)?;
        // Whoever wants to leave is asked nothing more.
        if wish.is_there() {
            return Ok(None);
        }
        if page.articles.is_empty() {
            display::inform("nothing", "Nothing in the catalogue matches.");
            return Ok(None);
        }
        let mut options: Vec<String> = page.articles.iter().map(label).collect();
        let shown = query.offset.saturating_add(page.articles.len() as u32);
        let more = shown < page.total;
        options.push(if more { "show more" } else { "search again" }.to_owned());
        let says = format!("{} of {} articles", shown, page.total);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        match choose("article", &says, &options) {
            Some(index) if (index as usize) < page.articles.len() => {
                return Ok(page.articles.into_iter().nth(index as usize));
            }
            Some(_) if more => query.offset = shown,
            _ => return Ok(None),
        }
    }
}

fn ask_quantity(article: &Article) -> Result<Option<u32>, String> {
    let asks = format!("How many of “{}”?", article.title);
    let mut fields = [("quantity".to_owned(), "1".to_owned())];
    let mut says = asks.clone();
    loop {
        let Ok(filled) = display::form("quantity", &says, &fields) else { return Ok(None) };
        let [typed] = filled.as_slice() else {
            return Err("the form came back with other fields".to_owned());
        };
        match typed.trim().parse::<u32>() {
            Ok(quantity) if (1..=10_000).contains(&quantity) => return Ok(Some(quantity)),
            _ => says = format!("It takes a whole number from 1 to 10,000. {asks}"),
        }
        fields[0].1.clone_from(typed);
    }
}

/// Asks the merchant whether and when the cart can be had, and the person whether that suits.
fn is_available(wish: &mut Wish, cart: &[Chosen]) -> Result<bool, String> {
    let lines = cart
        .iter()
        .map(|it| CartLine { article: it.article.number.clone(), quantity: it.quantity })
        .collect();
    information::send(kind::CART, &language::encode(&Cart { lines }));
    let answer: Availability = expect_information(wish, kind::AVAILABILITY)?;
    if wish.is_there() {
        return Ok(true);
    }
    if !answer.missing.is_empty() {
        let says = format!("Not in stock in that quantity: {}", answer.missing.join(", "));
        display::inform("missing", &says);
        return Ok(false);
    }
    let says = format!("Everything can be with you within {}.", days(answer.days));
    Ok(choose("availability", &says, &["ask for an offer", "shop on"]) == Some(0))
}

/// From the signed offer to the end.
fn buy(wish: &mut Wish, cart: &[Chosen]) -> Result<(), String> {
    information::send(kind::OFFER_WANTED, &[]);
    let offered = expect_statement(wish)?;
    let offer = match offered.content() {
        Content::Offer(offer) => offer,
        Content::Withdrawal(reason) => {
            display::inform("withdrawn", &format!("The merchant makes no offer: {reason}"));
            return Ok(());
        }
        _ => return Err("the merchant sent another statement than an offer".to_owned()),
    };
    if let Some(reason) = wish.take() {
        return withdraw(&reason);
    }
    if !same(cart, &offer) {
        return withdraw("the offer is not what was asked for");
    }
    display::progress("a signed offer has come");
    let Some(ship_to) = ask_address()? else { return withdraw(&reason_to_leave(wish)) };
    let order = Order { offer: offered.digest(), total: offer.total.clone(), ship_to };
    let order = match consent::sign(&Content::Order(order)) {
        // The person may have thought about it for days.
        Ok(_) if deal::now() > offer.valid_until => return withdraw("the offer has ended"),
        Ok(consent) => statements::send(consent),
        Err(reason) => return withdraw(&reason),
    };
    display::progress("ordered; payment and receipt are exchanged next");
    pay(wish, &offer.total, &order.digest())
}

/// Exchanges the payment for the receipt, as the merchant proposes it, then waits for the goods.
fn pay(wish: &mut Wish, total: &Amount, order: &str) -> Result<(), String> {
    let proposal = match wish.receive_proposal() {
        Proposed::Proposal(proposal) => proposal,
        Proposed::Message(Received::Statement(statement)) => {
            // The offer had ended before the order came.
            if let Content::Withdrawal(reason) = statement.content() {
                display::inform("withdrawn", &format!("The merchant has left: {reason}"));
                return Ok(());
            }
            return Err("another statement came than a withdrawal".to_owned());
        }
        Proposed::Message(_) => return Err("something else came than a proposal".to_owned()),
    };
    if let Some(reason) = wish.take() {
        exchange::decline(proposal, &reason);
        return withdraw(&reason);
    }
    if !is_receipt(&proposal.gives(), total, order) {
        exchange::decline(proposal, "the receipt is not for this order");
        return withdraw("the merchant's receipt was not for this order");
    }
    let money = exchange::Money { amount: total.clone(), order: order.to_owned() };
    match exchange::accept(proposal, &[exchange::Item::Money(money)]) {
        Ok(_) => {}
        Err(exchange::Failure::Declined(why) | exchange::Failure::Undone(why)) => {
            display::inform("payment", &format!("Nothing was paid: {why}"));
            return withdraw(&format!("not paid: {why}"));
        }
    }
    display::progress("paid, and the receipt is here; waiting for the goods to be sent");
    match expect_statement(wish)?.content() {
        Content::ShippingNote(note) if note.order == order => {
            display::inform("shipped", &format!("On its way: parcel {}", note.parcel));
        }
        _ => return Err("the shipping note is not for this order".to_owned()),
    }
    let done = consent::sign(&Content::Completion(order.to_owned()))
        .map_err(|reason| format!("the deal was not completed: {reason}"))?;
    statements::send(done);
    Ok(())
}

/// Whether what is proposed is a receipt for this order and nothing else.
fn is_receipt(gives: &[exchange::Promised], total: &Amount, order: &str) -> bool {
    match gives {
        [exchange::Promised::Statement(Content::Receipt(receipt))] => {
            receipt.order == order && same_amount(&receipt.amount, total)
        }
        _ => false,
    }
}

/// The order form, with what the person tells merchants by default, asked until an order can be made
/// of it; `None` when the person leaves.
fn ask_address() -> Result<Option<Address>, String> {
    let names = ["name", "street", "postcode", "city", "country"];
    let mut fields: Vec<(String, String)> = names
        .iter()
        .map(|name| ((*name).to_owned(), preferences::get(name).unwrap_or_default()))
        .collect();
    let asks = "Where shall it go?";
    let mut says = asks.to_owned();
    loop {
        let Ok(filled) = display::form("address", &says, &fields) else {
            return Ok(None);
        };
        let [name, street, postcode, city, country] = filled.as_slice() else {
            return Err("the form came back with other fields".to_owned());
        };
        let line = |text: &String| text.trim().to_owned();
        let address = Address {
            name: line(name),
            street: line(street),
            postcode: line(postcode),
            city: line(city),
            country: line(country).to_ascii_uppercase(),
        };
        match fault(&address) {
            None => return Ok(Some(address)),
            Some(fault) => says = format!("{fault} {asks}"),
        }
        for (field, value) in fields.iter_mut().zip(filled) {
            field.1 = value;
        }
    }
}

/// What keeps an order from being made of an address, in one sentence.
fn fault(address: &Address) -> Option<String> {
    let Address { name, street, postcode, city, country } = address;
    let lines = [("name", name), ("street", street), ("postcode", postcode), ("city", city)];
    for (what, line) in lines {
        if line.is_empty() {
            return Some(format!("The {what} is missing."));
        }
        if line.chars().count() > LONGEST {
            return Some(format!("The {what} is longer than {LONGEST} letters."));
        }
        if line.chars().any(char::is_control) {
            return Some(format!("The {what} holds letters that cannot be read."));
        }
    }
    let code = country.len() == 2 && country.bytes().all(|it| it.is_ascii_uppercase());
    (!code).then(|| "The country takes its two letters, such as DE for Germany.".to_owned())
}

/// Longest line of an address, in letters.
const LONGEST: usize = 200;

/// Whether the offer is for the articles, quantities and prices that the person chose.
fn same(cart: &[Chosen], offer: &Offer) -> bool {
    offer.lines.len() == cart.len()
        && cart.iter().zip(&offer.lines).all(|(chosen, line)| {
            line.article == chosen.article.number
                && line.quantity == chosen.quantity
                && line.unit.minor <= chosen.article.minor
                && line.unit.currency == chosen.article.currency
        })
}

fn same_amount(a: &Amount, b: &Amount) -> bool {
    a.minor == b.minor && a.currency == b.currency
}

/// Leaves the deal, signed.
fn withdraw(reason: &str) -> Result<(), String> {
    let consent = consent::sign(&Content::Withdrawal(reason.to_owned()))
        .map_err(|no| format!("wanted to withdraw ({reason}), but: {no}"))?;
    statements::send(consent);
    Ok(())
}

fn choose(topic: &str, says: &str, options: &[&str]) -> Option<u32> {
    let options: Vec<String> = options.iter().map(|it| (*it).to_owned()).collect();
    display::choose(topic, says, &options).ok()
}

fn expect_information<T>(wish: &mut Wish, kind: &str) -> Result<T, String>
where
    T: for<'b> language::Readable<'b>,
{
    match wish.receive() {
        Received::Information((got, body)) if got == kind => language::decode(&body),
        Received::Statement(statement) => match statement.content() {
            Content::Withdrawal(reason) => Err(format!("the merchant has left: {reason}")),
            _ => Err("a statement came where an answer was due".to_owned()),
        },
        _ => Err("something else came than an answer".to_owned()),
    }
}

fn expect_statement(wish: &mut Wish) -> Result<Statement, String> {
    match wish.receive() {
        Received::Statement(statement) => Ok(statement),
        _ => Err("something else came than a statement".to_owned()),
    }
}

fn label(article: &Article) -> String {
    let price = Amount { minor: article.minor, currency: article.currency.clone() };
    let variant = if article.variant.is_empty() { "" } else { " " };
    format!(
        "{} · {}{variant}{} · {} · {} in stock, {}",
        article.number,
        article.title,
        article.variant,
        money::text(&price),
        article.stock,
        days(article.days)
    )
}

fn days(number: u16) -> String {
    if number == 1 { "1 day".to_owned() } else { format!("{number} days") }
}

fn describe(cart: &[Chosen]) -> String {
    let lines: Vec<String> =
        cart.iter().map(|it| format!("  {} × {}", it.quantity, label(&it.article))).collect();
    lines.join("\n")
}
