//! Business applications: programs that shop in a person's name, and decide nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "applications/agents.rs"]
mod agents;
mod common;
#[path = "applications/door.rs"]
mod door;
#[path = "applications/intruders.rs"]
mod intruders;

use std::fs;

use common::{books, newest, small};
use door::{Door, HANG, open, purchase_is, shop, transcript};
use semper_testkit::{Market, MarketOptions};
use serde_json::{Value, json};

/// What the person decides. She answers no question of a service's, an application does; but for the
/// one in which her address stands.
const DECIDES: &str = r#"
[[rule]]
topic  = "pairing"
answer = "yes"
[[rule]]
topic  = "address"
fields = {}
"#;

/// Whether the person was asked about this.
fn asked_of(market: &Market, topic: &str) -> bool {
    transcript(market).iter().any(|it| it["topic"] == topic)
}

fn decides(more: &str) -> MarketOptions {
    MarketOptions { buyer_rules: format!("{more}{DECIDES}{}", common::decisions()), ..small() }
}

#[test]
fn an_application_shops_from_search_to_receipt_while_the_person_decides() {
    let (market, _folder) = common::market(&decides(""));
    let door = open(&market);

    let token = door.paired("Shopping list", &["look", "shop", "receipts"]);
    let none = door.call(&token, "merchants", &json!({}));
    assert_eq!(none.json()["merchants"], json!([]));
    let terms = door.call(&token, "terms", &json!({ "merchant": market.merchant_url() })).json();
    assert_eq!(terms["merchant"], "Otto Versand");
    assert_eq!(terms["certified_by"], json!(["Verbraucherbund"]));
    assert_eq!(terms["may_pay"], "up to 500.00 EUR");

    // What it knows beforehand it says at the start; the rest it answers when it is asked.
    let answers = json!({ "search": { "fields": { "words": "woollen scarf", "at most": "150" } } });
    let begun = door.start(&token, &market.merchant_url(), &answers);
    let last = shop(&door, &token, &begun);
    assert_eq!(last["state"], "completed", "{last}");
    let happened = last["happened"].to_string();
    assert!(happened.contains("the deal is open"), "{happened}");

    let after = books(&market);
    assert_eq!((after.payments, after.parcels, after.sum), (1, 1, 0));
    let all = door.call(&token, "purchases", &json!({})).json();
    assert_eq!(all["purchases"][0]["purchase"], begun);
    let met = door.call(&token, "merchants", &json!({})).json();
    assert_eq!(met["merchants"][0]["name"], "Otto Versand");
    assert_eq!(met["merchants"][0]["deals"], 1);

    // Its receipt is one: whoever gets the page checks it without her home.
    let receipt = door.call(&token, "receipt", &json!({ "purchase": begun })).json();
    let page = market.folder.join("receipt.html");
    fs::write(&page, receipt["page"].as_str().unwrap()).unwrap();
    let checked = market
        .semper(&["archive", "verify", "receipt.html", "--authority", "ca/root.pem"])
        .unwrap();
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);

    // Her address was no application's to see, or to give away.
    assert!(asked_of(&market, "address"));
    // The person has seen who began it, and with the order whatever the application had filled in.
    let asked = transcript(&market);
    let pairing = asked.iter().find(|it| it["topic"] == "pairing").unwrap().to_string();
    assert!(pairing.contains("“Shopping list”") && pairing.contains("it may never"), "{pairing}");
    let agreement = asked.iter().find(|it| it["topic"] == "agreement").unwrap().to_string();
    assert!(agreement.contains("begun by") && agreement.contains("“Shopping list”"), "{agreement}");
    let decisions: Vec<String> = asked.iter().map(Value::to_string).collect();
    let said = "\"NOT CHECKED, by “Shopping list”\",\"search: words: woollen scarf; at most: 150\"";
    let marked: Vec<&String> = decisions.iter().filter(|it| it.contains(said)).collect();
    assert_eq!(marked.len(), 1, "once, in the next decision: {decisions:?}");
    assert!(marked[0].contains("\"topic\":\"order\""), "{}", marked[0]);
}

#[test]
fn a_host_that_is_killed_comes_back_with_the_question_and_the_application_is_still_known() {
    let (market, _folder) = common::market(&decides(""));
    let mut door = open(&market);
    let token = door.paired("Shopping list", &["shop"]);
    let begun = door.start(&token, &market.merchant_url(), &json!({}));
    let asked = purchase_is(&door, &token, &begun, |it| it["question"].is_object());
    assert_eq!(asked["question"]["topic"], "search");

    door.kill();
    door = open(&market);
    let again = purchase_is(&door, &token, &begun, |it| it["question"].is_object());
    assert_eq!(again["question"], asked["question"]);
    assert_eq!(shop(&door, &token, &begun)["state"], "completed");
    assert_eq!(books(&market).payments, 1);
}

#[test]
fn an_application_that_is_taken_back_leaves_its_purchase_to_the_person() {
    // She answers the search herself, if she is asked.
    let hers = "[[rule]]\ntopic = \"search\"\ntimes = 1\nfields = { words = \"woollen scarf\" }\n";
    let (market, _folder) = common::market(&decides(hers));
    let door = open(&market);
    let token = door.paired("Shopping list", &["look", "shop"]);
    let begun = door.start(&token, &market.merchant_url(), &json!({}));
    purchase_is(&door, &token, &begun, |it| it["question"].is_object());
    // So far nobody has asked her anything but decisions.
    assert!(!transcript(&market).iter().any(|it| it["topic"] == "search"));

    let list = door.semper(&["applications", "list", "--home", "anna", "--json"]).json();
    assert_eq!(list[0]["name"], "Shopping list");
    assert_eq!(list[0]["may"], json!(["look", "shop"]));
    assert_eq!(list[0]["purchases"], 1);
    let removed =
        door.semper(&["applications", "remove", "--home", "anna", "--name", "Shopping list"]);
    assert_eq!(removed.code, 0, "{}", removed.err);
    let refused = door.call(&token, "purchases", &json!({}));
    assert_eq!(refused.status, 401, "{}", refused.text());

    // The question is hers now; she leaves at the next, which no rule of hers covers.
    door::until("she is asked", || transcript(&market).iter().any(|it| it["topic"] == "search"));
    door::until("the deal ends", || newest(&market, "anna").0 == "withdrawn");
    // Another application of that name is another application.
    let next = door.paired("Shopping list", &["shop"]);
    assert_eq!(door.call(&next, "purchases", &json!({})).json()["purchases"], json!([]));
    let other = door.call(&next, "purchase", &json!({ "purchase": begun }));
    assert_eq!(other.status, 400, "{}", other.text());
}

#[test]
fn a_question_that_an_application_cannot_answer_is_put_to_the_person() {
    let hers = "[[rule]]\ntopic = \"search\"\nfields = { words = \"woollen scarf\" }\n";
    let (market, _folder) = common::market(&decides(hers));
    let door = open(&market);
    let token = door.paired("Shopping list", &["shop"]);
    let begun = door.start(&token, &market.merchant_url(), &json!({}));
    let asked = purchase_is(&door, &token, &begun, |it| it["question"].is_object());
    let question = asked["question"]["id"].as_str().unwrap();
    let left = json!({ "purchase": begun, "question": question, "to_the_person": true });
    assert_eq!(door.call(&token, "answer", &left).status, 200);
    // She answers, and the next question is the application's again.
    let next = purchase_is(&door, &token, &begun, |it| {
        it["question"].is_object() && it["question"]["id"] != question
    });
    assert_eq!(next["question"]["topic"], "article");
    let seen = transcript(&market);
    assert!(seen.iter().any(|it| it["topic"] == "search"));
    assert_eq!(shop(&door, &token, &begun)["state"], "completed");
}

#[test]
fn a_person_leaves_an_applications_purchase_at_once() {
    let (market, _folder) = common::market(&decides(""));
    let door = open(&market);
    let token = door.paired("Shopping list", &["shop"]);
    let begun = door.start(&token, &market.merchant_url(), &json!({}));
    let asked = purchase_is(&door, &token, &begun, |it| {
        let waits = "waits for an answer of the application that has begun it";
        it["question"].is_object() && it["stands"] == waits
    });
    let id = asked["deal"].as_str().unwrap();
    let left = door.semper(&["cancel", "--home", "anna", id, "--reason", "found it cheaper"]);
    assert_eq!(left.code, 0, "{}", left.err);
    let last = door.call(&token, "purchase", &json!({ "purchase": begun })).json();
    assert_eq!(last["state"], "withdrawn", "{last}");
}

#[test]
fn whoever_has_the_doors_port_keeps_nothing_else_waiting() {
    let (market, _folder) = common::market(&decides(common::search()));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = market.folder.join("anna/semper.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n[applications]\nport = {port}\n")).unwrap();
    let door = door::start(&market);
    door::until("the host says that its door is shut", || {
        let status = door.semper(&["run", "--home", "anna", "--status", "--json"]);
        status.out.contains("cannot be opened")
    });
    let bought = door.semper(&["buy", "--home", "anna", &market.merchant_url()]);
    assert_eq!(bought.code, 0, "{}", bought.err);
    // It opens when the port is free.
    drop(taken);
    door::until("the door is open", || {
        let status = door.semper(&["run", "--home", "anna", "--status", "--json"]).json();
        status["door"] == format!("127.0.0.1:{port}")
    });
}

#[test]
fn an_application_of_the_same_name_takes_the_place_of_the_other_if_the_person_agrees() {
    let (market, _folder) = common::market(&decides(""));
    let door = open(&market);
    let first = door.paired("Shopping list", &["shop"]);
    let second = door.paired("Shopping list", &["shop"]);
    assert_eq!(door.call(&first, "purchases", &json!({})).status, 401);
    assert_eq!(door.call(&second, "purchases", &json!({})).status, 200);
    // One whose name looks like another's is told of.
    door.paired("Shоpping list", &["shop"]);
    let shown = transcript(&market);
    let pairings: Vec<String> =
        shown.iter().filter(|it| it["topic"] == "pairing").map(Value::to_string).collect();
    assert!(pairings[1].contains("takes the place of"), "{}", pairings[1]);
    assert!(pairings[2].contains("looks like “Shopping list”"), "{}", pairings[2]);
}

#[test]
fn however_much_an_application_fills_in_a_decision_can_be_read() {
    let (market, _folder) = common::market(&decides(""));
    let door = open(&market);
    let token = door.paired("Flood", &["shop"]);
    let begun = door.start(&token, &market.merchant_url(), &json!({}));
    let mut known = Value::Null;
    for number in 0..60 {
        let asked = purchase_is(&door, &token, &begun, |it| {
            it["question"].is_object() && it["question"]["id"] != known
        });
        known = asked["question"]["id"].clone();
        let words = format!("nothing {number} {}", "x".repeat(1_500));
        let mut answer = json!({ "purchase": begun, "question": known });
        if asked["question"]["topic"] == "search" {
            answer["fields"] = json!({ "words": words });
        }
        let done = door.call(&token, "answer", &answer);
        assert_eq!(done.status, 200, "{}", done.text());
    }
    assert_eq!(shop(&door, &token, &begun)["state"], "completed");
    let order = transcript(&market).into_iter().find(|it| it["topic"] == "order").unwrap();
    let rows = order["rows"].as_array().unwrap();
    assert!(rows.len() < 30, "{} rows", rows.len());
    assert!(order.to_string().contains("(the last of "), "{order}");
}

#[test]
fn a_person_who_says_no_is_asked_once_and_no_token_is_made() {
    let no = "[[rule]]\ntopic = \"pairing\"\nanswer = \"no\"\n";
    let (market, _folder) = common::market(&decides(no));
    let door = open(&market);
    let begun = door.post("/semper/v1/pairings", &[], &json!({ "name": "List", "may": ["shop"] }));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let refused = door.decided(&begun.value());
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("is not paired"), "{}", refused.text());
    let list = door.semper(&["applications", "list", "--home", "anna", "--json"]).json();
    assert_eq!(list, json!([]));
    // Nobody asks her again at once.
    let again = door.post("/semper/v1/pairings", &[], &json!({ "name": "List", "may": ["shop"] }));
    assert_eq!(again.status, 429, "{}", again.text());
    let asked = transcript(&market);
    assert_eq!(asked.iter().filter(|it| it["topic"] == "pairing").count(), 1);
}

#[test]
fn a_link_fills_in_what_the_person_can_change_and_says_that_nobody_has_checked_it() {
    // She leaves what the link has filled in.
    let hers = "[[rule]]\ntopic = \"search\"\nfields = { \"at most\" = \"150\" }\n\
                [[rule]]\ntopic = \"article\"\nchoose = \" · \"\n\
                [[rule]]\ntopic = \"quantity\"\nfields = {}\n\
                [[rule]]\ntopic = \"cart\"\nchoose = \"order now\"\n\
                [[rule]]\ntopic = \"availability\"\nchoose = \"ask for an offer\"\n\
                [[rule]]\ntopic = \"address\"\nfields = {}\n";
    let (market, _folder) = common::market(&decides(hers));
    let shop = market.merchant_url().replace("https://", "semper://");
    let link = format!("{shop}/?search.words=woollen%20scarf&quantity.quantity=2");
    // Without a terminal she is asked in the TINGUIN, and no rule of hers for everything says yes.
    let refused = market.semper(&["open", "--home", "anna", &link]).unwrap();
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("search, words: woollen scarf"), "{}", refused.err);
    assert!(refused.err.contains("nothing was fetched"), "{}", refused.err);
    assert!(newest(&market, "anna").0.is_empty(), "nothing was fetched");
    let asked = transcript(&market).iter().map(Value::to_string).collect::<String>();
    assert!(asked.contains("it fills in") && asked.contains("woollen scarf"), "{asked}");

    let opened = market.semper(&["open", "--home", "anna", "--yes", &link]).unwrap();
    assert_eq!(opened.code, 0, "{}{}", opened.out, opened.err);
    let shown = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    assert!(shown.contains("NOT CHECKED, by “a link”: words: woollen scarf"), "{shown}");
    assert!(shown.contains("[\"quantity\",\"2\"]"), "{shown}");
    assert!(shown.contains("begun by"), "{shown}");
    let wrong = market.semper(&["open", "--home", "anna", "--yes", "semper://a/b?x=y"]).unwrap();
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("has a path"), "{}", wrong.err);
    // A QR code's text comes as a file.
    fs::write(market.folder.join("code.txt"), format!("{link}\n")).unwrap();
    let read = market.semper(&["open", "--home", "anna", "--yes", "--file", "code.txt"]).unwrap();
    assert_eq!(read.code, 0, "{}", read.err);
    assert!(HANG.as_secs() > 0 && Door::is_shut(&market));
}
