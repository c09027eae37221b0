//! Re-execution: a deal's component, run on its journal again, here and on another machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::{ended, market, small};
use semper_testkit::Market;
use serde_json::Value;

/// A marketplace after one purchase, and an arbiter's home that knows nothing but whom to
/// believe.
fn after_a_purchase() -> (Market, tempfile::TempDir) {
    let (market, folder) = market(&small());
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(ended(&market, "otto"), "completed");
    let made = market.new_home("arbiter", "Ruth Arbiter", "scales in the wind").unwrap();
    assert_eq!(made.code, 0, "{}", made.err);
    (market, folder)
}

fn deal(market: &Market, home: &str) -> String {
    let deals = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    deals[0]["id"].as_str().unwrap().to_owned()
}

/// Exports the deal with its private parts opened.
fn exported(market: &Market, home: &str) -> Value {
    let (id, out) = (deal(market, home), format!("{home}.json"));
    let export = ["archive", "export", "--home", home, &id, "--out", &out, "--open"];
    assert_eq!(market.semper(&export).unwrap().code, 0);
    serde_json::from_slice(&std::fs::read(market.folder.join(out)).unwrap()).unwrap()
}

/// What the arbiter finds in a file: exit code, what is right, what is wrong.
fn examined(market: &Market, value: &Value) -> (i32, Vec<String>, Vec<String>) {
    std::fs::write(market.folder.join("case.json"), value.to_string()).unwrap();
    let verify = ["replay", "--home", "arbiter", "--verify", "case.json", "--json"];
    let output = market.semper(&verify).unwrap();
    let found = output.json();
    let list = |key: &str| -> Vec<String> {
        let all = found[key].as_array().cloned().unwrap_or_default();
        all.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    (output.code, list("right"), list("wrong"))
}

#[test]
fn a_deals_own_host_tells_what_its_component_did() {
    let (market, _folder) = after_a_purchase();
    let id = deal(&market, "anna");
    let account = market.semper(&["replay", "--home", "anna", &id]).unwrap();
    assert_eq!(account.code, 0, "{}", account.err);
    for line in [
        "service   mail-order 1.2.0 by Ada Author",
        "tinguin/display.form",
        "asked     information “query”",
        "asked     order of",
        "answered  signed",
        "asked     exchange:",
        "answered  agreed to",
        "answered  exchanged; got receipt of",
        "the component ends the deal as completed: as the terms intend",
    ] {
        assert!(account.out.contains(line), "{line}\n{}", account.out);
    }
    let seller = market.semper(&["replay", "--home", "otto", &deal(&market, "otto")]).unwrap();
    assert_eq!(seller.code, 0, "{}", seller.err);
    assert!(seller.out.contains("business/fulfilment.reserve"), "{}", seller.out);
}

#[test]
fn an_arbiter_sees_that_every_signed_message_follows_from_certified_code_and_journal() {
    let (market, _folder) = after_a_purchase();
    for (home, statements) in [
        ("anna", ["order", "exchange", "completion"]),
        ("otto", ["offer", "exchange", "shipping-note"]),
    ] {
        let (code, right, wrong) = examined(&market, &exported(&market, home));
        assert_eq!((code, wrong), (0, Vec::<String>::new()), "{home}: {right:?}");
        let all = right.join("\n");
        assert!(all.contains("certified by Verbraucherbund"), "{all}");
        assert!(all.contains("every one made by the component from its journal"), "{all}");
        for statement in statements {
            let line = format!("{statement}: asked for by the component and ");
            assert!(all.contains(&line), "{home}: {line}\n{all}");
        }
    }
    // Without its private parts an export cannot be examined, and says so.
    let id = deal(&market, "anna");
    let export = ["archive", "export", "--home", "anna", &id, "--out", "closed.json"];
    assert_eq!(market.semper(&export).unwrap().code, 0);
    let verify = ["replay", "--home", "arbiter", "--verify", "closed.json"];
    let output = market.semper(&verify).unwrap();
    assert_eq!(output.code, 2);
    assert!(output.err.contains("export --open"), "{}", output.err);
}

/// A change to an exported deal.
type Change = Box<dyn Fn(&mut Value)>;

/// Flips a bit in the middle of a base64 text.
fn flip(value: &mut Value) {
    let mut bytes = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *value = BASE64_STANDARD.encode(bytes).into();
}

#[test]
fn what_was_changed_is_found_and_named() {
    let (market, _folder) = after_a_purchase();
    let good = exported(&market, "anna");
    let sent = |value: &Value| -> Vec<usize> {
        let all = value["messages"].as_array().unwrap().iter().enumerate();
        all.filter(|(_, it)| it[1] == "sent").map(|(index, _)| index).collect()
    };
    let (first, last) = (sent(&good)[0], *sent(&good).last().unwrap());
    let records = good["journal"].as_array().unwrap().len();
    let blobs: Vec<String> =
        good["opened"]["bundle"].as_object().unwrap().keys().cloned().collect();
    let largest = blobs
        .iter()
        .max_by_key(|name| good["opened"]["bundle"][name.as_str()].as_str().unwrap().len())
        .unwrap()
        .clone();

    let cases: Vec<(&str, Change, &str)> = vec![
        (
            "a record",
            Box::new(|it| flip(&mut it["journal"][5])),
            "the journal is damaged at record 5",
        ),
        (
            "a request",
            Box::new(|it| flip(&mut it["opened"]["calls"][3][0])),
            "the journal is damaged at record 3",
        ),
        (
            "a result",
            Box::new(|it| flip(&mut it["opened"]["calls"][0][1])),
            "the journal is damaged at record 0",
        ),
        (
            "a record left out",
            Box::new(|it| {
                it["journal"].as_array_mut().unwrap().remove(7);
                it["opened"]["calls"].as_array_mut().unwrap().remove(7);
            }),
            "the journal is damaged at record 7",
        ),
        (
            "two records swapped",
            Box::new(|it| {
                it["journal"].as_array_mut().unwrap().swap(2, 3);
                it["opened"]["calls"].as_array_mut().unwrap().swap(2, 3);
            }),
            "the journal is damaged at record 2",
        ),
        (
            "the journal cut off",
            Box::new(move |it| {
                it["journal"].as_array_mut().unwrap().truncate(records / 2);
                it["opened"]["calls"].as_array_mut().unwrap().truncate(records / 2);
            }),
            "but the component did not make it",
        ),
        (
            "a message of ours",
            Box::new(move |it| flip(&mut it["messages"][first][2])),
            "message 1 of the buyer",
        ),
        (
            "a message of theirs",
            Box::new(|it| {
                let all = it["messages"].as_array_mut().unwrap();
                let theirs = all.iter().position(|it| it[1] == "received").unwrap();
                flip(&mut all[theirs][2]);
            }),
            "message 1 of the seller",
        ),
        (
            "a message left out",
            Box::new(move |it| {
                it["messages"].as_array_mut().unwrap().remove(first);
            }),
            "message 2 of the buyer: not in its chain",
        ),
        (
            "the last message left out",
            Box::new(move |it| {
                it["messages"].as_array_mut().unwrap().remove(last);
            }),
            "of the buyer is not what it should be: it is missing",
        ),
        (
            "the component",
            Box::new(move |it| flip(&mut it["opened"]["bundle"][largest.as_str()])),
            "terms and components: blobs/sha256/",
        ),
        (
            "an agreement's signature",
            Box::new(|it| {
                let all = it["evidence"].as_array_mut().unwrap();
                all.retain(|it| !(it["kind"] == "agreement" && it["signer"] == "Otto Versand"));
            }),
            "agreement: no valid signature of the seller",
        ),
        (
            "the deal's id",
            Box::new(|it| it["deal"]["id"] = format!("deal:{}", "ab".repeat(32)).into()),
            "agreement: no valid signature",
        ),
    ];
    for (name, change, finding) in cases {
        let mut value = good.clone();
        change(&mut value);
        let (code, right, wrong) = examined(&market, &value);
        assert_eq!(code, 1, "{name} was not found: {right:?}");
        let all = wrong.join("\n");
        assert!(all.contains(finding), "{name}: expected “{finding}”, found: {all}");
    }
    // What is no export at all is said to be none.
    for (name, text) in [("noise", "noise"), ("another format", "{\"format\": \"x\"}")] {
        std::fs::write(market.folder.join("case.json"), text).unwrap();
        let verify = ["replay", "--home", "arbiter", "--verify", "case.json"];
        assert_eq!(market.semper(&verify).unwrap().code, 2, "{name}");
    }
}

#[test]
fn the_merchants_journal_does_not_excuse_the_buyers_component() {
    // Somebody else's journal under our own deal: the chain is whole, the answers are not ours.
    let (market, _folder) = after_a_purchase();
    let (mut anna, otto) = (exported(&market, "anna"), exported(&market, "otto"));
    anna["journal"] = otto["journal"].clone();
    anna["opened"]["calls"] = otto["opened"]["calls"].clone();
    let (code, _, wrong) = examined(&market, &anna);
    assert_eq!(code, 1);
    assert!(
        wrong.join("\n").contains("of the component is not what the journal holds"),
        "{wrong:?}"
    );
}
