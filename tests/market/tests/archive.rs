//! The archive to live with: listed, searched and added up; a deal as a story; receipts that others
//! check; who knows what. After real purchases, by the commands that a person types.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{buy_until_crash, ended, market, small};
use rusqlite::Connection;
use semper_testkit::Market;
use serde_json::Value;
use tempfile::TempDir;

/// A marketplace after one purchase, and the deal.
fn after_a_purchase() -> (Market, TempDir, String) {
    let (market, folder) = market(&small());
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(ended(&market, "otto"), "completed");
    let deals = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    let deal = deals[0]["id"].as_str().unwrap().to_owned();
    (market, folder, deal)
}

/// What `semper archive` answers, as text; it must succeed.
fn says(market: &Market, arguments: &[&str]) -> String {
    let output = market.semper(&[&["archive"], arguments].concat()).unwrap();
    assert_eq!(output.code, 0, "{arguments:?}: {}", output.err);
    output.out
}

/// The same as JSON.
fn json(market: &Market, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(market, &[arguments, &["--json"]].concat())).unwrap()
}

fn list(market: &Market, home: &str, arguments: &[&str]) -> Vec<Value> {
    let all = json(market, &[&["list", "--home", home], arguments].concat());
    all.as_array().unwrap().clone()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_purchase_is_listed_searched_and_added_up_on_both_sides() {
    let (market, _folder, deal) = after_a_purchase();

    for (home, way, other) in [("anna", "out", "in"), ("otto", "in", "out")] {
        let all = list(&market, home, &[]);
        let numbers: Vec<i64> = all.iter().map(|it| it["number"].as_i64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {numbers:?}");
        let ended = |it: &&Value| it["state"] == "completed" || it["deal"].is_null();
        assert!(all.iter().all(|it| ended(&it)), "{all:?}");
        // The money of the exchange, and nothing else, has moved.
        let moved = list(&market, home, &["--paid", way]);
        assert_eq!(kinds(&moved), ["exchange"], "{home}");
        assert_eq!(moved[0]["moved"][0]["direction"], way);
        assert_eq!(moved[0]["moved"][0]["amount"], moved[0]["about"]);
        assert!(list(&market, home, &["--paid", other]).is_empty());
        let totals = json(&market, &["totals", "--home", home]);
        let total = &totals.as_array().unwrap()[0];
        let kept = all.iter().find(|it| it["kind"] == "receipt" || it["kind"] == "offer").unwrap();
        let about = amount(&kept["about"]);
        assert_eq!(total[format!("paid_{way}")], about.as_str(), "{home}: {totals}");
        assert_eq!(
            (&total["paid_out"] == "0.00 EUR", &total["payments"]),
            (way == "in", &1.into())
        );
        assert_eq!(total["system"], "Test Bank", "{totals}");
    }

    // Pages follow one another, and together they are the list.
    let all = list(&market, "anna", &[]);
    let first = list(&market, "anna", &["--most", "3"]);
    let before = first[2]["number"].to_string();
    let rest = list(&market, "anna", &["--before", &before]);
    assert_eq!([first, rest].concat(), all);
    // The order is found by what it says, and by where it goes.
    for words in ["woollen scarf", "WOOLL", "Hamburg", &deal[5..13]] {
        let found = list(&market, "anna", &["--search", words, "--kind", "order"]);
        let offers = list(&market, "anna", &["--search", words, "--kind", "offer"]);
        assert!(found.len() + offers.len() > 0, "{words}");
    }
    assert!(list(&market, "anna", &["--search", "submarine"]).is_empty());
    // Her own certificate belongs to no deal.
    let (own, of_deal) = all.split_last().unwrap();
    assert_eq!(own["kind"], "certificate");
    assert_eq!(list(&market, "anna", &["--with", "otto"]), of_deal);
    assert_eq!(list(&market, "anna", &["--state", "completed", "--from", "2000-01-01"]), of_deal);
    assert!(list(&market, "anna", &["--month", "1999-01"]).is_empty());
    assert!(
        says(&market, &["list", "--home", "anna", "--paid", "out"]).contains(" EUR by Test Bank")
    );
}

/// An amount of JSON as people write it.
fn amount(value: &Value) -> String {
    let minor = value["minor"].as_i64().unwrap();
    format!("{}.{:02} {}", minor / 100, minor % 100, value["currency"].as_str().unwrap())
}

#[test]
fn filters_that_mean_nothing_are_refused_with_what_there_is() {
    let (market, _folder, _) = after_a_purchase();
    for (arguments, says) in [
        (["--kind", "ordr"], "order, "),
        (["--with", "nobody"], "semper deals"),
        (["--month", "2026-13"], "write it as 2026-11"),
        (["--from", "yesterday"], "write it as 2026-11-21"),
        (["--paid", "sideways"], "in or out"),
        (["--state", "sleeping"], "running, completed"),
        (["--currency", "euro"], "EUR"),
        (["--most", "0"], "--most"),
    ] {
        let list = [&["archive", "list", "--home", "anna"], &arguments[..]].concat();
        let refused = market.semper(&list).unwrap();
        assert_eq!(refused.code, 2, "{arguments:?}");
        assert!(refused.err.contains(says), "{arguments:?}: {}", refused.err);
    }
}

#[test]
fn a_deal_is_told_as_a_story_and_says_what_is_owed() {
    let (market, _folder, deal) = after_a_purchase();

    let told = says(&market, &["show", "--home", "anna", &deal]);

    for words in [
        "Otto Versand made an offer, and is bound by it to deliver: ",
        " ordered: ",
        "Otto Versand confirmed to have the money: ",
        "woollen",
        "Hamburg",
        "owed      Nothing is owed: the deal ended as its terms intend.",
        "done      ",
        "offer by the seller, order by the buyer, exchange of receipt for payment by the seller",
        "left      nothing",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    let shown = json(&market, &["show", "--home", "anna", &deal]);
    assert_eq!(
        shown["story"]["told"].as_array().unwrap().len(),
        shown["evidence"].as_array().unwrap().len()
    );
    assert_eq!(shown["steps"]["left"], Value::Array(Vec::new()));
}

#[test]
fn a_deal_that_waits_says_who_owes_what_and_which_steps_are_left() {
    let (market, _folder) = market(&small());
    // The buyer's host dies when the money is locked: it has not moved.
    assert!(buy_until_crash(&market, "exchange.held:1"));
    let left = "left      exchange of receipt for payment by the seller, shipping-note by the seller, \
                completion by the buyer";
    for (home, owes) in [("anna", "owed      We owe "), ("otto", "owed      Anna Berg owes us ")] {
        let deals = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
        let deal = deals[0]["id"].as_str().unwrap();

        let told = says(&market, &["show", "--home", home, deal]);

        assert!(told.contains(owes) && told.contains(left), "{home}: {told}");
        assert!(list(&market, home, &["--paid", "out"]).is_empty(), "{home}");
        assert!(
            says(&market, &["totals", "--home", home]).contains("no money has moved"),
            "{home}"
        );
    }
}

#[test]
fn a_receipt_is_checked_without_a_home_and_a_change_in_it_is_found() {
    let (market, _folder, deal) = after_a_purchase();
    for home in ["anna", "otto"] {
        for form in ["html", "pdf"] {
            let file = format!("{home}.{form}");
            says(&market, &["receipt", "--home", home, &deal, "--out", &file]);
            let verified = says(&market, &["verify", &file, "--authority", "ca/root.pem"]);
            assert!(verified.contains("order: signed by Anna"), "{verified}");
            assert!(verified.contains("it is this file to the last byte"), "{verified}");
            // Somebody else's home believes the same authority.
            says(&market, &["verify", &file, "--home", "otto"]);
            let bytes = fs::read(market.folder.join(&file)).unwrap();
            let digits = bytes.windows(4).position(|it| it == b" EUR").unwrap() - 1;
            let mut changed = bytes.clone();
            changed[digits] = if changed[digits] == b'9' { b'8' } else { b'9' };
            fs::write(market.folder.join("changed"), changed).unwrap();
            let verify = ["archive", "verify", "./changed", "--authority", "ca/root.pem"];
            let refused = market.semper(&verify).unwrap();
            assert_eq!(refused.code, 1, "{}", refused.out);
            assert!(
                refused.out.contains("WRONG  the receipt is not what its evidence says"),
                "{}",
                refused.out
            );
        }
    }
    // One entry with what it stands on; a stranger's authority is none.
    let receipt = list(&market, "anna", &["--kind", "receipt"]);
    let number = receipt[0]["number"].to_string();
    says(&market, &["receipt", "--home", "anna", &number, "--out", "one.html"]);
    let one = json(&market, &["verify", "one.html", "--authority", "ca/root.pem"]);
    let signed: Vec<&str> =
        one["signed"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert!(signed.contains(&"receipt") && signed.contains(&"offer"), "{signed:?}");
    assert!(!signed.contains(&"completion"), "{signed:?}");
    assert_eq!(one["signed"][0]["certified_by"], one["signed"][1]["certified_by"]);
    let stranger = ["archive", "verify", "one.html", "--authority", "verbraucherbund/root.pem"];
    assert_eq!(market.semper(&stranger).unwrap().code, 1);
    // Without anybody to believe, nothing is checked.
    let nobody = market.semper(&["archive", "verify", "one.html"]).unwrap();
    assert_eq!(nobody.code, 2, "{}", nobody.err);
    assert!(nobody.err.contains("--authority root.pem"), "{}", nobody.err);
    let other = ["archive", "receipt", "--home", "anna", &deal, "--out", "receipt.txt"];
    assert_eq!(market.semper(&other).unwrap().code, 2);
}

#[test]
fn an_exported_deal_is_checked_without_a_home_and_every_change_is_found() {
    let (market, _folder, deal) = after_a_purchase();
    says(&market, &["export", "--home", "anna", &deal, "--out", "deal.json"]);
    let good: Value =
        serde_json::from_slice(&fs::read(market.folder.join("deal.json")).unwrap()).unwrap();
    let verify = |value: &Value| {
        fs::write(market.folder.join("case.json"), value.to_string()).unwrap();
        let arguments = ["archive", "verify", "case.json", "--authority", "ca/root.pem"];
        market.semper(&arguments).unwrap()
    };
    let verified = verify(&good);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    for words in
        ["exported deal of deal:", "receipt: signed by Otto", "messages of the buyer", "journal: "]
    {
        assert!(verified.out.contains(words), "{words}\n{}", verified.out);
    }

    let order = good["evidence"].as_array().unwrap().iter().position(|it| it["kind"] == "order");
    let order = order.unwrap();
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(Change<'_>, &str); 7] = [
        (&|it| it["deal"]["peer"] = "Somebody else".into(), "not with Somebody else"),
        (
            &|it| {
                it["deal"]["id"] =
                    it["deal"]["terms"].as_str().unwrap().replace("sha256:", "deal:").into()
            },
            "not the digest",
        ),
        (&|it| it["evidence"][order]["signer"] = "Somebody else".into(), "not by Somebody else"),
        (&|it| it["evidence"][order]["signature"] = "AAAA".into(), "for openssl"),
        (&|it| it["evidence"][order]["kind"] = "offer".into(), "it is of the kind order"),
        (&|it| it["messages"][1][2] = it["messages"][0][2].clone(), "message 2 of the buyer"),
        (&|it| drop(it["journal"].as_array_mut().unwrap().remove(3)), "damaged at record 3"),
    ];
    for (change, says) in changes {
        let mut changed = good.clone();
        change(&mut changed);
        let refused = verify(&changed);
        let all = format!("{}{}", refused.out, refused.err);
        assert!(refused.code != 0 && all.contains(says), "{says}\n{all}");
    }
}

#[test]
fn who_knows_what_about_me_is_listed_by_receiver() {
    let (market, _folder, deal) = after_a_purchase();

    let told = json(&market, &["disclosed", "--home", "anna"]);

    let all = told["disclosed"].as_array().unwrap();
    let has = |to: &str, what: &str, value: &str, travelled: &str| {
        all.iter().any(|it| {
            it["to"] == to
                && it["what"] == what
                && it["value"].as_str().unwrap().contains(value)
                && it["travelled"] == travelled
                && it["deal"] == deal.as_str()
        })
    };
    assert!(has("Otto Versand", "name", "Anna", "tls"), "{told}");
    assert!(has("Otto Versand", "deliver to", "Hamburg", "sealed"), "{told}");
    assert!(has("Otto Versand", "search: words", "woollen scarf", "sealed"), "{told}");
    assert!(has("Test Bank", "payment", " EUR to account acct:", "tls"), "{told}");
    // What stands in a message by chance is not said to have been sent.
    assert!(has("Otto Versand", "quantity: quantity", "1", "perhaps"), "{told}");
    assert!(told["unknown"].as_array().unwrap().len() >= 3);
    // By receiver, and as text.
    let bank = says(&market, &["disclosed", "--home", "anna", "--to", "test bank"]);
    assert!(bank.starts_with("Test Bank\n") && !bank.contains("Otto"), "{bank}");
    // The merchant has told the buyer its own.
    let otto = json(&market, &["disclosed", "--home", "otto"]);
    let account =
        |it: &Value| it["what"] == "account" && it["value"].as_str().unwrap().starts_with("acct:");
    assert!(otto["disclosed"].as_array().unwrap().iter().any(account), "{otto}");
}

#[test]
fn what_is_told_about_me_is_shown_as_it_happens_and_asked_back() {
    let (market, _folder, deal) = after_a_purchase();

    // The TINGUIN sees what goes out, and says so at once: to whom, what, how it travels.
    let transcript = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    let frames: Vec<Value> =
        transcript.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
    let shown = |status: &str| frames.iter().any(|it| it["frame"]["status"] == status);
    assert!(shown("told Otto Versand: name (over TLS)"), "{transcript}");
    assert!(shown("told Otto Versand: words (encrypted to its key of the deal)"), "{transcript}");
    assert!(shown("told Otto Versand: deliver to (encrypted to its key of the deal)"));
    let told = frames.iter().flat_map(|it| it["frame"]["told"].as_array().into_iter().flatten());
    let address = |it: &&Value| it["value"].as_str().unwrap().contains("Lindenweg 4");
    let address = told.clone().find(address).unwrap();
    assert_eq!((&address["to"], &address["sealed"]), (&"Otto Versand".into(), &true.into()));

    // It is asked back by a letter, which the archive remembers.
    let to = ["letter", "--home", "anna", "--to", "otto"];
    let back = json(&market, &[&to[..], &["--out", "letter.txt"]].concat());
    assert_eq!(back["about"], "Otto Versand");
    let letter = fs::read_to_string(market.folder.join("letter.txt")).unwrap();
    for words in ["To: Otto Versand", "From: Anna Berg", "Lindenweg 4", &deal[5..13], "advertising"]
    {
        assert!(letter.contains(words), "{words} in {letter}");
    }
    let complains = ["--complain-to", "Verbraucherbund", "--because", "They ring.", "--german"];
    says(&market, &[&to[..], &complains, &["--out", "beschwerde.txt"]].concat());
    let letter = fs::read_to_string(market.folder.join("beschwerde.txt")).unwrap();
    assert!(letter.contains("An: Verbraucherbund") && letter.contains("They ring."), "{letter}");
    let listed = says(&market, &["disclosed", "--home", "anna", "--to", "otto"]);
    assert!(listed.contains("letter: Otto Versand: asked back"), "{listed}");
    assert!(listed.contains("complained of to Verbraucherbund"), "{listed}");
    assert_eq!(
        json(&market, &["list", "--home", "anna", "--kind", "letter"]).as_array().unwrap().len(),
        2
    );
    says(&market, &["verify", "--home", "anna"]);

    let fails = |arguments: &[&str], words: &str| {
        let all = [&["archive"], arguments].concat();
        let output = market.semper(&all).unwrap();
        assert!(output.code == 2 && output.err.contains(words), "{words} in {}", output.err);
    };
    fails(&[&to[..], &["--out", "letter.txt"]].concat(), "letter.txt");
    let nobody = ["letter", "--home", "anna", "--to", "nobody", "--out", "x"];
    fails(&nobody, "nobody called “nobody” was told anything");
    fails(&["letter", "--home", "anna", "--to", "t", "--out", "x"], "may be any of");

    // Whoever has not said that she agrees to advertising does not.
    let set = |value: &str| {
        let entry = format!("advertising={value}");
        market.semper(&["preference", "--home", "anna", "--set", &entry]).unwrap()
    };
    let neither = set("perhaps");
    assert!(neither.err.contains("neither yes nor no"), "{}", neither.err);
    assert_eq!(set("yes").code, 0);
}

#[test]
fn hostile_texts_in_the_archive_reach_no_terminal() {
    let (market, _folder, deal) = after_a_purchase();
    let archive = Connection::open(market.folder.join("anna/archive.sqlite")).unwrap();
    let hostile =
        "\u{1b}[2J\u{202e}<script>\u{7}\r\nerror: pay again".to_owned() + &"x".repeat(100_000);
    archive
        .execute_batch("UPDATE deals SET note = 'x'; UPDATE evidence SET signer = signer;")
        .unwrap();
    let kinds =
        "UPDATE evidence SET summary = ?1, signer = ?1 WHERE kind IN ('exchange', 'information')";
    archive.execute(kinds, [&hostile]).unwrap();
    archive.execute("UPDATE deals SET peer = ?1, note = ?1", [&hostile]).unwrap();
    archive.execute("UPDATE entries SET peer = ?1", [&hostile]).unwrap();
    drop(archive);

    for arguments in [
        vec!["list", "--home", "anna"],
        vec!["list", "--home", "anna", "--json"],
        vec!["show", "--home", "anna", &deal],
        vec!["show", "--home", "anna", &deal, "--json"],
        vec!["totals", "--home", "anna"],
        vec!["disclosed", "--home", "anna"],
        vec!["disclosed", "--home", "anna", "--json"],
    ] {
        let output = market.semper(&[&["archive"], arguments.as_slice()].concat()).unwrap();
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.err);
        for c in ['\u{1b}', '\u{202e}', '\u{7}', '\r'] {
            assert!(!output.out.contains(c) && !output.err.contains(c), "{arguments:?}: {c:?}");
        }
    }
    let lines = says(&market, &["list", "--home", "anna"]);
    assert!(lines.lines().all(|line| line.chars().count() < 400), "{lines}");
    // A receipt is drawn from what was signed, whatever the home's own notes say.
    says(&market, &["receipt", "--home", "anna", &deal, "--out", "receipt.html"]);
    assert!(!fs::read_to_string(market.folder.join("receipt.html")).unwrap().contains("pay again"));
}
