//! What the end-to-end tests share: the binaries, a marketplace, a look at its books.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test file uses its part")]

pub mod desk;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use semper_base::Digest;
use semper_testkit::market::{BUYER_RULES, Published};
use semper_testkit::{Binaries, Market, MarketOptions};
use semper_tinguin_protocol::{Cause, Client, ClientError, Failure};
use tempfile::TempDir;

/// The binaries that `cargo xtask test` has built beside the tests.
pub fn binaries() -> Binaries {
    Binaries::beside().unwrap()
}

/// A small marketplace in a temporary folder.
pub fn market(options: &MarketOptions) -> (Market, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let market = Market::build(folder.path(), &binaries(), options, &|_| {});
    (market.unwrap_or_else(|error| panic!("{error}")), folder)
}

/// As [`market`], with parties who ask the third party as soon as the other side is late: whoever
/// kills processes a hundred times does not want to wait for each.
pub fn impatient(options: &MarketOptions) -> (Market, TempDir) {
    with_patience(options, 1_000)
}

/// As [`market`], with parties who ask the third party when the other side is late by so much.
pub fn with_patience(options: &MarketOptions, ms: u32) -> (Market, TempDir) {
    let (mut market, folder) = market(options);
    give_patience(&mut market, ms);
    (market, folder)
}

/// Has both parties of a marketplace ask the third party when the other side is late by so much.
pub fn give_patience(market: &mut Market, ms: u32) {
    for home in ["anna", "otto"] {
        let file = market.folder.join(home).join("trust.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let changed = text.replace("patience_ms = 4000", &format!("patience_ms = {ms}"));
        assert_ne!(text, changed);
        std::fs::write(&file, changed).unwrap();
    }
    market.restart_merchant().unwrap();
}

/// A marketplace whose merchant sells reports about what it has.
pub fn with_reports() -> (Market, TempDir) {
    let rules = format!(
        "[[rule]]\ntopic = \"report\"\nchoose = \"market-report\"\n\
         [[rule]]\ntopic = \"subject\"\nfields = {{ subject = \"woollen scarf\" }}\n{BUYER_RULES}"
    );
    let options = MarketOptions { buyer_rules: rules, ..small() };
    let (mut market, folder) = market(&options);
    let texts = market.binaries.repository.join("guest-services/market-report/terms");
    let guest = |name: &str| market.binaries.guests.join(name);
    let (buyer, seller) = (guest("market_report_buyer.wasm"), guest("market_report_seller.wasm"));
    let service = Published { texts: &texts, buyer: &buyer, seller: &seller };
    market.publish("reports", &service).unwrap();
    (market, folder)
}

/// Rules by which the buyer searches and chooses by herself.
pub fn search() -> &'static str {
    BUYER_RULES.split_at(decisions_at()).0
}

/// Rules by which she decides, and answers no question of a service's.
pub fn decisions() -> &'static str {
    BUYER_RULES.split_at(decisions_at()).1
}

fn decisions_at() -> usize {
    BUYER_RULES.find("[[rule]]\ntopic  = \"agreement\"").unwrap()
}

/// Few articles: most tests need one.
pub fn small() -> MarketOptions {
    MarketOptions { articles: 2_000, funds: "50000.00 EUR".into(), ..MarketOptions::default() }
}

/// Starts `semper buy` with a crash ahead; whether it crashed.
pub fn buy_until_crash(market: &Market, crash: &str) -> bool {
    let status = Command::new(&market.binaries.semper)
        .args(["buy", "--home", "anna", &market.merchant_url()])
        .env("SEMPER_CRASH", crash)
        .current_dir(&market.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

/// Goes on with Anna's deals to their ends, by a clock that is so far ahead.
pub fn resume_later(market: &Market, millis: u64) -> bool {
    let status = Command::new(&market.binaries.semper)
        .args(["deals", "--home", "anna", "--resume"])
        .env("SEMPER_CLOCK", millis.to_string())
        .current_dir(&market.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

/// A client that believes the marketplace's authority.
pub fn client(market: &Market) -> semper_net::Client {
    let pem = std::fs::read_to_string(market.folder.join("ca/root.pem")).unwrap();
    let root = semper_base::Certificate::from_pem(&pem).unwrap();
    semper_net::Client::new(&semper_base::cert::Roots::new(vec![root]))
}

/// Answers one question of SQL about a file of the marketplace.
pub fn ask(file: PathBuf, sql: &str) -> i64 {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The marketplace's books, by which "nothing is done twice" is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// Payments booked, fundings not counted.
    pub payments: i64,
    /// The sum of all balances: always zero.
    pub sum: i64,
    /// Parcels sent.
    pub parcels: i64,
    /// Goods that are neither in stock nor in parcels, by articles' stock.
    pub stock: i64,
    /// Reservations that hold goods.
    pub reserved: i64,
}

/// Reads the books.
pub fn books(market: &Market) -> Books {
    let bank = || market.folder.join("bank/ledger.sqlite");
    let shop = || market.folder.join("otto/catalogue.sqlite");
    Books {
        payments: ask(
            bank(),
            "SELECT count(*) FROM entries WHERE text LIKE 'deal%' OR text LIKE 'released%'",
        ),
        sum: ask(bank(), "SELECT sum(balance) FROM accounts"),
        parcels: ask(shop(), "SELECT count(*) FROM parcels"),
        stock: ask(shop(), "SELECT sum(stock) FROM articles"),
        reserved: ask(
            shop(),
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE done AND state <> 'released'",
        ),
    }
}

/// The newest deal of a home: its state and note.
pub fn newest(market: &Market, home: &str) -> (String, String) {
    let deals = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    let text = |key: &str| deals[0][key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("note"))
}

/// A home's newest deal and what is kept of it, as the archive shows it; nothing of one that is being
/// opened.
pub fn kept(market: &Market, home: &str) -> Option<(String, Vec<serde_json::Value>)> {
    let deals = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    let deal = deals[0]["id"].as_str().filter(|_| deals[0]["state"] != "opening")?;
    let shown = market.semper(&["archive", "show", "--home", home, deal, "--json"]).unwrap();
    assert_eq!(shown.code, 0, "{}", shown.err);
    Some((deal.to_owned(), shown.json()["evidence"].as_array().unwrap().clone()))
}

/// The state in which a home's newest deal ends; the last message may still be under way.
pub fn ended(market: &Market, home: &str) -> String {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let (state, note) = newest(market, home);
        if state != "running" {
            return state;
        }
        assert!(std::time::Instant::now() < until, "{home} still {note}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Waits until a home's newest deal has left memory over this note.
pub fn waits_for(market: &Market, home: &str, words: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let (_, note) = newest(market, home);
        if note.contains(words) {
            return;
        }
        assert!(std::time::Instant::now() < until, "still: {note}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// How often a person was asked about each topic, from the TINGUIN's transcript.
pub fn asked(market: &Market, topic: &str) -> usize {
    let text = std::fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    let needle = format!("\"topic\":\"{topic}\"");
    text.lines()
        .filter(|line| line.contains(&needle) && !line.ends_with("\"answer\":null}"))
        .count()
}

/// Whether the TINGUIN of a home is locked.
pub fn is_locked(home: &Path) -> bool {
    match Client::new(home).deal_keys(Digest::of(b"nobody's")) {
        Err(ClientError::NotDone(Failure { cause: Cause::Locked, .. })) => true,
        Ok(_) => false,
        Err(other) => panic!("{other}"),
    }
}
