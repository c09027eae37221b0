//! Payment for receipt by fair exchange, between real processes: declined, with either side
//! vanishing in the middle, without a third party, and what is left as evidence.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "exchanges/silence.rs"]
mod silence;

use std::fs;
use std::time::{Duration, Instant};

use common::{
    ask, asked, books, buy_until_crash, ended, kept, market, newest, resume_later, small,
    with_reports,
};
use semper_base::Timestamp;
use semper_testkit::market::BUYER_RULES;
use semper_testkit::{Market, MarketOptions, Part, Running};
use serde_json::Value;

/// What a home has kept of its newest deal.
fn evidence(market: &Market, home: &str) -> Vec<(String, String, i64)> {
    let Some((_, all)) = kept(market, home) else { return Vec::new() };
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|it| (text(it, "kind"), text(it, "summary"), it["number"].as_i64().unwrap()))
        .collect()
}

fn has(market: &Market, home: &str, kind: &str) -> bool {
    evidence(market, home).iter().any(|it| it.0 == kind)
}

fn wait_until(what: &str, market: &Market, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        let logs = || format!("{}\n{}", market.merchant.log_text(), market.third.log_text());
        assert!(Instant::now() < until, "{what}\n{}", logs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The finding of whoever is given a home's evidence of its newest exchange.
fn judged(market: &Market, home: &str) -> (i32, String) {
    judged_at(market, home, &[])
}

fn judged_at(market: &Market, home: &str, at: &[&str]) -> (i32, String) {
    let all = evidence(market, home);
    let exchange = all.iter().find(|it| it.0 == "exchange").unwrap();
    let (number, file) = (exchange.2.to_string(), format!("{home}-exchange.cbor"));
    let save = ["archive", "save", "--home", home, &number, "--out", &file];
    assert_eq!(market.semper(&save).unwrap().code, 0);
    let judged = market.semper(&[&["judge", file.as_str()], at].concat()).unwrap();
    (judged.code, format!("{}{}", judged.out, judged.err))
}

/// Verdicts that the third party has given.
fn verdicts(market: &Market) -> i64 {
    ask(market.folder.join("third/cases.sqlite"), "SELECT count(*) FROM cases")
}

#[test]
fn two_honest_sides_need_no_third_party_and_both_can_prove_it() {
    let (market, _folder) = market(&small());

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!(verdicts(&market), 0);
    assert!(has(&market, "anna", "receipt"));
    for home in ["anna", "otto"] {
        let (code, finding) = judged(&market, home);
        assert_eq!(code, 0, "{home}: {finding}");
    }
}

#[test]
fn a_person_who_sees_how_fair_it_is_and_declines_pays_nothing() {
    let rules = BUYER_RULES.replace(
        "topic  = \"exchange\"\nmost   = \"300.00 EUR\"\nanswer = \"yes\"",
        "topic  = \"exchange\"\nanswer = \"no\"",
    );
    let options = MarketOptions { buyer_rules: rules, ..small() };
    let (market, _folder) = market(&options);
    let before = books(&market);

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(bought.code, 1, "{}", bought.err);
    for home in ["anna", "otto"] {
        assert_eq!(ended(&market, home), "withdrawn", "{home}");
    }
    assert_eq!(books(&market), before);
    let shown = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    let question = shown.lines().find(|line| line.contains("\"topic\":\"exchange\"")).unwrap();
    for words in ["strong: you get what is promised here", "third.example", "or neither happens"] {
        assert!(question.contains(words), "{words}\n{question}");
    }
    assert_eq!((asked(&market, "exchange"), verdicts(&market)), (1, 0));
}

#[test]
fn a_merchant_who_vanishes_after_both_have_promised_leaves_the_buyer_an_affidavit() {
    let (mut market, _folder) = market(&small());
    // Its second step is the delivery, stored and not sent.
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();

    let mut buying = market.start_buying().unwrap();

    wait_until("no receipt has come", &market, || has(&market, "anna", "receipt"));
    assert!(market.merchant.has_ended() && verdicts(&market) == 1);
    let (code, finding) = judged(&market, "anna");
    assert_eq!(code, 0, "{finding}");
    assert!(finding.contains("made good by the third party"), "{finding}");
    // When it is back, the money that is due to it is there, once.
    market.restart(Part::Merchant, &[]).unwrap();
    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    assert_eq!(ended(&market, "otto"), "completed");
    let now = books(&market);
    assert_eq!((now.payments, now.parcels, now.sum), (1, 1, 0));
    let verified = market.semper(&["archive", "verify", "--home", "anna"]).unwrap();
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[test]
fn a_buyer_who_vanishes_with_the_receipt_has_paid_for_it() {
    let (market, _folder) = market(&small());

    // Its third step is receipt and release, stored and not sent.
    assert!(buy_until_crash(&market, "exchange.after:3"));

    wait_until("nothing was paid", &market, || books(&market).payments == 1);
    assert_eq!(verdicts(&market), 1);
    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(
        (newest(&market, "anna").0.as_str(), ended(&market, "otto").as_str()),
        ("completed", "completed")
    );
    assert_eq!(books(&market).payments, 1);
}

#[test]
fn a_buyer_who_vanishes_before_promising_costs_nobody_anything() {
    let (market, _folder) = market(&small());
    let before = books(&market);

    // The money is locked, and nobody has been told.
    assert!(buy_until_crash(&market, "exchange.held:1"));

    wait_until("the merchant does not give up", &market, || {
        newest(&market, "otto").0 != "running" || verdicts(&market) == 1
    });
    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    // Whoever was first at the third party: both have it, or neither has.
    let (anna, now) = (newest(&market, "anna").0, books(&market));
    match anna.as_str() {
        "completed" => assert_eq!((now.payments, now.parcels), (1, 1)),
        state => assert_eq!((state, now), ("withdrawn", before)),
    }
}

#[test]
fn a_third_party_that_is_away_delays_and_loses_nothing() {
    let (mut market, _folder) = market(&small());
    market.third.kill();
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    let mut buying = market.start_buying().unwrap();
    wait_until("the merchant lives", &market, || asked(&market, "exchange") == 1);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(newest(&market, "anna").0, "running");
    assert!(!has(&market, "anna", "receipt"));

    market.restart(Part::ThirdParty, &[]).unwrap();

    wait_until("no receipt has come", &market, || has(&market, "anna", "receipt"));
    market.restart(Part::Merchant, &[]).unwrap();
    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    assert_eq!(books(&market).payments, 1);
}

#[test]
fn a_third_party_that_never_comes_back_leaves_nothing_open_after_the_last_date() {
    let (mut market, _folder) = market(&small());
    let before = books(&market);
    market.third.kill();
    // It has promised, and has not delivered.
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    let mut buying = market.start_buying().unwrap();
    wait_until("nobody asks the third party", &market, || {
        buying.log_text().contains("the third party does not answer")
    });
    let (anna, otto) =
        (market.folder.join("anna/archive.sqlite"), market.folder.join("otto/archive.sqlite"));
    let open = || ask(anna.clone(), OPEN);
    assert_eq!(open(), 1);
    let deals = market.semper(&["deals", "--home", "anna"]).unwrap().out;
    assert!(deals.contains("waits for the third party, third.example"), "{deals}");
    assert!(deals.contains("closes by itself on 20"), "{deals}");
    let told = buying.log_text();
    assert_eq!(told.matches("the third party does not answer").count(), 1, "{told}");
    buying.kill();

    // Twelve days later: the bank has given the money back, whether or not anybody asks.
    let days = 12 * 24 * 3_600 * 1_000;
    let ahead = ("SEMPER_CLOCK", days.to_string());
    market.restart(Part::Bank, &[(ahead.0, &ahead.1)]).unwrap();
    market.restart(Part::Merchant, &[(ahead.0, &ahead.1)]).unwrap();

    assert!(resume_later(&market, days));
    assert_eq!(open(), 0);
    let (state, note) = newest(&market, "anna");
    assert_eq!(state, "withdrawn", "{note}");
    let kept = evidence(&market, "anna");
    let exchange = kept.iter().find(|it| it.0 == "exchange").unwrap();
    assert!(exchange.1.contains("the last date has passed without an answer"), "{}", exchange.1);
    wait_until("the merchant's does not close", &market, || ask(otto.clone(), OPEN) == 0);
    assert_eq!(ended(&market, "otto"), "withdrawn");
    assert_eq!(books(&market), before);
    let (code, finding) = judged(&market, "anna");
    assert_eq!(code, 0, "nobody is blamed: {finding}");
}

const OPEN: &str = "SELECT count(*) FROM exchanges WHERE open = 1";

#[test]
fn money_that_is_not_there_is_named_as_the_reason() {
    let (market, _folder) = market(&MarketOptions { funds: "1.00 EUR".into(), ..small() });

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert!(bought.err.contains("the money was not locked: there is not enough"), "{}", bought.err);
    let kept = evidence(&market, "anna");
    let exchange = kept.iter().find(|it| it.0 == "exchange").unwrap();
    assert!(exchange.1.contains("the money was not locked"), "{}", exchange.1);
}

/// A day, in milliseconds: how far a clock is ahead.
const AHEAD: (&str, &str) = ("SEMPER_CLOCK", "86400000");

#[test]
fn a_third_party_and_a_bank_whose_clocks_are_a_day_ahead_are_heard_a_day_later() {
    let (mut market, _folder) = market(&small());
    market.restart(Part::ThirdParty, &[AHEAD]).unwrap();
    market.restart(Part::Bank, &[AHEAD]).unwrap();
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    let mut buying = market.start_buying().unwrap();
    wait_until("the third party is not asked", &market, || verdicts(&market) == 1);

    // Its verdict is of tomorrow, whosever clock is wrong: until then it is none, and nobody is blamed.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(newest(&market, "anna").0, "running");
    assert!(!has(&market, "anna", "receipt"));
    buying.kill();

    // Tomorrow has come.
    market.restart(Part::Merchant, &[AHEAD]).unwrap();
    let resume = ["deals", "--home", "anna", "--resume"];
    let semper = &market.binaries.semper;
    let mut buying = Running::start(&market.folder, "later", semper, &resume, &[AHEAD]).unwrap();
    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    assert!(has(&market, "anna", "receipt"));
    wait_until("nothing was paid", &market, || books(&market).payments == 1);
    let tomorrow = Timestamp::now().after(Duration::from_secs(2 * 24 * 3600)).to_string();
    assert_eq!(judged_at(&market, "anna", &["--at", &tomorrow]).0, 0);
}

#[test]
fn a_merchant_whose_clock_is_a_day_ahead_gives_and_gets_all_or_nothing() {
    let (mut market, _folder) = market(&small());
    let before = books(&market);
    market.restart(Part::Merchant, &[AHEAD]).unwrap();

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    let (state, now) = (newest(&market, "anna").0, books(&market));
    match state.as_str() {
        "completed" => assert_eq!((now.payments, has(&market, "anna", "receipt")), (1, true)),
        _ => assert_eq!((now, bought.code), (before, 1), "{state}"),
    }
}

#[test]
fn without_a_third_party_that_both_believe_nothing_is_paid_and_both_know_why() {
    let (market, _folder) = market(&small());
    let before = books(&market);
    let file = market.folder.join("anna/trust.toml");
    let trust = fs::read_to_string(&file).unwrap();
    fs::write(&file, trust.replacen("sign    = \"", "sign    = \"58", 1)).unwrap();
    let wrong = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(wrong.code, 2, "a key of 66 digits: {}", wrong.err);
    assert!(wrong.err.contains("[[third-party]] third.example"), "{}", wrong.err);
    let (before_it, rest) = trust.split_once("[[third-party]]").unwrap();
    let after = rest.split_once("[exchange]").unwrap().1;
    fs::write(&file, format!("{before_it}[exchange]{after}")).unwrap();

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(bought.code, 1, "{}", bought.err);
    let told = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    assert!(told.contains("Nothing was paid: there is no third party that both believe"));
    assert_eq!(ended(&market, "otto"), "withdrawn");
    assert_eq!(books(&market), before);
}

/// The report as it lies in the buyer's archive.
fn report(market: &Market) -> String {
    let all = evidence(market, "anna");
    let information = all.iter().find(|it| it.0 == "information").unwrap();
    let number = information.2.to_string();
    let save = ["archive", "save", "--home", "anna", &number, "--out", "report.txt"];
    assert_eq!(market.semper(&save).unwrap().code, 0);
    fs::read_to_string(market.folder.join("report.txt")).unwrap()
}

#[test]
fn a_report_and_its_receipt_are_exchanged_for_the_money_as_one_package() {
    let (market, _folder) = with_reports();

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(ended(&market, "otto"), "completed");
    let text = report(&market);
    assert!(text.starts_with("Market report on “woollen scarf”"), "{text}");
    assert!(has(&market, "anna", "receipt"));
    assert_eq!((books(&market).payments, verdicts(&market)), (1, 0));
    // Nobody but the two has read it: it went encrypted, and its key to the buyer alone.
    let log = market.third.log_text() + &market.bank.log_text();
    assert!(!log.contains("woollen"), "{log}");
    let verified = market.semper(&["archive", "verify", "--home", "anna"]).unwrap();
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    let (code, finding) = judged(&market, "anna");
    assert_eq!(code, 0, "{finding}");
}

#[test]
fn a_seller_who_vanishes_after_promising_a_report_has_it_opened_by_the_third_party() {
    let (mut market, _folder) = with_reports();
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();

    let mut buying = market.start_buying().unwrap();

    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    assert!(market.merchant.has_ended() && verdicts(&market) == 1);
    assert!(report(&market).starts_with("Market report on “woollen scarf”"));
    let (code, finding) = judged(&market, "anna");
    assert_eq!(code, 0, "{finding}");
    // The seller is paid when it asks.
    market.restart(Part::Merchant, &[]).unwrap();
    wait_until("nothing was paid", &market, || books(&market).payments == 1);
    assert_eq!(ended(&market, "otto"), "completed");
}
