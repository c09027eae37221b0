//! Purchases between real processes: completed, withdrawn, refused, unpaid, tampered with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{asked, binaries, books, ended, market, newest, small, waits_for};
use semper_archive::DealState;
use semper_roles::party::Party;
use semper_testkit::market::{BUYER_RULES, MERCHANT_RULES};
use semper_testkit::{MarketOptions, Published};

#[test]
fn a_buyer_buys_a_scarf_and_both_sides_can_prove_it() {
    let (market, _folder) = market(&small());
    let before = books(&market);

    let output =
        market.semper(&["buy", "--home", "anna", &market.merchant_url(), "--json"]).unwrap();

    assert_eq!(output.code, 0, "{}{}", output.out, output.err);
    assert_eq!(output.json()["state"], "completed");
    let after = books(&market);
    assert_eq!((after.payments, after.parcels, after.sum), (1, 1, 0));
    assert_eq!(after.stock, before.stock - 1);
    for home in ["anna", "otto"] {
        assert_eq!(ended(&market, home), "completed");
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    }
    for topic in ["agreement", "order", "exchange", "completion"] {
        assert_eq!(asked(&market, topic), 1, "{topic}");
    }
}

#[test]
fn a_merchant_that_fails_a_deal_while_its_tinguin_is_away_says_so_signed_when_that_is_back() {
    let rules = BUYER_RULES.replacen("[[rule]]\n", "[[rule]]\nafter_ms = 600000\n", 1);
    let (mut market, _folder) = market(&MarketOptions { buyer_rules: rules, ..small() });
    // A limit that no purchase keeps: the merchant's side of the deal fails when it goes on.
    let trust = market.folder.join("otto/trust.toml");
    let text = std::fs::read_to_string(&trust).unwrap();
    std::fs::write(&trust, format!("{text}\n[limits]\nrecords = 1\n")).unwrap();
    market.restart_merchant().unwrap();
    let mut buying = market.start_buying().unwrap();
    waits_for(&market, "otto", "message 1 of the other side");
    waits_for(&market, "anna", "your decision");

    market.merchant_tinguin.kill();
    let deals = market.semper(&["deals", "--home", "otto", "--json"]).unwrap().json();
    let id = deals[0]["id"].as_str().unwrap();
    // Its service hears each wish to leave, and goes on waiting; the second is over the limit.
    for _ in 0..2 {
        let left = market.semper(&["cancel", "--home", "otto", id]).unwrap();
        assert_eq!(left.code, 0, "{}", left.err);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(ended(&market, "otto"), "failed");
    let why = newest(&market, "otto").1;
    assert!(why.contains("over its limit"), "{why}");
    assert_eq!(buying.wait(Duration::from_secs(3)), None, "{}", buying.log_text());
    assert_eq!(newest(&market, "anna").0, "running");

    market.restart_merchant_tinguin(MERCHANT_RULES).unwrap();

    assert_eq!(buying.wait(Duration::from_secs(60)), Some(1), "{}", buying.log_text());
    let (state, note) = newest(&market, "anna");
    assert_eq!(
        (state, note),
        ("failed".into(), format!("the other side has ended the deal: {why}"))
    );
    // The signed word is there, and it is said once.
    let archive = Party::open(&market.folder.join("anna")).unwrap().archive;
    let deal = archive.deals().unwrap()[0].id;
    let said = archive.all_messages(deal, false).unwrap();
    let last = said.last().and_then(|it| semper_runtime::world::farewell(&it.bytes));
    assert_eq!((said.len(), last), (1, Some(why)));
}

#[test]
fn a_service_may_have_its_order_paid_by_a_transfer_and_give_the_receipt_afterwards() {
    let (mut market, _folder) = market(&small());
    // The crook's mail-order, honest as its terms are here.
    let binaries = binaries();
    let texts = binaries.repository.join("tests/trust/unfair");
    let buyer = binaries.guests.join("unfair_buyer.wasm");
    let seller = binaries.guests.join("unfair_seller.wasm");
    market
        .publish("transfers", &Published { texts: &texts, buyer: &buyer, seller: &seller })
        .unwrap();

    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(output.code, 0, "{}{}", output.out, output.err);
    let after = books(&market);
    assert_eq!((after.payments, after.parcels, after.sum), (1, 1, 0));
    for home in ["anna", "otto"] {
        assert_eq!(ended(&market, home), "completed");
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
        let deals = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
        let id = deals[0]["id"].as_str().unwrap();
        let replayed = market.semper(&["replay", "--home", home, id]).unwrap();
        assert_eq!(replayed.code, 0, "{home}: {}", replayed.err);
    }
    for (topic, times) in [("order", 1), ("payment-order", 1), ("completion", 1), ("exchange", 0)] {
        assert_eq!(asked(&market, topic), times, "{topic}");
    }
}

#[test]
fn openssl_alone_checks_the_exported_evidence() {
    let (market, _folder) = market(&small());
    market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    let deals = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    let deal = deals[0]["id"].as_str().unwrap();
    let export = ["archive", "export", "--home", "anna", deal, "--out", "deal.json"];
    assert_eq!(market.semper(&export).unwrap().code, 0);

    // As the README shows it, for every signed structure of the deal.
    let script = r#"
        set -e
        count=$(python3 -c 'import json; print(len(json.load(open("deal.json"))["evidence"]))')
        for i in $(seq 0 $((count - 1))); do
            rm -f leaf.pem key.pem
            python3 - "$i" <<'PY'
import base64, json, sys
item = json.load(open("deal.json"))["evidence"][int(sys.argv[1])]
open("signed.bin", "wb").write(base64.b64decode(item["signed_bytes"]))
open("signature.bin", "wb").write(base64.b64decode(item["signature"]))
if item["signature"] == "":
    sys.exit(0)  # the evidence of an exchange: for semper judge
if "key" in item:
    open("key.pem", "w").write(item["key"])
else:
    open("leaf.pem", "w").write(item["chain"][0])
PY
            test -s signature.bin || { echo "for the judge"; continue; }
            if [ -f leaf.pem ]; then
                openssl verify -CAfile ca/root.pem leaf.pem > /dev/null
                openssl x509 -in leaf.pem -noout -pubkey > key.pem
            fi
            openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed.bin -sigfile signature.bin
        done
        echo "checked $count"
    "#;
    let sh = std::path::Path::new("/bin/sh");
    let checked = semper_testkit::process::run(&market.folder, sh, &["-c", script]).unwrap();
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("checked 8"), "{}", checked.out);
}

#[test]
fn a_buyer_who_leaves_the_shop_owes_nothing() {
    let rules = "[[rule]]\ntopic = \"search\"\nanswer = \"leave\"\n\
                 [[rule]]\ntopic = \"agreement\"\nanswer = \"yes\"\n\
                 [[rule]]\ntopic = \"withdrawal\"\nanswer = \"yes\"\n";
    let options = MarketOptions { buyer_rules: rules.into(), ..small() };
    let (market, _folder) = market(&options);
    let before = books(&market);

    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(output.code, 1, "{}", output.err);
    for home in ["anna", "otto"] {
        assert_eq!(ended(&market, home), "withdrawn", "{home}");
    }
    assert_eq!(books(&market), before);
}

#[test]
fn an_order_that_is_declined_puts_the_goods_back() {
    let (mut market, _folder) = market(&small());
    let before = books(&market);
    // No standing consent covers an order of this much.
    let rules = BUYER_RULES.replacen("most   = \"300.00 EUR\"", "most   = \"0.01 EUR\"", 1);
    market.restart_buyer_tinguin(&rules).unwrap();

    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(output.code, 1);
    assert_eq!(ended(&market, "otto"), "withdrawn");
    assert_eq!(books(&market), before);
}

#[test]
fn an_empty_purse_ends_the_deal_cleanly() {
    let options = MarketOptions { funds: "1.00 EUR".into(), ..small() };
    let (market, _folder) = market(&options);
    let before = books(&market);

    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(output.code, 1);
    assert_eq!(newest(&market, "anna").0, "withdrawn", "{}", output.err);
    assert_eq!(ended(&market, "otto"), "withdrawn");
    assert_eq!(books(&market), before);
}

#[test]
fn a_deal_that_is_not_agreed_to_is_not_opened() {
    let rules = "[[rule]]\ntopic = \"agreement\"\nanswer = \"no\"\n";
    let options = MarketOptions { buyer_rules: rules.into(), ..small() };
    let (market, _folder) = market(&options);

    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(output.code, 1);
    assert!(
        output.err.contains("the deal was not opened: declined: a rule says no"),
        "{}",
        output.err
    );
    let deals = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    assert_eq!(deals.as_array().unwrap().len(), 0);
}

#[test]
fn uncertified_terms_are_refused_before_anything_is_signed() {
    let (market, _folder) = market(&small());
    // Anna no longer believes the organisation.
    let file = market.folder.join("anna/trust.toml");
    let trust = std::fs::read_to_string(&file).unwrap();
    let without = trust.split("[evaluator").next().unwrap();
    std::fs::write(&file, without).unwrap();

    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

    assert_eq!(output.code, 1);
    assert!(output.err.contains("nobody whom you believe has certified"), "{}", output.err);
    assert!(output.err.contains("\n  try  "), "{}", output.err);
    assert_eq!(asked(&market, "agreement"), 0);
}

#[test]
fn a_component_with_one_changed_bit_is_not_run() {
    let (mut market, _folder) = market(&small());
    let bundle = market.folder.join("bundle");
    let output = market.sign(&["inspect", "--bundle", "bundle", "--json"]).unwrap();
    let digest = output.json()["components"][0]["digest"].as_str().unwrap().to_owned();
    let blob = bundle.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    let mut bytes = std::fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, bytes).unwrap();

    // The merchant's own host finds it when it starts again, and says which file.
    let error = market.restart_merchant().unwrap_err();
    assert!(error.contains("has been changed: its digest is"), "{error}");
    let verified =
        market.sign(&["verify", "--bundle", "bundle", "--trust", "anna/trust.toml"]).unwrap();
    assert_eq!(verified.code, 1, "{}", verified.err);
}

#[test]
fn several_deals_at_once_are_served_and_stock_is_never_oversold() {
    let (market, _folder) = market(&small());
    let before = books(&market);
    let url = market.merchant_url();
    let party = Party::open(&market.folder.join("anna")).unwrap();
    let host = party.host(None, 8, |_, _| {}).unwrap();
    let layout = semper_commerce::terms::download(&host.net(), &url, &|_, _| {}).unwrap();
    let terms = host.shelf().take(&layout).unwrap();

    std::thread::scope(|scope| {
        let deals: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let id = host.open_as_buyer(&terms, &url).unwrap();
                    host.link(id, None).unwrap()
                })
            })
            .collect();
        for deal in deals {
            let row = deal.join().unwrap();
            assert_eq!(row.state, DealState::Completed, "{}", row.note);
        }
    });

    let after = books(&market);
    assert_eq!((after.payments, after.parcels, after.sum), (6, 6, 0));
    assert_eq!(after.stock, before.stock - 6);
    // Meanwhile no second host may run this home's deals.
    let second = market.semper(&["buy", "--home", "anna", &url]).unwrap();
    assert_eq!(second.code, 1);
    assert!(second.err.contains("another host of"), "{}", second.err);
}

#[test]
fn a_purchase_beside_another_of_the_same_home_is_refused_in_one_message_and_nothing_is_lost() {
    let asks =
        format!("[[rule]]\ntopic = \"order\"\nanswer = \"yes\"\nafter_ms = 600000\n{BUYER_RULES}");
    let (mut market, _folder) = market(&MarketOptions { buyer_rules: asks, ..small() });
    let mut first = market.start_buying().unwrap();
    waits_for(&market, "anna", "your decision");
    let url = market.merchant_url();

    let second = market.semper(&["buy", "--home", "anna", &url]).unwrap();
    let for_programs = market.semper(&["buy", "--home", "anna", &url, "--json"]).unwrap();
    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();

    for refused in [&second, &resumed] {
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{}", refused.err);
        assert_eq!(refused.err.matches("error:").count(), 1, "{}", refused.err);
        assert!(refused.err.contains("error: another host of "), "{}", refused.err);
        assert!(refused.err.contains("anna is running"), "{}", refused.err);
        assert!(refused.err.contains("anna --resume goes on with its deals"), "{}", refused.err);
    }
    let said: serde_json::Value = serde_json::from_str(&for_programs.err).unwrap();
    assert_eq!((for_programs.code, &said["code"]), (1, &1.into()), "{said}");
    assert!(said["mend"].as_str().unwrap().contains("nothing is lost"), "{said}");
    // The first one goes on where it was; nothing of the others was begun.
    let deals = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    assert_eq!(deals.as_array().unwrap().len(), 1);
    assert_eq!(first.wait(Duration::ZERO), None, "{}", first.log_text());
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();
    assert_eq!(first.wait(Duration::from_secs(60)), Some(0), "{}", first.log_text());
    let after = books(&market);
    assert_eq!((after.payments, after.parcels, after.sum), (1, 1, 0));
    assert_eq!(asked(&market, "agreement"), 1);
    // And then there is room for the next.
    let third = market.semper(&["buy", "--home", "anna", &url]).unwrap();
    assert_eq!(third.code, 0, "{}", third.err);
    assert_eq!(books(&market).payments, 2);
}
