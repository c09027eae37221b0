//! Money: who can pay whom is known before anybody signs, nothing is paid that the flow or a policy
//! does not allow, whoever was revoked pays no more, and a bank whose books do not balance waits for
//! its operator.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{asked, books, ended, market, newest, small, with_patience};
use semper_base::Certificate;
use semper_roles::party::Party;
use semper_testkit::market::Published;
use semper_testkit::process::{Output, free_port};
use semper_testkit::{BankAt, Market, Part};

const LONG: Duration = Duration::from_secs(60);

fn buy(market: &Market) -> Output {
    market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap()
}

/// Has the crook offer its mail-order with something planted.
fn plant(market: &mut Market, number: u32) {
    let source = market.binaries.repository.join("tests/trust/unfair");
    let texts = market.folder.join("planted");
    copy(&source, &texts);
    let terms = texts.join("terms.toml");
    let text = std::fs::read_to_string(&terms).unwrap();
    let planted = text.replace("unfair             = 0", &format!("unfair = {number}"));
    std::fs::write(&terms, planted).unwrap();
    let guest = |name: &str| market.binaries.guests.join(name);
    let (buyer, seller) = (guest("unfair_buyer.wasm"), guest("unfair_seller.wasm"));
    market.publish("crook", &Published { texts: &texts, buyer: &buyer, seller: &seller }).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_buyer_at_another_bank_hears_of_it_before_anybody_signs() {
    let (market, _folder) = market(&small());
    let port = free_port().unwrap();
    let other = BankAt { home: "other-bank", name: "Other Bank", port };
    let _running = market.another_bank(other).unwrap();
    market.change_bank("anna", other).unwrap();

    let refused = buy(&market);

    assert_eq!(refused.code, 1, "{}", refused.err);
    let words = "no way to pay in common: the buyer has purse, at Other Bank; the merchant takes \
                 purse, at Test Bank";
    assert!(refused.err.contains(words), "{}", refused.err);
    assert!(refused.err.contains("open an account where the merchant has one"), "{}", refused.err);
    assert!(!refused.err.contains("at fault"), "{}", refused.err);
    assert_eq!(asked(&market, "agreement"), 0);
    let deals = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    assert_eq!(deals, serde_json::json!([]));
}

#[test]
fn what_the_flow_does_not_enable_is_neither_asked_nor_paid() {
    let (mut market, _folder) = market(&small());
    // This service wants a cent more than the offer says, after the order.
    plant(&mut market, 19);

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert_eq!(asked(&market, "order"), 1);
    assert_eq!(asked(&market, "payment-order"), 0, "the person was asked in vain");
    let after = books(&market);
    assert_eq!((after.payments, after.sum, after.parcels), (0, 0, 0));
    let (state, note) = newest(&market, "anna");
    assert_eq!(state, "failed", "{note}");
    assert!(note.contains("but the offer is over"), "{note}");
}

#[test]
fn an_amount_that_a_policy_of_hers_forbids_is_refused_and_nobody_is_blamed() {
    let (mut market, _folder) = market(&small());
    plant(&mut market, 0);
    // It reckons with the amount in a way that gives no ceiling.
    let policy = "permit (principal, action, resource);\n\
                  @id(\"odd\")\n@says(\"this much is not paid by this home\")\n\
                  forbid (principal, action == Action::\"pay\", resource)\n\
                  when { resource.minor * resource.minor > 0 };\n";
    std::fs::write(market.folder.join("anna/own.cedar"), policy).unwrap();
    let trust = market.folder.join("anna/trust.toml");
    let text = std::fs::read_to_string(&trust).unwrap();
    std::fs::write(&trust, format!("policies = [\"own.cedar\"]\n{text}")).unwrap();

    let bought = buy(&market);

    assert_eq!(bought.code, 1, "{}", bought.err);
    assert!(bought.err.contains("each amount asked when it is paid"), "{}", bought.err);
    let (state, note) = newest(&market, "anna");
    assert_eq!(state, "withdrawn", "{note}");
    assert!(note.contains("this home's policies do not permit that"), "{note}");
    // Which policy, and why, is told to the person alone.
    assert!(bought.err.contains("this much is not paid by this home"), "{}", bought.err);
    assert!(!note.contains("this much"), "{note}");
    assert!(!note.contains("at fault"), "{note}");
    assert_eq!(asked(&market, "payment-order"), 0);
    assert_eq!(books(&market).payments, 0);
}

/// The certificate of a home, as its archive keeps it.
fn certificate(home: PathBuf) -> Certificate {
    let archive = Party::open(&home).unwrap().archive;
    let all = archive.evidence(None).unwrap();
    let kept = all.iter().find(|it| it.kind == "certificate").unwrap();
    Certificate::from_der(&kept.bytes).unwrap()
}

#[test]
fn whoever_is_revoked_pays_no_more_and_asks_for_no_account() {
    let (market, _folder) = market(&small());
    let show = || market.semper(&["account", "show", "--home", "anna"]).unwrap();
    assert_eq!(show().code, 0, "{}", show().err);

    let serial = certificate(market.folder.join("anna")).serial();
    let revoked = market.semper(&["ca", "revoke", "--home", "ca", "--serial", &serial]).unwrap();
    assert_eq!(revoked.code, 0, "{}", revoked.err);

    // The bank hears of it with the next list.
    let begun = Instant::now();
    let refused = loop {
        let shown = show();
        if shown.code != 0 {
            break shown;
        }
        assert!(begun.elapsed() < LONG, "{}", shown.out);
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(refused.err.contains("has been revoked by its authority"), "{}", refused.err);
    let bought = buy(&market);
    assert_ne!(bought.code, 0);
    assert_eq!(books(&market).payments, 0);
}

#[test]
fn a_bank_that_cannot_ask_for_revoked_certificates_says_so_and_blames_nobody() {
    let (mut market, _folder) = market(&small());
    // It has never had a list, and its authority is away.
    market.ca.kill();
    market.bank.kill();
    std::fs::remove_dir_all(market.folder.join("bank/lists")).unwrap();
    market.restart_bank().unwrap();

    let shown = market.semper(&["account", "show", "--home", "anna"]).unwrap();

    assert_eq!(shown.code, 1, "{}", shown.out);
    assert!(shown.err.contains("cannot learn just now whether"), "{}", shown.err);
    let (status, health) = health(&market);
    assert_eq!(status, 503);
    assert!(health.contains("the revocation list of “Market CA” is not known here"), "{health}");
}

#[test]
fn a_bank_that_refuses_every_connection_is_asked_in_growing_pauses() {
    let (mut market, _folder) = market(&small());
    market.bank.kill();
    // Somebody else in its place, who hangs up: he counts.
    let place = std::net::TcpListener::bind(("127.0.0.1", market.ports[1])).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, close) = (Arc::clone(&asked), Arc::new(AtomicBool::new(false)));
    let closes = Arc::clone(&close);
    let counter = std::thread::spawn(move || {
        while !closes.load(Ordering::SeqCst) {
            drop(place.accept());
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });

    let mut buying = market.start_buying().unwrap();
    listed(&market, "otto", "the payment system cannot be reached");
    std::thread::sleep(Duration::from_secs(4));

    // Both sides ask, in pauses of a second and more.
    let times = asked.load(Ordering::SeqCst);
    assert!((1..=24).contains(&times), "asked {times} times");
    close.store(true, Ordering::SeqCst);
    let _ = std::net::TcpStream::connect(("127.0.0.1", market.ports[1]));
    counter.join().unwrap();
    market.restart_bank().unwrap();
    assert_eq!(buying.wait(LONG), Some(0), "{}", buying.log_text());
    assert_eq!(books(&market).payments, 1);
}

fn health(market: &Market) -> (u16, String) {
    let answer = common::client(market).get(&format!("{}/healthz", market.bank_url()), 10_000);
    let answer = answer.unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

/// An operator books a cent from one account to another.
fn correct(market: &Market, from: &str, to: &str) {
    let mut arguments = vec!["bank", "correct", "--home", "bank", "--from", from, "--to", to];
    arguments.extend(["--amount", "0.01 EUR", "--text", "paid in by mistake, and back"]);
    let done = market.semper(&arguments).unwrap();
    assert_eq!(done.code, 0, "{}", done.err);
}

/// Waits until a home's list of deals says this.
fn listed(market: &Market, home: &str, words: &str) {
    let begun = Instant::now();
    loop {
        let deals = market.semper(&["deals", "--home", home]).unwrap().out;
        if deals.contains(words) {
            return;
        }
        assert!(begun.elapsed() < LONG, "{deals}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn audit(market: &Market) -> Output {
    market.semper(&["bank", "audit", "--home", "bank", "--json"]).unwrap()
}

#[test]
fn a_bank_whose_books_do_not_balance_waits_for_a_correction_and_then_goes_on() {
    let (mut market, _folder) = with_patience(&small(), 60_000);
    let account = market.semper(&["account", "show", "--home", "anna", "--json"]).unwrap().json();
    let number = account["account"].as_str().unwrap().to_owned();
    assert_eq!(audit(&market).code, 0);
    assert_eq!(audit(&market).json()["findings"], serde_json::json!([]));

    // Money lies among what is held, and no hold says whose it is.
    correct(&market, &number, "held:EUR");
    let found = audit(&market);
    assert_eq!(found.code, 1);
    let row = &found.json()["findings"][0];
    assert_eq!(row["row"], "account held:EUR");
    assert_eq!(row["what"], "it holds 0.01 EUR, but holds come to 0.00 EUR");

    // The bank starts, shows accounts, and books nothing; it says so.
    market.bank.kill();
    market.restart_bank().unwrap();
    let shown = market.semper(&["account", "show", "--home", "anna"]).unwrap();
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("correction: paid in by mistake"), "{}", shown.out);
    assert_eq!(health(&market).0, 503);
    let mut buying = market.start_buying().unwrap();
    listed(&market, "anna", "waits for the bank, Test Bank");
    assert_eq!(books(&market).payments, 0);
    assert!(!buying.has_ended());

    // An operator books it back: the bank notices by itself, and the purchase goes on.
    correct(&market, "held:EUR", &number);
    let begun = Instant::now();
    while health(&market).0 != 200 {
        assert!(begun.elapsed() < LONG, "{}", health(&market).1);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(buying.wait(LONG), Some(0), "{}", buying.log_text());
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!(audit(&market).code, 0);
    assert_eq!(books(&market).payments, 1);
    assert!(market.part(Part::Bank).log_text().contains("semper bank audit"));
}
