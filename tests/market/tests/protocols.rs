//! Every protocol that a deal can ask for, between the shipped processes: what the payment system
//! can do and what is exchanged decide which; whoever vanishes, both have it or neither has. And the
//! fee of a third party: who owes it is bargained about before anybody agrees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{ask, books, buy_until_crash, ended, market, newest, resume_later, small};
use semper_testkit::market::BUYER_RULES;
use semper_testkit::{Market, MarketOptions, Part, Published};
use tempfile::TempDir;

/// Longer than any hold of an exchange lasts, in milliseconds.
const TWELVE_DAYS: u64 = 12 * 24 * 3_600 * 1_000;

/// Has Anna's purse pay in these ways in exchanges.
fn paying_by(market: &Market, modes: &str) {
    let file = market.folder.join("anna/semper.toml");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replacen("[payment.purse]", &format!("[payment.purse]\nmodes = {modes}"), 1);
    assert_ne!(text, changed, "{text}");
    fs::write(&file, changed).unwrap();
}

/// Changes what a home believes.
fn trusting(market: &Market, home: &str, from: &str, to: &str) {
    let file = market.folder.join(home).join("trust.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}\n{text}");
    fs::write(&file, text.replacen(from, to, 1)).unwrap();
}

/// Has both homes follow what these lines of `[exchange]` say, beside their patience.
fn both_exchange(market: &mut Market, lines: &str) {
    for home in ["anna", "otto"] {
        trusting(market, home, "[exchange]", &format!("[exchange]\n{lines}"));
    }
    market.restart_merchant().unwrap();
}

/// A marketplace for purchases by mail-order, paid in these ways.
fn mail_order(modes: &str) -> (Market, TempDir) {
    let (market, folder) = market(&small());
    paying_by(&market, modes);
    (market, folder)
}

/// A marketplace in which a report is got for money, or for a page.
fn barter(gives: &str) -> (Market, TempDir) {
    let rules = format!("[[rule]]\ntopic = \"trade\"\nchoose = \"for {gives}\"\n{BUYER_RULES}");
    let options = MarketOptions { buyer_rules: rules, ..small() };
    let (mut market, folder) = market(&options);
    let texts = market.binaries.repository.join("tests/barter-seller/terms");
    let guest = |name: &str| market.binaries.guests.join(name);
    let (buyer, seller) = (guest("barter_buyer.wasm"), guest("barter_seller.wasm"));
    let service = Published { texts: &texts, buyer: &buyer, seller: &seller };
    market.publish("barter", &service).unwrap();
    (market, folder)
}

fn buy(market: &Market) -> semper_testkit::Output {
    market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap()
}

fn bought(market: &Market) {
    let bought = buy(market);
    assert_eq!(bought.code, 0, "{}\n{}", bought.err, market.merchant.log_text());
}

fn verdicts(market: &Market) -> i64 {
    ask(market.folder.join("third/cases.sqlite"), "SELECT count(*) FROM cases")
}

/// What a judge finds in a home's evidence of its newest exchange.
fn judged(market: &Market, home: &str) -> String {
    let judged = finding(market, home);
    assert_eq!(judged.code, 0, "{}{}", judged.out, judged.err);
    judged.out
}

/// The same, where it may be that somebody owes something.
fn finding(market: &Market, home: &str) -> semper_testkit::Output {
    let archive = market.folder.join(home).join("archive.sqlite");
    let newest = "SELECT max(number) FROM evidence WHERE kind = 'exchange'";
    let (number, file) = (ask(archive, newest).to_string(), format!("{home}.cbor"));
    let save = ["archive", "save", "--home", home, &number, "--out", &file];
    let saved = market.semper(&save).unwrap();
    assert_eq!(saved.code, 0, "{}", saved.err);
    market.semper(&["judge", &file]).unwrap()
}

/// How a judge names the protocol of a home's newest exchange.
fn protocol(market: &Market, home: &str) -> String {
    let found = judged(market, home);
    let line = found.lines().find(|it| it.starts_with("protocol")).unwrap();
    line.split_whitespace().nth(1).unwrap().trim_end_matches(',').to_owned()
}

/// What the accounts of a holder have, in cents.
fn balance(market: &Market, holder: &str) -> i64 {
    let sql = format!("SELECT sum(balance) FROM accounts WHERE holder = '{holder}'");
    ask(market.folder.join("bank/ledger.sqlite"), &sql)
}

fn held(market: &Market) -> i64 {
    let sql = "SELECT coalesce(sum(held), 0) FROM holds";
    ask(market.folder.join("bank/ledger.sqlite"), sql)
}

/// What Anna has been asked or told that contains this.
fn told(market: &Market, what: &str) -> bool {
    fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap().contains(what)
}

fn wait_until(what: &str, market: &Market, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what}\n{}", market.merchant.log_text());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Twelve days later, by the bank's clock and the merchant's.
fn later(market: &mut Market) {
    let ahead = TWELVE_DAYS.to_string();
    market.restart(Part::Bank, &[("SEMPER_CLOCK", &ahead)]).unwrap();
    market.restart(Part::Merchant, &[("SEMPER_CLOCK", &ahead)]).unwrap();
}

#[test]
fn a_payment_for_good_is_made_when_the_receipt_is_promised() {
    let (market, _folder) = mail_order("[\"fenced\"]");

    bought(&market);

    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!(
        (protocol(&market, "anna").as_str(), protocol(&market, "otto").as_str()),
        ("Ge", "Ge")
    );
    assert_eq!((verdicts(&market), held(&market), books(&market).sum), (0, 0, 0));
    assert!(balance(&market, "Otto Versand") > 0);
    assert!(told(&market, "is paid for good as soon as the other side has promised"));
}

#[test]
fn a_merchant_who_vanishes_with_a_payment_for_good_leaves_the_buyer_an_affidavit() {
    let (mut market, _folder) = mail_order("[\"fenced\"]");
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();

    let mut buying = market.start_buying().unwrap();

    wait_until("the third party is not asked", &market, || verdicts(&market) == 1);
    market.restart(Part::Merchant, &[]).unwrap();
    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    assert!(judged(&market, "anna").contains("made good by the third party"));
    assert_eq!((ended(&market, "otto"), books(&market).parcels), ("completed".into(), 1));
}

#[test]
fn a_payment_that_can_be_taken_back_is_the_merchants_when_its_date_has_passed() {
    let (mut market, _folder) = mail_order("[\"reversible\"]");
    let before = (balance(&market, "Anna Berg"), balance(&market, "Otto Versand"));

    bought(&market);

    assert_eq!(protocol(&market, "anna"), "Ger");
    assert!(told(&market, "can be taken back until"));
    let paid = before.0 - balance(&market, "Anna Berg");
    assert!(paid > 0);
    assert_eq!((held(&market), verdicts(&market)), (paid, 0));
    later(&mut market);
    wait_until("the money stays where it is", &market, || held(&market) == 0);
    assert_eq!(balance(&market, "Otto Versand"), before.1 + paid);
}

#[test]
fn a_merchant_who_vanishes_before_it_delivers_gets_no_payment_that_can_be_taken_back() {
    let (mut market, _folder) = mail_order("[\"reversible\"]");
    let before = balance(&market, "Anna Berg") + balance(&market, "Otto Versand");
    // It has promised, and knows nothing of the payment.
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:1")]).unwrap();

    let mut buying = market.start_buying().unwrap();

    wait_until("the merchant lives", &market, || newest(&market, "anna").0 == "running");
    std::thread::sleep(Duration::from_secs(6));
    market.restart(Part::Merchant, &[]).unwrap();
    buying.wait(Duration::from_secs(60));
    // Both have it, or neither has.
    wait_until("it is not over", &market, || newest(&market, "otto").0 != "running");
    let (anna, now) = (newest(&market, "anna").0, books(&market));
    assert_eq!(now.parcels, i64::from(anna == "completed"), "{anna}");
    let all = balance(&market, "Anna Berg") + balance(&market, "Otto Versand");
    assert_eq!(all + held(&market), before);
}

#[test]
fn a_report_opens_with_the_key_that_opens_the_lock_of_its_money_and_nobody_else_is_needed() {
    let (mut market, _folder) = barter("money");
    paying_by(&market, "[\"hash-lock\"]");
    market.third.kill();

    bought(&market);

    assert_eq!(protocol(&market, "anna"), "Hl");
    assert!(told(&market, "Report: what the seller knows."));
    wait_until("nothing was paid", &market, || held(&market) == 0);
    assert_eq!(balance(&market, "Otto Versand"), 1_950);
    assert_eq!(ended(&market, "otto"), "completed");
}

#[test]
fn a_seller_who_never_opens_the_lock_leaves_the_money_to_its_payer() {
    let (mut market, _folder) = barter("money");
    paying_by(&market, "[\"hash-lock\"]");
    let before = balance(&market, "Anna Berg");
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:1")]).unwrap();

    let mut buying = market.start_buying().unwrap();
    wait_until("the merchant lives", &market, || buying_stands(&market));
    buying.kill();
    later(&mut market);
    assert!(resume_later(&market, TWELVE_DAYS));

    let (anna, now) = (newest(&market, "anna").0, balance(&market, "Anna Berg"));
    match anna.as_str() {
        "completed" => assert_eq!(now, before - 1_950),
        state => assert_eq!((state, now), ("withdrawn", before)),
    }
}

/// Whether Anna's newest exchange has begun.
fn buying_stands(market: &Market) -> bool {
    ask(market.folder.join("anna/archive.sqlite"), "SELECT count(*) FROM exchanges") > 0
}

#[test]
fn a_report_for_a_page_is_deposited_with_the_third_party_by_both() {
    let (market, _folder) = barter("a page");

    bought(&market);

    assert_eq!((protocol(&market, "anna").as_str(), verdicts(&market)), ("Inline", 1));
    assert!(told(&market, "Report: what the seller knows."));
    assert_eq!(ended(&market, "otto"), "completed");
}

#[test]
fn whoever_accepts_weak_fairness_and_nothing_else_is_told_so() {
    let (mut market, _folder) = barter("a page");
    both_exchange(&mut market, "fairness = \"weak\"\nprotocols = [\"wg\"]");

    bought(&market);

    assert_eq!((protocol(&market, "anna").as_str(), verdicts(&market)), ("Wg", 0));
    assert!(told(&market, "CAUTION: what you give may be lost; you would have proof of it"));
}

#[test]
fn a_payment_is_not_made_where_the_third_party_asks_that_bank_nothing() {
    let (mut market, _folder) = mail_order("[\"fenced\"]");
    for home in ["anna", "otto"] {
        trusting(&market, home, "banks   = [\"Test Bank\"]", "");
    }
    market.restart_merchant().unwrap();
    let before = books(&market);

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert!(told(&market, "no protocol exchanges these items as both want"));
    assert_eq!((books(&market), ended(&market, "otto")), (before, "withdrawn".into()));
}

#[test]
fn ways_to_pay_that_make_no_sense_are_named_with_their_file() {
    let (market, _folder) = market(&small());
    for (modes, why) in [
        ("[]", "modes is empty"),
        ("[\"hold\", \"hold\"]", "the same way of paying twice"),
        ("[\"plain\"]", "promises nothing in an exchange"),
        ("[\"cash\"]", "unknown variant `cash`"),
    ] {
        let file = market.folder.join("anna/semper.toml");
        let text = fs::read_to_string(&file).unwrap();
        paying_by(&market, modes);
        let bought = buy(&market);
        assert_eq!(bought.code, 2, "{modes}: {}", bought.err);
        assert!(bought.err.contains(why) && bought.err.contains("semper.toml"), "{}", bought.err);
        fs::write(&file, text).unwrap();
    }
}

/// The third party takes so much, and the two share it as these lists say, most liked first.
fn with_fee(anna: &str, otto: &str) -> (Market, TempDir) {
    let (mut market, folder) = market(&small());
    for (home, fees) in [("anna", anna), ("otto", otto)] {
        trusting(&market, home, "banks   =", "fee     = \"0.50 EUR\"\nbanks   =");
        trusting(&market, home, "[exchange]", &format!("[exchange]\nfees = {fees}"));
    }
    market.restart_merchant().unwrap();
    (market, folder)
}

#[test]
fn a_fee_is_owed_as_both_have_agreed_and_only_if_the_third_party_has_decided() {
    let (mut market, _folder) = with_fee("[\"halves\"]", "[\"halves\"]");

    bought(&market);

    assert!(told(&market, "0.50 EUR if either side has it decide; you owe 0.25 EUR of it"));
    assert!(!judged(&market, "anna").contains("fee of"));

    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    let mut buying = market.start_buying().unwrap();
    wait_until("the third party is not asked", &market, || verdicts(&market) == 1);
    market.restart(Part::Merchant, &[]).unwrap();
    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    let owed = "fee of third.example: the originator owes 0.25 EUR, the responder 0.25 EUR";
    assert!(judged(&market, "anna").contains(owed));
}

#[test]
fn a_side_that_would_not_owe_the_whole_fee_counters_and_the_other_goes_as_far_as_it_may() {
    let (market, _folder) = with_fee("[\"halves\"]", "[\"theirs\", \"halves\"]");

    bought(&market);

    assert!(told(&market, "0.50 EUR if either side has it decide; you owe 0.25 EUR of it"));
    assert_eq!((ended(&market, "otto").as_str(), books(&market).payments), ("completed", 1));
}

#[test]
fn a_buyer_who_dies_while_the_fee_is_bargained_about_goes_on_with_it() {
    let (market, _folder) = with_fee("[\"halves\"]", "[\"theirs\", \"halves\"]");
    let mut payments = 0;
    for write in [24, 27, 30, 33] {
        let crashed = buy_until_crash(&market, &format!("archive.after:{write}"));
        assert!(crashed);
        let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();
        assert_eq!(resumed.code, 0, "{write}: {}", resumed.err);
        payments += i64::from(newest(&market, "anna").0 == "completed");
        assert_eq!(books(&market).payments, payments, "{write}");
    }
    assert!(payments > 0);
}

#[test]
fn two_who_would_each_have_the_other_owe_the_fee_exchange_nothing_and_are_told_why() {
    let (market, _folder) = with_fee("[\"theirs\"]", "[\"theirs\"]");
    let before = books(&market);

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert!(told(&market, "the two sides do not agree who owes the third party's fee"));
    assert_eq!((books(&market), ended(&market, "otto")), (before, "withdrawn".into()));
}

#[test]
fn two_who_know_different_fees_are_told_to_look_at_the_third_partys_entry() {
    let (mut market, _folder) = with_fee("[\"halves\"]", "[\"halves\"]");
    trusting(&market, "otto", "0.50 EUR", "0.75 EUR");
    market.restart_merchant().unwrap();

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert!(told(&market, "the two sides know different fees of the third party"));
}

/// The merchant vanishes once it has promised, the third party with it, and both stay away until every
/// date of the exchange has passed.
fn abandoned(modes: &str) -> (Market, TempDir) {
    let (mut market, folder) = mail_order(modes);
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    market.third.kill();
    let mut buying = market.start_buying().unwrap();
    assert!(market.part(Part::Merchant).wait(Duration::from_secs(60)).is_some());
    std::thread::sleep(Duration::from_secs(2));
    buying.kill();
    later(&mut market);
    (market, folder)
}

/// Both deals fail and say who owes what, and the buyer's file shows it to a judge.
fn both_hear_what_is_owed(market: &Market) {
    let (state, note) = newest(market, "anna");
    assert_eq!(state, "failed", "{note}");
    assert!(note.contains("you have paid") && note.contains("Otto Versand owes you"), "{note}");
    wait_until("the merchant's deal goes on", market, || newest(market, "otto").0 != "running");
    let (state, note) = newest(market, "otto");
    assert_eq!(state, "failed", "{note}");
    assert!(note.contains("Anna Berg has paid you") && note.contains("you owe"), "{note}");
    let found = finding(market, "anna");
    assert_eq!(found.code, 1, "{}", found.out);
    assert!(found.out.contains("the other side has what it was promised; the responder has not"));
}

#[test]
fn whoever_has_paid_for_good_and_reaches_nobody_in_time_hears_that_it_is_owed_to_her() {
    let (market, _folder) = abandoned("[\"fenced\"]");

    resume_later(&market, TWELVE_DAYS);

    assert!(balance(&market, "Otto Versand") > 0);
    both_hear_what_is_owed(&market);
    assert!(!told(&market, "Nothing was paid"));
}

#[test]
fn a_payment_that_was_never_taken_back_is_shown_to_be_made_when_its_date_has_passed() {
    let (market, _folder) = abandoned("[\"reversible\"]");

    resume_later(&market, TWELVE_DAYS);

    both_hear_what_is_owed(&market);
    assert!(told(&market, "Otherwise it stays paid"));
}

#[test]
fn a_standing_consent_covers_price_and_fee_together() {
    let (mut market, _folder) = with_fee("[\"halves\"]", "[\"halves\"]");
    for home in ["anna", "otto"] {
        trusting(&market, home, "0.50 EUR", "90000.00 EUR");
    }
    market.restart_merchant().unwrap();
    let before = books(&market);

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert!(told(&market, "you owe 45000.00 EUR of it"));
    assert_eq!(books(&market).payments, before.payments);
}

#[test]
fn a_third_party_serves_the_banks_that_it_has_announced_or_does_not_start() {
    let (market, _folder) = market(&small());
    let file = market.folder.join("third.toml");
    let text = fs::read_to_string(&file).unwrap();
    let bare = text.split("[[third-party.bank]]").next().unwrap();
    fs::write(&file, bare).unwrap();

    let checked = market.semper(&["serve", "third.toml", "--check"]).unwrap();

    assert_eq!(checked.code, 2, "{}{}", checked.out, checked.err);
    assert!(checked.err.contains("it asks the bank “Test Bank”"), "{}", checked.err);
}

#[test]
fn a_third_party_with_another_key_says_its_banks_and_its_fee_again() {
    let (market, _folder) = market(&small());
    let renew = |more: &[&str]| {
        let renew = ["third-party-renew", "--home", "third", "--address", "https://localhost:1"];
        let renewed = market.semper(&[&renew[..], more].concat()).unwrap();
        assert_eq!(renewed.code, 0, "{}", renewed.err);
        fs::write(market.folder.join("entry.toml"), &renewed.out).unwrap();
        let add = ["trust", "add", "--home", "anna", "third-party", "--file", "entry.toml"];
        let added = market.semper(&add).unwrap();
        assert_eq!(added.code, 0, "{}", added.err);
        added.out + &added.err
    };

    let followed = renew(&["--fee", "0.75 EUR"]);
    assert!(followed.contains("it takes 0.75 EUR if it decides, and asks Test Bank"), "{followed}");
    assert!(followed.contains("where it was: it takes nothing"), "{followed}");
    let again = renew(&[]);
    assert!(again.contains("it takes 0.75 EUR if it decides, and asks Test Bank"), "{again}");
    let free = renew(&["--fee", "none"]);
    assert!(free.contains("it takes nothing, and asks Test Bank"), "{free}");
    let listed = market.semper(&["trust", "list", "--home", "anna"]).unwrap();
    assert!(listed.out.contains("it takes nothing, and asks Test Bank"), "{}", listed.out);
}

#[test]
fn a_third_party_that_is_added_is_liked_least() {
    let (market, _folder) = market(&small());
    let init = ["third-party-init", "--home", "nine", "--origin", "nine.example"];
    let made = market.semper(&[&init[..], &["--address", "https://localhost:1"]].concat()).unwrap();
    assert_eq!(made.code, 0, "{}", made.err);
    fs::write(market.folder.join("nine.toml"), &made.out).unwrap();

    let add = ["trust", "add", "--home", "anna", "third-party", "--file", "nine.toml"];
    let added = market.semper(&add).unwrap();

    assert_eq!(added.code, 0, "{}", added.err);
    let listed = market.semper(&["trust", "list", "--home", "anna"]).unwrap();
    let place = |name: &str| listed.out.find(name).unwrap();
    assert!(place("third.example") < place("nine.example"), "{}", listed.out);
    bought(&market);
}
