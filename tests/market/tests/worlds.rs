//! World versions: what was once published is served for good, side by side with what came
//! after, and a deal ends under the version that it began with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{asked, binaries, books, ended, market, newest, small, waits_for};
use semper_testkit::market::BUYER_RULES;
use semper_testkit::{Market, Part, Published, Running};

/// The worlds that were published, and the folders of their conformance components.
const WORLDS: [&str; 1] = ["v1.2"];

fn publish(market: &mut Market, world: &str) {
    let folder: PathBuf = binaries().repository.join("tests/market/conformance").join(world);
    let (buyer, seller) = (folder.join("buyer.wasm"), folder.join("seller.wasm"));
    let service = Published { texts: &folder, buyer: &buyer, seller: &seller };
    market.publish(world, &service).unwrap();
}

fn buy(market: &Market) {
    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(output.code, 0, "{}", output.err);
}

/// Rules of a buyer who thinks about her order for a minute.
fn slow_to_order() -> String {
    BUYER_RULES.replace("topic  = \"order\"\n", "topic  = \"order\"\nafter_ms = 60000\n")
}

/// A purchase that has come as far as the order, over which the buyer thinks.
fn about_to_order(market: &mut Market) -> Running {
    market.restart_buyer_tinguin(&slow_to_order()).unwrap();
    let buying = market.start_buying().unwrap();
    waits_for(market, "anna", "your decision");
    buying
}

#[test]
fn components_of_every_published_world_carry_a_purchase_out() {
    let (mut market, _folder) = market(&small());
    for (index, world) in WORLDS.into_iter().enumerate() {
        publish(&mut market, world);
        buy(&market);
        assert_eq!(ended(&market, "otto"), "completed", "{world}");
        assert_eq!(books(&market).payments, i64::try_from(index).unwrap() + 1);
    }
}

#[test]
fn a_deal_ends_under_the_components_that_it_began_with_after_the_upgrade() {
    let (mut market, _folder) = market(&small());
    publish(&mut market, "v1.2");
    let mut buying = about_to_order(&mut market);
    let old = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    buying.kill();

    // Meanwhile the merchant serves the service as it is built today.
    market.offer("bundle").unwrap();
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();
    let resumed = market.semper(&["deals", "--home", "anna", "--resume", "--json"]).unwrap();
    assert_eq!(resumed.code, 0, "{}", resumed.err);

    let now = resumed.json();
    assert_eq!(now[0]["state"], "completed", "{now}");
    assert_eq!((&now[0]["id"], &now[0]["terms"]), (&old[0]["id"], &old[0]["terms"]));
    assert_eq!(ended(&market, "otto"), "completed");
    // A new deal begins under the new terms.
    buy(&market);
    let deals = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json();
    assert_ne!(deals[0]["terms"], deals[1]["terms"]);
    assert_eq!(books(&market).payments, 2);
}

#[test]
fn goods_are_put_back_when_an_offer_ends_that_nobody_has_ordered() {
    let (mut market, _folder) = market(&small());
    let before = books(&market);
    let mut buying = about_to_order(&mut market);
    assert_eq!(books(&market).reserved, 1);
    let seller = market.semper(&["deals", "--home", "otto"]).unwrap().out;
    assert!(seller.contains("waits for message 4 of the other side, or 20"), "{seller}");
    buying.kill();

    // Four days later, by the merchant's clock; the offer was for three.
    let days = (4 * 86_400_000_u64).to_string();
    market.restart(Part::Merchant, &[("SEMPER_CLOCK", &days)]).unwrap();
    assert_eq!(ended(&market, "otto"), "withdrawn");
    assert_eq!(books(&market), before);

    // The buyer says yes when it is too late: nothing is ordered, nothing is paid.
    market.restart_buyer_tinguin(BUYER_RULES).unwrap();
    let mut resuming = Running::start(
        &market.folder,
        "resume",
        &market.binaries.semper,
        &["deals", "--home", "anna", "--resume"],
        &[("SEMPER_CLOCK", &days)],
    )
    .unwrap();
    assert_eq!(resuming.wait(Duration::from_secs(30)), Some(0), "{}", resuming.log_text());
    assert_eq!(newest(&market, "anna").0, "withdrawn", "{}", resuming.log_text());
    assert_eq!(books(&market).payments, 0);
}

#[test]
fn a_buyer_who_cancels_leaves_signed_and_the_goods_are_put_back() {
    let (mut market, _folder) = market(&small());
    let before = books(&market);
    let mut buying = about_to_order(&mut market);
    assert_eq!(books(&market).reserved, 1);
    let id = market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json()[0]["id"].clone();
    let id = id.as_str().unwrap().to_owned();

    // The host that runs the deal is told through the archive.
    let told =
        market.semper(&["cancel", "--home", "anna", &id, "--reason", "found it cheaper"]).unwrap();
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("has been told"), "{}", told.out);

    assert_eq!(buying.wait(Duration::from_secs(30)), Some(1), "{}", buying.log_text());
    assert_eq!(newest(&market, "anna").0, "withdrawn");
    assert_eq!(ended(&market, "otto"), "withdrawn");
    assert_eq!(books(&market), before);
    // She was asked to sign the order, and then her leaving.
    assert_eq!((asked(&market, "withdrawal"), books(&market).payments), (1, 0));
    // What has ended cannot be left.
    let again = market.semper(&["cancel", "--home", "anna", &id]).unwrap();
    assert_eq!(again.code, 2, "{}", again.err);
}
