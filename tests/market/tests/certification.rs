//! Organisations certify and withdraw, a log and its witness look on, buyers decide by their own
//! rules: by the real programs, in processes of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{client, market, newest, small};
use semper_testkit::certification::{Surroundings, certify, revoke};
use semper_testkit::process::Output;
use semper_testkit::{BUYER_RULES, Market};

fn buy(market: &Market) -> Output {
    market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap()
}

fn explain(market: &Market) -> Output {
    market.semper(&["trust", "explain", "--home", "anna", &market.merchant_url()]).unwrap()
}

fn service(market: &Market) -> String {
    let digests = market.sign(&["digest", "--bundle", "bundle", "--json"]).unwrap().json();
    digests["service"].as_str().unwrap().to_owned()
}

#[test]
fn two_of_three_are_enough_three_are_not_there_and_one_takes_it_back() {
    let (mut market, _folder) = market(&small());
    let around = Surroundings::build(&mut market, &|_| {}).unwrap();

    // Two of three are wanted, and there; the terms are logged and witnessed.
    around.believe(&market, "anna", 2).unwrap();
    let bought = buy(&market);
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert!(bought.err.contains("certified by  Konsument, Verbraucherbund"), "{}", bought.err);
    assert!(bought.err.contains("logged        in log.example/terms"), "{}", bought.err);
    assert_eq!(newest(&market, "anna").0, "completed");
    let listed = market.semper(&["trust", "list", "--home", "anna"]).unwrap();
    assert!(listed.out.contains("its list has number 1"), "{}", listed.out);

    // Three are wanted: refused, and what is missing is said.
    around.believe(&market, "anna", 3).unwrap();
    let refused = buy(&market);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("which is not enough for you"), "{}", refused.err);
    let why = explain(&market).out;
    assert!(
        why.contains("3 of 3 wanted, 2 there; NOT met. It would be with 1 more of que-choisir"),
        "{why}"
    );
    assert!(why.contains("It would be refused"), "{why}");

    // Two again; then one organisation takes its word back, and the next deal is refused.
    around.believe(&market, "anna", 2).unwrap();
    revoke(&market, "konsument", &[&service(&market)]).unwrap();
    let refused = buy(&market);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("not Konsument: revoked since"), "{}", refused.err);
    assert!(refused.err.contains("it treats buyers unfairly"), "{}", refused.err);

    // The server of the lists brings an old one back: it is not taken.
    std::fs::copy(
        market.folder.join("lists/verbraucherbund.json"),
        market.folder.join("older.json"),
    )
    .unwrap();
    revoke(&market, "verbraucherbund", &[]).unwrap();
    explain(&market);
    std::fs::copy(
        market.folder.join("older.json"),
        market.folder.join("lists/verbraucherbund.json"),
    )
    .unwrap();
    let why = explain(&market);
    assert!(why.err.contains("has number 1, but number 2 has been seen before"), "{}", why.err);

    // A third organisation comes in, and it is enough again.
    let texts = market.binaries.repository.join("guest-services/mail-order/terms");
    let description = texts.join("certificate.toml").display().to_string();
    certify(&market, "que-choisir", &description).unwrap();
    around.log_all(&market).unwrap();
    market.restart_merchant().unwrap();
    let bought = buy(&market);
    assert_eq!(bought.code, 0, "{}", bought.err);

    // Everybody sees every statement in their name.
    let url = around.log_url();
    let watch = |name: &str| {
        market
            .sign(&[
                "log",
                "monitor",
                "--url",
                &url,
                "--log-key",
                "log/log.vkey",
                "--name",
                name,
                "--state",
                &format!("{}.watch", name.replace(' ', "-")),
                "--root",
                "ca/root.pem",
                "--json",
            ])
            .unwrap()
            .json()
    };
    let seen = watch("Otto Versand");
    assert_eq!(seen["statements"].as_array().unwrap().len(), 1, "{seen:#}");
    assert_eq!(
        watch("Que Choisir")["statements"][0]["predicate_type"],
        "https://semper.example/predicate/certified/v1"
    );
    assert_eq!(watch("Otto Versand")["new"], 0);
}

#[test]
fn a_log_survives_kills_and_cannot_change_its_past_unseen() {
    let (mut market, _folder) = market(&small());
    let mut around = Surroundings::build(&mut market, &|_| {}).unwrap();
    let url = around.log_url();
    let monitor = || {
        market
            .sign(&[
                "log",
                "monitor",
                "--url",
                &url,
                "--log-key",
                "log/log.vkey",
                "--state",
                "watch",
                "--root",
                "ca/root.pem",
                "--json",
            ])
            .unwrap()
    };
    let before = monitor().json();
    let size = before["size"].as_u64().unwrap();
    assert!(size >= 4, "{before:#}");

    // Whoever watched it before does not begin anew because the file cannot be read.
    let (state, aside) = (market.folder.join("watch"), market.folder.join("aside"));
    std::fs::rename(&state, &aside).unwrap();
    std::fs::create_dir(&state).unwrap();
    let refused = monitor();
    assert_eq!(refused.code, 2, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("make the file readable"), "{}", refused.err);
    std::fs::remove_dir(&state).unwrap();
    std::fs::rename(&aside, &state).unwrap();

    // Killed and started again it is the same log; the same statements get their old places.
    around.log.kill();
    around.log = restart(&market, "log", around.ports[1]);
    assert_eq!(around.log_all(&market).unwrap().code, 0);
    assert_eq!(monitor().json()["size"].as_u64(), Some(size));

    // Without its witness nothing new is published; with it again, all of it is.
    around.witness.kill();
    let texts = market.binaries.repository.join("guest-services/mail-order/terms");
    let description = texts.join("certificate.toml").display().to_string();
    certify(&market, "que-choisir", &description).unwrap();
    let refused = around.log_all(&market).unwrap_err();
    assert!(refused.contains("the witness that is wanted has not cosigned"), "{refused}");
    assert_eq!(monitor().json()["size"].as_u64(), Some(size));
    around.log.kill();
    around.witness = restart(&market, "witness", around.ports[2]);
    around.log = restart(&market, "log", around.ports[1]);
    around.log_all(&market).unwrap();
    assert_eq!(monitor().json()["size"].as_u64(), Some(size + 1));

    // A log that begins anew with the same key, and other entries: whoever watches it keeps
    // both checkpoints, its witness both signatures.
    around.log.kill();
    for gone in ["public", "checkpoint.next", "log.sqlite", "log.sqlite-wal", "log.sqlite-shm"] {
        let path = market.folder.join("log").join(gone);
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
    }
    let config = market.folder.join("log.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("quorum = 1", "quorum = 0")).unwrap();
    around.log = restart(&market, "log", around.ports[1]);
    // As many entries as before, in another order: the lists of all the statements, backwards.
    let statements = entries(&market);
    for entry in statements.iter().rev() {
        let file = market.folder.join("entry");
        std::fs::write(&file, entry).unwrap();
        post(&market, &format!("{url}/semper/v1/log/add"), &file);
    }
    let caught = monitor();
    assert_eq!(caught.code, 1, "{}{}", caught.out, caught.err);
    assert!(caught.err.contains("has changed its past"), "{}", caught.err);
    assert!(caught.err.contains("both checkpoints are in"), "{}", caught.err);
    let forks = fetch(&market, &format!("https://localhost:{}/forks", around.ports[2]));
    assert!(forks.contains("log.example/terms"), "the witness has no evidence: {forks}");
}

fn restart(market: &Market, name: &str, port: u16) -> semper_testkit::process::Running {
    semper_testkit::market::serve(&market.folder, &market.binaries, name, port, &[]).unwrap()
}

/// The statements in the merchant's bundle.
fn entries(market: &Market) -> Vec<Vec<u8>> {
    let dir = cap_std::fs::Dir::open_ambient_dir(
        market.folder.join("bundle"),
        cap_std::ambient_authority(),
    );
    let layout = semper_trust::Layout::read(&dir.unwrap()).unwrap();
    let all = semper_trust::bundle::statements(&layout).unwrap();
    all.into_iter().map(|it| it.1).collect()
}

fn post(market: &Market, url: &str, file: &std::path::Path) {
    let body = std::fs::read(file).unwrap();
    client(market).post(url, "application/json", body, 1 << 20).unwrap();
}

fn fetch(market: &Market, url: &str) -> String {
    String::from_utf8(client(market).get(url, 1 << 20).unwrap().body).unwrap()
}

#[test]
fn whoever_has_a_deal_running_hears_of_a_revocation_and_the_deal_goes_on() {
    let slow = BUYER_RULES.replace(
        "topic  = \"order\"\nmost   = \"300.00 EUR\"\nanswer = \"yes\"",
        "topic  = \"order\"\nmost   = \"300.00 EUR\"\nanswer = \"yes\"\nafter_ms = 7000",
    );
    assert_ne!(slow, BUYER_RULES);
    let (mut market, _folder) = market(&small());
    let around = Surroundings::build(&mut market, &|_| {}).unwrap();
    around.believe(&market, "anna", 2).unwrap();
    market.restart_buyer_tinguin(&slow).unwrap();
    let mut buying = market.start_buying().unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while !buying.log_text().contains("a signed offer has come") {
        assert!(std::time::Instant::now() < until, "{}", buying.log_text());
        std::thread::sleep(Duration::from_millis(50));
    }
    revoke(&market, "konsument", &[&service(&market)]).unwrap();

    assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
    let heard = buying.log_text();
    assert!(heard.contains("CAUTION: the certificate of “konsument” no longer counts"), "{heard}");
    assert_eq!(heard.matches("CAUTION: the certificate").count(), 1, "{heard}");
    assert_eq!(newest(&market, "anna").0, "completed");
    // The next one is refused.
    assert_eq!(buy(&market).code, 1);
}

#[test]
fn an_authority_withdraws_a_merchant_and_whoever_asks_knows() {
    let (market, _folder) = market(&small());
    // Whoever registers asks the authority's list from then on.
    let trust = std::fs::read_to_string(market.folder.join("anna/trust.toml")).unwrap();
    let list = format!("crls = [\"https://localhost:{}/semper/v1/crl\"]\n", market.ports[0]);
    assert!(trust.contains(&list), "{trust}");
    assert_eq!(buy(&market).code, 0);

    let revoked = market
        .semper(&["ca", "revoke", "--home", "ca", "--certificate", "otto-terms.pem"])
        .unwrap();
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    let refused = buy(&market);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("has been revoked by its authority"), "{}", refused.err);
}

#[test]
fn trust_is_changed_by_commands_and_only_to_what_makes_sense() {
    let (market, _folder) = market(&small());
    market.sign(&["organisation", "--name", "Konsument", "--out", "konsument"]).unwrap();
    let trust = |arguments: &[&str]| market.semper(&[&["trust"], arguments].concat()).unwrap();
    let criteria = "https://semper.example/criteria/consumer/1";
    let add = [
        "add",
        "--home",
        "anna",
        "evaluator",
        "--name",
        "konsument",
        "--root",
        "konsument/root.pem",
        "--criteria",
        criteria,
        "--delegates",
        "1",
    ];
    assert_eq!(trust(&add).code, 0);
    let again = trust(&add);
    assert_eq!((again.code, again.err.contains("believed already")), (2, true), "{}", again.err);
    let listed = trust(&["list", "--home", "anna", "--json"]).json();
    assert_eq!(listed["evaluators"].as_array().unwrap().len(), 2);
    // The same root under another name is one voice, not two.
    let twin = trust(&[
        "add",
        "--home",
        "anna",
        "evaluator",
        "--name",
        "twin",
        "--root",
        "konsument/root.pem",
        "--criteria",
        criteria,
    ]);
    assert!(twin.err.contains("one organisation is one voice"), "{}", twin.err);
    // What a requirement needs cannot be taken away.
    let needed = trust(&["remove", "--home", "anna", "verbraucherbund"]);
    assert!(needed.err.contains("1 of 0 can never be met"), "{}", needed.err);
    assert_eq!(trust(&["remove", "--home", "anna", "konsument"]).code, 0);
    let unknown = trust(&["remove", "--home", "anna", "konsument"]);
    assert!(unknown.err.contains("there is no evaluator and no log"), "{}", unknown.err);

    // Policies have their tests; a wrong expectation is found, with the rule that decided.
    let policies = market.binaries.repository.join("policies");
    let file = |name: &str| policies.join(name).display().to_string();
    std::fs::write(market.folder.join("trust.toml"), "authorities = []\n").unwrap();
    let tested = trust(&["test", "--trust", "trust.toml", &file("cases.toml")]);
    assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
    for set in ["careful", "ordinary", "expert"] {
        std::fs::copy(file(&format!("{set}.cedar")), market.folder.join("own.cedar")).unwrap();
        let text = "authorities = []\npolicies = [\"own.cedar\"]\n";
        std::fs::write(market.folder.join("own.toml"), text).unwrap();
        let tested = trust(&["test", "--trust", "own.toml", &file("cases.toml"), "--json"]);
        let outcomes: serde_json::Value = serde_json::from_str(&tested.out).unwrap();
        assert_eq!(outcomes[0]["ok"], true, "{set}: {outcomes:#}");
        assert_eq!(tested.code, i32::from(set != "ordinary"), "{set}: {outcomes:#}");
    }
}
