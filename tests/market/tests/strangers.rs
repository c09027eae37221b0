//! What a stranger met who used the product: what was begun and ended, what was slipped, who is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{ask, books, client, ended, market, newest, small, waits_for};
use semper_testkit::Market;
use semper_testkit::market::{BUYER_RULES, MERCHANT_RULES};
use semper_testkit::process::{Output, Running, until};
use serde_json::Value;

/// Longer than anything here takes, unless it hangs.
const HANG: Duration = Duration::from_secs(60);

/// The buyer's rules with this one before all others.
fn first(rule: &str) -> String {
    format!("[[rule]]\n{rule}\n{BUYER_RULES}")
}

fn listed(market: &Market) -> Vec<Value> {
    let all = market.semper(&["deals", "--home", "anna", "--json"]).unwrap();
    assert_eq!(all.code, 0, "{}", all.err);
    all.json().as_array().cloned().unwrap()
}

/// A purchase that stands at the question whether to open a deal.
fn asked_to_open(market: &Market) -> Running {
    let buying = market.start_buying().unwrap();
    until(HANG, "asked whether to open the deal", || {
        listed(market).iter().any(|it| {
            it["state"] == "opening" && it["note"].as_str().unwrap().contains("your decision")
        })
    });
    buying
}

/// Questions about opening a deal that were taken back.
fn taken_back(market: &Market) -> usize {
    let text = std::fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    let taken = |line: &&str| {
        line.contains("\"topic\":\"agreement\"") && line.ends_with("\"answer\":null}")
    };
    text.lines().filter(taken).count()
}

fn buy(market: &Market) -> Output {
    market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap()
}

#[test]
fn what_buy_has_begun_ends_with_it_and_what_a_kill_has_left_is_listed_and_cancelled() {
    let (mut market, _folder) = market(&small());
    market
        .restart_buyer_tinguin(&first("topic = \"agreement\"\nanswer = \"yes\"\nafter_ms = 600000"))
        .unwrap();

    // Ended by a signal: nothing is left, and the question is taken back.
    let mut buying = asked_to_open(&market);
    buying.signal("TERM");
    assert_eq!(buying.wait(HANG), Some(143), "{}", buying.log_text());
    assert!(buying.log_text().contains("--resume goes on"), "{}", buying.log_text());
    assert!(listed(&market).is_empty());
    until(HANG, "the question is taken back", || taken_back(&market) == 1);

    // Killed: it is listed, in text too, and cancelled.
    let mut buying = asked_to_open(&market);
    buying.kill();
    until(HANG, "the question is taken back", || taken_back(&market) == 2);
    let id = listed(&market)[0]["id"].as_str().unwrap().to_owned();
    let text = market.semper(&["deals", "--home", "anna"]).unwrap().out;
    assert!(text.contains(&id[..8]) && text.contains("opening    Otto Versand"), "{text}");
    assert!(text.contains("no host runs this home"), "{text}");
    let left = market.semper(&["cancel", "--home", "anna", &id[..8]]).unwrap();
    assert_eq!((left.code, left.out.contains("left: no deal")), (0, true), "{}", left.err);
    assert!(listed(&market).is_empty());

    // Cancelled beside the purchase that asks: that one ends, and says why.
    let mut buying = asked_to_open(&market);
    let id = listed(&market)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(market.semper(&["cancel", "--home", "anna", &id]).unwrap().code, 0);
    assert_eq!(buying.wait(HANG), Some(1), "{}", buying.log_text());
    until(HANG, "the question is taken back", || taken_back(&market) == 3);

    // With standing consents, whatever was begun would be bought now.
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();
    let resumed = market.semper(&["deals", "--home", "anna", "--resume", "--json"]).unwrap();
    assert_eq!((resumed.code, resumed.json()), (0, Value::Array(Vec::new())), "{}", resumed.err);
    assert_eq!(books(&market).payments, 0);
}

#[test]
fn an_opening_that_nobody_answers_holds_up_no_deal() {
    let (mut market, _folder) = market(&small());
    // A deal that waits, and an opening with a merchant who is not there any more.
    assert!(common::buy_until_crash(&market, "archive.after:20"));
    let asks = first("topic = \"agreement\"\nanswer = \"yes\"\nafter_ms = 600000");
    market.restart_buyer_tinguin(&asks).unwrap();
    asked_to_open(&market).kill();
    let archive = rusqlite::Connection::open(market.folder.join("anna/archive.sqlite")).unwrap();
    archive.busy_timeout(Duration::from_secs(10)).unwrap();
    let nobody = semper_testkit::process::free_port().unwrap();
    let sql = "UPDATE openings SET address = ?1 WHERE length(state) > 0";
    let moved = archive.execute(sql, [format!("https://localhost:{nobody}")]).unwrap();
    assert_eq!(moved, 1);
    drop(archive);
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();

    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();

    assert_eq!(resumed.code, 1, "{}", resumed.err);
    assert_eq!(newest(&market, "anna").0, "completed", "{}", resumed.err);
}

#[test]
fn a_merchant_without_its_tinguin_is_ill_and_the_buyer_is_told_what_is_waited_for() {
    let (mut market, _folder) = market(&small());
    let (url, client) = (format!("{}/healthz", market.merchant_url()), client(&market));
    let health = || client.get(&url, 4096).map(|it| (it.status, it.body)).unwrap();
    assert_eq!(health().0, 200);
    market.merchant_tinguin.kill();
    until(HANG, "the merchant is ill", || {
        let (status, body) = health();
        status == 503 && String::from_utf8_lossy(&body).contains("the TINGUIN does not answer")
    });
    assert!(market.merchant.log_text().contains("the TINGUIN does not answer"));

    let mut buying = market.start_buying().unwrap();
    until(HANG, "the buyer is told", || {
        buying.log_text().contains("waiting for the merchant to open the deal")
    });
    market.restart_merchant_tinguin(MERCHANT_RULES).unwrap();

    assert_eq!(buying.wait(HANG), Some(0), "{}", buying.log_text());
    until(HANG, "the merchant is well", || health().0 == 200);
}

#[test]
fn slips_are_asked_again_and_the_merchant_reads_what_goes_where() {
    let (mut market, _folder) = market(&small());
    let slips = "[[rule]]\ntopic = \"quantity\"\ntimes = 1\nfields = { quantity = \"two\" }\n\
                 [[rule]]\ntopic = \"address\"\ntimes = 1\nfields = { country = \"Germany\" }\n\
                 [[rule]]\ntopic = \"address\"\ntimes = 1\nfields = { name = \" \", country = \"de\" }\n\
                 [[rule]]\ntopic = \"address\"\nfields = { name = \"Anna Berg\" }\n";
    market.restart_buyer_tinguin(&format!("{slips}{BUYER_RULES}")).unwrap();

    let bought = buy(&market);

    assert_eq!(bought.code, 0, "{}{}", bought.err, bought.out);
    assert_eq!(ended(&market, "otto"), "completed");
    let deals = market.semper(&["deals", "--home", "otto", "--json"]).unwrap().json();
    let id = &deals[0]["id"].as_str().unwrap()[5..13].to_owned();
    let shown = market.semper(&["archive", "show", "--home", "otto", id]).unwrap().out;
    assert!(shown.contains("deliver to") && shown.contains("Anna Berg, "), "{shown}");
    assert!(shown.contains("scarf") && shown.contains("1 × "), "{shown}");
    assert!(!shown.contains(" by :"), "{shown}");
    let parcels = market.semper(&["catalogue", "parcels", "--home", "otto", "--json"]).unwrap();
    let parcel = &parcels.json()[0];
    assert_eq!(parcel["articles"][0][1], 1, "{parcel}");
    let number = parcel["articles"][0][0].as_str().unwrap().to_owned();
    let stock = market.semper(&["catalogue", "stock", "--home", "otto", &number, "7"]).unwrap();
    assert_eq!(stock.code, 0, "{}", stock.err);
    let list = market
        .semper(&[
            "catalogue",
            "list",
            "--home",
            "otto",
            "--words",
            "scarf",
            "--most",
            "2000",
            "--json",
        ])
        .unwrap()
        .json();
    let found = list["articles"].as_array().unwrap().iter().find(|it| it["number"] == *number);
    assert_eq!(found.unwrap()["stock"], 7);
    let remove = ["catalogue", "remove", "--home", "otto", &number];
    assert_eq!(market.semper(&remove).unwrap().code, 0);
    assert!(market.semper(&remove).unwrap().err.contains("there is no article"));
    assert!(market.merchant.log_text().contains("deal ended"));
}

#[test]
fn who_has_paid_for_nothing_is_told_so_and_who_owes_it_too() {
    let (mut market, _folder) = market(&small());
    let (before, after) =
        MERCHANT_RULES.split_once("[[rule]]\ntopic  = \"shipping-note\"").unwrap();
    let rest = after.split_once("[[rule]]").map_or("", |it| it.1);
    market.restart_merchant_tinguin(&format!("{before}[[rule]]{rest}")).unwrap();

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.out);
    assert!(bought.err.contains("you have paid"), "{}", bought.err);
    let (state, note) = newest(&market, "anna");
    assert!(state == "failed" && note.contains("Otto Versand owes you"), "{note}");
    assert_eq!(ended(&market, "otto"), "failed");
    let (_, note) = newest(&market, "otto");
    assert!(note.contains("Anna Berg has paid you"), "{note}");
    assert!(note.contains("no standing consent covers “shipping-note”"), "{note}");
    let log = market.merchant.log_text();
    assert!(log.contains("a deal fails after money has moved"), "{log}");
    let log = market.merchant_tinguin.log_text();
    assert!(log.contains("otto-rules.toml") && log.contains("shipping-note"), "{log}");
}

#[test]
fn a_second_wish_to_leave_spoils_nothing_and_the_first_reason_is_signed() {
    let (mut market, _folder) = market(&small());
    let slow = "topic = \"cart\"\nchoose = \"order now\"\nafter_ms = 600000\n\
                [[rule]]\ntopic = \"withdrawal\"\nanswer = \"yes\"\nafter_ms = 4000";
    market.restart_buyer_tinguin(&first(slow)).unwrap();
    let mut buying = market.start_buying().unwrap();
    until(HANG, "there is a deal", || listed(&market).iter().any(|it| it["state"] == "running"));
    waits_for(&market, "anna", "your decision");
    let id = listed(&market)[0]["id"].as_str().unwrap()[5..13].to_owned();
    let leave = |reason: &str| {
        let cancel = ["cancel", "--home", "anna", &id, "--reason", reason];
        market.semper(&cancel).unwrap().code
    };

    assert_eq!(leave("found it cheaper"), 0);
    let told = "SELECT count(*) FROM highest WHERE key LIKE 'told/%'";
    until(HANG, "the service knows", || ask(market.folder.join("anna/archive.sqlite"), told) == 1);
    assert_eq!(leave("second"), 0);

    assert!(buying.wait(HANG).is_some(), "{}", buying.log_text());
    assert_ne!(newest(&market, "anna").0, "failed", "{}", buying.log_text());
    until(HANG, "the merchant knows", || newest(&market, "otto").0 != "running");
    let shown = market.semper(&["archive", "show", "--home", "otto", &id]).unwrap().out;
    assert!(shown.contains("found it cheaper") && !shown.contains("second"), "{shown}");
}
