//! The same small service, a signed quotation, written in JavaScript and in Python: each half in
//! each language, against the same host.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{ask, binaries, ended, market, newest, small, waits_for};
use semper_testkit::market::MERCHANT_RULES;
use semper_testkit::{Market, Published, Running};

/// Rules of a buyer who asks for the price of two.
const RULES: &str = r#"
[[rule]]
topic  = "agreement"
answer = "yes"
[[rule]]
topic  = "inquiry"
fields = { article = "ARTICLE", quantity = "2" }
"#;

/// Rules of a buyer who leaves when she is asked what she wants.
const LEAVING: &str = r#"
[[rule]]
topic  = "agreement"
answer = "yes"
[[rule]]
topic  = "inquiry"
answer = "leave"
"#;

/// The rule of a buyer who signs that she leaves.
const WITHDRAWING: &str = r#"
[[rule]]
topic  = "withdrawal"
answer = "yes"
"#;

/// An article that there are enough of, and its price in minor units.
fn article(market: &Market) -> (String, i64) {
    let connection =
        rusqlite::Connection::open(market.folder.join("otto/catalogue.sqlite")).unwrap();
    let sql = "SELECT number, minor FROM articles WHERE stock > 5 LIMIT 1";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn a_quotation_is_signed_whatever_the_two_halves_are_written_in() {
    let (mut market, _folder) = market(&small());
    let binaries = binaries();
    let texts = binaries.repository.join("guest-services/quotation/terms");
    for (buyer, seller) in [("py", "js"), ("js", "py")] {
        let name = format!("quotation-{buyer}-{seller}");
        let buyer = binaries.languages.join(format!("buyer-{buyer}.wasm"));
        let seller = binaries.languages.join(format!("seller-{seller}.wasm"));
        market
            .publish(&name, &Published { texts: &texts, buyer: &buyer, seller: &seller })
            .unwrap();
        gets_a_quotation(&mut market, &name);
        leaves_at_the_first_question(&mut market, &name);
        leaves_while_the_merchant_thinks(&mut market, &name);
    }
    let offers = ask(
        market.folder.join("anna/archive.sqlite"),
        "SELECT count(*) FROM evidence WHERE kind = 'offer' AND signer = 'Otto Versand'",
    );
    assert_eq!(offers, 2, "those that came in time");
}

fn gets_a_quotation(market: &mut Market, name: &str) {
    let (number, price) = article(market);
    market.restart_buyer_tinguin(&RULES.replace("ARTICLE", &number)).unwrap();

    let mut buying = market.start_buying().unwrap();
    let code = buying.wait(Duration::from_secs(400));

    let logs = || format!("{}\n{}", buying.log_text(), market.merchant.log_text());
    assert_eq!(code, Some(0), "{name}: {}", logs());
    assert_eq!(newest(market, "anna").0, "completed", "{name}");
    assert_eq!(ended(market, "otto"), "completed", "{name}");
    let transcript = std::fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    let total = price * 2;
    let said = format!("Otto Versand asks {}.{:02} EUR", total / 100, total % 100);
    assert!(transcript.contains(&said), "{name}: {said}");
    // Replayed from its journal, a component of another language makes the same calls.
    for home in ["anna", "otto"] {
        let replayed = market.semper(&["replay", "--home", home, &deal(market, home)]).unwrap();
        assert_eq!(replayed.code, 0, "{name} {home}: {}", replayed.err);
        let line = "the component ends the deal as completed";
        assert!(replayed.out.contains(line), "{}", replayed.out);
    }
}

/// Whoever leaves says so, signed.
fn leaves_at_the_first_question(market: &mut Market, name: &str) {
    market.restart_buyer_tinguin(&format!("{LEAVING}{WITHDRAWING}")).unwrap();
    let buying = market.start_buying().unwrap();
    left(market, buying, name);
    assert_eq!(ended(market, "otto"), "withdrawn", "{name}");
}

/// So does whoever has enough of waiting for the merchant, whose quotation comes too late.
fn leaves_while_the_merchant_thinks(market: &mut Market, name: &str) {
    let slow = MERCHANT_RULES.replace("\"offer\"\n", "\"offer\"\nafter_ms = 60000\n");
    market.restart_merchant_tinguin(&slow).unwrap();
    let (number, _) = article(market);
    let rules = format!("{}{WITHDRAWING}", RULES.replace("ARTICLE", &number));
    market.restart_buyer_tinguin(&rules).unwrap();
    let buying = market.start_buying().unwrap();
    waits_for(market, "anna", "waits for message 1");

    let told = market.semper(&["cancel", "--home", "anna", &deal(market, "anna")]).unwrap();

    assert_eq!(told.code, 0, "{}", told.err);
    left(market, buying, name);
    market.restart_merchant_tinguin(MERCHANT_RULES).unwrap();
    assert_eq!(ended(market, "otto"), "withdrawn", "{name}");
}

/// Waits until the buyer has left.
fn left(market: &Market, mut buying: Running, name: &str) {
    let code = buying.wait(Duration::from_secs(200));
    assert_eq!(code, Some(1), "{name}: {}", buying.log_text());
    assert_eq!(newest(market, "anna").0, "withdrawn", "{name}");
}

/// The newest deal of a home.
fn deal(market: &Market, home: &str) -> String {
    let deals = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    deals[0]["id"].as_str().unwrap().to_owned()
}
