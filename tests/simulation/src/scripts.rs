//! What the two components of mail-order do, call by call.

use semper_base::{Amount, Currency, Digest, Timestamp, cbor};
use semper_items::statement::{
    Address, Completion, Content, Line, Offer, Order, Receipt, ShippingNote,
};
use semper_items::{Item, Statement};
use semper_ledger::Movement;
use semper_runtime::Stop;
use semper_runtime::flow::Moving;

use crate::party::Run;

/// What is paid, in minor units.
pub const PRICE: i64 = 1_999;
/// How long an offer binds: longer than all jumps of a clock together.
const BOUND_MS: u64 = 400 * 86_400_000;

fn price() -> Amount {
    Amount::new(PRICE, Currency::EUR)
}

fn statement(run: &mut Run<'_>, content: Content) -> Result<Statement, Stop> {
    Ok(Statement { deal: run.deal().id, made: run.now()?, content })
}

fn received(item: &Item) -> (Statement, Digest) {
    let Item::Statement(bytes) = item else { panic!("no statement came: {item:?}") };
    (Statement::decode(bytes).unwrap(), Digest::of(bytes))
}

/// The buyer's half: two queries, a cart, an offer, order, payment, receipt, note, completion.
pub fn buyer(run: &mut Run<'_>) -> Result<(), Stop> {
    for _ in 0..2 {
        run.ask("form", &"What are you looking for?")?;
        run.say("query")?;
        run.receive()?;
        run.ask("choose", &"Which?")?;
    }
    run.say("cart")?;
    run.receive()?;
    run.say("offer-wanted")?;
    let (offer, offered) = received(&run.receive()?);
    let Content::Offer(offer) = offer.content else { panic!("no offer") };
    let address = || "x".to_owned();
    let ship_to = Address {
        name: address(),
        street: address(),
        postcode: address(),
        city: address(),
        country: "DE".into(),
    };
    let order = Content::Order(Order { offer: offered, total: offer.total, ship_to });
    let order = statement(run, order)?;
    let ordered = run.state(order)?;
    run.ask("pay", &"Pay?")?;
    let [from, to] = run.deal().accounts.clone();
    let reference = Digest::of_parts(&[run.deal().id.digest().as_bytes(), ordered.as_bytes()]);
    let at = run.now()?;
    let paid: Vec<u8> = run.once("pay", move |party, _| {
        let movement = Movement {
            reference,
            request: ordered,
            debit: from,
            credit: to,
            amount: price(),
            text: "deal".into(),
        };
        let answer = |_| cbor::encode(&(price(), ordered));
        party.durable.ledger.book(&movement, at, answer).unwrap().1
    })?;
    run.send(Item::Money(paid.into()), Moving::Money(price(), ordered))?;
    run.receive()?;
    run.receive()?;
    let done = statement(run, Content::Completion(Completion { order: ordered }))?;
    run.state(done)?;
    Ok(())
}

/// The seller's half.
pub fn seller(run: &mut Run<'_>) -> Result<(), Stop> {
    loop {
        let Item::Information { kind, .. } = run.receive()? else { panic!("no question") };
        match kind.as_str() {
            "query" => run.say("page")?,
            "cart" => run.say("availability")?,
            _ => break,
        }
    }
    run.once("reserve", |party, key| {
        party.durable.shop.borrow_mut().insert(key, "reserved".into());
    })?;
    let now = run.now()?;
    let line = Line {
        article: "A1".into(),
        title: "Scarf".into(),
        variant: String::new(),
        quantity: 1,
        unit: price(),
    };
    let offer = statement(
        run,
        Content::Offer(Offer {
            number: "1".into(),
            lines: vec![line],
            delivery: Amount::new(0, Currency::EUR),
            total: price(),
            delivery_days: 3,
            valid_until: Timestamp::from_millis(now.millis() + BOUND_MS).unwrap(),
            account: "acct:seller".into(),
        }),
    )?;
    run.state(offer)?;
    let (_, order) = received(&run.receive()?);
    let Item::Money(money) = run.receive()? else { panic!("no money") };
    let payment = Digest::of(&money);
    let receipt = statement(run, Content::Receipt(Receipt { order, payment, amount: price() }))?;
    run.state(receipt)?;
    let parcel: String = run.once("ship", |party, key| {
        let mut shop = party.durable.shop.borrow_mut();
        let number = shop.values().filter(|it| it.starts_with('P')).count();
        shop.entry(key).or_insert_with(|| format!("P-{number}")).clone()
    })?;
    let arrives_by = run.now()?;
    let note = statement(run, Content::ShippingNote(ShippingNote { order, parcel, arrives_by }))?;
    run.state(note)?;
    run.receive()?;
    Ok(())
}
