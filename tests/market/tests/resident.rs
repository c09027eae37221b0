//! The resident host of a buyer's home: one process, all deals, any number of commands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{asked, books, market, newest, small, waits_for};
use semper_host_protocol::protocol::{self, MAX_FRAME, VERSION};
use semper_host_protocol::{Client, Hello, Reply, Request, SOCKET};
use semper_testkit::market::BUYER_RULES;
use semper_testkit::process::until;
use semper_testkit::{Market, MarketOptions, Output, Running};
use serde_json::Value;

/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(120);

/// A command of Anna's that asks her resident host.
fn command(market: &Market, arguments: &[&str]) -> Command {
    let mut command = Command::new(&market.binaries.semper);
    command.args(arguments).current_dir(&market.folder).env_remove("SEMPER_ALONE");
    command.stdin(Stdio::null());
    command
}

fn semper(market: &Market, arguments: &[&str]) -> Output {
    let done = command(market, arguments).output().unwrap();
    Output {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

fn buy(market: &Market) -> Output {
    semper(market, &["buy", "--home", "anna", &market.merchant_url()])
}

/// A command that runs while the test goes on.
fn start(market: &Market, name: &str, arguments: &[&str]) -> Running {
    let _ = fs::remove_file(market.folder.join(format!("{name}.log")));
    let env = [("SEMPER_ALONE", "0")];
    Running::start(&market.folder, name, &market.binaries.semper, arguments, &env).unwrap()
}

fn start_buying(market: &Market, name: &str) -> Running {
    start(market, name, &["buy", "--home", "anna", &market.merchant_url()])
}

fn status(market: &Market) -> Value {
    semper(market, &["run", "--home", "anna", "--status", "--json"]).json()
}

/// The process of Anna's host; none while there is none.
fn host_process(market: &Market) -> Option<u64> {
    status(market)["process"].as_u64()
}

fn kill(process: u64) {
    let sent = Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

fn end(market: &Market) -> Output {
    semper(market, &["run", "--home", "anna", "--end"])
}

fn socket(market: &Market) -> PathBuf {
    market.folder.join("anna").join(SOCKET)
}

/// Rules by which the order waits for the person for a long time.
fn asks() -> MarketOptions {
    let rules =
        format!("[[rule]]\ntopic = \"order\"\nanswer = \"yes\"\nafter_ms = 600000\n{BUYER_RULES}");
    MarketOptions { buyer_rules: rules, ..small() }
}

#[test]
fn four_terminals_buy_at_once_and_one_host_does_it() {
    let (market, _folder) = market(&small());
    assert_eq!(status(&market)["running"], false);

    let mut buying: Vec<Running> =
        (1..=4).map(|number| start_buying(&market, &format!("terminal-{number}"))).collect();
    for running in &mut buying {
        assert_eq!(running.wait(HANG), Some(0), "{}", running.log_text());
        let text = running.log_text();
        assert!(text.contains("is completed: "), "{text}");
        // Each terminal hears of its own deal alone.
        assert_eq!(text.matches("the deal is open").count(), 1, "{text}");
    }

    let after = books(&market);
    assert_eq!((after.payments, after.parcels, after.sum), (4, 4, 0));
    assert_eq!(asked(&market, "agreement"), 4);
    let now = status(&market);
    assert!(now["process"].is_u64(), "{now}");
    assert_eq!((&now["busy"], &now["openings"], &now["panics"]), (&0.into(), &0.into(), &0.into()));
    let mode = fs::metadata(socket(&market)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // Its log says what it did, and nobody else may read it.
    let log = market.folder.join("anna/host.log");
    assert!(fs::read_to_string(&log).unwrap().contains("the host is ready"));
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);

    let ended = end(&market);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("has ended; nothing is lost"), "{}", ended.out);
    assert_eq!(end(&market).code, 0, "there is nothing to end");
    assert!(!socket(&market).exists());
}

#[test]
fn a_deal_that_waits_for_the_person_keeps_nobody_waiting_and_may_be_left_from_another_terminal() {
    let (market, _folder) = market(&asks());
    let mut first = start_buying(&market, "first");
    waits_for(&market, "anna", "your decision");

    // Another account's statement, a list, a status: all while the deal waits.
    let listed = semper(&market, &["deals", "--home", "anna", "--json"]).json();
    assert_eq!(listed[0]["host_runs"], true);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(status(&market)["clients"], 2, "the one that buys, and the one that asks");
    // Two hosts do not run one home, whoever starts the second.
    let second = semper(&market, &["run", "--home", "anna"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("is running: process "), "{}", second.err);
    let alone = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(alone.code, 1);
    assert!(alone.err.contains("another host of "), "{}", alone.err);

    let left = semper(&market, &["cancel", "--home", "anna", &id, "--reason", "found it cheaper"]);
    assert_eq!(left.code, 0, "{}", left.err);
    assert!(left.out.contains(" is withdrawn: "), "{}", left.out);
    // The terminal that bought hears of it, too.
    assert_eq!(first.wait(HANG), Some(1), "{}", first.log_text());
    assert!(first.log_text().contains("is withdrawn"), "{}", first.log_text());
    assert_eq!(books(&market).payments, 0);
}

#[test]
fn whoever_closes_a_terminal_stops_no_open_deal_and_leaves_what_is_not_signed() {
    let (mut market, _folder) = market(&asks());
    // An open deal goes on.
    let mut first = start_buying(&market, "first");
    waits_for(&market, "anna", "your decision");
    first.signal("INT");
    assert_eq!(first.wait(HANG), Some(130));
    assert!(first.log_text().contains("goes on in the host of this home"), "{}", first.log_text());
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();
    until(HANG, "the deal goes on without its terminal", || {
        newest(&market, "anna").0 == "completed"
    });
    assert_eq!(books(&market).payments, 1);

    // An agreement that the person has not signed is left.
    let rules = BUYER_RULES.replace(
        "topic  = \"agreement\"\nanswer = \"yes\"",
        "topic  = \"agreement\"\nanswer = \"yes\"\nafter_ms = 600000",
    );
    assert_ne!(rules, BUYER_RULES);
    market.restart_buyer_tinguin(&rules).unwrap();
    let second = start_buying(&market, "second");
    until(HANG, "the agreement is to be signed", || {
        let listed = semper(&market, &["deals", "--home", "anna"]);
        listed.out.contains("waits for your decision, in the TINGUIN")
    });
    drop(second); // As a terminal that is closed: SIGKILL.
    until(HANG, "the opening is left", || {
        semper(&market, &["deals", "--home", "anna", "--json"]).json().as_array().unwrap().len()
            == 1
    });
    assert_eq!(status(&market)["openings"], 0);
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();
    let third = buy(&market);
    assert_eq!(third.code, 0, "{}", third.err);
    assert_eq!(books(&market).payments, 2);
}

#[test]
fn a_host_that_is_killed_at_any_time_comes_back_and_whoever_waits_goes_on_waiting() {
    let (market, _folder) = market(&small());
    let mut kills = 0;
    // Later and later in the purchase.
    for (deals, pause) in [0, 150, 400, 800, 1_200].into_iter().enumerate() {
        let mut buying = start_buying(&market, "buyer");
        let known = || host_process(&market).is_some();
        until(HANG, "the host runs", known);
        std::thread::sleep(Duration::from_millis(pause));
        if let Some(process) = host_process(&market) {
            kill(process);
            kills += 1;
        }
        let code = buying.wait(HANG);
        let text = buying.log_text();
        if code != Some(0) {
            // Nothing of it was stored when the host ended: nothing was signed, and it says so.
            assert!(text.contains("the host has ended in the middle of it"), "{text}");
            assert_eq!(buy(&market).code, 0);
        }
        let now = books(&market);
        let count = i64::try_from(deals + 1).unwrap();
        assert_eq!((now.payments, now.parcels, now.sum), (count, count, 0), "{text}");
        for topic in ["agreement", "order", "exchange", "completion"] {
            assert_eq!(asked(&market, topic), deals + 1, "{topic} after {pause} ms: {text}");
        }
    }
    assert_eq!(kills, 5);
    let verified = market.semper(&["archive", "verify", "--home", "anna"]).unwrap();
    assert_eq!(verified.code, 0, "{}", verified.err);
}

#[test]
fn deals_of_a_host_that_was_ended_are_gone_on_with_by_the_next_one_unasked() {
    let (mut market, _folder) = market(&asks());
    let mut first = start_buying(&market, "first");
    waits_for(&market, "anna", "your decision");
    // The command goes on to the next host; with its terminal closed nobody starts one.
    first.kill();
    assert_eq!(end(&market).code, 0);
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();

    let mut host = start(&market, "host", &["run", "--home", "anna"]);
    until(HANG, "the deal goes on", || newest(&market, "anna").0 == "completed");
    assert_eq!(books(&market).payments, 1);
    // One that was started by hand stays until it is ended.
    host.signal("TERM");
    assert_eq!(host.wait(HANG), Some(0), "{}", host.log_text());
    assert!(!socket(&market).exists());
    assert!(host.log_text().contains("the host has ended"), "{}", host.log_text());
}

#[test]
fn new_deals_follow_a_configuration_that_was_changed_while_the_host_runs() {
    let (market, _folder) = market(&small());
    assert_eq!(buy(&market).code, 0);
    let process = host_process(&market).unwrap();

    // An account in another currency: nothing can be bought from it here.
    let bank = market.bank_url();
    let account = |currency: &str| {
        let at = ["--bank", &bank, "--name", "Test Bank", "--currency", currency];
        let opened = semper(&market, &[&["account", "open", "--home", "anna"][..], &at].concat());
        assert_eq!(opened.code, 0, "{}", opened.err);
    };
    account("USD");
    let poor = buy(&market);
    assert_eq!(poor.code, 1, "{}", poor.out);
    assert_eq!(books(&market).payments, 1);
    account("EUR");
    let rich = buy(&market);
    assert_eq!(rich.code, 0, "{}", rich.err);

    // Nobody is believed any more: the next purchase is refused by the host that still runs.
    let trust = market.folder.join("anna/trust.toml");
    let text = fs::read_to_string(&trust).unwrap();
    fs::write(&trust, text.replace("verbraucherbund.pem", "root.pem")).unwrap();
    let refused = buy(&market);
    assert_eq!(refused.code, 1, "{}", refused.out);
    fs::write(&trust, "authorities = [").unwrap();
    let broken = buy(&market);
    assert_eq!(broken.code, 2, "{}", broken.err);
    assert!(broken.err.contains("trust.toml"), "{}", broken.err);
    fs::write(&trust, text).unwrap();
    assert_eq!(buy(&market).code, 0);
    assert_eq!(host_process(&market), Some(process), "it is the same host all the time");
}

#[test]
fn what_cannot_be_started_says_why_as_if_it_had_been_tried_here() {
    let (market, folder) = market(&small());
    let url = market.merchant_url();
    // No home, a bank's home, a merchant's home in which deals run, a home with a wrong file.
    let nowhere = semper(&market, &["buy", "--home", "nowhere", &url]);
    let there = market.semper(&["buy", "--home", "nowhere", &url]).unwrap();
    assert_eq!((nowhere.code, &nowhere.err), (there.code, &there.err));
    let bank = semper(&market, &["buy", "--home", "bank", &url]);
    assert_eq!(bank.code, 2, "{}", bank.err);
    let served = semper(&market, &["buy", "--home", "otto", &url]);
    assert_eq!(served.code, 1, "{}", served.err);
    assert!(served.err.contains("another host of otto is running"), "{}", served.err);
    fs::write(folder.path().join("anna/semper.toml"), "user = 1\n").unwrap();
    let wrong = semper(&market, &["buy", "--home", "anna", &url, "--json"]);
    let said: Value = serde_json::from_str(&wrong.err).unwrap();
    assert_eq!((wrong.code, &said["code"]), (2, &2.into()), "{said}");
    assert!(said["error"].as_str().unwrap().contains("semper.toml is not valid"), "{said}");
}

#[test]
fn a_host_ends_when_its_home_is_taken_away() {
    let (market, folder) = market(&small());
    assert_eq!(buy(&market).code, 0);
    let process = host_process(&market).unwrap();
    fs::rename(folder.path().join("anna"), folder.path().join("moved")).unwrap();
    until(HANG, "the host of a home that has moved ends", || {
        !PathBuf::from(format!("/proc/{process}/exe")).exists()
    });
    // In its new place it is found whole.
    let moved = semper(&market, &["archive", "verify", "--home", "moved"]);
    assert_eq!(moved.code, 0, "{}", moved.err);
}

/// A connection that has said which version it speaks, and heard the host's.
fn greeted(market: &Market, version: u32) -> UnixStream {
    let mut stream = UnixStream::connect(socket(market)).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    protocol::write(&mut stream, &Hello { version }).unwrap();
    let welcome = protocol::read::<Reply>(&mut stream).unwrap().unwrap();
    assert!(matches!(welcome, Reply::Welcome(it) if it.version == VERSION));
    stream
}

#[test]
fn programs_that_do_not_keep_to_the_protocol_harm_nobody() {
    let (market, _folder) = market(&small());
    assert_eq!(buy(&market).code, 0);

    // Another version is told ours, and nothing else.
    let mut other = greeted(&market, VERSION + 1);
    assert_eq!(other.read(&mut [0; 16]).unwrap(), 0);
    // What is no frame, too long a frame, no request, a request of another kind.
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 0, 0, 1, 0xff], &[0, 0, 0, 0]] {
        let mut stream = UnixStream::connect(socket(&market)).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        let mut stream = greeted(&market, VERSION);
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 1_000, "a refusal, if anything");
    }
    // Texts that are too long are refused by their length; what fits no frame is not sent at all.
    let long = |characters: usize| {
        let client = Client::connect(&market.folder.join("anna")).unwrap();
        let merchant = "ü".repeat(characters);
        client.ask(&Request::Buy { merchant, terms: None, link: None }, &mut |_| {})
    };
    let refusal = long(3_000).unwrap().unwrap_err();
    assert_eq!(refusal.what, "3000 characters where at most 2000 are taken");
    assert!(long(MAX_FRAME).is_err());
    // A crowd that says nothing is bounded; whoever has room is served.
    let crowd: Vec<UnixStream> =
        (0..200).map(|_| UnixStream::connect(socket(&market)).unwrap()).collect();
    assert_eq!(buy(&market).code, 0);
    drop(crowd);
    // Clients that ask, and do not read, or go away at once.
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = greeted(&market, VERSION);
        protocol::write(&mut stream, &Request::FollowAll).unwrap();
        silent.push(stream);
        let mut stream = greeted(&market, VERSION);
        protocol::write(&mut stream, &Request::Status).unwrap();
    }
    assert_eq!(buy(&market).code, 0);
    drop(silent);
    until(HANG, "nobody is left", || status(&market)["clients"] == 1);
    let now = status(&market);
    assert_eq!((&now["panics"], &now["busy"]), (&0.into(), &0.into()), "{now}");
    assert_eq!(books(&market).payments, 3);
    assert_eq!(end(&market).code, 0);
}

#[test]
fn a_host_that_is_ended_says_so_to_whoever_waits_for_an_open_deal() {
    let (market, _folder) = market(&asks());
    let mut buying = start_buying(&market, "waits");
    waits_for(&market, "anna", "your decision");
    assert_eq!(end(&market).code, 0);
    assert_eq!(buying.wait(HANG), Some(1), "{}", buying.log_text());
    let said = buying.log_text();
    assert!(said.contains("the host ends"), "{said}");
    assert!(!said.contains("no deal was opened"), "the deal is open: {said}");
    assert_eq!(newest(&market, "anna").0, "running");
}
