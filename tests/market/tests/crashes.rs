//! A host that dies at any commit goes on where it was, and nothing is done twice.
//!
//! `SEMPER_CRASH=before:N` and `after:N` abort the process at the N-th commit of its archive
//! (see `host/supporting/archive/src/store/crash.rs`), so every boundary between effect and
//! record of a whole deal is met, in the processes that ship.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{asked, books, ended, market, newest, small};
use semper_testkit::{Market, process};

/// Starts `semper` with a crash ahead; whether it crashed.
fn buy_until_crash(market: &Market, crash: &str) -> bool {
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

/// Checks that every deal so far has ended well, and nothing twice.
fn check(market: &Market, deals: i64, crash: &str) {
    let now = books(market);
    assert_eq!((now.payments, now.parcels, now.sum), (deals, deals, 0), "{crash}");
    let deals = usize::try_from(deals).unwrap();
    for topic in ["agreement", "order", "payment-order", "completion"] {
        assert_eq!(asked(market, topic), deals, "{topic} at {crash}");
    }
}

#[test]
fn a_buyer_killed_at_any_commit_completes_the_deal_after_a_restart() {
    let (market, _folder) = market(&small());
    let mut deals = 0;
    for place in ["after", "before"] {
        for commit in 1_u32.. {
            let crash = format!("{place}:{commit}");
            if !buy_until_crash(&market, &crash) {
                // The whole deal takes fewer commits: every one has been met.
                deals += 1;
                check(&market, deals, &crash);
                assert!(commit > 20, "only {commit} commits");
                break;
            }
            let resumed =
                market.semper(&["deals", "--home", "anna", "--resume", "--json"]).unwrap();
            assert_eq!(resumed.code, 0, "{crash}: {}", resumed.err);
            // Before HELLO was stored nothing was begun, and nothing is gone on with.
            let all = resumed.json();
            let count = i64::try_from(all.as_array().map_or(0, Vec::len)).unwrap();
            assert!(count == deals || count == deals + 1, "{crash}: {count} deals");
            deals = count;
            if deals > 0 {
                assert_eq!(newest(&market, "anna").0, "completed", "{crash}: {}", resumed.err);
                check(&market, deals, &crash);
            }
        }
    }
    for home in ["anna", "otto"] {
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{home}: {}", verified.err);
    }
}

#[test]
fn a_merchant_killed_at_any_commit_serves_the_deal_after_a_restart() {
    let (mut market, _folder) = market(&small());
    let mut deals = 0;
    for commit in 1_u32.. {
        // Alternating, both sides of a commit are met for every kind of call.
        let place = if commit % 2 == 0 { "before" } else { "after" };
        let crash = format!("{place}:{commit}");
        market.merchant.kill();
        let merchant = Command::new(&market.binaries.semper)
            .args(["serve", "merchant.toml"])
            .env("SEMPER_CRASH", &crash)
            .current_dir(&market.folder)
            .stderr(Stdio::null())
            .spawn();
        let mut merchant = merchant.unwrap();
        let started = Instant::now();
        while !process::answers(market.ports[2])
            && merchant.try_wait().unwrap().is_none()
            && started.elapsed() < Duration::from_secs(30)
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut buying = market.start_buying().unwrap();
        let code = loop {
            if merchant.try_wait().unwrap().is_some() {
                break None;
            }
            if let Some(code) = buying.wait(Duration::from_millis(20)) {
                break Some(code);
            }
        };
        if code == Some(0) {
            let _ = merchant.kill();
            let _ = merchant.wait();
            deals += 1;
            assert!(commit > 20, "only {commit} commits");
            check(&market, deals, &crash);
            break;
        }
        market.restart_merchant().unwrap();
        if let Some(code) = buying.wait(Duration::from_secs(60)) {
            // A buyer whom the crash met before its HELLO was answered may have given up; what
            // it has begun is gone on with.
            if code != 0 {
                let resume = ["deals", "--home", "anna", "--resume"];
                let resumed = market.semper(&resume).unwrap();
                assert_eq!(resumed.code, 0, "{crash}: {}", resumed.err);
            }
        }
        let all = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
        deals = i64::try_from(all.as_array().unwrap().len()).unwrap();
        if deals > 0 {
            let (state, note) = newest(&market, "anna");
            assert_eq!(
                state,
                "completed",
                "{crash}: {note}\nmerchant's: {:?}\nbuyer:\n{}\nmerchant:\n{}",
                newest(&market, "otto"),
                buying.log_text(),
                market.merchant.log_text()
            );
            assert_eq!(ended(&market, "otto"), "completed", "{crash}");
            check(&market, deals, &crash);
        }
    }
    let verified = market.semper(&["archive", "verify", "--home", "otto"]).unwrap();
    assert_eq!(verified.code, 0, "{}", verified.err);
}

#[test]
fn a_bank_that_is_away_delays_the_payment_and_books_it_once() {
    let (mut market, _folder) = market(&small());
    market.bank.kill();
    let mut buying = market.start_buying().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while asked(&market, "payment-order") == 0 {
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
    let crash = "after:12";
    assert!(buy_until_crash(&market, crash));
    market.buyer_tinguin.take();
    let mut resuming = process::Running::start(
        &market.folder,
        "resume",
        &market.binaries.semper,
        &["deals", "--home", "anna", "--resume"],
    )
    .unwrap();
    // Without its TINGUIN a host says so, and changes nothing.
    assert_eq!(resuming.wait(Duration::from_secs(30)), Some(1), "{}", resuming.log_text());
    assert!(resuming.log_text().contains("semper tinguin --home"), "{}", resuming.log_text());

    market.restart_buyer_tinguin(semper_testkit::market::BUYER_RULES).unwrap();
    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();

    assert_eq!(resumed.code, 0, "{}", resumed.err);
    check(&market, 1, crash);
}
