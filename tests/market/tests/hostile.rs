//! Strangers at the merchant's door: garbage, repetitions, other people's messages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{books, client, market, small};
use semper_archive::Archive;
use semper_base::cert::Roots;
use semper_base::{DealId, Digest, SealSecret, SigningKey, Timestamp, cbor, keys};
use semper_items::{Attributes, DealKeys, Hello};
use semper_net::{Client, NetError, Response};
use semper_testkit::{Market, Part};

const MOST: usize = 1024 * 1024;
/// Longer than anything here takes; only a hang gets this far.
const HANG: Duration = Duration::from_secs(60);

fn hello(terms: Digest, made: Timestamp) -> Hello {
    Hello {
        nonce: Digest::from_bytes(keys::random()),
        terms,
        merchant: "Otto Versand".into(),
        buyer: "Mallory".into(),
        keys: DealKeys {
            sign: SigningKey::from_seed(&[1; 32]).public(),
            seal: SealSecret::from_seed(&[1; 32]).public(),
        },
        attributes: Attributes::default(),
        payment: vec!["purse".into()],
        made,
    }
}

#[test]
fn whatever_strangers_send_the_merchant_answers_and_goes_on() {
    let (market, _folder) = market(&small());
    let net = client(&market);
    let url = market.merchant_url();
    let bought = market.semper(&["buy", "--home", "anna", &url]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    let before = books(&market);
    let post = |path: &str, body: Vec<u8>| -> Response {
        net.post(&format!("{url}{path}"), "application/octet-stream", body, MOST).unwrap()
    };

    // Openings.
    let now = Timestamp::now();
    let terms = terms(&market);
    assert_eq!(post("/semper/v1/deals", b"garbage".to_vec()).status, 400);
    assert_eq!(post("/semper/v1/deals", vec![0; 5000]).status, 400);
    assert_eq!(post("/semper/v1/deals", vec![0; 3_000_000]).status, 413);
    let mut long = cbor::encode(&hello(terms, now));
    long.push(0);
    assert_eq!(post("/semper/v1/deals", long).status, 400);
    let unknown = post("/semper/v1/deals", cbor::encode(&hello(Digest::of(b"other"), now)));
    assert_eq!(unknown.status, 409);
    assert!(String::from_utf8_lossy(&unknown.body).contains("unknown-terms"));
    let old = Timestamp::from_millis(now.millis() - 3_600_000).unwrap();
    let stale = post("/semper/v1/deals", cbor::encode(&hello(terms, old)));
    assert!(String::from_utf8_lossy(&stale.body).contains("clock"), "{stale:?}");
    let poor = Hello { payment: vec!["shells".into()], ..hello(terms, now) };
    let poor = post("/semper/v1/deals", cbor::encode(&poor));
    assert!(String::from_utf8_lossy(&poor.body).contains("no-payment"), "{poor:?}");

    // The same HELLO twice gets the same agreement.
    let once = cbor::encode(&hello(terms, now));
    let first = post("/semper/v1/deals", once.clone());
    assert_eq!(first.status, 200);
    assert_eq!(first, post("/semper/v1/deals", once));

    // A countersignature by nobody.
    let path = format!("/semper/v1/deals/{}", Digest::of(b"no deal").hex());
    let late = post(&path, b"garbage".to_vec());
    assert_eq!(late.status, 409);
    assert!(String::from_utf8_lossy(&late.body).contains("expired"), "{late:?}");

    messages(&market, &net);
    assert_eq!(books(&market), before);
    let again = market.semper(&["buy", "--home", "anna", &url]).unwrap();
    assert_eq!(again.code, 0, "{}", again.err);
}

fn terms(market: &Market) -> Digest {
    let output = market.sign(&["inspect", "--bundle", "bundle", "--json"]).unwrap();
    output.json()["terms"]["digest"].as_str().unwrap().parse().unwrap()
}

/// Messages to a deal that is done: repeated, garbled, of another deal, to no deal.
fn messages(market: &Market, net: &Client) {
    let url = market.merchant_url();
    let archive = Archive::open_file(&market.folder.join("anna/archive.sqlite")).unwrap();
    let deal = archive.deals().unwrap()[0].id;
    let sent = archive.messages(deal, true, 0).unwrap();
    let post = |deal: DealId, body: Vec<u8>| {
        let path = format!("{url}/semper/v1/deals/{}/messages", deal.hex());
        net.post(&path, "application/octet-stream", body, MOST).unwrap()
    };

    for message in &sent {
        // Repeated, in any order: acknowledged again, and nothing happens twice.
        let again = post(deal, message.wire.clone());
        assert_eq!(again.status, 200);
        let text = String::from_utf8_lossy(&again.body).into_owned();
        assert!(text.contains(&format!("\"acknowledged\":{}", sent.len())), "{text}");
        let mut garbled = message.wire.clone();
        let middle = garbled.len() / 2;
        garbled[middle] ^= 1;
        assert_eq!(post(deal, garbled).status, 400);
        assert_eq!(post(deal, message.wire[..20].to_vec()).status, 400);
        let strange = DealId::new(Digest::of(b"no deal"));
        assert_eq!(post(strange, message.wire.clone()).status, 404);
    }
    assert_eq!(post(deal, Vec::new()).status, 400);

    let get = |path: &str| net.get(&format!("{url}{path}"), MOST).unwrap();
    assert_eq!(get("/semper/v1/deals/nonsense/messages?after=0").status, 404);
    assert_eq!(get(&format!("/semper/v1/deals/{}/messages?after=x", deal.hex())).status, 400);
    assert_eq!(get("/.well-known/semper/terms/../../otto/keystore.json").status, 404);
    assert_eq!(get("/.well-known/semper/terms/blobs/sha256/..%2F..%2Findex.json").status, 404);
}

#[test]
fn servers_speak_tls_1_3_to_those_who_know_their_authority_and_tell_how_they_are() {
    let (market, _folder) = market(&small());
    let url = market.merchant_url();

    let stranger = Client::new(&Roots::default());
    let error = stranger.get(&format!("{url}/healthz"), MOST).unwrap_err();
    assert!(matches!(error, NetError::Tls { .. }), "{error}");
    let old = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &format!("localhost:{}", market.ports[2])])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(!old.status.success());

    let net = client(&market);
    for port in market.ports {
        let health = net.get(&format!("https://localhost:{port}/healthz"), MOST).unwrap();
        assert_eq!((health.status, health.body), (200, b"ok\n".to_vec()));
    }
    market.semper(&["buy", "--home", "anna", &url]).unwrap();
    let metrics = net.get(&format!("{url}/metrics"), MOST).unwrap();
    let text = String::from_utf8(metrics.body).unwrap();
    let opened = "semper_requests_total{role=\"merchant\",action=\"agreed\",outcome=\"done\"} 1";
    assert!(text.contains(opened), "{text}");
    let tiny = net.get(&format!("{url}/metrics"), 10).unwrap_err();
    assert!(matches!(tiny, NetError::TooLarge { .. }), "{tiny}");
    // No personal data in the logs at info.
    let log = market.merchant.log_text();
    assert!(!log.contains("Lindenweg") && !log.contains("Anna"), "{log}");
}

#[test]
fn a_server_that_is_told_to_stop_finishes_and_exits_cleanly() {
    let (mut market, _folder) = market(&small());
    market.merchant.signal("TERM");
    let code = market.merchant.wait(Duration::from_secs(15));
    assert_eq!(code, Some(0), "{}", market.merchant.log_text());
}

#[test]
fn every_server_at_which_nothing_happens_ends_at_once_when_it_is_told_to() {
    let (mut market, _folder) = market(&small());
    let soon = Duration::from_secs(2);
    for part in [Part::Merchant, Part::ThirdParty, Part::Bank] {
        let server = market.part(part);
        server.signal("TERM");
        assert_eq!(server.wait(soon), Some(0), "{part:?}: {}", server.log_text());
    }
    market.ca.signal("TERM");
    assert_eq!(market.ca.wait(soon), Some(0), "{}", market.ca.log_text());
}

/// The files of a folder and their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    all.filter(|it| it.is_file()).map(|it| (it.clone(), std::fs::read(it).unwrap())).collect()
}

#[test]
fn a_check_of_a_merchant_that_was_killed_changes_nothing_and_says_everything_that_is_wrong() {
    let (mut market, _folder) = market(&small());
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    market.merchant.kill();
    market.merchant_tinguin.kill();
    let otto = market.folder.join("otto");
    let check = || market.semper(&["serve", "merchant.toml", "--check"]).unwrap();
    let before = files(&otto);

    let checked = check();

    assert_eq!(checked.code, 0, "{}", checked.err);
    assert_eq!(files(&otto), before);
    // Everything that is wrong, each with its mend; the exit code says that it can be mended.
    std::fs::write(otto.join("trust.toml"), "nonsense").unwrap();
    std::fs::write(otto.join("catalogue.sqlite"), [7; 8_192]).unwrap();
    std::fs::rename(market.folder.join("bundle"), market.folder.join("away")).unwrap();
    let before = files(&otto);
    let checked = check();
    assert_eq!(checked.code, 2, "{}", checked.err);
    let errors = checked.err.lines().filter(|it| it.starts_with("error: [merchant]: "));
    assert_eq!(errors.count(), 3, "{}", checked.err);
    for what in ["trust.toml", "the catalogue", "the terms in "] {
        assert!(checked.err.contains(what), "{what}: {}", checked.err);
    }
    assert_eq!(files(&otto), before);
}

#[test]
fn polls_that_are_held_are_answered_as_soon_as_the_server_is_told_to_stop() {
    let (mut market, _folder) = market(&small());
    // A deal whose buyer has gone away: nothing more will be said in it.
    let mut buying = market.start_buying().unwrap();
    let archive = Archive::open_file(&market.folder.join("otto/archive.sqlite")).unwrap();
    let begun = Instant::now();
    let deal = loop {
        if let Some(row) = archive.deals().unwrap().first() {
            break row.id;
        }
        assert!(begun.elapsed() < HANG, "{}", buying.log_text());
        std::thread::sleep(Duration::from_millis(10));
    };
    buying.kill();
    let net = client(&market);
    let path = format!("/semper/v1/deals/{}/messages?after=1000&wait=20000", deal.hex());
    let url = format!("{}{path}", market.merchant_url());
    let polls: Vec<_> = (0..20)
        .map(|_| {
            let (net, url) = (net.clone(), url.clone());
            std::thread::spawn(move || net.get(&url, MOST).unwrap().status)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    assert!(polls.iter().all(|it| !it.is_finished()), "{}", market.merchant.log_text());

    market.merchant.signal("TERM");
    let code = market.merchant.wait(Duration::from_secs(2));

    assert_eq!(code, Some(0), "{}", market.merchant.log_text());
    for poll in polls {
        assert_eq!(poll.join().unwrap(), 204);
    }
}
