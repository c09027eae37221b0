//! Borders that fail: a disk, a TINGUIN, a bank, a third party, a compiler, a catalogue. Whatever
//! fails, and whenever, a purchase ends as it would have without that, the money moves once, and
//! nobody is named at fault.
//!
//! `SEMPER_FAIL` has a border fail (see `host/base/src/fault.rs`). In the test command each border
//! fails many times in a few purchases; `SEMPER_POINTS=1` has every single occurrence fail in a
//! purchase of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{
    ask, books, client, ended, give_patience, impatient, market, newest, small, with_patience,
    with_reports,
};
use semper_testkit::{Market, Part, process};

/// Longer than any purchase takes; only one that hangs gets this far.
const HANG: Duration = Duration::from_secs(120);
/// How patient parties are whose own borders fail, in ms: more than the pauses before they try again.
/// Whoever keeps the other side waiting for longer than it is patient gets nothing, and rightly.
const PATIENT: u32 = 30_000;

/// A border of a process, and when it fails.
struct Border {
    name: &'static str,
    /// Occurrences, as `SEMPER_FAIL` has them after the name.
    which: &'static [&'static str],
    /// Single occurrences that are gone through at night, at most.
    most: usize,
}

const fn border(name: &'static str, which: &'static [&'static str], most: usize) -> Border {
    Border { name, which, most }
}

impl Border {
    /// What `SEMPER_FAIL` is in each of the purchases.
    fn faults(&self) -> Vec<String> {
        let step = std::env::var("SEMPER_POINTS").ok().and_then(|it| it.parse().ok());
        match step {
            None => self.which.iter().map(|which| format!("{}:{which}", self.name)).collect(),
            Some(step) => {
                (1..=self.most).step_by(step).map(|it| format!("{}:{it}", self.name)).collect()
            }
        }
    }
}

/// What a host asks of others.
const HOSTS: [Border; 5] = [
    border("archive.read", &["5/47", "31/47"], 400),
    border("archive.write", &["3/23", "12/23"], 80),
    border("archive.full", &["6/29"], 80),
    border("tinguin.ask", &["4/19", "11/19"], 80),
    border("bank.ask", &["1-2", "3/2"], 6),
];
const CATALOGUES: [Border; 2] =
    [border("catalogue.read", &["1/2"], 8), border("catalogue.write", &["1/2"], 8)];
/// The first of each fails while a deal is opened, which comes to nothing then; the others later.
const TINGUINS: [Border; 2] =
    [border("tinguin.read", &["3/17", "23/29"], 60), border("tinguin.write", &["2/6", "5/13"], 20)];
const BANKS: [Border; 1] = [border("ledger.open", &["1-9", "4/11"], 40)];

/// Entries by which a home says that a deal has failed, and perhaps who is at fault.
fn incidents(market: &Market, home: &str) -> i64 {
    let sql = "SELECT count(*) FROM evidence WHERE kind = 'incident'";
    ask(market.folder.join(home).join("archive.sqlite"), sql)
}

fn deals(market: &Market, home: &str) -> usize {
    let all = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    all.as_array().map_or(0, Vec::len)
}

/// Checks that every deal up to now has ended well, and that nobody was blamed for anything.
fn check(market: &Market, what: &str, log: &str) {
    let count = i64::try_from(deals(market, "anna")).unwrap();
    if count > 0 {
        let (state, note) = newest(market, "anna");
        let logs = || format!("{log}\n{}", market.merchant.log_text());
        assert_eq!(state, "completed", "{what}: {note}\n{}", logs());
        assert_eq!(ended(market, "otto"), "completed", "{what}\n{}", logs());
    }
    let now = books(market);
    assert_eq!((now.payments, now.sum), (count, 0), "{what}");
    for home in ["anna", "otto"] {
        assert_eq!(incidents(market, home), 0, "{what}: {home} says that a deal has failed");
    }
}

/// Goes on with what has not ended, now that nothing fails any more.
fn resume(market: &Market, what: &str) {
    let arguments = ["deals", "--home", "anna", "--resume"];
    let binary = &market.binaries.semper;
    let mut resumed =
        process::Running::start(&market.folder, "resume", binary, &arguments, &[]).unwrap();
    let code = resumed.wait(HANG);
    assert_eq!(code, Some(0), "{what}: {}", resumed.log_text());
}

/// A purchase by a buyer's host at which something fails.
fn buy(market: &Market, env: &[(&str, &str)], what: &str) -> String {
    let url = market.merchant_url();
    let arguments = ["buy", "--home", "anna", &url];
    let mut buying = start(market, &arguments, env);
    let code = buying.wait(HANG);
    assert!(code.is_some(), "{what} hangs: {}", buying.log_text());
    if code != Some(0) {
        resume(market, what);
    }
    buying.log_text()
}

fn start(market: &Market, arguments: &[&str], env: &[(&str, &str)]) -> process::Running {
    let _ = fs::remove_file(market.folder.join("buyer.log"));
    let binary = &market.binaries.semper;
    process::Running::start(&market.folder, "buyer", binary, arguments, env).unwrap()
}

/// Whether a border has failed in what a process has written since.
fn has_failed(border: &Border, log: &str) -> bool {
    log.contains(&format!("SEMPER_FAIL: {} fails", border.name))
}

/// Has every border of the buyer's host fail in purchases; how many came to a deal.
fn buyers(market: &Market, borders: &[Border]) -> usize {
    for border in borders {
        let mut met = 0;
        for fault in border.faults() {
            let what = format!("the buyer's {fault}");
            let log = buy(market, &[("SEMPER_FAIL", &fault)], &what);
            check(market, &what, &log);
            if !has_failed(border, &log) {
                // A purchase meets this border less often.
                break;
            }
            met += 1;
        }
        assert!(met > 0, "{} has never failed", border.name);
    }
    deals(market, "anna")
}

/// Has every border of another part fail in purchases; how many came to a deal.
fn parts(market: &mut Market, part: Part, borders: &[Border]) -> usize {
    for border in borders {
        let mut met = 0;
        for fault in border.faults() {
            let what = format!("{part:?} with {fault}");
            let before = market.part(part).log_text().len();
            let code = buy_from(market, part, &fault);
            let log = market.part(part).log_text()[before..].to_owned();
            if code != Some(0) {
                resume(market, &what);
            }
            check(market, &what, &log);
            if !has_failed(border, &log) {
                break;
            }
            met += 1;
        }
        assert!(met > 0, "{} of {part:?} has never failed", border.name);
    }
    deals(market, "anna")
}

/// A purchase while something fails at a part, which is started again afterwards.
fn buy_from(market: &mut Market, part: Part, fault: &str) -> Option<i32> {
    // What fails while it starts may end it; whoever runs it starts it again.
    if market.restart(part, &[("SEMPER_FAIL", fault)]).is_err() {
        market.restart(part, &[]).unwrap();
    }
    let url = market.merchant_url();
    let code = start(market, &["buy", "--home", "anna", &url], &[]).wait(HANG);
    market.restart(part, &[]).unwrap();
    code
}

fn verified(market: &Market) {
    for home in ["anna", "otto"] {
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{home}: {}{}", verified.out, verified.err);
    }
}

#[test]
fn a_buyer_whose_borders_fail_gets_what_was_agreed_and_nobody_is_named() {
    let (market, _folder) = with_patience(&small(), PATIENT);
    assert!(buyers(&market, &HOSTS) > 4);
    verified(&market);
}

#[test]
fn a_merchant_whose_borders_fail_sells_what_was_agreed_and_nobody_is_named() {
    let (mut market, _folder) = with_patience(&small(), PATIENT);
    let sold = parts(&mut market, Part::Merchant, &HOSTS);
    assert!(parts(&mut market, Part::Merchant, &CATALOGUES) > sold && sold > 4);
    assert_eq!(books(&market).parcels, i64::try_from(deals(&market, "otto")).unwrap());
    verified(&market);
}

#[test]
fn tinguins_whose_disks_fail_and_banks_whose_books_do_blame_nobody() {
    let (mut market, _folder) = with_patience(&small(), PATIENT);
    for part in [Part::BuyerTinguin, Part::MerchantTinguin] {
        assert!(parts(&mut market, part, &TINGUINS) > 0);
    }
    assert!(parts(&mut market, Part::Bank, &BANKS) > 2);
    verified(&market);
}

#[test]
fn a_report_is_sold_over_failing_borders_of_both_sides() {
    let (mut market, _folder) = with_reports();
    give_patience(&mut market, PATIENT);
    let some = [
        border("archive.read", &["9/47"], 400),
        border("archive.write", &["7/23"], 80),
        border("tinguin.ask", &["6/19"], 80),
    ];
    assert!(buyers(&market, &some) > 1);
    assert!(parts(&mut market, Part::Merchant, &some) > 3);
    verified(&market);
}

#[test]
fn a_third_party_that_fails_decides_all_the_same() {
    // The merchant vanishes when both have promised, and the buyer asks the third party.
    let (mut market, _folder) = impatient(&small());
    let vanishes = [("SEMPER_CRASH", "exchange.after:2")];
    let faults = [
        (None, "third.ask:1-2"),
        (Some(Part::ThirdParty), "cases.read:1-3"),
        (Some(Part::ThirdParty), "cases.write:1-2"),
    ];
    for (part, fault) in faults {
        market.restart(Part::Merchant, &vanishes).unwrap();
        let env = [("SEMPER_FAIL", fault)];
        if let Some(part) = part {
            market.restart(part, &env).unwrap();
        }
        let url = market.merchant_url();
        let own: &[(&str, &str)] = if part.is_none() { &env } else { &[] };
        let mut buying = start(&market, &["buy", "--home", "anna", &url], own);
        let until = Instant::now() + HANG;
        let cases = || ask(market.folder.join("third/cases.sqlite"), "SELECT count(*) FROM cases");
        let wanted = i64::try_from(deals(&market, "anna")).unwrap();
        while cases() < wanted.max(1) {
            assert!(Instant::now() < until, "{fault}: no verdict\n{}", buying.log_text());
            std::thread::sleep(Duration::from_millis(50));
        }
        market.restart(Part::Merchant, &[]).unwrap();
        if buying.wait(HANG) != Some(0) {
            resume(&market, fault);
        }
        let paid = i64::try_from(deals(&market, "anna")).unwrap();
        while books(&market).payments < paid {
            assert!(Instant::now() < until, "{fault}: not paid\n{}", market.merchant.log_text());
            std::thread::sleep(Duration::from_millis(50));
        }
        check(&market, fault, &buying.log_text());
    }
}

#[test]
fn a_compiler_that_is_missing_or_killed_is_tried_again() {
    let (mut market, _folder) = market(&small());
    for fault in ["compiler.start:1-2", "compiler.end:1-2"] {
        forget(&market, "anna");
        let log = buy(&market, &[("SEMPER_FAIL", fault)], fault);
        check(&market, fault, &log);
        forget(&market, "otto");
        market.restart(Part::Merchant, &[("SEMPER_FAIL", fault)]).unwrap();
        let log = buy(&market, &[], fault);
        check(&market, &format!("the merchant's {fault}"), &log);
        // Its server has tried again by itself, and is well.
        let url = format!("{}/healthz", market.merchant_url());
        let until = Instant::now() + HANG;
        loop {
            let health = client(&market).get(&url, 4096).unwrap();
            if health.status == 200 {
                break;
            }
            assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&health.body));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    assert_eq!(deals(&market, "anna"), 4);
}

#[test]
fn a_compiler_that_somebody_kills_says_nothing_about_the_service() {
    let (market, _folder) = market(&small());
    forget(&market, "anna");
    let url = market.merchant_url();
    let mut buying = start(&market, &["buy", "--home", "anna", &url], &[]);

    let (until, mut killed) = (Instant::now() + HANG, Vec::new());
    while killed.len() < 3 {
        assert!(Instant::now() < until, "no compiler runs: {}", buying.log_text());
        for worker in workers(buying.id()) {
            if !killed.contains(&worker) {
                let kill = Command::new("kill").args(["-KILL", &worker.to_string()]).status();
                // It may have come to its end just now.
                killed.extend(kill.is_ok_and(|it| it.success()).then_some(worker));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }

    assert_eq!(buying.wait(HANG), Some(0), "{}", buying.log_text());
    check(&market, "three compilers killed", &buying.log_text());
}

/// Forgets what a home has compiled.
fn forget(market: &Market, home: &str) {
    let _ = fs::remove_dir_all(market.folder.join(home).join("cache"));
}

/// The compilers that a process has started and that run now.
fn workers(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let is_worker = |id: &u32| {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
        let status = read("status");
        let of = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        of.is_some_and(|of| of.trim() == parent.to_string())
            && read("cmdline").contains("compile-component")
    };
    ids.filter(is_worker).collect()
}

#[test]
fn an_end_that_nobody_has_signed_ends_nothing() {
    let (mut market, _folder) = market(&small());
    assert!(common::buy_until_crash(&market, "archive.after:12"));
    assert_eq!(newest(&market, "otto").0, "running");
    let archive = rusqlite::Connection::open(market.folder.join("otto/archive.sqlite")).unwrap();
    archive.busy_timeout(Duration::from_secs(10)).unwrap();
    let ends = |state: &str| {
        let sql = "UPDATE deals SET state = ?1, note = 'the shop has burnt down', asleep = 0";
        assert_eq!(archive.execute(sql, [state]).unwrap(), 1);
    };
    // The merchant's side is over, and has nothing to say about it.
    market.merchant.kill();
    ends("completed");
    market.restart(Part::Merchant, &[]).unwrap();

    let mut resuming = start(&market, &["deals", "--home", "anna", "--resume"], &[]);

    let until = Instant::now() + HANG;
    while !resuming.log_text().contains("without a signature") {
        assert!(Instant::now() < until && !resuming.has_ended(), "{}", resuming.log_text());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(newest(&market, "anna").0, "running");
    assert_eq!(incidents(&market, "anna"), 0);

    // One that has failed says so, signed, although it did not when it failed.
    ends("failed");
    assert!(resuming.wait(HANG).is_some(), "{}", resuming.log_text());
    let (state, note) = newest(&market, "anna");
    assert_eq!(state, "failed", "{note}");
    assert!(note.contains("has ended the deal: the shop has burnt down"), "{note}");
}
