//! A process that is killed at any point goes on where it was, and nothing is done twice.
//!
//! `SEMPER_CRASH=N` has a process SIGKILL itself at the N-th point that it comes to (see
//! `host/base/src/fault.rs`): before and after every commit of its stores, before a message is
//! posted, after it is, after one is stored and before that is acknowledged. Here N runs from 1
//! until a whole deal goes by without meeting the point, for every process that takes part.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::{Duration, Instant};

use common::{asked, books, buy_until_crash, ended, impatient, market, newest, small};
use semper_testkit::{Market, Part, process};

/// Checks that every deal so far has ended well, and nothing twice.
fn check(market: &Market, deals: usize, crash: &str) {
    let now = books(market);
    let count = i64::try_from(deals).unwrap();
    assert_eq!((now.payments, now.parcels, now.sum), (count, count, 0), "{crash}");
    for topic in ["agreement", "order", "exchange", "completion"] {
        assert_eq!(asked(market, topic), deals, "{topic} at {crash}");
    }
}

fn verified(market: &Market) {
    for home in ["anna", "otto"] {
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{home}: {}{}", verified.out, verified.err);
    }
}

fn resume(market: &Market, crash: &str) -> usize {
    let resumed = market.semper(&["deals", "--home", "anna", "--resume", "--json"]).unwrap();
    assert_eq!(resumed.code, 0, "{crash}: {}", resumed.err);
    resumed.json().as_array().map_or(0, Vec::len)
}

#[test]
fn a_buyer_killed_at_any_point_completes_the_deal_after_a_restart() {
    let (market, _folder) = impatient(&small());
    let mut deals = 0;
    for point in 1_u32.. {
        let crash = point.to_string();
        if !buy_until_crash(&market, &crash) {
            // The whole deal has fewer points: every one has been met.
            check(&market, deals + 1, &crash);
            assert!(point > 100, "only {point} points");
            break;
        }
        let count = resume(&market, &crash);
        // Before HELLO was stored nothing was begun, and nothing is gone on with.
        assert!(count == deals || count == deals + 1, "{crash}: {count} deals");
        deals = count;
        if deals > 0 {
            assert_eq!(newest(&market, "anna").0, "completed", "{crash}");
            check(&market, deals, &crash);
        }
    }
    verified(&market);
}

/// Kills a part at each of its points in turn; how many it has. `again` is how often a
/// question may be put a second time: to a TINGUIN that died with the answer.
fn sweep(market: &mut Market, part: Part, asks_again: bool) -> u32 {
    let mut deals = 0;
    for point in 1_u32.. {
        let crash = format!("{part:?} at {point}");
        // It may die while it is being started; that is a point like any other.
        let _ = market.restart(part, &[("SEMPER_CRASH", &point.to_string())]);
        let mut buying = market.start_buying().unwrap();
        let code = loop {
            if market.part(part).has_ended() {
                break None;
            }
            if let Some(code) = buying.wait(Duration::from_millis(10)) {
                break Some(code);
            }
        };
        let met = market.part(part).has_ended();
        market.restart(part, &[]).unwrap();
        let code = code.or_else(|| buying.wait(Duration::from_secs(60)));
        if code != Some(0) {
            // A buyer whom the crash met in its opening may have given up; what it has begun
            // is gone on with.
            resume(market, &crash);
        }
        let all = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
        deals = all.as_array().map_or(0, Vec::len);
        if deals > 0 {
            let (state, note) = newest(market, "anna");
            let logs = || format!("{}\n{}", buying.log_text(), market.merchant.log_text());
            assert_eq!(state, "completed", "{crash}: {note}\n{}", logs());
            assert_eq!(ended(market, "otto"), "completed", "{crash}");
        }
        if !asks_again {
            check(market, deals, &crash);
        }
        if !met {
            let now = books(market);
            let count = i64::try_from(deals).unwrap();
            assert_eq!((now.payments, now.parcels, now.sum), (count, count, 0), "{crash}");
            return point - 1;
        }
    }
    unreachable!("{deals} deals")
}

#[test]
fn a_merchant_killed_at_any_point_serves_the_deal_after_a_restart() {
    let (mut market, _folder) = impatient(&small());
    let points = sweep(&mut market, Part::Merchant, false);
    assert!(points > 70, "only {points} points");
    verified(&market);
}

#[test]
fn a_bank_and_tinguins_killed_at_any_point_book_and_sign_once() {
    let (mut market, _folder) = impatient(&small());
    let points = sweep(&mut market, Part::Bank, false);
    assert!(points >= 2, "only {points} points");
    verified(&market);
    let points = sweep(&mut market, Part::MerchantTinguin, true);
    assert!(points >= 6, "only {points} points");
    let points = sweep(&mut market, Part::BuyerTinguin, true);
    assert!(points >= 20, "only {points} points");
    verified(&market);
}

#[test]
fn a_bank_that_is_away_delays_the_payment_and_books_it_once() {
    let (mut market, _folder) = market(&small());
    market.bank.kill();
    let mut buying = market.start_buying().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while asked(&market, "order") == 0 {
        assert!(Instant::now() < until, "{}", buying.log_text());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(newest(&market, "anna").0, "running");

    market.restart_bank().unwrap();

    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    check(&market, 1, "bank away");
}

#[test]
fn a_tinguin_that_is_away_delays_the_deal_and_asks_once() {
    let (mut market, _folder) = market(&small());
    let crash = "archive.after:12";
    assert!(buy_until_crash(&market, crash));
    market.buyer_tinguin.take();
    let mut resuming = process::Running::start(
        &market.folder,
        "resume",
        &market.binaries.semper,
        &["deals", "--home", "anna", "--resume"],
        &[],
    )
    .unwrap();
    // Without its TINGUIN a host says so, and changes nothing.
    assert_eq!(resuming.wait(Duration::from_secs(30)), Some(1), "{}", resuming.log_text());
    assert!(resuming.log_text().contains("semper tinguin --home"), "{}", resuming.log_text());

    market.restart_buyer_tinguin(semper_testkit::market::BUYER_RULES).unwrap();

    resume(&market, crash);
    check(&market, 1, crash);
}
